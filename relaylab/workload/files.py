"""Opening a trace: a file, or the files of all CPUs, whatever tool wrote them."""

import errno
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Final, Literal, TypeAlias

from relaylab import units
from relaylab.errors import ConfigError, FileError, RelayError
from relaylab.workload import blktrace
from relaylab.workload.csvtrace import read_csv
from relaylab.workload.formats import Format, told_by_content, told_by_name
from relaylab.workload.gather import Gathered
from relaylab.workload.packed import head, unpacked
from relaylab.workload.trace import MAX_SIZE, Workload

Progress: TypeAlias = Callable[[float], None]
EventSize: TypeAlias = int | Mapping[str, int]

_HEAD: Final = 1 << 16  # bytes that a format is told by


def load(
    path: str | os.PathLike[str],
    *,
    event_size: units.Quantity | Mapping[str, units.Quantity] | None = None,
    errors: Literal["raise", "skip"] = "raise",
    progress: Progress | None = None,
) -> Workload:
    """Read a recorded trace.

    What it is, is told by its content first and then by its name; files may be gzipped. It may be
    interrupted at any time.

    * CSV with a header that names the columns `timestamp_ns`, `cpu` and `size`, in any order and
      among others.
    * blktrace: `NAME.blktrace.0` is that CPU alone; `NAME`, or a directory with one trace in it, is
      all CPUs merged by time. An event is as large as its record, 48 bytes and what follows it;
      notify records are no events.

    Parameters
    ----------
    path : str or path
        The file, the directory, or what the names of the files have in common.
    event_size : int or str, or dict of them by event name, optional
        Payload of each event, bytes or such as "1 KiB", where the trace does not tell it.
    errors : "raise" or "skip"
        What to do with damage: refuse the file, or leave damaged lines or records out and count
        them in `Workload.skipped`.
    progress : callable, optional
        Called now and then with the share of the trace that is read, 0 .. 1.

    Returns
    -------
    Workload
        Times as recorded.

    Raises
    ------
    FileError
        The file cannot be opened or read; `errno` says why.
    ConfigError
        The file is damaged or no trace: says the file, the line or offset, and the reason; it does
        not tell the sizes of events and `event_size` is missing; or a wrong argument.
    """
    if errors not in ("raise", "skip"):
        raise ConfigError("errors", passed=errors, allowed='"raise" or "skip"')
    sizes = _sizes(event_size)
    where = _path(path)
    source = _Source(where, sizes, errors == "skip", progress)
    try:
        if where.is_dir() or not where.exists():
            return _several(source)
        with _opened(where) as file:
            return _single(source, file)
    except OSError as error:
        if isinstance(error, RelayError):
            raise
        raise _refused(where, error) from error


@dataclass
class _Source:
    """What is to be read, and how."""

    path: Path
    event_size: EventSize | None
    skip: bool
    progress: Progress | None

    def gathered(
        self, file: BufferedReader, before: int = 0, length: int | None = None
    ) -> Gathered:
        """A place for the events of this file; `before` of `length` bytes are read already."""
        if length is None:
            length = os.fstat(file.fileno()).st_size if file.seekable() else 0
        show, whole = self.progress, length
        tick = (lambda: show((before + file.tell()) / whole)) if show and whole else None
        return Gathered(Path(str(file.name)).name, self.skip, tick)


def _single(source: _Source, file: BufferedReader) -> Workload:
    """The events of one file."""
    stream = unpacked(file)
    events = source.gathered(file)
    kind = told_by_content(head(stream), source.path) or told_by_name(source.path)
    if kind is Format.BLKTRACE:
        blktrace.read_blktrace(stream, events)
        return events.workload(blktrace.title(source.path))
    return read_csv(
        stream,
        events.name,
        event_size=source.event_size,
        skip=source.skip,
        tick=events.tick,
    )


def _several(source: _Source) -> Workload:
    """The events of a directory, or of all files that begin so."""
    paths = blktrace.files_of(source.path)
    if not paths:
        is_dir = source.path.is_dir()
        code = errno.EISDIR if is_dir else errno.ENOENT
        raise OSError(code, os.strerror(code))
    length, before = sum(path.stat().st_size for path in paths), 0
    parts = []
    for path in paths:
        with _opened(path) as file:
            parts.append(source.gathered(file, before, length))
            blktrace.read_blktrace(unpacked(file), parts[-1])
        before += path.stat().st_size
    return blktrace.merged(parts, blktrace.title(paths[0]))


def _opened(path: Path) -> BufferedReader:
    return BufferedReader(FileIO(path), _HEAD)


def _sizes(
    given: units.Quantity | Mapping[str, units.Quantity] | None,
) -> EventSize | None:
    """Bytes, or bytes by event name, each within its range."""
    if given is None:
        return None
    if isinstance(given, Mapping):
        return {str(name): _size(size, f"event_size of {name}") for name, size in given.items()}
    return _size(given, "event_size")


def _size(given: units.Quantity, what: str) -> int:
    size = units.parse_bytes(given, what)
    if size > MAX_SIZE:
        raise ConfigError(what, passed=size, allowed=f"0 .. {MAX_SIZE} bytes")
    return size


def _path(path: str | os.PathLike[str]) -> Path:
    try:
        where = Path(path)
    except TypeError:
        raise ConfigError("path", passed=path, allowed="a str or a path") from None
    if "\0" in str(where):
        raise ConfigError("path", passed=str(where), allowed="a path without a NUL character")
    return where


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
