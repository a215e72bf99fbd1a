"""Live producers and consumers: loops that hold no GIL and can be stopped at any time.

Their place is in an int64 array that the caller keeps and others may look at.
"""

from __future__ import annotations

from typing import Final

from relaylab.core import ring
from relaylab.core.addresses import bytes_at, control_at, own_at, u32_at, words_at
from relaylab.core.atomics import load_acquire, store_release
from relaylab.core.jit import njit
from relaylab.core.layout import CONTROL, offset_of
from relaylab.core.locks import ACQUIRED, acquire, release, wait_until_free
from relaylab.core.readers import consumed_through
from relaylab.core.system import clock_ns, sleep_ns, thread_id

# The place of a producer: int64[PLACE_WORDS]
NEXT: Final = 0  # index of the next event
SEQUENCE: Final = 1  # events offered so far; the number stamped on the next
ORIGIN: Final = 2  # clock, ns, at which the first event of the trace is due

# The place of a consumer: int64[DRAIN_WORDS]
READING: Final = 0  # the sub-buffer being read, or -1
READ_BYTES: Final = 1  # bytes read so far, without padding
READ_SUBBUFS: Final = 2  # sub-buffers read so far
CHECK: Final = 3  # exclusive or of all words read: proof that they were touched
CLOCK: Final = 4  # ns, when what was taken on so far will be done

IDLE: Final = 0  # a drain with nothing to read
WORKED: Final = 1
ENDED: Final = 2  # nothing to read, and nothing will come: the channel is closed
FULL_SPEED: Final = 0  # a pace of 0: no waiting

_PRODUCED = offset_of(CONTROL, "produced")
_CONSUMED = offset_of(CONTROL, "consumed")
_FINALIZED = offset_of(CONTROL, "finalized")
_STAMP = 8  # bytes: uint32 sequence, uint32 length
_NAP = 200_000  # ns: the longest sleep, so that a stop is noticed
_SPIN = 60_000  # ns before an event is due from which on one does not sleep
_LONGEST_WAIT = 500_000_000  # ns of waiting for something to read before Python has a look
_GLANCES = 8  # a reader that waits looks again after this fraction of the time it has waited
_SHORTEST_GLANCE = 50_000  # ns, and at least
_LONGEST_GLANCE = 2_000_000  # at most
_CHECK_EVERY = 256  # events between looks at the clock at full speed


@njit(nogil=True)
def produce(
    handle: int,
    t_ns: int,
    sizes: int,
    count: int,
    pace: int,
    payload: int,
    place_address: int,
    stop: int,
    budget: int,
) -> int:
    """Offer a trace's events to a buffer at their times, under the writers' lock.

    Parameters
    ----------
    handle
        The buffer.
    t_ns, sizes
        Addresses of int64[count], ns from the trace's begin, and uint32[count], bytes.
    count
        Events of the trace.
    pace
        Trace time over real time times 2^20; 0 for full speed.
    payload
        Address of bytes for the longest event; each event is stamped with its sequence and length.
    place_address
        Address of the producer's place.
    stop
        Address of an int64; not 0 ends the call at the next event.
    budget
        ns after which to return.

    Returns
    -------
    int
        WRITTEN: go on later, or done if the next event is `count`; else CLOSED or ASK (the event
        is offered already: resume it).
    """
    own = own_at(handle)
    buf = control_at(own.control)
    place = words_at(place_address, 3)
    times = words_at(t_ns, count)
    lengths = u32_at(sizes, count)
    stamp = u32_at(payload, 2)
    me = thread_id()
    now = clock_ns()
    until = now + budget
    unchecked = 0
    while place[NEXT] < count:
        i = place[NEXT]
        if pace != FULL_SPEED:
            due = place[ORIGIN] + int(times[i] / pace * 1048576.0)
            while now < due:
                if now >= until or load_acquire(stop) != 0:
                    return ring.WRITTEN
                if due - now > _SPIN:
                    sleep_ns(min(due - now - _SPIN // 2, _NAP))
                now = clock_ns()
        unchecked += 1
        if unchecked >= _CHECK_EVERY:
            unchecked = 0
            now = clock_ns()
            if now >= until:
                return ring.WRITTEN
        if load_acquire(stop) != 0:
            return ring.WRITTEN
        got = acquire(handle, me)
        if got != ACQUIRED:
            wait_until_free(handle, _NAP)
            now = clock_ns()
            if now >= until:
                return ring.WRITTEN
            continue
        length = int(lengths[i])
        if length >= _STAMP:
            stamp[0] = place[SEQUENCE] & 0xFFFFFFFF
            stamp[1] = length
        result = ring.write(buf, own, payload, length)
        place[NEXT] = i + 1
        place[SEQUENCE] += 1
        if result == ring.ASK:
            own.locked = 1
            return result
        release(handle)
        if result == ring.CLOSED:
            return result
    return ring.WRITTEN


@njit(nogil=True)
def drain(
    handle: int,
    latency: int,
    per_subbuf: int,
    ns_per_mib: int,
    place_address: int,
    stop: int,
    budget: int,
) -> int:
    """Read and consume sub-buffers, each once it is ready.

    Parameters
    ----------
    handle
        The buffer.
    latency
        ns the reader needs to start running once something is ready after it was idle.
    per_subbuf, ns_per_mib
        ns of work for each sub-buffer and for each MiB in it.
    place_address
        Address of the consumer's place.
    stop
        Address of an int64; not 0 ends the call.
    budget
        Return about this many ns after the call, at the end of a sub-buffer.

    Returns
    -------
    int
        WORKED; IDLE if nothing was ready for a while, or ENDED if nothing will ever be.
    """
    ends = clock_ns() + budget
    while True:
        answer = _drain_one(handle, latency, per_subbuf, ns_per_mib, place_address, stop)
        if answer != WORKED or load_acquire(stop) != 0 or clock_ns() >= ends:
            return answer


@njit()
def _drain_one(
    handle: int, latency: int, per_subbuf: int, ns_per_mib: int, place_address: int, stop: int
) -> int:
    own = own_at(handle)
    buf = control_at(own.control)
    place = words_at(place_address, 5)
    if not _is_ready(own.control):
        place[CLOCK] = 0
        answer = _wait_until_ready(own.control, stop)
        if answer != WORKED:
            return answer
    epoch = buf.epoch
    produced = load_acquire(own.control + _PRODUCED)
    sequence = load_acquire(own.control + _CONSUMED)
    if produced <= sequence:  # a reset meanwhile
        return IDLE
    if place[CLOCK] == 0:  # it was idle: it has to be woken first
        place[CLOCK] = clock_ns() + latency
        _sleep_until(place[CLOCK], stop)
    if produced - sequence > buf.n_subbufs:  # overwritten: the oldest that may still be whole
        sequence = produced - buf.n_subbufs
    subbuf = sequence % buf.n_subbufs
    store_release(place_address + 8 * READING, subbuf)
    padding = u32_at(own.padding, buf.n_subbufs)
    used = max(buf.subbuf_size - padding[subbuf], 0)
    place[CHECK] ^= _touch(own.bytes + subbuf * buf.subbuf_size, used)
    place[CLOCK] = max(place[CLOCK], clock_ns() - _NAP)
    place[CLOCK] += per_subbuf + (used * ns_per_mib >> 20)
    _sleep_until(place[CLOCK], stop)
    place[READ_BYTES] += used
    place[READ_SUBBUFS] += 1
    consumed_through(buf, own, sequence, epoch)
    store_release(place_address + 8 * READING, -1)
    return WORKED


@njit()
def _wait_until_ready(control: int, stop: int) -> int:
    """Wait for something to read: WORKED, IDLE after a while or when stopped, or ENDED.

    It looks at growing intervals: who reads often is quick, who waits long costs next to nothing.
    A descriptor to sleep on would count as a reader that is woken.
    """
    begin = clock_ns()
    while True:
        closed = load_acquire(control + _FINALIZED) != 0  # before the look: nothing comes after it
        if _is_ready(control):
            return WORKED
        if closed:
            return ENDED
        waited = clock_ns() - begin
        if waited > _LONGEST_WAIT or load_acquire(stop) != 0:
            return IDLE
        sleep_ns(min(max(waited // _GLANCES, _SHORTEST_GLANCE), _LONGEST_GLANCE))


@njit(hot=True)
def _is_ready(control: int) -> bool:
    return load_acquire(control + _PRODUCED) > load_acquire(control + _CONSUMED)


@njit()
def _touch(address: int, length: int) -> int:
    """Read every byte, as a reader that copies out of its mapping does."""
    data = bytes_at(address, length)
    check = 0
    for i in range(length):
        check ^= data[i]
    return check


@njit()
def _sleep_until(instant: int, stop: int) -> None:
    now = clock_ns()
    while now < instant and load_acquire(stop) == 0:
        sleep_ns(min(instant - now, _NAP))
        now = clock_ns()
