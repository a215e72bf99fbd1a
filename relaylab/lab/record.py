"""What a run has done so far, to be kept: journal, series, totals and settings."""

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from relaylab import units
from relaylab.core.journal import Cursor, Kind
from relaylab.errors import ConfigError
from relaylab.lab.frame import COLUMNS, LINES

_NAMES: Final = [kind.name.lower() for kind in Kind]
_JOURNAL_COLUMNS: Final = ("t_ns", "kind", "cpu", "subbuf", "produced", "value")


@dataclass(frozen=True, repr=False)
class Record:
    """A run up to one moment.

    Attributes
    ----------
    journal : pandas.DataFrame
        One row a transition: `t_ns` (virtual time, or since the workbench first looked), `kind`
        (the names of `relaylab.Kind` in small letters), `cpu`, `subbuf`, `produced`, `value`. In
        virtual time all from the beginning on; in real time what the journal still holds.
    series : pandas.DataFrame
        What the plots show: `t_s`; the most sub-buffers that waited, by CPU as `occupancy_0` and
        on, of more than 8 CPUs `occupancy_max`, `_mean` and `_min`; then events a second.
    totals : dict
        The fields of ``chan.stats``, and "offered" and "lost".
    settings : dict
        What was opened, and the reader.
    workload : str
        What was written.
    mode : str
        "virtual", "live" or "attached".
    t_ns : int
        When it was taken, nanoseconds: virtual time, or of the run's own clock.
    position : int
        Events of the workload applied.
    dropped : int
        Transitions that the journal had lost when it was taken; 0 in virtual time.
    """

    journal: pd.DataFrame
    series: pd.DataFrame
    totals: dict[str, int]
    settings: dict[str, Any]
    workload: str
    mode: str
    t_ns: int
    position: int
    dropped: int

    @classmethod
    def of(cls, run: Any, origin_ns: int = 0) -> "Record":
        """Of a run as it is now; nobody else may move a virtual one meanwhile.

        Parameters
        ----------
        run : LiveRun, VirtualRun or AttachedRun
        origin_ns : int
            In real time the clock that is time 0.
        """
        journal, dropped = (run.whole_journal(), 0) if run.is_virtual else _held(run, origin_ns)
        stats = run.channel.stats
        return cls(
            journal=_table(journal),
            series=_series(run),
            totals=dataclasses.asdict(stats) | {"offered": stats.offered, "lost": stats.lost},
            settings=dataclasses.asdict(run.settings),
            workload=run.workload_name,
            mode="virtual" if run.is_virtual else "attached" if run.is_read_only else "live",
            t_ns=int(run.clock_s * 1e9),
            position=run.position,
            dropped=dropped,
        )

    def __repr__(self) -> str:
        settings, totals = self.settings, self.totals
        size = units.format_bytes(settings["subbuf_size"])
        mode = "overwrite" if settings["overwrite"] else "no overwrite"
        offered = max(1, totals["offered"])
        kinds = self.journal["kind"].value_counts(sort=True)
        told = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items() if count)
        missing = f", {self.dropped:,} more dropped" if self.dropped else ""
        return (
            f"<Record of {self.workload or 'a channel'}, {self.mode} time, "
            f"{units.format_duration(self.t_ns)}\n"
            f"  channel  {settings['n_cpus']} CPUs × {settings['n_subbufs']} sub-buffers of {size},"
            f" {mode}\n"
            f"  events   {totals['offered']:,} offered = {totals['written']:,} written"
            f" + {totals['lost']:,} lost ({100 * totals['lost'] / offered:.2g} %)\n"
            f"  journal  {len(self.journal):,} transitions{missing}: {told or 'none'}\n"
            f"  series   {len(self.series):,} samples>"
        )

    def to_csv(self, directory: str | os.PathLike[str]) -> list[Path]:
        """Write journal.csv, series.csv and about.json into a directory, made if need be.

        Returns
        -------
        list of Path
            What was written.
        """
        tables = {"journal": self.journal, "series": self.series}
        return self._write(
            directory, {f"{name}.csv": csv_bytes(one) for name, one in tables.items()}
        )

    def to_parquet(self, directory: str | os.PathLike[str]) -> list[Path]:
        """Write journal.parquet, series.parquet and about.json into a directory.

        Returns
        -------
        list of Path
            What was written.

        Raises
        ------
        ConfigError
            pyarrow is not installed.
        """
        tables = {"journal": self.journal, "series": self.series}
        files = {f"{name}.parquet": parquet_bytes(one) for name, one in tables.items()}
        return self._write(directory, files)

    def to_json(self, path: str | os.PathLike[str]) -> Path:
        """Write all of it into one JSON file.

        Returns
        -------
        Path
            The file.
        """
        tables = {
            name: {column: table[column].tolist() for column in table}
            for name, table in (("journal", self.journal), ("series", self.series))
        }
        where = Path(path)
        where.write_text(json.dumps(self._about() | _finite(tables), indent=1, allow_nan=False))
        return where

    def _about(self) -> dict[str, Any]:
        about = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in ("journal", "series")
        }
        return dict(_finite(about))

    def _write(self, directory: str | os.PathLike[str], files: dict[str, bytes]) -> list[Path]:
        where = Path(directory)
        where.mkdir(parents=True, exist_ok=True)
        files["about.json"] = json.dumps(self._about(), indent=1, allow_nan=False).encode()
        for name, content in files.items():
            (where / name).write_bytes(content)
        return [where / name for name in files]


def csv_bytes(table: pd.DataFrame) -> bytes:
    """A table as CSV with a header, UTF-8."""
    return table.to_csv(index=False, lineterminator="\n").encode()


def parquet_bytes(table: pd.DataFrame) -> bytes:
    """A table as Parquet.

    Raises
    ------
    ConfigError
        pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise ConfigError(
            "Parquet needs pyarrow, which is not installed",
            allowed="CSV and JSON without it",
            hint='Install it with: pip install "relaylab[parquet]"',
        ) from None
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False), sink)
    return bytes(sink.getvalue())


def _held(run: Any, origin_ns: int) -> tuple[NDArray[np.void], int]:
    """What the journal of a channel still holds, and how many records it does not."""
    journal = run.channel.journal
    # An observer of its own, from the first record on: the journal's own place is the user's.
    cursor = Cursor(journal._header, journal._records, 0)
    records = cursor.read()
    records["t_ns"] -= origin_ns or (int(records["t_ns"][0]) if len(records) else 0)
    return records, cursor.dropped


def _table(records: NDArray[np.void]) -> pd.DataFrame:
    columns: dict[str, Any] = {name: records[name].astype(np.int64) for name in _JOURNAL_COLUMNS}
    codes = records["kind"].astype(np.int64) - min(Kind)
    columns["kind"] = pd.Categorical.from_codes(codes, pd.Index(_NAMES))
    return pd.DataFrame(columns)


def _series(run: Any) -> pd.DataFrame:
    samples = run.history.all()
    if run.is_virtual:
        samples = samples[samples[:, 0] <= run.clock_s]
    n_cpus = run.channel.n_cpus
    if n_cpus <= LINES:
        lines = [f"occupancy_{cpu}" for cpu in range(n_cpus)]
    else:
        lines = ["occupancy_max", "occupancy_mean", "occupancy_min"]
    table = pd.DataFrame(samples, columns=list(COLUMNS))
    shown = ["t_s", *(f"occupancy_{i}" for i in range(len(lines))), *COLUMNS[1 + LINES :]]
    return table[shown].rename(columns=dict(zip(shown[1:], lines, strict=False)))


def _finite(value: Any) -> Any:
    """The same without infinities and NaN, which JSON does not know: they become None."""
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
