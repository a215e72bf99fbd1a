"""The commands on relay files, as processes: what they show, consume, write and report."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mount import loops
from mount.peers import SECONDS, Peer, wait_until

from relaylab import mounts as relaylab_mounts
from relaylab import relayfs
from relaylab.cli import main
from relaylab.cli.completion import candidates
from relaylab.cli.finding import find, find_one, natural
from relaylab.cli.parser import build_parser
from relaylab.cli.tail import beginning
from relaylab.cli.target import Target
from relaylab.errors import FileError

RELAYLAB = [sys.executable, "-m", "relaylab"]
MakePeer = Callable[..., Peer]


def relaylab(*words: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.run([*RELAYLAB, *words], timeout=SECONDS, check=False, **options)


def told(*words: str) -> Any:
    """What a command prints with --json."""
    done = relaylab(*words, "--json")
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    return json.loads(done.stdout)


def fill(chan: relayfs.Channel, *events: bytes, cpu: int = 0) -> None:
    """Write events, each in a sub-buffer of its own."""
    for event in events:
        assert chan.write(event, cpu=cpu)
        chan.switch_subbuf(cpu, 0)


@pytest.fixture
def chan() -> Iterator[relayfs.Channel]:
    """Two CPUs, 4 sub-buffers of 64 bytes in the directory "trace" of a mount of this process."""
    with relayfs.RelayFS(n_cpus=2) as fs:
        directory = relayfs.relayfs_create_dir("trace", None, fs=fs)
        made = relayfs.relay_open("cpu", directory, 64, 4, False, None, fs=fs)
        fs.mount()
        yield made


OWNER = """
fs = relayfs.RelayFS(n_cpus=2)
directory = relayfs.relayfs_create_dir("trace", None, fs=fs)
chan = relayfs.relay_open("cpu", directory, size, n, overwrite, None, fs=fs)
point = fs.mount()
progress = [np.zeros(3, np.int64) for _ in range(2)]

def write(cpu):
    loops.write_events(chan.handle(cpu), progress[cpu], loops.NO_END, 0, False)

threads = [threading.Thread(target=write, args=(cpu,), daemon=True) for cpu in range(2)]
for thread in threads:
    thread.start()

def stop():
    for one in progress:
        one[loops.STOPPED] = 1
    for thread in threads:
        thread.join()
"""


@pytest.fixture
def owner(peer: MakePeer) -> Callable[..., Peer]:
    """Another process with a mounted channel of two CPUs, written to at full speed."""

    def make(size: int = 1000, n: int = 8, overwrite: bool = False) -> Peer:
        made = peer(size=size, n=n, overwrite=overwrite)
        made.run(OWNER)
        return made

    return make


def consumed(owner: Peer) -> list[int]:
    """Sub-buffers consumed of each CPU."""
    found: list[int] = owner.value("[buf.subbufs_consumed for buf in chan.buffers]")
    return found


class Dump:
    """`relaylab dump trace` as a process that has got going."""

    def __init__(self, owner: Peer, out: Path, *words: str) -> None:
        self.out = out
        command = [*RELAYLAB, "dump", "trace", "--out", str(out), "--json", *words]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_until(lambda: all(count > 100 for count in consumed(owner)) or self.is_over)

    @property
    def is_over(self) -> bool:
        return self.process.poll() is not None

    def report(self, status: int = 0) -> Any:
        out, err = self.process.communicate(timeout=SECONDS)
        assert self.process.returncode == status, err
        assert err == b""
        return json.loads(out)

    def events(self, cpu: int) -> loops.Checked:
        return loops.Checked(np.fromfile(self.out / f"cpu{cpu}", np.uint8))


# mounts, ls, stat ------------------------------------------------------------------------------


def test_mounts_tells_directory_owner_and_files(chan: relayfs.Channel) -> None:
    (mount,) = told("mounts")
    assert mount["pid"] == os.getpid()
    assert mount["files"] == ["trace/cpu0", "trace/cpu1"]
    assert mount["since"] > 0
    head, row = relaylab("mounts").stdout.decode().splitlines()
    assert head.split() == ["directory", "process", "mounted", "for", "files"]
    assert row.split()[:2] == [mount["path"], str(os.getpid())]


def test_without_a_mount_mounts_and_ls_tell_how_to_get_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert told("mounts") == []
    for command in ("mounts", "ls"):
        assert main([command]) == 0
        assert "fs.mount()" in capsys.readouterr().out


def test_ls_tells_counters_and_state_of_each_file(chan: relayfs.Channel) -> None:
    fill(chan, b"a", b"b", b"c", b"d")
    chan.write(b"lost", 0)
    fill(chan, b"e", cpu=1)
    chan.write(b"half", 1)
    first, second = told("ls")
    assert (first["name"], first["cpu"]) == ("trace/cpu0", 0)
    assert (first["produced"], first["consumed"], first["ready"]) == (4, 0, 4)
    assert first["full"]
    assert first["open_bytes"] == 0
    assert first["stats"]["lost"] == 1
    assert (second["ready"], second["open_bytes"], second["full"]) == (1, 4, False)
    head, columns, *rows = relaylab("ls").stdout.decode().splitlines()
    assert str(os.getpid()) in head
    assert [" ".join(row.split()) for row in [columns, *rows]] == [
        "file cpu sub-buffers produced consumed ready lost state",
        "trace/cpu0 0 64 B x 4 4 0 4 1 full",
        "trace/cpu1 1 64 B x 4 1 0 1 0 ready",
    ]


def test_ls_of_a_directory_and_of_a_file_show_only_these(
    chan: relayfs.Channel, capsys: pytest.CaptureFixture[str]
) -> None:
    for word, names in (("trace", ["cpu0", "cpu1"]), ("trace/cpu1", ["cpu1"])):
        assert main(["ls", word, "--json"]) == 0
        assert [file["name"] for file in json.loads(capsys.readouterr().out)] == names


def test_ls_lists_what_a_dead_owner_left_with_the_reason(
    peer: MakePeer, point: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = peer(point=str(point))
    other.run(
        "fs = relayfs.RelayFS(n_cpus=1)\n"
        "chan = relayfs.relay_open('t', None, 64, 4, False, None, fs=fs)\n"
        "fs.mount(point)"
    )
    other.run("relayfs.relay_open('u', None, 64, 4, False, None, fs=fs)")
    other.kill()
    assert main(["ls", str(point)]) == 0
    assert capsys.readouterr().out.count("owner is gone") == 2


def test_stat_tells_sizes_counters_and_the_owner(chan: relayfs.Channel) -> None:
    fill(chan, b"abc")
    (state,) = told("stat", "trace/cpu0")
    assert state["pid"] == os.getpid()
    assert (state["subbuf_size"], state["n_subbufs"], state["alloc_size"]) == (64, 4, 4096)
    assert (state["produced"], state["consumed"], state["resets"]) == (1, 0, 0)
    assert state["stats"]["written_bytes"] == 3
    assert not state["finalized"]
    text = relaylab("stat", "trace/cpu0").stdout.decode()
    assert text.splitlines()[0] == state["path"]
    assert f"process {os.getpid()}" in text
    chan.reset()
    assert told("stat", "trace/cpu0")[0]["resets"] == 1


# PATH ------------------------------------------------------------------------------------------


def test_a_path_is_absolute_or_relative_to_here_or_to_a_mount(
    chan: relayfs.Channel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (mount,) = relaylab_mounts()
    point = mount.path
    absolute = f"{point}/trace/cpu1"
    assert find_one(absolute).path == absolute
    assert find_one("trace/cpu1").path == absolute
    assert [file.path for file in find(["trace"])] == [f"{point}/trace/cpu{n}" for n in (0, 1)]
    monkeypatch.chdir(point)
    assert find_one("trace/cpu1").path == "trace/cpu1"
    assert [file.name for file in find(["."])] == ["trace/cpu0", "trace/cpu1"]
    # what a dump left here does not stand in the way
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trace").mkdir()
    (tmp_path / "trace" / "cpu1").write_bytes(b"")
    assert find_one("trace/cpu1").path == absolute


def test_a_path_that_two_mounts_have_is_refused_with_both(chan: relayfs.Channel) -> None:
    with relayfs.RelayFS(n_cpus=1) as fs:
        directory = relayfs.relayfs_create_dir("trace", None, fs=fs)
        relayfs.relay_open("cpu", directory, 64, 4, False, None, fs=fs)
        other = fs.mount()
        with pytest.raises(FileError, match="several") as refused:
            find(["trace/cpu0"])
        assert f"{other}/trace/cpu0" in str(refused.value)
        (here,) = (mount.path for mount in relaylab_mounts() if mount.path != other)
        with pytest.raises(FileError, match="both be called 'cpu0'"):
            find([f"{other}/trace", f"{here}/trace"])


@pytest.mark.parametrize("command", ["ls", "stat", "tail", "cat", "dump"])
def test_a_path_that_leads_nowhere_is_one_message_and_status_2(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "out")] if command == "dump" else []
    for word, why in (
        ("no-such", "no such file"),
        (str(tmp_path), "there are no relay files there"),
    ):
        assert main([command, word, *out]) == 2
        err = capsys.readouterr().err
        assert err.startswith(f"relaylab {command}: {why}")
        assert word in err
        assert "relaylab mounts" in err
    assert not (tmp_path / "out").exists()


def test_files_are_listed_in_the_order_of_their_cpus() -> None:
    names = ["d/cpu10", "d/cpu2", "cpu1", "d2/cpu0", "cpu"]
    assert sorted(names, key=natural) == ["cpu", "cpu1", "d/cpu2", "d/cpu10", "d2/cpu0"]


def test_completion_knows_the_commands_and_their_options() -> None:
    assert candidates(build_parser(), ["du"]) == ["dump"]
    assert candidates(build_parser(), ["dump", "--p"]) == ["--partial", "--progress"]
    assert candidates(build_parser(), ["dump", ""]) == []  # the shell completes file names


# tail ------------------------------------------------------------------------------------------


def test_tail_shows_the_last_sub_buffers_and_consumes_nothing(chan: relayfs.Channel) -> None:
    fill(chan, b"one", b"two\n", b"\x00\xff")
    done = relaylab("tail", "-n", "2", "trace/cpu0")
    assert done.stderr == b""
    _, *rows = (row.split() for row in done.stdout.decode().splitlines())
    assert rows == [["1", "4", "60", "two⏎"], ["2", "2", "62", "00", "ff"]]
    assert chan.buffers[0].subbufs_consumed == 0


def test_tail_shows_consumed_sub_buffers_that_are_still_there(
    chan: relayfs.Channel, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(chan, b"one", b"two", b"three")
    chan.subbufs_consumed(0, 3)
    assert main(["tail", "trace/cpu0"]) == 0
    assert [row.split()[-1] for row in capsys.readouterr().out.splitlines()[1:]] == [
        "one",
        "two",
        "three",
    ]
    assert main(["tail", "-n", "0", "trace/cpu0"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_tail_f_goes_on_over_a_reset_until_the_channel_is_closed(chan: relayfs.Channel) -> None:
    fill(chan, b"before")
    command = [*RELAYLAB, "tail", "-f", "trace/cpu0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert process.stdout.readline().split()[-1] == "before"
        fill(chan, b"after")
        assert process.stdout.readline().split() == ["1", "5", "59", "after"]
        chan.reset()
        fill(chan, b"anew")
        assert "reset" in process.stdout.readline()
        assert process.stdout.readline().split() == ["0", "4", "60", "anew"]
        chan.close()
        assert process.stdout.read() == ""
        assert process.wait(SECONDS) == 0


def test_ctrl_c_ends_tail_f_with_130_and_no_traceback(chan: relayfs.Channel) -> None:
    fill(chan, b"one")
    command = [*RELAYLAB, "tail", "-f", "trace/cpu0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(2):
            process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=SECONDS) == (b"", b"")
        assert process.returncode == 130


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"", ""),
        (b"a\tb\r\nc", "a b⏎c"),
        (b"x" * 20, "x" * 20),
        (b"x" * 21, "x" * 19 + "…"),
        (b"\x01" * 7, "01 01 01 01 01 01 01"),
        (b"\x01" * 8, "01 01 01 01 01 01 …"),
    ],
)
def test_the_beginning_of_data_fits_into_its_room(data: bytes, shown: str) -> None:
    assert beginning(np.frombuffer(data, np.uint8), 20) == shown


# cat -------------------------------------------------------------------------------------------


def test_cat_writes_all_that_is_produced_without_padding_and_consumes_it(
    chan: relayfs.Channel,
) -> None:
    fill(chan, b"one", b"two", b"x" * 64)
    fill(chan, b"other", cpu=1)
    chan.write(b"unfinished", cpu=1)
    done = relaylab("cat", "trace/cpu0", "trace")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"onetwo" + b"x" * 64 + b"other"
    assert [buf.subbufs_consumed for buf in chan.buffers] == [3, 1]


def test_cat_keep_consumes_nothing(chan: relayfs.Channel) -> None:
    fill(chan, b"one", b"two")
    for _ in range(2):
        assert relaylab("cat", "--keep", "trace/cpu0").stdout == b"onetwo"
    assert chan.buffers[0].subbufs_consumed == 0


def test_cat_follow_goes_on_until_the_channel_is_closed(chan: relayfs.Channel) -> None:
    fill(chan, b"one")
    command = [*RELAYLAB, "cat", "--follow", "trace"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read(3) == b"one"
        fill(chan, b"two", cpu=1)
        assert process.stdout.read(3) == b"two"
        fill(chan, b"three")
        chan.close()
        assert process.stdout.read() == b"three"
        assert process.wait(SECONDS) == 0


def test_cat_to_a_reader_that_leaves_ends_quietly_and_keeps_what_was_not_written(
    owner: Callable[..., Peer],
) -> None:
    made = owner(size=4096, n=64)
    command = [*RELAYLAB, "cat", "--follow", "trace"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert loops.Checked(np.frombuffer(process.stdout.read(160), np.uint8)).torn == 0
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(SECONDS) == 1
    made.run("stop()")
    states = told("ls", "trace")
    assert any(state["ready"] for state in states)  # writers went on, and nobody consumed


def test_ctrl_c_ends_cat_follow_between_sub_buffers(chan: relayfs.Channel) -> None:
    fill(chan, b"one")
    command = [*RELAYLAB, "cat", "--follow", "trace"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read(3) == b"one"
        wait_until(lambda: chan.buffers[0].subbufs_consumed == 1)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=SECONDS) == (b"", b"")
        assert process.returncode == 130


# dump ------------------------------------------------------------------------------------------


def test_dump_strips_the_padding_and_names_the_unfinished_sub_buffers(
    peer: MakePeer, tmp_path: Path
) -> None:
    other = peer()
    other.run(
        "fs = relayfs.RelayFS(n_cpus=2)\n"
        "chan = relayfs.relay_open('cpu', None, 64, 4, False, None, fs=fs)\n"
        "for event in (b'one', b'x' * 64, b'three'):\n"
        "    chan.write(event, 0); chan.switch_subbuf(0, 0)\n"
        "chan.write(b'unfinished', 1)\n"
        "point = fs.mount()\n"
        "file = fs.open_file('cpu0')\n"  # it stays after the close
        "lost = [chan.write(b'y' * 40, 0) for _ in range(3)].count(False)"
    )
    point = other.value("point")
    process = subprocess.Popen(
        [*RELAYLAB, "dump", point, "--out", str(tmp_path / "new" / "out"), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_until(lambda: other.value("chan.buffers[0].subbufs_consumed") == 4)
    other.run("chan.close()")
    out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, err) == (0, b"")
    report = json.loads(out)
    first, second = report["files"]
    out0, out1 = (tmp_path / "new" / "out" / f"cpu{cpu}" for cpu in range(2))
    assert out0.read_bytes() == b"onex" + b"x" * 63 + b"three" + b"y" * 40
    assert out1.read_bytes() == b""
    assert (first["subbufs"], first["bytes"], first["padding_bytes"]) == (4, 112, 4 * 64 - 112)
    assert first["lost_before"] == other.value("lost")
    assert first["lost"] == 0
    assert (first["ended"], second["ended"]) == ("closed", "closed")
    assert (first["unfinished_bytes"], second["unfinished_bytes"]) == (0, 10)
    assert report["subbufs"] == 4


def test_the_report_of_a_dump_is_a_table_for_people(chan: relayfs.Channel, tmp_path: Path) -> None:
    fill(chan, b"one", b"two")
    chan.write(b"half", cpu=1)
    out = str(tmp_path / "out")
    with subprocess.Popen(
        [*RELAYLAB, "dump", "trace", "--out", out, "--partial", "--progress"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        wait_until(lambda: chan.buffers[0].subbufs_consumed == 2 or process.poll() is not None)
        process.send_signal(signal.SIGTERM)
        printed, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    assert err.startswith(b"\rDumping")
    assert b"sub-buffers" in err
    text = printed.decode()
    rows = [row.split() for row in text.splitlines()]
    assert rows[1] == [f"{out}/cpu0", "2", "6", "122", "0"]
    assert rows[2] == [f"{out}/cpu1", "0", "0", "0", "0"]
    assert "it was stopped" in text
    assert f"{out}/cpu1: the last 4 bytes are of an unfinished sub-buffer" in text
    assert (tmp_path / "out" / "cpu1").read_bytes() == b"half"
    assert chan.buffers[1].subbufs_produced == 0


def test_ctrl_c_at_full_speed_leaves_no_produced_sub_buffer_unaccounted_for(
    owner: Callable[..., Peer], tmp_path: Path
) -> None:
    made = owner()
    dump = Dump(made, tmp_path)
    dump.process.send_signal(signal.SIGINT)
    report = dump.report()
    made.run("stop()")
    states = told("ls", "trace")
    rest = relaylab("cat", "trace/cpu0").stdout, relaylab("cat", "trace/cpu1").stdout
    written = made.value("[int(one[loops.WRITTEN]) for one in progress]")
    for file, state in zip(report["files"], states, strict=True):
        cpu = file["cpu"]
        assert file["ended"] == "stopped"
        assert file["overwritten"] == 0
        assert file["subbufs"] == state["consumed"]
        assert state["consumed"] + state["ready"] == state["produced"]
        assert file["bytes"] == (tmp_path / f"cpu{cpu}").stat().st_size
        assert file["bytes"] + file["padding_bytes"] == 1000 * file["subbufs"]
        events, later = dump.events(cpu), loops.Checked(np.frombuffer(rest[cpu], np.uint8))
        numbers = np.concatenate([events.numbers, later.numbers])
        assert events.torn == later.torn == 0
        assert (np.diff(numbers) > 0).all()
        assert len(numbers) + state["open_bytes"] // loops.EVENT == written[cpu]
        assert file["unfinished_bytes"] < 1000


def test_partial_adds_just_what_was_written_when_ctrl_c_came(
    owner: Callable[..., Peer], tmp_path: Path
) -> None:
    made = owner(size=100_000, n=4)
    dump = Dump(made, tmp_path, "--partial")
    dump.process.send_signal(signal.SIGINT)
    report = dump.report()
    made.run("stop()")
    for file in report["files"]:
        assert file["partial_bytes"] == file["unfinished_bytes"]
        events = dump.events(file["cpu"])
        assert len(events.numbers) * loops.EVENT == file["bytes"] + file["partial_bytes"]
        assert events.torn == 0
        assert (np.diff(events.numbers) > 0).all()


def test_what_a_killed_owner_has_produced_is_written(
    owner: Callable[..., Peer], tmp_path: Path
) -> None:
    made = owner()
    produced = made.value("[buf.subbufs_produced for buf in chan.buffers]")
    dump = Dump(made, tmp_path)
    made.kill()
    report = dump.report()
    for file, before in zip(report["files"], produced, strict=True):
        assert file["ended"] == "hang-up"
        assert file["left"] == 0
        assert file["subbufs"] >= before
        events = dump.events(file["cpu"])
        assert len(events.numbers) * loops.EVENT == file["bytes"]
        assert events.torn == 0
        assert (np.diff(events.numbers) > 0).all()


def test_in_overwrite_mode_nothing_torn_is_written_and_the_gaps_are_counted(
    owner: Callable[..., Peer], tmp_path: Path
) -> None:
    made = owner(overwrite=True)
    dump = Dump(made, tmp_path)
    made.run("stop()")
    made.run("chan.close()")
    report = dump.report()
    for file in report["files"]:
        events = dump.events(file["cpu"])
        assert events.torn == 0
        steps = np.diff(events.numbers)
        assert (steps > 0).all()
        gaps, rest = divmod(int((steps - 1).sum()), 62)  # events of a sub-buffer
        assert rest == 0
        assert gaps <= file["overwritten"]  # some may be in front of the first
        assert file["subbufs"] * 62 == len(events.numbers)
        assert file["lost"] == 0


def test_a_reset_begins_the_sequence_anew_and_is_told(
    owner: Callable[..., Peer], tmp_path: Path
) -> None:
    made = owner()
    dump = Dump(made, tmp_path)
    for _ in range(3):
        made.run("chan.reset()")
        wait_until(lambda: all(count > 10 for count in consumed(made)))
    dump.process.send_signal(signal.SIGINT)
    report = dump.report()
    for file in report["files"]:
        assert file["resets"] == 3
        events = dump.events(file["cpu"])
        assert events.torn == 0
        assert (np.diff(events.numbers) > 0).all()


def test_files_that_are_there_are_not_overwritten_without_force(
    chan: relayfs.Channel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(chan, b"one")
    mine = tmp_path / "cpu1"
    mine.write_text("mine")
    assert main(["dump", "trace", "--out", str(tmp_path)]) == 2
    assert str(mine) in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["cpu1"]
    assert mine.read_text() == "mine"
    assert chan.buffers[0].subbufs_consumed == 0
    with subprocess.Popen(
        [*RELAYLAB, "dump", "trace", "--out", str(tmp_path), "--force"], stdout=subprocess.DEVNULL
    ) as process:
        wait_until(lambda: chan.buffers[0].subbufs_consumed == 1 or process.poll() is not None)
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 0
    assert mine.read_bytes() == b""
    assert (tmp_path / "cpu0").read_bytes() == b"one"


def test_a_full_disk_ends_a_dump_and_loses_nothing(
    owner: Callable[..., Peer], tmp_path: Path
) -> None:
    made = owner()
    limit = 1_000_003

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = relaylab("dump", "trace", "--out", str(tmp_path), "--json", preexec_fn=limited)
    assert done.returncode == 2
    message = done.stderr.decode()
    assert "Traceback" not in message
    assert any(f"{tmp_path}/cpu{cpu}" in message for cpu in range(2))
    made.run("stop()")
    report = json.loads(done.stdout)
    for file, state in zip(report["files"], told("ls", "trace"), strict=True):
        assert file["subbufs"] == state["consumed"]
        assert file["bytes"] == (tmp_path / f"cpu{file['cpu']}").stat().st_size <= limit
        assert file["bytes"] % (1000 // loops.EVENT * loops.EVENT) == 0  # whole sub-buffers
        rest = relaylab("cat", f"trace/cpu{file['cpu']}").stdout
        written = np.fromfile(tmp_path / f"cpu{file['cpu']}", np.uint8).tobytes()
        events = loops.Checked(np.frombuffer(written + rest, np.uint8))
        assert events.torn == 0
        assert (np.diff(events.numbers) > 0).all()


def test_a_device_without_room_ends_a_dump_and_nothing_is_consumed(
    chan: relayfs.Channel, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(chan, b"one", b"two")
    (tmp_path / "cpu0").symlink_to("/dev/full")
    assert main(["dump", "trace", "--out", str(tmp_path), "--force", "--json"]) == 2
    out, err = capsys.readouterr()
    assert f"{tmp_path}/cpu0" in err
    assert "No space left" in err
    assert json.loads(out)["files"][0]["subbufs"] == 0
    assert chan.buffers[0].subbufs_consumed == 0
    assert not chan.buffers[0].released


def test_a_target_that_was_cut_goes_on_where_it_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "file"
    target = Target(os.open(path, os.O_WRONLY | os.O_CREAT), str(path))
    assert target.write(pieces(b"abc", b"", b"def")) is None
    target.cut(4)
    assert target.write(pieces(b"X")) is None
    target.close()
    assert path.read_bytes() == b"abcdX"


def pieces(*parts: bytes) -> Sequence[memoryview]:
    """Parts to write."""
    return [memoryview(part) for part in parts]
