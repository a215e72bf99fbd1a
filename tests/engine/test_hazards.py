"""What relayfs of 2005 leaves undefined or gets wrong cannot happen here.

One test at least for each way in which the original can read or write foreign memory, use what was
freed, lose an update or leak.
"""

from __future__ import annotations

import gc
import select
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import model
import numba
import numpy as np
import pytest
from engine.observe import buffer_state, channel_state, payload
from engine.threads import in_threads, side_by_side

import relaylab
from relaylab import Kind, relayfs
from relaylab.core import operations

HUGE = 2**31 - 1


def consume(chan: relayfs.Channel, count: int, cpu: int = 0) -> None:
    relayfs.relay_subbufs_consumed(chan, cpu, count)


# Memory safety


def test_an_event_that_does_not_fit_a_subbuf_never_touches_the_next_one(open_channel: Any) -> None:
    chan = open_channel(callbacks=relayfs.Callbacks.reserving(4), overwrite=True)
    for _ in range(9):
        with pytest.raises(relaylab.EventTooLargeError):
            chan.write(b"\xff" * 13, cpu=0)
        chan.flush()
    assert not chan.buffers[0].memory.any()
    assert set(chan.buffers[0].padding.tolist()) <= {0, 12}


def test_an_event_that_the_new_subbufs_reserve_leaves_no_room_for_never_touches_the_next_one(
    open_channel: Any,
) -> None:
    reserves = [0, 0] + [0, 12] * 8
    client = SimpleNamespace(subbuf_start=lambda *_: reserves.pop(0))
    chan = open_channel(callbacks=client, n_subbufs=4)
    chan.write(bytes(16), cpu=0)
    chan.write(bytes(16), cpu=0)
    assert chan.write(b"\xff" * 16, cpu=0) is False
    assert not chan.buffers[0].memory.any()
    assert chan.buffers[0].offset == 12


@pytest.mark.parametrize("length", [2**31, 2**32 - 8, 2**32 - 1, 2**32, 2**64 - 1])
def test_a_length_that_wraps_in_32_bits_is_refused(length: int, open_channel: Any) -> None:
    chan = open_channel()
    chan.write(bytes(8), cpu=0)
    with pytest.raises(relaylab.ConfigError):
        chan.reserve(length, cpu=0)
    with pytest.raises(relaylab.ConfigError):
        relayfs.relay_switch_subbuf(chan.buffers[0], length)
    assert chan.buffers[0].offset == 8


@pytest.mark.parametrize("reserve", [-1, 17, 2**31, -(2**31), 2**32 + 4, 2**70])
def test_a_reserve_outside_the_subbuf_never_moves_the_offset_there(
    reserve: int, open_channel: Any
) -> None:
    answers = [0, 0]
    client = SimpleNamespace(subbuf_start=lambda *_: answers.pop() if answers else reserve)
    chan = open_channel(callbacks=client)
    with pytest.raises(relaylab.CallbackError, match=str(reserve)):
        chan.flush()
    assert [buf.offset for buf in chan.buffers] == [0, 0]


@pytest.mark.parametrize(
    ("size", "n"), [(65536, 65536), (65536, 65537), (2**16, 2**17), (HUGE, HUGE), (HUGE, 2)]
)
def test_sizes_whose_product_does_not_fit_32_bits_are_right_or_refused(size: int, n: int) -> None:
    with relayfs.RelayFS(n_cpus=1) as fs:
        try:
            chan = relayfs.relay_open("t", None, size, n, False, None, fs=fs)
        except (relaylab.ConfigError, relaylab.ResourceError):
            assert fs.listdir() == []
            return
        assert chan.alloc_size >= size * n
        assert len(chan.buffers[0].memory) == chan.alloc_size
        assert len(chan.buffers[0].padding) == n
        relayfs.relay_commit(chan.buffers[0], size * n - 1, 1)
        assert chan.buffers[0].commit[n - 1] == 1


def test_memory_that_the_system_refuses_is_a_resource_error_and_leaves_nothing(fs: Any) -> None:
    with pytest.raises(relaylab.RelayError) as caught:
        relayfs.relay_open("t", None, HUGE, HUGE, False, None, fs=fs)
    assert isinstance(caught.value, (relaylab.ResourceError, relaylab.ConfigError))
    assert fs.listdir() == []
    relayfs.relay_open("t", None, 16, 4, False, None, fs=fs)


@pytest.mark.parametrize("n_cpus", [1, 11])
def test_a_name_longer_than_255_bytes_is_refused_whole(n_cpus: int) -> None:
    with relayfs.RelayFS(n_cpus=n_cpus) as fs:
        allowed = 255 - len(str(n_cpus - 1))
        for base in ("x" * (allowed + 1), "é" * 127 + "xx", "x" * 5000):
            with pytest.raises(relaylab.ConfigError):
                relayfs.relay_open(base, None, 16, 4, False, None, fs=fs)
        assert fs.listdir() == []
        relayfs.relay_open("x" * allowed, None, 16, 4, False, None, fs=fs)


@pytest.mark.parametrize("offset", [-1, -16, 48, 49, 4095, 4096, 2**31, 2**63])
def test_a_commit_outside_the_subbufs_is_refused(offset: int, open_channel: Any) -> None:
    chan = open_channel(n_subbufs=3)  # 48 bytes, in a page
    before = channel_state(chan)
    with pytest.raises(relaylab.ConfigError):
        relayfs.relay_commit(chan.buffers[0], offset, 4)
    assert channel_state(chan) == before


@pytest.mark.parametrize("cpu", [-1, -2, 2, 4, 2**31])
def test_a_cpu_without_a_buffer_is_refused(cpu: int, open_channel: Any) -> None:
    chan = open_channel()
    before = channel_state(chan)
    for attempt in (
        lambda: consume(chan, 1, cpu),
        lambda: chan.write(b"abc", cpu=cpu),
        lambda: chan.reserve(4, cpu=cpu),
        lambda: chan.handle(cpu),
    ):
        with pytest.raises(relaylab.ConfigError):
            attempt()
    assert channel_state(chan) == before


def test_nothing_is_used_after_close(open_channel: Any) -> None:
    chan = open_channel()
    slot = chan.reserve(4, cpu=0)
    view, memory = slot.view, chan.buffers[0].memory
    chan.close()
    gc.collect()
    for attempt in (
        lambda: chan.write(b"abc", cpu=0),
        lambda: chan.flush(),
        lambda: chan.reset(),
        lambda: chan.close(),
        lambda: slot.commit(),
        lambda: consume(chan, 1),
    ):
        with pytest.raises(relaylab.ClosedError):
            attempt()
    assert len(view) == 4  # what a user still holds is memory of the process
    assert memory.nbytes == 4096


def test_a_directory_that_cannot_be_made_leaves_nothing(fs: Any) -> None:
    for name in ("", "a/b", "x" * 256):
        with pytest.raises(relaylab.ConfigError):
            relayfs.relayfs_create_dir(name, fs=fs)
    assert fs.listdir() == []


def test_a_mapping_ends_with_the_buffer(fs: Any, open_channel: Any) -> None:
    chan = open_channel(n_subbufs=3)
    with fs.open_file("t0") as file, file.mmap() as mapping:
        assert mapping.view.nbytes == mapping.array.nbytes == chan.alloc_size
        with pytest.raises(IndexError):
            mapping.view[chan.alloc_size]


def test_the_clients_structure_is_never_written_to(open_channel: Any) -> None:
    class Client:
        __slots__ = ()

        def deliver(self, *_: Any) -> None: ...

        def __setattr__(self, *_: Any) -> None:
            raise AssertionError("the client's object was changed")

    chan = open_channel(callbacks=Client())
    other = open_channel("shared", callbacks=chan.callbacks)
    chan.close()
    other.flush()
    assert other.stats.delivered == 2


# Deferred work


def test_a_reset_while_a_wake_up_is_pending_disturbs_nobody(fs: Any, open_channel: Any) -> None:
    chan = open_channel()
    with fs.open_file("t0") as file:
        poller = select.poll()
        poller.register(file.fileno(), select.POLLIN)
        for _ in range(50):
            assert poller.poll(0) == []
            chan.flush()  # a wake-up is due
            chan.reset()
            assert poller.poll(0) == []
            chan.flush()
            chan.flush()
            assert poller.poll(5000) != []
            consume(chan, 2)


def test_a_buffer_freed_while_a_wake_up_is_pending_is_safe(fs: Any) -> None:
    for _ in range(50):
        chan = relayfs.relay_open("t", None, 16, 4, False, None, fs=fs)
        file = fs.open_file("t0")
        descriptor = file.fileno()
        assert descriptor >= 0
        chan.flush()
        chan.close()
        file.close()
        assert chan.buffers[0].released
    gc.collect()
    assert fs.listdir() == []


def test_descriptors_do_not_leak(fs: Any) -> None:
    def count() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = None
    for turn in range(30):
        with relayfs.relay_open("t", None, 16, 4, False, None, fs=fs), fs.open_file("t0") as file:
            file.fileno()
        gc.collect()
        before = count() if turn == 4 else before
    assert count() <= (before or 0)


def test_close_wakes_a_sleeping_reader(fs: Any, open_channel: Any) -> None:
    chan = open_channel()
    file = fs.open_file("t0")
    woken = threading.Event()

    def sleep() -> None:
        if select.select([file.fileno()], [], [], 20)[0]:
            woken.set()

    threading.Thread(target=sleep, daemon=True).start()
    time.sleep(0.1)
    chan.close()
    assert woken.wait(5)
    assert file.poll() == select.POLLERR


# Counters


def test_huge_counts_are_clamped(open_channel: Any) -> None:
    chan = open_channel(n_subbufs=2)
    chan.flush()
    for _ in range(3):
        consume(chan, HUGE)
        assert chan.buffers[0].subbufs_consumed == 1
    assert chan.buffers[0].is_empty


@pytest.mark.parametrize("start", [2**31 - 3, 2**32 - 4, 2**53])
@pytest.mark.parametrize("n", [3, 4])
@pytest.mark.parametrize("overwrite", [False, True])
def test_counters_go_on_beyond_32_bits(start: int, n: int, overwrite: bool) -> None:
    start -= start % n  # where the counters and the data pointer agree
    modelled, fs = model.RelayFS(1), relayfs.RelayFS(n_cpus=1)
    one = model.relay_open("t", None, 16, n, overwrite, None, fs=modelled)
    chan = relayfs.relay_open("t", None, 16, n, overwrite, None, fs=fs)
    control = chan.buffers[0]._memory.control  # 2^31 switches would take minutes
    for field in ("produced", "consumed"):
        control[field] = start
        setattr(one.buffers[0], f"subbufs_{field}", start)
    for event in range(6 * n):
        for api, target in ((model, one), (relayfs, chan)):
            api.relay_write(target, payload(event, 12), cpu=0)
            api.relay_subbufs_consumed(target, 0, event % 3)
        assert buffer_state(chan.buffers[0]) == buffer_state(one.buffers[0])
    assert chan.buffers[0].subbufs_produced > start + n
    fs.close()


@pytest.mark.parametrize("count", [-1, -(2**31)])
def test_negative_counts_are_refused(count: int, open_channel: Any) -> None:
    chan = open_channel()
    chan.flush()
    with pytest.raises(relaylab.ConfigError):
        consume(chan, count)
    with pytest.raises(relaylab.ConfigError):
        relayfs.relay_commit(chan.buffers[0], 0, count)
    assert (chan.buffers[0].subbufs_consumed, int(chan.buffers[0].commit[0])) == (0, 0)


def test_commit_counts_wrap_as_32_bit_numbers(open_channel: Any) -> None:
    chan = open_channel()
    for count in (HUGE, HUGE, 2):
        relayfs.relay_commit(chan.buffers[0], 0, count)
    assert chan.buffers[0].commit[0] == 0


# Concurrency


def test_flush_and_reset_of_a_buffer_that_another_thread_writes_lose_no_event(
    open_channel: Any,
) -> None:
    chan = open_channel(subbuf_size=64, n_subbufs=3)
    events = np.zeros((2000, 24), np.uint8)
    offered = 0
    done = threading.Event()

    def write() -> None:
        nonlocal offered
        for _ in range(100):
            chan.write_many(events, cpu=0)
            offered += len(events)
        done.set()

    def disturb() -> None:
        while not done.is_set():
            chan.flush()
            consume(chan, 1)
            chan.reset()

    in_threads(write, disturb)
    stats = chan.buffers[0].stats
    assert stats.written + stats.lost_full + stats.lost_unfull + stats.lost_too_large == offered
    assert stats.written_bytes == 24 * stats.written
    assert stats.lost_bytes == 24 * (offered - stats.written)


@numba.njit(nogil=True)
def consume_often(handle, count):  # type: ignore[no-untyped-def]
    for _ in range(count):
        operations.subbufs_consumed(handle[0], 1)


def test_two_consumers_never_lose_an_update(open_channel: Any) -> None:
    chan = open_channel(overwrite=True)
    chan.buffers[0]._memory.control["produced"] = 2**40  # enough to consume
    turns = side_by_side(consume_often, *[(chan.handle(0), 1000) for _ in range(2)])
    assert chan.buffers[0].subbufs_consumed == 1000 * sum(turns)


@pytest.mark.parametrize("lock", [True, False])
def test_consuming_beside_a_writer_never_makes_it_produce_what_it_never_began(
    lock: bool, open_channel: Any
) -> None:
    chan = open_channel(subbuf_size=3, n_subbufs=3)
    events = np.zeros((10_000_000, 2), np.uint8)  # one fits, and leaves one byte of padding
    done = threading.Event()
    unconsumed, paddings = set(), set()

    def write() -> None:
        chan.write_many(events, cpu=0, lock=lock)
        done.set()

    def drain() -> None:
        while not done.is_set():
            consume(chan, 2)
            shot = chan.snapshot()
            unconsumed.add(int(shot.subbufs_produced[0] - shot.subbufs_consumed[0]))
            records = chan.journal.read()
            paddings.update(records["value"][records["kind"] == Kind.PRODUCED].tolist())

    in_threads(write, drain)
    stats = chan.buffers[0].stats
    assert unconsumed <= {0, 1, 2, 3}
    assert paddings == {1}
    assert stats.written + stats.lost_full + stats.lost_unfull == len(events)


def test_commits_from_several_threads_are_never_lost(open_channel: Any) -> None:
    chan = open_channel(subbuf_size=1 << 20, n_subbufs=1)
    buf = chan.buffers[0]

    def commit() -> None:
        for _ in range(10_000):
            relayfs.relay_commit(buf, 0, 1)

    in_threads(commit, commit, commit)
    assert buf.commit[0] == 30_000


def test_relay_write_from_several_threads_tears_and_loses_no_event(open_channel: Any) -> None:
    chan = open_channel(subbuf_size=4096, n_subbufs=64, overwrite=True)
    ends = time.monotonic() + 0.5
    written = [0, 0, 0]

    def write(number: int) -> None:
        events = np.full((2000, 24), number + 1, np.uint8)
        while time.monotonic() < ends:
            written[number] += chan.write_many(events, cpu=0)

    in_threads(*[lambda number=number: write(number) for number in range(3)])
    assert min(written) > 0
    buf = chan.buffers[0]
    assert (buf.stats.written, buf.stats.written_bytes) == (sum(written), 24 * sum(written))
    assert buf.stats.switches == (sum(written) - 1) // 170  # events in a sub-buffer
    for sequence in range(max(0, buf.subbufs_produced - 63), buf.subbufs_produced):
        start = sequence % 64 * 4096
        assert buf.padding[sequence % 64] == 16
        events = buf.memory[start : start + 4080].reshape(-1, 24)
        assert (events == events[:, :1]).all()
        assert events.all()


def test_closing_beside_writers_is_an_error_for_them_and_nothing_else(fs: Any) -> None:
    for _ in range(30):
        chan = relayfs.relay_open("t", None, 64, 4, True, relayfs.Callbacks.reserving(4), fs=fs)
        written = [0, 0]

        def write(cpu: int, chan: Any = chan, written: list[int] = written) -> None:
            with suppress(relaylab.ClosedError):
                while True:
                    written[cpu] += chan.write(b"0123456789", cpu=cpu)

        def close(chan: Any = chan) -> None:
            time.sleep(0.002)
            chan.close()

        in_threads(lambda: write(0), lambda: write(1), close)
        assert [buf.stats.written for buf in chan.buffers] == written
    assert fs.listdir() == []


# Leaks and bookkeeping


def test_a_failed_create_leaves_the_existing_file_free_to_go(fs: Any, open_channel: Any) -> None:
    chan = open_channel()
    for _ in range(3):
        with pytest.raises(relaylab.EntryExistsError):
            open_channel()
        with pytest.raises(relaylab.EntryExistsError):
            relayfs.relayfs_create_dir("t0", fs=fs)
    chan.close()
    assert [buf.released for buf in chan.buffers] == [True, True]
    assert fs.listdir() == []


def test_a_failed_open_is_undone_on_all_cpus_before_any_callback(
    fs: Any, open_channel: Any
) -> None:
    relayfs.relayfs_create_dir("t1", fs=fs)
    calls: list[Any] = []
    with pytest.raises(relaylab.EntryExistsError):
        open_channel(callbacks=SimpleNamespace(subbuf_start=lambda *x: calls.append(x) or 0))
    assert calls == []
    assert fs.listdir() == ["t1/"]


def test_a_directory_in_use_is_not_removed(fs: Any) -> None:
    directory = relayfs.relayfs_create_dir("d", fs=fs)
    chan = relayfs.relay_open("t", directory, 16, 4, False, None)
    with pytest.raises(relaylab.FileError):
        relayfs.relayfs_remove_dir(directory)
    chan.close()
    relayfs.relayfs_remove_dir(directory)
    with pytest.raises(relaylab.RelayError):
        relayfs.relay_open("t", directory, 16, 4, False, None)
    assert fs.listdir() == []


def test_buf_unmapped_is_called_as_often_as_buf_mapped(fs: Any, open_channel: Any) -> None:
    calls: list[str] = []
    client = SimpleNamespace(
        buf_mapped=lambda *_: calls.append("mapped"),
        buf_unmapped=lambda *_: calls.append("unmapped"),
    )
    open_channel(callbacks=client)
    with fs.open_file("t0") as file:
        mappings = [file.mmap() for _ in range(4)]
        for mapping in mappings * 2:
            mapping.close()
    assert calls == ["mapped"] * 4 + ["unmapped"] * 4


def test_old_bytes_stay_and_padding_tells_what_counts(open_channel: Any) -> None:
    chan = open_channel(n_subbufs=1, overwrite=True)
    chan.write(b"0123456789abcdef", cpu=0)
    chan.reset()
    chan.write(b"xyz", cpu=0)
    assert chan.buffers[0].memory[:16].tobytes() == b"xyz3456789abcdef"
    chan.close()


def test_an_old_slot_is_memory_of_the_buffer_for_ever(open_channel: Any) -> None:
    chan = open_channel(n_subbufs=2, overwrite=True)
    slot = chan.reserve(5, cpu=0)
    view = slot.view
    for _ in range(10):
        chan.flush()
    chan.reset()
    view[:] = b"hello"
    assert chan.buffers[0].memory[:5].tobytes() == b"hello"


def test_slots_are_not_aligned_and_need_not_be(open_channel: Any) -> None:
    chan = open_channel(subbuf_size=63, n_subbufs=3)
    for length in (1, 2, 4, 8, 7, 31, 60, 63):
        slot = chan.reserve(length, cpu=0)
        if slot is not None:
            slot.view[:] = bytes(range(length))
            start = slot.offset
            assert chan.buffers[0].memory[start : start + length].tolist() == list(range(length))
