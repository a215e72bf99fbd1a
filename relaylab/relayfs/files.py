"""Open files and their mappings."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from errno import EINVAL
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from relaylab.channel import ChannelBuffer
from relaylab.channel.arguments import integer
from relaylab.core.journal import Kind
from relaylab.errors import ClosedError, FileError


class RelayFile:
    """An open file of a buffer, for reading. It is a reference to the buffer.

    As a context manager it closes on exit. The buffer is released when the file is closed *and*
    all its mappings are gone.
    """

    def __init__(self, buffer: ChannelBuffer, forget: Callable[[RelayFile], None]) -> None:
        buffer._hold()
        self._buffer = buffer
        self._forget = forget
        self._lock = threading.Lock()
        self._mappings: set[Mapping] = set()
        self._closed = False
        self._descriptor: int | None = None

    @property
    def path(self) -> str:
        """The path it was opened by."""
        return self._buffer.path

    @property
    def closed(self) -> bool:
        """Whether it was closed; mappings may still be there."""
        return self._closed

    def poll(self) -> int:
        """The poll file operation.

        Returns
        -------
        int
            ``select.POLLIN | select.POLLRDNORM`` if a sub-buffer is unconsumed, ``select.POLLERR``
            once the channel is closed, else 0.
        """
        self._open_or_raise()
        return self._buffer.poll()

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
        CallbackError
            buf_mapped raised; the mapping is gone again.
        """
        size = len(self._buffer.memory) if not self._closed else 0
        wanted = size if length is None else integer("length", length, -(2**63), 2**63 - 1)
        with self._lock:
            self._open_or_raise()
            if wanted != size:
                raise FileError(
                    "mmap of another length than the buffer's",
                    errno=EINVAL,
                    passed=wanted,
                    allowed=f"{size}, the channel's alloc_size",
                )
            mapping = Mapping(self)
            self._mappings.add(mapping)
        self._buffer._note(Kind.MAPPED, self._buffer.refcount)
        try:
            self._buffer._tell("buf_mapped", self)
        except BaseException:
            self._unmap(mapping)
            raise
        return mapping

    def fileno(self) -> int:
        """A descriptor for select, poll, epoll, selectors and asyncio.

        It is readable as long as a sub-buffer is unconsumed, and for ever once the channel is
        closed.

        Raises
        ------
        ResourceError
            The system has no descriptor left, or is not Linux.
        """
        with self._lock:
            self._open_or_raise()
            if self._descriptor is None:
                self._descriptor = self._buffer._wake_up_descriptor()
            return self._descriptor

    def close(self) -> None:
        """Close it; closing again is fine."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            descriptor, self._descriptor = self._descriptor, None
            unused = not self._mappings
        if descriptor is not None:
            os.close(descriptor)
        if unused:
            self._release()

    def _release(self) -> None:
        self._forget(self)
        self._buffer._drop()

    def _unmap(self, mapping: Mapping) -> None:
        self._buffer._note(Kind.UNMAPPED, self._buffer.refcount)
        with self._lock:
            self._mappings.discard(mapping)
            unused = self._closed and not self._mappings
        if unused:
            self._release()

    def _open_or_raise(self) -> None:
        if self._closed:
            raise ClosedError(f"the file {self.path!r} is closed", hint="Open it again.")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"<RelayFile {self.path!r}, {state}, {len(self._mappings)} mappings>"


class Mapping:
    """A read-only mapping of a buffer; it keeps the open file alive.

    As a context manager it unmaps on exit.
    """

    def __init__(self, file: RelayFile) -> None:
        self._file = file
        self._pages: Any = file._buffer._alive()

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
        try:
            self._file._buffer._tell("buf_unmapped", self._file)
        finally:
            self._file._unmap(self)

    def _mapped(self) -> Any:
        pages = self._pages
        if pages is None:
            raise ClosedError(
                f"the mapping of {self._file.path!r} is closed", hint="Call mmap() again."
            )
        return pages

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self.closed else "mapped"
        return f"<Mapping of {self._file.path!r}, {state}>"
