"""Writers, a disturber and a reader at once: nothing torn, nothing lost uncounted, no deadlock.

RELAYLAB_STRESS_SECONDS is how long each combination runs (default 2).
"""

from __future__ import annotations

import faulthandler
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from relaylab import ClosedError, Kind, relayfs

SECONDS = float(os.environ.get("RELAYLAB_STRESS_SECONDS", "2"))
EVENT = np.dtype([("writer", "<u8"), ("number", "<u8"), ("check", "<u8")])
MIX = np.uint64(0x9E3779B97F4A7C15)
SUBBUF_SIZE, N_SUBBUFS, RESERVE = 4096, 8, 8


@contextmanager
def watchdog(seconds: float) -> Iterator[None]:
    """End the process, with the stacks of all threads, if it hangs even with the GIL held."""
    faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def check_of(writer: Any, number: Any) -> Any:
    return (number * MIX) ^ (writer + np.uint64(1))


def batch(writer: int, first: int, count: int) -> Any:
    """Events `first` and on of a writer, as rows of bytes."""
    events = np.zeros(count, EVENT)
    events["writer"] = writer
    events["number"] = np.arange(first, first + count, dtype=np.uint64)
    events["check"] = check_of(events["writer"], events["number"])
    return events.view(np.uint8).reshape(count, EVENT.itemsize)


class Counting:
    """A Python client that reserves room, counts its calls and notices overlapping ones."""

    def __init__(self) -> None:
        self.started, self.full, self.inside = [0, 0], [0, 0], [0, 0]  # by cpu
        self.overlapped = False

    def subbuf_start(self, buf: Any, subbuf: Any, prev_idx: int, prev_subbuf: Any) -> int:
        self.inside[buf.cpu] += 1
        self.overlapped |= self.inside[buf.cpu] > 1
        self.started[buf.cpu] += 1
        self.inside[buf.cpu] -= 1
        return RESERVE

    def buf_full(self, buf: Any, subbuf_idx: int, subbuf: Any) -> None:
        self.full[buf.cpu] += 1


class Run:
    """One channel under load."""

    def __init__(self, chan: relayfs.Channel, reserve: int) -> None:
        self.chan = chan
        self.buf = chan.buffers[0]
        self.reserve = reserve
        self.ends = time.monotonic() + SECONDS
        self.offered = [0, 0]
        self.written = [0, 0]
        self.checked_subbufs = 0
        self.checked_events = 0
        self.kinds = dict.fromkeys(Kind, 0)
        self.failures: list[BaseException] = []

    def running(self) -> bool:
        return time.monotonic() < self.ends and not self.failures

    def write(self, writer: int) -> None:
        """Single events and batches in turn, all by relay_write."""
        random_numbers = random.Random(writer)
        while self.running():
            count = random_numbers.choice([1, 1, 3, 500])
            events = batch(writer, self.offered[writer], count)
            if count == 1:
                self.written[writer] += self.chan.write(events[0], cpu=0)
            else:
                self.written[writer] += self.chan.write_many(events, cpu=0)
            self.offered[writer] += count

    def disturb(self) -> None:
        """Consume often, flush sometimes, reset now and then; and keep the journal."""
        random_numbers = random.Random(3)
        while self.running():
            action = random_numbers.random()
            if action < 0.02:
                self.chan.reset()
            elif action < 0.1:
                self.chan.flush()
            else:
                relayfs.relay_subbufs_consumed(self.chan, 0, random_numbers.choice([1, 1, 4]))
            self.count_records()
            time.sleep(random_numbers.choice([0, 0.0002, 0.001]))

    def count_records(self) -> None:
        kinds, counts = np.unique(self.chan.journal.read()["kind"], return_counts=True)
        for kind, count in zip(kinds.tolist(), counts.tolist(), strict=True):
            self.kinds[Kind(kind)] += count

    def read(self) -> None:
        """Check every event that can be seen, and that each writer's ascend within an epoch."""
        epoch, following = -1, 0
        newest = [-1, -1]
        while self.running():
            before = self.chan.snapshot()
            if before.epoch[0] != epoch:
                epoch, following = int(before.epoch[0]), 0
                newest = [-1, -1]
            oldest, produced = self.valid(before)
            for sequence in range(max(oldest, following), produced):
                index = sequence % N_SUBBUFS
                start = index * SUBBUF_SIZE
                end = start + SUBBUF_SIZE - int(self.buf.padding[index])
                data = self.buf.memory[start + self.reserve : max(end, start + self.reserve)].copy()
                after = self.chan.snapshot()
                if after.epoch[0] != epoch or self.valid(after)[0] > sequence:
                    break  # reset, consumed or overwritten meanwhile: what was copied is void
                self.check(data, newest)
                following = sequence + 1
            time.sleep(0)

    def valid(self, shot: Any) -> tuple[int, int]:
        """The sequence numbers that nobody may touch at that moment."""
        produced = int(shot.subbufs_produced[0])
        if self.chan.overwrite:
            return max(0, produced - N_SUBBUFS + 1), produced
        return int(shot.subbufs_consumed[0]), produced

    def check(self, data: Any, newest: list[int]) -> None:
        assert len(data) % EVENT.itemsize == 0
        events = data.view(EVENT)
        assert (events["check"] == check_of(events["writer"], events["number"])).all()
        for writer in (0, 1):
            numbers = events["number"][events["writer"] == writer].astype(np.int64)
            if len(numbers):
                assert numbers[0] > newest[writer]
                assert (np.diff(numbers) > 0).all()
                newest[writer] = int(numbers[-1])
        self.checked_subbufs += 1
        self.checked_events += len(events)

    def go(self) -> None:
        """Run all four threads to their end."""
        tasks: list[Callable[[], None]] = [
            lambda: self.write(0),
            lambda: self.write(1),
            self.disturb,
            self.read,
        ]

        def guarded(task: Callable[[], None]) -> None:
            try:
                task()
            except BaseException as error:
                self.failures.append(error)

        threads = [threading.Thread(target=guarded, args=(task,), daemon=True) for task in tasks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SECONDS + 60)
            assert not thread.is_alive()
        assert self.failures == []
        self.count_records()


CLIENTS: dict[str, tuple[Callable[[], Any], int]] = {
    "none": (lambda: None, 0),
    "built-in": (lambda: relayfs.Callbacks.reserving(RESERVE, store_padding=True), RESERVE),
    "python": (Counting, RESERVE),
}


@pytest.mark.timeout(0)
@pytest.mark.parametrize("overwrite", [False, True], ids=["no-overwrite", "overwrite"])
@pytest.mark.parametrize("client", CLIENTS)
def test_everything_adds_up_under_load(client: str, overwrite: bool, fs: Any) -> None:
    make, reserve = CLIENTS[client]
    callbacks = make()
    chan = relayfs.relay_open("t", None, SUBBUF_SIZE, N_SUBBUFS, overwrite, callbacks, fs=fs)
    run = Run(chan, reserve)
    with watchdog(SECONDS + 120):
        run.go()
    stats = chan.buffers[0].stats
    lost = stats.lost_full + stats.lost_unfull + stats.lost_too_large
    assert stats.written == sum(run.written)
    assert stats.written + lost == sum(run.offered)
    assert stats.written_bytes == EVENT.itemsize * stats.written
    assert stats.lost_bytes == EVENT.itemsize * lost
    assert lost == 0 or not overwrite
    assert chan.journal.dropped == 0
    both = chan.stats
    assert run.kinds[Kind.PRODUCED] == both.switches
    assert run.kinds[Kind.DELIVER] == both.delivered
    assert run.kinds[Kind.RESET] == int(chan.snapshot().epoch.sum())
    assert run.checked_subbufs > 20 * SECONDS
    assert run.checked_events > 0
    if isinstance(callbacks, Counting):
        assert not callbacks.overlapped
        assert sum(callbacks.started) == run.kinds[Kind.SUBBUF_START]
        assert sum(callbacks.full) == run.kinds[Kind.FULL]


# Interruption

SILENCE = np.zeros((2 * 10**9, 0), np.uint8)  # a long batch of empty events


@contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    """SIGINT after a while; the block must end by it, and within half a second."""
    sent: list[float] = []

    def interrupt() -> None:
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(seconds, interrupt)
    with watchdog(60), pytest.raises(KeyboardInterrupt):  # noqa: PT012
        timer.start()
        yield
    assert time.monotonic() - sent[0] < 0.5


@pytest.mark.parametrize("lock", [True, False])
@pytest.mark.parametrize("client", CLIENTS)
def test_an_interrupt_ends_a_long_batch(client: str, lock: bool, fs: Any) -> None:
    make, _ = CLIENTS[client]
    chan = relayfs.relay_open("t", None, 64, 4, True, make(), fs=fs)
    events = np.zeros((4 * 10**6, 32), np.uint8) if client == "python" else SILENCE
    with interrupted_after(0.2):
        chan.write_many(events, cpu=0, lock=lock)
    before = chan.stats.written
    assert 0 < before < len(events)
    assert chan.write(b"abc", cpu=0)
    assert chan.stats.written == before + 1


@contextmanager
def lock_held(fs: relayfs.RelayFS) -> Iterator[relayfs.Channel]:
    """A channel whose first buffer another thread has locked, in a callback."""
    entered, leave = threading.Event(), threading.Event()
    armed: list[bool] = []

    def subbuf_start(buf: Any, *_: Any) -> int:
        if armed:
            armed.clear()
            entered.set()
            leave.wait(30)
        return 4

    client = SimpleNamespace(subbuf_start=subbuf_start)
    chan = relayfs.relay_open("t", None, 16, 4, True, client, fs=fs)
    armed.append(True)
    holder = threading.Thread(
        target=relayfs.relay_switch_subbuf, args=(chan.buffers[0], 0), daemon=True
    )
    holder.start()
    assert entered.wait(10)
    try:
        with watchdog(60):
            yield chan
    finally:
        leave.set()
        holder.join(10)
    assert not holder.is_alive()


def test_an_interrupt_ends_waiting_for_another_threads_callback(fs: Any) -> None:
    with lock_held(fs) as chan:
        waits: list[Callable[[], Any]] = [
            lambda: chan.write(b"abc", cpu=0),
            lambda: chan.write_many(np.zeros((3, 3), np.uint8), cpu=0),
            chan.flush,
            chan.reset,
        ]
        for wait in waits:
            with interrupted_after(0.1):
                wait()
    assert chan.write(b"abc", cpu=0)


def test_an_interrupted_close_can_be_done_again(fs: Any) -> None:
    with lock_held(fs) as chan, interrupted_after(0.1):
        chan.close()
    with suppress(ClosedError):
        chan.close()
    fs.close()
    assert [buf.released for buf in chan.buffers] == [True, True]


def test_a_writer_waits_while_another_threads_callback_holds_the_lock(fs: Any) -> None:
    with lock_held(fs) as chan:
        waiter = threading.Thread(target=chan.write, args=(b"abc", 0), daemon=True)
        waiter.start()
        waiter.join(0.2)
        assert waiter.is_alive()
        assert chan.write(b"other", cpu=1)  # other buffers are free
    waiter.join(10)
    assert not waiter.is_alive()
    assert chan.buffers[0].memory[20:23].tobytes() == b"abc"
