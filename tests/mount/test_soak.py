"""Numbered, checksummed events from one process to another: none is lost, torn, repeated, moved.

RELAYLAB_SOAK is the number of events, else 2 million; 100 million in the nightly profile.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from mount import loops
from mount.peers import NIGHTLY

EVENTS = int(float(os.environ.get("RELAYLAB_SOAK", 1e8 if NIGHTLY else 2e6)))
LONG_ENOUGH = 120 + EVENTS / 100_000  # seconds

OWNER = """
fs = relayfs.RelayFS(1)
fs.mount(point)
chan = relayfs.relay_open('t', None, 65536, 16, 0, None, fs=fs)
progress = np.zeros(3, np.int64)
def write(events, keep_room):
    loops.write_events(chan.handle(0), progress, events, 0, keep_room)
    buf = chan.buffers[0]
    while buf.subbufs_produced - buf.subbufs_consumed > 8:
        time.sleep(0.001)
    chan.flush()
    chan.flush()  # the first one after `unfull` only begins the next sub-buffer
    chan.close()
"""
READER = """
f = relaylab.open_file(path)
def read(nap):
    global read_events, torn, gaps, lost_between, backwards, sequences
    read_events = torn = gaps = lost_between = backwards = sequences = 0
    following = 0
    for s in f.subbufs():
        events = loops.Checked(s.data)
        torn += events.torn
        numbers = events.numbers
        if len(numbers):
            jumps = np.diff(numbers, prepend=following - 1)
            backwards += int(np.count_nonzero(jumps < 1))
            gaps += int(np.count_nonzero(jumps > 1))
            lost_between += int((jumps - 1).sum())
            following = int(numbers[-1]) + 1
        read_events += len(numbers)
        sequences += s.sequence == sequences
        if nap: time.sleep(nap)
"""
FOUND = "dict(read=read_events, torn=torn, gaps=gaps, backwards=backwards, between=lost_between)"


def soaked(peer: Any, point: Path, keep_room: bool, nap: float) -> tuple[dict[str, int], Any, int]:
    """What a reader found, the writer's statistics, and how many events were offered."""
    owner, reader = peer(point=str(point)), peer(path=f"{point}/t0")
    owner.run(OWNER)
    reader.run(READER)
    reader.begin(f"read({nap})")
    begin = time.monotonic()
    owner.begin(f"write({EVENTS}, {keep_room})")
    owner.end(LONG_ENOUGH)
    reader.end(LONG_ENOUGH)
    took = time.monotonic() - begin
    found: dict[str, int] = reader.value(FOUND)
    stats = owner.value("chan.stats")
    assert reader.value("sequences") == reader.value("f.subbufs_produced")
    offered = int(owner.value(f"progress[{loops.OFFERED}]"))
    print(f"{EVENTS} events in {took:.1f} s ({EVENTS / took / 1e6:.1f} M/s): {found}, {stats}")
    return found, stats, offered


@pytest.mark.timeout(LONG_ENOUGH + 60)
def test_a_reader_that_keeps_up_gets_every_event_once_whole_and_in_order(
    peer: Any, point: Path
) -> None:
    found, stats, offered = soaked(peer, point, keep_room=True, nap=0)
    assert found == {"read": EVENTS, "torn": 0, "gaps": 0, "backwards": 0, "between": 0}
    assert (stats.written, stats.lost, offered) == (EVENTS, 0, EVENTS)


@pytest.mark.timeout(LONG_ENOUGH + 60)
def test_a_reader_that_is_too_slow_gets_whole_events_and_the_rest_is_counted_as_lost(
    peer: Any, point: Path
) -> None:
    found, stats, offered = soaked(peer, point, keep_room=False, nap=0.001)
    assert offered == EVENTS == stats.written + stats.lost
    assert stats.lost > 0
    assert found["read"] == stats.written
    assert (found["torn"], found["backwards"]) == (0, 0)
    last = offered - found["read"] - found["between"]  # lost after the last one that was read
    assert 0 <= last <= stats.lost
    assert found["gaps"] > 0 or last == stats.lost
