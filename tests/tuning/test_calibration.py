"""calibrate finds a reader that explains losses, also those that it was not shown."""

from __future__ import annotations

import pandas as pd
import pytest

import relaylab
from relaylab import ConfigError, Reader
from relaylab.workload import bursts

LOAD = bursts(events=1000, every="20 ms", gap="150 ns", size=96, n_cpus=1, duration="300 ms")
OPTIONS = {"rules": "linux", "event_overhead": 10, "subbuf_header": 84}
CELLS = [(size, n) for size in (2048, 4096, 16384) for n in (2, 4, 8, 16)]


def measured(reader: Reader) -> pd.DataFrame:
    rows = [
        (size, n, relaylab.simulate(LOAD, size, n, reader, **OPTIONS).loss_fraction)  # type: ignore[arg-type]
        for size, n in CELLS
    ]
    return pd.DataFrame(rows, columns=["subbuf_size", "n_subbufs", "loss_fraction"])


def test_it_explains_what_it_was_not_shown_and_says_how_sure_it_is() -> None:
    table = measured(Reader("60 us", "20 us", "600 MB/s"))
    reader = relaylab.calibrate(LOAD, table[::2], **OPTIONS)  # type: ignore[arg-type]
    assert isinstance(reader, Reader)
    assert reader.fit.mean_error < 0.01
    assert list(reader.fit.cells["simulated"]) == pytest.approx(
        list(table["loss_fraction"][::2]), abs=0.06
    )
    others = [
        relaylab.simulate(LOAD, row.subbuf_size, row.n_subbufs, reader, **OPTIONS).loss_fraction  # type: ignore[arg-type]
        for row in table[1::2].itertuples()
    ]
    assert abs(table["loss_fraction"][1::2] - others).mean() < 0.03
    for name, (low, high) in reader.fit.intervals.items():
        assert low <= (getattr(reader, name) or 0) <= high or name == "bytes_per_s"
    assert "mean error" in repr(reader.fit)
    assert repr(reader).startswith("Reader(")


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({"subbuf_size": [4096], "n_subbufs": [2]}),
        pd.DataFrame({"subbuf_size": [], "n_subbufs": [], "loss_fraction": []}),
        pd.DataFrame({"subbuf_size": [4096], "n_subbufs": [2], "loss_fraction": [12.5]}),
        pd.DataFrame({"subbuf_size": [4096], "n_subbufs": [2.5], "loss_fraction": [0.5]}),
    ],
    ids=["no losses", "no rows", "percent", "half a sub-buffer"],
)
def test_wrong_tables_are_told(table: pd.DataFrame) -> None:
    with pytest.raises(ConfigError, match="allowed"):
        relaylab.calibrate(LOAD, table)
