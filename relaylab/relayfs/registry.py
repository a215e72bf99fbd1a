"""Which file systems of this user are mounted, by whatever process.

Each mount has an entry: a small file that its owner keeps locked. An entry that nobody locks is a
crashed owner's.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from errno import EACCES, ENOSYS
from pathlib import Path
from typing import Any

from relaylab.errors import FileError, ResourceError
from relaylab.relayfs.mountpoint import Mountpoint


@dataclass(frozen=True)
class MountInfo:
    """A mounted file system.

    Attributes
    ----------
    path
        The directory it is mounted on.
    pid
        The process that owns it.
    since
        When it was mounted, seconds since 1970.
    files
        Paths of the files there, relative to the directory.
    """

    path: str
    pid: int
    since: float
    files: tuple[str, ...]


def mounts() -> list[MountInfo]:
    """The relay file systems that processes of this user have mounted now, by path.

    Only those whose owner uses the same runtime directory (XDG_RUNTIME_DIR) are known.

    Raises
    ------
    FileError
        The runtime directory is not private.
    ResourceError
        It cannot be made or read, or the system is not Linux.
    """
    found = []
    for entry, told, alive in _entries():
        if alive:
            with contextlib.suppress(KeyError, TypeError, ValueError):
                path = str(told["path"])
                files = tuple(sorted(_sockets(Path(path))))
                found.append(MountInfo(path, int(told["pid"]), float(told["since"]), files))
        else:
            _clean_up(entry, told)
    return sorted(found, key=lambda info: info.path)


class Entry:
    """The entry of a mount of this process, and the directory made for it if none was given.

    Raises
    ------
    FileError, ResourceError
    """

    def __init__(self, mountpoint: str | os.PathLike[str] | None) -> None:
        for entry, told, alive in _entries():
            if not alive:
                _clean_up(entry, told)
        self.is_ours = mountpoint is None
        # not the number alone: processes of several containers may share the directory
        name = f"{os.getpid()}-{os.urandom(4).hex()}"
        home = runtime_directory()
        self.path = home / f"fs-{name}" if mountpoint is None else Path(mountpoint)
        self._file = home / "mounts" / name
        told = {"path": str(self.path.absolute()), "pid": os.getpid(), "since": time.time()}
        import fcntl  # not on Windows

        with contextlib.ExitStack() as undo:
            try:
                if self.is_ours:
                    self.path.mkdir(mode=0o700)
                    undo.callback(self.path.rmdir)
                self._file.parent.mkdir(mode=0o700, exist_ok=True)
                self._descriptor = os.open(
                    self._file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600
                )
                undo.callback(os.close, self._descriptor)
                undo.callback(self._file.unlink, missing_ok=True)
                fcntl.flock(self._descriptor, fcntl.LOCK_EX)
                os.write(self._descriptor, json.dumps(told).encode())
            except OSError as error:
                raise _no_place(home, error) from error
            undo.pop_all()

    def remove(self) -> None:
        """Take the entry back, and the directory if it was made for it."""
        with contextlib.suppress(OSError):
            self._file.unlink()
        os.close(self._descriptor)
        if self.is_ours:
            with contextlib.suppress(OSError):
                self.path.rmdir()

    def abandon(self) -> None:
        """In the child of a fork: leave it to the parent."""
        os.close(self._descriptor)


def runtime_directory() -> Path:
    """Where entries and default mount points are: private, below XDG_RUNTIME_DIR if there is one.

    Raises
    ------
    FileError
        Somebody else made it, or others can write to it.
    ResourceError
        It cannot be made, or the system is not Linux.
    """
    if sys.platform != "linux":
        raise ResourceError(
            "mounting needs Linux",
            errno=ENOSYS,
            hint="Within this process everything works unmounted: fs.open_file().",
        )
    given = os.environ.get("XDG_RUNTIME_DIR")
    if given and Path(given).is_dir() and os.access(given, os.W_OK):
        path = Path(given) / "relaylab"
    else:
        path = Path(tempfile.gettempdir()) / f"relaylab-{os.geteuid()}"
    try:
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
        found = path.lstat()
    except OSError as error:
        raise _no_place(path, error) from error
    private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o022
    if not private or found.st_uid != os.geteuid():
        raise FileError(
            "the directory for mounts is not private",
            errno=EACCES,
            passed=str(path),
            allowed="a directory of your own that only you can write to",
            hint="Remove it, or set XDG_RUNTIME_DIR to a directory of your own.",
        )
    return path


def _no_place(path: Path, error: OSError) -> ResourceError:
    return ResourceError(
        f"the mount cannot be noted in {path}: {error.strerror}",
        errno=error.errno or 0,
        hint="Is there room on that disk, and a descriptor left (ulimit -n)?",
    )


def _entries() -> Iterator[tuple[Path, dict[str, Any], bool]]:
    """Each entry: its file, what it tells, and whether its owner lives."""
    directory = runtime_directory() / "mounts"
    import fcntl  # not on Windows

    try:
        entries = sorted(directory.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        raise _no_place(directory, error) from error
    for entry in entries:
        with contextlib.suppress(OSError, ValueError, RecursionError):  # damaged, or gone by now
            with entry.open("rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                    alive = False
                except BlockingIOError:
                    alive = True
                told = json.loads(file.read() or b"{}")
            if isinstance(told, dict):
                yield entry, told, alive


def _clean_up(entry: Path, told: dict[str, Any]) -> None:
    """Remove what a crashed owner left, unless there is something else in its directory."""
    path = Path(str(told.get("path", "")))
    if path.is_absolute():  # else the entry is damaged
        with contextlib.suppress(OSError, ValueError, RecursionError):
            Mountpoint(path, was_mounted=True).release()  # cleans
        if path.parent == entry.parent.parent and path.name.startswith("fs-"):
            with contextlib.suppress(OSError, ValueError):
                path.rmdir()
    with contextlib.suppress(OSError):
        if told or time.time() - entry.stat().st_mtime > 10:  # else it is just being made
            entry.unlink()


def _sockets(path: Path) -> Iterator[str]:
    for directory, _, names in os.walk(path):
        for name in names:
            file = Path(directory) / name
            with contextlib.suppress(OSError):
                if stat.S_ISSOCK(file.lstat().st_mode):
                    yield str(file.relative_to(path))
