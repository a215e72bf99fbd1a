"""A model of relayfs in plain Python: slow, small, and written from the rules alone.

It offers the names of `relaylab.relayfs` as far as the tests use them, so the same client code
drives the model and the engine, and the golden vectors check the model before the model checks
the engine. It shares nothing with the engine but the exception classes. It does not check
argument types and ranges; only what depends on the state is refused here.
"""

from __future__ import annotations

import errno
import select
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from relaylab.errors import (
    CallbackError,
    ClosedError,
    ConfigError,
    EntryExistsError,
    EventTooLargeError,
    FileError,
)

PAGE_SIZE = 4096
READABLE = select.POLLIN | select.POLLRDNORM
HIGH_BIT = 1 << 32


def u32(number: int) -> int:
    """Arithmetic of the original's 32-bit unsigned integers."""
    return number % HIGH_BIT


@dataclass
class Stats:
    """What happened to the events of one buffer, or of all buffers of a channel."""

    written: int = 0
    written_bytes: int = 0
    lost_full: int = 0
    lost_unfull: int = 0
    lost_too_large: int = 0
    lost_bytes: int = 0
    overwritten_subbufs: int = 0
    overwritten_unread_subbufs: int = 0
    switches: int = 0
    delivered: int = 0
    high_water: int = 0

    @property
    def lost(self) -> int:
        return self.lost_full + self.lost_unfull + self.lost_too_large


class Reserving:
    """The built-in client: keeps `n` bytes free, and perhaps stores the padding there."""

    def __init__(self, n: int, store_padding: bool = False) -> None:
        self.n = n
        self.store_padding = store_padding

    def subbuf_start(
        self, buf: Any, subbuf: memoryview, prev_subbuf_idx: int, prev_subbuf: memoryview | None
    ) -> int:
        if self.store_padding and prev_subbuf is not None:
            prev_subbuf[:4] = int(buf.padding[prev_subbuf_idx]).to_bytes(4, "little")
        return self.n


class Callbacks:
    """Namesake of the engine's class, for its built-in client."""

    reserving = Reserving


class ChannelBuffer:
    """One CPU's buffer of a channel: the state machine."""

    offset: int  # fill level of the current sub-buffer
    data_index: int  # the current sub-buffer, as writes find it
    start_reserve: int  # what subbuf_start last returned
    subbufs_produced: int
    subbufs_consumed: int
    unfull: int
    finalized: int
    padding: np.ndarray[tuple[int], np.dtype[np.uint32]]
    commit: np.ndarray[tuple[int], np.dtype[np.uint32]]

    def __init__(self, chan: Channel, cpu: int) -> None:
        self.chan = chan
        self.cpu = cpu
        self.path = chan.directory.prefix + chan.name + str(cpu)
        self.memory = np.zeros(chan.alloc_size, np.uint8)
        self.refcount = 1  # the channel's own
        self.released = False
        self.stats = Stats()
        self.transitions: Counter[str] = Counter()
        self._clear()

    # What clients see

    @property
    def is_empty(self) -> bool:
        return self.subbufs_produced == self.subbufs_consumed

    @property
    def is_full(self) -> bool:
        unconsumed = self.subbufs_produced - self.subbufs_consumed
        return not self.chan.overwrite and unconsumed > self.chan.n_subbufs - 1

    def poll(self) -> int:
        if self.finalized:
            return select.POLLERR
        return 0 if self.is_empty else READABLE

    # Operations

    def restart(self) -> None:
        """What opening and resetting do."""
        self._clear()
        self.transitions["SUBBUF_START"] += 1
        self._start_subbuf(0, 0, None)

    def claim(self, length: int) -> int | None:
        """Where the next event of `length` bytes goes, from the buffer's start; None if lost."""
        if length > self.chan.subbuf_size - self.start_reserve:
            self._lose("lost_too_large", length)
            raise EventTooLargeError(f"{length} bytes")
        if u32(self.offset + length) > self.chan.subbuf_size:
            cause = "lost_unfull" if self.unfull else "lost_full"
            if not self.switch(length):
                self._lose(cause, length)
                return None
            if length > self.chan.subbuf_size - self.offset:
                self._lose("lost_too_large", length)
                return None
        start = self.data_index * self.chan.subbuf_size + self.offset
        self.offset += length
        self.stats.written += 1
        self.stats.written_bytes += length
        return start

    def write(self, data: bytes) -> bool:
        start = self.claim(len(data))
        if start is None:
            return False
        self.memory[start : start + len(data)] = np.frombuffer(data, np.uint8)
        return True

    def switch(self, length: int) -> int:
        """Go on to the next sub-buffer for an event of `length` bytes; `length`, or 0."""
        n = self.chan.n_subbufs
        if self.unfull:
            self.unfull = 0
            self._advance(self.subbufs_produced % n, u32(self.subbufs_produced - 1) % n)
            return 0
        if self.is_full:
            return 0
        old = self.subbufs_produced % n
        self.padding[old] = u32(self.chan.subbuf_size - self.offset)
        self._check(old)
        self.offset = self.chan.subbuf_size
        self.subbufs_produced += 1
        self.stats.switches += 1
        unconsumed = self.subbufs_produced - self.subbufs_consumed
        self.stats.high_water = max(self.stats.high_water, unconsumed)
        self.transitions["PRODUCED"] += 1
        if self.is_full:
            self.transitions["FULL"] += 1
            self._call("buf_full", self, old, self._view(old))
            return 0
        self._advance((old + 1) % n, old)
        return length

    def credit(self, offset: int, count: int) -> None:
        index = offset // self.chan.subbuf_size
        self.commit[index] = u32(int(self.commit[index]) + count)
        self._check(index)

    def consume(self, count: int) -> None:
        if self.is_full:
            self.transitions["UNFULL"] += not self.unfull
            self.unfull = 1
        self.subbufs_consumed = min(self.subbufs_consumed + count, self.subbufs_produced)
        self.transitions["CONSUMED"] += 1

    def finalize(self) -> None:
        self.finalized = 1
        self.unreference()

    def unreference(self) -> None:
        self.refcount -= 1
        if self.refcount == 0:
            self.released = True
            self.chan.directory.entries.pop(self.path.rpartition("/")[2])

    # Steps of operations

    def _clear(self) -> None:
        n = self.chan.n_subbufs
        self.offset = self.data_index = self.start_reserve = 0
        self.subbufs_produced = self.subbufs_consumed = 0
        self.unfull = self.finalized = 0
        self.padding = np.zeros(n, np.uint32)
        self.commit = np.zeros(n, np.uint32)

    def _advance(self, new: int, old: int) -> None:
        n = self.chan.n_subbufs
        self.data_index = (self.data_index + 1) % n
        produced = range(self.subbufs_produced)
        for sequence in produced[-n:]:  # what readers look for in that place
            if sequence % n == self.data_index:
                unread = sequence >= self.subbufs_consumed
                self.stats.overwritten_subbufs += unread or self.chan.overwrite
                self.stats.overwritten_unread_subbufs += unread
        self.padding[new] = 0
        self.transitions["SUBBUF_START"] += 1
        self._start_subbuf(new, old, self._view(old))

    def _start_subbuf(self, new: int, prev_idx: int, prev: memoryview | None) -> None:
        reserve = self._call("subbuf_start", self, self._view(self.data_index), prev_idx, prev)
        self.start_reserve = self.offset = reserve
        self.commit[new] = reserve

    def _check(self, index: int) -> None:
        if self.commit[index] == u32(self.chan.subbuf_size - int(self.padding[index])):
            self.stats.delivered += 1
            self.transitions["DELIVER"] += 1
            self._call("deliver", self, index, self._view(index))

    def _lose(self, cause: str, length: int) -> None:
        setattr(self.stats, cause, getattr(self.stats, cause) + 1)
        self.stats.lost_bytes += length

    def _view(self, index: int) -> memoryview:
        size = self.chan.subbuf_size
        return self.memory[index * size : (index + 1) * size].data

    def _call(self, name: str, *arguments: Any) -> int:
        """Call one of the client's functions; a failing one counts as returning 0."""
        if self.chan.closed or (callback := self.chan.methods.get(name)) is None:
            return 0
        try:
            result = callback(*arguments)
            if name != "subbuf_start":
                return 0
            if 0 <= result <= self.chan.subbuf_size:
                return int(result)
            raise ValueError(f"reserve {result}")
        except Exception as error:
            self.chan.fs.failures.append(error)
            return 0


class Channel:
    """One buffer for each CPU, and the client's functions."""

    NAMES = ("subbuf_start", "deliver", "buf_full", "buf_mapped", "buf_unmapped")

    def __init__(
        self,
        fs: RelayFS,
        directory: Directory,
        name: str,
        shape: tuple[int, int],
        overwrite: bool,
        callbacks: Any,
    ) -> None:
        self.fs = fs
        self.directory = directory
        self.name = name
        self.subbuf_size, self.n_subbufs = shape
        self.overwrite = overwrite
        self.closed = False
        used = self.subbuf_size * self.n_subbufs
        self.alloc_size = -(-used // PAGE_SIZE) * PAGE_SIZE
        self.methods = {x: getattr(callbacks, x) for x in self.NAMES if hasattr(callbacks, x)}
        self.buffers: list[ChannelBuffer] = []

    @property
    def stats(self) -> Stats:
        total = Stats()
        for field in fields(Stats):
            values = [getattr(buf.stats, field.name) for buf in self.buffers]
            setattr(total, field.name, max(values) if field.name == "high_water" else sum(values))
        return total

    def check_open(self) -> None:
        if self.closed:
            raise ClosedError(f"{self.name} is closed")


@dataclass
class Slot:
    """A reserved piece of one sub-buffer."""

    buf: ChannelBuffer
    offset: int
    length: int

    @property
    def cpu(self) -> int:
        return self.buf.cpu

    @property
    def view(self) -> memoryview:
        return self.buf.memory[self.offset : self.offset + self.length].data

    def commit(self, count: int | None = None) -> None:
        relay_commit(self.buf, self.offset, self.length if count is None else count)


class Directory:
    """Names of files and directories."""

    def __init__(self, fs: RelayFS, prefix: str, parent: Directory | None) -> None:
        self.fs = fs
        self.prefix = prefix  # of the paths of its entries
        self.parent = parent
        self.entries: dict[str, Directory | ChannelBuffer] = {}

    def add(self, name: str, entry: Directory | ChannelBuffer) -> None:
        if name in self.entries:
            raise EntryExistsError(self.prefix + name)
        self.entries[name] = entry

    def paths(self) -> Iterator[str]:
        for name, entry in self.entries.items():
            if isinstance(entry, Directory):
                yield entry.prefix
                yield from entry.paths()
            else:
                yield self.prefix + name


class RelayFS:
    """The file system: a tree of directories, and everything that is open in it."""

    def __init__(self, n_cpus: int) -> None:
        self.n_cpus = n_cpus
        self.root = Directory(self, "", None)
        self.failures: list[Exception] = []  # of callbacks, in the operation that runs

    @contextmanager
    def operation(self) -> Iterator[None]:
        """Raise at the end of an operation what its callbacks raised."""
        outer, self.failures = self.failures, []
        try:
            yield
            if self.failures:
                raise CallbackError("a callback failed") from self.failures[0]
        finally:
            self.failures = outer

    def listdir(self) -> list[str]:
        return sorted(self.root.paths())

    def open_file(self, path: str) -> RelayFile:
        entry: Directory | ChannelBuffer = self.root
        for name in path.rstrip("/").split("/"):
            if not isinstance(entry, Directory):
                raise FileError(path, errno=errno.ENOTDIR)
            if name not in entry.entries:
                raise FileError(path, errno=errno.ENOENT)
            entry = entry.entries[name]
        if isinstance(entry, Directory):
            raise FileError(path, errno=errno.EISDIR)
        return RelayFile(entry)

    def close(self) -> None:
        """Nothing here outlives the model."""


class RelayFile:
    """An open file: one reference to its buffer until it and its mappings are closed."""

    def __init__(self, buf: ChannelBuffer) -> None:
        self.buf = buf
        self.closed = False
        self.users = 1  # itself and its mappings
        buf.refcount += 1

    def __enter__(self) -> RelayFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def poll(self) -> int:
        self._check_open()
        return self.buf.poll()

    def mmap(self, length: int | None = None) -> Mapping:
        self._check_open()
        if length not in (None, self.buf.chan.alloc_size):
            raise FileError(self.buf.path, errno=errno.EINVAL)
        with self.buf.chan.fs.operation():
            self.users += 1
            self.buf.transitions["MAPPED"] += 1
            self.buf._call("buf_mapped", self.buf, self)
            return Mapping(self)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.release()

    def release(self) -> None:
        self.users -= 1
        if self.users == 0:
            self.buf.unreference()

    def _check_open(self) -> None:
        if self.closed:
            raise ClosedError(self.buf.path)


class Mapping:
    """A mapped file."""

    def __init__(self, file: RelayFile) -> None:
        self.file = file
        self.closed = False

    @property
    def view(self) -> memoryview:
        return self.file.buf.memory.data.toreadonly()

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            buf = self.file.buf
            with buf.chan.fs.operation():
                buf.transitions["UNMAPPED"] += 1
                buf._call("buf_unmapped", buf, self.file)
                self.file.release()


# The functions, by their names in relayfs


def relay_open(
    base: str | None,
    parent: Directory | None,
    subbuf_size: int,
    n_subbufs: int,
    overwrite: int,
    callbacks: Any,
    fs: RelayFS,
) -> Channel:
    if base is None or subbuf_size == 0 or n_subbufs == 0:
        raise ConfigError(f"{base}, {subbuf_size} x {n_subbufs}")
    directory = parent or fs.root
    shape = subbuf_size, n_subbufs
    chan = Channel(fs, directory, base, shape, overwrite != 0, callbacks)
    buffers = [ChannelBuffer(chan, cpu) for cpu in range(fs.n_cpus)]
    for cpu in range(fs.n_cpus):
        if base + str(cpu) in directory.entries:
            raise EntryExistsError(base + str(cpu))
    try:
        with fs.operation():
            for buf in buffers:
                directory.add(base + str(buf.cpu), buf)
                chan.buffers.append(buf)
                buf.restart()
    except CallbackError:
        for buf in buffers:
            buf.unreference()
        raise
    return chan


def relay_write(chan: Channel, data: bytes, cpu: int) -> bool:
    chan.check_open()
    with chan.fs.operation():
        return chan.buffers[cpu].write(data)


__relay_write = relay_write


def write_many(chan: Channel, events: list[bytes], cpu: int) -> int:
    """All events in turn; too large ones are only counted."""
    chan.check_open()
    written = 0
    with chan.fs.operation():
        for event in events:
            with suppress(EventTooLargeError):  # counted already
                written += chan.buffers[cpu].write(event)
    return written


def relay_reserve(chan: Channel, length: int, cpu: int) -> Slot | None:
    chan.check_open()
    buf = chan.buffers[cpu]
    with chan.fs.operation():
        start = buf.claim(length)
    return None if start is None else Slot(buf, start, length)


def relay_commit(buf: ChannelBuffer, offset: int, count: int) -> None:
    buf.chan.check_open()
    if not 0 <= offset < buf.chan.subbuf_size * buf.chan.n_subbufs:
        raise ConfigError(f"offset {offset}")
    with buf.chan.fs.operation():
        buf.credit(offset, count)


def relay_subbufs_consumed(chan: Channel, cpu: int, count: int) -> None:
    chan.check_open()
    if not 0 <= cpu < chan.fs.n_cpus:
        raise ConfigError(f"cpu {cpu}")
    chan.buffers[cpu].consume(count)


def relay_switch_subbuf(buf: ChannelBuffer, length: int) -> int:
    buf.chan.check_open()
    with buf.chan.fs.operation():
        return buf.switch(length)


def relay_flush(chan: Channel) -> None:
    chan.check_open()
    with chan.fs.operation():
        for buf in chan.buffers:
            buf.transitions["FLUSH"] += 1
            buf.switch(0)


def relay_reset(chan: Channel) -> None:
    chan.check_open()
    with chan.fs.operation():
        for buf in chan.buffers:
            buf.transitions["RESET"] += 1
            buf.restart()


def relay_close(chan: Channel) -> None:
    chan.check_open()
    chan.closed = True
    for buf in chan.buffers:
        buf.finalize()


def relayfs_create_dir(name: str, parent: Directory | None, fs: RelayFS) -> Directory:
    directory = parent or fs.root
    created = Directory(fs, f"{directory.prefix}{name}/", directory)
    directory.add(name, created)
    return created


def relayfs_remove_dir(directory: Directory | None) -> None:
    if directory is None or directory.parent is None:
        raise ConfigError("no directory that can be removed")
    if directory.entries:
        raise FileError(directory.prefix, errno=errno.ENOTEMPTY)
    directory.parent.entries.pop(directory.prefix.rstrip("/").rpartition("/")[2])
