"""Where the owner of a channel answers the letters of readers in other processes.

A reader writes what it asks for into its letterbox, a page of its own, and rings its bell, an
eventfd. The loop here holds no GIL, so that consuming goes on whatever the owner's Python does.
Nothing in a letterbox is trusted: the worst a reader can do is consume what was produced.

A writer whose buffer is full answers the letters about it itself, before it loses an event: on a
busy machine the loop here may have to wait for a processor.
"""

from __future__ import annotations

from typing import Any, Final

from relaylab.core.addresses import control_at, desk_at, letterbox_at, own_at, u32_at
from relaylab.core.atomics import exchange, fetch_add, load_acquire, replace_if, store_release
from relaylab.core.jit import njit
from relaylab.core.layout import DESK, LETTERBOX, LISTENER, OWN, offset_of
from relaylab.core.listeners import arm_listener, watch_listener
from relaylab.core.readers import consumed, consumed_through
from relaylab.core.system import (
    EPOLL_EVENT_BYTES,
    EPOLL_EVENT_DATA,
    sleep_ns,
    wait_for_events,
    wake_futex,
)

# What a letter asks for (letterbox.asks); they may be combined
CONSUME: Final = 1  # `first` sub-buffers
CONSUME_THROUGH: Final = 2  # up to the sub-buffer `first` of the sequence, in the epoch `second`
ARM: Final = 4  # to be woken at the next switch, or at once if something is unconsumed
WATCH: Final = 8  # the same, but at once if not `first` is produced in the epoch `second`

# The state of a place at the desk
FREE: Final = 0
WAITING: Final = 1
SERVED: Final = 2

EVENTS: Final = 64  # bells heard at once

_STATE = offset_of(DESK, "state")
_POSTS = offset_of(LETTERBOX, "posts")
_ANSWERED = offset_of(LETTERBOX, "answered")
_WAITING = offset_of(LETTERBOX, "waiting")
_LISTENER_PLACE = offset_of(LISTENER, "place")
_LISTENER = LISTENER.itemsize
_WAKING = offset_of(OWN, "waking")
_PLACE = DESK.itemsize
_WORDS = EPOLL_EVENT_BYTES // 4
_DATA = EPOLL_EVENT_DATA // 4
_MOST = 2**31 - 1


@njit(nogil=True)
def serve(epoll: int, desk: int, events: int, stop: int) -> None:
    """Answer letters until the descriptor `stop` is readable.

    Parameters
    ----------
    epoll
        A descriptor that tells which bells rang, and `stop`.
    desk
        Address of the places; a reader's place is the one with the number of its bell.
    events
        Address of room for EVENTS epoll events.
    stop
        The descriptor that ends the loop.
    """
    heard = u32_at(events, EVENTS * _WORDS)
    failures = 0
    while failures < 1000:
        count = wait_for_events(epoll, events, EVENTS)
        if count < 0:  # a signal
            failures += 1
            sleep_ns(1_000_000)
            continue
        failures = 0
        for i in range(count):
            bell = int(heard[i * _WORDS + _DATA])
            if bell == stop:
                return
            _answer_bell(desk + bell * _PLACE)


@njit()
def answer_all(own: Any) -> None:
    """Answer the letters of a buffer's readers, on whatever thread."""
    fetch_add(own.handle + _WAKING, 1)  # until it is 0 again no place may be given back
    for i in range(own.n_listeners):
        place = load_acquire(own.listeners + i * _LISTENER + _LISTENER_PLACE)
        if place != 0 and replace_if(place + _STATE, WAITING, SERVED):
            _serve_place(place)
    fetch_add(own.handle + _WAKING, -1)


@njit()
def _answer_bell(place: int) -> None:
    """Answer a letter.

    If a writer is at this place he may have missed it, so wait for him. He must not look again
    himself: a reader who goes on ringing could keep him there.
    """
    while not replace_if(place + _STATE, WAITING, SERVED):
        if load_acquire(place + _STATE) == FREE:
            return
        sleep_ns(0)
    _serve_place(place)


@njit()
def _serve_place(place: int) -> None:
    _read_letter(desk_at(place))
    store_release(place + _STATE, WAITING)


@njit()
def _read_letter(desk: Any) -> None:
    """Do what the letter asks for, if there is a new one."""
    box = letterbox_at(desk.letterbox)
    posts = load_acquire(desk.letterbox + _POSTS)
    if posts == desk.answered:
        return
    asks = box.asks
    first = box.first
    second = box.second
    own = own_at(desk.handle)
    buf = control_at(own.control)
    if asks & CONSUME:
        consumed(buf, own, min(max(first, 0), _MOST))
    elif asks & CONSUME_THROUGH and first < buf.produced:
        consumed_through(buf, own, first, second)
    if asks & ARM:
        arm_listener(buf, own, desk.listener)
    elif asks & WATCH:
        watch_listener(buf, own, desk.listener, first, second)
    desk.answered = posts
    exchange(desk.letterbox + _ANSWERED, posts)  # a fence: then see who sleeps, or he sees this
    if load_acquire(desk.letterbox + _WAITING) != 0:
        wake_futex(desk.letterbox + _ANSWERED)


@njit()
def join(place: int, letterbox: int, handle: int, listener: int) -> None:
    """Give a new reader its place, and arm its listener."""
    desk = desk_at(place)
    own = own_at(handle)
    desk.letterbox = letterbox
    desk.handle = handle
    desk.answered = 0
    desk.listener = listener
    arm_listener(control_at(own.control), own, listener)
    store_release(place + _STATE, WAITING)
    store_release(own.listeners + listener * _LISTENER + _LISTENER_PLACE, place)


@njit(nogil=True)
def leave(place: int) -> None:
    """Answer a reader's last letter and take its place away."""
    while not replace_if(place + _STATE, WAITING, FREE):
        sleep_ns(0)
    _read_letter(desk_at(place))
