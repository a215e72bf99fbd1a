"""What can be observed of a channel: statistics, journal, snapshot."""

from __future__ import annotations

import dataclasses
import threading
import time
from typing import Any

import numpy as np
import pytest
from engine.observe import FIELDS, STATISTICS

from relaylab import Kind, relayfs

JOURNAL_FIELDS = ["t_ns", "kind", "cpu", "subbuf", "produced", "value"]


def consume(chan: relayfs.Channel, count: int, cpu: int = 0) -> None:
    relayfs.relay_subbufs_consumed(chan, cpu, count)


def fill(chan: relayfs.Channel, events: int, cpu: int = 0) -> list[bool]:
    """Write events of a whole sub-buffer each."""
    return [chan.write(bytes(chan.subbuf_size), cpu=cpu) for _ in range(events)]


def kinds(records: Any) -> list[Kind]:
    return [Kind(kind) for kind in records["kind"]]


# Statistics


def test_each_loss_is_counted_under_its_cause(open_channel: Any) -> None:
    chan = open_channel(n_subbufs=2)
    written = fill(chan, 4)  # two fit, two find it full
    consume(chan, 1)
    written += fill(chan, 2)  # one ends the full state, one fits
    chan.write_many(np.zeros((1, 17), np.uint8), cpu=0)
    stats = chan.stats
    assert sum(written) == stats.written == 3
    assert (stats.lost_full, stats.lost_unfull, stats.lost_too_large) == (2, 1, 1)
    assert stats.written_bytes == 48
    assert stats.lost_bytes == 3 * 16 + 17


def test_an_event_that_the_switch_left_no_room_for_is_lost_as_too_large(open_channel: Any) -> None:
    reserves = [0, 0, 10]

    class Client:
        def subbuf_start(self, *_: Any) -> int:
            return reserves.pop(0)

    chan = open_channel(callbacks=Client())
    chan.write(bytes(12), cpu=0)
    assert chan.write(b"12345678", cpu=0) is False
    assert (chan.stats.lost_too_large, chan.stats.lost_bytes) == (1, 8)
    assert chan.buffers[0].offset == 10
    assert not chan.buffers[0].memory[16:48].any()
    assert chan.write(b"123456", cpu=0)


def test_statistics_survive_reset_and_close_and_are_frozen(open_channel: Any) -> None:
    chan = open_channel()
    fill(chan, 3)
    chan.reset()
    fill(chan, 2)
    chan.close()
    stats = chan.stats
    assert (stats.written, stats.switches, stats.high_water) == (5, 3, 2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        stats.written = 0
    assert {field.name for field in dataclasses.fields(stats)} >= {*STATISTICS, "wakeups"}


def test_a_channels_statistics_are_the_sum_of_its_buffers(open_channel: Any) -> None:
    chan = open_channel(n_subbufs=3)
    fill(chan, 2, cpu=0)
    fill(chan, 9, cpu=1)
    for name in set(STATISTICS) - {"high_water"}:
        parts = [getattr(buf.stats, name) for buf in chan.buffers]
        assert getattr(chan.stats, name) == sum(parts), name
    assert [buf.stats.high_water for buf in chan.buffers] == [1, 3]
    assert chan.stats.high_water == 3


def test_high_water_is_the_most_ever_unconsumed(open_channel: Any) -> None:
    chan = open_channel(n_subbufs=4)
    seen = []
    for produced, consumed in ((2, 0), (0, 2), (1, 1), (3, 0)):
        for _ in range(produced):
            relayfs.relay_switch_subbuf(chan.buffers[0], 0)
        consume(chan, consumed)
        seen.append(chan.stats.high_water)
    assert seen == [2, 2, 2, 3]


def test_overwritten_subbufs_are_counted_with_those_that_nobody_consumed(open_channel: Any) -> None:
    chan = open_channel(n_subbufs=3, overwrite=True)
    seen = []
    for consumed in (0, 0, 0, 2, 0, 0, 3):
        chan.flush()
        consume(chan, consumed)
        stats = chan.buffers[0].stats
        seen.append((stats.overwritten_subbufs, stats.overwritten_unread_subbufs))
    # The third flush uses the first one's place again; then 2 are consumed.
    assert seen == [(0, 0), (0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]


def test_without_overwrite_mode_unread_subbufs_are_overwritten_after_a_consume_of_none(
    open_channel: Any,
) -> None:
    chan = open_channel(n_subbufs=2)
    fill(chan, 3)
    seen = []
    for consumed in (0, 1):  # still full after either, so two unread ones are overwritten
        consume(chan, consumed)
        fill(chan, 2)
        stats = chan.buffers[0].stats
        seen.append((stats.overwritten_subbufs, stats.overwritten_unread_subbufs))
    assert seen == [(1, 1), (2, 2)]


def test_consumed_subbufs_are_overwritten_but_not_unread(open_channel: Any) -> None:
    chan = open_channel(n_subbufs=3, overwrite=True)
    for _ in range(6):
        chan.flush()
        consume(chan, 1)
    stats = chan.buffers[0].stats
    assert (stats.overwritten_subbufs, stats.overwritten_unread_subbufs) == (4, 0)


# Journal


def test_the_journal_tells_all_transitions_in_order(fs: Any) -> None:
    with relayfs.RelayFS(n_cpus=1) as small:
        chan = relayfs.relay_open("t", None, 16, 2, False, None, fs=small)
        began = time.monotonic_ns()
        assert kinds(chan.journal.read()) == [Kind.OPEN, Kind.SUBBUF_START]
        chan.reserve(16, cpu=0).commit()
        fill(chan, 3)
        consume(chan, 1)
        fill(chan, 2)
        with small.open_file("t0") as file, file.mmap():
            pass
        chan.flush()
        chan.reset()
        chan.close()
        records = chan.journal.read()
        assert kinds(records) == [
            Kind.DELIVER,  # by the commit
            Kind.DELIVER,  # again, at the switch
            Kind.PRODUCED,
            Kind.SUBBUF_START,
            Kind.PRODUCED,
            Kind.FULL,
            Kind.LOSS,
            Kind.UNFULL,
            Kind.CONSUMED,
            Kind.SUBBUF_START,
            Kind.MAPPED,
            Kind.UNMAPPED,
            Kind.FLUSH,
            Kind.PRODUCED,
            Kind.FULL,
            Kind.RESET,
            Kind.SUBBUF_START,
            Kind.CLOSE,
        ]
        assert list(records.dtype.names) == JOURNAL_FIELDS
        assert (np.diff(records["t_ns"]) >= 0).all()
        assert began <= records["t_ns"][0] <= records["t_ns"][-1] <= time.monotonic_ns()
        assert set(records["cpu"]) == {0}


def test_a_run_of_losses_is_one_record_with_its_length(open_channel: Any) -> None:
    chan = open_channel(n_subbufs=1)
    chan.journal.read()
    fill(chan, 5)  # one fits
    consume(chan, 1)
    fill(chan, 1)  # lost, ends the full state
    fill(chan, 3)  # one fits
    records = chan.journal.read()
    lost = records[records["kind"] == Kind.LOSS]
    assert lost["value"].tolist() == [5, 2]
    assert chan.stats.lost_full + chan.stats.lost_unfull == 7


def test_a_run_of_losses_has_the_length_so_far_when_read(open_channel: Any) -> None:
    chan = open_channel(n_subbufs=1)
    cursors = [chan.journal.cursor() for _ in range(3)]
    lengths = []
    for cursor in cursors:
        fill(chan, 2)
        records = cursor.read()
        lengths.append(records["value"][records["kind"] == Kind.LOSS].tolist())
    assert lengths == [[1], [3], [5]]
    assert Kind.LOSS not in kinds(cursors[2].read())


def test_the_journal_costs_no_record_per_event(open_channel: Any) -> None:
    chan = open_channel(subbuf_size=4096)
    chan.journal.read()
    chan.write_many(np.zeros((1000, 4), np.uint8), cpu=0)
    assert len(chan.journal.read()) == 0


def test_each_cursor_sees_everything_from_its_creation_on(open_channel: Any) -> None:
    chan = open_channel()
    early = chan.journal.cursor()
    chan.flush()
    late = chan.journal.cursor()
    chan.reset()
    assert len(chan.journal.read()) > len(early.read()) > len(late.read()) > 0
    assert [len(each.read()) for each in (chan.journal, early, late)] == [0, 0, 0]


def test_a_slow_observer_is_told_how_many_records_it_missed(open_channel: Any) -> None:
    chan = open_channel(subbuf_size=1, n_subbufs=2, overwrite=True)
    slow, fast = chan.journal.cursor(), chan.journal.cursor()
    seen = 0
    for _ in range(100):
        chan.write_many(np.zeros((2000, 1), np.uint8), cpu=0)
        seen += len(fast.read())
    assert fast.dropped == 0
    left = len(slow.read())
    assert slow.dropped > 0
    assert left + slow.dropped == seen
    chan.flush()
    missed = slow.dropped
    assert len(slow.read()) > 0
    assert slow.dropped == missed


def test_the_journal_adds_up_with_the_statistics_under_load(open_channel: Any) -> None:
    chan = open_channel(n_subbufs=2)
    counts = dict.fromkeys(Kind, 0)
    chan.journal.read()
    events = np.zeros((50, 9), np.uint8)
    for _ in range(50):
        chan.write_many(events, cpu=0)
        consume(chan, 2)
        for kind in kinds(chan.journal.read()):
            counts[kind] += 1
    stats = chan.stats
    assert counts[Kind.PRODUCED] == stats.switches > 50
    assert counts[Kind.UNFULL] == 50
    assert stats.written + stats.lost_full + stats.lost_unfull == 2500


def test_the_journal_stays_readable_after_close(open_channel: Any) -> None:
    chan = open_channel()
    chan.close()
    assert kinds(chan.journal.read())[-1] == Kind.CLOSE


def test_kinds_are_the_contracts() -> None:
    names = (
        "SUBBUF_START PRODUCED DELIVER FULL UNFULL CONSUMED FLUSH RESET OPEN CLOSE MAPPED UNMAPPED "
        "WAKEUP LOSS"
    )
    assert [kind.name for kind in Kind] == names.split()


# Snapshot


def test_a_snapshot_has_every_buffers_fields(open_channel: Any) -> None:
    chan = open_channel(n_subbufs=3)
    fill(chan, 2, cpu=0)
    fill(chan, 5, cpu=1)
    consume(chan, 1, cpu=1)
    chan.reserve(0, cpu=0).commit(3)
    shot = chan.snapshot()
    for name in FIELDS:
        if name in ("is_full", "is_empty"):
            continue
        values = [int(getattr(buf, name)) for buf in chan.buffers]
        assert [int(x) for x in getattr(shot, name)] == values, name
    assert shot.padding.shape == shot.commit.shape == (2, 3)
    assert shot.padding.tolist() == [buf.padding.tolist() for buf in chan.buffers]
    assert shot.commit.tolist() == [buf.commit.tolist() for buf in chan.buffers]


def test_a_snapshot_is_frozen_and_does_not_change_later(open_channel: Any) -> None:
    chan = open_channel()
    shot = chan.snapshot()
    fill(chan, 2)
    assert shot.offset.tolist() == [0, 0]
    assert shot.padding.tolist() == [[0] * 4] * 2
    with pytest.raises(AttributeError):
        shot.offset = None


def test_a_snapshots_epoch_counts_the_resets(open_channel: Any) -> None:
    chan = open_channel()
    before = chan.snapshot().epoch
    chan.reset()
    chan.reset()
    assert (chan.snapshot().epoch - before).tolist() == [2, 2]


def test_a_snapshot_shows_one_moment_while_others_write_and_consume(fs: Any) -> None:
    chan = relayfs.relay_open("t", None, 64, 4, False, None, fs=fs)
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            chan.write_many(np.zeros((5000, 24), np.uint8), cpu=0)

    def drain() -> None:
        while not stop.is_set():
            consume(chan, 4)
            if chan.buffers[0].subbufs_produced > 1000:
                chan.reset()

    threads = [threading.Thread(target=target, daemon=True) for target in (write, drain)]
    for thread in threads:
        thread.start()
    produced = set()
    ends = time.monotonic() + 0.7
    while time.monotonic() < ends:
        shot = chan.snapshot()
        unconsumed = int(shot.subbufs_produced[0] - shot.subbufs_consumed[0])
        assert 0 <= unconsumed <= 4
        assert 0 <= shot.offset[0] <= 64
        assert 0 <= shot.data_index[0] < 4
        # Each finished sub-buffer holds two events of 24 bytes; after a flush or reset, 0.
        assert set(shot.padding[0].tolist()) <= {0, 16}
        produced.add(int(shot.subbufs_produced[0]))
    stop.set()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert len(produced) > 3


def test_a_buffer_that_was_left_in_the_middle_of_a_change_is_shown_as_it_is(
    open_channel: Any,
) -> None:
    chan = open_channel(n_subbufs=3)
    fill(chan, 2, cpu=0)
    fill(chan, 3, cpu=1)
    for buf in chan.buffers:
        buf._memory.control["edge"] += 1  # as a writer leaves it that is killed within a switch
    shot = chan.snapshot()
    assert shot.subbufs_produced.tolist() == [buf.subbufs_produced for buf in chan.buffers]
    assert chan.stats.written == 5
    for buf in chan.buffers:
        buf._memory.control["edge"] += 1


def test_whoever_loses_event_after_event_changes_nothing_that_is_shared(open_channel: Any) -> None:
    chan = open_channel(n_subbufs=2)
    fill(chan, 3)
    control = chan.buffers[0]._memory.control
    before = int(control["edge"][0])
    assert fill(chan, 5) == [False] * 5
    assert int(control["edge"][0]) == before
    consume(chan, 1)
    before = int(control["edge"][0])
    assert fill(chan, 1) == [False]  # this one ends the unfull state
    assert int(control["edge"][0]) > before
