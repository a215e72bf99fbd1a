"""What the tests of the engine look at: all visible state of buffers, and all calls of a client."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

FIELDS = (
    "offset",
    "data_index",
    "subbufs_produced",
    "subbufs_consumed",
    "unfull",
    "finalized",
    "refcount",
    "is_full",
    "is_empty",
)
STATISTICS = (
    "written",
    "written_bytes",
    "lost_full",
    "lost_unfull",
    "lost_too_large",
    "lost_bytes",
    "overwritten_subbufs",
    "overwritten_unread_subbufs",
    "switches",
    "delivered",
    "high_water",
)
CALLBACKS = ("subbuf_start", "deliver", "buf_full", "buf_mapped", "buf_unmapped")


def buffer_state(buf: Any) -> dict[str, Any]:
    """All of a buffer that means anything, as plain values."""
    known = {"released": buf.released, "cpu": buf.cpu, "path": buf.path}
    if buf.released:
        return known
    return (
        known
        | {name: int(getattr(buf, name)) for name in FIELDS}
        | {"padding": buf.padding.tolist(), "commit": buf.commit.tolist()}
        | {"poll": buf.poll(), "memory": bytes(buf.memory)}
    )


def statistics(source: Any) -> dict[str, int]:
    """The statistics of a buffer or channel; wake-ups aside, which depend on who sleeps when."""
    stats = source.stats
    return {name: int(getattr(stats, name)) for name in STATISTICS}


def channel_state(chan: Any) -> list[dict[str, Any]]:
    """State and statistics of all buffers."""
    return [buffer_state(buf) | {"stats": statistics(buf)} for buf in chan.buffers]


def payload(event: int, length: int) -> bytes:
    """Bytes that tell events apart."""
    return bytes((37 * event + 11 * j + 1) % 256 for j in range(length))


def index_of(buf: Any, subbuf: memoryview) -> int:
    """Which sub-buffer of `buf` a view is, by its address."""
    assert not subbuf.readonly
    start: int = np.frombuffer(subbuf, np.uint8).ctypes.data - buf.memory.ctypes.data
    index, rest = divmod(start, subbuf.nbytes)
    assert rest == 0
    return index


class Recorder:
    """A client that notes every call with what it can see at that moment.

    `fail` names a callback whose next call raises, or returns `bad_reserve` if that is set.
    """

    def __init__(self, reserve: int = 0, store_padding: bool = False) -> None:
        self.reserve = reserve
        self.store_padding = store_padding
        self.calls: list[tuple[Any, ...]] = []
        self.fail: str | None = None
        self.bad_reserve: int | None = None

    def names(self) -> list[str]:
        """The names of the callbacks called, in order."""
        return [call[0] for call in self.calls]

    def with_only(self, *names: str) -> SimpleNamespace:
        """An object that has these callbacks and no others."""
        return SimpleNamespace(**{name: getattr(self, name) for name in names})

    def subbuf_start(
        self, buf: Any, subbuf: memoryview, prev_subbuf_idx: int, prev_subbuf: memoryview | None
    ) -> int:
        previous = None if prev_subbuf is None else index_of(buf, prev_subbuf)
        self._note("subbuf_start", buf, index_of(buf, subbuf), prev_subbuf_idx, previous)
        if self._fails("subbuf_start") and self.bad_reserve is not None:
            return self.bad_reserve
        if self.store_padding and prev_subbuf is not None:
            prev_subbuf[:4] = int(buf.padding[prev_subbuf_idx]).to_bytes(4, "little")
        return self.reserve

    def deliver(self, buf: Any, subbuf_idx: int, subbuf: memoryview) -> None:
        self._note("deliver", buf, index_of(buf, subbuf), subbuf_idx)
        self._fails("deliver")

    def buf_full(self, buf: Any, subbuf_idx: int, subbuf: memoryview) -> None:
        self._note("buf_full", buf, index_of(buf, subbuf), subbuf_idx)
        self._fails("buf_full")

    def buf_mapped(self, buf: Any, file: Any) -> None:
        self._note("buf_mapped", buf)
        self._fails("buf_mapped")

    def buf_unmapped(self, buf: Any, file: Any) -> None:
        self._note("buf_unmapped", buf)
        self._fails("buf_unmapped")

    def _note(self, name: str, buf: Any, *seen: int | None) -> None:
        padding, commit = buf.padding.tolist(), buf.commit.tolist()
        fields = [int(getattr(buf, x)) for x in FIELDS]
        self.calls.append((name, buf.cpu, *seen, fields, padding, commit))

    def _fails(self, name: str) -> bool:
        """Whether this call is the one that fails; raises unless a bad reserve is to do it."""
        if self.fail != name:
            return False
        self.fail = None
        if name == "subbuf_start" and self.bad_reserve is not None:
            return True
        raise ZeroDivisionError(name)
