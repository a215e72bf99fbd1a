"""relaycat, the C client of assets/clients: a reader that shares nothing with the package."""

from __future__ import annotations

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relaylab import relayfs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="mounting needs Linux")

SOURCE = Path(__file__).parents[2] / "assets" / "clients" / "relaycat.c"
PATIENCE_S = 120  # for what takes milliseconds where nothing else runs


@pytest.fixture(scope="session")
def relaycat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled client.

    Without a compiler the tests are skipped, or fail where RELAYLAB_REQUIRE_COMPILER is set, as in
    .ci/run.
    """
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        missing = "no C compiler on this machine: install one (Debian: apt-get install gcc)"
        if os.environ.get("RELAYLAB_REQUIRE_COMPILER"):
            pytest.fail(missing)
        pytest.skip(missing)
    program = tmp_path_factory.mktemp("c") / "relaycat"
    flags = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    subprocess.run([compiler, *flags, "-o", str(program), str(SOURCE)], check=True)
    return program


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[relayfs.RelayFS]:
    """A file system of one CPU, mounted on a directory of its own."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "relay").mkdir(mode=0o755)
    with relayfs.RelayFS(n_cpus=1) as fs:
        fs.mount(tmp_path / "relay")
        yield fs


@dataclass
class Client:
    """A running relaycat."""

    process: subprocess.Popen[str]
    output: Path

    def wait(self) -> Report:
        """Wait for its end, and take its report apart."""
        _, told = self.process.communicate(timeout=PATIENCE_S)
        assert self.process.returncode == 0, told
        found = re.fullmatch(
            r"relaycat: .*: (\d+) sub-buffers, (\d+) bytes, (\d+) skipped: (.*)\n", told
        )
        assert found, told
        data = self.output.read_bytes()
        assert int(found[2]) == len(data)
        return Report(data, int(found[1]), int(found[3]), found[4])


@dataclass
class Report:
    """What a relaycat wrote and told."""

    data: bytes
    subbufs: int
    skipped: int
    why: str


Start = Callable[..., Client]


@pytest.fixture
def start(relaycat: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts clients of a file; those that still run in the end are killed."""
    clients: list[Client] = []

    def started(path: Any, *options: str) -> Client:
        output = tmp_path / f"output{len(clients)}"
        with output.open("wb") as file:
            process = subprocess.Popen(
                [relaycat, str(path), *options], stdout=file, stderr=subprocess.PIPE, text=True
            )
        clients.append(Client(process, output))
        return clients[-1]

    yield started
    for client in clients:
        client.process.kill()
        client.process.communicate()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.001)


def open_channel(fs: relayfs.RelayFS, callbacks: Any = None, **options: Any) -> relayfs.Channel:
    size, n = options.pop("subbuf_size", 256), options.pop("n_subbufs", 4)
    overwrite = options.pop("overwrite", False)
    return relayfs.relay_open("t", None, size, n, overwrite, callbacks, fs=fs)


def path_of(fs: relayfs.RelayFS) -> Path:
    return Path(str(fs.mountpoint)) / "t0"


def attach(start: Start, fs: relayfs.RelayFS, chan: relayfs.Channel, *options: str) -> Client:
    """Start a client and wait until it has the file open."""
    before = chan.buffers[0].refcount
    client = start(path_of(fs), *options)
    wait_until(lambda: chan.buffers[0].refcount > before)
    return client


class Log:
    """A client of the channel that writes down who maps and unmaps."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int, int]] = []

    def buf_mapped(self, buf: Any, file: Any) -> None:
        self.calls.append(("mapped", file.pid, buf.refcount))

    def buf_unmapped(self, buf: Any, file: Any) -> None:
        self.calls.append(("unmapped", file.pid, buf.refcount))


def events(count: int, seed: int) -> list[bytes]:
    """Numbered events of 1 to 100 bytes."""
    lengths = np.random.default_rng(seed).integers(1, 101, count)
    return [(b"%07d " % i * 13)[:length] for i, length in enumerate(lengths)]


# Reading


def test_all_events_arrive_while_the_writer_is_at_work(start: Start, mounted: Any) -> None:
    chan = open_channel(mounted, subbuf_size=1000, n_subbufs=8)
    client = attach(start, mounted, chan)
    offered = events(20_000, seed=1)
    for event in offered:
        while not chan.write(event, 0):
            time.sleep(0)
    chan.flush()
    produced = chan.buffers[0].subbufs_produced
    chan.close()
    report = client.wait()
    assert report.data == b"".join(offered)
    assert (report.subbufs, report.skipped, report.why) == (produced, 0, "the channel is closed")


def test_what_is_written_arrives_whatever_is_lost(start: Start, mounted: Any) -> None:
    chan = open_channel(mounted, subbuf_size=128, n_subbufs=2)
    client = attach(start, mounted, chan)
    offered = events(8_000, seed=2)
    written = [event for event in offered if chan.write(event, 0)]
    chan.flush()
    chan.close()
    assert client.wait().data == b"".join(written)
    assert 0 < len(written) < len(offered)


def test_batches_of_compiled_code_arrive(start: Start, mounted: Any) -> None:
    chan = open_channel(mounted, subbuf_size=4096, n_subbufs=16)
    client = attach(start, mounted, chan)
    numbers = np.arange(400_000).reshape(-1, 8)  # events of 64 bytes
    rows = numbers.view(np.uint8)
    done = 0
    for batch in np.array_split(rows, 500):
        wait_until(lambda: chan.buffers[0].subbufs_produced - chan.buffers[0].subbufs_consumed < 8)
        done += chan.write_many(batch, cpu=0)
    chan.flush()
    chan.close()
    assert done == len(rows)
    assert client.wait().data == numbers.tobytes()


def test_consuming_takes_effect_at_the_owner(start: Start, mounted: Any) -> None:
    chan = open_channel(mounted)
    client = attach(start, mounted, chan)
    buf = chan.buffers[0]
    for round_ in range(1, 4):
        for event in events(6, seed=round_):
            assert chan.write(event, 0)
        chan.flush()
        wait_until(lambda: buf.subbufs_consumed == buf.subbufs_produced)
    chan.close()
    assert client.wait().subbufs == chan.stats.switches
    assert chan.stats.high_water <= 4


def test_no_letter_is_lost_when_a_full_buffers_writer_answers_too(
    start: Start, mounted: Any
) -> None:
    chan = open_channel(mounted, subbuf_size=64, n_subbufs=2)
    clients = [attach(start, mounted, chan) for _ in range(2)]
    buf = chan.buffers[0]
    rows = np.zeros((2000, 16), np.uint8)
    for round_ in range(300):
        chan.write_many(rows[: 50 + 37 * round_ % 1950], cpu=0)
        wait_until(lambda: buf.subbufs_consumed == buf.subbufs_produced)
    chan.close()
    for client in clients:
        assert client.wait().why == "the channel is closed"


def test_an_overwritten_sub_buffer_is_skipped_and_never_torn(start: Start, mounted: Any) -> None:
    chan = open_channel(mounted, subbuf_size=512, n_subbufs=4, overwrite=True)
    client = attach(start, mounted, chan)
    buf = chan.buffers[0]
    for burst in range(100):
        # Each event holds its number and its complement; a burst outruns any reader.
        numbers = np.arange(burst * 10_000, (burst + 1) * 10_000)
        rows = np.stack([numbers, ~numbers], axis=1).view(np.uint8)
        assert chan.write_many(rows, cpu=0) == len(rows)
        if burst % 5 == 4:  # it reads at least the last one before the writer goes on
            wait_until(lambda: buf.subbufs_consumed == buf.subbufs_produced)
    chan.flush()
    produced = buf.subbufs_produced
    chan.close()
    report = client.wait()
    numbers, complements = np.frombuffer(report.data, np.int64).reshape(-1, 2).T
    assert (numbers == ~complements).all()
    assert (np.diff(numbers) > 0).all()
    assert numbers[-1] == 999_999
    assert report.subbufs >= 20
    assert report.skipped > 0
    assert report.subbufs + report.skipped == produced


def test_a_reset_begins_anew(start: Start, mounted: Any) -> None:
    chan = open_channel(mounted)
    client = attach(start, mounted, chan)
    buf = chan.buffers[0]
    offered = []
    for round_ in range(50):
        for i in range(round_ % 3 + 1):
            offered.append(b"%d of %d " % (i, round_))
            assert chan.write(offered[-1], 0)
            chan.flush()
        wait_until(lambda: buf.subbufs_consumed == buf.subbufs_produced)
        chan.reset()
    chan.close()
    assert client.wait().data == b"".join(offered)


def test_what_was_written_before_it_came_is_read_after_the_close(
    start: Start, mounted: Any
) -> None:
    chan = open_channel(mounted)
    held = mounted.open_file("t0")  # a closed channel's file is there as long as it is open
    assert chan.write(b"before", 0)
    chan.flush()
    assert chan.write(b"never finished", 0)
    chan.close()
    report = start(path_of(mounted)).wait()
    assert (report.data, report.why) == (b"before", "the channel is closed")
    held.close()


# References, mappings and the end


def test_the_owner_sees_it_map_unmap_and_release(start: Start, mounted: Any) -> None:
    log = Log()
    chan = open_channel(mounted, log)
    client = start(path_of(mounted), "--timeout", "1")
    report = client.wait()
    assert (report.data, report.why) == (b"", "nothing more came")
    wait_until(lambda: chan.buffers[0].refcount == 1)
    pid = client.process.pid
    assert log.calls == [("mapped", pid, 2), ("unmapped", pid, 2)]


def test_a_killed_client_is_released(start: Start, mounted: Any) -> None:
    log = Log()
    chan = open_channel(mounted, log)
    for _ in range(5):
        client = attach(start, mounted, chan)
        wait_until(lambda: len(log.calls) % 2 == 1)
        client.process.kill()
        wait_until(lambda: chan.buffers[0].refcount == 1)
        pid = client.process.pid
        assert log.calls[-2:] == [("mapped", pid, 2), ("unmapped", pid, 2)]
        assert chan.write(b"goes on", 0)


def test_it_holds_a_closed_channel_until_it_ends(start: Start, mounted: Any) -> None:
    chan = open_channel(mounted)
    client = attach(start, mounted, chan)
    client.process.send_signal(signal.SIGSTOP)
    state = Path(f"/proc/{client.process.pid}/stat")
    wait_until(lambda: ") T " in state.read_text())
    try:
        chan.close()
        assert chan.buffers[0].refcount == 1
        assert path_of(mounted).exists()
    finally:
        client.process.send_signal(signal.SIGCONT)
    assert client.wait().why == "the channel is closed"
    wait_until(lambda: chan.buffers[0].released)
    assert not path_of(mounted).exists()


def test_an_unmount_ends_it_after_all_that_was_produced(start: Start, mounted: Any) -> None:
    chan = open_channel(mounted)
    client = attach(start, mounted, chan)
    for i in range(3):
        assert chan.write(b"%d" % i, 0)
        chan.flush()
    mounted.unmount()
    report = client.wait()
    assert (report.data, report.why) == (b"012", "its owner is gone")


def test_it_sleeps_while_nothing_comes(start: Start, mounted: Any) -> None:
    chan = open_channel(mounted)
    buf = chan.buffers[0]
    client = attach(start, mounted, chan)
    assert chan.write(b"awake", 0)
    chan.flush()
    wait_until(lambda: buf.subbufs_consumed == 1)
    time.sleep(1)
    chan.close()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert client.wait().data == b"awake"
    after = resource.getrusage(resource.RUSAGE_CHILDREN)  # with the client's whole life
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.3


OWNER = """
import sys, time
import numpy as np
from relaylab import relayfs
fs = relayfs.RelayFS(n_cpus=1)
fs.mount(sys.argv[1])
chan = relayfs.relay_open("t", None, 512, 8, False, None, fs=fs)
print("mounted", flush=True)
event = np.zeros(1, np.int64)
while True:  # events are numbered, and none is lost: each is offered until it is written
    while not chan.write(event, 0):
        time.sleep(0)
    event += 1
"""


def test_the_owners_death_ends_it_after_all_that_was_produced(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "relay").mkdir(mode=0o755)
    path = tmp_path / "relay" / "t0"
    command = [sys.executable, "-c", OWNER, str(path.parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        try:
            assert owner.stdout is not None
            assert owner.stdout.readline() == "mounted\n"
            client = start(path)
            wait_until(lambda: client.output.stat().st_size > 100_000)
        finally:
            owner.kill()
    report = client.wait()
    assert report.why == "its owner is gone"
    assert len(report.data) == 512 * report.subbufs
    assert (np.frombuffer(report.data, np.int64) == np.arange(len(report.data) // 8)).all()
    late = start(path)
    assert "its owner is gone" in late.process.communicate(timeout=PATIENCE_S)[1]
    assert late.process.returncode == 1


# What is no relay file


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("missing", "cannot be opened: No such file or directory"),
        ("plain", "is no relay file"),
        ("link", "is no relay file"),
        (".", "is no relay file"),
    ],
)
def test_anything_else_is_refused(
    start: Start, mounted: Any, tmp_path: Path, name: str, why: str
) -> None:
    open_channel(mounted)
    (tmp_path / "plain").touch()
    (tmp_path / "link").symlink_to(path_of(mounted))
    client = start(tmp_path / name)
    assert why in client.process.communicate(timeout=PATIENCE_S)[1]
    assert client.process.returncode == 1
    assert client.output.read_bytes() == b""


@pytest.mark.parametrize(
    "options", [("--timeout",), ("--timeout", "x"), ("--timeout", "-1"), ("a",)]
)
def test_wrong_usage_is_told(start: Start, tmp_path: Path, options: tuple[str, ...]) -> None:
    client = start(tmp_path / "t0", *options)
    assert client.process.communicate(timeout=PATIENCE_S)[1].startswith("usage: ")
    assert client.process.returncode == 2
