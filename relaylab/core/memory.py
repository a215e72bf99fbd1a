"""The memory of a channel: shared pages for buffers and control blocks, and their views."""

from __future__ import annotations

import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaylab.core.journal import CAPACITY, Journal
from relaylab.core.layout import (
    ABI_VERSION,
    CONTROL,
    JOURNAL,
    MAGIC,
    OWN,
    PAGE,
    RECORD,
    alloc_size,
    control_size,
)


class Pages:
    """Zeroed shared pages that live as long as any view of them.

    Raises
    ------
    OSError
        The system refuses the memory.
    """

    def __init__(self, size: int) -> None:
        self.map = mmap.mmap(-1, size)
        self.bytes: NDArray[np.uint8] = np.frombuffer(self.map, np.uint8)
        self.address = int(self.bytes.ctypes.data)

    def readonly(self, dtype: Any, count: int, offset: int = 0) -> NDArray[Any]:
        """A live array over these pages that cannot be made writable."""
        view = memoryview(self.map).toreadonly()
        return np.frombuffer(view, dtype, count, offset)


class JournalMemory:
    """The ring of a channel's journal."""

    def __init__(self) -> None:
        self.pages = Pages(PAGE + CAPACITY * RECORD.itemsize)
        header = self.pages.bytes[: JOURNAL.itemsize].view(JOURNAL)
        header["capacity"] = CAPACITY
        header["records"] = self.pages.address + PAGE
        self.address = self.pages.address
        self.journal = Journal(
            self.pages.readonly(JOURNAL, 1), self.pages.readonly(RECORD, CAPACITY, PAGE)
        )


class BufferMemory:
    """The control block, the writer's part and the bytes of one buffer.

    Attributes
    ----------
    control, own : structured ndarray of one element
        The records of the buffer, writable.
    data : Pages or None
        The bytes; None once they were given back.
    handle : int
        The address of the OWN record.
    """

    def __init__(
        self, cpu: int, subbuf_size: int, n_subbufs: int, overwrite: bool, journal: JournalMemory
    ) -> None:
        self.journal = journal
        self.data: Pages | None = Pages(alloc_size(subbuf_size, n_subbufs))
        self.control_pages = Pages(control_size(n_subbufs))
        self.own_pages = Pages(PAGE)
        self.control = self.control_pages.bytes[: CONTROL.itemsize].view(CONTROL)
        self.own = self.own_pages.bytes[: OWN.itemsize].view(OWN)
        self.handle = self.own_pages.address
        self.padding = self.control_pages.readonly(np.uint32, n_subbufs, CONTROL.itemsize)
        self.commit = self.control_pages.readonly(
            np.uint32, n_subbufs, CONTROL.itemsize + 4 * n_subbufs
        )
        self._describe(cpu, subbuf_size, n_subbufs, overwrite)
        self._link(self.data, n_subbufs)

    def checkpoint(self) -> tuple[NDArray[np.uint8], ...]:
        """A copy of all there is to the buffer: control block, writer's part and bytes.

        Nobody else may use the buffer meanwhile.
        """
        return tuple(pages.copy() for pages in self._state())

    def restore(self, checkpoint: tuple[NDArray[np.uint8], ...]) -> None:
        """Make the same buffer what it was at `checkpoint`. Its views and mappings stay."""
        for pages, before in zip(self._state(), checkpoint, strict=True):
            pages[:] = before

    @property
    def checkpoint_size(self) -> int:
        """Bytes of one checkpoint."""
        return sum(len(pages) for pages in self._state())

    def _state(self) -> tuple[NDArray[np.uint8], ...]:
        assert self.data is not None, "a released buffer has no state"
        return self.control_pages.bytes, self.own_pages.bytes, self.data.bytes

    def _describe(self, cpu: int, subbuf_size: int, n_subbufs: int, overwrite: bool) -> None:
        constants = {
            "magic": MAGIC,
            "version": ABI_VERSION,
            "cpu": cpu,
            "subbuf_size": subbuf_size,
            "n_subbufs": n_subbufs,
            "alloc_size": alloc_size(subbuf_size, n_subbufs),
            "overwrite": int(overwrite),
        }
        for name, value in constants.items():
            self.control[name] = value

    def _link(self, data: Pages, n_subbufs: int) -> None:
        control = self.control_pages.address
        addresses = {
            "handle": self.handle,
            "control": control,
            "bytes": data.address,
            "padding": control + CONTROL.itemsize,
            "commit": control + CONTROL.itemsize + 4 * n_subbufs,
            "journal": self.journal.address,
            "eventfd": -1,
        }
        for name, address in addresses.items():
            self.own[name] = address


class _Kept:
    """An array's base: keeps all memory of a buffer alive as long as the array is."""

    def __init__(self, memory: BufferMemory) -> None:
        self.memory = memory
        self.data = memory.data
        self.__array_interface__ = memory.own.view(np.int64).__array_interface__


def handle_array(memory: BufferMemory) -> NDArray[np.int64]:
    """The OWN record as int64[:], for compiled code; it keeps the buffer's memory alive."""
    return np.asarray(_Kept(memory))
