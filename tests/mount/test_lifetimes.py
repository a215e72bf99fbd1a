"""How long files live, and what the owner sees of readers in other processes."""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import select
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mount.peers import descriptors, wait_until

import relaylab
from relaylab import Kind, relayfs

READABLE = select.POLLIN | select.POLLRDNORM


class Client:
    """Notes which files are mapped and unmapped."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, Any, Any]] = []

    def buf_mapped(self, buf: Any, file: Any) -> None:
        """relayfs's callback."""
        self.seen.append(("mapped", buf, file))

    def buf_unmapped(self, buf: Any, file: Any) -> None:
        """relayfs's callback."""
        self.seen.append(("unmapped", buf, file))


def kinds(journal: Any) -> list[Kind]:
    """Mapped and unmapped of a journal's new records, with the counts of references."""
    records = journal.read()
    wanted = (Kind.MAPPED, Kind.UNMAPPED)
    return [(Kind(r["kind"]), int(r["value"])) for r in records if r["kind"] in wanted]


@pytest.fixture
def chan(open_channel: Any) -> relayfs.Channel:
    """A channel of 4 sub-buffers of 64 bytes."""
    made: relayfs.Channel = open_channel()
    return made


def produce(chan: Any, count: int = 1) -> None:
    """Produce sub-buffers."""
    for _ in range(count):
        relayfs.relay_switch_subbuf(chan.buffers[0], 0)


# References


def test_each_open_file_of_any_process_is_one_reference(
    chan: Any, peer: Any, path: str, mounted: Any
) -> None:
    buf = chan.buffers[0]
    one, two = peer(path=path), peer(path=path)
    one.run("f = relaylab.open_file(path); g = relaylab.open_file(path)")
    two.run("f = relaylab.open_file(path); m = f.mmap()")
    with mounted.open_file("t0"):
        assert buf.refcount == 5
    one.run("f.close()")
    wait_until(lambda: buf.refcount == 3)
    two.run("f.close()")  # the mapping is left
    assert buf.refcount == 3
    two.run("m.close()")
    wait_until(lambda: buf.refcount == 2)
    assert one.leave() == 0
    wait_until(lambda: buf.refcount == 1)


def test_a_file_that_is_forgotten_is_closed(chan: Any, reader: Any, path: str) -> None:
    reader.run("f = relaylab.open_file(path)", path=path)
    reader.run("import gc; del f; gc.collect()")
    wait_until(lambda: chan.buffers[0].refcount == 1)


def test_buf_mapped_and_buf_unmapped_get_one_stand_in(
    open_channel: Any, reader: Any, path: str
) -> None:
    client = Client()
    chan = open_channel(callbacks=client)
    buf = chan.buffers[0]
    reader.run("f = relaylab.open_file(path)", path=path)
    assert client.seen == []
    reader.run("m = f.mmap(); n = f.mmap()")
    assert [(what, b) for what, b, _ in client.seen] == [("mapped", buf)] * 2
    file = client.seen[0][2]
    assert isinstance(file, relayfs.RelayFile)
    assert (file.pid, file.path) == (reader.pid, "t0")
    reader.run("n.close(); n.close(); f.close(); m.close()")
    wait_until(lambda: buf.refcount == 1)
    assert [what for what, _, _ in client.seen] == ["mapped"] * 2 + ["unmapped"] * 2
    assert all(entry[2] is file for entry in client.seen)
    assert file.closed


def test_the_journal_tells_of_readers_of_any_process(
    chan: Any, reader: Any, path: str, mounted: Any
) -> None:
    cursor = chan.journal.cursor()
    reader.run("f = relaylab.open_file(path); m = f.mmap()", path=path)
    with mounted.open_file("t0") as file, file.mmap():
        assert kinds(cursor) == [(Kind.MAPPED, 2), (Kind.MAPPED, 3)]
    reader.run("m.close()")
    assert kinds(cursor) == [(Kind.UNMAPPED, 3), (Kind.UNMAPPED, 2)]


def test_a_reader_that_ends_without_closing_has_unmapped(
    open_channel: Any, reader: Any, path: str
) -> None:
    client = Client()
    chan = open_channel(callbacks=client)
    reader.run("f = relaylab.open_file(path); m = f.mmap(); n = f.mmap()", path=path)
    assert reader.leave() == 0
    wait_until(lambda: chan.buffers[0].refcount == 1)
    assert [what for what, _, _ in client.seen] == ["mapped"] * 2 + ["unmapped"] * 2


def test_consuming_just_before_the_end_is_not_lost(chan: Any, peer: Any, path: str) -> None:
    for i in range(10):
        reader = peer(path=path)
        produce(chan)
        reader.begin("f = relaylab.open_file(path); f._ask(1, 1, wait=False); os._exit(0)")
        wait_until(lambda i=i: chan.buffers[0].subbufs_consumed == i + 1)
        wait_until(lambda: chan.buffers[0].refcount == 1)


def test_a_callback_that_raises_is_reported_and_harms_nobody(
    open_channel: Any, peer: Any, path: str, monkeypatch: Any
) -> None:
    reported: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", reported.append)

    class Failing:
        def buf_mapped(self, _buf: Any, _file: Any) -> None:
            raise LookupError("mapped")

        def buf_unmapped(self, _buf: Any, _file: Any) -> None:
            raise LookupError("unmapped")

    chan = open_channel(callbacks=Failing())
    buf = chan.buffers[0]
    one, two = peer(path=path), peer(path=path)
    two.run("f = relaylab.open_file(path)")
    one.run("f = relaylab.open_file(path)\ntry: m = f.mmap()\nexcept relaylab.RelayError: pass")
    one.leave()
    wait_until(lambda: buf.refcount == 2)
    messages = [str(hint.exc_value.__cause__ or hint.exc_value) for hint in reported]
    assert messages
    assert set(messages) <= {"mapped", "unmapped"}
    produce(chan)
    assert two.value("[s.sequence for s in f.subbufs(timeout=0)]") == [0] or messages


# The end of a channel


def test_a_closed_channels_file_stays_for_who_has_it_open(
    chan: Any, peer: Any, path: str, mounted: Any
) -> None:
    buf = chan.buffers[0]
    reader, late = peer(path=path), peer(path=path)
    reader.run("f = relaylab.open_file(path); m = f.mmap()")
    assert chan.write(b"abc", cpu=0)
    produce(chan, 2)
    chan.close()
    assert reader.value("(f.poll(), f.finalized, f.subbufs_produced)") == (select.POLLERR, 1, 2)
    assert Path(path).is_socket()
    assert mounted.listdir() == ["t0"]
    late.run("f = relaylab.open_file(path)")  # it can be opened as long as it is there
    late.run("with f.mmap() as m: seen = bytes(m.view[:3])")
    assert late.value("(f.poll(), seen)") == (select.POLLERR, b"abc")
    assert reader.value("[bytes(s.data) for s in f.subbufs()]") == [b"abc", b""]
    assert late.value("f.subbufs_consumed") == 2
    late.run("f.close()")
    wait_until(lambda: buf.refcount == 1)
    assert Path(path).is_socket()
    reader.run("f.close(); m.close()")
    wait_until(lambda: not Path(path).exists())
    wait_until(lambda: buf.released)
    assert mounted.listdir() == []
    assert late.error("relaylab.open_file(path)").errno == errno.ENOENT


def test_consuming_still_works_on_a_finalized_file(chan: Any, reader: Any, path: str) -> None:
    reader.run("f = relaylab.open_file(path)", path=path)
    produce(chan, 3)
    chan.close()
    reader.run("f.consume(2)")
    assert chan.buffers[0].subbufs_consumed == reader.value("f.subbufs_consumed") == 2


def test_a_name_can_be_used_again_while_a_reader_keeps_the_old_file(
    chan: Any, open_channel: Any, reader: Any, path: str
) -> None:
    reader.run("f = relaylab.open_file(path)", path=path)
    chan.close()
    with pytest.raises(relaylab.EntryExistsError):
        open_channel()
    reader.run("f.close()")
    wait_until(lambda: not Path(path).exists())
    again = open_channel()
    produce(again)
    assert reader.value("relaylab.open_file(path).subbufs_produced") == 1


@pytest.mark.parametrize("end", ["close", "unmount", "close_system", "exit", "kill"])
def test_after_the_end_readers_read_what_was_produced_and_end(
    end: str, peer: Any, point: Path
) -> None:
    owner = peer(point=str(point))
    owner.run(
        "fs = relayfs.RelayFS(1); fs.mount(point)\n"
        "chan = relayfs.relay_open('t', None, 64, 8, 0, None, fs=fs)\n"
        "for i in range(5): chan.write(bytes([i]) * 64, cpu=0)\n"
        "chan.flush()"
    )
    reader, sleeper, idle = (peer(path=f"{point}/t0") for _ in range(3))
    for one in (reader, sleeper, idle):
        one.run("f = relaylab.open_file(path); m = f.mmap()")
    reader.run("loop = f.subbufs(); seen = [next(loop).sequence]")
    sleeper.begin("seen = [s.sequence for s in f.subbufs(consume=False)]")
    {
        "close": lambda: owner.run("chan.close()"),
        "unmount": lambda: owner.run("fs.unmount()"),
        "close_system": lambda: owner.run("fs.close()"),
        "exit": owner.leave,
        "kill": owner.kill,
    }[end]()
    sleeper.end()
    reader.run("seen += [s.sequence for s in loop]")
    assert reader.value("seen") == sleeper.value("seen") == [0, 1, 2, 3, 4]
    for one in (reader, sleeper, idle):
        assert one.value("(f.finalized, f.poll())") == (1, select.POLLERR)
        ready = "(bool(select.select([f], [], [], 0)[0]), bool(select.select([f], [], [], 0)[0]))"
        assert one.value(ready) == (True, True)
        assert one.value("bytes(m.view[64:66])") == b"\1\1"
    assert reader.value("f.subbufs_consumed") == 5
    idle.run("f.consume(1)")
    assert idle.value("f.subbufs_consumed") >= 1
    idle.run("f.consume(100)")
    assert idle.value("(f.subbufs_consumed, f.subbufs_produced)") == (5, 5)
    for one in (reader, sleeper, idle):
        assert one.leave() == 0


def test_after_unmount_the_owner_has_no_reader(chan: Any, reader: Any, path: str, fs: Any) -> None:
    reader.run("f = relaylab.open_file(path); m = f.mmap()", path=path)
    fs.unmount()
    assert chan.buffers[0].refcount == 1
    produce(chan)
    assert reader.value("f.subbufs_produced") == 1


def test_a_callback_may_unmount(open_channel: Any, reader: Any, path: str, fs: Any) -> None:
    class Unmounting:
        def buf_mapped(self, _buf: Any, _file: Any) -> None:
            fs.unmount()

    chan = open_channel(callbacks=Unmounting())
    reader.run("f = relaylab.open_file(path); m = f.mmap()", path=path)
    wait_until(lambda: chan.buffers[0].refcount == 1)
    assert fs.mountpoint is None
    fs.mount()
    reader.run("f = relaylab.open_file(path)", path=f"{fs.mountpoint}/t0")


def test_nothing_is_left_open_by_many_mounts_channels_and_readers(
    fs: Any, reader: Any, open_channel: Any
) -> None:
    def once() -> None:
        fs.mount()
        with open_channel() as chan:
            reader.run("f = relaylab.open_file(path)", path=f"{fs.mountpoint}/t0")
            reader.run("f.fileno(); m = f.mmap(); f.poll(); f.close(); m.close()")
            wait_until(lambda: chan.buffers[0].refcount == 1)
        fs.unmount()

    fs.unmount()
    once()
    before = len(descriptors()), reader.value("len(os.listdir('/proc/self/fd'))")
    for _ in range(10):
        once()
    assert (
        len(descriptors()),
        reader.value("len(os.listdir('/proc/self/fd'))"),
    ) == before


def test_the_memory_of_released_buffers_is_given_back(
    open_channel: Any, reader: Any, path: str
) -> None:
    def shared() -> int:
        status = Path("/proc/self/status").read_text()
        return int(status.split("RssShmem:")[1].split()[0])

    before = shared()
    for _ in range(3):
        chan = open_channel(subbuf_size=2**20, n_subbufs=32)
        chan.write_many(np.ones((32, 2**20), np.uint8), cpu=0)
        reader.run("f = relaylab.open_file(path); m = f.mmap(); m.array.sum()", path=path)
        chan.close()
        assert shared() > before + 20_000
        reader.run("f.close(); m.close()")
        wait_until(lambda: not Path(path).exists())
        del chan
    wait_until(lambda: shared() < before + 20_000)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("callback", ["buf_mapped", "buf_unmapped"])
def test_a_callback_that_exits_ends_neither_the_thread_it_is_on_nor_the_readers(
    callback: str, open_channel: Any, reader: Any, path: str, monkeypatch: Any
) -> None:
    told: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda report: told.append(report.exc_value))

    class Exiting:
        pass

    def exit_at_once(*_: Any) -> None:
        raise SystemExit

    setattr(Exiting, callback, exit_at_once)
    chan = open_channel(callbacks=Exiting())
    for _ in range(2):
        reader.run("with relaylab.open_file(path) as f, f.mmap(): pass", path=path)
        wait_until(lambda: chan.buffers[0].refcount == 1)
    assert [type(error) for error in told] == [SystemExit] * 2


def test_a_failed_open_leaves_no_descriptor_even_before_the_garbage_is_collected(
    fs: Any,
) -> None:
    def fail(*_: Any) -> None:
        raise ValueError

    client = type("Failing", (), {"subbuf_start": staticmethod(fail)})()
    before = descriptors()
    gc.disable()
    try:
        with pytest.raises(relaylab.CallbackError):
            relayfs.relay_open("t", None, 64, 4, False, client, fs=fs)
        assert descriptors() == before
    finally:
        gc.enable()


CONNECTING = """
from relaylab.relayfs.connecting import connect
import threading
ended = threading.Event()
def storm():
    while not ended.is_set():
        connect(path).close()
thread = threading.Thread(target=storm)
thread.start()
"""


@pytest.mark.filterwarnings("ignore:This process.*fork:DeprecationWarning")
def test_a_fork_while_readers_come_and_go_takes_none_of_them_along(
    chan: Any, reader: Any, path: str
) -> None:
    reader.run(CONNECTING, path=path)
    for _ in range(50):
        ours, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:  # the child: tell what it has of the mount
            os.write(theirs, b"x" + "\n".join(_shared_memory()).encode())
            os._exit(0)
        os.close(theirs)
        found = os.read(ours, 10_000)
        os.close(ours)
        os.waitpid(pid, 0)
        assert found == b"x"
    reader.run("ended.set(); thread.join()")


def _shared_memory() -> list[str]:
    """What this process has open of channels and their readers."""
    found = []
    for name in descriptors():
        with contextlib.suppress(OSError):  # the one that listed them
            found.append(str(Path(f"/proc/self/fd/{name}").readlink()))
    return [link for link in found if "relaylab" in link]
