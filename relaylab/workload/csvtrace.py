"""Traces as CSV: a header, then one event a line."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from relaylab.errors import ConfigError
from relaylab.workload.packed import DAMAGED, Readable
from relaylab.workload.trace import MAX_CPU, MAX_SIZE, MAX_T_NS, Workload

COLUMNS = ("timestamp_ns", "cpu", "size")
_LARGEST = (MAX_T_NS, MAX_CPU, MAX_SIZE)

_CHUNK = 1 << 20  # bytes: some 30 ms of work, so that an interrupt is answered at once

_PLAIN = b"0123456789,\r\n"
_TOO_LONG = re.compile(rb"[0-9]{19}")
_INTEGER = re.compile(rb"[ \t]*([+-]?[0-9]{1,20})[ \t]*")


def read_csv(
    stream: Readable,
    name: str,
    *,
    event_size: int | Mapping[str, int] | None = None,
    skip: bool = False,
    tick: Callable[[], None] | None = None,
) -> Workload:
    """The events of a CSV file.

    Parameters
    ----------
    stream : binary file
        Plain CSV, or what unpacks it; read to its end.
    name : str
        What errors and the workload call it.
    event_size : int, optional
        Payload of every event where there is no column `size`, bytes.
    skip : bool
        Leave damaged lines out and count them, instead of refusing the file.
    tick : callable, optional
        Called after each chunk.

    Returns
    -------
    Workload

    Raises
    ------
    ConfigError
        Names the file, the line and the reason.
    """
    table = _Table(name, event_size, skip)
    for lines in _line_chunks(stream, table):
        table.add(lines)
        if tick is not None:
            tick()
    return table.workload()


@dataclass
class _Table:
    """What has been read so far."""

    name: str
    event_size: int | Mapping[str, int] | None
    skip: bool
    where: tuple[int, ...] = ()
    n_lines: int = 0
    last_t: int = 0
    skipped: int = 0
    parts: list[NDArray[np.int64]] = field(default_factory=list)

    def add(self, lines: list[bytes]) -> None:
        if not lines:
            return
        if not self.n_lines:
            self.where = self._header(lines[0])
            self.n_lines = 1
            lines = lines[1:]
        rows = _fast(lines, self.where, self.last_t)
        if rows is None:
            rows = np.array(list(self._careful(lines)), np.int64).reshape(-1, len(self.where))
        self.n_lines += len(lines)
        if len(rows):
            self.last_t = int(rows[-1, 0])
            self.parts.append(rows)

    def damaged(self, line: int, reason: str, **details: str) -> None:
        """Refuse the file, or count what is left out."""
        if not self.skip:
            hint = details.pop("hint", 'Mend the file, or read it with errors="skip".')
            raise ConfigError(f"{self.name}, line {line}: {reason}", hint=hint, **details)
        self.skipped += 1

    def workload(self) -> Workload:
        rows = np.concatenate(self.parts) if self.parts else np.empty((0, 3), np.int64)
        if not len(rows):
            raise ConfigError(
                f"{self.name} has no event", allowed=f"a header {','.join(COLUMNS)} and events"
            )
        size = rows[:, 2] if rows.shape[1] == 3 else np.full(len(rows), self.event_size)
        name = self.name.removesuffix(".gz").removesuffix(".csv")
        return Workload(rows[:, 0], rows[:, 1], size, name=name, skipped=self.skipped)  # type: ignore[arg-type]

    def _header(self, line: bytes) -> tuple[int, ...]:
        """Which columns hold time, CPU and size."""
        shown = line[:80].decode("utf-8", "replace")
        names = [
            part.strip(b" \t\"'").lower() for part in line.removeprefix(b"\xef\xbb\xbf").split(b",")
        ]
        sized = self.event_size is None or b"size" in names
        wanted = COLUMNS if sized else COLUMNS[:2]
        if not sized and not isinstance(self.event_size, int):
            raise ConfigError(
                f"event_size for {self.name}", passed=self.event_size, allowed="one number of bytes"
            )
        missing = [column for column in wanted if column.encode() not in names]
        if missing == ["size"]:
            raise ConfigError(
                f"{self.name} has no column size",
                passed=shown,
                hint="Say with event_size how many bytes each event has.",
            )
        if missing:
            raise ConfigError(
                f"{self.name} is no trace that relaylab can read: no column {', '.join(missing)}",
                passed=shown,
                allowed=f"CSV with the columns {', '.join(COLUMNS)}, or what a tracer wrote",
            )
        return tuple(names.index(column.encode()) for column in wanted)

    def _careful(self, lines: list[bytes]) -> Iterator[list[int]]:
        """The rows one by one, so that a damaged one can be named."""
        last_t = self.last_t
        for number, line in enumerate(lines, self.n_lines + 1):
            if not line.strip():
                continue
            row = self._row(number, line)
            if row is None:
                continue
            if row[0] < last_t:
                self.damaged(
                    number,
                    "time goes backwards",
                    passed=str(row[0]),
                    allowed=f"{last_t} or later",
                    hint='Sort the file by timestamp_ns, or read it with errors="skip".',
                )
                continue
            last_t = row[0]
            yield row

    def _row(self, number: int, line: bytes) -> list[int] | None:
        fields = line.split(b",")
        row = []
        for column, at, largest in zip(COLUMNS, self.where, _LARGEST, strict=False):
            text = fields[at] if at < len(fields) else b""
            match = _INTEGER.fullmatch(text)
            value = int(match[1]) if match else -1
            if not 0 <= value <= largest:
                self.damaged(
                    number,
                    column,
                    passed=text[:40].decode("utf-8", "replace"),
                    allowed=f"a whole number 0 .. {largest}",
                )
                return None
            row.append(value)
        return row


def _fast(lines: list[bytes], where: tuple[int, ...], last_t: int) -> NDArray[np.int64] | None:
    """All rows at once, or None when anything is not as plain as it should be."""
    text = b"\n".join(lines)
    if not text.strip() or text.translate(None, _PLAIN) or _TOO_LONG.search(text):
        return None
    try:
        rows = np.loadtxt(lines, np.int64, comments=None, delimiter=",", usecols=where, ndmin=2)
    except ValueError:
        return None
    if np.any(rows[:, 1:] > _LARGEST[1 : len(where)]):
        return None
    times = rows[:, 0]
    ascending = times[0] >= last_t and bool(np.all(times[1:] >= times[:-1]))
    return rows if ascending else None


def _line_chunks(stream: Readable, table: _Table) -> Iterator[list[bytes]]:
    """Whole lines, about a chunk of them at a time."""
    rest = b""
    while True:
        try:
            chunk = stream.read(_CHUNK)
        except DAMAGED as error:
            yield rest.splitlines()[:-1]  # what came before the damage, less the line that it cut
            table.damaged(
                table.n_lines + 1, f"the compressed file is damaged or cut here ({error})"
            )
            return
        if not chunk:
            yield rest.splitlines()
            return
        whole, _, rest = (rest + chunk).rpartition(b"\n")
        yield whole.splitlines()
        if len(rest) > _CHUNK:
            table.damaged(
                table.n_lines + 1, f"longer than {_CHUNK} bytes", hint="Is this a CSV file?"
            )
            return
