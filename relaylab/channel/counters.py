"""The counters of a buffer, which its owner and its readers see alike."""

from __future__ import annotations


class Counters:
    """What a channel's buffer and an open file of it tell of the same control block."""

    def _field(self, name: str) -> int:
        """A field of the control block."""
        raise NotImplementedError

    @property
    def subbufs_produced(self) -> int:
        """Sub-buffers produced since the last reset."""
        return self._field("produced")

    @property
    def subbufs_consumed(self) -> int:
        """Sub-buffers consumed since the last reset."""
        return self._field("consumed")

    @property
    def unfull(self) -> int:
        """1 if a reader consumed something of the full buffer and no switch has seen it yet."""
        return self._field("unfull")
