"""The operations on a buffer by its handle: what Python, user's compiled code and loops call.

Those that relayfs protects, and flush, reset and close, take the writers' lock; where one answers
ring.ASK the lock stays held until `resume` has ended it. A handle is the address of an OWN record.
"""

from __future__ import annotations

from typing import Any

from relaylab.core import ring
from relaylab.core.addresses import address_of, control_at, own_at, words_at
from relaylab.core.atomics import exchange
from relaylab.core.clients import ABSENT, COMPILED, NO_DELIVER, PYTHON, answer_notice
from relaylab.core.jit import njit
from relaylab.core.journal import Kind, append
from relaylab.core.layout import OWN, offset_of
from relaylab.core.listeners import disarm_listener, raise_all, watch_listener
from relaylab.core.locks import (
    ACQUIRED,
    HELD_BY_ME,
    acquire,
    release,
    try_acquire,
    wait_until_free,
)
from relaylab.core.readers import consumed, consumed_through, rest_reader
from relaylab.core.system import clock_ns, current_cpu, raise_eventfd, thread_id

_ARMED = offset_of(OWN, "armed")
_FLUSH, _RESET, _OPEN, _CLOSE = (
    int(kind) for kind in (Kind.FLUSH, Kind.RESET, Kind.OPEN, Kind.CLOSE)
)
_PATIENCE = 20_000_000  # ns a batch waits for the lock before it lets Python look for signals
_BUDGET = 50_000_000  # ns it works before it does so
_LOOK_UP = 0xFF  # events between two looks at the clock, unless it switched


# Protection --------------------------------------------------------------------------------


@njit(hot=True)
def _enter(handle: int, own: Any) -> int:
    """Take the writers' lock: 0, REENTRANT or BUSY."""
    me = thread_id()
    if own.callback_thread == me:
        return ring.REENTRANT
    got = acquire(handle, me)
    if got == ACQUIRED:
        return 0
    return ring.REENTRANT if got == HELD_BY_ME else ring.BUSY


@njit()
def _enter_open(handle: int, own: Any) -> int:
    """Take the writers' lock of a buffer that is not closed: 0, CLOSED, REENTRANT or BUSY."""
    refusal = _enter(handle, own)
    if refusal == 0 and control_at(own.control).finalized != 0:
        release(handle)
        return ring.CLOSED
    return refusal


@njit(hot=True)
def _leave(handle: int, own: Any, result: int, locked: int) -> int:
    """Give the lock back, unless a Python callback is to be asked first."""
    if result == ring.ASK:
        own.locked = locked
    elif locked != 0:
        release(handle)
    return result


@njit()
def resume(handle: int, reply: int) -> int:
    """Go on with the operation that asked for a Python callback's reply."""
    own = own_at(handle)
    locked = own.locked
    return _leave(handle, own, ring.resume(control_at(own.control), own, reply), locked)


# Events ------------------------------------------------------------------------------------


@njit()
def write(handle: int, event: int, length: int) -> int:
    """relay_write of the `length` bytes at address `event`."""
    own = own_at(handle)
    refusal = _enter(handle, own)
    if refusal != 0:
        return refusal
    return _leave(handle, own, ring.write(control_at(own.control), own, event, length), 1)


@njit()
def write_unlocked(handle: int, event: int, length: int) -> int:
    """__relay_write of the `length` bytes at address `event`."""
    own = own_at(handle)
    if own.callback_thread != 0 and own.callback_thread == thread_id():
        return ring.REENTRANT
    return _leave(handle, own, ring.write(control_at(own.control), own, event, length), 0)


@njit()
def write_event(handle: int, event: Any) -> int:
    """relay_write of an array of bytes."""
    return write(handle, address_of(event), len(event))


@njit()
def write_event_unlocked(handle: int, event: Any) -> int:
    """__relay_write of an array of bytes."""
    return write_unlocked(handle, address_of(event), len(event))


@njit()
def reserve(handle: int, length: int) -> int:
    """relay_reserve of `length` bytes."""
    own = own_at(handle)
    if own.callback_thread != 0 and own.callback_thread == thread_id():
        return ring.REENTRANT
    return _leave(handle, own, ring.reserve(control_at(own.control), own, length), 0)


@njit()
def commit(handle: int, offset: int, count: int) -> int:
    """relay_commit at byte `offset` from the start of the buffer.

    Returns 1 if a Python deliver is to be called for that sub-buffer, -2 if closed, else 0.
    """
    own = own_at(handle)
    buf = control_at(own.control)
    if buf.finalized != 0:
        return ring.CLOSED
    if not ring.commit(buf, own, offset, count):
        return 0
    if own.deliver_mode == PYTHON:
        return 1
    if own.deliver_mode == COMPILED:
        answer_notice(own, own.deliver_mode, own.deliver_pointer, offset // buf.subbuf_size)
    return 0


@njit()
def commit_checked(handle: int, offset: int, count: int) -> int:
    """The same for callers that check nothing: TOO_LARGE if the slot is in no sub-buffer.

    REENTRANT if deliver is a Python function: this is a compiled callback of such a client, the
    only compiled code that gets at its buffers, and it cannot call it.
    """
    own = own_at(handle)
    buf = control_at(own.control)
    if own.deliver_mode == PYTHON:
        own.error = NO_DELIVER
        own.error_thread = thread_id()
        return ring.REENTRANT
    if count < 0 or offset < 0 or offset >= buf.subbuf_size * buf.n_subbufs:
        return ring.TOO_LARGE
    return commit(handle, offset, count)


@njit()
def forgive(handle: int) -> None:
    """Forget what a compiled callback did wrong on this thread: nobody is there to be told."""
    own = own_at(handle)
    if own.error != 0 and own.error_thread == thread_id():
        own.error = 0


# Batches -----------------------------------------------------------------------------------


@njit(nogil=True)
def write_rows(
    handle: int, data: int, length: int, first: int, last: int, locked: int, progress: int
) -> int:
    """Write events `first` to `last` of `length` bytes each, which lie in a row at `data`.

    progress is the address of two int64: the next event, and how many were written. Answers
    WRITTEN when all are done; before that BUSY (call again), CLOSED, REENTRANT or ASK (for event
    ``next - 1``).
    """
    own = own_at(handle)
    buf = control_at(own.control)
    me = thread_id()
    done = words_at(progress, 2)
    until = clock_ns() + _BUDGET
    written = 0
    i = first
    while i < last:
        if locked == 0 and own.callback_thread == 0:
            fitting = ring.write_fitting(buf, own, data + i * length, length, last - i)
            i += fitting
            written += fitting
            if i == last:
                break
        result = _write_one(handle, buf, own, me, data + i * length, length, locked)
        if result > 0:
            written += 1
        elif result <= ring.CLOSED:
            return _pause(done, i + (result == ring.ASK), written, result)
        i += 1
        if (locked == 0 or i & _LOOK_UP == 0) and clock_ns() > until:
            return _pause(done, i, written, ring.BUSY)
    return _pause(done, last, written, ring.WRITTEN)


@njit(nogil=True)
def write_ragged(
    handle: int, data: int, offsets: int, first: int, last: int, locked: int, progress: int
) -> int:
    """The same for events of different lengths: event i is at data + offsets[i] .. offsets[i+1]."""
    own = own_at(handle)
    buf = control_at(own.control)
    me = thread_id()
    bounds = words_at(offsets, last + 1)
    done = words_at(progress, 2)
    until = clock_ns() + _BUDGET
    switches = buf.switches
    written = 0
    for i in range(first, last):
        length = bounds[i + 1] - bounds[i]
        result = _write_one(handle, buf, own, me, data + bounds[i], length, locked)
        if result > 0:
            written += 1
        elif result <= ring.CLOSED:
            return _pause(done, i + (result == ring.ASK), written, result)
        if buf.switches != switches or i & _LOOK_UP == 0:
            switches = buf.switches
            if clock_ns() > until:
                return _pause(done, i + 1, written, ring.BUSY)
    return _pause(done, last, written, ring.WRITTEN)


@njit(hot=True)
def _write_one(
    handle: int, buf: Any, own: Any, me: int, event: int, length: int, locked: int
) -> int:
    """Write one event of a batch, under the lock if asked."""
    if own.callback_thread == me:
        return ring.REENTRANT
    if locked != 0 and not try_acquire(handle, me):
        refusal = _wait_and_enter(handle, me)
        if refusal != 0:
            return refusal
    return _leave(handle, own, ring.write(buf, own, event, length), locked)


@njit()
def _pause(done: Any, following: int, written: int, result: int) -> int:
    done[0] = following
    done[1] += written
    return result


@njit()
def _wait_and_enter(handle: int, me: int) -> int:
    """Take the writers' lock, waiting: 0, REENTRANT, or BUSY after a while."""
    while True:
        got = acquire(handle, me)
        if got == ACQUIRED:
            return 0
        if got == HELD_BY_ME:
            return ring.REENTRANT
        if not wait_until_free(handle, _PATIENCE):
            return ring.BUSY


@njit(nogil=True)
def wait_for_lock(handle: int, duration: int) -> bool:
    """Wait up to `duration` ns, without the GIL, until nobody holds the writers' lock."""
    return wait_until_free(handle, duration)


# The rest ----------------------------------------------------------------------------------


@njit()
def switch(handle: int, length: int) -> int:
    """relay_switch_subbuf."""
    own = own_at(handle)
    refusal = _enter_open(handle, own)
    if refusal != 0:
        return refusal
    return _leave(handle, own, ring.switch_alone(control_at(own.control), own, length), 1)


@njit()
def flush(handle: int) -> int:
    """relay_flush of one buffer."""
    own = own_at(handle)
    buf = control_at(own.control)
    refusal = _enter_open(handle, own)
    if refusal != 0:
        return refusal
    append(own.journal, _FLUSH, buf.cpu, buf.produced % buf.n_subbufs, buf.produced, 0)
    return _leave(handle, own, ring.switch_alone(buf, own, 0), 1)


@njit()
def reset(handle: int) -> int:
    """relay_reset of one buffer."""
    own = own_at(handle)
    buf = control_at(own.control)
    refusal = _enter_open(handle, own)
    if refusal != 0:
        return refusal
    append(own.journal, _RESET, buf.cpu, 0, buf.produced, buf.epoch + 1)
    result = ring.restart(buf, own)
    if own.eventfd >= 0:
        rest_reader(buf, own)
    return _leave(handle, own, result, 1)


@njit()
def start(handle: int) -> int:
    """The initial restart of a new buffer."""
    own = own_at(handle)
    buf = control_at(own.control)
    append(own.journal, _OPEN, buf.cpu, 0, 0, 0)
    result = ring.restart(buf, own)
    buf.epoch = 0
    return result


@njit()
def finalize(handle: int) -> int:
    """relay_close of one buffer: no further callback is seen, and sleeping readers wake."""
    own = own_at(handle)
    buf = control_at(own.control)
    refusal = _enter(handle, own)
    if refusal != 0:
        return refusal
    buf.finalized = 1
    own.start_mode = ABSENT
    own.deliver_mode = ABSENT
    own.full_mode = ABSENT
    append(own.journal, _CLOSE, buf.cpu, buf.produced % buf.n_subbufs, buf.produced, 0)
    exchange(own.handle + _ARMED, 0)
    raise_all(own)
    release(handle)
    return 0


@njit()
def subbufs_consumed(handle: int, count: int) -> None:
    """relay_subbufs_consumed of one buffer."""
    own = own_at(handle)
    consumed(control_at(own.control), own, count)


@njit()
def subbufs_consumed_through(handle: int, sequence: int, epoch: int) -> None:
    """The same up to the sub-buffer `sequence`, unless others did so or it was reset since."""
    own = own_at(handle)
    consumed_through(control_at(own.control), own, sequence, epoch)


@njit()
def note(handle: int, kind: int, value: int) -> None:
    """Record in the journal what concerns this buffer and is no transition of the ring."""
    own = own_at(handle)
    buf = control_at(own.control)
    append(own.journal, kind, buf.cpu, buf.produced % buf.n_subbufs, buf.produced, value)


@njit()
def arm(handle: int) -> None:
    """Begin to keep the buffer's eventfd readable as long as something is unconsumed."""
    own = own_at(handle)
    buf = control_at(own.control)
    if buf.finalized != 0:
        raise_eventfd(own.eventfd)
    else:
        rest_reader(buf, own)


@njit()
def watch(handle: int, listener: int, produced: int, epoch: int) -> None:
    """Wake a listener once something else than this was produced."""
    own = own_at(handle)
    watch_listener(control_at(own.control), own, listener, produced, epoch)


@njit(nogil=True)
def disarm(handle: int, listener: int) -> None:
    """Leave a listener's descriptor alone from here on."""
    disarm_listener(own_at(handle), listener)


@njit()
def here(n_cpus: int) -> int:
    """The buffer of the CPU that this thread runs on."""
    return current_cpu() % n_cpus
