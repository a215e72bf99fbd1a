"""What somebody who means harm can do through what he was handed: nothing to anybody else."""

from __future__ import annotations

import errno
import os
import socket
import struct
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mount import loops
from mount.peers import NIGHTLY, descriptors, wait_until

import relaylab
from relaylab import relayfs
from relaylab.relayfs import protocol

AS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.fixture
def chan(open_channel: Any) -> relayfs.Channel:
    """A channel of 4 sub-buffers of 64 bytes."""
    made: relayfs.Channel = open_channel()
    return made


def produce(chan: Any, count: int = 1) -> None:
    """Produce sub-buffers with an event each."""
    for _ in range(count):
        assert chan.write(b"data", cpu=0)
        relayfs.relay_switch_subbuf(chan.buffers[0], 0)


def all_is_well(chan: Any, reader: Any) -> None:
    """A reader that has the file open as `f` still reads what is written."""
    for _ in range(3):
        produce(chan)
        assert reader.value("[bytes(s.data) for s in f.subbufs(timeout=0)]") == [b"data"]
    assert chan.buffers[0].is_empty


def connected(path: str) -> socket.socket:
    """A client that speaks the protocol by hand."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client.connect(path)
    return client


def is_hung_up(client: socket.socket) -> bool:
    """Whether the owner has ended the connection."""
    client.settimeout(30)
    try:
        while client.recv(1000):
            pass
    except ConnectionResetError:
        pass
    return True


# Who


@pytest.mark.skipif(not AS_ROOT, reason="becomes another user")
def test_another_user_is_refused(
    chan: Any, reader: Any, peer: Any, path: str, mounted: Any, caplog: Any, tmp_path: Path
) -> None:
    stranger = peer()
    # all the doors open: what is left is what the owner checks
    point = Path(mounted.mountpoint)
    for directory in (*point.parents, point):
        if directory.stat().st_mode & 0o005 != 0o005:
            directory.chmod(0o755)
    Path(path).chmod(0o666)
    stranger.run("os.setgroups([]); os.setresgid(12345, 12345, 12345)")
    stranger.run("os.setresuid(12345, 12345, 12345)")
    error = stranger.error("relaylab.open_file(path)", path=path)
    assert isinstance(error, relaylab.FileError)
    assert error.errno == errno.EACCES  # the client sees whose the socket is
    stranger.run(
        "import relaylab.relayfs.connecting as c; c._check_owner = lambda *_: None\n"
        "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.connect(path)\n"
        "message, fds, _, _ = socket.recv_fds(s, 1000, 10)"
    )
    assert stranger.value("fds") == []
    assert stranger.value("relaylab.relayfs.protocol.Welcome.unpacked(message)") == errno.EACCES
    assert "12345" in caplog.text
    assert chan.buffers[0].refcount == 1
    reader.run("f = relaylab.open_file(path)", path=path)
    all_is_well(chan, reader)


def test_the_socket_is_for_its_user_alone(chan: Any, path: str) -> None:
    assert Path(path).stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(not AS_ROOT, reason="becomes another user")
def test_a_socket_that_another_user_listens_to_is_not_believed(peer: Any, tmp_path: Path) -> None:
    stranger, reader = peer(), peer()
    (tmp_path / "theirs").mkdir()
    os.chown(tmp_path / "theirs", 12345, 12345)
    stranger.run("os.chdir(where); os.setresuid(12345, 12345, 12345)", where=tmp_path / "theirs")
    stranger.run(
        "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.bind('t0'); s.listen()"
    )
    # root is trusted by all, so the reader has to be somebody else, who is let in
    for directory in tmp_path.parents:
        if directory.stat().st_mode & 0o005 != 0o005:
            directory.chmod(0o755)
    tmp_path.chmod(0o755)
    (tmp_path / "theirs").chmod(0o777)
    (tmp_path / "theirs" / "t0").chmod(0o777)
    reader.run("os.setresuid(23456, 23456, 23456)")
    error = reader.error("relaylab.open_file(path)", path=str(tmp_path / "theirs" / "t0"))
    assert isinstance(error, relaylab.FileError)
    assert error.errno == errno.EACCES


def test_a_symlink_put_into_the_mount_directory_is_neither_followed_nor_removed(
    mounted: Any, tmp_path: Path, peer: Any
) -> None:
    point = Path(str(mounted.mountpoint))
    (tmp_path / "elsewhere").mkdir()
    relayfs.relayfs_create_dir("d", fs=mounted)
    (point / "d").rmdir()
    (point / "d").symlink_to(tmp_path / "elsewhere")
    (point / "t0").symlink_to(tmp_path / "elsewhere" / "t0")
    directory = mounted._root._entries["d"]
    try:
        for base, parent in (("t", directory), ("t", None)):
            with pytest.raises(relaylab.RelayError):
                relayfs.relay_open(base, parent, 64, 4, False, None, fs=mounted)
        assert list((tmp_path / "elsewhere").iterdir()) == []
        assert mounted.listdir() == ["d/"]
        reader = peer(path=str(point / "t0"))
        assert reader.error("relaylab.open_file(path)").errno == errno.ELOOP
        mounted.unmount()
        assert (point / "d").is_symlink()
        assert (point / "t0").is_symlink()
    finally:
        for name in ("d", "t0"):
            (point / name).unlink()
        point.rmdir()


# What is sent


GARBAGE = [
    b"",
    b"x",
    b"x" * (protocol.REQUEST_BYTES - 1),
    b"x" * protocol.REQUEST_BYTES,
    b"x" * (protocol.REQUEST_BYTES + 1),
    b"x" * 60_000,
    bytes(protocol.REQUEST_BYTES),
    protocol.request(protocol.UNMAP),
    protocol.request(3),
    struct.pack("=IIQ", protocol.MAP, 1, 4096),
    protocol.request(protocol.MAP, 4096) * 2,
    protocol.request(protocol.MAP, 4096)[:8],
]


@pytest.mark.parametrize("message", GARBAGE, ids=range(len(GARBAGE)))
def test_a_client_that_sends_garbage_or_half_a_message_is_dropped_and_logged(
    message: bytes, chan: Any, reader: Any, path: str, caplog: Any
) -> None:
    reader.run("f = relaylab.open_file(path)", path=path)
    with connected(path) as client:
        wait_until(lambda: chan.buffers[0].refcount == 3)
        client.send(message)
        assert is_hung_up(client)
    wait_until(lambda: chan.buffers[0].refcount == 2)
    if message:
        wait_until(lambda: "t0 is dropped" in caplog.text)
    all_is_well(chan, reader)


@pytest.mark.parametrize("length", [0, 4095, 2**63, 2**64 - 1])
def test_a_request_for_another_mapping_is_answered_einval(
    length: int, chan: Any, path: str
) -> None:
    with connected(path) as client:
        client.recv(1000)
        client.send(protocol.request(protocol.MAP, length))
        assert protocol.read_reply(client.recv(100)) == (protocol.MAP, errno.EINVAL)
    assert relaylab.Kind.MAPPED not in chan.journal.read()["kind"]


def test_descriptors_that_a_client_sends_are_not_kept(chan: Any, reader: Any, path: str) -> None:
    reader.run("f = relaylab.open_file(path)", path=path)
    before = len(descriptors())
    with connected(path) as client, Path("/dev/null").open("rb") as null:
        message = protocol.request(protocol.MAP, 4096)
        socket.send_fds(client, [message], [null.fileno()] * 50)
        client.recv(1000)
        assert protocol.read_reply(client.recv(1000)) == (protocol.MAP, 0)
        assert len(descriptors()) < before + 20
    wait_until(lambda: len(descriptors()) <= before)
    all_is_well(chan, reader)


@pytest.mark.parametrize("listens", [True, False])
def test_a_client_that_sends_a_million_messages_is_slowed_down_or_dropped(
    listens: bool, chan: Any, peer: Any, path: str
) -> None:
    reader, flooder = peer(path=path), peer(path=path, listens=listens)
    reader.run("f = relaylab.open_file(path)")
    flooder.run(
        """
from relaylab.relayfs import protocol
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect(path)
s.recv(1000)
s.setblocking(False)
sent = 0
def flood():
    global sent
    pair = protocol.request(protocol.MAP, 4096), protocol.request(protocol.UNMAP)
    while sent < 1_000_000:
        try:
            s.send(pair[sent % 2])
            sent += 1
        except BlockingIOError:
            select.select([s], [s], [], 1)
        except OSError:
            return
        try:
            while listens and s.recv(100): pass
        except OSError:
            pass
threading.Thread(target=flood, daemon=True).start()
"""
    )
    wait_until(lambda: flooder.value("sent") > 100)
    begin = time.process_time()
    started = time.monotonic()
    while time.monotonic() < started + (5 if NIGHTLY else 1):
        all_is_well(chan, reader)
    if NIGHTLY:
        assert time.process_time() - begin < 2.5  # the owner has better things to do
    with relaylab.open_file(path):
        pass
    late = peer(path=path)
    late.run("f = relaylab.open_file(path); m = f.mmap()")  # newcomers are heard
    flooder.kill()
    wait_until(lambda: chan.buffers[0].refcount == 3)


def test_a_client_with_1000_connections_gets_what_there_is_and_hurts_nobody(
    chan: Any, peer: Any, path: str, caplog: Any
) -> None:
    reader, greedy = peer(path=path), peer(path=path)
    reader.run("f = relaylab.open_file(path); m = f.mmap()")
    before = len(descriptors())
    greedy.run(
        """
import resource
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
taken = []
def grab():
    for _ in range(1000):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.connect(path)
        taken.append(s)
grabber = threading.Thread(target=grab, daemon=True)
grabber.start()
"""
    )
    while greedy.value("grabber.is_alive()"):
        all_is_well(chan, reader)
    assert greedy.value("len(taken)") == 1000
    wait_until(lambda: "refused" in caplog.text)
    all_is_well(chan, reader)
    assert chan.buffers[0].refcount < 200
    assert len(descriptors()) < before + 500
    late = peer(path=path)
    error = late.error("relaylab.open_file(path)")
    assert isinstance(error, relaylab.ResourceError)
    assert error.errno == errno.EMFILE
    greedy.kill()
    wait_until(lambda: chan.buffers[0].refcount == 2)
    late.run("f = relaylab.open_file(path)")
    wait_until(lambda: len(descriptors()) <= before + 10)


def test_a_client_that_never_takes_its_welcome_stops_nobody(
    chan: Any, reader: Any, path: str
) -> None:
    silent = [connected(path) for _ in range(20)]
    reader.run("f = relaylab.open_file(path)", path=path)
    all_is_well(chan, reader)
    for client in silent:
        client.close()
    wait_until(lambda: chan.buffers[0].refcount == 2)


def test_a_full_waiting_line_stops_nobody_in_it(chan: Any, reader: Any, path: str) -> None:
    reader.run("f = relaylab.open_file(path)", path=path)
    for _ in range(300):  # gone before they are welcomed
        client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        client.setblocking(False)
        client.connect_ex(path)
        client.close()
    all_is_well(chan, reader)
    wait_until(lambda: chan.buffers[0].refcount == 2)


# What is written into what was handed over

SCRIBBLE = """
import random
f = relaylab.open_file(path)
random.seed(seed)
edges = [0, 1, -1, 2**31, -2**31, 2**63 - 1, -2**63, 4, 5, 2, 8]
def scribble(until):
    words = f._letterbox.bytes.view(np.int64)
    while time.monotonic() < until:
        for _ in range(20):
            where = random.randrange(16) if random.random() < 0.9 else random.randrange(512)
            words[where] = random.choice([*edges, random.randrange(-2**63, 2**63)])
        words[0] += 1
        os.eventfd_write(f._bell, random.choice([1, 2, 2**40]))
"""


@pytest.mark.parametrize("overwrite", [True, False])
def test_scribbling_all_over_the_letterbox_consumes_at_most_what_was_produced(
    overwrite: bool, open_channel: Any, peer: Any, path: str, compiled: Any
) -> None:
    chan = open_channel(overwrite=overwrite, subbuf_size=256, n_subbufs=8)
    buf = chan.buffers[0]
    scribblers = [peer(path=path, seed=seed) for seed in range(2)]
    watcher = peer(path=path)
    watcher.run("f = relaylab.open_file(path)")
    for one in scribblers:
        one.run(SCRIBBLE)
        one.begin(f"scribble(time.monotonic() + {30 if NIGHTLY else 1})")
    progress = np.zeros(3, np.int64)
    arguments = (chan.handle(0), progress, loops.NO_END, 1, False)
    writer = threading.Thread(target=loops.write_events, args=arguments)
    writer.start()
    looks = 0
    highest = 0
    try:
        while any(one.is_busy for one in scribblers):
            consumed = buf.subbufs_consumed  # never more than was produced by then or later
            assert highest <= consumed <= buf.subbufs_produced
            highest = consumed
            looks += 1
    finally:
        progress[loops.STOPPED] = 1
        writer.join()
    for one in scribblers:
        one.end()
        one.kill()
    wait_until(lambda: buf.refcount == 2)
    assert looks > 0
    assert progress[loops.OFFERED] > 0
    assert chan.stats.written + chan.stats.lost == progress[loops.OFFERED]
    if overwrite:  # else a scribbler may have consumed what the watcher is at
        watcher.run("good = [loops.is_whole(s.data) for s in f.subbufs(0, consume=False)]")
        assert all(watcher.value("good"))
    chan.reset()
    assert watcher.value("f.poll()") == 0
    assert chan.write(b"x" * 256, cpu=0)
    chan.flush()
    assert watcher.value("[len(s.data) for s in f.subbufs(timeout=0)]") == [256]


def test_a_letter_of_a_sub_buffer_that_is_not_produced_yet_consumes_nothing(
    chan: Any, reader: Any, path: str
) -> None:
    reader.run("f = relaylab.open_file(path)", path=path)
    produce(chan, 2)
    for sequence in (2, 3, 2**62):
        reader.run(f"f._ask(2, {sequence}, 0)")
        assert chan.buffers[0].subbufs_consumed == 0
    reader.run("f._ask(2, 0, 1)")  # of another epoch
    assert chan.buffers[0].subbufs_consumed == 0
    reader.run("f._ask(2, 1, 0)")
    assert chan.buffers[0].subbufs_consumed == 2


def test_a_letterbox_with_a_hole_in_it_or_another_size_harms_nobody(
    chan: Any, peer: Any, path: str
) -> None:
    reader, rogue = peer(path=path), peer(path=path)
    reader.run("f = relaylab.open_file(path)")
    rogue.run(
        """
from relaylab.relayfs import connecting
s = connecting.connect(path)
welcome, (data, control, letterbox, wake, bell) = connecting.receive_welcome(s, path)
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
refused = []
for size in (0, 1, 8192):
    try: os.ftruncate(letterbox, size)
    except OSError as error: refused.append(error.errno)
punched = libc.fallocate(letterbox, 3, 0, 4096)
os.eventfd_write(bell, 1)
"""
    )
    assert rogue.value("refused") == [errno.EPERM] * 3
    all_is_well(chan, reader)


def test_a_reader_that_abuses_its_wake_up_does_not_stop_the_writer(
    chan: Any, peer: Any, path: str
) -> None:
    reader, rogue = peer(path=path), peer(path=path)
    reader.run("f = relaylab.open_file(path)")
    rogue.run(
        """
import fcntl
f = relaylab.open_file(path)
def fill(descriptor):
    for value in (0xfffffffffffffffd, 1, 1, 1):
        try: os.write(descriptor, value.to_bytes(8, 'little'))
        except OSError: pass
fill(f._wake)
try:
    again = os.open(f'/proc/self/fd/{f._wake}', os.O_WRONLY | os.O_NONBLOCK)
    while True: os.write(again, bytes(4096))
except OSError:
    pass
fcntl.fcntl(f._wake, fcntl.F_SETFL, 0)  # from here on whoever shares it would wait
def arm():
    words = f._letterbox.bytes.view(np.int64)
    while True:
        words[1] = 4
        words[0] += 1
        os.eventfd_write(f._bell, 1)
        time.sleep(0.0001)
threading.Thread(target=arm, daemon=True).start()
"""
    )
    done = threading.Event()

    def write() -> None:
        for _ in range(2000):
            produce(chan)
            relayfs.relay_subbufs_consumed(chan, 0, 1)
        done.set()

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    assert done.wait(60), "the writer is stuck"
    writer.join()
    all_is_well(chan, reader)


# What cannot be written to

ATTACK = """
import ctypes, errno, fcntl, mmap, os
from relaylab.relayfs import connecting
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_int64]
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
libc.pwrite.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int64]
libc.mremap.restype = ctypes.c_void_p
FAILED = ctypes.c_void_p(-1).value
NO = (errno.EPERM, errno.EACCES, errno.EBADF, errno.EINVAL, errno.EBUSY, errno.EOPNOTSUPP)

s = connecting.connect(path)
welcome, (data, control, letterbox, wake, bell) = connecting.receive_welcome(s, path)
done = []

def must_fail(name, call):
    try:
        call()
    except OSError as error:
        if error.errno not in NO:
            done.append((name, error.errno))
    else:
        done.append((name, 'went well'))

def raw(answer, bad=-1):
    if answer == bad:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return answer

def attack(fd, what):
    size = os.fstat(fd).st_size
    must_fail(f'{what}: write', lambda: os.write(fd, b'evil'))
    must_fail(f'{what}: pwrite', lambda: os.pwrite(fd, b'evil', 0))
    must_fail(f'{what}: mmap', lambda: mmap.mmap(fd, size))
    must_fail(f'{what}: libc mmap', lambda: raw(libc.mmap(None, size, 3, 1, fd, 0), FAILED))
    address = raw(libc.mmap(None, size, 1, 1, fd, 0), FAILED)
    must_fail(f'{what}: mprotect', lambda: raw(libc.mprotect(address, size, 3)))
    must_fail(f'{what}: mprotect exec', lambda: raw(libc.mprotect(address, size, 7)))
    must_fail(f'{what}: shrink', lambda: os.ftruncate(fd, 0))
    must_fail(f'{what}: grow', lambda: os.ftruncate(fd, size + 4096))
    must_fail(f'{what}: punch', lambda: raw(libc.fallocate(fd, 3, 0, 4096)))
    must_fail(f'{what}: zero', lambda: raw(libc.fallocate(fd, 0x10, 0, 4096)))
    must_fail(f'{what}: allocate', lambda: raw(libc.fallocate(fd, 0, size, 4096)))
    for seals in (1, 2, 4, 8, 16, 32):
        must_fail(f'{what}: seal {seals}', lambda: fcntl.fcntl(fd, 1033, seals))
    must_fail(f'{what}: madvise', lambda: raw(libc.madvise(ctypes.c_void_p(address), size, 9)))
    # a private copy may be changed: it is nobody else's
    private = raw(libc.mmap(None, 4096, 3, 2, fd, 0), FAILED)
    ctypes.memset(private, 0x66, 4096)

def reopened(fd, what):
    for flags in (os.O_RDWR, os.O_WRONLY, os.O_RDWR | os.O_TRUNC, os.O_WRONLY | os.O_APPEND):
        try:
            again = os.open(f'/proc/self/fd/{fd}', flags)
        except PermissionError:
            continue
        except OSError as error:
            done.append((what, error.errno)) if error.errno not in NO else None
            continue
        attack(again, f'{what} {flags}') if flags != os.O_WRONLY and not flags & os.O_APPEND else (
            must_fail(f'{what}: write {flags}', lambda: os.write(again, b'evil')))
        os.close(again)

for fd, what in ((data, 'data'), (control, 'control')):
    attack(fd, what)
    reopened(fd, f'{what} reopened')
    try:
        os.fchmod(fd, 0o777)
    except OSError:
        pass
    reopened(fd, f'{what} with another mode')
    try:
        fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND | os.O_RDWR)
    except OSError:
        pass
    must_fail(f'{what}: write after F_SETFL', lambda: os.write(fd, b'evil'))
"""


@pytest.mark.parametrize("as_root", [True, False])
def test_a_reader_cannot_write_to_the_buffer_or_the_control_block_by_any_means(
    as_root: bool, peer: Any, tmp_path: Path, point: Path
) -> None:
    if as_root and not AS_ROOT:
        pytest.skip("needs root")
    owner, rogue, reader = peer(), peer(), peer()
    if AS_ROOT and not as_root:
        for directory in tmp_path.parents:
            if directory.stat().st_mode & 0o005 != 0o005:
                directory.chmod(0o755)
        tmp_path.chmod(0o755)
        os.chown(point, 12345, 12345)
        for one in (owner, rogue, reader):
            one.run("os.environ['XDG_RUNTIME_DIR'] = where", where=str(point / "run"))
            one.run("os.setgroups([]); os.setresgid(12345, 12345, 12345)")
            one.run("os.setresuid(12345, 12345, 12345)")
        owner.run("os.mkdir(where)")
        where = point / "point"
    else:
        where = tmp_path / "another"
    owner.run("os.mkdir(point)", point=str(where))
    owner.run(
        "fs = relayfs.RelayFS(1); fs.mount(point)\n"
        "chan = relayfs.relay_open('t', None, 4096, 4, 0, None, fs=fs)\n"
        "buf = chan.buffers[0]; chan.write(b'good' * 1024, cpu=0); chan.flush()"
    )
    reader.run("f = relaylab.open_file(path); m = f.mmap()", path=f"{where}/t0")
    state = "(bytes(buf.memory), chan.stats, buf.padding.tolist(), buf.subbufs_produced)"
    before = owner.value(state)
    rogue.run(ATTACK, path=f"{where}/t0")
    assert rogue.value("done") == []
    rogue.run("s.close()")
    assert owner.value(state) == before
    assert reader.value("[bytes(s.data) == b'good' * 1024 for s in f.subbufs(timeout=0)]") == [True]
    assert reader.value("select.select([f], [], [], 0)[0] == []")
    owner.run("fs.close()")


def test_what_is_handed_over_is_not_inherited_by_other_programs(
    chan: Any, reader: Any, path: str
) -> None:
    reader.run("f = relaylab.open_file(path); f.fileno()", path=path)
    inheritable = "[os.get_inheritable(fd) for fd in (f._data, f._wake, f._bell, f.fileno())]"
    assert reader.value(inheritable) == [False] * 4
    assert not reader.value("f._socket.get_inheritable()")


def test_a_reader_with_a_lease_on_what_it_got_makes_nobody_wait(
    chan: Any, reader: Any, peer: Any, path: str
) -> None:
    reader.run("import fcntl, signal; f = relaylab.open_file(path)", path=path)
    error = reader.error("fcntl.fcntl(f._data, fcntl.F_SETLEASE, fcntl.F_WRLCK)")
    assert error.errno == errno.EAGAIN  # it is not the only one who has it open
    other = peer(path=path)
    other.run("f = relaylab.open_file(path)")
    all_is_well(chan, other)
