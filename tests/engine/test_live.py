"""Live readers: prompt when there is something to read, cheap when there is not."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from relaylab import relayfs
from relaylab.workload.live import Drain


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


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="threads are not pinned here")
def test_more_threads_than_processors_leave_one_to_whoever_looks() -> None:
    available = os.sched_getaffinity(0)
    if len(available) == 1:
        pytest.skip("there is one processor only")
    with relayfs.RelayFS(n_cpus=len(available) + 1) as fs:
        chan = relayfs.relay_open("t", None, 16, 4, False, None, fs=fs)
        with Drain(chan) as drain:
            assert eventually(lambda: _processors(drain) == available - {min(available)})


def _processors(drain: Drain) -> set[int]:
    return {
        processor
        for thread in drain._threads
        if thread.native_id
        for processor in os.sched_getaffinity(thread.native_id)
    }
