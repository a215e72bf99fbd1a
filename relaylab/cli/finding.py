"""Which relay files the PATHs of a command mean."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from errno import EINVAL, ENOENT
from pathlib import Path
from typing import TYPE_CHECKING

from relaylab.errors import FileError

if TYPE_CHECKING:
    from relaylab.relayfs.registry import MountInfo

_NOTHING_MOUNTED = """\
No relay file system is mounted, as far as is known in {home}
(programs with another XDG_RUNTIME_DIR are not seen; absolute paths work).
A program mounts its own like this:

  from relaylab import relayfs
  fs = relayfs.RelayFS()
  chan = relayfs.relay_open("cpu", None, 65536, 8, fs=fs)
  print(fs.mount())     # the directory that the files are in"""


def nothing_mounted() -> str:
    """What to say where there is nothing, and how to get something."""
    from relaylab.relayfs.registry import runtime_directory

    return _NOTHING_MOUNTED.format(home=runtime_directory())


@dataclass(frozen=True)
class Found:
    """A relay file."""

    path: str  #: to open it by
    name: str  #: what to call it: relative to the directory that was asked for


def find(words: Sequence[str]) -> list[Found]:
    """The files that `words` mean: files, or directories for all files below them.

    A word that leads to no relay file from here is looked up in what is mounted.

    Raises
    ------
    FileError
        EINVAL: it is there in several mounts, or two files have the same name. ENOENT: it leads
        nowhere, or to a directory without relay files. What is something else than a relay file is
        taken as it is: opening it tells why it cannot be.
    """
    found: dict[str, Found] = {}
    for word in words:
        for file in _meant_by(word):
            other = found.setdefault(file.name, file)
            if other.path != file.path:
                raise FileError(
                    f"two files would both be called {file.name!r}",
                    errno=EINVAL,
                    passed=[other.path, file.path],
                    hint="Name a directory above both, or run the command once for each.",
                )
    return list(found.values())


def find_one(word: str) -> Found:
    """The one file that `word` means.

    Raises
    ------
    FileError
        As `find`; also if there are several.
    """
    found = find([word])
    if len(found) > 1:
        names = ", ".join(file.name for file in found[:4])
        raise FileError(
            "that is more than one file",
            errno=EINVAL,
            passed=word,
            allowed="one of the files there",
            hint=f"They are {names}{' ...' if len(found) > 4 else ''}.",
        )
    return found[0]


def _meant_by(word: str) -> list[Found]:
    here = _at(word)
    if here:
        return here
    mounted = _mounts()
    # not os.path.join, which would take an absolute word for itself
    inside = [path for mount in mounted if (path := f"{mount.path}/{word}") and _at(path)]
    if len(inside) > 1:
        raise FileError(
            "there are several of that name",
            errno=EINVAL,
            passed=word,
            allowed="one of " + ", ".join(inside),
        )
    if inside:
        return _at(inside[0])
    is_directory = Path(word).is_dir()
    if is_directory or not os.path.lexists(word):
        raise FileError(
            "there are no relay files there" if is_directory else "no such file",
            errno=ENOENT,
            passed=word,
            hint="`relaylab ls` lists those there are."
            if mounted
            else "No relay file system is mounted; `relaylab mounts` tells how to get one.",
        )
    return [Found(word, Path(word).name)]


def _at(path: str) -> list[Found]:
    """The relay files at or below a path."""
    if Path(path).is_dir():
        return [Found(os.path.join(path, name), name) for name in sockets(path)]  # noqa: PTH118  # as it was given
    return [Found(path, Path(path).name)] if _is_socket(path) else []


def sockets(directory: str) -> list[str]:
    """Paths of the relay files below a directory, relative to it, in natural order."""
    found = []
    for at, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(at, name)  # noqa: PTH118  # a mount may have many files
            if _is_socket(path):
                found.append(os.path.relpath(path, directory))
    return sorted(found, key=natural)


def natural(path: str) -> list[list[tuple[str, int]]]:
    """A key that sorts cpu2 before cpu10."""
    return [
        [(text, int(digits or -1)) for text, digits in re.findall(r"(\D*)(\d*)", name)]
        for name in path.split("/")
    ]


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.lstat(path).st_mode)
    except (OSError, ValueError):
        return False


def _mounts() -> list[MountInfo]:
    from relaylab.relayfs.registry import mounts

    return mounts()
