"""One CPU of a simulation: which events fit, which one switches, which ones are lost.

Events that fit are only promised: they are placed when somebody looks, or when the next one comes.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from relaylab.core import losses, readers, ring
from relaylab.core.addresses import control_at, lane_at, own_at, u32_at, words_at
from relaylab.core.arrivals import bytes_between, first_at, fitting
from relaylab.core.jit import njit
from relaylab.core.layout import LANE

NEVER: Final = 2**63 - 1
RUN_WORDS: Final = 4  # of a run of losses: lane, first event, the one after the last, cause

_SIZE = LANE.itemsize


@njit(hot=True)
def lane_of(scene: Any, k: int) -> Any:
    """Lane number `k`."""
    return lane_at(scene.lanes + k * _SIZE)


@njit(hot=True)
def _control(lane: Any) -> Any:
    return control_at(own_at(lane.handle).control)


# Events -------------------------------------------------------------------------------


@njit()
def promise(scene: Any, lane: Any) -> None:
    """Find the next event that does not fit."""
    buf = _control(lane)
    if ring.loses_all(buf):
        lane.blocked = 1
        lane.bound = lane.next
        lane.promised = 0
        lane.when = NEVER
        return
    lane.blocked = 0
    times = words_at(scene.t_ns, scene.n_events)
    _catch_up(scene, lane, lane.next)
    size = u32_at(scene.sizes, scene.n_events)
    sums = words_at(scene.sums, (scene.n_events >> 6) + 1)
    bound, taken = fitting(
        size, sums, lane.next, lane.end, buf.subbuf_size - buf.offset, scene.overhead
    )
    pause = _next_pause(scene, lane)
    if lane.behind > 0 and pause < bound:  # up to there all are as late
        bound = pause
        taken = bytes_between(size, sums, lane.next, bound, scene.overhead)
    lane.bound = bound
    lane.promised = taken
    lane.when = NEVER
    if bound < lane.end:
        behind = lane.behind
        if behind > 0 and bound == pause:
            behind = max(0, behind - (times[bound] - times[bound - 1]))
        lane.when = times[bound] + behind


@njit()
def settle(scene: Any, lane: Any, instant: int) -> None:
    """Place what was promised before `instant`."""
    if lane.next == lane.bound:
        return
    times = words_at(scene.t_ns, scene.n_events)
    until = lane.bound
    taken = lane.promised
    if times[until - 1] + lane.behind >= instant:
        until = first_at(times, lane.next, until, instant - lane.behind)
        size = u32_at(scene.sizes, scene.n_events)
        sums = words_at(scene.sums, (scene.n_events >> 6) + 1)
        taken = bytes_between(size, sums, lane.next, until, scene.overhead)
    ring.place(_control(lane), until - lane.next, taken)
    lane.promised -= taken
    lane.next = until


@njit()
def offer(scene: Any, k: int, lane: Any) -> None:
    """Offer the event that does not fit."""
    settle(scene, lane, NEVER)
    event = lane.next
    _catch_up(scene, lane, event)
    lane.next = event + 1
    _try(scene, k, lane, event)
    promise(scene, lane)


@njit()
def _try(scene: Any, k: int, lane: Any, event: int) -> None:
    own = own_at(lane.handle)
    buf = control_at(own.control)
    length = np.int64(u32_at(scene.sizes, scene.n_events)[event]) + scene.overhead
    offset = buf.offset
    produced = buf.produced
    outcome = ring.reserve(buf, own, length)
    if buf.produced != produced:
        its = words_at(scene.t_ns, scene.n_events)[event]
        note_produced(scene, lane, offset, its + lane.behind)
    if outcome == ring.TOO_LARGE or outcome == ring.NO_SLOT:
        lane.behind += scene.stall
    if outcome == ring.TOO_LARGE:
        _note_lost(scene, k, lane, event, event + 1, losses.TOO_LARGE)
    elif outcome == ring.NO_SLOT:
        _note_lost(scene, k, lane, event, event + 1, own.cause)


@njit()
def lose_until(scene: Any, k: int, lane: Any, instant: int) -> None:
    """What comes before `instant` is lost, for the buffer is full."""
    if scene.stall == 0:
        until = first_at(words_at(scene.t_ns, scene.n_events), lane.next, lane.end, instant)
        _lose(scene, k, lane, until)
        return
    while lane.next < lane.end:
        _catch_up(scene, lane, lane.next)
        end = min(lane.end, _next_pause(scene, lane))
        until = _first_behind(scene, lane, end, instant)
        first = lane.next
        behind = lane.behind
        _lose(scene, k, lane, until)
        lane.behind = behind + scene.stall * (until - first)
        if until < end:
            return


@njit()
def _first_behind(scene: Any, lane: Any, end: int, instant: int) -> int:
    """The first event that comes at `instant` or later if each lost one holds up the next."""
    times = words_at(scene.t_ns, scene.n_events)
    low = lane.next
    high = end
    while low < high:
        middle = (low + high) // 2
        if times[middle] + lane.behind + scene.stall * (middle - lane.next) < instant:
            low = middle + 1
        else:
            high = middle
    return int(low)


@njit()
def _lose(scene: Any, k: int, lane: Any, until: int) -> None:
    buf = _control(lane)
    first = lane.next
    size = u32_at(scene.sizes, scene.n_events)
    if scene.odd == 0:
        sums = words_at(scene.sums, (scene.n_events >> 6) + 1)
        ring.lose(buf, until - first, bytes_between(size, sums, first, until, scene.overhead))
        _note_lost(scene, k, lane, first, until, losses.FULL)
    else:
        for event in range(first, until):
            _try(scene, k, lane, event)
    lane.next = until
    lane.bound = until
    lane.promised = 0


@njit()
def _catch_up(scene: Any, lane: Any, event: int) -> None:
    """In the pause before an event its writer catches up with what losses have cost it."""
    if scene.stall == 0:
        return
    pauses = words_at(scene.pauses, scene.n_pauses)
    times = words_at(scene.t_ns, scene.n_events)
    while lane.pause < lane.end_of_pauses and pauses[lane.pause] <= event:
        at = pauses[lane.pause]
        lane.behind = max(0, lane.behind - (times[at] - times[at - 1]))
        lane.pause += 1


@njit()
def _next_pause(scene: Any, lane: Any) -> int:
    if scene.stall == 0 or lane.pause >= lane.end_of_pauses:
        return NEVER
    return int(words_at(scene.pauses, scene.n_pauses)[lane.pause])


@njit()
def flush(scene: Any, lane: Any, instant: int) -> None:
    """relay_flush of one buffer."""
    settle(scene, lane, instant)
    own = own_at(lane.handle)
    buf = control_at(own.control)
    offset = buf.offset
    produced = buf.produced
    ring.switch_alone(buf, own, 0)
    if buf.produced != produced:
        note_produced(scene, lane, offset, instant)
    if lane.blocked == 0:
        promise(scene, lane)


# The reader's side ------------------------------------------------------------------------


@njit()
def ready(scene: Any, lane: Any) -> int:
    """How many sub-buffers the reader may have."""
    buf = _control(lane)
    visible = buf.produced
    if scene.late != 0 and buf.n_subbufs > 1:
        visible = buf.opened
    return int(visible - oldest(buf))


@njit()
def oldest(buf: Any) -> int:
    """The sequence of the oldest sub-buffer that is unread and whole."""
    if buf.overwrite != 0:
        return int(max(buf.consumed, buf.produced - buf.n_subbufs + 1))
    return int(buf.consumed)


@njit()
def bytes_in_oldest(lane: Any) -> int:
    """How much there is to read in the oldest sub-buffer."""
    own = own_at(lane.handle)
    buf = control_at(own.control)
    padding = u32_at(own.padding, buf.n_subbufs)
    return int(buf.subbuf_size - np.int64(padding[oldest(buf) % buf.n_subbufs]))


@njit()
def consume(scene: Any, k: int, lane: Any, count: int, instant: int) -> None:
    """A reader is through with `count` sub-buffers more, at `instant`."""
    own = own_at(lane.handle)
    buf = control_at(own.control)
    if lane.blocked != 0:
        lose_until(scene, k, lane, instant)
    before = buf.consumed
    readers.consumed(buf, own, count)
    lane.taken = 0
    if scene.record != 0:
        produced_at = words_at(lane.produced_at, lane.n_produced_at)
        latencies = words_at(scene.latencies, scene.n_latencies + buf.consumed - before)
        for sequence in range(oldest_recorded(buf, lane, before), buf.consumed):
            latency = instant - produced_at[sequence % lane.n_produced_at]
            latencies[scene.n_latencies] = latency
            scene.n_latencies += 1
    if lane.blocked != 0:
        promise(scene, lane)


@njit()
def oldest_recorded(buf: Any, lane: Any, sequence: int) -> int:
    """Not what was overwritten before it was read."""
    if buf.overwrite != 0:
        return int(max(sequence, buf.produced - buf.n_subbufs + 1))
    return int(sequence)


# What is recorded ----------------------------------------------------------------------------


@njit()
def note_produced(scene: Any, lane: Any, offset: int, instant: int) -> None:
    """A sub-buffer that was filled up to `offset` was produced."""
    buf = _control(lane)
    lane.padding += buf.subbuf_size - offset
    if scene.record != 0:
        produced_at = words_at(lane.produced_at, lane.n_produced_at)
        produced_at[(buf.produced - 1) % lane.n_produced_at] = instant


@njit()
def _note_lost(scene: Any, k: int, lane: Any, first: int, until: int, cause: int) -> None:
    if scene.record == 0 or first == until:
        return
    number = lane.last_run
    if number >= 0:
        run = words_at(scene.runs + 8 * RUN_WORDS * number, RUN_WORDS)
        if run[2] == first and run[3] == cause:
            run[2] = until
            return
    number = scene.n_runs
    run = words_at(scene.runs + 8 * RUN_WORDS * number, RUN_WORDS)
    run[0] = k
    run[1] = first
    run[2] = until
    run[3] = cause
    lane.last_run = number
    scene.n_runs = number + 1
