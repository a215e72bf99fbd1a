"""chan.write as a built-in function does what the plain method does, for every kind of call."""

from __future__ import annotations

import gc
import inspect
import sys
import threading
import weakref
from typing import Any

import numpy as np
import pytest
from engine.observe import channel_state

import relaylab
from relaylab import relayfs
from relaylab.channel import Channel

CALLS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "bytes": ((b"abc", 1), {}),
    "cpu by name": ((b"abc",), {"cpu": 1}),
    "both by name": ((), {"data": b"abc", "cpu": 1}),
    "bytes that need a switch": ((b"0123456789abcdef", 0), {}),
    "no bytes": ((b"", 0), {}),
    "too large": ((bytes(17), 0), {}),
    "bytearray": ((bytearray(b"abc"), 0), {}),
    "memoryview": ((memoryview(b"abcd")[::2], 0), {}),
    "array": ((np.arange(3, dtype=np.int32), 0), {}),
    "subclass of bytes": ((type("B", (bytes,), {})(b"abc"), 0), {}),
    "text": (("abc", 0), {}),
    "nothing": ((), {}),
    "numpy cpu": ((b"abc", np.int64(1)), {}),
    "no such cpu": ((b"abc", 2), {}),
    "negative cpu": ((b"abc", -1), {}),
    "cpu beyond 64 bits": ((b"abc", 1 << 64), {}),
    "negative cpu beyond 64 bits": ((b"abc", -(1 << 64)), {}),
    "bool cpu": ((b"abc", True), {}),
    "float cpu": ((b"abc", 1.0), {}),
    "cpu twice": ((b"abc", 0), {"cpu": 0}),
    "unknown name": ((b"abc",), {"cpux": 0}),
    "too many": ((b"abc", 0, 1), {}),
}


def outcome(function: Any, args: Any, kwargs: Any) -> Any:
    try:
        return function(*args, **kwargs)
    except Exception as error:
        return type(error), str(error)


@pytest.mark.parametrize("method", ["write", "write_unlocked"])
@pytest.mark.parametrize("call", CALLS)
def test_it_answers_raises_and_leaves_what_the_plain_method_does(
    method: str, call: str, open_channel: Any
) -> None:
    fast, plain = open_channel("fast"), open_channel("plain")
    for chan in (fast, plain):
        chan.write(b"before", cpu=0)
    args, kwargs = CALLS[call]
    got = outcome(getattr(fast, method), args, kwargs)
    assert got == outcome(getattr(Channel, method), (plain, *args), kwargs)
    states = [channel_state(chan) for chan in (fast, plain)]
    assert str(states[0]).replace("fast", "plain") == str(states[1])


def test_without_a_cpu_it_writes_to_a_buffer_of_the_channel(open_channel: Any) -> None:
    chan = open_channel()
    assert [chan.write(b"a"), chan.write(b"a", None), chan.write(b"a", cpu=None)] == [True] * 3
    assert chan.stats.written == 3


def test_events_are_lost_when_the_buffer_is_full(open_channel: Any) -> None:
    chan = open_channel()
    assert [chan.write(bytes(16), 0) for _ in range(5)] == [True] * 4 + [False]


@pytest.mark.parametrize("method", ["write", "write_unlocked"])
def test_a_function_kept_from_before_the_close_raises_like_the_channel(
    method: str, open_channel: Any
) -> None:
    chan = open_channel()
    kept = getattr(chan, method)
    chan.close()
    for function in (kept, getattr(chan, method)):
        with pytest.raises(relaylab.ClosedError):
            function(b"late", cpu=0)


def test_it_keeps_what_it_writes_to_alive_and_a_closed_channel_is_freed(fs: Any) -> None:
    chan = relayfs.relay_open("t", None, 16, 4, False, None, fs=fs)
    gone = weakref.ref(chan)
    write = chan.write
    del chan
    gc.collect()
    assert write(b"still there", cpu=0)
    fs.close()
    del write
    gc.collect()
    assert gone() is None


def test_it_neither_keeps_nor_drops_references_to_its_arguments(open_channel: Any) -> None:
    chan = open_channel(overwrite=True)
    event, cpu = bytes(bytearray(8)), 1
    before = [sys.getrefcount(x) for x in (event, None, True, False)]
    for _ in range(20_000):
        chan.write(event, cpu=cpu)
        chan.write(event, None)
    after = [sys.getrefcount(x) for x in (event, None, True, False)]
    assert all(abs(a - b) < 1000 for a, b in zip(after, before, strict=True))


def test_threads_that_write_to_one_buffer_lose_nothing(open_channel: Any) -> None:
    chan = open_channel(subbuf_size=4096, overwrite=True)
    threads = [
        threading.Thread(target=lambda: [chan.write(b"12345678", cpu=0) for _ in range(5000)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert chan.stats.written == 20_000
    assert chan.stats.written_bytes == 160_000


def test_it_shows_its_signature_and_its_documentation(open_channel: Any) -> None:
    chan = open_channel()
    assert list(inspect.signature(chan.write).parameters) == ["data", "cpu"]
    assert "relay_write" in (inspect.getdoc(chan.write) or "")


def test_a_subclass_that_overrides_write_is_called(open_channel: Any) -> None:
    class Loud(Channel):
        def write(self, data: Any, cpu: int | None = None) -> bool:
            return super().write(b"<" + data + b">", cpu)

    chan = open_channel()
    loud = Loud(
        "loud",
        chan.buffers,
        overwrite=False,
        shape=(16, 4),
        callbacks=None,
        client=chan._client,
        rules="relayfs",
        journal=chan.journal,
        on_close=lambda _: None,
    )
    assert loud.write(b"a", cpu=0)
    assert bytes(chan.buffers[0].memory[:3]) == b"<a>"
