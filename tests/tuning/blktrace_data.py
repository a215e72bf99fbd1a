"""What an unmodified Linux 6.1 kernel did, event by event; tests/data/README.md says more."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from relaylab.workload import Workload

FOLDER = Path(__file__).parents[1] / "data" / "kernel"
ATTEMPT = np.dtype(
    [
        ("t_ns", "<u8"),
        ("produced", "<u4"),
        ("consumed", "<u4"),
        ("offset", "<u4"),
        ("length", "<u2"),
        ("ok", "<u2"),
    ]
)

RUNS = {"C1_b4_n4": (4096, 4), "C2_b2_n2": (2048, 2), "C3_b8_n2": (8192, 2)}
"""Size and number of sub-buffers."""


def attempts(name: str) -> NDArray[np.void]:
    """Each attempt to write an event, with the counters just before it."""
    return np.frombuffer(gzip.decompress((FOLDER / f"{name}.truth.gz").read_bytes()), ATTEMPT)


def reads(name: str) -> Any:
    """The reader's calls: t_before_ns, t_after_ns, bytes."""
    return pd.read_csv(FOLDER / f"{name}.reads0.csv.gz")


def workload(rows: NDArray[np.void]) -> Workload:
    """What was attempted."""
    return Workload(rows["t_ns"].astype(np.int64), np.zeros(len(rows), int), rows["length"])
