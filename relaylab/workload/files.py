"""Opening a trace: a file, or the files of all CPUs, whatever tool wrote them."""

import errno
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Final, Literal, TypeAlias

from relaylab import units
from relaylab.errors import ConfigError, FileError, RelayError
from relaylab.workload import blktrace, ctf
from relaylab.workload.csvtrace import read_csv
from relaylab.workload.formats import Format, told_by_content, told_by_name
from relaylab.workload.gather import Gathered
from relaylab.workload.packed import head, unpacked, unpacked_tar
from relaylab.workload.parquet import read_parquet
from relaylab.workload.scan import codes
from relaylab.workload.trace import Workload
from relaylab.workload.tracetext import EventSize, Names, known_sizes, read_text

Progress: TypeAlias = Callable[[float], None]

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
    * Parquet with these columns; needs pyarrow (`pip install "relaylab[parquet]"`).
    * CTF, as LTTng writes it: the directory, or a tar of it; needs the program babeltrace2. An
      event is as large as its payload: its fields, less the lengths of its sequences.
    * Text that babeltrace2 prints. It tells the sizes of events that have only strings and arrays
      of bytes; others need `event_size`.
    * Text that `perf script`, `trace-cmd report` and `blkparse` print. It tells no sizes:
      `event_size` is needed. Better: blktrace's own files.
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
    sizes = known_sizes(event_size)
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
    path, sizes = source.path, source.event_size
    stream = unpacked(file)
    events = source.gathered(file)
    kind = told_by_content(head(stream), path) or told_by_name(path)
    title = path.name.removesuffix(".gz").removesuffix(path.suffix if path.suffix != ".gz" else "")
    if kind is Format.CSV:
        return read_csv(stream, events, event_size=sizes)
    if kind is Format.METADATA:
        return _ctf(replace(source, path=path.absolute().parent))
    if kind is Format.STREAM:
        raise ctf.refuse_stream(path)
    if kind is Format.TAR:
        with unpacked_tar(stream, events) as directory:
            return _several(replace(source, path=directory, skip=source.skip), told=path)
    if kind is Format.BLKTRACE:
        title = blktrace.title(path)
        blktrace.read_blktrace(stream, events)
    elif kind is Format.PARQUET:
        read_parquet(file, events, sizes)
    else:
        shape = {
            Format.TRACER_TEXT: codes.TRACER,
            Format.BLKPARSE_TEXT: codes.BLKPARSE,
            Format.BABELTRACE_TEXT: codes.BABELTRACE,
        }[kind]
        names = Names(sizes, by_text=kind is Format.BABELTRACE_TEXT)
        read_text(stream, events, shape, names)
    return events.workload(title)


def _several(source: _Source, told: Path | None = None) -> Workload:
    """The events of a directory, or of all files that begin so."""
    path = source.path
    if path.is_dir() and ctf.is_ctf(path):
        return _ctf(source, told)
    paths = blktrace.files_of(path)
    if not paths and told is not None:
        raise ConfigError(f"{told.name} holds no trace", allowed="a CTF trace, or blktrace's files")
    if not paths:
        code = errno.EISDIR if path.is_dir() else errno.ENOENT
        raise OSError(code, os.strerror(code))
    length, before = sum(each.stat().st_size for each in paths), 0
    parts = []
    for each in paths:
        with _opened(each) as file:
            parts.append(source.gathered(file, before, length))
            blktrace.read_blktrace(unpacked(file), parts[-1])
        before += each.stat().st_size
    return blktrace.merged(parts, blktrace.title(paths[0]))


def _ctf(source: _Source, told: Path | None = None) -> Workload:
    """The events of a CTF trace; `told` is what the user named, if that is another path."""
    name = (told or source.path.absolute()).name
    title = name.partition(".")[0] if told else name
    events = Gathered(name, source.skip)
    length, show = ctf.stream_bytes(source.path), source.progress
    if show:
        events.tick = lambda: show(ctf.share_read(events, length))
    ctf.read_ctf(source.path, events, source.event_size)
    if show:
        show(1.0)
    return events.workload(title)


def _opened(path: Path) -> BufferedReader:
    return BufferedReader(FileIO(path), _HEAD)


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
        errno.EISDIR: "There is no trace in this directory: CTF, or one of blktrace. Give a file.",
        errno.EACCES: "Ask for the right to read it.",
    }
    code = error.errno or errno.EIO
    return FileError(
        f"the trace cannot be read ({error.strerror or error})",
        passed=str(path),
        errno=code,
        hint=hints.get(code),
    )
