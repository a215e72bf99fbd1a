"""Keeping and restoring a channel's whole state, so that virtual time goes both ways."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


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
        return cls([tuple(page.copy() for page in _pages(buf)) for buf in channel.buffers])

    def restore(self, channel: Any) -> None:
        """Make the same channel what it was, byte for byte. Files and mappings stay open."""
        for buf, kept in zip(channel.buffers, self.pages, strict=True):
            for page, before in zip(_pages(buf), kept, strict=True):
                page[:] = before


def checkpoint_bytes(channel: Any) -> int:
    """What one checkpoint of this channel takes."""
    return sum(len(page) for buf in channel.buffers for page in _pages(buf))


def _pages(buf: Any) -> tuple[NDArray[np.uint8], ...]:
    # State is data: all there is to a buffer lies in these pages, so a copy is the whole state.
    memory = buf._memory
    return memory.control_pages.bytes, memory.own_pages.bytes, memory.data.bytes
