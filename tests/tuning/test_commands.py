"""`relaylab advise` and `relaylab sweep`: tables for people, JSON for programs, clear errors."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import relaylab
from relaylab import Reader, resources, workload
from relaylab.cli import main

QUICK = ["--reader-latency", "2 ms", "--reader-per-subbuf", "15 us", "--reader-rate", "2 GB/s"]


def out(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(list(words)) == 0
    told = capsys.readouterr()
    assert told.err == ""
    return told.out


def test_advise_says_what_python_says(capsys: pytest.CaptureFixture[str]) -> None:
    reader = Reader(latency="2 ms", per_subbuf="15 us", rate="2 GB/s")
    best = relaylab.advise(workload.load(resources.trace()), reader=reader, n_cpus=8)
    told = json.loads(out(capsys, "advise", *QUICK, "--cpus", "8", "--json"))
    assert told == json.loads(best.as_json())
    text = out(capsys, "advise", *QUICK, "--cpus", "8")
    assert text.startswith(repr(best))
    for tool in relaylab.tuning.TOOLS:
        assert f"{tool:<10} {best.flags(tool)}" in text


def test_advise_for_a_tool_has_its_options_on_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    text = out(capsys, "advise", *QUICK, "--tool", "lttng")
    assert text.splitlines()[1].startswith("lttng enable-channel --discard --subbuf-size=")
    told = json.loads(out(capsys, "advise", *QUICK, "--tool", "lttng", "--json"))
    assert list(told["flags"]) == ["lttng"]
    assert (told["event_overhead"], told["subbuf_header"]) == (10, 84)


def test_advise_takes_a_blktrace_file_and_tells_when_the_reader_is_the_limit(
    capsys: pytest.CaptureFixture[str],
) -> None:
    trace = str(resources.trace("gen_wburst500"))
    text = out(capsys, "advise", trace, "--tool", "blktrace")
    assert "blktrace -b " in text
    slow = out(capsys, "advise", trace, "--reader-rate", "1 MB/s")
    assert slow.startswith("no buffer is large enough: your reader is the limit")


def test_advise_asks_for_the_sizes_that_a_text_does_not_have(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("timestamp_ns,cpu\n" + "".join(f"{i * 10**6},0\n" for i in range(100)))
    assert main(["advise", str(path)]) == 2
    assert "event_size" in capsys.readouterr().err
    assert "x" in out(capsys, "advise", str(path), "--event-size", "48")


def test_a_trace_that_is_cut_off_can_be_used_up_to_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cut.blktrace.0"
    path.write_bytes(gzip.decompress(resources.trace("gen_wburst500").read_bytes())[:50_000])
    assert main(["advise", str(path)]) == 2
    assert "--skip-damaged" in capsys.readouterr().err
    assert "1 skipped" in out(capsys, "advise", str(path), "--skip-damaged").splitlines()[-1]


def test_a_trace_that_is_too_short_for_the_reader_is_said_to_be(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for latency, is_short in (("10 ms", False), ("250 ms", True)):
        told = json.loads(out(capsys, "advise", "--reader-latency", latency, "--json"))
        assert ("Beware: the trace lasts 1.98 s" in told["reason"]) is is_short


def test_a_trace_can_come_from_a_pipe() -> None:
    table = "timestamp_ns,cpu,size\n" + "".join(f"{i * 10**6},0,64\n" for i in range(100))
    command = [sys.executable, "-m", "relaylab", "advise", "-"]
    done = subprocess.run(command, input=table, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    assert "100 events on 1 CPU" in done.stdout


@pytest.mark.parametrize("command", ["advise", "doctor"])
def test_what_is_said_fits_into_the_terminal(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [command, *(["a foreign text"] if command == "doctor" else QUICK)]
    monkeypatch.setenv("COLUMNS", "80")
    assert max(map(len, out(capsys, *words).splitlines())) <= 80


def test_only_a_command_that_has_tools_speaks_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    for command, has in (("advise", True), ("sweep", False)):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        assert ("--tool" in capsys.readouterr().out) is has


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--reader-period", "5 ms", "--reader-sleep", "1 ms"], "one kind of reader"),
        (["--reader-latency", "5 ms", "--reader-sleep", "1 ms"], "one kind of reader"),
        (["--reader-per-read", "1 ms"], "--reader-sleep"),
        (["--memory", "10"], "memory_limit"),
        (["--cpus", "0"], "n_cpus"),
        (["no-such-file.csv"], "no-such-file.csv"),
    ],
)
def test_advise_says_what_is_wrong(
    words: list[str], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["advise", *words]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert what in told.err
    assert "Traceback" not in told.err


@pytest.mark.parametrize("words", [["--margin", "0.5"], ["--tool", "dtrace"], ["--memory", "big"]])
def test_options_that_mean_nothing_are_refused(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["advise", *words])
    assert ended.value.code == 2
    assert words[0] in capsys.readouterr().err


GRID = ["--subbuf-sizes", "16k,64k", "--n-subbufs", "2,4,8"]


def test_sweep_prints_what_simulate_says(capsys: pytest.CaptureFixture[str]) -> None:
    load = workload.load(resources.trace())
    reader = Reader(latency="2 ms", per_subbuf="15 us", rate="2 GB/s")
    told = json.loads(out(capsys, "sweep", *GRID, *QUICK, "--json"))
    for i, size in enumerate(told["subbuf_size"]):
        for j, n in enumerate(told["n_subbufs"]):
            result = relaylab.simulate(load, size, n, reader, rules="linux")
            assert told["lost"][i][j] == result.lost
            assert told["memory"][i][j] == result.memory
            assert (told["least_n_subbufs"][i] <= n) == (result.lost == 0)
    lines = out(capsys, "sweep", *GRID, *QUICK).splitlines()
    assert lines[-2].startswith("trace: w6_twocpu: 200,000 events on 2 CPUs")
    assert lines[-1] == f"reader: {reader!r}"
    head, *rows = lines[: lines.index("")]
    assert head.split() == ["%", "lost", "x", "2", "x", "4", "x", "8", "enough"]
    for row, shares in zip(rows, told["loss_fraction"], strict=True):
        cells = row.split()[2:]
        assert [float(cell) for cell in cells[:-1]] == [round(100 * share, 2) for share in shares]
    assert [row.split()[-1] for row in rows] == [str(n) for n in told["least_n_subbufs"]]


def test_sweep_on_two_processes_gives_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    one = out(capsys, "sweep", *GRID, *QUICK, "--json")
    assert out(capsys, "sweep", *GRID, *QUICK, "--json", "--workers", "2") == one


def test_sweep_refuses_what_is_no_list(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--n-subbufs", "2,0"], ["--subbuf-sizes", "4k;8k"], ["--n-subbufs", ""]):
        with pytest.raises(SystemExit):
            main(["sweep", *words])
        assert words[0] in capsys.readouterr().err
    assert main(["sweep", "--workers", "0"]) == 2
    assert "--workers" in capsys.readouterr().err


def test_progress_is_told_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["advise", *QUICK, "--json", "--progress"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["is_possible"]
    assert "Simulating w6_twocpu" in told.err


def test_advise_finds_the_reader_from_measured_losses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load = workload.bursts(events=300, every="5 ms", size=96, n_cpus=1, duration="200 ms")
    trace, table = tmp_path / "t.csv", tmp_path / "losses.csv"
    pd.DataFrame({"timestamp_ns": load.t_ns, "cpu": load.cpu, "size": load.size}).to_csv(
        trace, index=False
    )
    reader = Reader(latency="8 ms", per_subbuf="200 us")
    shapes = [(size, n) for size in (2048, 4096, 8192) for n in (2, 4, 8)]
    lost = [
        relaylab.simulate(load, size, n, reader, rules="linux").loss_fraction for size, n in shapes
    ]
    cells = pd.DataFrame(shapes, columns=["subbuf_size", "n_subbufs"])
    cells.assign(loss_fraction=lost).to_csv(table, index=False)
    told = json.loads(out(capsys, "advise", str(trace), "--measured", str(table), "--json"))
    best = relaylab.advise(load, reader=reader)
    assert told["is_possible"]
    assert told["least_memory"] == pytest.approx(best.least_memory, rel=0.3)


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--measured", "no-such-table.csv"], "no-such-table.csv"),
        (["--measured", "no-such-table.csv", "--reader-rate", "1 GB/s"], "--reader-rate"),
    ],
)
def test_measured_losses_that_cannot_be_had_are_said(
    words: list[str], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["advise", *words]) == 2
    assert what in capsys.readouterr().err


def test_a_table_without_the_columns_says_which(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i, text in enumerate(("a,b\n1,2\n", "", "subbuf_size\n")):
        path = tmp_path / f"{i}.csv"
        path.write_text(text)
        assert main(["advise", "--measured", str(path)]) == 2
        assert "loss_fraction" in capsys.readouterr().err
