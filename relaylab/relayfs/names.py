"""Names in the file system: what may be one, and where a path leads."""

from __future__ import annotations

from errno import ENOENT, ENOTDIR
from typing import Any, Final

from relaylab.errors import ConfigError, FileError

NAME_MAX: Final = 255  # bytes, as in Linux


def checked(what: str, name: Any, *, extra: int = 0, may_be_empty: bool = False) -> str:
    """`name` if an entry can have it, with `extra` more bytes behind it.

    Raises
    ------
    ConfigError
    """
    limit = NAME_MAX - extra
    allowed = f"a name of at most {limit} bytes without '/' and NUL"
    if not isinstance(name, str):
        raise ConfigError(what, passed=name, allowed=allowed)
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        raise ConfigError(what, passed=name, allowed=allowed) from None
    empty = not name and not may_be_empty
    if empty or length > limit or "/" in name or "\0" in name or name in {".", ".."}:
        raise ConfigError(what, passed=name, allowed=allowed)
    return str(name)


def parts(path: Any) -> list[str]:
    """The names along a path, which is relative to the root and has no leading slash.

    Raises
    ------
    ConfigError
        It is no string.
    FileError
        No entry can have this path.
    """
    if not isinstance(path, str):
        raise ConfigError("path", passed=path, allowed="a string like 'dir/base0'")
    names = path.removesuffix("/").split("/")
    if not all(names) or any(name in {".", ".."} for name in names):
        raise missing(path)
    return names


def missing(path: str) -> FileError:
    """The error for a path that leads nowhere."""
    return FileError(
        "no such file",
        errno=ENOENT,
        passed=path,
        allowed="a path relative to the root, without leading slash",
        hint="fs.listdir() tells what there is.",
    )


def not_a_directory(path: str, name: str) -> FileError:
    """The error for a path through a file."""
    return FileError(
        f"{name!r} is a file, not a directory",
        errno=ENOTDIR,
        passed=path,
        hint="fs.listdir() tells what there is.",
    )
