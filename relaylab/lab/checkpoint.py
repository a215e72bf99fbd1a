"""Keeping and restoring a channel's whole state, so that virtual time goes both ways."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaylab.channel.channel import memories


@dataclass(frozen=True)
class Checkpoint:
    """A channel's memory at one moment.

    Attributes
    ----------
    pages : list of tuple of ndarray
        Control block, writer's part and bytes of each buffer.
    """

    pages: list[tuple[NDArray[np.uint8], ...]]

    @classmethod
    def of(cls, channel: Any) -> "Checkpoint":
        """The state of a channel that nobody else uses meanwhile."""
        return cls([memory.checkpoint() for memory in memories(channel)])

    def restore(self, channel: Any) -> None:
        """Make the same channel what it was, byte for byte. Files and mappings stay open."""
        for memory, kept in zip(memories(channel), self.pages, strict=True):
            memory.restore(kept)


def checkpoint_bytes(channel: Any) -> int:
    """What one checkpoint of this channel takes."""
    return sum(memory.checkpoint_size for memory in memories(channel))
