"""Reading a live channel from another process."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mount import loops
from mount.peers import NIGHTLY, descriptors, wait_until

import relaylab
from relaylab import relayfs

READABLE = select.POLLIN | select.POLLRDNORM


@pytest.fixture
def chan(open_channel: Any) -> relayfs.Channel:
    """A no-overwrite channel of 4 sub-buffers of 64 bytes."""
    made: relayfs.Channel = open_channel()
    return made


@pytest.fixture
def other(reader: Any, chan: Any, path: str) -> Any:
    """Another process that has its file open as `f`."""
    reader.run("f = relaylab.open_file(path)", path=path)
    return reader


def produce(chan: Any, *lengths: int) -> None:
    """Produce a sub-buffer of each length; its bytes all are the number of the sub-buffer."""
    for length in lengths:
        buf = chan.buffers[0]
        assert chan.write(bytes([buf.subbufs_produced % 256]) * length, cpu=0)
        relayfs.relay_switch_subbuf(buf, 0)


# State


def test_state_is_seen_live(chan: Any, other: Any) -> None:
    state = "(f.subbufs_produced, f.subbufs_consumed, f.unfull, f.finalized, f.padding.tolist())"
    other.run(f"padding = f.padding; see = lambda: {state} + (padding.tolist(),)")
    assert other.value("see()") == (0, 0, 0, 0, [0] * 4, [0] * 4)
    produce(chan, 60, 64, 1, 2)
    assert other.value("see()") == (4, 0, 0, 0, [4, 0, 63, 62], [4, 0, 63, 62])
    relayfs.relay_subbufs_consumed(chan, 0, 1)
    assert other.value("see()")[:4] == (4, 1, 1, 0)
    chan.reset()
    assert other.value("see()") == (0, 0, 0, 0, [0] * 4, [0] * 4)
    chan.close()
    assert other.value("see()")[:4] == (0, 0, 0, 1)


def test_what_the_buffer_is_like_is_known(open_channel: Any, reader: Any, mounted: Any) -> None:
    for number, overwrite in enumerate((False, True)):
        chan = open_channel(f"c{number}-", overwrite=overwrite, subbuf_size=1000, n_subbufs=5)
        reader.run("f = relaylab.open_file(path)", path=f"{mounted.mountpoint}/c{number}-0")
        seen = reader.value("(f.cpu, f.subbuf_size, f.n_subbufs, f.alloc_size, f.overwrite)")
        assert seen == (0, 1000, 5, chan.alloc_size, overwrite)
        assert reader.value("(f.closed, f.path)") == (False, f"{mounted.mountpoint}/c{number}-0")


def test_statistics_are_seen_live(chan: Any, other: Any) -> None:
    produce(chan, 64, 64, 64, 64)
    assert not chan.write(b"lost", cpu=0)
    assert other.value("f.stats") == chan.buffers[0].stats


def test_consuming_has_taken_effect_when_it_returns(chan: Any, other: Any) -> None:
    buf = chan.buffers[0]
    produce(chan, 1, 1, 1, 1)
    for n in (0, 1, 2, 1):
        before = buf.subbufs_consumed
        assert other.value(f"(f.consume({n}), f.subbufs_consumed)[1]") == before + n
        assert buf.subbufs_consumed == before + n
    assert buf.unfull == other.value("f.unfull") == 1
    assert [r for r in chan.journal.read()["kind"] if r == relaylab.Kind.CONSUMED]


@pytest.mark.parametrize("n", [3, 2**31 - 1])
def test_consuming_more_than_was_produced_is_clamped(n: int, chan: Any, other: Any) -> None:
    produce(chan, 1, 1)
    other.run(f"f.consume({n})")
    assert (chan.buffers[0].subbufs_consumed, other.value("f.subbufs_consumed")) == (2, 2)
    produce(chan, 1)
    assert other.value("f.poll()") == READABLE


@pytest.mark.parametrize("bad", ["-1", "2**31", "1.5", "'1'", "None"])
def test_consuming_what_is_no_count_changes_nothing(bad: str, chan: Any, other: Any) -> None:
    produce(chan, 1)
    assert isinstance(other.error(f"f.consume({bad})"), relaylab.ConfigError)
    assert chan.buffers[0].subbufs_consumed == 0


# Mappings


@pytest.mark.parametrize("length", [0, 1, 4095, 4097, 8192, -4096, 2**62])
def test_a_mapping_of_another_length_is_einval(length: int, chan: Any, other: Any) -> None:
    error = other.error(f"f.mmap({length})")
    assert isinstance(error, relaylab.FileError)
    assert error.errno == errno.EINVAL


def test_a_mapping_is_the_live_buffer(chan: Any, other: Any) -> None:
    other.run("m = f.mmap(); n = f.mmap(f.alloc_size)")
    chan.write(b"abc", cpu=0)
    assert other.value("bytes(m.view[:4])") == b"abc\0"
    assert other.value("(len(m.view), m.array.dtype.name, m.array.shape)") == (
        4096,
        "uint8",
        (4096,),
    )
    assert other.value("n.array[:3].tobytes()") == b"abc"


def test_views_are_read_only_for_good(chan: Any, other: Any) -> None:
    chan.write(b"abc", cpu=0)
    chan.flush()
    other.run("m = f.mmap(); sub = next(f.subbufs(consume=True))")
    for store in (
        "m.view[0] = 1",
        "m.array[0] = 1",
        "m.array.flags.writeable = True",
        "f.padding[0] = 1",
        "f.padding.flags.writeable = True",
        "sub.data[0] = 1",
        "sub.data.flags.writeable = True",
        "np.frombuffer(m.view, np.uint8)[0] = 1",
    ):
        assert isinstance(other.error(store), ValueError | TypeError), store
    assert bytes(chan.buffers[0].memory[:3]) == b"abc"


def test_files_and_mappings_that_are_closed_say_so(chan: Any, other: Any) -> None:
    other.run("m = f.mmap(); view = m.view; m.close(); m.close()")
    for use in ("m.view", "m.array"):
        assert isinstance(other.error(use), relaylab.ClosedError)
    other.run("m = f.mmap(); f.close(); f.close()")
    for use in ("f.poll()", "f.fileno()", "f.mmap()", "f.consume(1)", "f.subbufs()"):
        assert isinstance(other.error(use), relaylab.ClosedError), use
    produce(chan, 3)
    assert other.value("(f.subbufs_produced, f.subbufs_consumed)") == (1, 0)  # the mapping holds it
    other.run("m.close()")
    assert isinstance(other.error("f.subbufs_produced"), relaylab.ClosedError)
    assert other.value("len(view)") == 4096


# Waiting


def test_poll_tells_what_there_is(chan: Any, other: Any) -> None:
    assert other.value("f.poll()") == 0
    produce(chan, 1, 1)
    assert other.value("[f.poll(), f.poll()]") == [READABLE] * 2
    other.run("f.consume(1)")
    assert other.value("f.poll()") == READABLE
    other.run("f.consume(1)")
    assert other.value("f.poll()") == 0
    chan.close()
    assert other.value("f.poll()") == select.POLLERR


WAITERS = {
    "select": "lambda t: bool(select.select([f], [], [], t)[0])",
    "poll": "lambda t: (p := select.poll(), p.register(f, select.POLLIN))"
    " and [m for _, m in p.poll(1000 * t)] == [select.POLLIN]",
    "epoll": "lambda t: (p := select.epoll(), p.register(f, select.EPOLLIN))"
    " and [m for _, m in p.poll(t)] == [select.EPOLLIN]",
    "selectors": "lambda t: (p := selectors.DefaultSelector(), p.register(f, 1))"
    " and len(p.select(t)) == 1",
    "asyncio": "lambda t: asyncio.run(readable(t))",
}
ASYNCIO = """
async def readable(t):
    woken = asyncio.Event()
    asyncio.get_running_loop().add_reader(f, woken.set)
    try:
        await asyncio.wait_for(woken.wait(), t or 0.01)
    except TimeoutError:
        return False
    return True
"""


@pytest.mark.parametrize("way", WAITERS)
def test_its_descriptor_can_be_waited_on(way: str, chan: Any, other: Any) -> None:
    other.run(f"{ASYNCIO}\nwait = {WAITERS[way]}")
    assert not other.value("wait(0)")
    produce(chan, 1)
    assert other.value("[wait(0), wait(0)]") == [True] * 2
    other.run("f.consume(1)")
    assert not other.value("wait(0.01)")
    for _ in range(3):  # asleep when it comes
        other.begin("woken = wait(60)")
        produce(chan, 1)
        other.end()
        assert other.value("woken")
        other.run("f.consume(1)")
    other.begin("woken = wait(60)")
    chan.close()
    other.end()
    assert other.value("[woken, wait(0), wait(0)]") == [True] * 3


def test_the_descriptor_is_readable_as_long_as_something_is_unconsumed(
    chan: Any, other: Any
) -> None:
    other.run("p = select.poll(); p.register(f, select.POLLIN); ready = lambda: bool(p.poll(0))")
    produce(chan, 1, 1)
    other.run("f.consume(1)")
    assert other.value("ready()")
    assert other.value("(f.poll(), ready())") == (READABLE, True)
    relayfs.relay_subbufs_consumed(chan, 0, 1)  # by somebody else
    assert other.value("f.poll()") == 0
    assert not other.value("ready()")
    produce(chan, 1)
    assert other.value("ready()")


# Sub-buffers

READ = "[(s.sequence, s.index, bytes(s.data), s.padding) for s in f.subbufs(timeout={})]"


def test_subbufs_yields_whole_ones_and_consumes_each_when_the_loop_moves_on(
    chan: Any, other: Any
) -> None:
    produce(chan, 3, 64, 1)
    other.run("loop = f.subbufs(timeout=0)")
    for sequence, length in enumerate((3, 64, 1)):
        other.run("s = next(loop)")
        assert other.value("(s.sequence, s.index, bytes(s.data), s.padding)") == (
            sequence,
            sequence,
            bytes([sequence]) * length,
            64 - length,
        )
        wait_until(lambda sequence=sequence: chan.buffers[0].subbufs_consumed == sequence)
    assert other.value("list(loop)") == []
    assert chan.buffers[0].subbufs_consumed == 3


def test_subbufs_ends_when_nothing_came_for_its_timeout_and_may_be_called_again(
    chan: Any, other: Any
) -> None:
    assert other.value(READ.format(0.01)) == []
    seen = []
    for length in range(1, 11):
        produce(chan, length)
        if length % 2:
            continue
        seen += other.value(READ.format(0.01))
    assert seen == [(i, i % 4, bytes([i]) * (i + 1), 63 - i) for i in range(10)]


def test_subbufs_waits_for_what_comes(chan: Any, other: Any) -> None:
    other.begin(f"seen = {READ.format(None)}")
    for _ in range(20):
        wait_until(lambda: chan.buffers[0].is_empty)
        produce(chan, 5)
    chan.close()
    other.end()
    assert other.value("[s[0] for s in seen]") == list(range(20))


def test_an_unfinished_loop_consumes_what_it_was_through_with(chan: Any, other: Any) -> None:
    produce(chan, 1, 1, 1)
    other.run("for s in f.subbufs(timeout=0):\n  if s.sequence == 1: break")
    assert chan.buffers[0].subbufs_consumed == 1
    assert other.value(f"[s[0] for s in {READ.format(0)}]") == [1, 2]


@pytest.mark.parametrize("bad", ["-1", "float('nan')", "'x'", "[]"])
def test_a_timeout_that_is_none_is_refused(bad: str, other: Any) -> None:
    assert isinstance(other.error(f"f.subbufs(timeout={bad})"), relaylab.ConfigError)
    assert isinstance(other.error(f"f.subbufs_async(timeout={bad})"), relaylab.ConfigError)


def test_a_watcher_has_no_say_in_what_is_used_again(chan: Any, other: Any) -> None:
    produce(chan, 1, 2, 3, 4)
    other.run("loop = f.subbufs(timeout=0, consume=False); first = next(loop)")
    assert other.value("[s.sequence for s in loop]") == [1, 2, 3]
    assert chan.buffers[0].subbufs_consumed == 0
    assert other.value("[s.sequence for s in f.subbufs(timeout=0, consume=False)]") == []
    relayfs.relay_subbufs_consumed(chan, 0, 4)
    relayfs.relay_switch_subbuf(chan.buffers[0], 0)  # what follows `unfull` begins
    produce(chan, 7)
    assert other.value("bytes(first.data)") == b"\0"  # a copy
    seen = other.value("[(s.sequence, len(s.data)) for s in f.subbufs(timeout=0, consume=False)]")
    assert seen == [(4, 7)]


def test_a_watcher_sees_what_is_consumed_but_not_yet_overwritten(chan: Any, other: Any) -> None:
    produce(chan, 1, 1)
    other.run("loop = f.subbufs(timeout=0, consume=False)")
    assert other.value("next(loop).sequence") == 0
    relayfs.relay_subbufs_consumed(chan, 0, 2)
    assert other.value("[s.sequence for s in loop]") == [1]


def test_what_was_overwritten_before_it_could_be_read_is_skipped_and_counted(
    open_channel: Any, reader: Any, path: str
) -> None:
    chan = open_channel(overwrite=True)
    reader.run("f = relaylab.open_file(path); g = relaylab.open_file(path)", path=path)
    produce(chan, *[1] * 10)
    for file, way in (("g", "False"), ("f", "True")):
        seen = reader.value(f"[s.sequence for s in {file}.subbufs(timeout=0, consume={way})]")
        assert seen == [7, 8, 9]  # the fourth is where the writer is
        assert reader.value(f"{file}.skipped") == 7
    produce(chan, 1)
    for file, way in (("g", "False"), ("f", "True")):
        seen = reader.value(f"[s.sequence for s in {file}.subbufs(timeout=0, consume={way})]")
        assert seen == [10]
        assert reader.value(f"{file}.skipped") == 7


HAMMER = """
def hammer(consume, seconds):
    seen = bad = resets = 0
    last = -1
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        for s in f.subbufs(timeout=0.2, consume=consume):
            seen += 1
            bad += not loops.is_whole(s.data) or s.index != s.sequence % f.n_subbufs
            if s.sequence <= last:
                resets += 1
                bad += s.sequence > 64  # a reset begins anew
            last = s.sequence
            if seen % 64 == 0 and time.monotonic() > ends:
                break
    return seen, bad, resets
"""


@pytest.mark.parametrize("consume", [True, False])
@pytest.mark.parametrize("n_subbufs", [2, 16])
def test_nothing_torn_is_ever_read_of_a_buffer_overwritten_at_full_speed(
    n_subbufs: int, consume: bool, open_channel: Any, reader: Any, path: str, compiled: Any
) -> None:
    chan = open_channel(overwrite=True, subbuf_size=1024, n_subbufs=n_subbufs)
    reader.run(f"{HAMMER}\nf = relaylab.open_file(path)", path=path)
    progress = np.zeros(3, np.int64)
    arguments = (chan.handle(0), progress, loops.NO_END, 1, False)
    writer = threading.Thread(target=loops.write_events, args=arguments)
    writer.start()
    try:
        reader.begin(f"found = hammer({consume}, {60 if NIGHTLY else 1})")
        reader.end(300)
    finally:
        progress[loops.STOPPED] = 1
        writer.join()
    produce(chan, 16)  # whatever it missed, the last ones are there
    assert reader.value("[s.sequence for s in f.subbufs(timeout=0)][-1:]") == [
        chan.buffers[0].subbufs_produced - 1
    ]
    _, bad, resets = reader.value("found")
    assert (bad, resets) == (0, 0)
    assert reader.value("f.skipped") > 0


@pytest.mark.parametrize("consume", [True, False])
def test_a_loop_ends_in_time_also_when_all_is_overwritten_before_it_can_be_copied(
    consume: bool, open_channel: Any, reader: Any, path: str, compiled: Any
) -> None:
    chan = open_channel(overwrite=True, subbuf_size=64, n_subbufs=2)
    reader.run("f = relaylab.open_file(path); longest = 0", path=path)
    progress = np.zeros(3, np.int64)
    arguments = (chan.handle(0), progress, loops.NO_END, 1, False)
    writer = threading.Thread(target=loops.write_events, args=arguments)
    writer.start()
    try:
        reader.run(
            f"""for _ in range(5):
                begin = time.monotonic()
                next(f.subbufs(timeout=0.05, consume={consume}), None)
                longest = max(longest, time.monotonic() - begin)
            """
        )
    finally:
        progress[loops.STOPPED] = 1
        writer.join()
    assert reader.value("longest") < (0.2 if NIGHTLY else 10)


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_reset_under_a_running_reader_begins_anew_and_tears_nothing(
    overwrite: bool, open_channel: Any, reader: Any, path: str, compiled: Any
) -> None:
    chan = open_channel(overwrite=overwrite, subbuf_size=256, n_subbufs=8)
    reader.run(f"{HAMMER}\nf = relaylab.open_file(path)", path=path)
    handle = chan.handle(0)
    # without overwriting a reset lets the writer into what a consuming reader looks at: watch
    reader.begin(f"found = hammer({overwrite}, {60 if NIGHTLY else 1})")
    generation = 0
    while reader.is_busy:
        generation += 1
        progress = np.zeros(3, np.int64)
        loops.write_events(handle, progress, 500, generation % 1000, False)
        relayfs.relay_subbufs_consumed(chan, 0, 100)
        chan.reset()
    reader.end()
    seen, bad, resets = reader.value("found")
    assert bad == 0
    if NIGHTLY:
        assert min(seen, resets) > 100


def test_after_a_reset_reading_starts_again_at_sequence_0(chan: Any, other: Any) -> None:
    produce(chan, 1, 1)
    assert [s[0] for s in other.value(READ.format(0))] == [0, 1]
    chan.reset()
    produce(chan, 5)
    assert other.value(READ.format(0)) == [(0, 0, b"\0" * 5, 59)]
    other.run("loop = f.subbufs(timeout=0)")
    produce(chan, 6, 7)
    assert other.value("next(loop).sequence") == 1
    chan.reset()
    produce(chan, 8)
    assert other.value("[(s.sequence, len(s.data)) for s in loop]") == [(0, 8)]


def test_a_sleeping_watcher_notices_what_comes_after_a_reset(chan: Any, other: Any) -> None:
    produce(chan, 1, 1, 1)
    other.run("loop = f.subbufs(consume=False); seen = [next(loop).sequence for _ in range(3)]")
    other.begin("seen.append(next(loop).sequence)")
    chan.reset()
    produce(chan, 1)
    other.end()
    assert other.value("seen") == [0, 1, 2, 0]


ASYNC_READ = """
async def read(**options):
    ticks = 0
    async def tick():
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.001)
    clock = asyncio.create_task(tick())
    seen = [(s.sequence, bytes(s.data)) async for s in f.subbufs_async(**options)]
    clock.cancel()
    return seen, ticks
"""


def test_subbufs_async_lets_other_tasks_run_while_it_waits(chan: Any, other: Any) -> None:
    other.run(ASYNC_READ)
    produce(chan, 1, 2)
    seen, ticks = other.value("asyncio.run(read(timeout=0.2))")
    assert seen == [(0, b"\0"), (1, b"\1\1")]
    assert ticks > 1
    other.begin("seen, ticks = asyncio.run(read())")
    for _ in range(5):
        wait_until(lambda: chan.buffers[0].is_empty)
        produce(chan, 3)
    chan.close()
    other.end()
    assert other.value("[s[0] for s in seen]") == [2, 3, 4, 5, 6]


def test_subbufs_async_can_watch(chan: Any, other: Any) -> None:
    other.run(ASYNC_READ)
    produce(chan, 1, 2)
    seen, _ = other.value("asyncio.run(read(timeout=0, consume=False))")
    assert [s[0] for s in seen] == [0, 1]
    assert chan.buffers[0].subbufs_consumed == 0


def test_several_readers_see_the_same(chan: Any, peer: Any, path: str) -> None:
    watchers = [peer(path=path) for _ in range(3)]
    for one in watchers:
        one.run("f = relaylab.open_file(path)")
    consumer = peer(path=path)
    consumer.run("f = relaylab.open_file(path)")
    assert chan.buffers[0].refcount == 5
    for one in watchers:  # they begin with what is not consumed then
        assert one.value("list(f.subbufs(timeout=0, consume=False))") == []
        one.begin("seen = [bytes(s.data) for s in f.subbufs(consume=False)]")
    for i in range(8):
        produce(chan, i + 1)
        consumer.run("next(f.subbufs()); f.consume(1)")
    chan.close()
    for one in watchers:
        one.end()
        seen = one.value("(f.skipped, seen)")
        assert seen[0] + len(seen[1]) == 8
        whole = [bytes([i]) * (i + 1) for i in range(8)]
        assert seen[1] == [data for data in whole if data in seen[1]]


def test_one_process_can_have_a_file_open_several_times(chan: Any, other: Any, path: str) -> None:
    other.run("g = relaylab.open_file(path); m = g.mmap(); n = f.mmap()")
    assert chan.buffers[0].refcount == 3
    produce(chan, 1, 1)
    other.run("f.consume(1)")
    assert other.value("(g.subbufs_consumed, f.subbufs_consumed)") == (1, 1)
    other.run("g.close(); m.close()")
    wait_until(lambda: chan.buffers[0].refcount == 2)
    other.run("f.consume(1)")
    assert chan.buffers[0].subbufs_consumed == 2


def test_all_cpus_of_a_channel_can_be_observed_through_one_file(peer: Any, point: Path) -> None:
    with relayfs.RelayFS(n_cpus=3) as fs:
        fs.mount(point)
        chan = relayfs.relay_open("t", None, 64, 4, False, None, fs=fs)
        relayfs.relay_switch_subbuf(chan.buffers[2], 0)
        reader = peer(path=f"{point}/t1")
        reader.run("f = relaylab.open_file(path); journal = f.journal()")
        blocks = "[int(f.block_of(cpu)[0]['produced'][0]) for cpu in range(f.welcome.n_cpus)]"
        assert reader.value(blocks) == [0, 0, 1]
        relayfs.relay_switch_subbuf(chan.buffers[0], 0)
        assert reader.value("journal.read()['cpu'].tolist()")[-1] == 0


# Paths


def test_paths_that_are_no_relay_files_are_refused(
    chan: Any, mounted: Any, path: str, reader: Any, tmp_path: Path
) -> None:
    relayfs.relayfs_create_dir("d", fs=mounted)
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(path)
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as gone:
        gone.bind(f"{mounted.mountpoint}/gone")
    with socket.socket(socket.AF_UNIX) as stream:
        stream.bind(f"{mounted.mountpoint}/stream")
        stream.listen()
        expected = {
            str(mounted.mountpoint): errno.EISDIR,
            f"{mounted.mountpoint}/d": errno.EISDIR,
            f"{mounted.mountpoint}/t1": errno.ENOENT,
            f"{mounted.mountpoint}/x/t0": errno.ENOENT,
            f"{path}/t0": errno.ENOTDIR,
            str(tmp_path / "link"): errno.ELOOP,
            str(tmp_path / "file"): errno.ENODEV,
            str(tmp_path / "pipe"): errno.ENODEV,
            f"{mounted.mountpoint}/gone": errno.ECONNREFUSED,
            f"{mounted.mountpoint}/stream": errno.EPROTOTYPE,
        }
        for wrong, number in expected.items():
            with pytest.raises(relaylab.FileError) as caught:
                relaylab.open_file(wrong)
            for error in (
                reader.error("relaylab.open_file(path)", path=wrong),
                caught.value,
            ):
                assert isinstance(error, relaylab.FileError), wrong
                assert (error.errno, error.filename) == (number, wrong)
    for name in ("gone", "stream"):
        Path(f"{mounted.mountpoint}/{name}").unlink()


@pytest.mark.parametrize("bad", ["3", "None", "b'x'", "'a\\0b'"])
def test_what_is_no_path_is_refused(bad: str) -> None:
    with pytest.raises(relaylab.ConfigError):
        relaylab.open_file(eval(bad))


def test_a_silent_owner_is_given_up_on(reader: Any, tmp_path: Path, monkeypatch: Any) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as silent:
        monkeypatch.chdir(tmp_path)
        silent.bind("silent")
        silent.listen()
        reader.run("import relaylab.relayfs.connecting as c; c._WELCOME_S = 0.1")
        error = reader.error("relaylab.open_file(path)", path=str(tmp_path / "silent"))
        assert isinstance(error, relaylab.FileError)
        assert error.errno == errno.ETIMEDOUT


def test_a_long_line_of_newcomers_is_waited_in(reader: Any, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as slow:
        before = Path.cwd()
        os.chdir(tmp_path)
        slow.bind("slow")
        os.chdir(before)
        slow.listen(0)
        first = [socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(2)]
        for client in first:
            client.setblocking(False)
            client.connect_ex(os.path.relpath(tmp_path / "slow"))
        reader.begin(
            "try: relaylab.open_file(path)\nexcept relaylab.FileError as e: error = e",
            path=str(tmp_path / "slow"),
        )
        for client in first:
            client.close()
        slow.settimeout(0.1)
        while reader.is_busy:
            with contextlib.suppress(TimeoutError):
                slow.accept()[0].close()
        reader.end()
        assert reader.value("error.errno") == errno.ENOENT  # it came to its turn


@pytest.mark.parametrize("message", [b"", b"x", b"x" * 112, b"x" * 113, b"x" * 100_000])
def test_an_owner_that_speaks_another_language_is_refused(
    message: bytes, reader: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as strange:
        monkeypatch.chdir(tmp_path)
        strange.bind("strange")
        strange.listen()
        reader.run("import os; before = sorted(os.listdir('/proc/self/fd'))")
        reader.begin(
            "try: relaylab.open_file(path)\nexcept relaylab.FileError as e: error = e",
            path=str(tmp_path / "strange"),
        )
        accepted, _ = strange.accept()
        if message:
            with Path("/dev/null").open("rb") as null:
                socket.send_fds(accepted, [message], [null.fileno()] * 7)
        accepted.close()
        reader.end()
        assert reader.value("error.errno") == (errno.EPROTO if message else errno.ENOENT)
        assert reader.value("sorted(os.listdir('/proc/self/fd')) == before")


# In the owner's own process


def test_the_owner_opens_its_own_files_by_their_paths(
    chan: Any, path: str, mounted: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    (tmp_path / "link").symlink_to(mounted.mountpoint)
    monkeypatch.chdir(mounted.mountpoint)
    for name in (
        path,
        Path(path),
        "t0",
        "../" + Path(path).parent.name + "/t0",
        str(tmp_path / "link" / "t0"),
    ):
        with relaylab.open_file(name) as file:
            assert chan.buffers[0].refcount == 2
            produce(chan, 2)
            with file.mmap() as mapping:
                assert mapping.view[0] == chan.buffers[0].memory[0]
            assert file.poll() == READABLE
            assert [len(s.data) for s in file.subbufs(timeout=0)] == [2]
            assert select.select([file], [], [], 0)[0] == []
    assert chan.buffers[0].refcount == 1


def test_an_own_file_is_watched_like_any(chan: Any, path: str) -> None:
    with relaylab.open_file(path) as file:
        loop = file.subbufs(consume=False)
        later = threading.Timer(0.05, produce, (chan, 9))
        later.start()
        assert len(next(loop).data) == 9
        later.join()
        loop.close()


def test_the_descriptor_of_an_in_process_reader_takes_no_wake_up_from_others(
    chan: Any, mounted: Any, other: Any
) -> None:
    produce(chan, 1)
    other.run("watching = f.subbufs(consume=False); next(watching)")
    other.begin("found = next(watching)")
    buf = chan.buffers[0]
    wait_until(lambda: buf._memory.own["armed"][0] and buf._memory.listeners["armed"][0])
    with mounted.open_file("t0") as file:
        assert file.fileno() >= 0  # readable at once: something is unconsumed
        produce(chan, 2)
        other.end()
    assert other.value("found.sequence") == 1


def test_after_a_watching_loop_the_descriptor_is_readable_while_something_is_unconsumed(
    chan: Any, other: Any
) -> None:
    produce(chan, 1)
    other.run("import select")
    other.run("assert len(list(f.subbufs(timeout=0.01, consume=False))) == 1")
    assert other.value("select.select([f.fileno()], [], [], 0)[0] != []")
    other.run("f.consume(1)")
    assert other.value("select.select([f.fileno()], [], [], 0)[0] == []")


@pytest.mark.parametrize("timeout", [3e6, 1e300, float("inf")])
def test_a_timeout_longer_than_poll_can_wait_is_for_ever(
    timeout: float, chan: Any, other: Any
) -> None:
    produce(chan, 1)
    other.run("reading = f.subbufs(timeout=timeout); next(reading)", timeout=timeout)
    other.begin("found = next(reading)")
    wait_until(lambda: chan.buffers[0]._memory.listeners["armed"][0])
    produce(chan, 1)
    other.end()
    assert other.value("found.sequence") == 1


def test_a_file_that_is_forgotten_closes_its_descriptors(chan: Any, reader: Any, path: str) -> None:
    reader.run("import gc, os; descriptors = lambda: sorted(os.listdir('/proc/self/fd'))")
    reader.run("f = relaylab.open_file(path); f.close(); before = descriptors()", path=path)
    reader.run("f = relaylab.open_file(path); f.fileno(); f.mmap(); del f; gc.collect()")
    assert reader.value("descriptors() == before")
    wait_until(lambda: chan.buffers[0].refcount == 1)


def test_an_own_file_closed_within_a_watching_loop_leaves_nothing(chan: Any, mounted: Any) -> None:
    before = descriptors()
    file = mounted.open_file("t0")
    produce(chan, 1)
    for _ in file.subbufs(timeout=0.01, consume=False):
        file.close()
    assert descriptors() == before
    assert chan.buffers[0].refcount == 1
