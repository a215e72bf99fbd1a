"""The two locks of a buffer: one for its writers, one between a switch and its consumers.

The writers' lock is relay_write's, the counterpart of disabling interrupts; a Python callback may
run while it is held, so nobody spins on it for long. The edge is held for a few instructions, never
around a callback, and counts its changes, so that an observer can tell whether it saw one moment.
"""

from __future__ import annotations

from typing import Final

from relaylab.core.atomics import load_acquire, release_fence, replace_if, store_release
from relaylab.core.jit import njit
from relaylab.core.layout import CONTROL, OWN, offset_of
from relaylab.core.system import clock_ns, sleep_ns

ACQUIRED: Final = 0
HELD_BY_OTHER: Final = 1
HELD_BY_ME: Final = 2

_LOCK = offset_of(OWN, "lock")
EDGE: Final = offset_of(CONTROL, "edge")  # where it is in a control block
_TRIES = 200  # below a microsecond: nobody spins for long who may hold the GIL
_SPINS = 100


@njit(hot=True)
def try_acquire(handle: int, me: int) -> bool:
    """Take the writers' lock for the thread `me` if nobody holds it; whether that is so."""
    return replace_if(handle + _LOCK, 0, me)


@njit(hot=True)
def acquire(handle: int, me: int) -> int:
    """Try to take the writers' lock for this thread, whose identity is `me`."""
    if try_acquire(handle, me):
        return ACQUIRED
    return _try_again(handle, me)


@njit()
def _try_again(handle: int, me: int) -> int:
    if load_acquire(handle + _LOCK) == me:
        return HELD_BY_ME
    for _ in range(_TRIES):
        if load_acquire(handle + _LOCK) == 0 and replace_if(handle + _LOCK, 0, me):
            return ACQUIRED
    return HELD_BY_OTHER


@njit(hot=True)
def release(handle: int) -> None:
    """Give the writers' lock back."""
    store_release(handle + _LOCK, 0)


@njit()
def wait_until_free(handle: int, duration: int) -> bool:
    """Wait up to `duration` ns until the writers' lock looks free; whether it does."""
    deadline = clock_ns() + duration
    pause = 0
    while load_acquire(handle + _LOCK) != 0:
        if clock_ns() > deadline:
            return False
        sleep_ns(pause)
        pause = min(2 * pause + 1000, 100_000)
    return True


@njit()
def enter_edge(edge: int) -> None:
    """Begin a change of what several threads share; `edge` is the address of its sequence."""
    spins = 0
    while True:
        sequence = load_acquire(edge)
        if sequence & 1 == 0 and replace_if(edge, sequence, sequence + 1):
            release_fence()  # nobody sees a change that the edge does not announce
            return
        spins += 1
        if spins > _SPINS:  # its holder was taken off its processor
            sleep_ns(0)


@njit(hot=True)
def leave_edge(edge: int) -> None:
    """End the change."""
    store_release(edge, load_acquire(edge) + 1)
