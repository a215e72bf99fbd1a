"""Virtual time is a sequence of moves that is the same each time, with headers and late commits."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relaylab.core.journal import Kind
from relaylab.errors import ConfigError
from relaylab.lab.moves import MoveKind
from relaylab.lab.settings import ReaderModel, Settings
from relaylab.lab.timeline import Timeline
from relaylab.workload import Workload

ONE_CPU = Settings(subbuf_size=100, n_subbufs=3, n_cpus=1, reader=ReaderModel(10**9))


def workload(*events):
    """Events as (t_ns, size), all on one CPU."""
    t_ns, size = zip(*events, strict=True)
    return Workload(np.array(t_ns), np.zeros(len(t_ns), np.uint16), np.array(size, np.uint32), 1)


def everything(timeline):
    """All there is to see of a timeline, the engine's bytes included."""
    snapshot = timeline.channel.snapshot()
    seen = {
        field.name: getattr(snapshot, field.name).tolist() for field in dataclasses.fields(snapshot)
    }
    return seen | {
        "stats": [buf.stats for buf in timeline.channel.buffers],
        "memory": [bytes(buf.memory) for buf in timeline.channel.buffers],
        "reading": timeline.reading().tolist(),
        "at": (timeline.position, timeline.moves, timeline.now_ns, timeline.last),
        "next": timeline.next_ns,
        "was_lost": timeline.was_lost,
    }


# Headers ---------------------------------------------------------------------------------------


def test_a_header_is_reserved_in_every_sub_buffer_and_holds_its_padding():
    timeline = Timeline(
        dataclasses.replace(ONE_CPU, header=8, store_padding=True), workload((0, 60), (1, 60))
    )
    buf = timeline.channel.buffers[0]
    assert buf.offset == 8
    timeline.forward(2)
    assert buf.offset == 8 + 60
    assert int.from_bytes(buf.memory[:4], "little") == buf.padding[0] == 100 - 68


@pytest.mark.parametrize("wrong", [{"header": 101}, {"header": -1}, {"commit_delay": -1}])
def test_a_header_that_does_not_fit_is_refused(wrong):
    with pytest.raises(ConfigError):
        dataclasses.replace(ONE_CPU, **wrong)


# Late commits ----------------------------------------------------------------------------------


def test_a_late_commit_is_a_move_of_its_own():
    late = dataclasses.replace(ONE_CPU, commit_delay=50)
    timeline = Timeline(late, workload((0, 30), (20, 30), (100, 5)))
    buf = timeline.channel.buffers[0]
    seen = []
    while not timeline.is_over:
        timeline.move()
        seen.append((timeline.last.kind, timeline.now_ns, timeline.last.event, int(buf.commit[0])))
    assert seen == [
        (MoveKind.EVENT, 0, 0, 0),
        (MoveKind.EVENT, 20, 1, 0),
        (MoveKind.COMMIT, 50, 0, 30),
        (MoveKind.COMMIT, 70, 1, 60),
        (MoveKind.EVENT, 100, 2, 60),
        (MoveKind.COMMIT, 150, 2, 65),
    ]


def test_a_sub_buffer_is_delivered_only_once_its_last_event_is_committed():
    late = dataclasses.replace(ONE_CPU, commit_delay=50)
    timeline = Timeline(late, workload((0, 60), (20, 60)))
    delivered, produced = [], []

    def changed(t_ns):
        delivered.append((t_ns, timeline.channel.stats.delivered))
        produced.append((t_ns, timeline.channel.buffers[0].subbufs_produced))

    timeline.forward_until(70, changed)
    assert (20, 1) in produced
    assert delivered == [(20, 0), (50, 1), (70, 1)]


def test_plain_writes_commit_nothing():
    timeline = Timeline(ONE_CPU, workload((0, 60), (20, 60)))
    timeline.forward(2)
    assert timeline.channel.buffers[0].commit.tolist() == [0, 0, 0]
    assert timeline.channel.stats.delivered == 0


# Both ways -------------------------------------------------------------------------------------

RUNS = st.builds(
    Settings,
    subbuf_size=st.integers(20, 80),
    n_subbufs=st.integers(1, 4),
    n_cpus=st.integers(1, 3),
    overwrite=st.booleans(),
    reader=st.builds(
        ReaderModel,
        latency_ns=st.integers(0, 200),
        per_subbuf_ns=st.integers(0, 200),
        bytes_per_s=st.sampled_from([1e9, float("inf")]),
    ),
    header=st.integers(0, 12),
    store_padding=st.booleans(),
    commit_delay=st.sampled_from([0, 0, 1, 40, 300]),
)
EVENTS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 2), st.integers(0, 90)), min_size=1, max_size=30
)
ACTIONS = st.lists(
    st.tuples(st.integers(0, 80), st.sampled_from(["flush", "reset", "attach", "detach"])),
    max_size=4,
)


def as_workload(events, n_cpus):
    gaps, cpus, sizes = (np.array(column) for column in zip(*events, strict=True))
    return Workload(
        np.cumsum(gaps), (cpus % n_cpus).astype(np.uint16), sizes.astype(np.uint32), n_cpus
    )


@given(
    wanted=RUNS, events=EVENTS, actions=ACTIONS, jumps=st.lists(st.integers(0, 10**6), max_size=5)
)
def test_any_way_to_a_move_ends_in_exactly_the_same_state(wanted, events, actions, jumps):
    timeline = Timeline(wanted, as_workload(events, wanted.n_cpus))
    timeline._every = 7
    for at, action in actions:
        timeline.go(0, 0)
        for _ in range(at):
            if not timeline.is_over:
                timeline.move()
        timeline.act(action)
    timeline.go(0, 0)
    states, canonical = [everything(timeline)], {0: 0}
    while not timeline.is_over:
        timeline.move()
        states.append(everything(timeline))
        canonical.setdefault(timeline.position, timeline.moves)
    assert timeline.position == len(events)
    times = [state["at"][2] for state in states]
    assert times == sorted(times), "virtual time never goes back by itself"
    for jump in jumps:
        to = jump % len(states)
        timeline.go_to_move(to)
        assert everything(timeline) == states[to]
        position = jump % (len(events) + 1)
        timeline.go(position, context=jump % 5)
        assert everything(timeline) == states[canonical[position]]
    for to in reversed(range(0, len(states), 3)):
        timeline.go_to_move(to)
        assert everything(timeline) == states[to]
    timeline.close()


@given(wanted=RUNS, events=EVENTS)
def test_a_transition_is_what_the_journal_tells_of_or_a_late_commit(wanted, events):
    timeline = Timeline(wanted, as_workload(events, wanted.n_cpus))
    cursor = timeline.channel.journal.cursor()
    while not timeline.is_over:
        timeline.move()
        records = cursor.read()
        is_commit = timeline.last.kind is MoveKind.COMMIT
        assert timeline.was_transition == (len(records) > 0 or is_commit)
        if timeline.last.kind is MoveKind.CONSUME:
            assert Kind.CONSUMED in records["kind"]
            assert timeline.last.subbuf < wanted.n_subbufs
    timeline.close()


def test_one_may_stop_right_after_a_change():
    timeline = Timeline(ONE_CPU, workload((0, 60), (1, 60), (2, 60)))
    assert timeline.forward(3, lambda _t_ns: True)
    assert timeline.position == 2
    assert timeline.channel.buffers[0].subbufs_produced == 1
