"""A channel of another process, to be looked at as a whole and not to be changed."""

from __future__ import annotations

import os
import threading
from errno import ENOENT
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from relaylab.channel.arguments import integer
from relaylab.channel.observing import Observation, Observer, Snapshot, Stats
from relaylab.core.journal import Journal
from relaylab.errors import ClosedError, FileError
from relaylab.relayfs.closing import ClosesOnExit
from relaylab.relayfs.files import RelayFile
from relaylab.relayfs.remote import RemoteFile


class WatchedChannel(ClosesOnExit):
    """All buffers of a channel that lives in another process, read-only.

    As a context manager it closes on exit. It counts as one reader of the buffer whose file it
    opened, and as one of each other buffer whose bytes were asked for.

    Parameters
    ----------
    path
        The file of any buffer of the channel.

    Attributes
    ----------
    name : str
        The base name of its files.
    pid : int
        The process that has the channel.
    subbuf_size, n_subbufs, alloc_size, n_cpus : int
    overwrite : bool
    journal : Journal
        The transitions of all buffers, from the open of the channel on as far as they are kept.

    Raises
    ------
    FileError, ResourceError, ConfigError
        As `relaylab.open_file`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        file = RemoteFile(os.fspath(path))
        self._first = file
        self._files: dict[int, RelayFile] = {file.cpu: file}
        self._lock = threading.Lock()
        welcome = file.welcome
        self._directory = Path(path).parent
        self.name = Path(path).name.removesuffix(str(welcome.cpu))
        self.pid = welcome.pid
        self.subbuf_size = welcome.subbuf_size
        self.n_subbufs = welcome.n_subbufs
        self.alloc_size = welcome.alloc_size
        self.n_cpus = welcome.n_cpus
        self.overwrite = bool(welcome.overwrite)
        self.journal: Journal = file.journal()
        self._blocks = [file.block_of(cpu) for cpu in range(self.n_cpus)]
        self._observer = Observer([control for control, _, _ in self._blocks], self.n_subbufs)
        self._is_let_go = False

    @property
    def closed(self) -> bool:
        """Whether the channel was closed, its owner is gone, or this was closed."""
        return self._is_let_go or bool(self._first.finalized)

    @property
    def stats(self) -> Stats:
        """What happened to the events of all buffers; readable for ever."""
        return self._observer.stats

    def snapshot(self) -> Snapshot:
        """Every buffer's fields at one moment, without stopping writers.

        `refcount` is 0 throughout: only the owner knows it.
        """
        return self._observe().snapshot

    def _observe(self) -> Observation:
        """A snapshot and the statistics of the same moments."""
        return self._observer.look()

    def file(self, cpu: int) -> RelayFile:
        """The open file of a CPU's buffer.

        Raises
        ------
        ConfigError, FileError, ResourceError, ClosedError
        """
        cpu = integer("cpu", cpu, 0, self.n_cpus - 1)
        with self._lock:
            if self._is_let_go:
                raise ClosedError(f"the channel {self.name!r} is watched no more")
            if cpu not in self._files:
                self._files[cpu] = self._open(cpu)
            return self._files[cpu]

    def memory(self, cpu: int) -> NDArray[np.uint8]:
        """All bytes of a CPU's buffer, uint8[alloc_size], through a mapping."""
        with self.file(cpu).mmap() as mapping:
            return mapping.array

    def close(self) -> None:
        """Watch it no more; again is fine. Arrays that were handed out stay valid."""
        with self._lock:
            self._is_let_go = True
            files, self._files = list(self._files.values()), {}
        for file in files:
            file.close()

    def _open(self, cpu: int) -> RelayFile:
        path = self._directory / f"{self.name}{cpu}"
        file = RemoteFile(str(path))
        theirs, ours = file.welcome, self._first.welcome
        if (theirs.pid, theirs.cpu, theirs.alloc_size) != (ours.pid, cpu, ours.alloc_size):
            file.close()
            raise FileError("another channel has this name by now", errno=ENOENT, passed=str(path))
        return file

    def __repr__(self) -> str:
        state = "closed" if self.closed else "open"
        mode = "overwrite" if self.overwrite else "no-overwrite"
        return (
            f"<WatchedChannel {self.name!r} of process {self.pid}: {self.n_cpus} CPUs x "
            f"{self.n_subbufs} sub-buffers of {self.subbuf_size} bytes, {mode}, {state}>"
        )
