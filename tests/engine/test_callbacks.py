"""What a channel's client sees, may do, and cannot break."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import numba
import numpy as np
import pytest
from engine.compiled_client import shared_words
from engine.observe import CALLBACKS, Recorder, channel_state, payload

import relaylab
from relaylab import jit, relayfs

FILL = 16  # bytes of a sub-buffer of `open_channel`


class AtCall:
    """A client that does `action(buf)` in one callback of one CPU, once; keeps what that raised."""

    def __init__(self, name: str, cpu: int = 0) -> None:
        self.name = name
        self.cpu = cpu
        self.action: Any = None
        self.error: BaseException | None = None
        self.done = False

    def _called(self, name: str, *arguments: Any) -> int:
        due = name == self.name and arguments[0].cpu == self.cpu and not self.done
        if due and self.action is not None:
            self.done = True
            try:
                self.action(*arguments)
            except relaylab.RelayError as error:
                self.error = error
        return 0

    def subbuf_start(self, *arguments: Any) -> int:
        return self._called("subbuf_start", *arguments)

    def deliver(self, *arguments: Any) -> None:
        self._called("deliver", *arguments)

    def buf_full(self, *arguments: Any) -> None:
        self._called("buf_full", *arguments)

    def buf_mapped(self, *arguments: Any) -> None:
        self._called("buf_mapped", *arguments)

    def buf_unmapped(self, *arguments: Any) -> None:
        self._called("buf_unmapped", *arguments)


# Order and what is visible


def test_open_starts_every_cpus_first_subbuf_before_the_next_cpus_file_exists(
    fs: relayfs.RelayFS,
) -> None:
    seen = []

    def subbuf_start(buf: Any, subbuf: Any, prev_subbuf_idx: int, prev_subbuf: Any) -> int:
        seen.append((buf.cpu, fs.listdir(), prev_subbuf_idx, prev_subbuf, buf.offset))
        return 4

    client = SimpleNamespace(subbuf_start=subbuf_start)
    relayfs.relay_open("t", None, 16, 2, False, client, fs=fs)
    assert seen == [(0, ["t0"], 0, None, 0), (1, ["t0", "t1"], 0, None, 0)]


def test_a_switch_delivers_then_starts_the_next_subbuf_and_shows_the_old_values(
    open_channel: Any,
) -> None:
    client = Recorder()
    chan = open_channel(callbacks=client)
    with chan.reserve(10, cpu=0):
        pass
    client.calls.clear()
    chan.write(bytes(8), cpu=0)
    assert client.names() == ["deliver", "subbuf_start"]
    (_, _, index, subbuf_idx, at_deliver, padding, commit), start = client.calls
    assert (index, subbuf_idx, padding[0], commit[0]) == (0, 0, 6, 10)
    assert at_deliver[:3] == [10, 0, 0]  # offset, data_index, subbufs_produced: as before
    assert start[2:5] == (1, 0, 0)  # the new sub-buffer, the previous index, the previous one
    assert start[5][:3] == [16, 1, 1]  # the old offset, full; data_index and produced moved on


def test_filling_the_buffer_calls_buf_full_once_with_the_last_subbuf(open_channel: Any) -> None:
    client = Recorder()
    chan = open_channel(callbacks=client, n_subbufs=2)
    for _ in range(5):
        chan.write(bytes(FILL), cpu=0)
    full = [call for call in client.calls if call[0] == "buf_full"]
    assert [call[:4] for call in full] == [("buf_full", 0, 1, 1)]
    assert client.calls[-1][0] == "buf_full"  # no subbuf_start follows


def test_deliver_of_a_commit_gets_the_subbuf_of_the_commit(open_channel: Any) -> None:
    client = Recorder()
    chan = open_channel(callbacks=client)
    slot = chan.reserve(FILL, cpu=0)
    chan.write(bytes(FILL), cpu=0)
    client.calls.clear()
    slot.commit()
    assert [call[:4] for call in client.calls] == [("deliver", 0, 0, 0)]


def test_reset_starts_the_first_subbuf_again_with_no_previous_one(open_channel: Any) -> None:
    client = Recorder(reserve=4)
    chan = open_channel(callbacks=client)
    chan.write(bytes(12), cpu=1)
    chan.write(bytes(12), cpu=1)
    client.calls.clear()
    chan.reset()
    assert [call[:5] for call in client.calls] == [
        ("subbuf_start", 0, 0, 0, None),
        ("subbuf_start", 1, 0, 0, None),
    ]
    assert [call[5][0] for call in client.calls] == [0, 0]  # offset while called
    assert [buf.offset for buf in chan.buffers] == [4, 4]


def test_close_calls_nobody_and_nobody_is_called_after_it(fs: Any, open_channel: Any) -> None:
    client = Recorder()
    chan = open_channel(callbacks=client)
    file = fs.open_file("t0")
    mapping = file.mmap()
    client.calls.clear()
    chan.close()
    file.mmap().close()
    mapping.close()
    file.close()
    assert client.calls == []


def test_callbacks_get_live_writable_memory_at_the_buffers_addresses(open_channel: Any) -> None:
    addresses = []

    def subbuf_start(buf: Any, subbuf: memoryview, prev_subbuf_idx: int, prev_subbuf: Any) -> int:
        array = np.frombuffer(subbuf, np.uint8)
        addresses.append(array.ctypes.data - buf.memory.ctypes.data)
        assert (subbuf.nbytes, subbuf.readonly, subbuf.format) == (16, False, "B")
        subbuf[15] = 7
        if prev_subbuf is not None:
            prev_subbuf[0] = 9
        return 0

    chan = open_channel(callbacks=SimpleNamespace(subbuf_start=subbuf_start))
    chan.write(bytes(12), cpu=0)
    chan.write(bytes(12), cpu=0)
    assert addresses == [0, 0, 16]  # two CPUs' first ones, then the switch
    assert chan.buffers[0].memory[[0, 15, 31]].tolist() == [9, 7, 7]


# Which callbacks are registered


@pytest.mark.parametrize("missing", CALLBACKS)
def test_a_missing_callback_is_not_called_even_if_it_appears_later(
    missing: str, fs: Any, open_channel: Any
) -> None:
    client = Recorder()
    registered = client.with_only(*(name for name in CALLBACKS if name != missing))
    chan = open_channel(callbacks=registered, n_subbufs=2)
    setattr(registered, missing, getattr(client, missing))
    with fs.open_file("t0") as file, file.mmap():
        for _ in range(3):
            slot = chan.reserve(FILL, cpu=0)
            if slot is not None:
                slot.commit()
    assert set(client.names()) == set(CALLBACKS) - {missing}


def test_a_replaced_callback_is_not_called(open_channel: Any) -> None:
    client = SimpleNamespace(subbuf_start=lambda *_: 4)
    chan = open_channel(callbacks=client)
    client.subbuf_start = lambda *_: 8
    chan.reset()
    assert chan.buffers[0].offset == 4


def test_the_base_class_registers_only_what_a_subclass_defines(open_channel: Any) -> None:
    class Client(relayfs.Callbacks):
        def subbuf_start(self, buf: Any, subbuf: Any, prev_idx: int, prev_subbuf: Any) -> int:
            return 4

    chan = open_channel(callbacks=Client())
    assert chan.buffers[0].offset == 4
    assert open_channel("u", callbacks=relayfs.Callbacks()).buffers[0].offset == 0


def test_the_clients_object_is_left_as_it_was(open_channel: Any) -> None:
    class Frozen:
        __slots__ = ()

        def subbuf_start(self, *_: Any) -> int:
            return 4

    client = SimpleNamespace(deliver=lambda *_: None)
    before = dict(vars(client))
    one, other = open_channel(callbacks=client), open_channel("u", callbacks=Frozen())
    one.flush()
    other.flush()
    one.close()
    assert vars(client) == before


def test_a_reserve_of_the_whole_subbuf_leaves_no_room(open_channel: Any) -> None:
    chan = open_channel(callbacks=SimpleNamespace(subbuf_start=lambda *_: FILL))
    assert chan.buffers[0].offset == FILL
    assert chan.write(b"", cpu=0)
    with pytest.raises(relaylab.EventTooLargeError):
        chan.write(b"x", cpu=0)


# The built-in client


@pytest.mark.parametrize("n", [0, 3, 4, 16])
def test_builtin_client_reserves_its_bytes(n: int, open_channel: Any) -> None:
    chan = open_channel(callbacks=relayfs.Callbacks.reserving(n))
    assert [buf.offset for buf in chan.buffers] == [n, n]
    assert chan.buffers[0].commit[0] == n


def test_builtin_client_stores_the_padding_of_the_previous_subbuf(open_channel: Any) -> None:
    chan = open_channel(callbacks=relayfs.Callbacks.reserving(4, store_padding=True))
    chan.write(bytes(5), cpu=0)
    chan.write(bytes(8), cpu=0)
    assert chan.buffers[0].padding[0] == 7
    assert chan.buffers[0].memory[:4].tobytes() == (7).to_bytes(4, "little")


@pytest.mark.parametrize(("n", "store_padding"), [(-1, False), (2**31, False), ("4", False)])
def test_builtin_client_refuses_an_impossible_reserve(n: Any, store_padding: bool) -> None:
    with pytest.raises(relaylab.ConfigError):
        relayfs.Callbacks.reserving(n, store_padding)


def test_builtin_client_with_more_than_a_subbuf_cannot_be_opened(
    fs: Any, open_channel: Any
) -> None:
    with pytest.raises(relaylab.RelayError):
        open_channel(callbacks=relayfs.Callbacks.reserving(17))
    assert fs.listdir() == []


# Failing callbacks


def failing(name: str) -> Recorder:
    """A client with a callback that raises at its next call."""
    client = Recorder(reserve=4)
    client.fail = name
    return client


def twin(open_channel: Any, name: str) -> relayfs.Channel:
    """A channel whose callback `name` does as if it returned 0, to compare with."""
    client = Recorder(reserve=4)
    chan = open_channel("twin", callbacks=client, n_subbufs=2)
    if name == "subbuf_start":
        client.reserve = 0
    return chan  # type: ignore[no-any-return]


def comparable(chan: relayfs.Channel) -> list[Any]:
    return [
        {key: value for key, value in state.items() if key != "path"}
        for state in channel_state(chan)
    ]


@pytest.mark.parametrize("bad", [None, -1, 17, 2**40])
def test_a_failing_subbuf_start_counts_as_returning_0_then_raises(
    bad: int | None, open_channel: Any
) -> None:
    client = Recorder(reserve=4)
    chan = open_channel(callbacks=client, n_subbufs=2)
    other = twin(open_channel, "subbuf_start")
    for each in (chan, other):
        each.write(payload(1, 12), cpu=0)
    client.fail, client.bad_reserve = "subbuf_start", bad
    with pytest.raises(relaylab.CallbackError) as caught:
        chan.write(payload(2, 12), cpu=0)
    other.write(payload(2, 12), cpu=0)
    assert comparable(chan) == comparable(other)
    assert isinstance(caught.value, RuntimeError)
    if bad is None:
        assert isinstance(caught.value.__cause__, ZeroDivisionError)
    else:
        assert str(bad) in str(caught.value)


@pytest.mark.parametrize("value", ["4", None, 1.5])
def test_a_subbuf_start_that_returns_no_integer_is_a_callback_error(
    value: Any, open_channel: Any
) -> None:
    answers = [0, 0]
    client = SimpleNamespace(subbuf_start=lambda *_: answers.pop() if answers else value)
    chan = open_channel(callbacks=client)
    with pytest.raises(relaylab.CallbackError):
        chan.flush()
    assert chan.buffers[0].subbufs_produced == 1


@pytest.mark.parametrize("name", ["deliver", "buf_full"])
def test_a_failing_notification_does_not_stop_the_operation(name: str, open_channel: Any) -> None:
    client = Recorder(reserve=4)
    chan = open_channel(callbacks=client, n_subbufs=2)
    other = twin(open_channel, name)
    if name == "buf_full":
        chan.flush()
        other.flush()
    client.fail = name
    with pytest.raises(relaylab.CallbackError) as caught:
        chan.flush()
    other.flush()
    assert comparable(chan) == comparable(other)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_flush_goes_on_to_the_other_cpus_before_it_raises(open_channel: Any) -> None:
    client = Recorder()
    chan = open_channel(callbacks=client)
    client.fail = "subbuf_start"
    with pytest.raises(relaylab.CallbackError):
        chan.flush()
    assert [buf.subbufs_produced for buf in chan.buffers] == [1, 1]


def test_a_batch_goes_on_to_its_end_before_it_raises(open_channel: Any) -> None:
    client = Recorder()
    chan = open_channel(callbacks=client, overwrite=True)
    client.fail = "subbuf_start"
    with pytest.raises(relaylab.CallbackError):
        chan.write_many(np.zeros((10, 16), np.uint8), cpu=0)
    assert chan.stats.written == 10


def test_the_first_of_several_failures_is_the_cause(open_channel: Any) -> None:
    class Client:
        armed = False

        def subbuf_start(self, *_: Any) -> int:
            if self.armed:
                raise KeyError("second")
            return 0

        def deliver(self, *_: Any) -> None:
            raise LookupError("first")

    client = Client()
    chan = open_channel(callbacks=client)
    client.armed = True
    with pytest.raises(relaylab.CallbackError) as caught:
        chan.flush()
    assert caught.value.__cause__.args == ("first",)
    assert [buf.subbufs_produced for buf in chan.buffers] == [1, 1]


def test_a_commit_whose_deliver_fails_is_counted(open_channel: Any) -> None:
    client = failing("deliver")
    chan = open_channel(callbacks=client)
    slot = chan.reserve(12, cpu=0)
    with pytest.raises(relaylab.CallbackError):
        slot.commit()
    assert chan.buffers[0].commit[0] == 16


def test_a_failing_callback_releases_the_lock(open_channel: Any) -> None:
    client = Recorder()
    chan = open_channel(callbacks=client)
    client.fail = "subbuf_start"
    with pytest.raises(relaylab.CallbackError):
        chan.flush()
    writer = threading.Thread(target=chan.write, args=(b"abc", 0), daemon=True)
    writer.start()
    writer.join(10)
    assert not writer.is_alive()
    assert chan.stats.written == 1


@pytest.mark.parametrize("bad", [None, -1, 17])
def test_an_open_whose_callback_fails_is_undone_whole(bad: int | None, fs: Any) -> None:
    client = failing("subbuf_start")
    client.bad_reserve = bad
    directory = relayfs.relayfs_create_dir("d", parent=None, fs=fs)
    with pytest.raises(relaylab.CallbackError):
        relayfs.relay_open("t", directory, 16, 2, False, client, fs=fs)
    assert fs.listdir() == ["d/"]
    relayfs.relay_open("t", directory, 16, 2, False, None, fs=fs)
    assert fs.listdir() == ["d/", "d/t0", "d/t1"]


@pytest.mark.parametrize("name", ["buf_mapped", "buf_unmapped"])
def test_a_failing_map_callback_raises_and_loses_no_reference(
    name: str, fs: Any, open_channel: Any
) -> None:
    client = Recorder()
    chan = open_channel(callbacks=client)
    file = fs.open_file("t0")
    client.fail = name
    with pytest.raises(relaylab.CallbackError):
        file.mmap().close()
    file.close()
    if name == "buf_unmapped":  # a failed mmap leaves its mapping to the file system
        assert chan.buffers[0].refcount == 1


@pytest.mark.parametrize("name", ["subbuf_start", "deliver", "buf_full"])
def test_keyboard_interrupt_passes_through_with_the_lock_released(
    name: str, open_channel: Any
) -> None:
    client = AtCall(name)
    chan = open_channel(callbacks=client, n_subbufs=1)

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    client.action = interrupt
    operation = chan.reset if name == "subbuf_start" else chan.flush
    with pytest.raises(KeyboardInterrupt):
        operation()
    client.action = None
    chan.reset()
    writer = threading.Thread(target=chan.write, args=(b"abc", 0), daemon=True)
    writer.start()
    writer.join(10)
    assert not writer.is_alive()
    assert chan.buffers[0].memory[:3].tobytes() == b"abc"


# What is refused and what is allowed inside a callback

REFUSED = {
    "write": lambda chan, buf: chan.write(b"x", cpu=buf.cpu),
    "write_unlocked": lambda chan, buf: chan.write_unlocked(b"x", cpu=buf.cpu),
    "write_many": lambda chan, buf: chan.write_many(np.zeros((2, 1), np.uint8), cpu=buf.cpu),
    "write_many unlocked": lambda chan, buf: chan.write_many(
        np.zeros((2, 1), np.uint8), cpu=buf.cpu, lock=False
    ),
    "reserve": lambda chan, buf: chan.reserve(1, cpu=buf.cpu),
    "switch": lambda chan, buf: relayfs.relay_switch_subbuf(buf, 0),
    "flush": lambda chan, buf: chan.flush(),
    "reset": lambda chan, buf: chan.reset(),
    "close": lambda chan, buf: chan.close(),
}


@pytest.mark.parametrize("callback", ["subbuf_start", "deliver", "buf_full"])
@pytest.mark.parametrize("operation", REFUSED)
@pytest.mark.parametrize("cpu", [0, 1])
def test_changing_the_buffer_from_inside_its_callback_is_refused_and_changes_nothing(
    cpu: int, operation: str, callback: str, open_channel: Any
) -> None:
    client, other = AtCall(callback, cpu), AtCall(callback, cpu)
    chan = open_channel(callbacks=client, n_subbufs=1 if callback == "buf_full" else 2)
    plain = open_channel("u", callbacks=other, n_subbufs=chan.n_subbufs)
    client.action = lambda buf, *_: REFUSED[operation](chan, buf)
    chan.flush()
    plain.flush()
    assert isinstance(client.error, relaylab.ReentrancyError)
    assert isinstance(client.error, RuntimeError)
    assert comparable(chan) == comparable(plain)


def test_an_uncaught_reentrancy_error_is_the_cause_of_a_callback_error(open_channel: Any) -> None:
    opened: list[relayfs.Channel] = []

    def subbuf_start(buf: Any, *_: Any) -> int:
        if opened:
            opened[0].write(b"x", cpu=buf.cpu)
        return 0

    opened.append(open_channel(callbacks=SimpleNamespace(subbuf_start=subbuf_start)))
    with pytest.raises(relaylab.CallbackError) as caught:
        opened[0].flush()
    assert isinstance(caught.value.__cause__, relaylab.ReentrancyError)


@pytest.mark.parametrize("callback", ["subbuf_start", "deliver", "buf_full"])
def test_reading_consuming_committing_and_other_buffers_are_fine_in_a_callback(
    callback: str, fs: Any, open_channel: Any
) -> None:
    client = AtCall(callback)
    chan = open_channel(callbacks=client, n_subbufs=1 if callback == "buf_full" else 2)
    other = open_channel("other")
    seen: list[Any] = []

    def act(buf: Any, *_: Any) -> None:
        with fs.open_file(buf.path) as file, file.mmap() as mapping:
            seen.extend([file.poll(), bytes(mapping.view[:1]), buf.poll(), chan.stats.written])
        seen.append(chan.snapshot().subbufs_produced[buf.cpu])
        chan.journal.read()
        relayfs.relay_subbufs_consumed(chan, buf.cpu, 0)
        relayfs.relay_commit(buf, 0, 1)
        other.write(b"elsewhere", cpu=buf.cpu)
        other.flush()
        if buf.cpu == 0:
            chan.write(b"next", cpu=1)

    client.action = act
    chan.flush()
    assert client.error is None
    assert len(seen) == 5
    assert other.stats.written == 1
    assert chan.buffers[1].stats.written == 1


def test_a_client_may_consume_from_buf_full(open_channel: Any) -> None:
    """Done by clients that throw old data away: the next event ends the full state."""
    chan: relayfs.Channel

    def buf_full(buf: Any, *_: Any) -> None:
        relayfs.relay_subbufs_consumed(chan, buf.cpu, 1)

    chan = open_channel(callbacks=SimpleNamespace(buf_full=buf_full), n_subbufs=2)
    written = [chan.write(bytes(FILL), cpu=0) for _ in range(5)]
    assert written == [True, True, False, False, True]
    assert (chan.stats.lost_full, chan.stats.lost_unfull) == (1, 1)


# Compiled callbacks


def compiled_client(seen: Any) -> Any:
    """A client of compiled functions which note their calls in `seen`, an int64 array."""
    import numba
    from engine.compiled_client import shared_words

    words = shared_words(seen)

    @numba.njit
    def subbuf_start(handle, subbuf, prev_subbuf_idx, prev_subbuf):  # type: ignore[no-untyped-def]
        notes = words()
        notes[0] += 1
        notes[1] = prev_subbuf_idx
        notes[2] = len(prev_subbuf)
        subbuf[15] = 7
        return 4

    @numba.njit
    def deliver(handle, subbuf_idx, subbuf):  # type: ignore[no-untyped-def]
        notes = words()
        notes[3] += 1
        notes[4] = subbuf_idx
        notes[5] = len(subbuf)

    @numba.njit
    def buf_full(handle, subbuf_idx, subbuf):  # type: ignore[no-untyped-def]
        notes = words()
        notes[6] += 1
        notes[7] = subbuf_idx

    return SimpleNamespace(subbuf_start=subbuf_start, deliver=deliver, buf_full=buf_full)


def test_compiled_callbacks_run_with_the_sub_buffers_as_arrays(open_channel: Any) -> None:
    seen = np.zeros(8, np.int64)
    chan = open_channel(callbacks=compiled_client(seen), n_subbufs=2)
    assert seen[:3].tolist() == [2, 0, 0]  # both CPUs; nothing previous: length 0
    with chan.reserve(12, cpu=0):
        pass
    assert seen[3:6].tolist() == [1, 0, 16]
    chan.write(bytes(12), cpu=0)
    assert seen[:3].tolist() == [3, 0, 16]
    chan.write(bytes(12), cpu=0)
    assert seen[6:].tolist() == [1, 1]
    assert chan.buffers[0].memory[[15, 31]].tolist() == [7, 0]  # an event went over the second
    assert [buf.offset for buf in chan.buffers] == [16, 4]


def test_a_compiled_subbuf_start_out_of_range_is_a_callback_error(open_channel: Any) -> None:
    @numba.njit
    def subbuf_start(handle, subbuf, prev_subbuf_idx, prev_subbuf):  # type: ignore[no-untyped-def]
        return 0 if len(prev_subbuf) == 0 else 17

    chan = open_channel(callbacks=SimpleNamespace(subbuf_start=subbuf_start))
    with pytest.raises(relaylab.CallbackError, match="17"):
        chan.flush()
    assert [buf.offset for buf in chan.buffers] == [0, 0]


def test_a_compiled_callback_that_raises_is_a_callback_error(open_channel: Any) -> None:
    @numba.njit
    def subbuf_start(handle, subbuf, prev_subbuf_idx, prev_subbuf):  # type: ignore[no-untyped-def]
        if len(prev_subbuf) > 0:
            raise ValueError("no")
        return 4

    chan = open_channel(callbacks=SimpleNamespace(subbuf_start=subbuf_start))
    with pytest.raises(relaylab.CallbackError) as caught:
        chan.flush()
    assert caught.value.__cause__ is not None
    assert [buf.offset for buf in chan.buffers] == [0, 0]
    assert chan.write(b"abc", cpu=0)


def test_writing_from_a_compiled_callback_of_the_same_buffer_is_refused(open_channel: Any) -> None:
    answers = np.zeros(4, np.int64)
    words = shared_words(answers)

    @numba.njit
    def deliver(handle, subbuf_idx, subbuf):  # type: ignore[no-untyped-def]
        found = words()
        found[0] = jit.write(handle, subbuf[:1])
        found[1] = jit.reserve(handle, 1)

    chan = open_channel(callbacks=SimpleNamespace(deliver=deliver))
    chan.flush()
    assert (answers[:2] < -3).all()
    assert chan.stats.written == 0
    assert chan.write(b"abc", cpu=0)


def test_opening_again_with_the_same_compiled_callbacks_compiles_nothing(open_channel: Any) -> None:
    client = compiled_client(np.zeros(8, np.int64))
    open_channel("first", callbacks=client)
    began = time.monotonic()
    for number in range(20):
        open_channel(f"again{number}_", callbacks=client)
    assert time.monotonic() - began < 2


def test_compiled_and_python_callbacks_can_be_mixed(open_channel: Any) -> None:
    @numba.njit
    def subbuf_start(handle, subbuf, prev_subbuf_idx, prev_subbuf):  # type: ignore[no-untyped-def]
        return 4

    client = Recorder()
    mixed = SimpleNamespace(subbuf_start=subbuf_start, deliver=client.deliver)
    chan = open_channel(callbacks=mixed)
    chan.flush()
    assert client.names() == ["deliver", "deliver"]
    assert [buf.offset for buf in chan.buffers] == [4, 4]


def test_a_compiled_callback_cannot_commit_where_deliver_is_a_python_function(
    open_channel: Any,
) -> None:
    @numba.njit
    def subbuf_start(handle, subbuf, prev_subbuf_idx, prev_subbuf):  # type: ignore[no-untyped-def]
        if len(prev_subbuf) > 0:
            jit.commit(handle, prev_subbuf_idx * len(subbuf), len(subbuf))
        return 0

    client = Recorder()
    chan = open_channel(
        callbacks=SimpleNamespace(subbuf_start=subbuf_start, deliver=client.deliver)
    )
    assert chan.write(bytes(16), cpu=0)
    with pytest.raises(relaylab.CallbackError, match="committed, but its deliver is a Python"):
        chan.write(b"a", cpu=0)
    assert (list(chan.buffers[0].commit), client.names()) == ([0, 0, 0, 0], [])
    assert chan.buffers[0].stats.delivered == 0
    assert chan.write(b"b", cpu=0)


@pytest.mark.parametrize("function", [lambda: 0, print, len, numba.njit(lambda x: x)])
def test_a_function_in_the_place_of_a_client_is_refused(function: Any, open_channel: Any) -> None:
    with pytest.raises(relaylab.ConfigError, match="SimpleNamespace"):
        open_channel(callbacks=function)


def test_an_object_with_none_of_the_methods_registers_nothing(open_channel: Any) -> None:
    assert open_channel(callbacks=SimpleNamespace(other=1)).write(b"abc", cpu=0)
