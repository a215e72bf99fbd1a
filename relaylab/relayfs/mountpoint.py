"""The directory that a file system is mounted on: who may be there, and what a dead owner left.

Whoever has a file system mounted on a directory holds a lock on it, which ends with his process.
Names are looked up relative to the directory, one at a time, and never through symlinks.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Iterator
from errno import (
    EACCES,
    EADDRINUSE,
    EBUSY,
    ECONNREFUSED,
    EEXIST,
    ELOOP,
    EMFILE,
    ENFILE,
    ENOENT,
    ENOMEM,
    ENOTDIR,
    ENOTEMPTY,
)
from pathlib import Path
from typing import Final

from relaylab.errors import EntryExistsError, FileError, ResourceError

_OTHERS_WRITE: Final = 0o022
_FOLLOW_NOTHING: Final = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC if os.name == "posix" else 0
_SCARCE: Final = (EMFILE, ENFILE, ENOMEM)
_LONGEST_ADDRESS: Final = 107  # bytes of a socket's address
_PASSING: Final = ".relaylab"  # the name of a socket that is about to get a longer one


class Mountpoint:
    """An existing directory, locked, without leftovers.

    Parameters
    ----------
    path
        Of the directory.
    was_mounted
        Whether it is known that a file system was mounted there whose owner is gone. Directories
        without a socket in any of them tell nothing themselves.

    Raises
    ------
    FileError
        ENOENT, ENOTDIR, ELOOP (a symlink), EACCES (not the user's own, or others may write there),
        EBUSY (mounted already), ENOTEMPTY (something else than a dead owner's leftovers is there).
    ResourceError
    """

    def __init__(self, path: Path, was_mounted: bool = False) -> None:
        self.path = path.absolute()
        self._root = _open_directory(self.path)
        try:
            _check_owner(self.path, self._root)
            self._lock()
            self._clean(was_mounted)
        except BaseException:
            os.close(self._root)
            raise

    def make_directory(self, path: str) -> None:
        """Make a directory."""
        with self._parent(path) as (parent, name):
            try:
                os.mkdir(name, 0o755, dir_fd=parent)
            except OSError as error:
                raise self._refusal(path, error) from error

    def remove_directory(self, path: str) -> None:
        """Remove a directory, if it is there and empty."""
        with contextlib.suppress(OSError, FileError), self._parent(path) as (parent, name):
            os.rmdir(name, dir_fd=parent)

    def listen(self, path: str) -> socket.socket:
        """A listening socket of that name, for this user alone."""
        with self._parent(path) as (parent, name):
            listener = None
            try:
                listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                listener.setblocking(False)
                os.fchmod(listener.fileno(), 0o600)  # it keeps this mode when it gets its name
                _bind(listener, parent, name)
                listener.listen(64)
            except OSError as error:
                if listener is not None:
                    listener.close()
                raise self._refusal(path, error) from error
            return listener

    def remove_socket(self, path: str) -> None:
        """Remove a socket, if it is there."""
        with contextlib.suppress(OSError, FileError), self._parent(path) as (parent, name):
            if stat.S_ISSOCK(os.lstat(name, dir_fd=parent).st_mode):
                os.unlink(name, dir_fd=parent)

    def release(self) -> None:
        """Give up the lock."""
        os.close(self._root)

    # Inside ----------------------------------------------------------------------------------

    def _lock(self) -> None:
        import fcntl  # not on Windows

        try:
            fcntl.flock(self._root, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FileError(
                "a file system is mounted there",
                errno=EBUSY,
                passed=str(self.path),
                hint="relaylab.mounts() tells whose. Take another directory.",
            ) from None

    def _clean(self, was_mounted: bool) -> None:
        """Remove what an owner that is gone left there, if there is nothing else."""
        entries = []
        try:
            for path, kind in _walk(self._root):
                if kind == "foreign":  # look no further: it may be anything, like a home directory
                    raise self._not_empty(path)
                entries.append((path, kind))
        except OSError as error:
            if isinstance(error, FileError):
                raise
            raise self._refusal(
                "", error, "the mount directory cannot be looked through"
            ) from error
        if entries and not was_mounted and all(kind == "directory" for _, kind in entries):
            raise self._not_empty(entries[0][0])
        for path, kind in reversed(entries):
            if kind == "directory":
                self.remove_directory(path)
            else:
                self.remove_socket(path)

    def _not_empty(self, path: str) -> FileError:
        return FileError(
            f"the directory is not empty: {path!r} is there",
            errno=ENOTEMPTY,
            passed=str(self.path),
            allowed="an empty directory, or one with what a crashed owner left",
            hint="Nothing was touched. Take another directory, or move away what is there.",
        )

    @contextlib.contextmanager
    def _parent(self, path: str) -> Iterator[tuple[int, str]]:
        """A descriptor of the directory that `path` is in, and the name there."""
        *along, name = path.rstrip("/").split("/")
        with contextlib.ExitStack() as opened:
            current = self._root
            try:
                for step in along:
                    current = os.open(step, os.O_RDONLY | _FOLLOW_NOTHING, dir_fd=current)
                    opened.callback(os.close, current)
            except OSError as error:
                raise self._refusal(path, error) from error
            yield current, name

    def _refusal(
        self,
        path: str,
        error: OSError,
        what: str = "the name cannot be made in the mount directory",
    ) -> Exception:
        where = f"{self.path}/{path}"
        if error.errno in (EEXIST, EADDRINUSE):
            return EntryExistsError(
                "something else has this name in the mount directory",
                passed=where,
                hint="Remove it: only relaylab should put names there.",
            )
        kind = ResourceError if error.errno in _SCARCE else FileError
        return kind(
            f"{what}: {error.strerror}",
            errno=error.errno or 0,
            passed=where,
            hint="Raise the limit (ulimit -n), or open fewer files."
            if kind is ResourceError
            else "Is the directory still there and writable?",
        )


def _open_directory(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | _FOLLOW_NOTHING)
    except OSError as error:
        number = error.errno or 0
        if number in _SCARCE:
            raise ResourceError(
                "no descriptor for the mount directory", errno=number, passed=str(path)
            ) from error
        if path.is_symlink():
            number = ELOOP
        what = {
            ENOENT: "the mount directory does not exist",
            ENOTDIR: "the mount point is no directory",
            ELOOP: "the mount point is a symlink",
        }.get(number, f"the mount directory cannot be opened: {error.strerror}")
        hint = "Make it first." if number == ENOENT else "Pass an existing, empty directory."
        raise FileError(what, errno=number, passed=str(path), hint=hint) from error


def _check_owner(path: Path, root: int) -> None:
    """Refuse a directory that others could change under our hands."""
    own = os.fstat(root)
    if own.st_uid != os.geteuid():
        raise FileError(
            f"the mount directory belongs to user {own.st_uid}",
            errno=EACCES,
            passed=str(path),
            allowed="a directory of your own",
        )
    if own.st_mode & _OTHERS_WRITE:
        raise FileError(
            "others may write to the mount directory",
            errno=EACCES,
            passed=str(path),
            allowed="a directory that only you can write to",
            hint=f"Make one of your own in it: mkdir -m 700 {path}/relay"
            if own.st_mode & stat.S_ISVTX
            else f"Run: chmod go-w {path}",
        )
    above = os.stat("..", dir_fd=root)
    if above.st_mode & _OTHERS_WRITE and not above.st_mode & stat.S_ISVTX:
        raise FileError(
            "others may replace the mount directory: they can write to its parent",
            errno=EACCES,
            passed=str(path),
            hint=f"Take another directory, or run: chmod go-w {path.parent}",
        )


def _walk(directory: int, prefix: str = "") -> Iterator[tuple[str, str]]:
    """All that is below a directory: path, and "directory", "dead" (a socket) or "foreign"."""
    for name in sorted(os.listdir(directory)):
        mode = os.lstat(name, dir_fd=directory)
        path = f"{prefix}{name}"
        if stat.S_ISDIR(mode.st_mode) and mode.st_uid == os.geteuid():
            yield path, "directory"
            below = os.open(name, os.O_RDONLY | _FOLLOW_NOTHING, dir_fd=directory)
            try:
                yield from _walk(below, f"{path}/")
            finally:
                os.close(below)
        elif stat.S_ISSOCK(mode.st_mode) and _is_dead(directory, name):
            yield path, "dead"
        else:
            yield path, "foreign"


def _is_dead(directory: int, name: str) -> bool:
    """Whether nobody listens to a socket any more."""
    inode = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe:
            probe.setblocking(False)
            return probe.connect_ex(f"/proc/self/fd/{inode}") == ECONNREFUSED
    finally:
        os.close(inode)


def _bind(listener: socket.socket, parent: int, name: str) -> None:
    """Give a socket its name in a directory, however long path and name are."""
    here = f"/proc/self/fd/{parent}"
    if len(os.fsencode(f"{here}/{name}")) <= _LONGEST_ADDRESS:
        listener.bind(f"{here}/{name}")
        return
    listener.bind(f"{here}/{_PASSING}")
    try:
        os.link(_PASSING, name, src_dir_fd=parent, dst_dir_fd=parent)
    finally:
        os.unlink(_PASSING, dir_fd=parent)
