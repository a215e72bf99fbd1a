"""Users' own compiled functions write through a handle, without the GIL if they like."""

from __future__ import annotations

import gc
from types import SimpleNamespace
from typing import Any

import numba
import numpy as np
import pytest
from engine.threads import side_by_side

import relaylab
from relaylab import jit, relayfs


@numba.njit
def write_one(handle, data):  # type: ignore[no-untyped-def]
    return jit.write(handle, data)


@numba.njit
def reserve_one(handle, length):  # type: ignore[no-untyped-def]
    return jit.reserve(handle, length)


@numba.njit
def reserve_and_commit(handle, length):  # type: ignore[no-untyped-def]
    offset = jit.reserve(handle, length)
    if offset >= 0:
        jit.commit(handle, offset, length)
    return offset


@numba.njit(nogil=True)
def write_often(handle, data, count):  # type: ignore[no-untyped-def]
    written = 0
    for i in range(count):
        data[0] = i & 0xFF
        written += jit.write(handle, data) == 1
    return written


@numba.njit(nogil=True)
def commit_often(handle, offset, count, times):  # type: ignore[no-untyped-def]
    for _ in range(times):
        jit.commit(handle, offset, count)


def numbers(count: int) -> Any:
    return np.arange(count, dtype=np.uint8)


def test_write_answers_1_0_minus_1_and_minus_2(open_channel: Any) -> None:
    chan = open_channel(n_subbufs=2)
    handle = chan.handle(0)
    answers = [write_one(handle, numbers(16)) for _ in range(3)]
    answers.append(write_one(handle, numbers(17)))
    chan.close()
    answers.append(write_one(handle, numbers(1)))
    assert answers == [1, 1, 0, -1, -2]
    stats = chan.stats
    assert (stats.written, stats.lost_full, stats.lost_too_large) == (2, 1, 1)


def test_written_bytes_arrive(open_channel: Any) -> None:
    chan = open_channel()
    assert write_one(chan.handle(1), numbers(7)) == 1
    assert chan.buffers[1].memory[:8].tolist() == [0, 1, 2, 3, 4, 5, 6, 0]


def test_reserve_answers_offsets_or_why_not(open_channel: Any) -> None:
    chan = open_channel(n_subbufs=2)
    handle = chan.handle(0)
    answers = [reserve_one(handle, 10) for _ in range(3)]
    answers.append(reserve_one(handle, 17))
    chan.close()
    answers.append(reserve_one(handle, 1))
    assert answers == [0, 16, -3, -1, -2]


def test_commit_counts_and_delivers(open_channel: Any) -> None:
    chan = open_channel()
    assert [reserve_and_commit(chan.handle(0), 16) for _ in range(2)] == [0, 16]
    assert chan.buffers[0].commit[:2].tolist() == [16, 16]
    assert chan.stats.delivered == 3  # two commits that complete, and the switch between them


@pytest.mark.parametrize("method", ["subbuf_start", "deliver", "buf_full"])
def test_python_callbacks_have_no_handle(method: str, open_channel: Any) -> None:
    chan = open_channel(callbacks=SimpleNamespace(**{method: lambda *_: 0}))
    with pytest.raises(relaylab.ConfigError, match=method):
        chan.handle(0)


@pytest.mark.parametrize(
    "callbacks",
    [
        None,
        relayfs.Callbacks.reserving(4, store_padding=True),
        SimpleNamespace(buf_mapped=lambda *_: None, buf_unmapped=lambda *_: None),
    ],
    ids=["none", "built-in", "mapping only"],
)
def test_other_callbacks_have_a_handle(callbacks: Any, open_channel: Any) -> None:
    assert write_one(open_channel(callbacks=callbacks).handle(0), numbers(4)) == 1


def test_compiled_callbacks_have_a_handle(open_channel: Any) -> None:
    @numba.njit
    def subbuf_start(handle, subbuf, prev_subbuf_idx, prev_subbuf):  # type: ignore[no-untyped-def]
        return 4

    chan = open_channel(callbacks=SimpleNamespace(subbuf_start=subbuf_start))
    assert write_one(chan.handle(0), numbers(4)) == 1
    assert chan.buffers[0].memory[4:8].tolist() == [0, 1, 2, 3]


def test_a_handle_keeps_the_memory_alive() -> None:
    fs = relayfs.RelayFS(n_cpus=1)
    chan = relayfs.relay_open("t", None, 1 << 20, 4, False, None, fs=fs)
    handle = chan.handle(0)
    fs.close()
    del chan, fs
    gc.collect()
    assert write_one(handle, numbers(16)) == -2
    assert reserve_one(handle, 16) == -2


def test_the_same_functions_can_be_called_from_python(open_channel: Any) -> None:
    chan = open_channel()
    assert jit.write(chan.handle(0), numbers(4)) == 1
    assert jit.reserve(chan.handle(0), 4) == 4
    jit.commit(chan.handle(0), 4, 4)
    assert chan.buffers[0].commit[0] == 4


BATCH = 20_000


def test_producers_without_the_gil_on_two_cpus(open_channel: Any) -> None:
    chan = open_channel(subbuf_size=4096, overwrite=True)
    calls = [(chan.handle(cpu), numbers(8), BATCH) for cpu in (0, 1)]
    turns = side_by_side(write_often, *calls)
    assert [buf.stats.written for buf in chan.buffers] == [BATCH * turn for turn in turns]


def test_producers_without_the_gil_on_one_cpu_lose_nothing(open_channel: Any) -> None:
    """jit.write is relay_write: it takes the lock."""
    chan = open_channel(subbuf_size=4096, overwrite=True)
    calls = [(chan.handle(0), numbers(8), BATCH) for _ in range(2)]
    written = BATCH * sum(side_by_side(write_often, *calls))
    stats = chan.stats
    assert (stats.written, stats.written_bytes) == (written, 8 * written)
    assert stats.switches == (8 * written - 1) // 4096


def test_concurrent_commits_are_never_lost(open_channel: Any) -> None:
    chan = open_channel(subbuf_size=1 << 20, n_subbufs=2)
    calls = [(chan.handle(0), 0, 1, BATCH) for _ in range(2)]
    turns = side_by_side(commit_often, *calls)
    assert chan.buffers[0].commit[0] == BATCH * sum(turns)


def test_concurrent_deliveries_are_all_counted(open_channel: Any) -> None:
    chan = open_channel(subbuf_size=16, n_subbufs=4)
    for _ in range(3):
        reserve_and_commit(chan.handle(0), 16)
    before = chan.stats.delivered
    calls = [(chan.handle(0), offset, 0, BATCH) for offset in (0, 16)]
    turns = side_by_side(commit_often, *calls)
    assert chan.stats.delivered == before + BATCH * sum(turns)
