"""Open files and their mappings, in whatever process they are."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator
from errno import EINVAL
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from relaylab.channel.arguments import INT_MAX, integer
from relaylab.channel.counters import Counters
from relaylab.channel.observing import Stats
from relaylab.core.pages import Pages
from relaylab.errors import ClosedError, ConfigError, FileError
from relaylab.relayfs import reading
from relaylab.relayfs.closing import ClosesOnExit
from relaylab.relayfs.reading import Place, Subbuffer

_FOREVER_S: Final = 2_000_000.0  # poll() cannot wait longer than 2^31 ms


class RelayFile(Counters, ClosesOnExit, ABC):
    """An open file of a buffer, for reading. It is a reference to the buffer.

    As a context manager it closes on exit. The buffer is released when the file is closed *and*
    all its mappings are gone. Files of this process's own channels and those of other processes'
    are used alike.

    Attributes
    ----------
    path : str
        The path it was opened by.
    skipped : int
        Sub-buffers that were overwritten before `subbufs` could read them.
    taken : int
        Sub-buffers that another reader consumed before `subbufs` came to them.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.skipped = 0
        self.taken = 0
        self._place = Place()
        self._lock = threading.RLock()
        self._mappings: set[Mapping] = set()
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether it was closed; mappings may still be there."""
        return self._closed

    # The buffer's state ----------------------------------------------------------------------

    @property
    def finalized(self) -> int:
        """1 once the channel is closed, or its owner is gone."""
        return self._field("finalized")

    @property
    @abstractmethod
    def padding(self) -> NDArray[np.uint32]:
        """Bytes of padding at the end of each sub-buffer, uint32[n_subbufs]; live, read-only."""

    @property
    def cpu(self) -> int:
        """The CPU whose buffer it is."""
        return self._field("cpu")

    @property
    def subbuf_size(self) -> int:
        """Bytes of a sub-buffer."""
        return self._field("subbuf_size")

    @property
    def n_subbufs(self) -> int:
        """Sub-buffers of the buffer."""
        return self._field("n_subbufs")

    @property
    def alloc_size(self) -> int:
        """Bytes of the buffer, and of a mapping."""
        return self._field("alloc_size")

    @property
    def overwrite(self) -> bool:
        """Whether the oldest sub-buffer is overwritten when nothing is free."""
        return bool(self._field("overwrite"))

    @property
    @abstractmethod
    def stats(self) -> Stats:
        """What happened to the buffer's events."""

    # Reading ---------------------------------------------------------------------------------

    @abstractmethod
    def poll(self) -> int:
        """The poll file operation.

        Returns
        -------
        int
            ``select.POLLIN | select.POLLRDNORM`` if a sub-buffer is unconsumed, ``select.POLLERR``
            once the channel is closed or its owner gone, else 0.
        """

    @abstractmethod
    def fileno(self) -> int:
        """A descriptor for select, poll, epoll, selectors and asyncio.

        It is readable as long as a sub-buffer is unconsumed, and for ever once the channel is
        closed or its owner gone.

        Raises
        ------
        ResourceError
            The system has no descriptor left, or is not Linux.
        """

    def mmap(self, length: int | None = None) -> Mapping:
        """Map the whole buffer, read-only.

        Parameters
        ----------
        length
            Bytes: exactly the channel's alloc_size, which None stands for.

        Raises
        ------
        FileError
            With errno EINVAL: another length.
        ClosedError
        ResourceError
        CallbackError
            buf_mapped raised; the mapping is gone again.
        """
        self._open_or_raise()
        size = self.alloc_size
        wanted = size if length is None else integer("length", length, -(2**63), 2**63 - 1)
        if wanted != size:
            raise FileError(
                "mmap of another length than the buffer's",
                errno=EINVAL,
                passed=wanted,
                allowed=f"{size}, the channel's alloc_size",
            )
        with self._lock:
            self._open_or_raise()
            mapping = Mapping(self, self._map_pages(), self._unmap)
            self._mappings.add(mapping)
        try:
            self._tell_mapped()
        except BaseException:
            self._discard(mapping)
            raise
        return mapping

    def consume(self, n: int) -> None:
        """Be through with `n` sub-buffers, as relay_subbufs_consumed.

        It has taken effect when this returns. More than was produced is clamped.

        Raises
        ------
        ConfigError
            A count that is not 0 .. 2^31-1.
        ClosedError
        """
        self._open_or_raise()
        self._consume(integer("n", n, 0, INT_MAX))

    def subbufs(self, timeout: float | None = None, consume: bool = True) -> Iterator[Subbuffer]:
        """Whole sub-buffers, as they become ready.

        Parameters
        ----------
        timeout
            Seconds after which to end if nothing came; None to wait until the channel is closed.
        consume
            Consume each sub-buffer when the loop moves on; after a break the last one is not
            consumed. One consuming loop a buffer: of two, each misses what the other consumes,
            counted in `taken`. Others pass False, get copies, and have no say in what the writer
            may use again.

        Yields
        ------
        Subbuffer
            In overwrite mode `data` is a copy; what was overwritten before it could be copied is
            skipped and counted in `skipped`. Otherwise it is the buffer's own memory, and its
            contents are valid until the loop moves on.

        Notes
        -----
        Once the channel is closed, or its owner gone, what was produced is yielded and the loop
        ends. It may be called again.
        """
        self._open_or_raise()
        return reading.read(self, _seconds(timeout), consume)

    def subbufs_async(
        self, timeout: float | None = None, consume: bool = True
    ) -> AsyncIterator[Subbuffer]:
        """The same for ``async for``: other tasks run while nothing is ready."""
        self._open_or_raise()
        return reading.read_async(self, _seconds(timeout), consume)

    # The end ---------------------------------------------------------------------------------

    def close(self) -> None:
        """Close it; closing again is fine. Mappings stay, and keep the buffer."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            unused = not self._mappings
        self._stop_waiting()
        if unused:
            self._release()

    def _abandon(self) -> None:
        """In the child of a fork: the open file is the parent's."""
        self._lock = threading.RLock()  # another thread may have held it
        self._closed = True

    def _unmap(self, mapping: Mapping) -> None:
        try:
            self._tell_unmapped()
        finally:
            self._discard(mapping)

    def _discard(self, mapping: Mapping) -> None:
        with self._lock:
            self._mappings.discard(mapping)
            unused = self._closed and not self._mappings
        if unused:
            self._release()

    def _open_or_raise(self) -> None:
        if self._closed:
            raise ClosedError(f"the file {self.path!r} is closed", hint="Open it again.")

    def _in_use_or_raise(self) -> None:
        """Mappings keep a closed file in use."""
        if not self._mappings:
            self._open_or_raise()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"<RelayFile {self.path!r}, {state}, {len(self._mappings)} mappings>"

    # What the kinds of files do in their own ways --------------------------------------------

    @abstractmethod
    def _field(self, name: str) -> int:
        """A field of the control block."""

    @abstractmethod
    def _map_pages(self) -> Pages:
        """The buffer's bytes."""

    @abstractmethod
    def _tell_mapped(self) -> None:
        """Tell the owner that there is a mapping."""

    @abstractmethod
    def _tell_unmapped(self) -> None:
        """Tell the owner that a mapping is gone."""

    @abstractmethod
    def _consume(self, count: int) -> None:
        """relay_subbufs_consumed for a checked count."""

    @abstractmethod
    def _consume_through(self, sequence: int, epoch: int) -> None:
        """Consume up to a sub-buffer of the sequence, unless it was reset since `epoch`."""

    @abstractmethod
    def _settle(self) -> None:
        """Wait until what was consumed last is consumed, and make the descriptor tell of it."""

    @abstractmethod
    def _descriptor_to_watch(self, produced: int, epoch: int) -> int:
        """A descriptor that is readable once something else than this was produced."""

    @abstractmethod
    def _stop_waiting(self) -> None:
        """Close the descriptors that were for waiting."""

    @abstractmethod
    def _release(self) -> None:
        """Give the reference to the buffer back."""


def _seconds(timeout: float | None) -> float | None:
    if timeout is None:
        return None
    try:
        seconds = float(timeout)
    except (TypeError, ValueError):
        seconds = -1.0
    if not seconds >= 0:
        raise ConfigError("timeout", passed=timeout, allowed="seconds from 0, or None")
    return seconds if seconds < _FOREVER_S else None


class Mapping(ClosesOnExit):
    """A read-only mapping of a buffer; it keeps the open file alive.

    As a context manager it unmaps on exit.
    """

    def __init__(self, file: RelayFile, pages: Pages, on_close: Callable[[Mapping], None]) -> None:
        self._file = file
        self._pages: Pages | None = pages
        self._on_close = on_close

    @property
    def view(self) -> memoryview:
        """A fresh read-only view of all alloc_size bytes."""
        return memoryview(self._mapped().map).toreadonly()

    @property
    def array(self) -> NDArray[np.uint8]:
        """The same as uint8[alloc_size]."""
        pages = self._mapped()
        array: NDArray[np.uint8] = pages.readonly(np.uint8, len(pages.bytes))
        return array

    @property
    def closed(self) -> bool:
        """Whether it was unmapped."""
        return self._pages is None

    def close(self) -> None:
        """Unmap; doing so again is fine. Views that were handed out stay valid.

        Raises
        ------
        CallbackError
            buf_unmapped raised; the mapping is gone all the same.
        """
        with self._file._lock:
            if self._pages is None:
                return
            self._pages = None
        self._on_close(self)

    def _abandon(self) -> None:
        """In the child of a fork: unmap without telling anybody."""
        self._pages = None

    def _mapped(self) -> Any:
        pages = self._pages
        if pages is None:
            raise ClosedError(
                f"the mapping of {self._file.path!r} is closed", hint="Call mmap() again."
            )
        return pages

    def __repr__(self) -> str:
        state = "closed" if self.closed else "mapped"
        return f"<Mapping of {self._file.path!r}, {state}>"
