"""A slot: what relay_reserve hands out."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from relaylab.channel.buffer import ChannelBuffer


class Slot:
    """Reserved bytes of a buffer, to be filled and committed.

    As a context manager it commits its whole length on a clean exit, unless `commit` was called.

    Attributes
    ----------
    offset : int
        Bytes from the start of the buffer.
    length : int
        Bytes.
    """

    __slots__ = ("_buffer", "_committed", "length", "offset")

    def __init__(self, buffer: ChannelBuffer, offset: int, length: int) -> None:
        self._buffer = buffer
        self._committed = False
        self.offset = offset
        self.length = length

    @property
    def cpu(self) -> int:
        """The CPU whose buffer it is in."""
        return self._buffer.cpu

    @property
    def view(self) -> memoryview:
        """Its bytes, writable until the buffer is released, also after the commit."""
        return self._buffer._writable(self.offset, self.length)

    def commit(self, count: int | None = None) -> None:
        """relay_commit: count `count` bytes, by default all, as written.

        Raises
        ------
        ConfigError
            `count` is not 0 .. 2^31-1; or the slot is empty and lies behind the last sub-buffer.
        """
        self._buffer._commit_at(self.offset, self.length if count is None else count)
        self._committed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        behind_the_end = self.length == 0 and self._buffer._ends_at(self.offset)
        if kind is None and not self._committed and not behind_the_end:
            self.commit()

    def __repr__(self) -> str:
        state = "committed" if self._committed else "not committed"
        return f"<Slot cpu {self.cpu}, {self.length} bytes at {self.offset}, {state}>"
