"""The memory of a channel: shared pages for buffers and control blocks, and their views."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from relaylab.core.journal import CAPACITY, Journal
from relaylab.core.layout import (
    ABI_VERSION,
    CONTROL,
    JOURNAL,
    LISTENER,
    MAGIC,
    OWN,
    PAGE,
    RECORD,
    RELAYFS,
    alloc_size,
    control_size,
)
from relaylab.core.pages import Pages, SharedFile

JOURNAL_SIZE = PAGE + CAPACITY * RECORD.itemsize  # bytes: the header, then the records


class ChannelMemory:
    """All memory of a channel that readers may be given.

    Two files without names: the bytes of all buffers, and the journal with all control blocks.

    Raises
    ------
    OSError
        The system refuses the memory.
    """

    def __init__(
        self, n_cpus: int, subbuf_size: int, n_subbufs: int, overwrite: bool, rules: int = RELAYFS
    ) -> None:
        self.alloc_size = alloc_size(subbuf_size, n_subbufs)
        self.control_size = control_size(n_subbufs)
        self.n_cpus = n_cpus
        self.data = SharedFile("relaylab data", n_cpus * self.alloc_size)
        self.control = SharedFile("relaylab control", JOURNAL_SIZE + n_cpus * self.control_size)
        self.journal = JournalMemory(self.control)
        self.buffers = [
            BufferMemory(self, cpu, subbuf_size, n_subbufs, overwrite, rules)
            for cpu in range(n_cpus)
        ]
        self.data.seal()
        self.control.seal()

    def control_offset(self, cpu: int) -> int:
        """Where a CPU's control block is in the file of control blocks."""
        return JOURNAL_SIZE + cpu * self.control_size


class JournalMemory:
    """The ring of a channel's journal."""

    def __init__(self, file: SharedFile) -> None:
        self.pages = file.pages(0, JOURNAL_SIZE)
        header = self.pages.bytes[: JOURNAL.itemsize].view(JOURNAL)
        header["capacity"] = CAPACITY
        header["records"] = self.pages.address + PAGE
        self.address = self.pages.address
        self.journal = journal_in(self.pages)


def journal_in(pages: Pages) -> Journal:
    """The journal that is at the start of a file of control blocks."""
    return Journal(pages.readonly(JOURNAL, 1), pages.readonly(RECORD, CAPACITY, PAGE))


class BufferMemory:
    """The control block, the writer's part and the bytes of one buffer.

    Attributes
    ----------
    control, own : structured ndarray of one element
        The records of the buffer, writable.
    data : Pages or None
        The bytes; None once they were given back.
    files : ChannelMemory or None
        What they are part of; None once they were given back.
    handle : int
        The address of the OWN record.
    """

    def __init__(
        self,
        files: ChannelMemory,
        cpu: int,
        subbuf_size: int,
        n_subbufs: int,
        overwrite: bool,
        rules: int,
    ) -> None:
        self.files: ChannelMemory | None = files
        self.journal = files.journal
        self.data: Pages | None = files.data.pages(cpu * files.alloc_size, files.alloc_size)
        self.control_pages = files.control.pages(files.control_offset(cpu), files.control_size)
        self.own_pages = Pages(2 * PAGE)  # the record, then the listeners
        self.control = self.control_pages.bytes[: CONTROL.itemsize].view(CONTROL)
        self.own = self.own_pages.bytes[: OWN.itemsize].view(OWN)
        self.listeners = self.own_pages.bytes[PAGE:].view(LISTENER)
        self.handle = self.own_pages.address
        self.padding, self.commit = arrays_in(self.control_pages, n_subbufs)
        describe(self.control, cpu, subbuf_size, n_subbufs, overwrite, rules)
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
            "listeners": self.handle + PAGE,
        }
        for name, address in addresses.items():
            self.own[name] = address

    def give_back(self) -> None:
        """Free the bytes, as soon as nobody has a view of them."""
        self.data = None
        self.files = None


def describe(
    control: NDArray[np.void],
    cpu: int,
    subbuf_size: int,
    n_subbufs: int,
    overwrite: bool,
    rules: int,
) -> None:
    """Write the constants of a buffer into its control block."""
    constants = {
        "magic": MAGIC,
        "version": ABI_VERSION,
        "cpu": cpu,
        "subbuf_size": subbuf_size,
        "n_subbufs": n_subbufs,
        "alloc_size": alloc_size(subbuf_size, n_subbufs),
        "overwrite": int(overwrite),
        "rules": rules,
    }
    for name, value in constants.items():
        control[name] = value


def arrays_in(
    pages: Pages, n_subbufs: int, control: int = 0
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """The padding and commit arrays behind the control block at byte `control`, read-only."""
    begin = control + CONTROL.itemsize
    return (
        pages.readonly(np.uint32, n_subbufs, begin),
        pages.readonly(np.uint32, n_subbufs, begin + 4 * n_subbufs),
    )


class _Kept:
    """An array's base: keeps all memory of a buffer alive as long as the array is."""

    def __init__(self, memory: BufferMemory) -> None:
        self.memory = memory
        self.data = memory.data
        self.__array_interface__ = memory.own.view(np.int64).__array_interface__


def handle_array(memory: BufferMemory) -> NDArray[np.int64]:
    """The OWN record as int64[:], for compiled code; it keeps the buffer's memory alive."""
    return np.asarray(_Kept(memory))
