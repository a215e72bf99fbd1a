"""The text of perf, ftrace, trace-cmd, blkparse and babeltrace2 loads, or says what is wrong."""

import gzip
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damage import damaged, loads_or_raises
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relaylab import ConfigError, resources, workload
from relaylab.workload import lines

DATA = Path(__file__).parent / "data" / "traces"

TRACER_TEXTS = [
    "perf.txt",
    "perf_callgraph.txt",
    "perf_tracepoints.txt",
    "ftrace.txt",
    "tracecmd.txt",
    "tracecmd_ns.txt",
    "tracecmd_latency.txt",
]
TEXTS = [*TRACER_TEXTS, "blkparse.txt", "babeltrace.txt.gz"]

# Another way to read the same lines, to compare with.
LINE = re.compile(
    r"^\s*\S.*?\s(?:\[(\d+)\](?:\s+\S+)?|(\d+)[^\s\d]\S{2,6})\s+(\d+)\.(\d+):\s+(?:\d+\s+)?(\S+?):?\s"
)


def rows(text: str) -> list[tuple[int, int, str]]:
    """(time, CPU, name) of each event, by a regular expression."""
    found = []
    for line in text.splitlines():
        match = LINE.match(line + " ")
        if match:
            bracket, flags, seconds, fraction, name = match.groups()
            t_ns = int(seconds) * 10**9 + int(fraction.ljust(9, "0"))
            found.append((t_ns, int(bracket or flags), name))
    return found


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", TRACER_TEXTS)
def test_real_text_of_perf_and_ftrace_gives_each_event_its_time_cpu_and_size(name: str) -> None:
    expected = rows((DATA / name).read_text())
    names = sorted({event for _, _, event in expected})
    sizes = {event: 10 * (k + 1) for k, event in enumerate(names)}
    load = workload.load(DATA / name, event_size=sizes)
    assert len(expected) > 5
    assert load.t_ns.tolist() == [t for t, _, _ in expected]
    assert load.cpu.tolist() == [cpu for _, cpu, _ in expected]
    assert load.size.tolist() == [sizes[event] for _, _, event in expected]


def test_real_text_of_blkparse_has_the_times_of_the_trace_that_it_shows() -> None:
    load = workload.load(DATA / "blkparse.txt", event_size=48)
    binary = workload.load(resources.trace("gen_wburst500"))
    since = binary.t_ns - binary.t_ns[0]
    assert len(load) > 400
    assert np.array_equal(load.t_ns[:400], since[:400])
    assert load.t_ns[-1] == since[-1]
    by_action = workload.load(DATA / "blkparse.txt", event_size={"Q": 1, "G": 2, "D": 3, "C": 4})
    assert by_action.size[:8].tolist() == [1, 2, 3, 4, 1, 2, 3, 4]


def test_real_text_of_babeltrace2_has_the_events_of_the_csv_of_the_same_run() -> None:
    load = workload.load(DATA / "babeltrace.txt.gz")
    csv = workload.load(resources.trace("w6_twocpu"))
    assert np.array_equal(np.diff(load.t_ns), np.diff(csv.t_ns[:60]))
    assert np.array_equal(load.cpu, csv.cpu[:60])
    assert np.array_equal(load.size, csv.size[:60])


@pytest.mark.parametrize("name", [*TRACER_TEXTS, "blkparse.txt"])
def test_text_without_sizes_asks_for_event_size(name: str) -> None:
    for errors in ("raise", "skip"):
        with pytest.raises(ConfigError, match=r"line \d+: .*size of the event .*event_size"):
            workload.load(DATA / name, errors=errors)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="given for: another"):
        workload.load(DATA / name, event_size={"another": 5})


def test_an_event_may_be_named_by_a_part_of_its_name() -> None:
    sizes = {"sched_switch": 64, "sched_waking": 36, "sched_wakeup": 36}
    load = workload.load(DATA / "perf_tracepoints.txt", event_size=sizes)
    assert set(load.size.tolist()) == {64, 36}
    text = "  a b 12 [003] 1.5: 1 cycles:ppp: 0 x\n"
    assert rows(text)
    for wrong in ({"cycles": -1}, {"cycles": "big"}, {"cycles": 2**31}):
        with pytest.raises(ConfigError, match="event_size of cycles"):
            workload.load(DATA / "perf.txt", event_size=wrong)


def test_sizes_may_be_given_with_a_unit() -> None:
    load = workload.load(DATA / "perf.txt", event_size="1 KiB")
    assert set(load.size.tolist()) == {1024}


def test_a_recording_without_cpus_says_how_to_record_them() -> None:
    with pytest.raises(ConfigError, match=r"line 1: .*no CPU.*perf record -a"):
        workload.load(DATA / "perf_without_cpu.txt", event_size=8)


@pytest.mark.parametrize(
    ("text", "t_ns", "cpu"),
    [
        ("a-1 [000] 5.000001: x: y\n", 5_000_001_000, 0),
        ("<idle>-0     [012] d.h1.   1.000000001: irq: y", 1_000_000_001, 12),
        (" my prog [v1.5: 2] 77/78 [001] 2.5:  250 ev:u: 77 f\r\n", 2_500_000_000, 1),
        ("x-1 [003] 0.1: function: ktime_get <-foo\n", 100_000_000, 3),
        ("x-1 [003] 10.2: (+15) ev: a=1\n", 10_200_000_000, 3),
        ("x-1 [003] 10.2: bprint: text: 11.5: more [004]\n", 10_200_000_000, 3),
    ],
)
def test_one_line_of_any_shape_is_an_event(text: str, t_ns: int, cpu: int, tmp_path: Path) -> None:
    load = workload.load(write(tmp_path / "t", text), event_size=1)
    assert load.t_ns.tolist() == [t_ns]
    assert load.cpu.tolist() == [cpu]


def test_what_stands_between_events_is_no_event_and_no_damage(tmp_path: Path) -> None:
    text = """# tracer: nop
#
version = 6
CPU 1 is empty
cpus=2
  swapper  0 [000]  0.000000: PERF_RECORD_COMM: kthreadd:2/2
 a-1 [000] d..2. 5.1: kernel_stack: <stack trace >
=> schedule
 => futex_wait (ffffffff81)
CPU:1 [LOST 123 EVENTS]
perf 27 [001] 6.1: 1 context-switches:
\tffffffff821fb643 schedule+0x23 ([kernel.kallsyms])
\t           ee137 sched_setaffinity@@GLIBC_2.3.4+0x7 (/usr/lib/libc.so.6)

"""
    load = workload.load(write(tmp_path / "t", text), event_size=1)
    assert load.t_ns.tolist() == [5_100_000_000, 6_100_000_000]


GOOD = " a-1 [000] 5.000000: x: y\n"
BLK = "  8,0    3        1     0.000000001   697  G   W 223490 + 8 [kjournald]\n"
BT = (
    "[00:00:01.000000001] (+?.?????????) vm p:e: { cpu_id = 1 }, "
    "{ data_length = 1, data = [ [0] = 7 ] }\n"
)


@pytest.mark.parametrize(
    ("good", "bad", "reason"),
    [
        (GOOD, "Dear reader,\n", "no event"),
        (GOOD, " a-1 [000] 4.999999: x: y\n", r"backwards.*4999999000 ns.*5000000000 ns"),
        (GOOD, " a-1 5.1: x: y\n", "no CPU"),
        (GOOD, " a-1 [65535] 5.1: x: y\n", "cpu of the event"),
        (GOOD, " a-1 [000] 99999999999.1: x: y\n", "time of the event"),
        (GOOD, " a-1 [000] 5.2\n", "no event"),
        (BLK, "hello, world\n", "no event"),
        (BLK, "  8,0    x        1     0.000000001   697  G   W\n", "no CPU"),
        (BLK, "  8,0    1        1     0.0000x0001   697  G   W\n", "time of the event"),
        (BLK, "  8,0    1        1     0.000000000   697  G   W\n", "backwards"),
        (BLK, "  8,0    1        1     0.000000009\n", "no event"),
        (BT, "foreign\n", "no event"),
        (BT, "[00:00:61.5] vm p:e: { cpu_id = 1 }, { }\n", "time of the event"),
        (BT, "[00:00:02.5] vm p:e: { x = 1 }, { }\n", "no CPU"),
        (BT, "[00:00:02.5] vm p:e: { cpu_id = 1 }, { data_length = 1, da\n", "fields"),
        (BT, "[00:00:01.000000000] vm p:e: { cpu_id = 1 }, { }\n", "backwards"),
    ],
)
def test_a_damaged_line_is_named_with_its_reason_or_left_out_on_request(
    good: str, bad: str, reason: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "t.txt", good + "\n" + bad + good)
    sizes = None if good is BT else 1
    with pytest.raises(ConfigError, match=rf"t\.txt, line 3: .*{reason}"):
        workload.load(path, event_size=sizes)
    load = workload.load(path, event_size=sizes, errors="skip")
    assert len(load) == 2
    assert load.skipped == 1


@pytest.mark.parametrize(
    ("first", "second", "apart"),
    [
        ("00:00:01.5", "00:00:02.25", 750_000_000),
        ("23:59:59.999999999", "00:00:00.000000001", 2),
        ("2024-02-28 23:59:59.0", "2024-03-01 00:00:00.0", 86_401_000_000_000),
        ("1795393183.097120837", "1795393183.097120838", 1),
        ("00000000000000000100", "00000000000000000200", 100),
    ],
)
def test_every_clock_of_babeltrace2_is_understood(
    first: str, second: str, apart: int, tmp_path: Path
) -> None:
    text = "".join(f"[{clock}] p:e: {{ cpu_id = 1 }}, {{ }}\n" for clock in (first, second))
    load = workload.load(write(tmp_path / "t", text), event_size=1)
    assert load.t_ns[1] - load.t_ns[0] == apart


def test_a_date_is_counted_from_1970(tmp_path: Path) -> None:
    text = "[2026-11-23 00:19:43.097120837] (+?.?????????) vm p:e: { cpu_id = 1 }\n"
    load = workload.load(write(tmp_path / "t", text))
    assert load.t_ns.tolist() == [1795393183097120837]


@pytest.mark.parametrize(
    ("payload", "size"),
    [
        ("{ }", 0),
        ('{ text = "abc" }', 4),
        (r'{ text = "a\"b\\\n\x01, {]" }', 11),
        ('{ a = "x", raw_length = 3, raw = [ [0] = 1, [1] = 255, [2] = 0 ] }', 5),
        ("{ raw_length = 0, raw = [ ] }", 0),
    ],
)
def test_strings_and_bytes_in_the_text_of_babeltrace2_tell_their_size(
    payload: str, size: int, tmp_path: Path
) -> None:
    path = write(tmp_path / "t", f"[5] vm p:e: {{ cpu_id = 1 }}, {payload}\n")
    assert workload.load(path).size.tolist() == [size]


@pytest.mark.parametrize(
    "payload",
    ["{ fd = 5 }", "{ x_length = 1, x = [ [0] = 256 ] }", "{ x = -1.5 }", '{ e = ( "A" : 1 ) }'],
)
def test_other_fields_do_not_and_event_size_is_asked_for(payload: str, tmp_path: Path) -> None:
    path = write(tmp_path / "t", f"[5] vm p:e: {{ cpu_id = 1 }}, {payload}\n")
    with pytest.raises(ConfigError, match=r"size of the event p:e.*event_size"):
        workload.load(path)
    assert workload.load(path, event_size={"e": 9}).size.tolist() == [9]


@pytest.mark.parametrize("name", TEXTS)
def test_events_are_the_same_however_the_text_is_chunked(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = workload.load(DATA / name, event_size=7)
    monkeypatch.setattr(lines, "CHUNK", 333)
    pieces = workload.load(DATA / name, event_size=7)
    for column in ("t_ns", "cpu", "size"):
        assert np.array_equal(getattr(whole, column), getattr(pieces, column))


@pytest.mark.parametrize(
    ("head", "hint"),
    [(b"PERFILE2" + bytes(90), "perf script"), (b"\x17\x08Dtracing6\0", "trace-cmd report")],
)
def test_binary_recordings_say_which_program_turns_them_into_text(
    head: bytes, hint: str, tmp_path: Path
) -> None:
    path = tmp_path / "data"
    path.write_bytes(head)
    with pytest.raises(ConfigError, match=hint):
        workload.load(path)


def test_progress_goes_up_to_the_whole_file() -> None:
    seen: list[float] = []
    workload.load(DATA / "perf.txt", event_size=1, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


@pytest.mark.parametrize("name", TEXTS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chance=st.randoms(use_true_random=False), size=st.sampled_from([None, 5]))
def test_any_damage_to_a_real_text_loads_or_raises_a_relay_error(
    name: str, tmp_path: Path, chance: random.Random, size: int | None
) -> None:
    data = (DATA / name).read_bytes()
    data = gzip.decompress(data) if name.endswith(".gz") else data
    path = tmp_path / "damaged.txt"
    path.write_bytes(damaged(data, chance))
    loads_or_raises(path, event_size=size)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([GOOD, BLK, BT]),
    st.text('[]{}()"\\:,.=+-> \t0123456789abcdefx_\n', max_size=80),
)
def test_any_line_after_a_good_one_loads_or_raises_a_relay_error(
    tmp_path: Path, good: str, more: str
) -> None:
    for text in (good + more, good.rstrip("\n") + more, good[:30] + more + good[30:]):
        loads_or_raises(write(tmp_path / "any.txt", text), event_size=5)


def test_the_compiled_reader_and_plain_python_agree(tmp_path: Path) -> None:
    from relaylab.workload.scan import codes
    from relaylab.workload.scan import lines as compiled

    plain: Any = getattr(compiled.scan, "py_func", compiled.scan)
    block = np.frombuffer((DATA / "blkparse.txt").read_bytes()[:3000], np.uint8)
    none = np.zeros(1, np.int64)
    results = []
    for scan in (compiled.scan, plain):
        told = np.zeros(8, np.int64)
        columns = np.zeros(99, np.int64), np.zeros(99, np.uint16), np.zeros(99, np.uint32)
        names = np.frombuffer(b"QGDC", np.uint8), np.arange(5), np.full(4, 48)
        code = scan(codes.BLKPARSE, block, *names, none, none, none, -1, *columns, told)
        results.append((code, told.tolist(), [column.tolist() for column in columns]))
    assert results[0] == results[1]
