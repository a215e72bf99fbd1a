"""The file system: names, directories, references, poll, mappings and descriptors."""

from __future__ import annotations

import gc
import os
import select
import threading
import time
from array import array as c_array
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import relaylab
from relaylab import relayfs

READABLE = select.POLLIN | select.POLLRDNORM


def produce(chan: relayfs.Channel, cpu: int = 0, count: int = 1) -> None:
    """Produce sub-buffers of one buffer."""
    for _ in range(count):
        relayfs.relay_switch_subbuf(chan.buffers[cpu], 0)


# Names


def test_files_are_the_base_name_and_the_cpu(fs: Any) -> None:
    outer = relayfs.relayfs_create_dir("outer", fs=fs)
    inner = relayfs.relayfs_create_dir("inner", parent=outer)
    for base, parent in (("z", None), ("", outer), ("a.b c", inner), ("é", inner)):
        chan = relayfs.relay_open(base, parent, 16, 2, False, None, fs=fs)
        assert [buf.path.rpartition("/")[2] for buf in chan.buffers] == [base + "0", base + "1"]
    assert (
        fs.listdir()
        == sorted(fs.listdir())
        == [
            "outer/",
            "outer/0",
            "outer/1",
            "outer/inner/",
            "outer/inner/a.b c0",
            "outer/inner/a.b c1",
            "outer/inner/é0",
            "outer/inner/é1",
            "z0",
            "z1",
        ]
    )
    assert fs.listdir(recursive=False) == ["outer/", "z0", "z1"]


def test_cpus_above_nine_are_numbered_in_decimal() -> None:
    with relayfs.RelayFS(n_cpus=12) as fs:
        chan = relayfs.relay_open("t", None, 16, 2, False, None, fs=fs)
        assert chan.buffers[11].path == "t11"
        with fs.open_file("t11") as file:
            produce(chan, 11)
            assert file.poll() == READABLE


def test_a_name_may_be_255_bytes_long(fs: Any) -> None:
    relayfs.relay_open("x" * 254, None, 16, 2, False, None, fs=fs)
    relayfs.relayfs_create_dir("é" * 127 + "x", fs=fs)
    assert len(fs.listdir()) == 3


def test_a_parent_decides_the_file_system(fs: Any) -> None:
    parent = relayfs.relayfs_create_dir("d", fs=fs)
    chan = relayfs.relay_open("t", parent, 16, 2, False, None)
    assert chan.n_cpus == 2
    assert fs.listdir() == ["d/", "d/t0", "d/t1"]


def test_without_a_file_system_the_processes_default_one_is_used() -> None:
    directory = relayfs.relayfs_create_dir("of_a_test")
    try:
        with relayfs.relay_open("t", directory, 16, 2, False, None) as chan:
            produce(chan)
            with relayfs.relayfs_open("of_a_test/t0") as file:
                assert file.poll() == READABLE
            assert chan.n_cpus == relayfs.RelayFS().n_cpus >= 1
    finally:
        relayfs.relayfs_remove_dir(directory)


def test_an_empty_directory_can_be_removed_and_made_again(fs: Any) -> None:
    directory = relayfs.relayfs_create_dir("d", fs=fs)
    relayfs.relayfs_remove_dir(directory)
    assert fs.listdir() == []
    relayfs.relayfs_create_dir("d", fs=fs)
    assert fs.listdir() == ["d/"]


def test_channel_attributes(fs: Any) -> None:
    client = SimpleNamespace(deliver=lambda *_: None)
    chan = relayfs.relay_open("t", None, 1000, 5, -1, client, fs=fs)
    assert (chan.name, chan.subbuf_size, chan.n_subbufs) == ("t", 1000, 5)
    assert (chan.alloc_size, chan.n_cpus, chan.closed) == (8192, 2, False)
    assert bool(chan.overwrite) is True
    assert chan.callbacks is client
    assert chan.version == relayfs.RELAYFS_CHANNEL_VERSION == 3
    assert relayfs.RELAYFS_MAGIC == 0xF0B4A981
    assert len(chan.buffers) == 2
    assert [buf.cpu for buf in chan.buffers] == [0, 1]
    chan.close()
    assert chan.closed


def test_buffer_arrays_are_live_and_read_only(open_channel: Any) -> None:
    chan = open_channel(subbuf_size=8, n_subbufs=2)
    buf = chan.buffers[0]
    padding, commit, memory = buf.padding, buf.commit, buf.memory
    assert (padding.dtype, padding.shape) == (np.uint32, (2,))
    assert (commit.dtype, commit.shape) == (np.uint32, (2,))
    assert (memory.dtype, memory.shape) == (np.uint8, (4096,))
    for array in (padding, commit, memory):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    chan.write(b"abc", cpu=0)
    relayfs.relay_commit(buf, 0, 3)
    produce(chan)
    assert (memory[:3].tobytes(), padding[0], commit[0]) == (b"abc", 5, 3)


def test_full_and_empty_are_what_relayfs_calls_so(open_channel: Any) -> None:
    chan = open_channel(n_subbufs=2)
    buf = chan.buffers[0]
    seen = [(buf.is_empty, buf.is_full)]
    for _ in range(2):
        produce(chan)
        seen.append((buf.is_empty, buf.is_full))
    relayfs.relay_subbufs_consumed(chan, 0, 2)
    seen.append((buf.is_empty, buf.is_full))
    assert seen == [(True, False), (False, False), (False, True), (True, False)]
    over = open_channel("o", n_subbufs=2, overwrite=True)
    produce(over, count=5)
    assert not over.buffers[0].is_full


def test_writing_without_a_cpu_goes_to_one_buffer(open_channel: Any) -> None:
    chan = open_channel()
    assert chan.write(b"abc")
    assert chan.write_unlocked(b"abc")
    assert chan.write_many(np.zeros((2, 3), np.uint8)) == 2
    slot = chan.reserve(3)
    assert slot.cpu in (0, 1)
    assert chan.stats.written == 5


def written_as(data: Any, open_channel: Any) -> bytes:
    """The bytes that a write of `data` leaves."""
    chan = open_channel()
    assert chan.write(data, cpu=0)
    assert chan.write_unlocked(data, cpu=1)
    length = chan.stats.written_bytes // 2
    both = [buf.memory[:length].tobytes() for buf in chan.buffers]
    assert both[0] == both[1]
    return both[0]


@pytest.mark.parametrize(
    "data",
    [
        b"12345678",
        bytearray(b"12345678"),
        memoryview(b"12345678"),
        memoryview(b"12345678").cast("I"),
        memoryview(b"1_2_3_4_5_6_7_8_")[::2],
        c_array("H", b"12345678"),
        np.frombuffer(b"12345678", np.uint16).reshape(2, 2),
    ],
    ids=lambda x: type(x).__name__,
)
def test_anything_bytes_like_is_written_as_its_bytes(data: Any, open_channel: Any) -> None:
    assert written_as(data, open_channel) == b"12345678"


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system has no affinities")
def test_by_default_there_are_as_many_cpus_as_the_process_may_use() -> None:
    with relayfs.RelayFS() as fs:
        assert fs.n_cpus == len(os.sched_getaffinity(0))


# References


def test_each_open_file_is_one_reference(fs: Any, open_channel: Any) -> None:
    buf = open_channel().buffers[0]
    files = [fs.open_file("t0") for _ in range(3)]
    assert buf.refcount == 4
    mapping = files[0].mmap()
    assert buf.refcount == 4
    for file in files:
        file.close()
    assert buf.refcount == 2  # the mapping keeps its file
    mapping.close()
    assert buf.refcount == 1


def test_a_buffer_is_released_with_its_last_reader_after_close(fs: Any, open_channel: Any) -> None:
    chan = open_channel()
    file = fs.open_file("t0")
    mapping = file.mmap()
    chan.close()
    assert [buf.released for buf in chan.buffers] == [False, True]
    assert fs.listdir() == ["t0"]
    with fs.open_file("t0") as late:
        assert late.poll() == select.POLLERR
    file.close()
    assert not chan.buffers[0].released
    mapping.close()
    assert chan.buffers[0].released
    assert fs.listdir() == []


def test_fields_stay_readable_after_close_while_a_reader_has_the_file(
    fs: Any, open_channel: Any
) -> None:
    chan = open_channel()
    chan.write(b"abc", cpu=0)
    produce(chan)
    with fs.open_file("t0"):
        chan.close()
        buf = chan.buffers[0]
        assert (buf.subbufs_produced, buf.finalized, buf.refcount) == (1, 1, 1)
        assert buf.memory[:3].tobytes() == b"abc"
        assert buf.poll() == select.POLLERR
    assert (buf.released, buf.cpu, buf.path) == (True, 0, "t0")
    assert buf.stats.written == chan.stats.written == 1


def test_the_name_of_a_released_file_can_be_used_again(fs: Any, open_channel: Any) -> None:
    open_channel().close()
    assert open_channel().write(b"abc", cpu=0)
    assert fs.listdir() == ["t0", "t1"]


def test_a_dropped_file_is_no_reference_for_ever(fs: Any, open_channel: Any) -> None:
    """A file that nobody holds any more cannot be closed by anybody."""
    buf = open_channel().buffers[0]
    with fs.open_file("t0"):
        pass
    gc.collect()
    assert buf.refcount == 1


def test_closing_the_file_system_closes_everything_and_views_stay_valid(
    fs: Any, open_channel: Any
) -> None:
    chan = open_channel()
    chan.write(b"abc", cpu=0)
    slot = chan.reserve(2, cpu=0)
    file = fs.open_file("t0")
    mapping = file.mmap()
    views = [mapping.view, mapping.array, chan.buffers[0].memory, slot.view]
    fs.close()
    assert chan.closed
    assert [buf.released for buf in chan.buffers] == [True, True]
    gc.collect()
    assert [bytes(view[:3]) for view in views[:3]] == [b"abc"] * 3
    assert len(views[3]) == 2
    for closed in (file.poll, lambda: mapping.view):
        with pytest.raises(relaylab.ClosedError):
            closed()


# Poll


def test_poll_follows_produced_and_consumed(fs: Any, open_channel: Any) -> None:
    chan = open_channel()
    with fs.open_file("t0") as file:
        masks = [file.poll()]
        chan.write(b"abc", cpu=0)
        masks.append(file.poll())  # what is in the current sub-buffer does not count
        produce(chan, count=2)
        masks.append(file.poll())
        relayfs.relay_subbufs_consumed(chan, 0, 2)
        masks.append(relayfs.relayfs_poll(file))
        chan.close()
        masks.append(file.poll())
    assert masks == [0, 0, READABLE, 0, select.POLLERR]


# Mappings


def test_mappings_are_the_memory_itself_read_only(fs: Any, open_channel: Any) -> None:
    chan = open_channel()
    with fs.open_file("t0") as file, file.mmap(4096) as mapping, file.mmap() as other:
        view, array = mapping.view, mapping.array
        assert (view.nbytes, view.readonly, view.format) == (4096, True, "B")
        assert (array.dtype, array.shape) == (np.uint8, (4096,))
        assert not array.flags.writeable
        chan.write(b"abc", cpu=0)
        assert bytes(view[:3]) == array[:3].tobytes() == bytes(other.view[:3]) == b"abc"
        view.release()
        assert bytes(mapping.view[:3]) == b"abc"  # a fresh view at each access


def test_views_stay_valid_after_everything_is_closed(fs: Any, open_channel: Any) -> None:
    chan = open_channel()
    chan.write(b"abc", cpu=0)
    with fs.open_file("t0") as file, file.mmap() as mapping:
        view, array = mapping.view, mapping.array
    memory = chan.buffers[0].memory
    chan.close()
    del chan, file, mapping
    gc.collect()
    assert bytes(view[:3]) == array[:3].tobytes() == memory[:3].tobytes() == b"abc"


def test_buf_mapped_and_buf_unmapped_get_the_file_that_was_mapped(
    fs: Any, open_channel: Any
) -> None:
    calls: list[tuple[str, int, Any]] = []
    client = SimpleNamespace(
        buf_mapped=lambda buf, file: calls.append(("mapped", buf.refcount, file)),
        buf_unmapped=lambda buf, file: calls.append(("unmapped", buf.refcount, file)),
    )
    open_channel(callbacks=client)
    file, other = fs.open_file("t0"), fs.open_file("t0")
    first, second, third = file.mmap(), file.mmap(), other.mmap()
    file.close()
    first.close()
    third.close()
    second.close()
    second.close()
    assert [(name, refcount) for name, refcount, _ in calls] == [
        ("mapped", 3),
        ("mapped", 3),
        ("mapped", 3),
        ("unmapped", 3),
        ("unmapped", 3),
        ("unmapped", 3),  # before the release
    ]
    assert [call[2] is file for call in calls] == [True, True, False, True, False, True]
    other.close()


def test_a_mapping_after_close_is_possible_and_tells_nobody(fs: Any, open_channel: Any) -> None:
    calls: list[Any] = []
    chan = open_channel(callbacks=SimpleNamespace(buf_mapped=lambda *_: calls.append(1)))
    chan.write(b"abc", cpu=0)
    with fs.open_file("t0") as file:
        chan.close()
        with file.mmap() as mapping:
            assert bytes(mapping.view[:3]) == b"abc"
    assert calls == []


def test_functions_by_relayfs_names_do_the_same(fs: Any, open_channel: Any) -> None:
    chan = open_channel()
    file = relayfs.relayfs_open("t0", fs=fs)
    mapping = relayfs.relayfs_mmap(file, 4096)
    assert mapping.array.size == 4096
    mapping.close()
    relayfs.relayfs_release(file)
    assert chan.buffers[0].refcount == 1


def test_method_forms_do_what_the_functions_do(open_channel: Any) -> None:
    chan = open_channel()
    assert chan.write(bytes(16), cpu=0)
    assert chan.write_unlocked(bytes(4), 0)
    slot = chan.reserve(4, 0)
    slot.commit()
    chan.flush()
    assert (chan.buffers[0].subbufs_produced, slot.offset) == (2, 20)
    chan.reset()
    assert chan.buffers[0].subbufs_produced == 0
    chan.close()


# Descriptors


def wait(file: relayfs.RelayFile, how: str, seconds: float) -> bool:
    """Whether the descriptor becomes readable within `seconds`."""
    if how == "select":
        return bool(select.select([file], [], [], seconds)[0])
    if how == "poll":
        poller = select.poll()
        poller.register(file.fileno(), select.POLLIN)
        return bool(poller.poll(seconds * 1000))
    with select.epoll() as epoller:
        epoller.register(file.fileno(), select.EPOLLIN)
        return bool(epoller.poll(seconds))


HOWS = ["select", "poll", "epoll"]


@pytest.mark.parametrize("how", HOWS)
def test_descriptor_is_readable_while_something_is_unconsumed(
    how: str, fs: Any, open_channel: Any
) -> None:
    chan = open_channel()
    with fs.open_file("t0") as file:
        seen = [wait(file, how, 0.02)]
        produce(chan, count=2)
        seen.append(wait(file, how, 5))
        relayfs.relay_subbufs_consumed(chan, 0, 1)
        seen.append(wait(file, how, 5))
        relayfs.relay_subbufs_consumed(chan, 0, 1)
        seen.append(wait(file, how, 0.02))
        produce(chan)
        seen.append(wait(file, how, 5))
        chan.reset()
        seen.append(wait(file, how, 0.02))
        chan.close()
        seen += [wait(file, how, 5), wait(file, how, 5)]
    assert seen == [False, True, True, False, True, False, True, True]


def test_descriptor_opened_late_is_readable_at_once(fs: Any, open_channel: Any) -> None:
    chan = open_channel()
    produce(chan)
    with fs.open_file("t0") as file:
        assert wait(file, "poll", 5)
        chan.close()
    with relayfs.RelayFS(n_cpus=1) as other:
        made = relayfs.relay_open("u", None, 16, 2, False, None, fs=other)
        with other.open_file("u0") as holder, other.open_file("u0") as late:
            made.close()
            assert wait(late, "poll", 5)
            assert wait(holder, "poll", 5)


WAKING = [(how, event) for how in HOWS for event in ("switch", "close")]


# A descriptor that closes leaves its epoll set, so epoll may miss the file system's close.
@pytest.mark.parametrize(("how", "event"), [*WAKING, ("poll", "close of the file system")])
def test_a_sleeping_reader_is_woken(how: str, event: str, fs: Any, open_channel: Any) -> None:
    chan = open_channel()
    file = fs.open_file("t0")
    woken: list[float] = []
    sleeper = threading.Thread(
        target=lambda: woken.append(time.monotonic()) if wait(file, how, 20) else None, daemon=True
    )
    sleeper.start()
    time.sleep(0.1)
    assert not woken
    began = time.monotonic()
    {"switch": lambda: produce(chan), "close": chan.close, "close of the file system": fs.close}[
        event
    ]()
    sleeper.join(10)
    assert woken
    assert woken[0] - began < 1


def test_several_readers_of_one_buffer_are_all_woken(fs: Any, open_channel: Any) -> None:
    chan = open_channel()
    files = [fs.open_file("t0") for _ in range(3)]
    assert not any(wait(file, "poll", 0.01) for file in files)
    produce(chan)
    assert all(wait(file, "poll", 5) for file in files)
    assert chan.stats.wakeups >= 1


def test_buffers_of_other_cpus_wake_nobody(fs: Any, open_channel: Any) -> None:
    chan = open_channel()
    with fs.open_file("t0") as file:
        produce(chan, cpu=1)
        assert not wait(file, "poll", 0.02)
