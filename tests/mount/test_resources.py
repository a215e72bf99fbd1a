"""What happens when the system has no more memory or descriptors: an error, and nothing is left."""

from __future__ import annotations

import errno
import resource
from pathlib import Path
from typing import Any

import pytest
from mount.peers import listed, wait_until

import relaylab
from relaylab import relayfs

LIMITED = """
import errno, fcntl, gc, resource
def descriptors():
    gc.collect()
    return sorted(os.listdir('/proc/self/fd'))
def threads():
    return len(os.listdir('/proc/self/task'))
def names(*tops):
    return sorted(os.path.join(d, n) for t in tops for d, ds, fs in os.walk(t) for n in ds + fs)
def with_descriptors(left, call):
    '''Call with so many descriptors left; the error, or what it gave.'''
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = max(map(int, os.listdir('/proc/self/fd')))
    fillers = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken + 50, hard))
    try:
        while True: fillers.append(os.open('/dev/null', os.O_RDONLY))
    except OSError:
        pass
    for _ in range(left): os.close(fillers.pop())
    try:
        return call()
    except relaylab.RelayError as error:
        return error
    finally:
        for f in fillers: os.close(f)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
def with_memory(spare, call):
    '''Call with so many bytes of address space left.'''
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(open('/proc/self/statm').read().split()[0]) * 4096
    resource.setrlimit(resource.RLIMIT_AS, (used + spare, hard))
    try:
        return call()
    except relaylab.RelayError as error:
        return error
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
def attempts(limited, amounts, call, undo, *tops):
    '''Each amount in turn; what went wrong, and how many were refused before it went well.'''
    wrong, refusals = [], 0
    for amount in amounts:
        before = descriptors(), threads(), names(*tops), relaylab.mounts(), fs.listdir()
        answer = limited(amount, call)
        if not isinstance(answer, relaylab.RelayError):
            undo(answer)
            after = names(*tops)
            return wrong, refusals, after == before[2] or (before[2], after)
        if not isinstance(answer, relaylab.ResourceError):
            wrong.append((amount, repr(answer)))
        refusals += 1
        del answer
        ends = time.monotonic() + 5
        after = descriptors(), threads(), names(*tops), relaylab.mounts(), fs.listdir()
        while after != before and time.monotonic() < ends:
            time.sleep(0.01)
            after = descriptors(), threads(), names(*tops), relaylab.mounts(), fs.listdir()
        if after != before:
            wrong.append((amount, before, after))
    return wrong, refusals, 'it never went well'
"""


@pytest.fixture
def limited(peer: Any, point: Path, runtime_directory: Path) -> Any:
    """A process that can be short of things, with an unmounted file system `fs`."""
    made = peer(point=str(point), run=str(runtime_directory))
    made.run("os.makedirs(run + '/relaylab/mounts', mode=0o700, exist_ok=True)")
    made.run(LIMITED + "relaylab.open_file\nfs = relayfs.RelayFS(4)\nrelaylab.mounts()")
    return made


@pytest.mark.parametrize("where", ["point", "None"])
@pytest.mark.parametrize("leftovers", [False, True])
def test_a_mount_without_descriptors_is_a_resource_error_and_leaves_nothing(
    leftovers: bool, where: str, limited: Any, peer: Any, point: Path, tmp_path: Path
) -> None:
    limited.run("relayfs.relay_open('t', relayfs.relayfs_create_dir('d', fs=fs), 64, 4, 0, None)")
    if leftovers:  # of an owner that nobody knows of
        killed = peer(point=str(point), run=str(tmp_path))
        killed.run("os.environ['XDG_RUNTIME_DIR'] = run")
        killed.run("fs = relayfs.RelayFS(1); fs.mount(point)")
        killed.run("c = relayfs.relay_open('t', None, 64, 4, 0, None, fs=fs)")
        killed.kill()
    tops = "run + '/relaylab'" if leftovers else "point, run + '/relaylab'"
    found = limited.value(
        f"attempts(with_descriptors, range(40), lambda: fs.mount({where}), "
        f"lambda _: fs.unmount(), {tops})"
    )
    assert (found[0], found[2]) == ([], True)
    assert found[1] > 5
    if not leftovers or where == "point":
        assert listed(point) == []
    assert limited.value("relaylab.mounts()") == []


def test_a_mount_without_memory_is_a_resource_error_and_leaves_nothing(limited: Any) -> None:
    limited.run("relayfs.relay_open('t', None, 64, 4, 0, None, fs=fs)")
    amounts = "[*range(0, 2**22, 2**17), *range(2**22, 2**27, 2**21), 2**32]"
    found = limited.value(
        f"attempts(with_memory, {amounts}, lambda: fs.mount(point), lambda _: fs.unmount(), "
        "point, run + '/relaylab')"
    )
    assert found[0] == []
    assert found[1] > 2
    assert found[2] is True


OPEN = "lambda: relayfs.relay_open('t', None, 4096, 64, 0, None, fs=fs)"


def test_an_open_without_descriptors_is_a_resource_error_and_leaves_nothing(limited: Any) -> None:
    limited.run("fs.mount(point)")
    found = limited.value(
        f"attempts(with_descriptors, range(40), {OPEN}, lambda c: c.close(), point)"
    )
    assert (found[0], found[2]) == ([], True)
    assert found[1] >= 5  # two files and four names


def test_an_open_without_memory_is_a_resource_error_and_leaves_nothing(limited: Any) -> None:
    limited.run("fs.mount(point)")
    amounts = "[*range(0, 2**22, 2**17), 2**24, 2**26, 2**32]"
    found = limited.value(f"attempts(with_memory, {amounts}, {OPEN}, lambda c: c.close(), point)")
    assert (found[0], found[2]) == ([], True)
    assert found[1] > 1


def test_a_reader_without_descriptors_gets_a_resource_error_and_leaves_nothing(
    limited: Any, open_channel: Any, path: str
) -> None:
    chan = open_channel()
    found = limited.value(
        "attempts(with_descriptors, range(20), lambda: relaylab.open_file(path), "
        "lambda f: f.close())",
        path=path,
    )
    assert (found[0], found[2]) == ([], True)
    assert found[1] >= 4
    limited.run("f = relaylab.open_file(path)")
    for use in ("f.fileno()", "next(f.subbufs(timeout=0), None)"):
        error = limited.value(f"with_descriptors(0, lambda: {use})")
        assert isinstance(error, relaylab.ResourceError)
        assert error.errno == errno.EMFILE
    limited.run("f.fileno(); f.close(); del f")
    wait_until(lambda: chan.buffers[0].refcount == 1)


def test_a_reader_without_memory_gets_a_resource_error_and_leaves_nothing(
    limited: Any, open_channel: Any, path: str
) -> None:
    chan = open_channel(subbuf_size=2**20, n_subbufs=64)
    amounts = "[0, 65536, 2**18, 2**20, 2**22, 2**24, 2**28]"
    found = limited.value(
        f"attempts(with_memory, {amounts}, lambda: relaylab.open_file(path), lambda f: f.close())",
        path=path,
    )
    assert (found[0], found[2]) == ([], True)
    assert found[1] > 0
    limited.run("f = relaylab.open_file(path)")
    error = limited.value("with_memory(2**24, lambda: f.mmap())")
    assert isinstance(error, relaylab.ResourceError)
    assert error.errno == errno.ENOMEM
    assert limited.value("len(f.mmap().view)") == 2**26
    limited.leave()
    wait_until(lambda: chan.buffers[0].refcount == 1)


def test_an_owner_without_descriptors_lets_readers_wait_and_then_serves_them(
    limited: Any, peer: Any, point: Path
) -> None:
    limited.run("fs.mount(point); chan = relayfs.relay_open('t', None, 64, 4, 0, None, fs=fs)")
    path = f"{point}/t0"
    early, late = peer(path=path), peer(path=path)
    early.run("f = relaylab.open_file(path)")
    limited.run("chan.flush()")
    for left in range(6):
        late.begin(
            "try: f = relaylab.open_file(path); f.close(); error = None\n"
            "except relaylab.RelayError as e: error = e"
        )
        limited.run(f"with_descriptors({left}, lambda: time.sleep(0.3))")
        late.end()
        error = late.value("error")
        assert error is None or isinstance(error, relaylab.ResourceError), error
        assert early.value("f.subbufs_produced") == 1
    late.run("f = relaylab.open_file(path); m = f.mmap()")
    early.run("f.consume(1)")
    assert limited.value("chan.buffers[0].subbufs_consumed") == 1


def test_64_readers_of_a_buffer_are_served_and_the_next_one_is_told_why_not(
    open_channel: Any, peer: Any, path: str
) -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 1024:
        pytest.skip("too few descriptors")
    chan = open_channel()
    reader = peer(path=path)
    reader.run("files = [relaylab.open_file(path) for _ in range(64)]")
    assert chan.buffers[0].refcount == 65
    error = reader.error("relaylab.open_file(path)")
    assert isinstance(error, relaylab.ResourceError)
    relayfs.relay_switch_subbuf(chan.buffers[0], 0)
    assert reader.value("all(select.select([f], [], [], 10)[0] for f in files)")
    reader.run("files.pop().close()")
    wait_until(lambda: chan.buffers[0].refcount == 64)
    reader.run("files.append(relaylab.open_file(path))")
