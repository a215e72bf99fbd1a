"""Advice loses nothing, by simulation, within the rules of each tool, and costs little more."""

import json
from functools import cache

import pytest

import relaylab
from relaylab import Reader, resources, workload
from relaylab.core.layout import alloc_size
from relaylab.tuning.tools import RELAY, TOOLS, Shape, tool_named
from relaylab.workload import Workload

READERS = {
    "late": Reader(latency="10 ms", per_subbuf="10 us", rate="1 GB/s"),
    "quick": Reader(latency="200 us", per_subbuf="15 us", rate="2 GB/s"),
    "ticking": Reader.periodic("5 ms"),
    "polling": Reader.polling(sleep="500 us", per_read="100 us"),
}


@cache
def bundled(name: str) -> Workload:
    return workload.load(resources.trace(name))


@cache
def advice(name: str, reader: str, tool: str | None) -> relaylab.tuning.Advice:
    return relaylab.advise(bundled(name), reader=READERS[reader], tool=tool)


def lost(load: Workload, best: relaylab.tuning.Advice, shape: Shape, reader: Reader) -> int:
    is_late = best.tool is not None and tool_named(best.tool).is_late
    return relaylab.simulate(
        load,
        shape.subbuf_size,
        shape.n_subbufs,
        reader.changed(late=True) if is_late else reader,
        rules="linux",
        event_overhead=best.event_overhead,
        subbuf_header=best.subbuf_header,
    ).lost


@pytest.mark.parametrize("tool", [None, *TOOLS])
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", resources.trace_names())
def test_advice_on_the_bundled_traces_loses_nothing_and_a_fifth_less_does(
    name: str, reader: str, tool: str | None
) -> None:
    load, best = bundled(name), advice(name, reader, tool)
    rules = RELAY if tool is None else TOOLS[tool]
    shape = Shape(best.subbuf_size, best.n_subbufs)
    assert best.is_possible
    assert best.fits
    assert best.lost == 0 == lost(load, best, shape, READERS[reader])
    assert best.margin >= 1.2
    assert best.memory == rules.memory(shape) * load.n_cpus
    assert rules.round_up(*shape) == shape
    if "20 % less memory every shape tried loses" in best.reason:
        n = int(0.8 * best.memory / load.n_cpus / best.subbuf_size)
        assert lost(load, best, Shape(best.subbuf_size, max(1, n)), READERS[reader]) > 0
        assert best.least_memory > 0.8 * best.memory
    else:
        assert "20 % less memory would do" in best.reason
        assert lost(load, best, best.least, READERS[reader]) == 0


@pytest.mark.parametrize("name", resources.trace_names())
def test_a_fifth_less_memory_than_advised_for_a_channel_of_any_shape_loses_events(
    name: str,
) -> None:
    assert "With 20 % less memory every shape tried loses" in advice(name, "late", None).reason


def test_the_flags_are_those_of_the_advice_within_the_rules() -> None:
    best = advice("w6_twocpu", "quick", None)
    for tool in TOOLS:
        within = best.within(tool)
        assert within.tool == tool
        assert best.flags(tool) == within.flags(tool)
        assert within.within(tool) is within
    assert best.within("lttng").event_overhead == 10
    assert best.within("lttng").subbuf_header == 84
    assert "powers of two" in best.within("lttng").reason


def test_the_bill_is_for_all_cpus_of_the_machine() -> None:
    best = relaylab.advise(bundled("w6_twocpu"), reader=READERS["quick"], n_cpus=64)
    assert best.memory == 64 * alloc_size(best.subbuf_size, best.n_subbufs)
    assert "64 CPUs" in best.reason
    assert "64 CPUs" in repr(best)


def test_the_margin_is_more_sub_buffers_than_suffice() -> None:
    load = bundled("w6_twocpu")
    tight, wide = (relaylab.advise(load, reader=READERS["quick"], margin=m) for m in (1, 3))
    assert tight.margin == pytest.approx(1)
    assert wide.margin >= 3
    assert wide.memory >= 2.5 * tight.memory
    shape = Shape(tight.subbuf_size, tight.n_subbufs - 1)
    assert lost(load, tight, shape, READERS["quick"]) > 0


def test_a_memory_limit_costs_the_margin_first_and_then_events() -> None:
    load, free = bundled("w6_twocpu"), advice("w6_twocpu", "quick", None)
    narrow = relaylab.advise(
        load, reader=READERS["quick"], memory_limit=(free.memory + free.least_memory) // 2
    )
    assert narrow.fits
    assert narrow.lost == 0
    assert narrow.memory < free.memory
    assert "memory limit leaves no more margin" in narrow.reason
    small = relaylab.advise(load, reader=READERS["quick"], memory_limit=free.least_memory // 2)
    assert not small.fits
    assert small.memory <= free.least_memory // 2
    assert small.lost == lost(
        load, small, Shape(small.subbuf_size, small.n_subbufs), READERS["quick"]
    )
    assert small.lost > 0
    assert 0 < small.loss_fraction < 1
    assert "loses the fewest" in small.reason
    with pytest.raises(relaylab.ConfigError, match="memory_limit"):
        relaylab.advise(load, memory_limit=10)


@pytest.mark.parametrize("reader", [Reader(rate="3 MB/s"), Reader(per_subbuf="10 s")])
def test_a_reader_that_is_too_slow_is_said_to_be_the_limit(reader: Reader) -> None:
    best = relaylab.advise(bundled("w6_twocpu"), reader=reader)
    assert not best.is_possible
    assert (best.subbuf_size, best.n_subbufs, best.memory) == (0, 0, 0)
    assert "Your reader is the limit" in best.reason
    assert "reader is the limit" in repr(best)
    assert set(best.as_dict()["flags"].values()) == {None}
    with pytest.raises(relaylab.ConfigError, match="no options of lttng help"):
        best.flags("lttng")


def test_one_reader_for_all_cpus_is_the_limit_earlier() -> None:
    load = workload.constant(rate="400k/s", size=100, n_cpus=4, duration="0.2 s")
    assert relaylab.advise(load, reader=Reader(rate="20 MB/s")).is_possible
    assert not relaylab.advise(load, reader=Reader(rate="20 MB/s", shared=True)).is_possible


def test_sizes_that_cost_the_reader_too_much_are_left_out() -> None:
    load = bundled("w6_twocpu")
    best = relaylab.advise(load, reader=Reader(per_subbuf="1 ms"))
    assert best.is_possible
    assert best.formula.load < 1
    assert best.subbuf_size > 2000


def test_a_tool_without_room_for_the_largest_event_is_refused_by_name() -> None:
    load = workload.bursts(events=10, every="10 ms", size=6000, duration="100 ms")
    best = relaylab.advise(load)
    assert best.subbuf_size >= 6000
    with pytest.raises(relaylab.ConfigError, match=r"stap.*one page"):
        best.flags("stap")
    assert best.as_dict()["flags"]["stap"] is None
    assert best.as_dict()["flags"]["blktrace"]


def test_advice_is_the_same_each_time_and_json() -> None:
    one, other = (relaylab.advise(bundled("w6_twocpu"), n_cpus=4) for _ in range(2))
    assert one.as_json() == other.as_json()
    assert repr(one) == repr(other)
    told = json.loads(one.as_json())
    assert told["memory"] == 4 * alloc_size(told["subbuf_size"], told["n_subbufs"])
    assert told["flags"]["blktrace"].startswith("-b ")
    assert told["formula"]["memory"] > 0
    assert "formula" in one.reason


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        ({"margin": 0.9}, "margin"),
        ({"margin": True}, "margin"),
        ({"n_cpus": 0}, "n_cpus"),
        ({"memory_limit": "much"}, "memory_limit"),
        ({"tool": "dtrace"}, "tool"),
        ({"rules": "windows"}, "rules"),
        ({"event_overhead": -1}, "event_overhead"),
        ({"reader": "quick"}, "reader"),
        ({"reader": Reader.from_schedule([0], [1])}, "reader"),
    ],
)
def test_arguments_that_mean_nothing_are_refused(arguments: dict[str, object], what: str) -> None:
    with pytest.raises(relaylab.ConfigError, match=what):
        relaylab.advise(bundled("w6_twocpu"), **arguments)  # type: ignore[arg-type]


def test_a_trace_without_events_is_refused() -> None:
    with pytest.raises(relaylab.ConfigError, match="at least one event"):
        relaylab.advise(Workload([], [], []))


@pytest.mark.parametrize("size", [0, 100, 200 << 20])
def test_a_single_event_of_any_size_gets_sub_buffers_that_hold_it(size: int) -> None:
    best = relaylab.advise(Workload([5], [0], [size]), reader=Reader())
    assert best.is_possible
    assert best.subbuf_size >= size
    assert best.lost == 0
