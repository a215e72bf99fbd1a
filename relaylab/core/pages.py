"""Shared pages, and the files without names that other processes get to see.

On Linux such a file is a sealed memfd: once sealed, nobody can make a new writable mapping of it,
write to it or change its size, whatever descriptor of it he has.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
import weakref
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

ON_LINUX: Final = sys.platform == "linux"
_F_ADD_SEALS: Final = 1033
_SEAL, _SHRINK, _GROW, _FUTURE_WRITE = 0x1, 0x2, 0x4, 0x10  # fcntl has no name for the last
_READ: Final = 0x1
_WRITE: Final = 0x2
_SHARED: Final = 0x1
_FAILED: Final = ctypes.c_void_p(-1).value


class Pages:
    """Zeroed shared pages that live as long as any view of them.

    Parameters
    ----------
    size
        Bytes.
    descriptor, offset
        The file they are of; by default they are of none.
    writable
        False: the system refuses every store.

    Raises
    ------
    OSError
        The system refuses the memory.
    """

    def __init__(
        self, size: int, descriptor: int = -1, offset: int = 0, writable: bool = True
    ) -> None:
        # mmap.mmap would keep a duplicate of the descriptor open for each mapping
        if descriptor < 0:
            memory: Any = mmap.mmap(-1, size)
        else:
            memory = _map(size, descriptor, offset, writable)
        self.bytes: NDArray[np.uint8] = np.frombuffer(memory, np.uint8)
        self.address = int(self.bytes.ctypes.data)
        if not writable:
            self.bytes.flags.writeable = False
        self.map: memoryview = self.bytes.data

    def readonly(self, dtype: Any, count: int, offset: int = 0) -> NDArray[Any]:
        """A live array over these pages that cannot be made writable."""
        return np.frombuffer(self.map.toreadonly(), dtype, count, offset)


def _map(size: int, descriptor: int, offset: int, writable: bool) -> Any:
    """Map a part of a file; the pages are given back when nothing refers to the result."""
    library = _c_library()
    protection = _READ | _WRITE if writable else _READ
    address = library.mmap(None, size, protection, _SHARED, descriptor, offset)
    if address == _FAILED:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    memory = (ctypes.c_ubyte * size).from_address(address)
    weakref.finalize(memory, library.munmap, address, size).atexit = False
    return memory


@cache
def _c_library() -> Any:
    library = ctypes.CDLL(None, use_errno=True)
    library.mmap.restype = ctypes.c_void_p
    library.mmap.argtypes = (
        ctypes.c_void_p,
        ctypes.c_size_t,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_int64,
    )
    library.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    return library


class SharedFile:
    """Memory that may be handed to other processes, where the system can do that.

    Parameters
    ----------
    name
        What /proc shows it as.
    size
        Bytes, a whole number of pages.
    """

    def __init__(self, name: str, size: int) -> None:
        self.size = size
        self._descriptor = -1
        if ON_LINUX:
            self._descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            weakref.finalize(self, os.close, self._descriptor).atexit = False
            os.ftruncate(self._descriptor, size)
            os.fchmod(self._descriptor, 0o400)

    def pages(self, offset: int, size: int) -> Pages:
        """Map a part of it, writable; before it is sealed."""
        return Pages(size, self._descriptor, offset)

    def seal(self) -> None:
        """From here on only the mappings there are can change it."""
        if ON_LINUX:
            _seal(self._descriptor, _SHRINK | _GROW | _FUTURE_WRITE | _SEAL)
            # Opened for reading it counts as open: otherwise a reader who is the only one could
            # take a write lease on it, and each further open_readonly would wait for that to end.
            reading = self.open_readonly()
            try:
                os.dup2(reading, self._descriptor, inheritable=False)
            finally:
                os.close(reading)

    def open_readonly(self) -> int:
        """A new descriptor that can only read.

        Raises
        ------
        OSError
        """
        return os.open(f"/proc/self/fd/{self._descriptor}", os.O_RDONLY | os.O_CLOEXEC)


class SharedPage:
    """One page that another process may write to, whose size nobody can change.

    Attributes
    ----------
    pages : Pages
    descriptor : int
        To be handed over; -1 once closed.
    """

    def __init__(self, name: str, size: int) -> None:
        self.descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(self.descriptor, size)
            os.fchmod(self.descriptor, 0o600)
            _seal(self.descriptor, _SHRINK | _GROW | _SEAL)
            self.pages = Pages(size, self.descriptor)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the descriptor; again is fine. The page stays."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def _seal(descriptor: int, seals: int) -> None:
    import fcntl  # not on Windows

    fcntl.fcntl(descriptor, _F_ADD_SEALS, seals)
