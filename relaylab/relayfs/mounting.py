"""A mounted file system: its directories and files as names that other processes can open."""

from __future__ import annotations

import atexit
import contextlib
import os
import socket
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Final

from relaylab.channel import ChannelBuffer
from relaylab.errors import ResourceError
from relaylab.relayfs.mountpoint import Mountpoint
from relaylab.relayfs.own import OwnFile
from relaylab.relayfs.registry import Entry
from relaylab.relayfs.server import Server

if TYPE_CHECKING:
    from relaylab.relayfs.filesystem import RelayFS

_mounts: Final[weakref.WeakSet[Mount]] = weakref.WeakSet()


class Mount:
    """The export of a file system through a directory.

    Raises
    ------
    FileError, ResourceError, ConfigError
    """

    def __init__(self, fs: RelayFS, mountpoint: str | os.PathLike[str] | None) -> None:
        self._files: dict[str, tuple[socket.socket, ChannelBuffer]] = {}
        self._open = fs.open_buffer
        self._directories: list[str] = []
        self._lock = threading.Lock()
        self._ended = False
        with contextlib.ExitStack() as undo:
            self._entry = Entry(mountpoint)
            undo.callback(self._entry.remove)
            self._point = Mountpoint(self._entry.path)
            undo.callback(self._point.release)
            try:
                self._server = Server(fs.open_buffer)
            except OSError as error:
                raise ResourceError(
                    f"the system refuses what a mount needs: {error.strerror}",
                    errno=error.errno or 0,
                    hint="Close files you no longer need, or raise the limit (ulimit -n).",
                ) from error
            undo.pop_all()
        _mounts.add(self)

    @property
    def path(self) -> str:
        """The directory."""
        return str(self._point.path)

    def add_directory(self, path: str) -> None:
        """Make a directory appear."""
        self._point.make_directory(path)
        self._directories.append(path)

    def remove_directory(self, path: str) -> None:
        """Make it disappear."""
        with contextlib.suppress(ValueError):
            self._directories.remove(path)
            self._point.remove_directory(path)

    def add_file(self, path: str, buffer: ChannelBuffer) -> None:
        """Make the file of a buffer appear."""
        listener = self._point.listen(path)
        try:
            self._server.add(listener, buffer)
        except OSError as error:
            listener.close()
            self._point.remove_socket(path)
            raise ResourceError(
                f"no reader can be awaited at {path}", errno=error.errno or 0
            ) from error
        self._files[path] = listener, buffer

    def remove_file(self, path: str) -> None:
        """Make it disappear; those who have it open keep it."""
        found = self._files.pop(path, None)
        if found is not None:
            self._point.remove_socket(path)
            self._server.remove(found[0])

    def open_own(self, path: str) -> OwnFile | None:
        """Open a file from within this process; None if there is none of that path."""
        found = self._files.get(path)
        return None if found is None else self._open(found[1])

    def end(self) -> None:
        """Remove all names and hang up on all readers; again is fine."""
        with self._lock:
            if self._ended:
                return
            self._ended = True
        with contextlib.ExitStack() as steps:  # all of them, also if Ctrl-C strikes one
            steps.callback(self._entry.remove)
            steps.callback(self._point.release)
            steps.callback(self._server.stop)
            for path in list(self._files):
                self.remove_file(path)
            for path in reversed(list(self._directories)):
                self.remove_directory(path)

    def abandon(self) -> None:
        """In the child of a fork: the mount is the parent's."""
        if not self._ended:
            self._ended = True
            _mounts.discard(self)
            self._files.clear()
            self._server.abandon()
            self._point.release()
            self._entry.abandon()


def own_file(path: str) -> OwnFile | None:
    """Open the file at an absolute or relative path, if this process has it mounted."""
    where = Path(os.path.realpath(Path(path).parent)) / Path(path).name
    for mount in list(_mounts):
        top = os.path.realpath(mount.path)
        if where.is_relative_to(top):
            return mount.open_own(str(where.relative_to(top)))
    return None


@atexit.register
def _end_all() -> None:
    """Leave nothing behind when the owner ends as usual."""
    for mount in list(_mounts):
        mount.end()


def _abandon_all() -> None:
    for mount in list(_mounts):
        mount.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_all)
