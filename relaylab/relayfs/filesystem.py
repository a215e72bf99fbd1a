"""The file system: directories, the buffers' files in them, and what is open."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Iterator
from errno import EBUSY, EISDIR, ENOENT, ENOTEMPTY
from typing import TYPE_CHECKING, Any, Final

from relaylab.channel import Channel, ChannelBuffer
from relaylab.channel.arguments import integer
from relaylab.errors import ClosedError, ConfigError, EntryExistsError, FileError
from relaylab.relayfs import names
from relaylab.relayfs.closing import ClosesOnExit
from relaylab.relayfs.files import RelayFile
from relaylab.relayfs.own import OwnFile

if TYPE_CHECKING:
    from relaylab.relayfs.mounting import Mount

MAX_CPUS: Final = 4096
_systems: Final[weakref.WeakSet[RelayFS]] = weakref.WeakSet()


class Directory:
    """A directory of a RelayFS; `relayfs_create_dir` makes one."""

    def __init__(self, fs: RelayFS, name: str, parent: Directory | None) -> None:
        self._entries: dict[str, Directory | ChannelBuffer] = {}
        self.fs = fs
        self.name = name
        self.parent = parent
        self.removed = False

    @property
    def path(self) -> str:
        """Its path relative to the root, ending in "/"; "" for the root itself."""
        return "" if self.parent is None else f"{self.parent.path}{self.name}/"

    def __repr__(self) -> str:
        state = "removed" if self.removed else f"{len(self._entries)} entries"
        return f"<Directory {self.path!r}, {state}>"


class RelayFS(ClosesOnExit):
    """A file system of relay files; `mount` shows it to other processes.

    As a context manager it closes on exit.

    Parameters
    ----------
    n_cpus
        Buffers a channel has, 1 .. 4096; they are virtual, more than the machine has is fine. None
        for the number of CPUs this process may use.

    Raises
    ------
    ConfigError
    """

    def __init__(self, n_cpus: int | None = None) -> None:
        self.n_cpus = usable_cpus() if n_cpus is None else integer("n_cpus", n_cpus, 1, MAX_CPUS)
        self.closed = False
        self._lock = threading.RLock()
        self._root = Directory(self, "", None)
        self._channels: set[Channel] = set()
        self._files: set[RelayFile] = set()
        self._mount: Mount | None = None
        _systems.add(self)

    # Looking ---------------------------------------------------------------------------------

    def listdir(self, recursive: bool = True) -> list[str]:
        """Sorted paths of what there is; directories end in "/".

        Parameters
        ----------
        recursive
            With what is in the directories; else the root's entries alone.
        """
        with self._lock:
            self._open_or_raise()
            return sorted(path for path, _ in _entries(self._root, recursive))

    def open_file(self, path: str) -> RelayFile:
        """Open the file of a buffer for reading.

        Raises
        ------
        FileError
            ENOENT no such path, EISDIR a directory, ENOTDIR a path through a file.
        """
        with self._lock:
            self._open_or_raise()
            entry: Directory | ChannelBuffer = self._root
            along = names.parts(path)
            for i, name in enumerate(along):
                if not isinstance(entry, Directory):
                    raise names.not_a_directory(path, "/".join(along[:i]))
                found = entry._entries.get(name)
                if found is None:
                    raise names.missing(path)
                entry = found
            if isinstance(entry, Directory):
                raise FileError(
                    "a directory cannot be opened",
                    errno=EISDIR,
                    passed=path,
                    hint="fs.listdir() tells which files there are.",
                )
            if path.endswith("/"):
                raise names.not_a_directory(path, path[:-1])
            try:
                return self.open_buffer(entry)
            except ClosedError:  # it was released this moment
                raise names.missing(path) from None

    def open_buffer(self, buffer: ChannelBuffer, pid: int | None = None) -> OwnFile:
        """Open the file of a buffer, for the process `pid` if that is another one.

        Raises
        ------
        ClosedError
            It is released.
        """
        with self._lock:
            self._open_or_raise()
            file = OwnFile(buffer, self._files.discard, pid)
            self._files.add(file)
            return file

    # Changing --------------------------------------------------------------------------------

    def create_dir(self, name: str, parent: Directory | None = None) -> Directory:
        """relayfs_create_dir.

        Raises
        ------
        EntryExistsError, FileError, ConfigError
        """
        name = names.checked("name", name)
        with self._lock:
            within = self.directory(parent)
            self.refuse_existing(within, name)
            directory = Directory(self, name, within)
            if self._mount is not None:
                self._mount.add_directory(directory.path)
            within._entries[name] = directory
            return directory

    def remove_dir(self, directory: Directory) -> None:
        """relayfs_remove_dir of an empty directory.

        Raises
        ------
        FileError
            ENOTEMPTY, or ENOENT if it was removed before.
        """
        with self._lock:
            within = self.directory(directory)
            if within._entries:
                raise FileError(
                    "the directory is not empty",
                    errno=ENOTEMPTY,
                    passed=within.path,
                    hint="Close its channels and files, and remove its directories first.",
                )
            assert within.parent is not None
            if self._mount is not None:
                self._mount.remove_directory(within.path)
            del within.parent._entries[within.name]
            within.removed = True

    def directory(self, parent: Directory | None) -> Directory:
        """`parent`, or the root for None, if it is still there."""
        self._open_or_raise()
        if parent is None:
            return self._root
        if parent.removed:
            raise FileError("the directory was removed", errno=ENOENT, passed=parent.name)
        return parent

    def refuse_existing(self, directory: Directory, name: str) -> None:
        """Raise EntryExistsError if the directory has an entry of that name."""
        if name in directory._entries:
            raise EntryExistsError(
                "the name exists",
                passed=f"{directory.path}{name}",
                allowed="a name that listdir() does not show",
            )

    def add(self, directory: Directory, name: str, buffer: ChannelBuffer) -> None:
        """Give a buffer its name."""
        with self._lock:
            self.directory(directory if directory.parent is not None else None)
            self.refuse_existing(directory, name)
            if self._mount is not None:
                self._mount.add_file(buffer.path, buffer)
            directory._entries[name] = buffer

    def remove(self, directory: Directory, name: str, buffer: ChannelBuffer) -> None:
        """Take away a buffer's name, unless another entry has it by now."""
        with self._lock:
            if directory._entries.get(name) is buffer:
                del directory._entries[name]
                if self._mount is not None:
                    self._mount.remove_file(buffer.path)

    def remember(self, channel: Channel) -> None:
        """Close `channel` when the file system is closed."""
        with self._lock:
            self._open_or_raise()
            self._channels.add(channel)

    def forget(self, channel: Channel) -> None:
        """A channel was closed."""
        with self._lock:
            self._channels.discard(channel)

    def close(self) -> None:
        """Close all channels, files and mappings; again is fine. Views stay valid."""
        with self._lock:
            channels, files = list(self._channels), list(self._files)
            for channel in channels:
                channel._refuse_reentry("close")
            self.closed = True  # from here on nothing new can be opened
        for channel in channels:
            with contextlib.suppress(ClosedError):  # by another thread, meanwhile
                channel.close()
        self.unmount()
        for file in files:
            for mapping in list(file._mappings):
                mapping.close()
            file.close()

    # Other processes -------------------------------------------------------------------------

    def mount(self, mountpoint: str | os.PathLike[str] | None = None) -> str:
        """Let other processes of this user open the files: see `relaylab.open_file`.

        Parameters
        ----------
        mountpoint
            An existing, empty directory of this user that nobody else can write to; what a crashed
            owner left there is removed. None for a new private directory, which goes with the
            mount.

        Returns
        -------
        str
            The directory. The file of a buffer is ``directory + "/" + buf.path``.

        Raises
        ------
        FileError
            ENOENT, ENOTDIR, ELOOP (a symlink), EACCES (others could change it), ENOTEMPTY; EBUSY:
            a file system is mounted there, or this one is mounted already.
        ResourceError
            The system has no descriptors or memory left, or is not Linux.
        ConfigError, ClosedError
        """
        from relaylab.relayfs.mounting import Mount  # needs Linux

        if mountpoint is not None:
            mountpoint = _path(mountpoint)
        with contextlib.ExitStack() as undo:  # without the lock: its threads may wait for that
            with self._lock:
                self._open_or_raise()
                if self._mount is not None:
                    raise FileError(
                        "the file system is mounted already",
                        errno=EBUSY,
                        passed=self._mount.path,
                        hint="Unmount it first, or use it where it is.",
                    )
                mount = Mount(self, mountpoint)
                undo.callback(mount.end)
                for path, entry in _entries(self._root):
                    if isinstance(entry, Directory):
                        mount.add_directory(path)
                    else:
                        mount.add_file(path, entry)
                self._mount = mount
                undo.pop_all()
            return mount.path

    def unmount(self) -> None:
        """Take the names away and hang up on readers of other processes; again is fine.

        They keep their mappings, read on what was produced and find the file finalized.
        """
        with self._lock:
            mount, self._mount = self._mount, None
        if mount is not None:
            mount.end()

    @property
    def mountpoint(self) -> str | None:
        """The directory it is mounted on."""
        return None if self._mount is None else self._mount.path

    def _abandon(self) -> None:
        """In the child of a fork: all of it is the parent's, and nothing here may change it."""
        self._lock = threading.RLock()  # another thread may have held it
        self.closed = True
        mount, self._mount = self._mount, None
        if mount is not None:
            mount.abandon()
        for channel in list(self._channels):
            channel._abandon()
            for buffer in channel.buffers:
                buffer._abandon()
        for file in list(self._files):
            file._abandon()
        self._files.clear()

    def _open_or_raise(self) -> None:
        if self.closed:
            raise ClosedError("the file system is closed", hint="Make a new RelayFS.")

    def __repr__(self) -> str:
        if self.closed:
            return "<RelayFS, closed>"
        mounted = "" if self._mount is None else f", mounted on {self._mount.path}"
        return (
            f"<RelayFS: {self.n_cpus} CPUs, {len(self._channels)} channels, "
            f"{len(self._files)} open files{mounted}>"
        )


def usable_cpus() -> int:
    """How many CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _path(value: Any) -> str:
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise ConfigError("mountpoint", passed=value, allowed="the path of a directory, or None")
    return text


def directory_of(value: Directory | None) -> Directory | None:
    """`value` if it is a directory or None.

    Raises
    ------
    ConfigError
    """
    if value is not None and not isinstance(value, Directory):
        raise ConfigError("parent", passed=value, allowed="a Directory, or None for the root")
    return value


def _entries(
    directory: Directory, recursive: bool = True
) -> Iterator[tuple[str, Directory | ChannelBuffer]]:
    """What is in a directory, with its path; directories before what they contain."""
    for name, entry in directory._entries.items():
        if isinstance(entry, Directory):
            yield f"{directory.path}{name}/", entry
            if recursive:
                yield from _entries(entry, recursive)
        else:
            yield f"{directory.path}{name}", entry


def _abandon_all() -> None:
    for fs in list(_systems):
        fs._abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_all)
