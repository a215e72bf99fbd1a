"""The simulator against a SimPy model of the same ring, and the figures of sweeps; see README.md.

pytest tests/bench/test_tuning.py -s
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from relaylab import Reader, simulate
from relaylab.cli import measure_tuning
from relaylab.workload import Workload, bursts

simpy_ring = pytest.importorskip("bench.simpy_ring")

Benchmark = Callable[..., Any]

SHAPE = 16384, 2
READER = Reader(latency="1 ms", per_subbuf="15 us")


@pytest.fixture(scope="module")
def load() -> Workload:
    return bursts(events=700, every="5 ms", gap="1 us", size=(32, 96), n_cpus=1, duration="10 s")


def test_the_simpy_model_loses_as_many_and_takes_300_times_as_long(load: Workload) -> None:
    result = simulate(load, *SHAPE, READER, rules="linux")
    begin = time.thread_time()
    lost = simpy_ring.Ring(*SHAPE, READER.latency_ns, READER.per_subbuf_ns).run(load)
    peer = time.thread_time() - begin
    assert 0 < result.lost == lost
    ours = measure_tuning.least(20, lambda: simulate(load, *SHAPE, READER, rules="linux"))
    print(
        f"\nSimPy {peer / len(load) * 1e9:.0f} ns an event, relaylab "
        f"{ours / len(load) * 1e9:.2f}: {peer / ours:.0f} x"
    )
    assert peer / ours >= 300


@pytest.mark.parametrize("figure", ["simulations", "frontiers", "sweeps"])
def test_every_figure_is_a_finite_number(figure: str) -> None:
    found = getattr(measure_tuning, figure)(3)
    for measured in found if figure == "simulations" else [found]:
        print(
            f"\n{measured.what}: {measured.engine:.2f} {measured.unit}, goal {measured.goal}, "
            f"{'met' if measured.good else 'MISSED'}"
        )
        assert 0 < measured.engine < 1e9
        assert np.isfinite(measured.value)
