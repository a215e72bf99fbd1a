"""What an unmodified Linux 6.1 kernel did, event by event; tests/data/README.md says more."""

from __future__ import annotations

import lzma
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from relaylab.workload import Workload

FOLDER = Path(__file__).parents[1] / "data" / "kernel"
ATTEMPT = np.dtype(
    [(name, np.int64) for name in ("t_ns", "produced", "consumed", "offset", "length", "ok")]
)

RUNS = {"C1_b4_n4": (4096, 4), "C2_b2_n2": (2048, 2), "C3_b8_n2": (8192, 2)}
"""Size and number of sub-buffers."""


def attempts(name: str) -> NDArray[np.void]:
    """Each attempt to write an event, with the counters just before it."""
    packed = lzma.decompress((FOLDER / f"{name}.events.xz").read_bytes())
    n = (len(packed) - 8) // (4 * 4 + 2 + 1)
    steps = np.frombuffer(packed, "<i4", 4 * n, 8).reshape(4, n).cumsum(axis=1, dtype=np.int64)
    rows = np.zeros(n, ATTEMPT)
    rows["t_ns"] = np.frombuffer(packed, "<i8", 1)[0] + steps[0]
    for column, name_of in zip(steps[1:], ("produced", "consumed", "offset"), strict=True):
        rows[name_of] = column
    rows["length"] = np.frombuffer(packed, "<u2", n, 8 + 16 * n)
    rows["ok"] = np.frombuffer(packed, "u1", n, 8 + 18 * n)
    return rows


def reads(name: str) -> Any:
    """The reader's calls: t_before_ns, t_after_ns, bytes."""
    return pd.read_csv(FOLDER / f"{name}.reads0.csv.gz")


def workload(rows: NDArray[np.void]) -> Workload:
    """What was attempted."""
    return Workload(rows["t_ns"], np.zeros(len(rows), int), rows["length"])
