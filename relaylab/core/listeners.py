"""Readers of other processes that may sleep: each has a descriptor that the writer writes to.

A listener is armed while its reader found nothing and may sleep. `own.armed` is set with it, so
that a switch looks at one word when nobody is to be woken.
"""

from __future__ import annotations

from typing import Any

from relaylab.core.addresses import listener_at
from relaylab.core.atomics import exchange, fetch_add, load_acquire
from relaylab.core.jit import njit
from relaylab.core.layout import CONTROL, LISTENER, OWN, offset_of
from relaylab.core.system import raise_eventfd, sleep_ns

_SIZE = LISTENER.itemsize
_LISTENER_ARMED = offset_of(LISTENER, "armed")
_LISTENER_PLACE = offset_of(LISTENER, "place")
_ARMED = offset_of(OWN, "armed")
_WAKING = offset_of(OWN, "waking")
_PRODUCED = offset_of(CONTROL, "produced")
_CONSUMED = offset_of(CONTROL, "consumed")


@njit()
def raise_all(own: Any) -> None:
    """Make readable the buffer's own descriptor and those of all armed listeners."""
    fetch_add(own.handle + _WAKING, 1)  # until it is 0 again no descriptor may be closed
    if own.eventfd >= 0:
        raise_eventfd(own.eventfd)
    for i in range(own.n_listeners):
        if load_acquire(own.listeners + i * _SIZE + _LISTENER_ARMED) != 0:
            _raise(own, i)
    fetch_add(own.handle + _WAKING, -1)


@njit()
def arm_listener(buf: Any, own: Any, index: int) -> None:
    """Wake this listener at the next switch, or at once if something is unconsumed by now."""
    _arm(own, index)
    produced = load_acquire(own.control + _PRODUCED)
    if produced != load_acquire(own.control + _CONSUMED) or buf.finalized != 0:
        _raise(own, index)


@njit()
def watch_listener(buf: Any, own: Any, index: int, produced: int, epoch: int) -> None:
    """Wake it at the next switch, or at once if something else than this is produced by now."""
    _arm(own, index)
    now = load_acquire(own.control + _PRODUCED)
    if now != produced or buf.epoch != epoch or buf.finalized != 0:
        _raise(own, index)


@njit()
def _arm(own: Any, index: int) -> None:
    exchange(own.listeners + index * _SIZE + _LISTENER_ARMED, 1)
    exchange(own.handle + _ARMED, 1)


@njit()
def _raise(own: Any, index: int) -> None:
    listener = own.listeners + index * _SIZE
    if exchange(listener + _LISTENER_ARMED, 0) != 0:
        raise_eventfd(listener_at(listener).wake)


@njit()
def disarm_listener(own: Any, index: int) -> None:
    """Wake it no more. When this returns nobody uses its descriptor, nor its place."""
    exchange(own.listeners + index * _SIZE + _LISTENER_PLACE, 0)
    exchange(own.listeners + index * _SIZE + _LISTENER_ARMED, 0)
    while load_acquire(own.handle + _WAKING) != 0:
        sleep_ns(0)
