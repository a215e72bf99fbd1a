"""Opening a trace: what a file is, told by its content first and then by its name."""

import errno
import os
from collections.abc import Callable
from gzip import GzipFile
from io import BufferedReader
from pathlib import Path
from typing import Literal

from relaylab.errors import ConfigError, FileError
from relaylab.workload.csvtrace import Readable, read_csv
from relaylab.workload.trace import MAX_SIZE, Workload

_GZIP = b"\x1f\x8b"

Progress = Callable[[float], None]


def load(
    path: str | os.PathLike[str],
    *,
    event_size: int | None = None,
    errors: Literal["raise", "skip"] = "raise",
    progress: Progress | None = None,
) -> Workload:
    """Read a recorded trace.

    CSV, plain or gzipped, with a header that names the columns `timestamp_ns`, `cpu` and `size`, in
    any order and among others. It may be interrupted at any time.

    Parameters
    ----------
    path : str or path
        The file.
    event_size : int, optional
        Payload of every event, bytes, for a file without the column `size`.
    errors : "raise" or "skip"
        What to do with damaged lines: refuse the file, or leave them out and count them in
        `Workload.skipped`.
    progress : callable, optional
        Called now and then with the share of the file that is read, 0 .. 1.

    Returns
    -------
    Workload
        Times as recorded.

    Raises
    ------
    FileError
        The file cannot be opened or read; `errno` says why.
    ConfigError
        The file is damaged or no trace: says the line and the reason; or a wrong argument.
    """
    if errors not in ("raise", "skip"):
        raise ConfigError("errors", passed=errors, allowed='"raise" or "skip"')
    if event_size is not None and not (type(event_size) is int and 0 <= event_size <= MAX_SIZE):
        raise ConfigError("event_size", passed=event_size, allowed=f"0 .. {MAX_SIZE} bytes")
    where = _path(path)
    try:
        with where.open("rb") as file:
            length = os.fstat(file.fileno()).st_size if file.seekable() else 0
            return read_csv(
                _unpacked(file),
                where.name,
                event_size=event_size,
                skip=errors == "skip",
                tick=(lambda: progress(file.tell() / length)) if progress and length else None,
            )
    except OSError as error:
        raise _refused(where, error) from error


def _path(path: str | os.PathLike[str]) -> Path:
    try:
        where = Path(path)
    except TypeError:
        raise ConfigError("path", passed=path, allowed="a str or a path") from None
    if "\0" in str(where):
        raise ConfigError("path", passed=str(where), allowed="a path without a NUL character")
    return where


def _unpacked(file: BufferedReader) -> Readable:
    packed = file.peek(len(_GZIP)).startswith(_GZIP)
    return GzipFile(fileobj=file) if packed else file


def _refused(path: Path, error: OSError) -> FileError:
    hints = {
        errno.ENOENT: "Check the path, or leave it out for the bundled trace.",
        errno.EISDIR: "Give the file, not its directory.",
        errno.EACCES: "Ask for the right to read it.",
    }
    code = error.errno or errno.EIO
    return FileError(
        f"the trace cannot be read ({error.strerror or error})",
        passed=str(path),
        errno=code,
        hint=hints.get(code),
    )
