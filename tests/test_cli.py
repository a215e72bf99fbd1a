"""The command line: quick, clear about errors, and true in what it reports."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from relaylab import resources
from relaylab.cli import main
from relaylab.cli.completion import candidates
from relaylab.cli.parser import COMMANDS, build_parser

HEAVY = ("numpy", "numba", "bokeh", "ipywidgets", "pandas", "xarray", "IPython")
RELAYLAB = [sys.executable, "-m", "relaylab"]
# What is promised in seconds holds on a machine that does nothing else.
ALONE = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
SMALL = "timestamp_ns,cpu,size\n" + "".join(f"{1000 * i},{i % 2},100\n" for i in range(1000))


@pytest.fixture
def small(tmp_path: Path) -> str:
    path = tmp_path / "small.csv"
    path.write_text(SMALL)
    return str(path)


@pytest.mark.parametrize(
    "words", [["--help"], ["replay", "--help"], ["__complete", "replay", "--s"]]
)
def test_help_and_completion_import_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys\nfrom relaylab.cli import main\n"
        f"try:\n    main({words!r})\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert done.stdout


@pytest.mark.parametrize("words", [["--help"], ["__complete", "replay", "--s"]])
def test_help_and_completion_answer_in_0_4_seconds(words: list[str]) -> None:
    took = []
    for _ in range(5):
        before = os.times()
        subprocess.run([*RELAYLAB, *words], capture_output=True, check=True)
        after = os.times()
        # Processor time: what else the machine is busy with does not count.
        user = after.children_user - before.children_user
        took.append(user + after.children_system - before.children_system)
    assert min(took) <= 0.4


def test_importing_relaylab_imports_no_widgets_and_no_engine() -> None:
    code = f"import sys, relaylab; print([name for name in {HEAVY!r} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_examples(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert f"usage: relaylab {command}" in text
    assert f"relaylab {command}" in text.split("usage:")[1].partition("\n")[2]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_into_80_columns_but_for_examples(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main([command, "--help"])
    told = capsys.readouterr().out
    prose = re.split("^(?:examples|readers .*|to have it .*):", told, flags=re.M)[0]
    assert max(map(len, prose.splitlines())) <= 80


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "commands:" in capsys.readouterr().out


def test_an_error_is_one_message_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "no-such-file.csv"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("relaylab replay: ")
    assert "no-such-file.csv" in err
    assert "Traceback" not in err


def test_a_wrong_channel_size_is_refused_before_anything_runs(
    small: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", small, "--n-subbufs", "0"]) == 2
    assert "n_subbufs" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["--subbuf-size", "64 parsecs"],
        ["--speed", "0"],
        ["--speed", "2", "--full-speed"],
        ["--reader-latency", "5"],
        ["--n-subbufs", "many"],
    ],
)
def test_arguments_that_mean_nothing_say_what_is_allowed(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["replay", *words])
    assert ended.value.code == 2
    assert words[0] in capsys.readouterr().err


def test_replay_accounts_for_every_event(small: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["replay", small, "--subbuf-size", "1000", "--n-subbufs", "4", "--json", "--full-speed"]
    assert main(words) == 0
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert err == ""
    assert report["events"] == 1000
    assert report["written"] + report["lost"] == 1000
    assert report["lost"] == sum(report[f"lost_{why}"] for why in ("full", "unfull", "too_large"))
    assert report["written_bytes"] == 100 * report["written"]
    assert report["memory"] == 2 * 4096
    assert 1 <= report["high_water"] <= 4
    assert report["padding_bytes"] >= 0


def test_replay_without_losses_switches_as_often_as_the_bytes_need(
    small: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "replay",
        small,
        "--subbuf-size",
        "990",
        "--n-subbufs",
        "200",
        "--json",
        "--full-speed",
    ]
    assert main(words) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["written"] == 1000
    # 500 events of 100 bytes a CPU, 9 in each sub-buffer of 990: 56, the last with 5.
    assert report["switches"] == 2 * 56
    assert report["padding_bytes"] == 2 * (56 * 990 - 500 * 100)


def test_replay_in_overwrite_mode_loses_nothing(
    small: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--subbuf-size", "1000", "--n-subbufs", "2", "--overwrite", "--full-speed", "--json"]
    assert main(["replay", small, "--reader-latency", "100 ms", *words]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["written"] == 1000
    assert report["lost"] == 0


def test_a_slow_reader_loses_events_and_the_table_says_so(
    small: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--subbuf-size", "1000", "--n-subbufs", "2", "--full-speed"]
    assert main(["replay", small, "--reader-latency", "50 ms", *words]) == 0
    table = dict(line.strip().split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    lost = int(table["lost"].split()[0].replace(",", ""))
    assert lost > 0
    assert lost == sum(int(table[why].split()[0]) for why in ("full", "unfull"))


def test_progress_is_shown_on_request_and_never_in_the_output(
    small: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", small, "--json", "--full-speed", "--progress"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["events"] == 1000
    assert "100%" in err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for a single process")
def test_ctrl_c_ends_a_replay_at_once_with_130(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text("timestamp_ns,cpu,size\n0,0,10\n600000000000,0,10\n")
    with subprocess.Popen(
        [*RELAYLAB, "replay", str(path), "--progress"], stderr=subprocess.PIPE, bufsize=0
    ) as process:
        assert process.stderr is not None
        seen = b""
        while b"Replaying" not in seen and process.poll() is None:
            seen += process.stderr.read(1)
        assert b"Replaying" in seen, seen + process.stderr.read()
        time.sleep(0.3)
        start = time.perf_counter()
        process.send_signal(signal.SIGINT)
        while process.stderr.read(1) not in (b"\n", b""):  # the end of the progress line
            pass
        took = time.perf_counter() - start
        assert process.stderr.read() == b""
        status = process.wait(timeout=120)
    assert status == 130
    assert took < (0.5 if ALONE else 60)  # the next event is due after ten minutes


def test_output_to_a_reader_that_went_away_is_no_traceback(small: str) -> None:
    if os.name != "posix":
        pytest.skip("needs a POSIX pipe")
    reading, writing = os.pipe()
    os.close(reading)
    command = [*RELAYLAB, "replay", small, "--full-speed"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert done.returncode == 1
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([""], sorted(COMMANDS)),
        (["re"], ["replay"]),
        (["replay", "--full"], ["--full-speed"]),
        (["replay", "--subbuf-size", ""], []),
        (["replay", ""], []),
        (["completion", ""], ["bash", "fish", "zsh"]),
        (["completion", "z"], ["zsh"]),
    ],
)
def test_completion_knows_commands_options_and_choices(words: list[str], found: list[str]) -> None:
    assert candidates(build_parser(), words) == found


def test_bash_completes_with_the_script(tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash on this machine")
    command = tmp_path / "relaylab"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m relaylab "$@"\n')
    command.chmod(0o755)
    script = (
        'eval "$(relaylab completion bash)"; COMP_WORDS=(relaylab replay --n); COMP_CWORD=2;'
        '_relaylab; echo "${COMPREPLY[@]}"; complete -p relaylab'
    )
    env = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    out = subprocess.check_output([bash, "-c", script], env=env, text=True)
    assert out.splitlines()[0] == "--n-subbufs --no-progress"
    assert "-F _relaylab relaylab" in out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_scripts_are_what_the_shell_accepts(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "relaylab __complete" in script
    program = shutil.which(shell)
    if program is not None:
        subprocess.run([program, "-n"], input=script, text=True, check=True)


def fetched(address: str) -> Any:
    """The JSON at `address`, which Jupyter tells before it listens there."""
    for _ in range(600):
        try:
            with urllib.request.urlopen(address, timeout=120) as answer:
                return json.load(answer)
        except urllib.error.URLError:
            time.sleep(0.2)
    raise TimeoutError(address)


@pytest.mark.slow
def test_lab_copies_the_notebooks_without_touching_mine_and_tells_where_it_serves_them(
    tmp_path: Path,
) -> None:
    mine = tmp_path / "notebooks" / "workbench.ipynb"
    mine.parent.mkdir()
    mine.write_text("{}")
    command = [*RELAYLAB, "lab", "--to", str(mine.parent), "--no-browser", "--", "--allow-root"]
    log = (tmp_path / "log").open("w")
    with log, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process:
        try:
            assert process.stdout is not None
            link = re.compile(r"JupyterLab is at (http://localhost:\d+/)lab.*(token=\w+)")
            address = next(filter(None, map(link.search, process.stdout)))
            listing = f"{address[1]}api/contents?{address[2]}"
            names = [entry["name"] for entry in fetched(listing)["content"]]
        finally:
            process.terminate()
            process.wait(timeout=120)
    bundled = [path.name for path in resources.notebooks().glob("*.ipynb")]
    assert sorted(names) == sorted([*bundled, "workbench.new.ipynb"])
    assert mine.read_text() == "{}"


def test_lab_that_cannot_copy_says_where_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = tmp_path / "file"
    taken.write_text("")
    assert main(["lab", "--to", str(taken)]) == 2
    assert str(taken) in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--preset", "no such lesson"], "The event lost at unfull"),
        (["--preset", "lttng", "--scenario", "mine.json"], "--preset and --scenario"),
        (["trace.csv", "--preset", "lttng"], "TRACE and --preset"),
        (["--scenario", "nowhere.json"], "nowhere.json"),
        (["--attach", "cpu0", "--virtual"], "only looks on"),
    ],
)
def test_a_demo_of_something_that_is_not_there_is_refused_before_anything_starts(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--no-browser", *words]) == 2
    assert told in capsys.readouterr().err


TRACES = Path(__file__).parent / "data" / "traces"


@pytest.mark.parametrize(
    ("words", "events"),
    [
        (["gen_wburst500"], 49_672),
        ([str(TRACES / "perf.txt"), "--event-size", "64"], 200),
        ([str(TRACES / "blkparse.txt"), *(f"--event-size={name}=48" for name in "QGDC")], 403),
        ([str(TRACES / "babeltrace.txt.gz")], 60),
    ],
)
def test_replay_takes_traces_of_every_kind(
    words: list[str], events: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", *words, "--full-speed", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["events"] == events


@pytest.mark.parametrize("command", ["replay", "demo"])
def test_a_trace_without_sizes_asks_for_the_option(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, str(TRACES / "perf.txt")]) == 2
    assert "--event-size 64" in capsys.readouterr().err
    assert main([command, str(TRACES / "perf.txt"), "--event-size=5", "--event-size=a=6"]) == 2
    assert "one SIZE for all events, or NAME=SIZE" in capsys.readouterr().err
