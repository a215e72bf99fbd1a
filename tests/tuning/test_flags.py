"""Flags give a tool what was asked for, or what is at least as large, within its rules."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

import relaylab
from relaylab.tuning import flags
from relaylab.tuning.tools import PAGE, TOOLS, Shape

MIB = 1 << 20


@pytest.mark.parametrize(
    ("tool", "size", "n", "options"),
    [
        ("blktrace", "512 KiB", 4, "-b 512 -n 4"),
        ("blktrace", 5000, 3, "-b 5 -n 3"),
        ("lttng", "64 KiB", 8, "--discard --subbuf-size=65536 --num-subbuf=8"),
        ("lttng", 5000, 5, "--discard --subbuf-size=8192 --num-subbuf=8"),
        ("lttng", 100, 1, "--discard --subbuf-size=4096 --num-subbuf=2"),
        ("stap", PAGE, 1, "-s 1"),
        ("stap", PAGE, 257, "-s 2"),
        ("perf", "64 KiB", 2, "-m 32"),
        ("perf", "64 KiB", 3, "-m 64"),
        ("perf", 1, 1, "-m 2"),
        ("trace-cmd", PAGE, 2, "-b 4 -O nooverwrite"),
        ("trace-cmd", PAGE, 100, "-b 395 -O nooverwrite"),
    ],
)
def test_a_shape_is_spelled_by_the_rules_of_the_tool(
    tool: str, size: str | int, n: int, options: str
) -> None:
    assert str(flags(tool, size, n)) == options


def test_overwriting_is_said_or_said_to_be_impossible() -> None:
    assert "--overwrite" in flags("lttng", PAGE, 2, overwrite=True).options
    assert flags("trace-cmd", PAGE, 2, overwrite=True).options == "-b 4"
    assert flags("perf", PAGE, 2, overwrite=True).options == "-m 2 --overwrite"
    assert any(
        "cannot overwrite" in text for text in flags("blktrace", 1024, 2, overwrite=True).changed
    )


def test_what_was_changed_is_said() -> None:
    assert flags("blktrace", "64 KiB", 8).changed == ()
    (told,) = flags("lttng", "48 KiB", 6).changed
    assert "48 KiB x 6 became 64 KiB x 8" in told
    assert "powers of two" in told
    assert any("smaller" in told for told in flags("stap", "1 MiB", 4).changed)


@given(
    tool=st.sampled_from(sorted(TOOLS)),
    size=st.integers(1, 4 * MIB),
    n=st.integers(1, 64),
    largest=st.one_of(st.none(), st.integers(1, 256)),
)
def test_the_tool_has_what_its_options_say_and_no_less_than_was_asked(
    tool: str, size: int, n: int, largest: int | None
) -> None:
    found = flags(tool, size, n, 3, largest_event=largest)
    shape = Shape(found.subbuf_size, found.n_subbufs)
    assert by_the_tool(tool, found.options) == shape
    if found.subbuf_size >= size and tool != "perf":
        assert found.n_subbufs >= n
    assert found.memory >= 3 * size * n
    assert (found.changed == ()) == (shape == (size, n))


def by_the_tool(tool: str, options: str) -> Shape:
    """The shape that a tool makes of its options, as its source or manual says; rules checked."""
    number = [int(digits) for digits in re.findall(r"\d+", options)]
    if tool == "blktrace":
        kib, n = number
        assert 1 <= kib <= 16384
        assert kib * 1024 * n < 2**32
        return Shape(kib * 1024, n)
    if tool == "stap":
        assert 1 <= number[0] <= 4095
        return Shape(PAGE, number[0] * MIB // PAGE)
    if tool == "lttng":
        size, n = number
        assert size & (size - 1) == 0
        assert size >= PAGE
        assert n & (n - 1) == 0
        assert n >= 2
        return Shape(size, n)
    if tool == "perf":
        (pages,) = number
        assert pages & (pages - 1) == 0
        assert pages <= 2**19
        return Shape(pages * PAGE // 2, 2)
    (kib,) = number
    return Shape(PAGE, max(2, -(-kib * 1024 // (PAGE - 16))))


@given(
    size=st.integers(64, 16384),
    n=st.integers(1, 8),
    sizes=st.lists(st.integers(16, 64), min_size=1, max_size=50),
    tool=st.sampled_from(["stap", "blktrace", "lttng", "trace-cmd"]),
)
def test_whatever_fits_into_the_shape_that_was_asked_fits_into_the_one_of_the_tool(
    size: int, n: int, sizes: list[int], tool: str
) -> None:
    rules = TOOLS[tool]
    events = sizes * (size * n // sum(sizes) + 1)
    events = events[: n_that_fit(events, size, n)]
    for largest in (None, max(sizes)):
        found = rules.as_large_as(size, n, largest)
        assert found is not None
        if found.subbuf_size < size:
            assert n_that_fit(events, found.subbuf_size - rules.subbuf_header, found.n_subbufs) == (
                len(events)
            )


def n_that_fit(events: list[int], size: int, n: int) -> int:
    """How many of the events fit, one after the other, into n sub-buffers."""
    room, left = size, n - 1
    for i, event in enumerate(events):
        if event > room:
            if not left:
                return i
            room, left = size, left - 1
        room -= event
    return len(events)


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("dtrace", 4096, 4), "blktrace, stap, lttng, perf, trace-cmd"),
        (("lttng", 0, 4), "subbuf_size"),
        (("lttng", 4096, 0), "n_subbufs"),
        (("lttng", 4096, True), "n_subbufs"),
        (("lttng", 4096, 4, 0), "n_cpus"),
        (("lttng", "1 GiB", 64), "within its largest buffer"),
        (("stap", "1 GiB", 64), "within its largest buffer"),
        (("perf", "2 GiB", 2), "subbuf_size"),
        (("perf", "1 GiB", 3), "within its largest buffer"),
    ],
)
def test_what_no_tool_can_have_is_refused_with_what_it_can(
    arguments: tuple[str, str | int, int], what: str
) -> None:
    with pytest.raises(relaylab.ConfigError, match=what):
        flags(*arguments)


def test_events_larger_than_the_only_size_of_a_tool_are_refused() -> None:
    with pytest.raises(relaylab.ConfigError, match="stap"):
        flags("stap", "64 KiB", 4, largest_event=5000)
