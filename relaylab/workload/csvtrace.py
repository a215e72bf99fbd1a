"""Traces as CSV: a header, then one event a line."""

import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from relaylab.errors import ConfigError
from relaylab.workload.columns import COLUMNS, find_columns
from relaylab.workload.gather import Gathered
from relaylab.workload.lines import line_blocks
from relaylab.workload.packed import Readable
from relaylab.workload.scan.codes import AT, LAST_T, LINES, N
from relaylab.workload.trace import MAX_CPU, MAX_SIZE, MAX_T_NS, Workload

_LARGEST: Final = (MAX_T_NS, MAX_CPU, MAX_SIZE)
_INTEGER: Final = re.compile(rb"[ \t]*([+-]?[0-9]{1,20})[ \t]*")


def read_csv(
    stream: Readable, events: Gathered, *, event_size: int | Mapping[str, int] | None = None
) -> Workload:
    """The events of a CSV file.

    Parameters
    ----------
    stream : binary file
        Plain CSV, or what unpacks it; read to its end, or to damage.
    events : Gathered
        Where they go.
    event_size : int, optional
        Payload of every event where there is no column `size`, bytes.

    Returns
    -------
    Workload

    Raises
    ------
    ConfigError
        Names the file, the line and the reason.
    """
    where: tuple[int, ...] = ()
    told = np.zeros(8, np.int64)
    for number, block in line_blocks(stream, events):
        told[AT] = 0
        if not where:
            header, newline, _ = block.partition(b"\n")
            where = _header(header, events.name, event_size)
            told[AT], number = len(header) + len(newline), number + 1
        _read_block(block, number, events, where, event_size, told)
    if not events.n_events:
        raise ConfigError(
            f"{events.name} has no event", allowed=f"a header {','.join(COLUMNS)} and events"
        )
    return events.workload(events.name.removesuffix(".gz").removesuffix(".csv"))


def _header(line: bytes, name: str, event_size: int | Mapping[str, int] | None) -> tuple[int, ...]:
    """Which columns hold time, CPU and size."""
    names = [part.strip(b" \t\r\"'") for part in line.removeprefix(b"\xef\xbb\xbf").split(b",")]
    return find_columns([each.decode("utf-8", "replace") for each in names], name, event_size)


def _read_block(
    block: bytes,
    number: int,
    events: Gathered,
    where: tuple[int, ...],
    event_size: int | Mapping[str, int] | None,
    told: Any,
) -> None:
    from relaylab.workload.scan import table  # compiles: only when a file is read

    data = np.frombuffer(block, np.uint8)
    most = block.count(b"\n") + 1
    t_ns, cpu, size = np.empty(most, np.int64), np.empty(most, np.uint16), np.empty(most, np.uint32)
    sized = len(where) == 3
    fixed = event_size if isinstance(event_size, int) else 0
    t_column, cpu_column, size_column = (*where, -1)[:3]
    while True:
        odd = table.scan(data, t_column, cpu_column, size_column, t_ns, cpu, size, told)
        n = int(told[N])
        if not sized:
            size[:n] = fixed
        events.add(t_ns[:n], cpu[:n], size[:n])
        if not odd:
            return
        number += int(told[LINES])
        start = int(told[AT])
        end = (block.find(b"\n", start) + 1) or len(block)
        line = block[start:end].rstrip(b"\n")
        row = _row(line, number, events, where, int(told[LAST_T]))
        if row is not None:
            told[LAST_T] = row[0]
            last = row[2] if sized else fixed
            events.add(*(np.array([value]) for value in (row[0], row[1], last)))
        told[AT] = end
        number += 1


def _row(
    line: bytes, number: int, events: Gathered, where: tuple[int, ...], last_t: int
) -> list[int] | None:
    """The event of a line that is not as plain as most; None if it is empty or damaged."""
    if not line.strip():
        return None
    fields = line.rstrip(b"\r").split(b",")
    row = []
    for column, at, largest in zip(COLUMNS, where, _LARGEST, strict=False):
        text = fields[at] if at < len(fields) else b""
        match = _INTEGER.fullmatch(text)
        value = int(match[1]) if match else -1
        if not 0 <= value <= largest:
            events.damaged(
                f"line {number}",
                column,
                passed=text[:40].decode("utf-8", "replace"),
                allowed=f"a whole number 0 .. {largest}",
            )
            return None
        row.append(value)
    if row[0] < last_t:
        events.damaged(
            f"line {number}",
            "time goes backwards",
            passed=str(row[0]),
            allowed=f"{last_t} or later",
            hint='Sort the file by timestamp_ns, or leave out what is late: errors="skip", or '
            "--skip-damaged of relaylab advise, sweep and replay.",
        )
        return None
    return row
