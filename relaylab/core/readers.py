"""The readers' side of a buffer: relay_subbufs_consumed, the full test, and wake-ups."""

from __future__ import annotations

from typing import Any

from relaylab.core.atomics import exchange, load_acquire, store_release
from relaylab.core.jit import njit
from relaylab.core.journal import Kind, append
from relaylab.core.layout import CONTROL, OWN, RELAYFS, offset_of
from relaylab.core.listeners import raise_all
from relaylab.core.locks import EDGE, enter_edge, leave_edge
from relaylab.core.system import lower_eventfd

_PRODUCED = offset_of(CONTROL, "produced")
_CONSUMED = offset_of(CONTROL, "consumed")
_UNFULL = offset_of(CONTROL, "unfull")
_ARMED = offset_of(OWN, "armed")
_KIND_CONSUMED, _KIND_UNFULL, _KIND_WAKEUP = (
    int(kind) for kind in (Kind.CONSUMED, Kind.UNFULL, Kind.WAKEUP)
)


@njit()
def is_full(buf: Any) -> bool:
    """relay_buf_full: never in overwrite mode."""
    return _is_too_much(buf, buf.produced - buf.consumed)


@njit(hot=True)
def _is_too_much(buf: Any, unconsumed: int) -> bool:
    return bool(buf.overwrite == 0 and unconsumed > buf.n_subbufs - 1)


@njit()
def stays_full(buf: Any, own: Any) -> bool:
    """Whether the buffer is full and nobody has consumed since it became so.

    Seen from outside the edge: a writer that loses event after event would be within it for much of
    its time, and whoever is taken off its processor there holds up consumers and observers. False
    also where a consumer is just at it.
    """
    before = load_acquire(own.control + EDGE)
    unfull = load_acquire(own.control + _UNFULL)
    full = _is_too_much(buf, buf.produced - load_acquire(own.control + _CONSUMED))
    is_one_moment = before & 1 == 0 and load_acquire(own.control + EDGE) == before
    return bool(is_one_moment and full and unfull == 0)


@njit()
def consumed(buf: Any, own: Any, count: int) -> None:
    """relay_subbufs_consumed: a reader is through with `count` sub-buffers.

    Safe against writers and other consumers: no update is lost.
    """
    enter_edge(own.control + EDGE)
    _consume(buf, own, count)


@njit()
def consumed_through(buf: Any, own: Any, sequence: int, epoch: int) -> None:
    """A reader is through with the sub-buffers up to `sequence`, unless others were meanwhile.

    Nothing is consumed if the buffer was reset since `epoch`.
    """
    enter_edge(own.control + EDGE)
    if buf.epoch == epoch and buf.consumed <= sequence:
        _consume(buf, own, sequence + 1 - buf.consumed)
    else:
        leave_edge(own.control + EDGE)


@njit()
def _consume(buf: Any, own: Any, count: int) -> None:
    """Consume within the edge, leave it, and tell."""
    before = buf.produced - buf.consumed
    ends_full_state = is_full(buf)
    was_unfull = buf.unfull
    if ends_full_state and buf.rules == RELAYFS:
        buf.unfull = 1
    counted = min(max(count, 0), before)
    store_release(own.control + _CONSUMED, buf.consumed + counted)
    produced = buf.produced
    now_empty = produced == buf.consumed
    leave_edge(own.control + EDGE)
    subbuf = (produced - before) % buf.n_subbufs
    if ends_full_state and was_unfull == 0:
        append(own.journal, _KIND_UNFULL, buf.cpu, subbuf, produced, before)
    append(own.journal, _KIND_CONSUMED, buf.cpu, subbuf, produced, counted)
    if now_empty and own.eventfd >= 0:
        rest_reader(buf, own)


@njit()
def wake_reader(buf: Any, own: Any) -> None:
    """Make the descriptors readable of those who may sleep on them, unless they already are."""
    if load_acquire(own.handle + _ARMED) != 0 and exchange(own.handle + _ARMED, 0) != 0:
        raise_all(own)
        buf.wakeups += 1
        unconsumed = buf.produced - buf.consumed
        subbuf = buf.produced % buf.n_subbufs
        append(own.journal, _KIND_WAKEUP, buf.cpu, subbuf, buf.produced, unconsumed)


@njit()
def rest_reader(buf: Any, own: Any) -> None:
    """Make the descriptor unreadable: the buffer is empty. A switch meanwhile is seen."""
    if buf.finalized != 0:
        return
    lower_eventfd(own.eventfd)
    exchange(own.handle + _ARMED, 1)
    produced = load_acquire(own.control + _PRODUCED)
    pending = produced != load_acquire(own.control + _CONSUMED) or buf.finalized != 0
    if pending and exchange(own.handle + _ARMED, 0) != 0:
        raise_all(own)  # others may have armed too: no switch wakes them any more
