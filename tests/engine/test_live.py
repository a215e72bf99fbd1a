"""Live readers: prompt when there is something to read, cheap when there is not."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from relaylab import relayfs
from relaylab.workload import bursts
from relaylab.workload.live import Drain, Writers


def eventually(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.001)
    return True


@pytest.fixture
def drained(open_channel: Any) -> Any:
    """A channel of 4 sub-buffers of 16 bytes and the drain that reads it."""
    chan = open_channel()
    with Drain(chan) as drain:
        yield chan, drain
    assert drain.error is None


def test_it_reads_what_is_produced_after_a_long_idle_time(drained: Any) -> None:
    chan, drain = drained
    time.sleep(0.3)
    assert drain.subbufs_read == 0
    assert all(chan.write(bytes(16), cpu=1) for _ in range(3))
    assert eventually(lambda: drain.subbufs_read == 2)
    assert chan.buffers[1].subbufs_consumed == 2


def test_idle_it_takes_next_to_no_processor_time(drained: Any) -> None:
    time.sleep(0.1)
    begin = time.process_time()
    time.sleep(1.0)
    assert time.process_time() - begin < 0.05  # two readers; 0.2 when each looks every 0.5 ms


@pytest.mark.parametrize("idle", [0.0, 0.7])
def test_it_stops_at_once_when_idle(idle: float, open_channel: Any) -> None:
    drain = Drain(open_channel()).start()
    time.sleep(idle)
    begin = time.monotonic()
    drain.stop()
    assert time.monotonic() - begin < 0.5
    assert not drain.running


def test_it_reads_nothing_while_paused(drained: Any) -> None:
    chan, drain = drained
    drain.pause()
    time.sleep(0.1)
    chan.write(bytes(16), cpu=0)
    chan.flush()
    time.sleep(0.1)
    assert drain.subbufs_read == 0
    drain.resume()
    assert eventually(lambda: drain.subbufs_read == 2)  # a flush ends those of both CPUs


def test_it_reads_what_is_left_and_ends_when_the_channel_is_closed(
    fs: Any, open_channel: Any
) -> None:
    for number in range(20):
        chan = open_channel(f"t{number}-")
        with fs.open_file(f"t{number}-0"), fs.open_file(f"t{number}-1"), Drain(chan) as drain:
            for _ in range(3):
                chan.write(bytes(16), cpu=0)
            chan.flush()
            chan.close()
            assert drain.join(10)
            assert drain.subbufs_read == 4  # three of one CPU, one of the other


PROCESSORS = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else {0}


@pytest.mark.skipif(len(PROCESSORS) == 1, reason="there is nothing to choose")
@pytest.mark.parametrize("leaves_one", [False, True])
@pytest.mark.parametrize("more", [-1, 0, 1])
def test_threads_keep_off_a_processor_where_somebody_looks(more: int, leaves_one: bool) -> None:
    with relayfs.RelayFS(n_cpus=len(PROCESSORS) + more) as fs:
        chan = relayfs.relay_open("t", None, 16, 4, False, None, fs=fs)
        load = bursts(events=1, every="1 ms", size=8, n_cpus=chan.n_cpus, duration="1 s")
        drain, writers = Drain(chan), Writers(chan, load, repeat=True)
        drain.leaves_one = writers.leaves_one = leaves_one
        left = PROCESSORS - {min(PROCESSORS)} if leaves_one and more > 0 else PROCESSORS
        pinned = [{one} for one in sorted(PROCESSORS)][: chan.n_cpus]
        is_pinned = more + leaves_one <= 0
        with drain, writers:
            assert eventually(lambda: _processors(drain) == [left] * chan.n_cpus)
            expected = pinned if is_pinned else [left] * chan.n_cpus
            assert eventually(lambda: _processors(writers) == expected)


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="there is nothing to choose")
def test_writers_at_full_speed_and_their_readers_let_others_go_first(drained: Any) -> None:
    chan, drain = drained
    load = bursts(events=1, every="1 ms", size=8, n_cpus=chan.n_cpus, duration="1 s")
    with Writers(chan, load, repeat=True) as writers:
        for is_full_speed in (False, True, False):
            writers.speed = math.inf if is_full_speed else 1.0
            drain.gives_way = is_full_speed
            policy = os.SCHED_BATCH if is_full_speed else os.SCHED_OTHER
            for threads in (writers, drain):
                assert eventually(lambda one=threads, is_=policy: _policies(one) == {is_})


def _processors(threads: Drain | Writers) -> list[set[int]]:
    return [os.sched_getaffinity(thread) for thread in _ids(threads)]


def _policies(threads: Drain | Writers) -> set[int]:
    return {os.sched_getscheduler(thread) for thread in _ids(threads)}


def _ids(threads: Drain | Writers) -> list[int]:
    return [thread.native_id for thread in threads._threads if thread.native_id]
