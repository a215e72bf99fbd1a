"""Traces load whole and quickly, or say what is wrong with them and where."""

import errno
import gzip
import random
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import relaylab
from relaylab import ConfigError, FileError, resources, workload
from relaylab.workload import Workload, lines

HEADER = "timestamp_ns,cpu,size\n"


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_the_bundled_trace_loads_whole_in_well_below_a_second() -> None:
    workload.load(resources.trace())  # the first of all compiles
    start = time.perf_counter()
    load = workload.load(resources.trace())
    took = time.perf_counter() - start
    assert took < 0.8
    assert len(load) == 200_000
    assert load.n_cpus == 2
    assert (load.t_ns.dtype, load.cpu.dtype, load.size.dtype) == (np.int64, np.uint16, np.uint32)
    assert np.all(np.diff(load.t_ns) >= 0)
    assert load.t_ns[0] == 2_032_246_251_937
    assert np.bincount(load.cpu).tolist() == [100_000, 100_000]
    assert load.n_bytes == 200_000 * 96
    assert load.duration_ns == pytest.approx(2e9, rel=0.02)
    assert load.rate == pytest.approx(100_000, rel=0.02)


def test_a_workload_says_what_it_is() -> None:
    text = repr(workload.load(resources.trace()))
    for part in ("w6_twocpu", "200,000 events", "2 CPUs", "96 B each", "/s"):
        assert part in text
    assert "32 B .. 1 KiB each" in repr(workload.bursts(events=100, size=(32, 1024)))
    assert "1 event on 1 CPU " in repr(Workload([5], [0], [1]))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "timestamp_ns,cpu,size\n5,0,10\n7,1,20\n",
        "\ufefftimestamp_ns,cpu,size\r\n5,0,10\r\n7,1,20\r\n",
        "size,name,cpu,timestamp_ns\n10,read,0,5\n20,write,1,7\n",
        "Timestamp_ns, CPU, Size\n 5 , 0 , 10\n\n7,1,20",
        "timestamp_ns,cpu,size,x\n5,0,10,-1\n7,1,20,0.5\n",
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_csv_is_read_in_any_column_order_plain_or_packed(
    text: str, packed: bool, tmp_path: Path
) -> None:
    path = tmp_path / "t"  # recognised by its content, not by its name
    data = text.encode()
    path.write_bytes(gzip.compress(data) if packed else data)
    load = workload.load(path)
    assert load.t_ns.tolist() == [5, 7]
    assert load.cpu.tolist() == [0, 1]
    assert load.size.tolist() == [10, 20]


def test_sizes_may_be_given_for_a_file_without_them(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "timestamp_ns,cpu\n5,0\n7,1\n")
    with pytest.raises(ConfigError, match="event_size"):
        workload.load(path)
    assert workload.load(path, event_size=64).size.tolist() == [64, 64]
    sized = write(tmp_path / "sized.csv", HEADER + "5,0,10\n")
    assert workload.load(sized, event_size=64).size.tolist() == [10]
    with pytest.raises(ConfigError, match="event_size"):
        workload.load(path, event_size=-1)


@pytest.mark.parametrize(
    ("lines", "line", "reason"),
    [
        ("5,0,10\n6,0\n", 3, "size"),
        ("5,0,10\n6,0,x\n", 3, "size"),
        ("5,0,10\n6,0,1.5\n", 3, "size"),
        ("5,0,10\n6,0,-1\n", 3, "size"),
        ("5,0,10\n6,0,2147483648\n", 3, "size"),
        ("5,0,10\n6,65535,1\n", 3, "cpu"),
        ("5,-1,10\n", 2, "cpu"),
        ("\n\n5,,10\n", 4, "cpu"),
        ("99999999999999999999,0,10\n", 2, "timestamp_ns"),
        ("9223372036854775808,0,10\n", 2, "timestamp_ns"),
        ("5,0,10\n7,0,10\n6,0,10\n", 4, "backwards"),
        ("5,0,10\n\x00\n", 3, "timestamp_ns"),
        ("5,0,1_0\n", 2, "size"),
        ("٥,0,10\n", 2, "timestamp_ns"),
    ],
)
def test_a_damaged_line_is_named_with_its_reason_or_left_out_on_request(
    lines: str, line: int, reason: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "bad.csv", HEADER + lines)
    with pytest.raises(ConfigError, match=rf"bad\.csv, line {line}: .*{reason}"):
        workload.load(path)
    path = write(tmp_path / "bad.csv", HEADER + "0,0,10\n" + lines)
    load = workload.load(path, errors="skip")
    assert load.skipped == 1
    assert len(load) == len(lines.split())  # the damaged line is out, the one before is in
    assert "1 skipped" in repr(load)


def test_the_largest_allowed_values_are_kept_exactly(tmp_path: Path) -> None:
    last = f"{2**63 - 1},65534,{2**31 - 1}"
    load = workload.load(write(tmp_path / "t.csv", HEADER + f"{2**53 + 1},0,1\n{last}\n"))
    assert load.t_ns.tolist() == [2**53 + 1, 2**63 - 1]
    assert load.cpu.tolist() == [0, 65534]
    assert load.size.tolist() == [1, 2**31 - 1]


@pytest.mark.parametrize(
    "text", ["", "\n", HEADER, "a,b\n1,2\n", "5,0,10\n", "\x89PNG\r\n\x1a\n", "timestamp_ns,cpu\n"]
)
def test_what_is_no_trace_is_a_config_error_that_says_what_one_is(
    text: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "odd.csv", text)
    for errors in ("raise", "skip"):
        with pytest.raises(ConfigError, match=r"odd\.csv"):
            workload.load(path, errors=errors)


def test_a_file_that_cannot_be_opened_is_a_file_error_with_errno(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="missing") as missing:
        workload.load(tmp_path / "missing.csv")
    assert missing.value.errno == errno.ENOENT
    with pytest.raises(FileError) as directory:
        workload.load(tmp_path)
    assert directory.value.errno in (errno.EISDIR, errno.EACCES)
    for wrong in ("a\0b", 5):
        with pytest.raises(ConfigError, match="path"):
            workload.load(wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="errors"):
        workload.load(tmp_path, errors="ignore")  # type: ignore[arg-type]


def test_progress_goes_up_to_the_whole_file() -> None:
    seen: list[float] = []
    workload.load(resources.trace(), progress=seen.append)
    assert seen == sorted(seen)
    assert len(seen) >= 4
    assert seen[-1] == 1.0


def test_an_interrupt_ends_a_load_at_once(tmp_path: Path) -> None:
    class Stop(BaseException):
        pass

    def stop(share: float) -> None:
        raise Stop

    with pytest.raises(Stop):
        workload.load(resources.trace(), progress=stop)


def test_a_cut_file_is_refused_or_gives_what_came_before(tmp_path: Path) -> None:
    whole = resources.trace().read_bytes()
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ConfigError, match=r"cut\.csv\.gz, line \d+: .*cut"):
        workload.load(path)
    part, full = workload.load(path, errors="skip"), workload.load(resources.trace())
    assert 10_000 < len(part) < len(full)
    assert part.skipped == 1
    assert np.array_equal(part.t_ns, full.t_ns[: len(part)])


def loads_or_raises(path: Path) -> None:
    for errors in ("raise", "skip"):
        try:
            load = workload.load(path, errors=errors)
        except relaylab.RelayError:
            continue
        assert len(load) > 0
        assert np.all(np.diff(load.t_ns) >= 0)
        assert load.skipped == 0 or errors == "skip"


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False), st.booleans(), st.booleans())
def test_any_damage_to_a_real_file_loads_or_raises_a_relay_error(
    tmp_path: Path, chance: random.Random, packed: bool, cut: bool
) -> None:
    text = gzip.decompress(resources.trace().read_bytes())[:60_000]
    data = bytearray(gzip.compress(text) if packed else text)
    for _ in range(chance.randrange(5)):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    if cut:
        del data[chance.randrange(len(data)) :]
    path = tmp_path / "damaged"
    path.write_bytes(data)
    loads_or_raises(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(), st.text().map(lambda s: (HEADER + s).encode())))
def test_any_bytes_load_or_raise_a_relay_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "any"
    path.write_bytes(data)
    loads_or_raises(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.integers(0, 2**63 - 1), st.integers(0, 65534), st.integers(0, 2**31 - 1)),
        min_size=1,
    )
)
def test_what_is_written_is_read_back_exactly_across_chunks(
    tmp_path: Path, rows: list[tuple[int, int, int]]
) -> None:
    rows.sort()
    path = tmp_path / "rows.csv"
    path.write_text(HEADER + "".join(f"{t},{cpu},{size}\n" for t, cpu, size in rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "CHUNK", 64)
        load = workload.load(path)
    got = zip(load.t_ns.tolist(), load.cpu.tolist(), load.size.tolist(), strict=True)
    assert list(got) == rows


def test_a_file_without_line_ends_is_refused_without_reading_it_whole(tmp_path: Path) -> None:
    path = tmp_path / "zeros.gz"
    packed = gzip.compress(bytes(64 << 20), 1)
    path.write_bytes(packed[: len(packed) // 2])  # who reads on finds that it is cut
    with pytest.raises(ConfigError, match="line 1: longer than"):
        workload.load(path)


@pytest.mark.parametrize(
    ("t_ns", "cpu", "size", "n_cpus", "what"),
    [
        ([1, 2], [0], [1, 1], 0, "one length"),
        ([2, 1], [0, 0], [1, 1], 0, r"t_ns\[1\]"),
        ([-1], [0], [1], 0, r"t_ns\[0\]"),
        ([1], [65535], [1], 0, r"cpu\[0\]"),
        ([1], [0], [2**31], 0, r"size\[0\]"),
        ([1], [3], [1], 3, "n_cpus"),
        ([1.5], [0], [1], 0, "integers"),
        ([[1]], [0], [1], 0, "one-dimensional"),
    ],
)
def test_a_workload_that_makes_no_sense_is_refused(
    t_ns: list[int], cpu: list[int], size: list[int], n_cpus: int, what: str
) -> None:
    with pytest.raises(ConfigError, match=what):
        Workload(t_ns, cpu, size, n_cpus=n_cpus)  # type: ignore[arg-type]


def test_a_workload_cannot_be_changed() -> None:
    load = workload.bursts(events=2, duration="20 ms")
    with pytest.raises(ValueError, match="read-only"):
        load.t_ns[0] = 5
    with pytest.raises(AttributeError):
        load.name = "x"  # type: ignore[misc]


def test_bursts_come_at_multiples_of_the_period_on_every_cpu() -> None:
    load = workload.bursts(events=3, every="10 ms", size=96, n_cpus=2, duration="25 ms", gap="1 us")
    assert len(load) == 3 * 3 * 2
    for cpu in (0, 1):
        times = load.t_ns[load.cpu == cpu].reshape(3, 3)
        assert times[:, 0].tolist() == [0, 10_000_000, 20_000_000]
        assert np.all(np.diff(times) == 1000)
    assert set(load.size.tolist()) == {96}
    assert load.n_cpus == 2


def test_bursts_end_before_their_duration_even_when_they_overlap() -> None:
    load = workload.bursts(events=30, every=10, gap=1, duration=25, n_cpus=1)
    assert load.t_ns.max() == 24
    assert np.all(np.diff(load.t_ns) >= 0)
    assert len(load) == 25 + 15 + 5


def test_drawn_sizes_depend_on_the_seed_alone_and_stay_in_their_range() -> None:
    first, again, other = (workload.bursts(size=(10, 20), seed=seed) for seed in (7, 7, 8))
    assert np.array_equal(first.size, again.size)
    assert not np.array_equal(first.size, other.size)
    assert (first.size.min(), first.size.max()) == (10, 20)


@pytest.mark.parametrize(
    "wrong",
    [
        {"events": 0},
        {"events": 2.5},
        {"every": 0},
        {"every": "1 lightyear"},
        {"duration": "0 s"},
        {"size": (20, 10)},
        {"size": 2**31},
        {"n_cpus": 0},
        {"seed": -1},
        {"events": 10**9},
        {"gap": "200000 h"},
    ],
)
def test_bursts_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        workload.bursts(**wrong)  # type: ignore[arg-type]


def test_every_bundled_trace_is_named_and_unknown_names_are_a_file_error() -> None:
    assert resources.DEFAULT_TRACE in resources.trace_names()
    with pytest.raises(FileError, match="w6_twocpu") as unknown:
        resources.trace("../../secret")
    assert unknown.value.errno == errno.ENOENT


@pytest.mark.parametrize(
    "line", ["\n", " \r\n", "x,0,1\n", " 7 , 0 , 1 \n", "7,0,0001\n", '7,"0",1\n']
)
def test_a_file_of_odd_lines_ends_soon(line: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    path.write_text(HEADER + "5,0,10\n" + line * 200_000 + "9,0,10\n")
    start = time.process_time()
    load = workload.load(path, errors="skip")
    assert time.process_time() - start < 10
    assert load.t_ns[[0, -1]].tolist() == [5, 9]
    assert len(load) + load.skipped == (2 if not line.strip() else 200_002)


@pytest.mark.parametrize("name", ["t_ns", "time_ns"])
def test_columns_may_have_other_names_that_can_mean_nothing_else(name: str, tmp_path: Path) -> None:
    load = workload.load(write(tmp_path / "t.csv", f"{name},cpu_id,size_bytes\n5,1,10\n"))
    assert (load.t_ns[0], load.cpu[0], load.size[0]) == (5, 1, 10)
    with pytest.raises(ConfigError, match="several columns"):
        workload.load(write(tmp_path / "t.csv", "t_ns,time_ns,cpu,size\n5,6,1,10\n"))
    with pytest.raises(ConfigError, match="no column timestamp_ns"):
        workload.load(write(tmp_path / "t.csv", "time,cpu,size\n5,1,10\n"))


@pytest.mark.parametrize("name", ["zeros", "zeros.csv", "zeros.txt"])
@pytest.mark.parametrize(
    "begin",
    [
        b"",
        HEADER.encode() + b"5,0,10\n",
        b" a-1 [000] 5.000000: x: y\n",
        b"  8,0    3        1     0.000000001   697  G   W 223490 + 8 [x]\n",
        b"[00:00:01.000000001] vm p:e: { cpu_id = 1 }, { }\n",
    ],
)
def test_ten_gigabytes_of_zeros_end_at_once_and_in_little_memory(
    name: str, begin: bytes, tmp_path: Path
) -> None:
    resource = pytest.importorskip("resource")
    path = tmp_path / name
    with path.open("wb") as file:
        file.write(begin)
        file.truncate(10 << 30)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    with pytest.raises(ConfigError, match=rf"{name}, line \d: longer than"):
        workload.load(path, event_size=1)
    if begin:
        load = workload.load(path, event_size=1, errors="skip")
        assert (len(load), load.skipped) == (1, 1)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 150_000
    assert time.process_time() - start < 30  # the first text compiles


def test_bytes_that_are_no_text_are_not_thrown_at_a_terminal(tmp_path: Path) -> None:
    path = tmp_path / "noise"
    path.write_bytes(bytes(range(128, 256)) * 8)
    with pytest.raises(ConfigError, match=r"got 'bytes that are no text'.*perf script"):
        workload.load(path)
