"""The state machine of a channel buffer: relay_write, relay_reserve and what they call.

Written once, for the live engine, the stepper and the simulator. A switch calls the client up to
three times; where the client is a Python function, the machine returns ASK, keeps in `own` what it
wants to know, and `resume` goes on with the answer. Compiled and built-in clients never leave it.

`buf` is the shared control block, `own` the writing process's part (see layout).
"""

from __future__ import annotations

from typing import Any, Final

from relaylab.core import losses
from relaylab.core.addresses import copy, u32_at
from relaylab.core.atomics import add_u32, fence, fetch_add, store_release
from relaylab.core.clients import PYTHON, RESERVE_OUT_OF_RANGE, answer_notice, answer_start
from relaylab.core.desk import answer_all
from relaylab.core.jit import njit
from relaylab.core.journal import Kind, append
from relaylab.core.layout import CONTROL, LINUX, RELAYFS, offset_of
from relaylab.core.locks import EDGE, enter_edge, leave_edge
from relaylab.core.readers import is_full, stays_full, wake_reader
from relaylab.core.system import thread_id

# What an operation answers
WRITTEN: Final = 1
LOST: Final = 0
TOO_LARGE: Final = -1
CLOSED: Final = -2
NO_SLOT: Final = -3  # relay_reserve's NULL
REENTRANT: Final = -4  # called from inside a callback of the same buffer
BUSY: Final = -5  # another thread holds the lock
ASK: Final = -6  # a Python callback is to be called, then resume()

# What a Python callback is asked (own.asked)
NOTHING: Final = 0
ASK_START: Final = 1
ASK_DELIVER: Final = 2
ASK_FULL: Final = 3

# The operation that a switch belongs to (own.operation)
WRITE: Final = 1
RESERVE: Final = 2
SWITCH: Final = 3
RESTART: Final = 4

_PRODUCED = offset_of(CONTROL, "produced")
_DELIVERED = offset_of(CONTROL, "delivered")
_U32 = 0xFFFFFFFF

# Journal kinds as plain numbers: compiled code freezes them.
_KIND_START, _KIND_PRODUCED, _KIND_DELIVER, _KIND_FULL = (
    int(kind) for kind in (Kind.SUBBUF_START, Kind.PRODUCED, Kind.DELIVER, Kind.FULL)
)


# Events ------------------------------------------------------------------------------------


@njit(hot=True)
def write(buf: Any, own: Any, event: int, length: int) -> int:
    """relay_write without its protection: store the `length` bytes at address `event`."""
    if buf.offset + length > buf.subbuf_size or length > buf.subbuf_size - buf.start_reserve:
        return _write_after_switch(buf, own, event, length)
    if buf.finalized != 0:
        return CLOSED
    return _store(buf, own, event, length)


@njit(hot=True)
def write_fitting(buf: Any, own: Any, events: int, length: int, count: int) -> int:
    """Write as many of `count` events of one length, which lie in a row, as need no switch.

    The same as so many calls of `write`: each event is visible as soon as it is there.
    """
    if length == 0 or buf.finalized != 0 or length > buf.subbuf_size - buf.start_reserve:
        return 0
    fitting = min(count, max(buf.subbuf_size - buf.offset, 0) // length)
    target = own.bytes + buf.data_start + buf.offset
    offset = buf.offset
    written = buf.written
    for i in range(fitting):
        copy(target + i * length, events + i * length, length)
        offset += length
        written += 1
        buf.offset = offset
        buf.written = written
    return int(fitting)


@njit()
def place(buf: Any, count: int, n_bytes: int) -> None:
    """As so many writes that need no switch, `n_bytes` in all, without copying: virtual time."""
    buf.offset += n_bytes
    buf.written += count


@njit()
def loses_all(buf: Any) -> bool:
    """Whether every event that has bytes is lost until something is consumed."""
    return bool(is_full(buf) and buf.unfull == 0 and buf.offset >= buf.subbuf_size)


@njit()
def lose(buf: Any, count: int, n_bytes: int) -> None:
    """As so many writes of `n_bytes` in all while it `loses_all`, none of them too large."""
    buf.lost_full += count
    buf.lost_bytes += n_bytes


@njit()
def _write_after_switch(buf: Any, own: Any, event: int, length: int) -> int:
    refusal = _refuse(buf, own, length)
    if refusal != 0:
        return refusal
    own.operation = WRITE
    own.event = event
    own.length = length
    return _finish(buf, own, switch(buf, own, length))


@njit()
def reserve(buf: Any, own: Any, length: int) -> int:
    """relay_reserve: the byte offset of a slot of `length` bytes, from the start of the buffer."""
    refusal = _refuse(buf, own, length)
    if refusal != 0:
        return refusal
    if buf.offset + length <= buf.subbuf_size:
        return _grant(buf, length)
    own.operation = RESERVE
    own.length = length
    return _finish(buf, own, switch(buf, own, length))


@njit()
def _refuse(buf: Any, own: Any, length: int) -> int:
    """Why an event cannot even be tried, or 0. Tested before anything changes."""
    if buf.finalized != 0:
        return CLOSED
    largest = buf.subbuf_size
    if buf.rules == RELAYFS:
        largest -= buf.start_reserve
    if length > largest:
        losses.count(buf, own, length, losses.TOO_LARGE)
        return TOO_LARGE
    return 0


@njit(hot=True)
def _store(buf: Any, own: Any, event: int, length: int) -> int:
    copy(own.bytes + buf.data_start + buf.offset, event, length)
    _grant(buf, length)
    return WRITTEN


@njit(hot=True)
def _grant(buf: Any, length: int) -> int:
    """Take `length` bytes of the current sub-buffer; where they begin."""
    slot = buf.data_start + buf.offset
    buf.offset += length
    buf.written += 1
    return int(slot)


@njit()
def _finish(buf: Any, own: Any, granted: int) -> int:
    """End the operation that needed the switch, once the switch has ended."""
    if granted == ASK:
        return ASK
    operation = own.operation
    own.operation = NOTHING
    if operation in (SWITCH, RESTART):
        return granted
    if granted != 0 and buf.offset + own.length > buf.subbuf_size:
        # relayfs would copy it past the sub-buffer's end: its subbuf_start left too little room
        own.cause = losses.TOO_LARGE
        granted = 0
    if granted == 0:
        losses.count(buf, own, own.length, own.cause)
        return LOST if operation == WRITE else NO_SLOT
    if operation == WRITE:
        return _store(buf, own, own.event, own.length)
    return _grant(buf, own.length)


# The switch --------------------------------------------------------------------------------


@njit()
def switch(buf: Any, own: Any, length: int) -> int:
    """relay_switch_subbuf: end the current sub-buffer and begin the next one.

    Returns `length`, 0 if there is no room for an event, or ASK.
    """
    own.length = length
    if own.n_listeners != 0 and is_full(buf):
        answer_all(own)  # what readers have consumed by now counts
    unfull = False
    full = stays_full(buf, own)  # then nothing changes
    if not full:
        enter_edge(own.control + EDGE)  # a consumer changes both at once
        unfull = buf.unfull != 0
        buf.unfull = 0
        full = is_full(buf)
        leave_edge(own.control + EDGE)
    if unfull:
        own.cause = losses.UNFULL
        n = buf.n_subbufs
        return _advance(buf, own, (buf.produced - 1) % n, 0)
    if full and (buf.rules == RELAYFS or buf.offset > buf.subbuf_size):
        own.cause = losses.FULL
        return 0
    if buf.rules == LINUX and buf.offset > buf.subbuf_size:  # closed by an event that was lost
        own.cause = losses.FULL
        return _advance(buf, own, (buf.produced - 1) % buf.n_subbufs, length)
    old = buf.produced % buf.n_subbufs
    padding = u32_at(own.padding, buf.n_subbufs)
    padding[old] = buf.subbuf_size - buf.offset
    fence()  # against a commit on another thread: one of the two sees the other
    if is_complete(buf, own, old):
        note_delivery(buf, own, old)
        if own.deliver_mode == PYTHON:
            return _ask(own, ASK_DELIVER, old, 0, 0)
        answer_notice(own, own.deliver_mode, own.deliver_pointer, old)
    return _produce(buf, own, old)


@njit()
def _produce(buf: Any, own: Any, old: int) -> int:
    """Count sub-buffer `old` as produced; go on to the next one unless that filled the buffer."""
    padding = u32_at(own.padding, buf.n_subbufs)
    enter_edge(own.control + EDGE)
    ended = buf.subbuf_size
    if buf.rules == LINUX:
        ended += 1  # closed: nothing fits any more, not even an event without bytes
    _move_offset(buf, ended)
    # after the bytes: who sees the count sees what it counts
    store_release(own.control + _PRODUCED, buf.produced + 1)
    unconsumed = buf.produced - buf.consumed
    full = is_full(buf)
    leave_edge(own.control + EDGE)
    buf.switches += 1
    if unconsumed > buf.high_water:
        buf.high_water = unconsumed
    append(own.journal, _KIND_PRODUCED, buf.cpu, old, buf.produced, padding[old])
    wake_reader(buf, own)
    if not full:
        return _advance(buf, own, old, own.length)
    own.cause = losses.FULL
    append(own.journal, _KIND_FULL, buf.cpu, old, buf.produced, unconsumed)
    if own.full_mode == PYTHON:
        return _ask(own, ASK_FULL, old, 0, 0)
    answer_notice(own, own.full_mode, own.full_pointer, old)
    return 0


@njit()
def _advance(buf: Any, own: Any, old: int, granted: int) -> int:
    """Move the data pointer to the physically next sub-buffer and begin it."""
    new = buf.produced % buf.n_subbufs
    padding = u32_at(own.padding, buf.n_subbufs)
    buf.opened += 1
    fence()  # its bytes change after that, never before
    enter_edge(own.control + EDGE)
    following = buf.data_start + buf.subbuf_size
    buf.data_start = following if following < buf.subbuf_size * buf.n_subbufs else 0
    padding[new] = 0
    leave_edge(own.control + EDGE)
    losses.count_overwritten(buf)
    own.granted = granted
    if own.start_mode == PYTHON:
        return _ask(own, ASK_START, buf.data_start // buf.subbuf_size, old, 1)
    return _begin(buf, own, answer_start(buf, own, buf.data_start // buf.subbuf_size, old, 1))


@njit()
def _begin(buf: Any, own: Any, reserved: int) -> int:
    """Begin the current sub-buffer with the bytes that subbuf_start wants reserved."""
    if reserved < 0 or reserved > buf.subbuf_size:
        own.error = RESERVE_OUT_OF_RANGE
        own.error_value = reserved
        own.error_thread = thread_id()
        reserved = 0
    commit = u32_at(own.commit, buf.n_subbufs)
    enter_edge(own.control + EDGE)
    buf.start_reserve = reserved
    commit[buf.produced % buf.n_subbufs] = reserved
    _move_offset(buf, reserved)
    leave_edge(own.control + EDGE)
    append(
        own.journal, _KIND_START, buf.cpu, buf.data_start // buf.subbuf_size, buf.produced, reserved
    )
    return int(own.granted)


@njit()
def _move_offset(buf: Any, offset: int) -> None:
    """Set the fill level without writing: the bytes written, settled_bytes + offset, stay."""
    buf.settled_bytes += buf.offset - offset
    buf.offset = offset


@njit()
def _ask(own: Any, asked: int, subbuf: int, prev: int, has_prev: int) -> int:
    own.asked = asked
    own.asked_subbuf = subbuf
    own.asked_prev = prev
    own.asked_has_prev = has_prev
    return ASK


@njit()
def resume(buf: Any, own: Any, reply: int) -> int:
    """Go on with the operation that asked, with the callback's reply. Answers as the operation."""
    asked = own.asked
    own.asked = NOTHING
    if asked == ASK_DELIVER:
        return _finish(buf, own, _produce(buf, own, own.asked_subbuf))
    if asked == ASK_START:
        return _finish(buf, own, _begin(buf, own, reply))
    return _finish(buf, own, 0)


@njit()
def switch_alone(buf: Any, own: Any, length: int) -> int:
    """A switch that belongs to no event: relay_switch_subbuf by a client, relay_flush."""
    own.operation = SWITCH
    return _finish(buf, own, switch(buf, own, length))


# Commit ------------------------------------------------------------------------------------


@njit()
def commit(buf: Any, own: Any, offset: int, count: int) -> bool:
    """relay_commit without its callback: whether the sub-buffer at `offset` is to be delivered."""
    subbuf = offset // buf.subbuf_size
    add_u32(own.commit + 4 * subbuf, count)
    if not is_complete(buf, own, subbuf):
        return False
    note_delivery(buf, own, subbuf)
    return True


@njit()
def is_complete(buf: Any, own: Any, subbuf: int) -> bool:
    """deliver_check: an equality test and nothing more."""
    padding = u32_at(own.padding, buf.n_subbufs)
    committed = u32_at(own.commit, buf.n_subbufs)
    return bool((buf.subbuf_size - padding[subbuf]) & _U32 == committed[subbuf])


@njit()
def note_delivery(buf: Any, own: Any, subbuf: int) -> None:
    """Count and record that `subbuf` is delivered."""
    fetch_add(own.control + _DELIVERED, 1)  # commits may run on several threads
    committed = u32_at(own.commit, buf.n_subbufs)
    append(own.journal, _KIND_DELIVER, buf.cpu, subbuf, buf.produced, committed[subbuf])


# Restart -----------------------------------------------------------------------------------


@njit()
def restart(buf: Any, own: Any) -> int:
    """__relay_reset: the first sub-buffer begins. Memory contents are left alone."""
    padding = u32_at(own.padding, buf.n_subbufs)
    committed = u32_at(own.commit, buf.n_subbufs)
    enter_edge(own.control + EDGE)
    buf.epoch += 1
    store_release(own.control + _PRODUCED, 0)
    buf.consumed = 0
    buf.unfull = 0
    buf.opened = 0
    _move_offset(buf, 0)
    buf.data_start = 0
    for i in range(buf.n_subbufs):
        padding[i] = 0
        committed[i] = 0
    leave_edge(own.control + EDGE)
    own.operation = RESTART
    own.granted = 0
    losses.end_run(own)
    if own.start_mode == PYTHON:
        return _ask(own, ASK_START, 0, 0, 0)
    return _finish(buf, own, _begin(buf, own, answer_start(buf, own, 0, 0, 0)))
