"""Traces as Parquet, read through pyarrow, which is optional."""

from collections.abc import Mapping
from io import BufferedReader
from typing import Any, Final

import numpy as np

from relaylab.errors import ConfigError
from relaylab.workload.columns import COLUMNS, find_columns
from relaylab.workload.gather import Gathered
from relaylab.workload.trace import MAX_CPU, MAX_SIZE, MAX_T_NS

_LARGEST: Final = (MAX_T_NS, MAX_CPU, MAX_SIZE)
_ROWS: Final = 1 << 18  # at a time


def read_parquet(
    file: BufferedReader, events: Gathered, event_size: int | Mapping[str, int] | None = None
) -> None:
    """The events of a Parquet file: a column of whole numbers each for time, CPU and size.

    Parameters
    ----------
    file : binary file
        From its beginning, and such that one can seek in it.
    events : Gathered
        Where they go.
    event_size : int, optional
        Payload of every event where there is no column `size`, bytes.

    Raises
    ------
    ConfigError
        pyarrow is not installed; the file is damaged, or has no such columns; names the row.
    """
    try:
        import pyarrow as pa
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise ConfigError(
            "Parquet is read through pyarrow, which is not installed",
            hint="Install it with: pip install 'relaylab[parquet]'",
        ) from None
    row, last_t = 0, 0
    try:
        table = ParquetFile(file)
        names = list(table.schema_arrow.names)
        where = find_columns(names, events.name, event_size)
        columns = [names[at] for at in where]
        for batch in table.iter_batches(_ROWS, columns=columns, use_threads=False):
            rows = [batch.column(name) for name in columns]
            if batch.num_rows:
                last_t = _add(rows, events, row, last_t, event_size)
            row += batch.num_rows
            events.ticked()
    except ConfigError:
        raise
    except (pa.ArrowException, OSError, ValueError, MemoryError, KeyError) as error:
        events.damaged(f"row {row}", f"the Parquet file is damaged or cut here ({_brief(error)})")


def _add(rows: list[Any], events: Gathered, row: int, last_t: int, event_size: object) -> int:
    """The rows of a batch; the time of the last that is kept."""
    whole = [
        _integers(values, name, events.name) for name, values in zip(COLUMNS, rows, strict=False)
    ]
    if not any(values.null_count for values in rows) and _is_sound(whole, last_t):
        size = whole[2] if len(whole) == 3 else np.full(len(whole[0]), event_size)
        events.add(whole[0], whole[1], size)
        return int(whole[0][-1])
    columns, sound = [], np.ones(len(rows[0]), bool)
    for name, column, values, largest in zip(COLUMNS, whole, rows, _LARGEST, strict=False):
        wrong = (column < 0) | (column > largest)
        if values.null_count:
            wrong |= values.is_null().to_numpy(zero_copy_only=False)
        _refuse(events, row, wrong & sound, name, column, f"a whole number 0 .. {largest}")
        sound &= ~wrong
        columns.append(column.astype(np.int64))
    times = np.where(sound, columns[0], 0)
    before = np.maximum.accumulate(np.concatenate([[last_t], times]))[:-1]
    back = sound & (times < before)
    hint = "time goes backwards"
    _refuse(events, row, back, hint, columns[0], "the time of the row before, or later")
    sound &= ~back
    kept = [column[sound] for column in columns]
    size = kept[2] if len(kept) == 3 else np.full(len(kept[0]), event_size)
    events.add(kept[0], kept[1], size)
    return int(kept[0][-1]) if len(kept[0]) else last_t


def _is_sound(columns: list[Any], last_t: int) -> bool:
    """Whether all values are in their ranges and time goes on."""
    ranged = all(
        column.min() >= 0 and column.max() <= largest
        for column, largest in zip(columns, _LARGEST, strict=False)
    )
    times = columns[0]
    return ranged and times[0] >= last_t and bool((times[1:] >= times[:-1]).all())


def _integers(values: Any, name: str, file: str) -> Any:
    """An array of the column; null counts as 0."""
    import pyarrow as pa

    if pa.types.is_timestamp(values.type) and values.type.unit == "ns":
        values = values.cast(pa.int64())
    if not pa.types.is_integer(values.type):
        raise ConfigError(
            f"{file}: column {name}", passed=str(values.type), allowed="whole numbers"
        )
    return values.fill_null(0).to_numpy(zero_copy_only=False)


def _refuse(events: Gathered, row: int, wrong: Any, what: str, values: Any, allowed: str) -> None:
    """Name the first damaged row, or count them all."""
    found = np.flatnonzero(wrong)
    if len(found):
        at = found[0]
        events.damaged(f"row {row + at}", what, passed=int(values[at]), allowed=allowed)
        events.skipped += len(found) - 1


def _brief(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
