"""Readers in virtual time: when they run, what they read and consume.

A reader has one thing to do at a time, `scene.act`, which is done at `scene.due`.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from relaylab.core import lanes
from relaylab.core.addresses import control_at, own_at, u32_at, words_at
from relaylab.core.jit import njit
from relaylab.core.lanes import NEVER, lane_of

# Kinds of readers
WAKING: Final = 0  # sleeps until something is ready, runs `latency` later until nothing is left
PERIODIC: Final = 1  # at each tick reads until nothing is left
POLLING: Final = 2  # as soon as something is ready reads once, then sleeps
SCHEDULED: Final = 3  # has consumed so many in all from an instant on
READING: Final = 4  # has read so many bytes between two instants
NOBODY: Final = 5

# What it does
IDLE: Final = 0
WORK: Final = 1  # is at a whole sub-buffer
SLEEP: Final = 2
BEGIN: Final = 3  # is about to call read
READ: Final = 4  # is inside of it
FOLLOW: Final = 5  # the schedule

SCHEDULE_WORDS: Final = 3  # instant, consumed, 0; or begin and end of a read, bytes


@njit()
def begin(scene: Any) -> None:
    """Before the first event."""
    scene.act = IDLE
    scene.due = NEVER
    scene.cursor = 0
    if scene.kind == SCHEDULED or scene.kind == READING:
        _follow(scene)


@njit()
def notice(scene: Any, k: int, lane: Any, instant: int) -> None:
    """Something may be ready on lane `k`."""
    if scene.act != IDLE or scene.kind > POLLING or lanes.ready(scene, lane) <= 0:
        return
    scene.wakeups += 1
    scene.who = k
    if scene.kind == PERIODIC:
        tick = (instant - scene.phase) // scene.period + 1
        _work(scene, scene.phase + tick * scene.period)
    elif scene.stream != 0:
        scene.act = BEGIN
        scene.due = later(scene, instant + scene.latency, 0)
    else:
        _work(scene, instant + scene.latency)


@njit()
def act(scene: Any) -> None:
    """Do what is due."""
    if scene.act == WORK:
        _end_work(scene)
    elif scene.act == SLEEP:
        _end_sleep(scene)
    elif scene.act == BEGIN:
        _begin_read(scene)
    elif scene.act == READ:
        _read_on(scene)
    else:
        _consume_as_told(scene)


# Whole sub-buffers ------------------------------------------------------------------------


@njit()
def _work(scene: Any, instant: int) -> None:
    """Begin with the oldest sub-buffer of lane `who`."""
    scene.act = WORK
    work = scene.per_subbuf
    if scene.ns_per_mib != 0:
        work += lanes.bytes_in_oldest(lane_of(scene, scene.who)) * scene.ns_per_mib >> 20
    scene.due = later(scene, instant, work)


@njit()
def _end_work(scene: Any) -> None:
    """It is read: consume it, and whatever was overwritten before it."""
    now = scene.due
    lane = lane_of(scene, scene.who)
    buf = control_at(own_at(lane.handle).control)
    scene.reads += 1
    lanes.consume(scene, scene.who, lane, lanes.oldest(buf) + 1 - buf.consumed, now)
    if scene.kind == POLLING:
        scene.act = SLEEP
        scene.due = now + scene.sleep
    else:
        _look_for_work(scene, now)


@njit()
def _look_for_work(scene: Any, now: int) -> None:
    """Go on with the next lane in turn that has something, or sleep."""
    k = _next_ready(scene)
    if k < 0:
        scene.act = IDLE
        scene.due = NEVER
    else:
        scene.who = k
        _work(scene, now)


@njit()
def _next_ready(scene: Any) -> int:
    for i in range(1, scene.n_lanes + 1):
        k = (scene.who + i) % scene.n_lanes
        if lanes.ready(scene, lane_of(scene, k)) > 0:
            return int(k)
    return -1


@njit()
def _end_sleep(scene: Any) -> None:
    now = scene.due
    if scene.stream == 0:
        _look_for_work(scene, now)
        return
    k = _next_ready(scene)
    scene.act = IDLE
    scene.due = NEVER
    if k >= 0:
        scene.who = k
        scene.act = BEGIN
        scene.due = later(scene, now, 0)


# A stream of bytes --------------------------------------------------------------------------


@njit()
def _begin_read(scene: Any) -> None:
    """read() begins: how much there is to read by now, and how long that takes."""
    now = scene.due
    lane = lane_of(scene, scene.who)
    lanes.settle(scene, lane, now)
    _skip_overwritten(scene, lane, now)
    if scene.kind == POLLING:
        buf = control_at(own_at(lane.handle).control)
        scene.total = min(buf.subbuf_size, _available(lane, buf))
        scene.begin = now
        scene.until = later(scene, now, _cost_of_read(scene) // 2)
    scene.left = scene.total
    scene.act = READ
    scene.reads += 1
    _next_step(scene, lane)


@njit()
def _cost_of_read(scene: Any) -> int:
    """What it takes from poll's return to sleep; the bytes are copied in the first half of it."""
    return int(scene.per_subbuf + (scene.total * scene.ns_per_mib >> 20))


@njit()
def _skip_overwritten(scene: Any, lane: Any, now: int) -> None:
    buf = control_at(own_at(lane.handle).control)
    skipped = lanes.oldest(buf) - buf.consumed
    if skipped > 0:
        lanes.consume(scene, scene.who, lane, skipped, now)


@njit()
def _available(lane: Any, buf: Any) -> int:
    """Bytes to read, up to a sub-buffer's size."""
    own = own_at(lane.handle)
    available = -lane.taken
    for sequence in range(buf.consumed, buf.produced):
        available += _bytes_in(own, buf, sequence)
        if available >= buf.subbuf_size:
            return int(available)
    if buf.offset <= buf.subbuf_size:
        available += buf.offset
    return int(available)


@njit()
def _bytes_in(own: Any, buf: Any, sequence: int) -> int:
    padding = u32_at(own.padding, buf.n_subbufs)
    return int(buf.subbuf_size - np.int64(padding[sequence % buf.n_subbufs]))


@njit()
def _next_step(scene: Any, lane: Any) -> None:
    """The next part of the read: to the end of a finished sub-buffer, or all that is left."""
    own = own_at(lane.handle)
    buf = control_at(own.control)
    scene.step = scene.left
    if buf.consumed < buf.produced:
        rest = _bytes_in(own, buf, buf.consumed) - lane.taken
        scene.step = min(scene.left, max(rest, 0))
    done = scene.total - scene.left + scene.step
    scene.due = scene.begin
    if scene.total > 0:  # it gets through its bytes evenly
        scene.due += (scene.until - scene.begin) * done // scene.total
    if scene.due < scene.begin or done == scene.total:
        scene.due = scene.until


@njit()
def _read_on(scene: Any) -> None:
    """A part of the read is done. Who is through with all of a finished sub-buffer consumes it."""
    now = scene.due
    lane = lane_of(scene, scene.who)
    lanes.settle(scene, lane, now)
    own = own_at(lane.handle)
    buf = control_at(own.control)
    _skip_overwritten(scene, lane, now)
    scene.left -= scene.step
    rest = scene.step
    while buf.consumed < buf.produced:
        whole = _bytes_in(own, buf, buf.consumed)
        part = min(rest, whole - lane.taken)
        lane.taken += part
        rest -= part
        if lane.taken < whole:
            break
        lanes.consume(scene, scene.who, lane, 1, now)
        if rest == 0:
            break
    if rest > 0 and buf.consumed == buf.produced:
        lane.taken = min(lane.taken + rest, buf.offset)
    if scene.left > 0:
        _next_step(scene, lane)
    elif scene.kind == POLLING:
        cost = _cost_of_read(scene)
        scene.act = SLEEP
        scene.due = later(scene, scene.until, cost - cost // 2) + scene.sleep
    else:
        _follow(scene)


# What was told --------------------------------------------------------------------------------


@njit()
def _follow(scene: Any) -> None:
    """To the next entry of the schedule."""
    if scene.cursor == scene.n_schedule:
        scene.act = IDLE
        scene.due = NEVER
        return
    entry = words_at(scene.schedule + 8 * SCHEDULE_WORDS * scene.cursor, SCHEDULE_WORDS)
    scene.cursor += 1
    scene.due = entry[0]
    if scene.kind == SCHEDULED:
        scene.act = FOLLOW
        scene.total = entry[1]
    else:
        scene.act = BEGIN
        scene.begin = entry[0]
        scene.until = entry[1]
        scene.total = entry[2]


@njit()
def _consume_as_told(scene: Any) -> None:
    lane = lane_of(scene, scene.who)
    buf = control_at(own_at(lane.handle).control)
    count = scene.total - buf.consumed
    if count > 0:
        scene.reads += 1
        lanes.consume(scene, scene.who, lane, count, scene.due)
    _follow(scene)


# When writers keep it from running ------------------------------------------------------------


@njit()
def later(scene: Any, instant: int, work: int) -> int:
    """When `work` that begins at `instant` is done, if it rests while a writer bursts."""
    if scene.n_busy == 0:
        return int(instant + work)
    spans = words_at(scene.busy, 2 * scene.n_busy)
    while scene.busy_at < scene.n_busy and spans[2 * scene.busy_at + 1] <= instant:
        scene.busy_at += 1
    i = scene.busy_at
    now = instant
    left = work
    while i < scene.n_busy:
        if spans[2 * i] > now:
            if left <= spans[2 * i] - now:
                break
            left -= spans[2 * i] - now
        now = spans[2 * i + 1]
        i += 1
    return int(now + left)
