"""What is refused raises the error that the contract names, tells why, and changes nothing."""

from __future__ import annotations

import errno
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import relaylab
from relaylab import relayfs

HUGE = 2**31
WRONG_CPUS = (-1, 2, HUGE, 2**70, 1.0, "0", b"0", [0])
WRONG_COUNTS = (-1, HUGE, 2**70, 1.5, "1", None, [1])
WRONG_SIZES = (0, -1, HUGE, 2**70, 1.5, "64", None)
WRONG_NAMES = ("a/b", "/a", "a\0b", 7, b"bytes", None)
ROW = np.zeros((1, 4), np.uint8)
FLAT = np.zeros(4, np.uint8)


@pytest.fixture
def chan(open_channel: Any) -> relayfs.Channel:
    """A channel in use: something written, something produced, something consumed."""
    made = open_channel()
    for cpu in (0, 1):
        for _ in range(6):
            made.write(bytes(12), cpu=cpu)
        relayfs.relay_subbufs_consumed(made, cpu, 1)
    return made  # type: ignore[no-any-return]


def tells(error: relaylab.RelayError, passed: Any) -> None:
    """The message carries what was passed, and what is allowed or what to do."""
    text = str(error)
    if isinstance(passed, (int, float, str)):
        assert repr(passed)[:40] in text  # long ones are shortened
    else:
        assert type(passed).__name__ in text or repr(passed) in text
    assert error.allowed or error.hint
    assert (error.allowed or "") in text
    assert (error.hint or "") in text


def refused(
    unchanged: Any, chan: relayfs.Channel, passed: Any, attempt: Callable[[], Any]
) -> relaylab.ConfigError:
    """`attempt` raises a ConfigError about `passed` and changes nothing."""
    with unchanged(chan), pytest.raises(relaylab.ConfigError) as caught:
        attempt()
    assert isinstance(caught.value, ValueError)
    tells(caught.value, passed)
    return caught.value


# Writing and reserving


@pytest.mark.parametrize("cpu", WRONG_CPUS, ids=repr)
@pytest.mark.parametrize(
    "operation",
    [
        lambda chan, cpu: relayfs.relay_write(chan, b"abc", cpu=cpu),
        lambda chan, cpu: relayfs.relay_write_unlocked(chan, b"abc", cpu=cpu),
        lambda chan, cpu: chan.write(b"", cpu=cpu),
        lambda chan, cpu: chan.write_unlocked(b"abc", cpu),
        lambda chan, cpu: relayfs.relay_reserve(chan, 4, cpu=cpu),
        lambda chan, cpu: chan.write_many(ROW, cpu=cpu),
        lambda chan, cpu: relayfs.relay_subbufs_consumed(chan, cpu, 1),
        lambda chan, cpu: chan.handle(cpu),
    ],
    ids=["write", "unlocked", "method", "method_unlocked", "reserve", "many", "consumed", "handle"],
)
def test_a_wrong_cpu(operation: Any, cpu: Any, chan: Any, unchanged: Any) -> None:
    refused(unchanged, chan, cpu, lambda: operation(chan, cpu))


@pytest.mark.parametrize("data", ["text", 7, None, [1, 2], 1.5, object()], ids=repr)
@pytest.mark.parametrize("write", [relayfs.relay_write, relayfs.relay_write_unlocked])
def test_data_that_is_not_bytes_like(write: Any, data: Any, chan: Any, unchanged: Any) -> None:
    refused(unchanged, chan, data, lambda: write(chan, data, cpu=0))


@pytest.mark.parametrize("length", WRONG_COUNTS, ids=repr)
def test_a_wrong_length_to_reserve(length: Any, chan: Any, unchanged: Any) -> None:
    refused(unchanged, chan, length, lambda: relayfs.relay_reserve(chan, length, cpu=0))


@pytest.mark.parametrize("length", [17, 1000, HUGE - 1])
@pytest.mark.parametrize("reserved", [0, 4])
def test_an_event_larger_than_a_subbuf_is_counted_and_else_changes_nothing(
    length: int, reserved: int, open_channel: Any
) -> None:
    chan = open_channel(callbacks=relayfs.Callbacks.reserving(reserved))
    before = [bytes(buf.memory) for buf in chan.buffers], chan.buffers[0].offset
    length -= reserved
    with pytest.raises(relaylab.EventTooLargeError) as caught:
        chan.reserve(length, cpu=0)
    if length < 10_000:
        with pytest.raises(relaylab.EventTooLargeError):
            chan.write(bytes(length), cpu=0)
    assert isinstance(caught.value, ValueError)
    assert str(length) in str(caught.value)
    assert str(16 - reserved) in str(caught.value)  # what would have fitted
    assert ([bytes(buf.memory) for buf in chan.buffers], chan.buffers[0].offset) == before
    attempts = 2 if length < 10_000 else 1
    assert chan.stats.lost_too_large == attempts
    assert chan.stats.lost_bytes == attempts * length
    assert chan.stats.written == 0


@pytest.mark.parametrize(
    "events",
    [
        b"bytes",
        None,
        7,
        "text",
        [b"a"],
        FLAT,
        np.zeros((2, 2, 2), np.uint8),
        np.zeros((2, 4), np.int32),
        np.zeros((2, 4), np.float64),
        (FLAT,),
        (FLAT, np.array([0, 4]), 1),
        (FLAT, np.array([0, 4], np.int32)),
        (FLAT, np.array([0.0, 4.0])),
        (FLAT, np.array([[0, 4]])),
        (FLAT, np.array([], np.int64)),
        (FLAT, np.array([0, 5])),
        (FLAT, np.array([-1, 4])),
        (FLAT, np.array([0, 3, 2, 4])),
        (FLAT, np.array([2**62, 2**62])),
        (np.zeros(4, np.int32), np.array([0, 4])),
        (np.zeros((2, 2), np.uint8), np.array([0, 4])),
        ("text", np.array([0, 4])),
    ],
    ids=repr,
)
def test_events_that_are_no_batch(events: Any, chan: Any, unchanged: Any) -> None:
    with unchanged(chan), pytest.raises(relaylab.ConfigError) as caught:
        chan.write_many(events, cpu=0)
    assert caught.value.allowed or caught.value.hint


# Committing, consuming, switching


@pytest.mark.parametrize("offset", [-1, 64, 65, 4096, HUGE, 2**70, 1.5, "0", None], ids=repr)
def test_a_slot_outside_the_buffer(offset: Any, chan: Any, unchanged: Any) -> None:
    buf = chan.buffers[0]
    refused(unchanged, chan, offset, lambda: relayfs.relay_commit(buf, offset, 1))


@pytest.mark.parametrize("count", WRONG_COUNTS, ids=repr)
def test_a_wrong_count_to_commit(count: Any, chan: Any, unchanged: Any) -> None:
    buf = chan.buffers[0]
    refused(unchanged, chan, count, lambda: relayfs.relay_commit(buf, 0, count))


@pytest.mark.parametrize("count", [-1, HUGE, 1.5, "1"], ids=repr)
def test_a_wrong_count_of_a_slots_commit(count: Any, open_channel: Any, unchanged: Any) -> None:
    chan = open_channel()
    slot = chan.reserve(4, cpu=0)
    refused(unchanged, chan, count, lambda: slot.commit(count))


@pytest.mark.parametrize("count", WRONG_COUNTS, ids=repr)
def test_a_wrong_count_to_consume(count: Any, chan: Any, unchanged: Any) -> None:
    refused(unchanged, chan, count, lambda: relayfs.relay_subbufs_consumed(chan, 0, count))


@pytest.mark.parametrize("length", WRONG_COUNTS, ids=repr)
def test_a_wrong_length_to_switch(length: Any, chan: Any, unchanged: Any) -> None:
    buf = chan.buffers[0]
    refused(unchanged, chan, length, lambda: relayfs.relay_switch_subbuf(buf, length))


# Objects of the wrong kind


@pytest.mark.parametrize("wrong", [None, 7, "t0", object()], ids=repr)
@pytest.mark.parametrize(
    "operation",
    [
        lambda x: relayfs.relay_write(x, b"abc", cpu=0),
        lambda x: relayfs.relay_write_unlocked(x, b"abc", cpu=0),
        lambda x: relayfs.relay_reserve(x, 4, cpu=0),
        lambda x: relayfs.relay_commit(x, 0, 1),
        lambda x: relayfs.relay_subbufs_consumed(x, 0, 1),
        lambda x: relayfs.relay_switch_subbuf(x, 0),
        relayfs.relay_flush,
        relayfs.relay_reset,
        relayfs.relay_close,
        relayfs.relayfs_remove_dir,
        relayfs.relayfs_poll,
        lambda x: relayfs.relayfs_mmap(x, 4096),
        relayfs.relayfs_release,
    ],
    ids=[
        "write",
        "write_unlocked",
        "reserve",
        "commit",
        "consumed",
        "switch",
        "flush",
        "reset",
        "close",
        "remove_dir",
        "poll",
        "mmap",
        "release",
    ],
)
def test_something_else_than_a_channel_buffer_file_or_directory(operation: Any, wrong: Any) -> None:
    with pytest.raises(relaylab.ConfigError) as caught:
        operation(wrong)
    tells(caught.value, wrong)


def test_a_channel_in_place_of_a_buffer_and_the_reverse(chan: Any, unchanged: Any) -> None:
    with unchanged(chan):
        with pytest.raises(relaylab.ConfigError):
            relayfs.relay_commit(chan, 0, 1)
        with pytest.raises(relaylab.ConfigError):
            relayfs.relay_flush(chan.buffers[0])


# Opening


OPEN = {
    "base": "u",
    "parent": None,
    "subbuf_size": 16,
    "n_subbufs": 4,
    "overwrite": False,
    "callbacks": None,
}


@pytest.mark.parametrize(
    ("argument", "value"),
    [("base", x) for x in (*WRONG_NAMES, "x" * 255, "é" * 128)]
    + [("subbuf_size", x) for x in WRONG_SIZES]
    + [("n_subbufs", x) for x in WRONG_SIZES]
    + [("overwrite", x) for x in ("yes", 1.5, None, [])]
    + [("parent", x) for x in ("d", 7)]
    + [("rules", x) for x in ("bsd", None, 2005)]
    + [("fs", x) for x in ("fs", 7)],
    ids=lambda x: repr(x)[:20],
)
def test_a_channel_opened_with_a_wrong_argument(
    argument: str, value: Any, fs: Any, chan: Any, unchanged: Any
) -> None:
    options = OPEN | {"fs": fs, argument: value}
    refused(unchanged, chan, value, lambda: relayfs.relay_open(**options))


@pytest.mark.parametrize("name", ["subbuf_start", "deliver", "buf_full", "buf_mapped"])
def test_callbacks_that_cannot_be_called(name: str, fs: Any, chan: Any, unchanged: Any) -> None:
    options = OPEN | {"fs": fs, "callbacks": SimpleNamespace(**{name: 7})}
    with unchanged(chan), pytest.raises(relaylab.ConfigError, match=name):
        relayfs.relay_open(**options)


@pytest.mark.parametrize("taken", ["u0", "u1"])
@pytest.mark.parametrize("by", ["file", "directory"])
def test_a_channel_whose_file_exists(
    taken: str, by: str, fs: Any, chan: Any, unchanged: Any, open_channel: Any
) -> None:
    if by == "directory":
        relayfs.relayfs_create_dir(taken, fs=fs)
    else:
        taken = "t" + taken[1]
    calls: list[Any] = []
    client = SimpleNamespace(subbuf_start=lambda *_: calls.append(1) or 0)
    with unchanged(chan), pytest.raises(relaylab.EntryExistsError) as caught:
        relayfs.relay_open(**(OPEN | {"fs": fs, "base": taken[0], "callbacks": client}))
    assert isinstance(caught.value, FileExistsError)
    assert caught.value.errno == errno.EEXIST
    assert taken in str(caught.value) or by == "file"
    assert calls == []


@pytest.mark.parametrize("n_cpus", [0, -1, 1.5, "2", 2**31], ids=repr)
def test_a_file_system_of_an_impossible_number_of_cpus(n_cpus: Any) -> None:
    with pytest.raises(relaylab.ConfigError) as caught:
        relayfs.RelayFS(n_cpus=n_cpus)
    tells(caught.value, n_cpus)


# Directories and files


@pytest.mark.parametrize("name", [*WRONG_NAMES, "", ".", "..", "x" * 256, "é" * 128], ids=repr)
def test_a_directory_with_an_impossible_name(name: Any, fs: Any, chan: Any, unchanged: Any) -> None:
    refused(unchanged, chan, name, lambda: relayfs.relayfs_create_dir(name, fs=fs))


@pytest.mark.parametrize("name", ["t0", "d"])
def test_a_directory_whose_name_exists(name: str, fs: Any, chan: Any, unchanged: Any) -> None:
    relayfs.relayfs_create_dir("d", fs=fs)
    with unchanged(chan), pytest.raises(relaylab.EntryExistsError, match=name) as caught:
        relayfs.relayfs_create_dir(name, fs=fs)
    assert isinstance(caught.value, FileExistsError)


FILE_ERRORS = {
    "none": errno.ENOENT,
    "d/none": errno.ENOENT,
    "none/t0": errno.ENOENT,
    "d": errno.EISDIR,
    "t0/x": errno.ENOTDIR,
}


@pytest.mark.parametrize(("path", "number"), FILE_ERRORS.items())
def test_a_path_that_cannot_be_opened(
    path: str, number: int, fs: Any, chan: Any, unchanged: Any
) -> None:
    relayfs.relayfs_create_dir("d", fs=fs)
    for attempt in (fs.open_file, lambda path: relayfs.relayfs_open(path, fs=fs)):
        with unchanged(chan), pytest.raises(relaylab.FileError) as caught:
            attempt(path)
        assert isinstance(caught.value, OSError)
        assert caught.value.errno == number
        tells(caught.value, path)


@pytest.mark.parametrize("path", [None, 7, b"t0"], ids=repr)
def test_a_path_that_is_no_string(path: Any, fs: Any, chan: Any, unchanged: Any) -> None:
    refused(unchanged, chan, path, lambda: fs.open_file(path))


@pytest.mark.parametrize("path", ["", "/t0", "t0/", "./t0", "d/../t0"])
def test_a_path_in_another_form(path: str, fs: Any, chan: Any, unchanged: Any) -> None:
    with unchanged(chan), pytest.raises(relaylab.RelayError):
        fs.open_file(path)


@pytest.mark.parametrize("length", [0, 1, 4095, 4097, 8192, 64])
def test_a_mapping_of_another_length(length: int, fs: Any, chan: Any, unchanged: Any) -> None:
    with fs.open_file("t0") as file:
        for attempt in (file.mmap, lambda length: relayfs.relayfs_mmap(file, length)):
            with unchanged(chan), pytest.raises(relaylab.FileError) as caught:
                attempt(length)
            assert caught.value.errno == errno.EINVAL
            assert str(length) in str(caught.value)
            assert "4096" in str(caught.value)


@pytest.mark.parametrize("length", ["4096", 4096.0, [4096]], ids=repr)
def test_a_mapping_whose_length_is_no_integer(
    length: Any, fs: Any, chan: Any, unchanged: Any
) -> None:
    with fs.open_file("t0") as file:
        refused(unchanged, chan, length, lambda: file.mmap(length))


def test_a_directory_that_is_not_empty(fs: Any, chan: Any, unchanged: Any) -> None:
    outer = relayfs.relayfs_create_dir("outer", fs=fs)
    relayfs.relayfs_create_dir("inner", parent=outer)
    with unchanged(chan), pytest.raises(relaylab.FileError) as caught:
        relayfs.relayfs_remove_dir(outer)
    assert caught.value.errno == errno.ENOTEMPTY


def test_a_directory_that_was_removed(fs: Any, chan: Any, unchanged: Any) -> None:
    gone = relayfs.relayfs_create_dir("gone", fs=fs)
    relayfs.relayfs_remove_dir(gone)
    attempts = [
        lambda: relayfs.relayfs_remove_dir(gone),
        lambda: relayfs.relayfs_create_dir("x", parent=gone),
        lambda: relayfs.relay_open("x", gone, 16, 4, False, None),
    ]
    for attempt in attempts:
        with unchanged(chan), pytest.raises(relaylab.RelayError):
            attempt()


# After closing


CHANNEL_OPERATIONS = {
    "write": lambda chan: relayfs.relay_write(chan, b"abc", cpu=0),
    "write_unlocked": lambda chan: chan.write_unlocked(b"abc", cpu=0),
    "write of nothing": lambda chan: chan.write(b"", cpu=0),
    "write here": lambda chan: chan.write(b"abc"),
    "write_many": lambda chan: chan.write_many(ROW, cpu=0),
    "write_many of nothing": lambda chan: chan.write_many(ROW[:0], cpu=0),
    "reserve": lambda chan: relayfs.relay_reserve(chan, 1, cpu=0),
    "commit": lambda chan: relayfs.relay_commit(chan.buffers[0], 0, 1),
    "consumed": lambda chan: relayfs.relay_subbufs_consumed(chan, 0, 1),
    "switch": lambda chan: relayfs.relay_switch_subbuf(chan.buffers[0], 0),
    "flush": relayfs.relay_flush,
    "reset": relayfs.relay_reset,
    "close": relayfs.relay_close,
    "method close": lambda chan: chan.close(),
    "handle": lambda chan: chan.handle(0),
}


@pytest.mark.parametrize("still_read", [False, True])
@pytest.mark.parametrize("operation", CHANNEL_OPERATIONS)
def test_a_closed_channel(
    operation: str, still_read: bool, fs: Any, chan: Any, unchanged: Any
) -> None:
    files = [fs.open_file(buf.path) for buf in chan.buffers] if still_read else []
    chan.close()
    with unchanged(chan), pytest.raises(relaylab.ClosedError) as caught:
        CHANNEL_OPERATIONS[operation](chan)
    assert isinstance(caught.value, ValueError)
    assert [buf.released for buf in chan.buffers] == [not still_read] * 2
    for file in files:
        file.close()


def test_a_slot_of_a_closed_channel(open_channel: Any) -> None:
    chan = open_channel()
    slot = chan.reserve(4, cpu=0)
    chan.close()
    with pytest.raises(relaylab.ClosedError):
        slot.commit()


def test_a_closed_file_or_mapping(fs: Any, chan: Any, unchanged: Any) -> None:
    file = fs.open_file("t0")
    mapping = file.mmap()
    mapping.close()
    file.close()
    attempts = [
        file.poll,
        file.mmap,
        file.fileno,
        lambda: relayfs.relayfs_poll(file),
        lambda: mapping.view,
        lambda: mapping.array,
    ]
    for attempt in attempts:
        with unchanged(chan), pytest.raises(relaylab.ClosedError):
            attempt()
    with unchanged(chan):
        file.close()
        mapping.close()


def test_a_closed_file_system(open_channel: Any, fs: Any) -> None:
    chan = open_channel()
    fs.close()
    fs.close()
    for attempt in (lambda: chan.write(b"abc", cpu=0), lambda: fs.open_file("t0")):
        with pytest.raises(relaylab.RelayError):
            attempt()
    with pytest.raises(relaylab.RelayError):
        open_channel("u")


def test_leaving_with_after_a_close_is_fine(open_channel: Any, fs: Any) -> None:
    with open_channel() as chan:
        chan.close()
    with open_channel() as chan, fs.open_file("t0") as file, file.mmap() as mapping:
        mapping.close()
        file.close()
    assert chan.closed


# Integers of any kind are fine


@pytest.mark.parametrize("kind", [int, np.int64, np.uint8, np.int32], ids=lambda x: x.__name__)
def test_integers_of_numpy_are_integers(kind: Any, fs: Any) -> None:
    chan = relayfs.relay_open("t", None, kind(16), kind(4), kind(0), None, fs=fs)
    assert (chan.subbuf_size, chan.n_subbufs) == (16, 4)
    assert chan.write(b"abc", cpu=kind(0))
    slot = chan.reserve(kind(4), cpu=kind(0))
    relayfs.relay_commit(chan.buffers[0], kind(slot.offset), kind(4))
    relayfs.relay_subbufs_consumed(chan, kind(0), kind(1))
    assert chan.buffers[0].commit[0] == 4
