"""A batch does what a loop of relay_write would do."""

from __future__ import annotations

import threading
from typing import Any

import model
import numpy as np
import pytest
from engine.observe import Recorder, buffer_state, payload, statistics
from hypothesis import given
from hypothesis import strategies as st

import relaylab
from relaylab import relayfs


def ragged(events: list[bytes]) -> tuple[Any, Any]:
    """Events of different lengths, as write_many takes them."""
    offsets = np.cumsum([0, *map(len, events)], dtype=np.int64)
    return np.frombuffer(b"".join(events), np.uint8), offsets


@given(
    lengths=st.lists(st.integers(0, 20), max_size=30),
    n=st.integers(1, 4),
    overwrite=st.booleans(),
    reserve=st.integers(0, 8),
    lock=st.booleans(),
)
@pytest.mark.parametrize("form", ["none", "built-in", "python"])
def test_a_batch_leaves_what_a_loop_of_writes_leaves(
    form: str, lengths: list[int], n: int, overwrite: bool, reserve: int, lock: bool
) -> None:
    events = [payload(i, length) for i, length in enumerate(lengths)]
    modelled = model.RelayFS(1)
    store = reserve >= 4
    with relayfs.RelayFS(n_cpus=1) as fs:
        clients = [Recorder(reserve, store), Recorder(reserve, store)]
        callbacks: list[Any] = {
            "none": [None, None],
            "built-in": [
                model.Reserving(reserve, store),
                relayfs.Callbacks.reserving(reserve, store),
            ],
            "python": clients,
        }[form]
        one = model.relay_open("t", None, 16, n, overwrite, callbacks[0], fs=modelled)
        chan = relayfs.relay_open("t", None, 16, n, overwrite, callbacks[1], fs=fs)
        expected = model.write_many(one, events, 0)
        assert chan.write_many(ragged(events), cpu=0, lock=lock) == expected
        assert buffer_state(chan.buffers[0]) == buffer_state(one.buffers[0])
        assert statistics(chan) == statistics(one)
        assert clients[1].calls == clients[0].calls


@pytest.mark.parametrize("lock", [True, False])
def test_rows_are_events_of_equal_length(lock: bool, open_channel: Any) -> None:
    chan = open_channel()
    events = np.arange(40, dtype=np.uint8).reshape(5, 8)
    assert chan.write_many(events, cpu=1, lock=lock) == 5
    assert chan.buffers[1].memory[:40].tolist() == list(range(40))
    assert (chan.stats.written, chan.stats.written_bytes) == (5, 40)
    assert chan.buffers[0].stats.written == 0


def test_an_empty_batch_and_empty_events(open_channel: Any) -> None:
    chan = open_channel()
    assert chan.write_many(np.zeros((0, 8), np.uint8), cpu=0) == 0
    assert chan.write_many((np.zeros(0, np.uint8), np.zeros(1, np.int64)), cpu=0) == 0
    assert chan.write_many(np.zeros((7, 0), np.uint8), cpu=0) == 7
    assert chan.buffers[0].offset == 0
    assert chan.stats.written == 7


def test_offsets_may_begin_anywhere_in_the_data(open_channel: Any) -> None:
    chan = open_channel()
    data = np.arange(20, dtype=np.uint8)
    assert chan.write_many((data, np.array([5, 7, 7, 10])), cpu=0) == 3
    assert chan.buffers[0].memory[:5].tolist() == [5, 6, 7, 8, 9]


def test_too_large_events_are_counted_and_the_batch_goes_on(open_channel: Any) -> None:
    chan = open_channel()
    events = [b"abc", bytes(17), b"def", bytes(1000)]
    assert chan.write_many(ragged(events), cpu=0) == 2
    assert chan.write_many(np.zeros((3, 17), np.uint8), cpu=0) == 0
    assert chan.buffers[0].memory[:6].tobytes() == b"abcdef"
    assert (chan.stats.lost_too_large, chan.stats.lost_bytes) == (5, 1017 + 51)


def test_lost_events_are_not_counted_as_written(open_channel: Any) -> None:
    chan = open_channel(n_subbufs=2)
    assert chan.write_many(np.zeros((10, 8), np.uint8), cpu=0) == 4
    assert (chan.stats.written, chan.stats.lost_full) == (4, 6)


def test_read_only_arrays_are_fine(open_channel: Any) -> None:
    events = np.zeros((2, 8), np.uint8)
    events.flags.writeable = False
    assert open_channel().write_many(events, cpu=0) == 2


def test_rows_that_are_not_contiguous_are_written_right_or_refused(open_channel: Any) -> None:
    chan = open_channel()
    events = np.arange(32, dtype=np.uint8).reshape(2, 16)[:, ::2]
    try:
        chan.write_many(events, cpu=0)
    except relaylab.ConfigError:
        assert chan.stats.written == 0
    else:
        assert chan.buffers[0].memory[:16].tolist() == list(range(0, 32, 2))


def test_a_batch_ends_at_a_close_by_another_thread(fs: Any) -> None:
    chan = relayfs.relay_open("t", None, 4096, 4, True, None, fs=fs)
    events = np.zeros((200_000_000, 0), np.uint8)
    results: list[Any] = []

    def write() -> None:
        try:
            results.append(chan.write_many(events, cpu=0))
        except relaylab.ClosedError as error:
            results.append(error)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    while chan.stats.written == 0:
        pass
    with fs.open_file("t0"):
        chan.close()
        writer.join(20)
        assert not writer.is_alive()
    assert isinstance(results[0], relaylab.ClosedError) or results[0] < len(events)


def test_other_python_threads_run_during_a_batch(open_channel: Any) -> None:
    chan = open_channel(overwrite=True)
    writer = threading.Thread(
        target=chan.write_many, args=(np.zeros((30_000_000, 0), np.uint8), 0), daemon=True
    )
    writer.start()
    ticks = 0
    while writer.is_alive():
        ticks += 1
    assert ticks > 100
    assert chan.stats.written == 30_000_000


@pytest.mark.parametrize(
    "events", [[b"ab", b"cd"], (b"ab", b"cd"), [b"ab"], [b"ab", b"c", b"d"], [], b"ab"]
)
def test_a_list_of_events_is_refused_and_the_hint_says_how_to_make_a_batch(
    events: Any, open_channel: Any, unchanged: Any
) -> None:
    chan = open_channel()
    with unchanged(chan), pytest.raises(relaylab.ConfigError) as refused:
        chan.write_many(events, cpu=0)
    assert "np.frombuffer(b''.join(events), np.uint8).reshape(len(events), -1)" in str(
        refused.value
    )
    assert "np.cumsum([0, *map(len, events)], dtype=np.int64)" in str(refused.value)


def test_the_batches_that_the_hint_makes_are_written(open_channel: Any) -> None:
    events = [b"ab", b"cd"]
    chan = open_channel()
    chan.write_many(np.frombuffer(b"".join(events), np.uint8).reshape(len(events), -1), cpu=0)
    data, lengths = np.frombuffer(b"".join(events), np.uint8), [0, *map(len, events)]
    chan.write_many((data, np.cumsum(lengths, dtype=np.int64)), cpu=0)
    assert bytes(chan.buffers[0].memory[:8]) == b"abcdabcd"
