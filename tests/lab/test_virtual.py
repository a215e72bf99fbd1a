"""Virtual time is the engine's own, and goes both ways exactly."""

import dataclasses

import numpy as np
import pytest

from relaylab.lab.settings import ReaderModel, Settings
from relaylab.lab.timeline import CHECKPOINT_EVERY, Timeline
from relaylab.lab.virtual import VirtualRun
from relaylab.workload import Workload, bursts

SLOW = Settings(
    subbuf_size=512,
    n_subbufs=4,
    n_cpus=2,
    reader=ReaderModel(latency_ns=300_000, per_subbuf_ns=900_000),
)
LOAD = bursts(events=60, every="5 ms", size=(20, 120), n_cpus=2, duration="100 ms", seed=3)


def everything(channel):
    """All there is to see of a channel, bytes included."""
    snapshot = channel.snapshot()
    seen = {
        field.name: getattr(snapshot, field.name).tolist() for field in dataclasses.fields(snapshot)
    }
    return seen | {
        "stats": channel.stats,
        "memory": [bytes(buf.memory) for buf in channel.buffers],
    }


def step(run, events):
    run.scrub(run.position + events)


@pytest.fixture
def run():
    run = VirtualRun(SLOW, LOAD)
    yield run
    run.close()


def test_the_workload_loses_events_or_these_tests_show_little():
    timeline = Timeline(SLOW, LOAD)
    timeline.forward(len(timeline))
    assert timeline.channel.stats.lost_full > 0
    assert timeline.channel.stats.lost_unfull > 0


def test_a_step_back_is_exactly_the_earlier_state(run):
    states = [everything(run.channel)]
    for _ in range(300):
        step(run, 1)
        states.append(everything(run.channel))
    for earlier in reversed(states[:-1]):
        step(run, -1)
        assert everything(run.channel) == earlier


def test_any_way_to_a_position_ends_in_the_same_state():
    straight = VirtualRun(SLOW, LOAD)
    straight.scrub(1234)
    wanted = everything(straight.channel)
    there_and_back = VirtualRun(SLOW, LOAD)
    for position in (2400, 17, 1900, 1233, 1235):
        there_and_back.scrub(position)
    there_and_back.scrub(1234)
    assert everything(there_and_back.channel) == wanted


def test_checkpoints_change_nothing():
    plain = Timeline(SLOW, LOAD)
    plain._every = 10**9
    plain.forward(len(plain))
    kept = Timeline(SLOW, LOAD)
    kept._every = 100
    kept.forward(len(kept))
    assert everything(plain.channel) == everything(kept.channel)
    kept.go(1111, 0)
    plain.go(1111, 0)
    assert everything(plain.channel) == everything(kept.channel)


def test_every_event_is_offered_once(run):
    for position in (0, 1, 999, CHECKPOINT_EVERY, run.n_events):
        run.scrub(position)
        assert run.channel.stats.offered == run.position == position


def test_a_flush_belongs_to_its_position(run):
    run.scrub(500)
    before = everything(run.channel)
    switches = run.channel.stats.switches
    run.flush()
    after = everything(run.channel)
    assert run.channel.stats.switches > switches
    step(run, -1)
    step(run, 1)
    assert everything(run.channel) == after
    run.scrub(499)
    assert run.channel.stats.switches <= switches
    assert before != after


def test_marks_are_where_losses_begin(run):
    assert run.loss_marks()
    for mark in run.loss_marks()[:5]:
        run.scrub(mark - 1)
        lost = run.channel.stats.lost
        step(run, 1)
        assert run.channel.stats.lost == lost + 1


def test_without_a_reader_the_buffers_fill_and_stay_full(run):
    run.scrub(1)
    run.detach()
    run.scrub(run.n_events)
    assert run.channel.snapshot().is_full.all()
    assert run.channel.stats.high_water == SLOW.n_subbufs


def test_the_reader_takes_its_time():
    """One sub-buffer filled at 0: it is read `latency` later, for `per_subbuf`, then consumed."""
    settings = dataclasses.replace(SLOW, n_cpus=1)
    t_ns = np.array([0, 0, 1_199_999, 1_200_000])
    load = Workload(t_ns, np.zeros(4, np.uint16), np.array([500, 500, 8, 8], np.uint32), 1)
    timeline = Timeline(settings, load)
    timeline.forward(2)
    assert timeline.channel.buffers[0].subbufs_produced == 1
    assert timeline.reading().tolist() == [-1]
    timeline.forward(3)
    assert timeline.reading().tolist() == [0]
    assert timeline.channel.buffers[0].subbufs_consumed == 0
    timeline.forward(4)
    assert timeline.channel.buffers[0].subbufs_consumed == 1


def test_the_readers_speed_counts_what_is_in_the_sub_buffer():
    """500 bytes at 1 MB/s take 500 us, however large the sub-buffer."""
    reader = ReaderModel(latency_ns=100_000, bytes_per_s=1e6)
    settings = dataclasses.replace(SLOW, n_cpus=1, reader=reader)
    t_ns = np.array([0, 0, 99_999, 599_999, 600_000])
    load = Workload(t_ns, np.zeros(5, np.uint16), np.array([500, 500, 8, 8, 8], np.uint32), 1)
    timeline = Timeline(settings, load)
    timeline.forward(3)
    assert timeline.reading().tolist() == [-1]
    timeline.forward(4)
    assert timeline.reading().tolist() == [0]
    assert timeline.channel.buffers[0].subbufs_consumed == 0
    timeline.forward(5)
    assert timeline.channel.buffers[0].subbufs_consumed == 1


def test_records_carry_virtual_time(run):
    run.scrub(600)
    records = run.records()
    assert len(records)
    assert records["t_ns"].max() <= LOAD.t_ns[599] - LOAD.t_ns[0]
    assert np.all(np.diff(records["t_ns"]) >= 0)


def test_the_caption_tells_the_event(run):
    step(run, 1)
    assert run.caption.startswith("Event 1: ")
    step(run, -1)
    assert "before the first event" in run.caption


def test_overwrite_mode_steps_back_exactly_too():
    run = VirtualRun(dataclasses.replace(SLOW, overwrite=True), LOAD)
    run.scrub(2000)
    wanted = everything(run.channel)
    assert wanted["stats"].overwritten_unread_subbufs > 0
    run.scrub(2100)
    run.scrub(2000)
    assert everything(run.channel) == wanted
