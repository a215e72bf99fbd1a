"""Readers in virtual time do what their definition says: compared with an event-by-event model."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import relaylab
from relaylab import ConfigError, Reader
from relaylab.workload import Workload

PAUSE_NS = 20_000


def plain_losses(load: Workload, size: int, n: int, reader: Reader, rules: str) -> list[bool]:
    """One CPU, one event after the other."""
    produced = consumed = opened = offset = 0
    closed, unfull = False, False
    due, behind = math.inf, 0
    lost = []
    times = load.t_ns.tolist()
    for i, (t, length) in enumerate(zip(times, load.size.tolist(), strict=True)):
        gap = t - times[i - 1] if i else 0
        if gap > PAUSE_NS:
            behind = max(0, behind - gap)
        now = t + behind
        while due <= now:
            if produced - consumed == n:
                unfull = rules == "relayfs"
            consumed += 1
            visible = opened if reader.late and n > 1 else produced
            due = due + reader.per_subbuf_ns if visible > consumed else math.inf
        is_lost = False
        if closed or offset + length > size:
            if unfull:
                is_lost, unfull, closed, offset, opened = True, False, False, 0, opened + 1
            else:
                if not closed:
                    produced, closed = produced + 1, True
                is_lost = produced - consumed >= n
            if not is_lost:
                opened, closed, offset = opened + 1, False, 0
        if not is_lost:
            offset += length
        else:
            behind += reader.stall_ns
        visible = opened if reader.late and n > 1 else produced
        if due == math.inf and visible > consumed:
            due = now + reader.latency_ns + reader.per_subbuf_ns
        lost.append(is_lost)
    return lost


@given(
    gaps=st.lists(st.sampled_from([0, 1, 300, 2000, 50_000]), min_size=1, max_size=120),
    sizes=st.lists(st.integers(1, 30), min_size=120, max_size=120),
    shape=st.tuples(st.integers(30, 70), st.integers(1, 4)),
    latency=st.sampled_from([0, 500, 5000, 60_000]),
    per_subbuf=st.sampled_from([0, 700, 9000]),
    late=st.booleans(),
    stall=st.sampled_from([0, 0, 40, 1500]),
    rules=st.sampled_from(["relayfs", "linux"]),
)
def test_a_waking_reader_is_that_of_the_plain_model(
    gaps: list[int],
    sizes: list[int],
    shape: tuple[int, int],
    latency: int,
    per_subbuf: int,
    late: bool,
    stall: int,
    rules: str,
) -> None:
    n = len(gaps)
    load = Workload(np.cumsum(gaps), np.zeros(n, int), np.array(sizes[:n]))
    reader = Reader(latency, per_subbuf, late=late, stall=stall)
    result = relaylab.simulate(load, *shape, reader, rules=rules)
    assert result.is_lost.tolist() == plain_losses(load, *shape, reader, rules)


STEADY = Workload(np.arange(4000) * 1000, np.zeros(4000, int), np.full(4000, 10))


def test_latency_is_from_produced_to_consumed() -> None:
    result = relaylab.simulate(STEADY, 100, 20, Reader("40 us", "3 us"))
    assert result.lost == 0
    assert result.latency_max_ns == 43_000  # of the one that wakes it; others come while it runs
    assert result.latency_p50_ns >= 3_000


def test_a_periodic_reader_drains_all_that_is_ready_at_each_tick() -> None:
    result = relaylab.simulate(STEADY, 100, 20, Reader.periodic("100 us"))
    assert result.lost == 0
    assert result.high_water == 10
    assert result.latency_max_ns == 100_000
    assert result.wakeups_per_s == pytest.approx(10_000, rel=0.05)


def test_a_polling_reader_reads_once_then_sleeps() -> None:
    result = relaylab.simulate(STEADY, 100, 2, Reader.polling("50 us"))
    # one sub-buffer of 10 events in 50 us, in which 50 come
    assert result.loss_fraction == pytest.approx(0.8, abs=0.03)
    stream = relaylab.simulate(STEADY, 100, 2, Reader.polling("50 us"), rules="linux")
    assert stream.loss_fraction == pytest.approx(0.8, abs=0.03)


def test_one_reader_for_all_cpus_is_slower_than_one_each() -> None:
    load = relaylab.workload.bursts(events=400, every="2 ms", size=50, n_cpus=4, duration="40 ms")
    reader = Reader("10 us", "80 us")
    each = relaylab.simulate(load, 1000, 12, reader)
    shared = relaylab.simulate(load, 1000, 12, Reader("10 us", "80 us", shared=True))
    assert each.lost < shared.lost
    assert shared.wakeups_per_s < each.wakeups_per_s


def test_a_reader_that_is_held_runs_only_between_bursts() -> None:
    load = relaylab.workload.bursts(
        events=100, every="2 ms", gap="1 us", size=10, n_cpus=1, duration="20 ms"
    )
    free = relaylab.simulate(load, 100, 4, Reader())
    held = relaylab.simulate(load, 100, 4, Reader(held_by="100 us"))
    assert free.lost == 0
    assert held.lost_by_cpu.tolist() == [held.lost]
    assert held.written == pytest.approx(10 * 40, abs=10)  # what fits, burst after burst


@pytest.mark.parametrize(
    "make",
    [
        lambda: Reader("soon"),
        lambda: Reader(per_subbuf=-1),
        lambda: Reader(rate=0),
        lambda: Reader.periodic(0),
        lambda: Reader.polling("x"),
        lambda: Reader.from_schedule([1, 0], [1, 2]),
        lambda: Reader.from_schedule([0, 1], [2, 1]),
        lambda: Reader.from_schedule([0], [1, 2]),
        lambda: Reader.from_schedule({0: [1]}, [1]),
        lambda: Reader.from_schedule([0.5], [1]),
        lambda: Reader.from_reads([5], [1], [4]),
        lambda: relaylab.simulate(STEADY, 0, 1),
        lambda: relaylab.simulate(STEADY, 10, 2**31),
        lambda: relaylab.simulate(STEADY, 10, 1, rules="bsd"),
        lambda: relaylab.simulate(STEADY, 10, 1, subbuf_header=11),
        lambda: relaylab.simulate("x", 10, 1),  # type: ignore[arg-type]
        lambda: relaylab.sweep(STEADY, "4 KiB", [1]),
        lambda: relaylab.sweep(STEADY, [10], 3),  # type: ignore[arg-type]
        lambda: relaylab.sweep(STEADY, [10], [3], executor=3),  # type: ignore[arg-type]
        lambda: relaylab.frontier(STEADY, [0]),
        lambda: relaylab.calibrate(STEADY, None),  # type: ignore[arg-type]
    ],
)
def test_wrong_arguments_are_told(make: Any) -> None:
    with pytest.raises(ConfigError, match="allowed"):
        make()


def test_an_empty_workload_is_no_trouble() -> None:
    empty = Workload(np.zeros(0, int), np.zeros(0, int), np.zeros(0, int))
    result = relaylab.simulate(empty, 4096, 4, Reader(), flush_every="1 s")
    assert (result.lost, result.loss_fraction, result.switches) == (0, 0.0, 0)
    assert "nothing lost" in repr(result)
    assert relaylab.frontier(empty, [4096]).n_subbufs.tolist() == [1]


def test_a_flush_timer_hands_over_what_is_not_full() -> None:
    load = Workload(np.arange(10) * 1_000_000, np.zeros(10, int), np.full(10, 8))
    assert relaylab.simulate(load, 4096, 4, Reader()).switches == 0
    flushed = relaylab.simulate(load, 4096, 4, Reader(), flush_every="2 ms")
    assert flushed.switches == 4
    assert flushed.padding_fraction > 0.99
