"""What happens to everybody else when a process is killed, forked, stopped or kept busy."""

from __future__ import annotations

import os
import random
import select
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mount import loops
from mount.peers import NIGHTLY, SECONDS, descriptors, listed, wait_until

import relaylab
from relaylab import relayfs

SOON = 0.1 if NIGHTLY else SECONDS  # after which an owner whose GIL is free knows
HANG_UP = 0.2 if NIGHTLY else SECONDS  # after which a reader knows


@contextmanager
def writing(chan: Any) -> Iterator[Any]:
    """A thread that writes at full speed without the GIL; its progress."""
    progress = np.zeros(3, np.int64)
    arguments = (chan.handle(0), progress, loops.NO_END, 1, False)
    writer = threading.Thread(target=loops.write_events, args=arguments)
    writer.start()
    try:
        wait_until(lambda: progress[loops.OFFERED] > 0)
        yield progress
    finally:
        progress[loops.STOPPED] = 1
        writer.join()


class Mapped:
    """A client that counts mappings."""

    def __init__(self) -> None:
        self.now = 0
        self.ever = 0

    def buf_mapped(self, _buf: Any, _file: Any) -> None:
        """relayfs's callback."""
        self.now += 1
        self.ever += 1

    def buf_unmapped(self, _buf: Any, _file: Any) -> None:
        """relayfs's callback."""
        self.now -= 1


READER = """
f = relaylab.open_file(path)
m = f.mmap()
def read():
    for s in f.subbufs(consume=consume):
        assert loops.is_whole(s.data)
"""


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("overwrite", [True, False])
def test_readers_killed_under_full_load_are_gone_at_once_and_the_writer_never_pauses(
    overwrite: bool, open_channel: Any, peer: Any, path: str, compiled: Any
) -> None:
    client = Mapped()
    chan = open_channel(callbacks=client, overwrite=overwrite, subbuf_size=4096, n_subbufs=8)
    buf = chan.buffers[0]
    random.seed(1)
    known_after, longest_pause = [], 0.0
    with writing(chan) as progress:
        for number in range(150 if NIGHTLY else 5):
            reader = peer(path=path, consume=bool(number % 3))
            reader.run(READER)
            assert (buf.refcount, client.now) == (2, 1)
            reader.begin("read()")
            time.sleep(random.random() * 0.02)
            offered = int(progress[loops.OFFERED])
            os.kill(reader.pid, signal.SIGKILL)
            begin = time.monotonic()
            moved = 0.0
            while buf.refcount > 1 or client.now > 0:
                assert time.monotonic() - begin < SECONDS
                if not moved and progress[loops.OFFERED] > offered:
                    moved = time.monotonic() - begin
                time.sleep(0.0005)
            known_after.append(time.monotonic() - begin)
            begin = begin if moved else time.monotonic()
            wait_until(lambda offered=offered: progress[loops.OFFERED] > offered)
            longest_pause = max(longest_pause, moved or time.monotonic() - begin)
    median, slowest = np.median(known_after), max(known_after)
    print(f"readers killed: known after {median:.4f} s, at most {slowest:.4f} s", end="; ")
    print(f"the writer paused at most {longest_pause:.4f} s")
    assert slowest < SOON
    assert longest_pause < SOON
    assert client.ever >= 5
    stats = buf.stats
    assert stats.written + stats.lost == progress[loops.OFFERED]


OWNER = """
fs = relayfs.RelayFS(1)
fs.mount(point)
chan = relayfs.relay_open('t', None, 4096, 8, 0, None, fs=fs)
progress = np.zeros(3, np.int64)
threading.Thread(
    target=loops.write_events, args=(chan.handle(0), progress, loops.NO_END, 1, False), daemon=True
).start()
"""
ORPHAN = """
f = relaylab.open_file(path)
m = f.mmap()
f.fileno()
def read():
    global seen, torn, known
    seen = torn = 0
    for s in f.subbufs():
        seen += 1
        torn += not loops.is_whole(s.data)
    known = time.time()
def watch():
    global known
    for s in f.subbufs(consume=False):
        assert loops.is_whole(s.data)
    known = time.time()
"""


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("default", [False, True])
def test_readers_of_a_killed_owner_get_a_hang_up_and_read_what_was_produced(
    default: bool, peer: Any, point: Path, runtime_directory: Path
) -> None:
    random.seed(2)
    slowest = 0.0
    one, two = peer(), peer()
    for _ in range(50 if NIGHTLY else 3):
        owner = peer(point=None if default else str(point))
        owner.run(OWNER)
        path = f"{owner.value('fs.mountpoint')}/t0"
        for reader, call in ((one, "read()"), (two, "watch()")):
            reader.run(ORPHAN.replace("open_file(path)", f"open_file({path!r})"))
            reader.begin(call)
        time.sleep(random.random() * 0.05)
        killed = time.time()
        owner.kill()
        for reader in (one, two):
            reader.end()
            slowest = max(slowest, reader.value("known") - killed)
            assert reader.value("f.poll()") == select.POLLERR
            assert reader.value("bool(select.select([f], [], [], 0)[0])")
            assert reader.value("len(bytes(m.view))") == 8 * 4096
        assert one.value("torn") == 0
        assert one.value("f.subbufs_produced - f.subbufs_consumed") == 0
        for reader in (one, two):
            reader.run("m.close(); f.close(); del f, m")
    print(f"an owner killed: known after {slowest:.4f} s")
    assert slowest < HANG_UP
    assert one.leave() == two.leave() == 0
    with relayfs.RelayFS(n_cpus=1) as fs:
        fs.mount(None if default else point)
        assert listed(fs.mountpoint) == []
    left = [p.name for p in (runtime_directory / "relaylab").iterdir()]
    assert left == ["mounts"]
    assert list((runtime_directory / "relaylab" / "mounts").iterdir()) == []
    if Path("/dev/shm").is_dir():
        assert not [name for name in listed("/dev/shm") if "relay" in name]


# Forks

LIVING = """
fs = relayfs.RelayFS(1)
fs.mount(point)
chan = relayfs.relay_open('t', None, 64, 4, 0, None, fs=fs)
buf = chan.buffers[0]
chan.write(b'x' * 64, cpu=0)
chan.flush()
slot = chan.reserve(3)
own = fs.open_file('t0')
mapping = own.mmap()
own.fileno()
"""
START = {
    "fork": "child = os.fork()\nif not child: signal.pause()",
    "multiprocessing fork": "import multiprocessing as mp\n"
    "c = mp.get_context('fork').Process(target=signal.pause); c.start(); child = c.pid",
    "multiprocessing spawn": "import multiprocessing as mp\n"
    "c = mp.get_context('spawn').Process(target=signal.pause); c.start(); child = c.pid",
    "subprocess": "import subprocess\n"
    "c = subprocess.Popen(['sleep', '1000'], close_fds=False); child = c.pid",
}


@pytest.mark.parametrize("way", START)
def test_a_child_of_the_owner_does_not_keep_files_alive(way: str, peer: Any, point: Path) -> None:
    owner, reader = peer(point=str(point)), peer(path=f"{point}/t0")
    owner.run(LIVING)
    reader.run("f = relaylab.open_file(path); m = f.mmap()")
    owner.run("import multiprocessing; multiprocessing.current_process()._config['daemon'] = False")
    owner.run(START[way])
    child = int(owner.value("child"))
    try:
        time.sleep(0.2)  # so that it has begun
        held = [str(link.readlink()) for link in Path(f"/proc/{child}/fd").iterdir()]
        assert not [what for what in held if "relaylab" in what or what.startswith(str(point))]
        owner.kill()
        took = wait_until(lambda: reader.value("f.finalized"))
        assert took < HANG_UP
        with relayfs.RelayFS(n_cpus=1) as fs:
            fs.mount(point)  # nobody holds the lock
            assert [info.pid for info in relaylab.mounts()] == [os.getpid()]
    finally:
        os.kill(child, signal.SIGKILL)


CHILD = """
def in_child():
    try:
        problems = []
        def refused(what):
            try:
                exec(what, globals())
            except relaylab.ClosedError:
                pass
            except BaseException as error:
                problems.append(f'{what}: {error!r}')
            else:
                problems.append(f'{what}: went on')
        for what in (
            "chan.write(b'child', cpu=0)", "chan.write(b'child')",
            "chan.write_unlocked(b'c', cpu=0)",
            "chan.write_many(np.ones((3, 3), np.uint8), cpu=0)", "chan.reserve(1, cpu=0)",
            "chan.commit(0, 0, 1)", "relayfs.relay_commit(buf, 0, 1)", "chan.flush()",
            "chan.reset()", "chan.subbufs_consumed(0, 1)", "relayfs.relay_switch_subbuf(buf, 0)",
            "slot.commit()", "slot.view", "chan.snapshot()", "chan.handle(0)", "chan.close()",
            "own.consume(1)", "own.poll()", "own.mmap()", "own.fileno()", "mapping.view",
            "buf.subbufs_produced", "fs.mount()", "fs.open_file('t0')", "fs.listdir()",
        ):
            refused(what)
        mapping.close()
        own.close()
        fs.unmount()
        repr(chan), repr(buf), repr(fs), repr(own), repr(mapping)
        with relaylab.open_file(path) as again:  # as any other process
            assert again.subbufs_produced == 1
        with relayfs.RelayFS(1) as other:  # and have channels of its own
            other.mount()
            relayfs.relay_open('t', None, 64, 4, 0, None, fs=other).write(b'x')
        if problems:
            print(*problems, sep='\\n', file=sys.stderr)
        with fs, own, chan:
            sys.exit(5 if problems else 3)
    except SystemExit as end:
        os._exit(end.code)
    except BaseException:
        import traceback
        traceback.print_exc()
        os._exit(4)
"""


def test_a_fork_of_the_owner_cannot_harm_its_channels(peer: Any, point: Path) -> None:
    owner, reader = peer(point=str(point), path=f"{point}/t0"), peer(path=f"{point}/t0")
    owner.run(LIVING + CHILD)
    reader.run("f = relaylab.open_file(path); m = f.mmap()")
    state = (
        "(buf.subbufs_produced, buf.subbufs_consumed, buf.refcount, buf.offset, "
        "buf.commit.tolist(), bytes(buf.memory), chan.stats, len(chan.journal.read()) > 0)"
    )
    owner.run("chan.journal.read()")
    before = owner.value(state)
    owner.run("child = os.fork()\nif not child: in_child()")
    owner.run("status = os.waitpid(child, 0)[1]")
    assert owner.value("os.waitstatus_to_exitcode(status)") == 3
    wait_until(lambda: owner.value("buf.refcount") == before[2])
    assert owner.value(state) == before
    assert listed(point) == ["t0"]
    assert reader.value("(f.finalized, f.subbufs_produced)") == (0, 1)
    owner.run("chan.write(b'y' * 61, cpu=0); chan.flush()")
    assert reader.value("[s.sequence for s in f.subbufs(timeout=0)]") == [0, 1]


def test_pool_workers_end_without_taking_the_mount_along(peer: Any, point: Path) -> None:
    owner, reader = peer(point=str(point)), peer(path=f"{point}/t0")
    owner.run(LIVING)
    reader.run("f = relaylab.open_file(path)")
    owner.run("import multiprocessing; multiprocessing.current_process()._config['daemon'] = False")
    owner.run(
        "with multiprocessing.get_context('fork').Pool(2) as pool:\n"
        "    answers = pool.map(abs, range(-10, 0))"
    )
    assert owner.value("answers") == list(range(10, 0, -1))
    assert reader.value("f.finalized") == 0
    assert listed(point) == ["t0"]


@pytest.mark.parametrize("busy", [False, True])
def test_a_fork_of_a_reader_is_no_reader(
    busy: bool, open_channel: Any, reader: Any, path: str
) -> None:
    chan = open_channel()
    buf = chan.buffers[0]
    reader.run("f = relaylab.open_file(path); m = f.mmap(); f.fileno()", path=path)
    if busy:
        reader.run(
            "def hold():\n  with f._lock: time.sleep(1)\nthreading.Thread(target=hold).start()"
        )
    reader.run(
        """
child = os.fork()
if not child:
    try:
        for use in (f.poll, f.fileno, f.mmap, f.subbufs, lambda: f.consume(1)):
            try:
                use()
            except relaylab.ClosedError:
                continue
            os._exit(2)
        m.close(); f.close()
        with relaylab.open_file(path) as own:
            own.consume(own.subbufs_produced)
        signal.pause()
    finally:
        os._exit(1)
"""
    )
    child = int(reader.value("child"))
    try:
        time.sleep(0.1)
        relayfs.relay_switch_subbuf(buf, 0)
        assert reader.value("f.poll()") & select.POLLIN
        reader.run("f.consume(1)")
        assert buf.subbufs_consumed == 1
        assert buf.refcount in (2, 3)
        reader.run("m.close(); f.close()")
        wait_until(lambda: buf.refcount == 1)
        assert Path(f"/proc/{child}").exists()
    finally:
        os.kill(child, signal.SIGKILL)
        reader.run("status = os.waitpid(child, 0)[1]")
    assert reader.value("os.waitstatus_to_exitcode(status)") == -signal.SIGKILL


# Readers and owners that do nothing


def test_a_stopped_reader_stops_nobody(
    open_channel: Any, peer: Any, path: str, compiled: Any
) -> None:
    chan = open_channel(subbuf_size=1024, n_subbufs=8)
    stopped, other = peer(path=path, consume=False), peer(path=path, consume=True)
    for one in (stopped, other):
        one.run(READER)
        one.begin("read()")
    with writing(chan) as progress:
        stopped.signal(signal.SIGSTOP)
        try:
            for _ in range(5):
                offered, consumed = int(progress[loops.OFFERED]), chan.buffers[0].subbufs_consumed
                wait_until(lambda o=offered: progress[loops.OFFERED] > o + 1000)
                wait_until(lambda c=consumed: chan.buffers[0].subbufs_consumed > c)
        finally:
            stopped.signal(signal.SIGCONT)
    chan.close()
    stopped.end()
    other.end()


def test_a_reader_that_never_consumes_costs_events_and_nothing_else(
    open_channel: Any, reader: Any, path: str, compiled: Any
) -> None:
    chan = open_channel(subbuf_size=1024, n_subbufs=4)
    reader.run("f = relaylab.open_file(path); m = f.mmap()", path=path)
    with writing(chan) as progress:
        wait_until(lambda: progress[loops.OFFERED] > 10_000)
    stats = chan.stats
    assert stats.written == progress[loops.WRITTEN] == 4 * 1024 // 16
    assert stats.written + stats.lost == progress[loops.OFFERED]
    assert reader.value("[loops.is_whole(s.data) for s in f.subbufs(timeout=0)]") == [True] * 4


def test_a_stopped_owner_is_waited_for(peer: Any, point: Path) -> None:
    owner, reader = peer(point=str(point)), peer(path=f"{point}/t0")
    owner.run(LIVING)
    reader.run("f = relaylab.open_file(path); m = f.mmap(); f.poll()")
    owner.signal(signal.SIGSTOP)
    assert reader.value("f.subbufs_produced") == 1
    reader.begin("f.consume(1)")
    time.sleep(0.2)
    assert reader.is_busy
    owner.signal(signal.SIGCONT)
    reader.end()
    assert owner.value("buf.subbufs_consumed") == 1
    owner.signal(signal.SIGSTOP)
    reader.begin("f.consume(1); seen = f.finalized")
    owner.kill()  # while it is stopped
    reader.end()


BUSY = """
import threading
def spin():
    while not free: pass
free = False
sys.setswitchinterval(1.0)
spinners = [threading.Thread(target=spin, daemon=True) for _ in range(2)]
before = int(progress[loops.OFFERED])
for s in spinners: s.start()
ends = time.monotonic() + 2
while time.monotonic() < ends: pass
free = True
sys.setswitchinterval(0.005)
gone_on = int(progress[loops.OFFERED]) - before
"""


def test_readers_consume_and_the_writer_goes_on_while_the_owners_python_is_busy(
    peer: Any, point: Path
) -> None:
    owner, reader = peer(point=str(point)), peer(path=f"{point}/t0", consume=True)
    owner.run(OWNER)
    reader.run(READER)
    reader.run("loop = f.subbufs(); first = next(loop)")
    owner.begin(BUSY)
    time.sleep(0.5)  # by now it is
    consumed = reader.value("f.subbufs_consumed")
    reader.run("good = [loops.is_whole(next(loop).data) for _ in range(100)]")
    reader.run("n = f.subbufs_consumed; f.consume(1); n = f.subbufs_consumed - n")
    still = owner.is_busy
    owner.end()
    assert owner.value("gone_on") > 0
    assert all(reader.value("good"))
    assert reader.value("n") >= 1
    assert reader.value("f.subbufs_consumed") >= consumed + 100
    assert still or not NIGHTLY
    owner.run("progress[loops.STOPPED] = 1; fs.close()")


@pytest.mark.timeout(600)
def test_readers_come_and_go_all_the_time_and_nothing_is_left(
    open_channel: Any, peer: Any, path: str, compiled: Any
) -> None:
    client = Mapped()
    chan = open_channel(callbacks=client, overwrite=True, subbuf_size=1024, n_subbufs=8)
    readers = [peer(path=path) for _ in range(3)]
    before = len(descriptors())
    with writing(chan):
        for one in readers:
            one.begin(
                f"""for i in range({500 if NIGHTLY else 20}):
                    with relaylab.open_file(path) as f, f.mmap() as m:
                        for s in f.subbufs(timeout=0.1, consume=bool(i % 2)):
                            assert loops.is_whole(s.data)
                            break
                """
            )
        for one in readers:
            one.end(300)
        wait_until(lambda: chan.buffers[0].refcount == 1)
    assert client.now == 0
    assert client.ever > 0
    wait_until(lambda: len(descriptors()) <= before)
