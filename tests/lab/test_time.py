"""Stepping by events and transitions, playing, stop conditions and marks, in both kinds of time."""

import dataclasses
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab.test_timeline import EVENTS, RUNS, as_workload, everything

from relaylab.core.journal import Kind
from relaylab.errors import ConfigError
from relaylab.lab.marks import Mark, Marks
from relaylab.lab.moment import look
from relaylab.lab.moves import MoveKind
from relaylab.lab.playing import Player
from relaylab.lab.settings import ReaderModel, Settings
from relaylab.lab.stops import StopAt
from relaylab.lab.timeline import Timeline
from relaylab.lab.virtual import VirtualRun
from relaylab.workload import bursts

SLOW = Settings(
    subbuf_size=512,
    n_subbufs=4,
    n_cpus=2,
    reader=ReaderModel(latency_ns=300_000, per_subbuf_ns=900_000),
)
LOAD = bursts(events=60, every="5 ms", size=(20, 120), n_cpus=2, duration="100 ms", seed=3)


@pytest.fixture
def run():
    run = VirtualRun(SLOW, LOAD)
    yield run
    run.close()


def seen(run):
    """A run as a person sees it: all of its timeline, what the last step did and what is told."""
    last = run.last_records.tolist()
    return everything(run.timeline) | {"last": last, "caption": run.caption}


# Steps -----------------------------------------------------------------------------------------


@given(wanted=RUNS, events=EVENTS, steps=st.lists(st.integers(-4, 4), max_size=8))
def test_transitions_back_are_exactly_the_states_they_were_forward(wanted, events, steps):
    run = VirtualRun(wanted, as_workload(events, wanted.n_cpus))
    begin = seen(run)
    states = []
    while run.timeline.moves < (run.history.transitions[-1:, 0].max(initial=0)):
        run.step(1)
        states.append(seen(run))
        assert run.timeline.was_transition
    for earlier in reversed(states[:-1]):
        run.step(-1)
        assert seen(run) == earlier
    run.step(-1)
    assert seen(run) == begin
    at = 0
    for step in steps:
        if step and 0 < at + step <= len(states):
            run.step(step)
            at += step
            assert seen(run) == states[at - 1]
    run.close()


def test_between_two_stops_nothing_but_plain_events_happens(run):
    while run.position < 400:
        made = run.timeline.moves
        run.step(1)
        stop = run.timeline.moves
        run.timeline.go_to_move(made)
        while run.timeline.moves < stop - 1:
            run.timeline.move()
            assert not run.timeline.was_transition
            assert run.timeline.last.kind is MoveKind.EVENT
        run.timeline.move()
        assert run.timeline.was_transition


def test_at_the_end_no_transition_comes_and_the_reader_is_through(run):
    run.step(10**6)
    assert run.timeline.is_over
    assert run.channel.snapshot().is_empty.all()
    assert "No transition" in run.caption


def test_a_step_tells_what_it_did():
    late = dataclasses.replace(SLOW, commit_delay=700)
    run = VirtualRun(late, LOAD)
    captions = []
    for _ in range(200):
        run.step(1)
        captions.append((run.timeline.last.kind, run.caption))
    told = dict(captions)
    assert "through with sub-buffer" in told[MoveKind.CONSUME]
    assert "committed, 700 ns after" in told[MoveKind.COMMIT]
    run.scrub(1)
    assert "reserved and not yet committed" in run.caption
    run.close()


def test_losses_are_found_one_after_the_other_and_back(run):
    marks = run.loss_marks()
    found = []
    for _ in marks:
        run.go_to_loss(1)
        found.append(run.position)
    assert found == marks
    run.go_to_loss(1)
    assert run.position == marks[-1]
    assert "No losses" in run.caption
    run.go_to_loss(-1)
    assert run.position == marks[-2]


def test_a_journal_record_is_gone_to_by_its_time_and_kind(run):
    run.scrub(700)
    for record in run.whole_journal()[10::7]:
        run.goto(*(int(record[name]) for name in ("t_ns", "kind", "cpu", "produced")))
        last = run.last_records
        assert record["kind"] in last["kind"]
        assert run.timeline.now_ns == record["t_ns"]
        assert run.channel.buffers[record["cpu"]].subbufs_produced == record["produced"]


def test_a_time_is_gone_to_with_all_that_happens_up_to_it(run):
    run.goto(6_000_000)
    assert run.timeline.now_ns <= 6_000_000 < run.timeline.next_ns


def test_the_whole_journal_is_what_the_engine_tells_in_one_go(run):
    run.scrub(900)
    run.flush()
    run.step(3)
    whole, before = run.whole_journal(), everything(run.timeline)
    straight = Timeline(SLOW, LOAD)
    cursor = straight.channel.journal.cursor()
    straight.forward(900)
    straight.act("flush")
    while straight.moves < run.timeline.moves:
        straight.move()
    engine = cursor.read()
    opening = whole[: len(whole) - len(engine)]
    assert set(opening["kind"]) == {Kind.OPEN, Kind.SUBBUF_START}
    for name in ("kind", "cpu", "subbuf", "produced", "value"):
        assert whole[name][len(opening) :].tolist() == engine[name].tolist()
    assert whole["value"][whole["kind"] == Kind.LOSS].sum() == run.channel.stats.lost
    assert np.all(np.diff(whole["t_ns"]) >= 0)
    assert everything(run.timeline) == before
    straight.close()


# Playing -----------------------------------------------------------------------------------------


class Clock:
    """Real time that goes on by itself only where a test says so."""

    now_s = 0.0

    def __call__(self):
        return self.now_s


def test_slow_motion_is_virtual_time_over_real_time():
    timeline, clock = Timeline(SLOW, LOAD), Clock()
    player = Player(timeline, 0.0, clock)
    player.speed = 0.01
    player.begin()
    for _ in range(30):
        clock.now_s += 0.05
        player.advance(lambda _t_ns: None)
    assert player.now_ns == pytest.approx(15_000_000)
    assert timeline.now_ns <= 15_000_000 < timeline.next_ns


def test_a_rate_is_events_a_second():
    timeline, clock = Timeline(SLOW, LOAD), Clock()
    player = Player(timeline, 40.0, clock)
    player.begin()
    for _ in range(100):
        clock.now_s += 0.125
        player.advance(lambda _t_ns: None)
    assert timeline.position == 500


@pytest.mark.parametrize("wrong", [0, 2, -1, "fast", True, 1e-6, float("nan")])
def test_a_speed_that_is_not_allowed_is_refused(run, wrong):
    with pytest.raises(ConfigError, match="speed"):
        run.set_speed(wrong)


def play_to_the_end(run, clock):
    run._player._clock = clock
    run.resume()
    for _ in range(100_000):
        clock.now_s += 0.1
        run.advance()
        if not run.is_running:
            return
    raise AssertionError("it did not stop")


@pytest.mark.parametrize("speed", [None, 0.001])
@pytest.mark.parametrize(
    ("what", "kind"), [("loss", Kind.LOSS), ("full:1", Kind.FULL), ("unfull", Kind.UNFULL)]
)
def test_playing_stops_right_there_and_says_why(run, what, kind, speed):
    run.set_speed(speed)
    run.stop_at = StopAt.parse(what)
    play_to_the_end(run, Clock())
    assert kind in run.last_records["kind"]
    assert run.paused
    assert run.caption.startswith("Stopped: ")
    run.scrub(run.n_events)
    whole = run.whole_journal()
    cpu = StopAt.parse(what).cpu
    first = whole[(whole["kind"] == kind) & ((cpu is None) | (whole["cpu"] == cpu))][0]
    run.goto(int(first["t_ns"]), kind, cpu)
    stopped = run.timeline.moves
    run.scrub(0)
    assert run.run_until(StopAt.parse(what))
    assert run.timeline.moves == stopped


def test_playing_goes_on_to_the_next_and_at_last_to_the_end(run):
    run.stop_at = StopAt.parse("full:0")
    stops, clock = [], Clock()
    while not stops or stops[-1] < run.n_events:
        play_to_the_end(run, clock)
        stops.append(run.position)
    assert len(stops) > 2
    assert stops == sorted(set(stops))
    assert "ended" in run.caption


def test_what_never_comes_ends_at_the_end(run):
    assert not run.run_until(StopAt.parse("deliver:1"))
    assert run.timeline.is_over


@pytest.mark.parametrize("wrong", ["never", "loss:", "deliver:x", "full:-1", None, 3])
def test_a_stop_condition_that_is_none_is_refused(wrong):
    with pytest.raises(ConfigError, match="stop condition"):
        StopAt.parse(wrong)


# Marks -------------------------------------------------------------------------------------------


def test_two_marks_tell_what_lies_between_them(run):
    marks = Marks()
    run.scrub(100)
    marks.set("a", Mark.of(run, look(run)))
    before = run.channel.stats
    assert marks.difference() is None
    run.scrub(900)
    marks.set("b", Mark.of(run, look(run)))
    after, between = run.channel.stats, marks.difference()
    assert between["events"] == 800
    assert between["written"] + between["lost"] == 800
    assert between["lost_full"] == after.lost_full - before.lost_full > 0
    assert between["subbufs"] == after.switches - before.switches
    assert between["t_s"] == pytest.approx((run.timeline.t_ns[899] - run.timeline.t_ns[99]) / 1e9)
    assert "800 events" in marks.told(run.n_events)["line"]
    assert marks.told(run.n_events)["a"]["share"] == 100 / run.n_events


def test_marks_after_something_that_was_done_are_gone(run):
    marks = Marks()
    run.on_act = marks.forget_after
    for name, position in (("a", 100), ("b", 900)):
        run.scrub(position)
        marks.set(name, Mark.of(run, look(run)))
    run.scrub(500)
    run.flush()
    assert marks["a"].position == 100
    with pytest.raises(ConfigError, match="mark"):
        marks["b"]


def test_a_mark_has_one_of_two_names():
    with pytest.raises(ConfigError, match="mark"):
        Marks().set("c", None)


def test_playing_does_not_wait_for_what_it_cannot_keep_up_with(run):
    """Ten seconds of real time in one look: what is not made within the budget is not owed."""
    run.set_speed(1.0)
    run.resume()
    run._player._played_at = time.monotonic() - 10
    run.advance()
    assert run.timeline.moves > 0
