"""relayfs by its own names.

>>> from relaylab import relayfs
>>> with relayfs.RelayFS(n_cpus=1) as fs:
...     chan = relayfs.relay_open("trace", None, 4096, 8, 0, None, fs=fs)
...     relayfs.relay_write(chan, b"an event", cpu=0)
True
"""

from __future__ import annotations

import threading
from typing import Any, Final, TypeVar

from relaylab.channel import Callbacks, Channel, ChannelBuffer, Slot
from relaylab.channel.channel import VERSION as RELAYFS_CHANNEL_VERSION
from relaylab.core.layout import MAGIC as RELAYFS_MAGIC
from relaylab.errors import ConfigError
from relaylab.relayfs.files import Mapping, RelayFile
from relaylab.relayfs.filesystem import Directory, RelayFS, directory_of
from relaylab.relayfs.opening import open_channel

__all__ = [
    "RELAYFS_CHANNEL_VERSION",
    "RELAYFS_MAGIC",
    "Callbacks",
    "Channel",
    "ChannelBuffer",
    "Directory",
    "Mapping",
    "RelayFS",
    "RelayFile",
    "Slot",
    "__relay_write",
    "relay_close",
    "relay_commit",
    "relay_flush",
    "relay_open",
    "relay_reserve",
    "relay_reset",
    "relay_subbufs_consumed",
    "relay_switch_subbuf",
    "relay_write",
    "relay_write_unlocked",
    "relayfs_create_dir",
    "relayfs_mmap",
    "relayfs_open",
    "relayfs_poll",
    "relayfs_release",
    "relayfs_remove_dir",
]

T = TypeVar("T")
_default_lock: Final = threading.Lock()
_default: RelayFS | None = None


def _file_system(fs: RelayFS | None) -> RelayFS:
    """`fs`, or the process's default file system for None."""
    global _default
    if fs is not None:
        return _checked("fs", fs, RelayFS)
    with _default_lock:
        if _default is None or _default.closed:
            _default = RelayFS()
        return _default


def _checked(name: str, value: Any, kind: type[T]) -> T:
    if not isinstance(value, kind):
        raise ConfigError(name, passed=value, allowed=f"a {kind.__name__}")
    return value


def _file(value: Any) -> RelayFile:
    if not isinstance(value, RelayFile):
        raise ConfigError("file", passed=value, allowed="a RelayFile")
    return value


def relayfs_create_dir(
    name: str, parent: Directory | None = None, fs: RelayFS | None = None
) -> Directory:
    """Create a directory.

    Parameters
    ----------
    name
        At most 255 bytes, without "/".
    parent
        Where; None for the root.
    fs
        Whose root; None for the process's default file system. A parent's file system goes first.

    Raises
    ------
    EntryExistsError, FileError, ConfigError, ClosedError
    """
    within = directory_of(parent)
    return (_file_system(fs) if within is None else within.fs).create_dir(name, within)


def relayfs_remove_dir(directory: Directory) -> None:
    """Remove an empty directory.

    Raises
    ------
    FileError
        ENOTEMPTY, or ENOENT if it was removed before.
    """
    found = _checked("directory", directory, Directory)
    if found.parent is None:
        raise ConfigError("directory", passed=found, allowed="any but the root")
    found.fs.remove_dir(found)


def relay_open(
    base: str,
    parent: Directory | None,
    subbuf_size: int,
    n_subbufs: int,
    overwrite: int | bool = False,
    callbacks: Any = None,
    *,
    fs: RelayFS | None = None,
    rules: str = "relayfs",
) -> Channel:
    """Open a channel: one buffer and one file a CPU.

    Parameters
    ----------
    base
        Name of the files, which the number of the CPU is added to; may be empty.
    parent
        Directory of the files; None for the root.
    subbuf_size, n_subbufs
        Bytes of a sub-buffer and sub-buffers of a buffer, from 1; together less than 4 GiB.
    overwrite
        Non-zero: the oldest sub-buffer is overwritten. Else events are lost when nothing is free.
    callbacks
        An object with some of the methods of `Callbacks`, or None.
    fs
        The file system, if no parent is given; None for the process's default one.
    rules
        "relayfs": as in 2005. "linux": as in today's kernel: each event that finds the buffer full
        tries again, and the first one after a sub-buffer was consumed is not lost.

    Raises
    ------
    ConfigError, EntryExistsError, FileError, ResourceError, CallbackError, ClosedError
        Whatever it is, nothing is left behind.
    """
    within = directory_of(parent)
    system = _file_system(fs) if within is None else within.fs
    return open_channel(system, within, base, subbuf_size, n_subbufs, overwrite, callbacks, rules)


def relay_write(chan: Channel, data: Any, cpu: int | None = None) -> bool:
    """Write an event under the buffer's lock. See `Channel.write`.

    Parameters
    ----------
    chan
        Where to.
    data
        The event: bytes, or anything that has a buffer.
    cpu
        Whose buffer; None for the CPU this thread runs on, modulo n_cpus.

    Returns
    -------
    bool
        False if the event was lost.

    Raises
    ------
    ConfigError, EventTooLargeError, ClosedError, ReentrancyError, CallbackError
    """
    return _checked("chan", chan, Channel).write(data, cpu)


def relay_write_unlocked(chan: Channel, data: Any, cpu: int | None = None) -> bool:
    """__relay_write: `relay_write` without the lock; the caller keeps other writers away.

    Parameters and errors are those of `relay_write`.

    Returns
    -------
    bool
        False if the event was lost.
    """
    return _checked("chan", chan, Channel).write_unlocked(data, cpu)


__relay_write = relay_write_unlocked


def relay_reserve(chan: Channel, length: int, cpu: int | None = None) -> Slot | None:
    """Reserve a slot, to be filled and committed. Nothing protects it against other writers.

    Parameters
    ----------
    chan
        Where.
    length
        Bytes, 0 .. 2^31-1.
    cpu
        As for `relay_write`.

    Returns
    -------
    Slot or None
        None if the event is lost.

    Raises
    ------
    ConfigError, EventTooLargeError, ClosedError, ReentrancyError, CallbackError
    """
    return _checked("chan", chan, Channel).reserve(length, cpu)


def relay_commit(buf: ChannelBuffer, offset: int, count: int) -> None:
    """Count bytes of a slot as written; deliver is called if that completes its sub-buffer.

    Parameters
    ----------
    buf
        The buffer.
    offset
        Of the slot, in bytes from the start of the buffer.
    count
        Bytes, 0 .. 2^31-1; more than the slot has is not refused.

    Raises
    ------
    ConfigError, ClosedError, CallbackError
    """
    _checked("buf", buf, ChannelBuffer)._commit_at(offset, count)


def relay_subbufs_consumed(chan: Channel, cpu: int, count: int) -> None:
    """Say that a reader is through with sub-buffers.

    Parameters
    ----------
    chan, cpu
        Whose buffer, 0 .. n_cpus-1.
    count
        Sub-buffers, 0 .. 2^31-1; more than were produced is clamped.

    Raises
    ------
    ConfigError, ClosedError
    """
    _checked("chan", chan, Channel).subbufs_consumed(cpu, count)


def relay_switch_subbuf(buf: ChannelBuffer, length: int) -> int:
    """End the current sub-buffer and begin the next one.

    Parameters
    ----------
    buf
        The buffer.
    length
        Bytes of the event that needs the room, 0 .. 2^31-1.

    Returns
    -------
    int
        `length`, or 0 if the buffer is full or has only just ceased to be.

    Raises
    ------
    ConfigError, ClosedError, ReentrancyError, CallbackError
    """
    return _checked("buf", buf, ChannelBuffer)._switch(length)


def relay_flush(chan: Channel) -> None:
    """End every CPU's current sub-buffer. See `Channel.flush`.

    Raises
    ------
    ConfigError, ClosedError, ReentrancyError, CallbackError
    """
    _checked("chan", chan, Channel).flush()


def relay_reset(chan: Channel) -> None:
    """Begin every buffer anew. See `Channel.reset`.

    Raises
    ------
    ConfigError, ClosedError, ReentrancyError, CallbackError
    """
    _checked("chan", chan, Channel).reset()


def relay_close(chan: Channel) -> None:
    """Close the channel. See `Channel.close`.

    Raises
    ------
    ClosedError
        It is closed already.
    ConfigError, ReentrancyError
    """
    _checked("chan", chan, Channel).close()


def relayfs_open(path: str, fs: RelayFS | None = None) -> RelayFile:
    """Open a buffer's file.

    Parameters
    ----------
    path
        Relative to the root, without leading slash.
    fs
        The file system; None for the process's default one.

    Returns
    -------
    RelayFile
        A reference to the buffer until it is closed.

    Raises
    ------
    FileError
        ENOENT, EISDIR or ENOTDIR.
    ConfigError, ClosedError
    """
    return _file_system(fs).open_file(path)


def relayfs_poll(file: RelayFile) -> int:
    """The mask of the poll file operation.

    Parameters
    ----------
    file
        An open file.

    Returns
    -------
    int
        ``select.POLLIN | select.POLLRDNORM`` if a sub-buffer is unconsumed, ``select.POLLERR`` once
        the channel is closed, else 0.

    Raises
    ------
    ConfigError, ClosedError
    """
    return _file(file).poll()


def relayfs_mmap(file: RelayFile, length: int | None = None) -> Mapping:
    """Map a whole buffer, read-only.

    Parameters
    ----------
    file
        An open file.
    length
        Bytes: exactly the channel's alloc_size, which None stands for.

    Returns
    -------
    Mapping

    Raises
    ------
    FileError
        EINVAL: another length.
    ConfigError, ClosedError, CallbackError
    """
    return _file(file).mmap(length)


def relayfs_release(file: RelayFile) -> None:
    """Close a file; again is fine. The buffer lives on as long as it is mapped or referred to.

    Parameters
    ----------
    file
        An open file, or one that was closed.

    Raises
    ------
    ConfigError
    """
    _file(file).close()
