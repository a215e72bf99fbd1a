"""The workbench attached to a channel of another process."""

import subprocess
import sys

import pytest
from lab.test_workbench import Watcher, asks, wait_for

from relaylab.errors import FileError, RelayError
from relaylab.lab import Workbench
from relaylab.lab.frame import FrameFlag
from relaylab.lab.options import from_environment, to_environment
from relaylab.relayfs.remote import open_file

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform != "linux", reason="files of other processes need Linux"),
]

OWNER = """
import sys
from relaylab import relayfs
fs = relayfs.RelayFS(n_cpus=3)
chan = relayfs.relay_open("cpu", None, 100, 4, False, None, fs=fs)
print(fs.mount(), flush=True)
for line in sys.stdin:
    word, *numbers = line.split()
    if word == "write":
        cpu, count = map(int, numbers)
        for i in range(count):
            chan.write(bytes([i + 1]) * 60, cpu)
    elif word == "consume":
        chan.subbufs_consumed(*map(int, numbers))
    elif word == "close":
        chan.close()
    print(*(buf.refcount for buf in chan.buffers), flush=True)
"""


class Owner:
    """A program with a channel, which does what it is told."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-c", OWNER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self.top = self.process.stdout.readline().strip()

    def tell(self, words):
        """Have it do that; the references of its buffers after that."""
        self.process.stdin.write(words + "\n")
        return [int(one) for one in self.process.stdout.readline().split()]

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture
def owner():
    program = Owner()
    yield program
    program.end()


@pytest.fixture
def attached(owner):
    wb = Workbench.attach(f"{owner.top}/cpu1")
    yield wb
    wb.close()


def test_it_shows_what_the_other_process_does(owner, attached):
    watcher = Watcher(attached)
    frame = watcher.until(lambda frame: len(frame.cpus) == 3)
    assert frame.flags & FrameFlag.ATTACHED
    assert (frame.n_subbufs, frame.subbuf_size) == (4, 100)
    assert attached.state["status"] == "idle"
    owner.tell("write 2 3")
    frame = watcher.until(lambda frame: frame.cpus["produced"][2] == 2)
    assert attached.state["totals"]["written"] == 3
    assert frame.cpus["written"].tolist() == [0, 0, 3]
    watcher.until(lambda frame: len(frame.samples) > 0 or frame.status == "idle")
    owner.tell("consume 2 1")
    watcher.until(lambda frame: frame.cpus["consumed"][2] == 1)


def test_it_runs_while_events_are_written(owner, attached):
    def writes():
        owner.tell("write 0 1")
        return attached.state["status"] == "running"

    wait_for(writes)
    wait_for(lambda: attached.state["status"] == "idle")


def test_its_journal_is_the_owners(owner, attached):
    watcher = Watcher(attached)
    kinds = []

    def look(frame):
        kinds.extend(frame.records["kind"].tolist())
        return len(set(kinds)) >= 2

    owner.tell("write 0 5")
    watcher.until(look)


def test_the_bytes_of_every_cpu_are_read_through_a_mapping(owner, attached):
    watcher = Watcher(attached)
    owner.tell("write 0 1")
    for cpu in (0, 1):
        frame = asks(watcher, ("select", {"cpu": cpu, "subbuf": 0}))
        expected = bytes([1] * 60 + [0] * 40) if cpu == 0 else bytes(100)
        assert frame.memory == expected


def test_nothing_can_be_changed(owner, attached):
    watcher = Watcher(attached)
    owner.tell("write 0 2")
    for what in ("flush", "reset", "pause", "play", "attach", "detach"):
        with pytest.raises(RelayError, match="only watched"):
            attached._session.do(what).result(120)
    frame = asks(watcher, ("move", {"by": 1}))
    assert "only watched" in frame.text["caption"]
    assert not frame.flags & FrameFlag.VIRTUAL
    assert attached.state["totals"]["switches"] == 1
    assert len(attached._controls.children) == 1


def test_closing_it_leaves_no_reference(owner, attached):
    watcher = Watcher(attached)
    asks(watcher, ("select", {"cpu": 2, "subbuf": 0}))
    assert sum(owner.tell("look")) > 3
    attached.close()
    wait_for(lambda: owner.tell("look") == [1, 1, 1])


def test_who_stops_watching_leaves_no_reference_either(owner, attached):
    frame = Watcher(attached).until(lambda frame: True)
    assert owner.tell("look") == [1, 2, 1]
    attached._controls.close_channel.click()
    wait_for(lambda: owner.tell("look") == [1, 1, 1])
    assert attached.state["status"] == "closed"
    assert owner.tell("write 0 1")
    assert frame.status != "error"


def test_a_channel_that_its_owner_closes_shows_as_closed_with_its_last_numbers(owner, attached):
    watcher = Watcher(attached)
    watcher.until(lambda frame: True)
    owner.tell("write 0 3")
    owner.tell("close")
    frame = watcher.until(lambda frame: frame.status == "closed")
    assert "closed the channel" in frame.text["caption"]
    assert attached.state["totals"]["written"] == 3
    wait_for(lambda: attached._controls.close_channel.disabled)


def test_an_owner_that_is_killed_shows_as_disconnected(owner, attached):
    watcher = Watcher(attached)
    watcher.until(lambda frame: True)
    owner.tell("write 1 3")
    owner.process.kill()
    frame = watcher.until(lambda frame: frame.status == "disconnected")
    assert str(owner.process.pid) in frame.text["caption"]
    assert "gone" in frame.text["caption"]
    assert attached.state["status"] == "disconnected"
    assert attached.state["totals"]["written"] == 3


def test_a_workbench_is_watched_by_another_in_the_same_process():
    one = Workbench()
    try:
        path = one._session.run._paths()[0]
        two = Workbench.attach(path)
        try:
            wait_for(lambda: two.state["totals"]["written"] > 0)
            with open_file(path) as file:
                assert file.subbuf_size == two.channel.subbuf_size
            one.close()
            wait_for(lambda: two.state["status"] == "closed")
        finally:
            two.close()
    finally:
        one.close()


def test_a_path_that_is_none_is_refused(tmp_path):
    with pytest.raises(FileError):
        Workbench.attach(tmp_path / "cpu0")


def test_the_path_reaches_the_pages_kernel(owner, monkeypatch):
    for name, value in to_environment(attach=f"{owner.top}/cpu0").items():
        monkeypatch.setenv(name, value)
    wb = Workbench(**from_environment())
    assert wb.channel.pid == owner.process.pid
    wb.close()
    wait_for(lambda: owner.tell("look") == [1, 1, 1])


@pytest.mark.parametrize("command", ["demo", "lab"])
def test_a_wrong_path_is_told_before_a_server_starts(command, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "relaylab", command, "--no-browser", "--attach", tmp_path / "cpu0"],
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 2
    assert "cpu0" in done.stderr
    assert "Traceback" not in done.stderr
    assert "http://" not in done.stdout


def test_attaching_takes_no_other_options(owner):
    words = ["demo", "--attach", f"{owner.top}/cpu0", "--n-subbufs", "4"]
    done = subprocess.run(
        [sys.executable, "-m", "relaylab", *words], capture_output=True, text=True, timeout=250
    )
    assert done.returncode == 2
    assert "--attach only looks on" in done.stderr
