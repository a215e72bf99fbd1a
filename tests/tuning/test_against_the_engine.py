"""The simulator loses the same events as the live engine that is given the same schedule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import relaylab
from relaylab import Reader, relayfs
from relaylab.errors import EventTooLargeError
from relaylab.workload import Workload

Events = list[tuple[int, int, int]]
Consumes = list[tuple[int, int]]


def write_live(
    load: Workload,
    reads: dict[int, Consumes],
    subbuf_size: int,
    n_subbufs: int,
    overwrite: bool,
    rules: str,
    reserve: int,
) -> tuple[list[bool], relayfs.Channel]:
    """Which events a real channel loses, whose readers have consumed so many in all by then."""
    callbacks = relayfs.Callbacks.reserving(reserve) if reserve else None
    with relayfs.RelayFS(n_cpus=load.n_cpus) as fs:
        chan = relayfs.relay_open(
            "x", None, subbuf_size, n_subbufs, overwrite, callbacks, fs=fs, rules=rules
        )
        left = {cpu: list(entries) for cpu, entries in reads.items()}
        lost = []
        for t, cpu, size in zip(load.t_ns, load.cpu, load.size, strict=True):
            pending = left.get(int(cpu), [])
            while pending and pending[0][0] <= t:
                count = pending.pop(0)[1] - chan.buffers[cpu].subbufs_consumed
                if count > 0:
                    chan.subbufs_consumed(int(cpu), count)
            try:
                lost.append(not chan.write(bytes(int(size)), int(cpu)))
            except EventTooLargeError:
                lost.append(True)
        stats = [buf.stats for buf in chan.buffers]
    return lost, stats


@given(
    events=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 1), st.integers(0, 40)), min_size=1, max_size=80
    ),
    consumes=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), max_size=20),
    subbuf_size=st.integers(8, 64),
    n_subbufs=st.integers(1, 4),
    overwrite=st.booleans(),
    rules=st.sampled_from(["relayfs", "linux"]),
    reserve=st.sampled_from([0, 0, 4, 8]),
)
def test_it_loses_the_same_events_one_by_one(
    events: Events,
    consumes: Consumes,
    subbuf_size: int,
    n_subbufs: int,
    overwrite: bool,
    rules: str,
    reserve: int,
) -> None:
    gaps, cpu, size = np.array(events).T
    load = Workload(np.cumsum(gaps), cpu, size, n_cpus=2)
    steps = np.array(consumes or [(0, 0)])
    times, totals = np.cumsum(steps, axis=0).T
    reads = {0: list(zip(times.tolist(), totals.tolist(), strict=True))}
    lost, stats = write_live(load, reads, subbuf_size, n_subbufs, overwrite, rules, reserve)
    result = relaylab.simulate(
        load,
        subbuf_size,
        n_subbufs,
        Reader.from_schedule(times, totals),
        overwrite=overwrite,
        rules=rules,
        subbuf_header=reserve,
    )
    assert result.is_lost.tolist() == lost
    assert result.lost_by_cause == {
        "full": sum(s.lost_full for s in stats),
        "unfull": sum(s.lost_unfull for s in stats),
        "too_large": sum(s.lost_too_large for s in stats),
    }
    assert result.lost_bytes == sum(s.lost_bytes for s in stats)
    assert result.switches == sum(s.switches for s in stats)
    assert result.high_water_by_cpu.tolist() == [s.high_water for s in stats]
    assert result.overwritten_unread == sum(s.overwritten_unread_subbufs for s in stats)
    assert result.written + result.lost == result.offered == len(load)
    assert result.lost_over_time(7)[1].sum() == result.lost
    assert result.loss_runs["events"].sum() == result.lost


@pytest.mark.parametrize("rules", ["relayfs", "linux"])
def test_the_frontier_loses_nothing_and_one_sub_buffer_less_does(rules: str) -> None:
    load = relaylab.workload.bursts(events=300, every="5 ms", size=(20, 90), duration="100 ms")
    reader = Reader(latency="300 us", per_subbuf="20 us", rate="1 GB/s")
    least = relaylab.frontier(load, [512, 1000, 4096, 89], reader, rules=rules)
    assert least.n_subbufs[3] == 0  # some event is longer than that
    for size, n in zip(least.subbuf_size[:3].tolist(), least.n_subbufs[:3].tolist(), strict=True):
        assert relaylab.simulate(load, size, n, reader, rules=rules).lost == 0
        assert relaylab.simulate(load, size, n - 1, reader, rules=rules).lost > 0
