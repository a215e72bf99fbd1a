"""Measuring the simulator, frontiers and sweeps; a part of what `relaylab bench` prints."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from relaylab import Reader, frontier, simulate, sweep
from relaylab.cli.measure import Figure
from relaylab.workload import Workload

_MANY, _FEWER = 10_000_000, 1_000_000
_SIZES = [1024 << i for i in range(16)]
_READER = Reader(latency="100 us", per_subbuf="15 us", rate="2 GB/s")
_HALTED = Reader(latency="100 ms", per_subbuf="15 us")


def all_figures(rounds: int) -> Iterator[Figure]:
    """Every figure, one after the other."""
    yield from simulations(max(3, rounds // 3))
    yield frontiers(max(3, rounds // 5))
    yield sweeps(max(3, rounds // 5))


def simulations(rounds: int) -> Iterator[Figure]:
    """Events a second of processor time of one thread, without losses and with nearly all lost."""
    load = steady(_MANY)
    for what, reader, size, n in (
        ("simulate, no loss", _READER, 65536, 8),
        ("simulate, 4 KiB", _READER, 4096, 64),
        ("simulate, 99 % lost", _HALTED, 65536, 8),
    ):
        seconds = least(rounds, lambda r=reader, s=size, k=n: simulate(load, s, k, r))  # type: ignore[misc]
        rate = len(load) / seconds / 1e6
        yield Figure(what, rate, "", 0.0, "M/s", rate, 300.0, at_least=True)
    fresh = iter([Workload(load.t_ns, load.cpu, load.size) for _ in range(rounds + 1)])
    seconds = least(rounds, lambda: simulate(next(fresh), 65536, 8, _READER))
    rate = len(load) / seconds / 1e6
    yield Figure("simulate, a new workload", rate, "", 0.0, "M/s", rate, 300.0, at_least=True)


def frontiers(rounds: int) -> Figure:
    """Seconds for 16 sizes and 10 M events."""
    load = steady(_MANY)
    seconds = least(rounds, lambda: frontier(load, _SIZES, _READER), time.perf_counter)
    return Figure("frontier, 16 x 10 M", seconds, "", 0.0, "s", seconds, 1.0)


def sweeps(rounds: int) -> Figure:
    """Seconds for 16 sizes, 16 numbers and 1 M events."""
    load = steady(_FEWER)
    counts = list(range(2, 18))
    seconds = least(rounds, lambda: sweep(load, _SIZES, counts, _READER), time.perf_counter)
    return Figure("sweep, 16 x 16 x 1 M", seconds, "", 0.0, "s", seconds, 2.0)


def steady(n: int) -> Workload:
    """Events of 64 bytes each microsecond on one CPU."""
    return Workload(np.arange(n, dtype=np.int64) * 1000, np.zeros(n, np.uint16), np.full(n, 64))


def least(
    rounds: int, candidate: Callable[[], Any], clock: Callable[[], float] = time.thread_time
) -> float:
    """The least seconds of some rounds, once warm."""
    candidate()
    times = []
    for _ in range(rounds):
        begin = clock()
        candidate()
        times.append(clock() - begin)
    return min(times)
