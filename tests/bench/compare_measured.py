"""Losses of real tools beside what the simulator says, cell by cell.

    python tests/bench/compare_measured.py [DIRECTORY]

Where the trace of a workload is not bundled it is made after its description; DIRECTORY may hold
the recorded ones (w2_medium.csv.gz, w3_fat.csv.gz, gen_w5k.blktrace.0.gz).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1]))

from tuning import kernel_data

from relaylab import Reader, calibrate, resources, simulate, workload
from relaylab.workload import Workload, bursts

MEASURED = Path(__file__).parents[2] / "assets" / "measured"
LTTNG: dict[str, Any] = {"rules": "linux", "event_overhead": 10, "subbuf_header": 84}
HEAD = (
    f"{'':10} {'subbuf_size':>11} {'n_subbufs':>9} {'measured':>9} {'simulated':>9} {'points':>7}"
)


def cost_of_a_read(name: str, sleep_ns: int) -> int:
    """From one recorded schedule: what passes between two reads beside the sleep."""
    begins = kernel_data.reads(name)["t_before_ns"].to_numpy()
    cycles = np.diff(begins)
    return int(np.median(cycles[cycles < 1.3 * sleep_ns])) - sleep_ns


def kernel_cases(directory: Path | None) -> list[tuple[str, Workload, Reader, str]]:
    """Name, load, reader and what it is taken from."""
    steady = bursts(events=1, every="50 us", size=48, n_cpus=1, duration="2 s")
    on_off = bursts(events=500, every="50 ms", gap="10 us", size=48, n_cpus=1, duration="2 s")
    rng = np.random.default_rng(1)
    gaps, sizes = rng.integers(25_000, 75_000, 40_000), rng.integers(6, 15, 40_000) * 8
    jitter = Workload(np.cumsum(gaps), np.zeros(40_000, int), sizes, name="jitter")
    traced = _found(directory, "gen_w5k.blktrace.0.gz") or steady
    realtime = workload.load(resources.trace("gen_wburst500"))
    c2, c3 = cost_of_a_read("C2_b2_n2", 2_000_000), cost_of_a_read("C3_b8_n2", 5_000_000)
    return [
        ("C1", steady, Reader.periodic("20 ms"), "as stated"),
        ("B3", traced, Reader.periodic("20 ms"), "as stated"),
        ("C2", on_off, Reader.polling("2 ms", c2), "cost of a read from one schedule"),
        ("C3", jitter, Reader.polling("5 ms", c3), "cost of a read from one schedule"),
        ("A2", realtime, Reader(0, "20 us", held_by="5 ms"), "held while the writer bursts"),
    ]


def compare_kernel(directory: Path | None) -> None:
    """All cells of the kernel's relay channels."""
    measured = pd.read_csv(MEASURED / "kernel.csv")
    for name, load, reader, source in kernel_cases(directory):
        print(f"\n{name}: {load}\n{reader}, {source}\n{HEAD}")
        show(name, load, measured[measured["workload"] == name], reader, {"rules": "linux"})


def compare_lttng(directory: Path | None) -> None:
    """Calibrated on every second cell, tested on the others."""
    measured = pd.read_csv(MEASURED / "lttng.csv")
    loads = {
        "w6_twocpu": workload.load(resources.trace("w6_twocpu")),
        "w2_medium": _found(directory, "w2_medium.csv.gz")
        or bursts(2000, "20 ms", 64, n_cpus=1, duration="2 s", gap="130 ns"),
        "w3_fat": _found(directory, "w3_fat.csv.gz")
        or bursts(1000, "10 ms", 256, n_cpus=1, duration="2 s", gap="140 ns"),
    }
    for name, load in loads.items():
        rows = measured[measured["workload"] == name].sort_values(["n_subbufs", "subbuf_size"])
        reader = calibrate(load, rows[::2], **LTTNG)
        print(f"\n{name}: {load}\n{reader}\n{reader.fit}\ncells that it was not shown:\n{HEAD}")
        show(name, load, rows[1::2], reader, LTTNG)


def show(name: str, load: Workload, rows: Any, reader: Reader, options: dict[str, Any]) -> None:
    """A line a cell, then the errors in points."""
    errors = []
    for row in rows.itertuples():
        said = simulate(load, row.subbuf_size, row.n_subbufs, reader, **options).loss_fraction
        error = 100 * (said - row.loss_fraction)
        errors.append(abs(error))
        shape = f"{row.subbuf_size:11} {row.n_subbufs:9}"
        print(f"{name:10} {shape} {row.loss_fraction:9.2%} {said:9.2%} {error:+7.2f}")
    print(f"{name}: mean error {np.mean(errors):.2f} points, worst {max(errors):.2f}", flush=True)


def _found(directory: Path | None, name: str) -> Workload | None:
    if directory is None or not (directory / name).exists():
        return None
    return workload.load(directory / name)


if __name__ == "__main__":
    given = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    compare_kernel(given)
    compare_lttng(given)
