"""The columns of a trace that is a table: CSV or Parquet."""

from collections.abc import Mapping, Sequence
from typing import Final

from relaylab.errors import ConfigError

COLUMNS: Final = ("timestamp_ns", "cpu", "size")

_ALSO: Final = {
    "timestamp_ns": ("t_ns", "time_ns"),
    "cpu": ("cpu_id",),
    "size": ("size_bytes", "payload_bytes"),
}
"""Other names that can mean nothing else; the unit of a bare `time` nobody knows."""


def find_columns(
    names: Sequence[str], file: str, event_size: int | Mapping[str, int] | None
) -> tuple[int, ...]:
    """Where time, CPU and size are among these columns; size is left out if `event_size` stands in.

    Raises
    ------
    ConfigError
        A column is missing, or there is a choice between two.
    """
    lower = [name.strip().lower() for name in names]
    found = {column: _find(column, lower, file) for column in COLUMNS}
    missing = [column for column, at in found.items() if at < 0]
    shown = ",".join(names)[:80]
    if "\ufffd" in shown:  # decoded with replacements
        shown = "bytes that are no text"
    if missing == ["size"]:
        if event_size is None:
            raise ConfigError(
                f"{file} has no column size",
                passed=shown,
                hint="Say with event_size how many bytes each event has: event_size=64, on the "
                "command line --event-size 64.",
            )
        if not isinstance(event_size, int):
            raise ConfigError(
                f"event_size for {file}", passed=event_size, allowed="one number of bytes"
            )
        return found["timestamp_ns"], found["cpu"]
    if missing:
        raise ConfigError(
            f"{file} is no trace that relaylab can read: no column {', '.join(missing)}",
            passed=shown,
            allowed=f"a table with the columns {', '.join(COLUMNS)}, or what blktrace, "
            "LTTng (its directory), babeltrace2, perf script, trace-cmd report or blkparse wrote",
        )
    return tuple(found.values())


def _find(column: str, names: Sequence[str], file: str) -> int:
    if column in names:
        return names.index(column)
    also = [name for name in names if name in _ALSO[column]]
    if len(also) > 1:
        raise ConfigError(
            f"{file} has several columns for {column}",
            passed=", ".join(also),
            allowed="one of them",
            hint=f"Call the right one {column}.",
        )
    return names.index(also[0]) if also else -1
