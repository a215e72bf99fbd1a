"""Each sub-buffer of the map is what the engine's counters make it."""

import numpy as np
import pytest

from relaylab import relayfs
from relaylab.lab.cells import cells_of, cpus_of
from relaylab.lab.frame import WATCHED, CellState, CpuFlag

E, W, R, READING, OVER, FULL = CellState


def open_channel(overwrite=False, n_subbufs=4, n_cpus=1):
    fs = relayfs.RelayFS(n_cpus=n_cpus)
    return relayfs.relay_open("c", None, 100, n_subbufs, overwrite, None, fs=fs)


def states(chan, reading=-1):
    snapshot = chan.snapshot()
    cells = cells_of(snapshot, np.full(chan.n_cpus, reading), 100, chan.n_subbufs)
    return [CellState(state) for state in cells.state]


def test_a_new_channel_writes_its_first_cell():
    assert states(open_channel()) == [W, E, E, E]


def test_produced_cells_are_ready_until_consumed():
    chan = open_channel()
    for _ in range(3):
        chan.write(bytes(60), 0)
    assert states(chan) == [R, R, W, E]
    chan.subbufs_consumed(0, 1)
    assert states(chan) == [E, R, W, E]


def test_a_reader_is_seen_where_it_reads():
    chan = open_channel()
    for _ in range(3):
        chan.write(bytes(60), 0)
    assert states(chan, reading=0) == [READING, R, W, E]


def test_several_readers_are_seen_and_those_that_watch_are_told_apart():
    chan = open_channel(n_cpus=2)
    for _ in range(3):
        chan.write(bytes(60), 0)
        chan.write(bytes(60), 1)
    reading, watching = np.array([[0, -1], [1, -1]]), np.array([[-1, 2], [1, -1]])
    cells = cells_of(chan.snapshot(), reading, 100, 4, watching)
    watched = (cells.state & WATCHED) != 0
    assert watched.tolist() == [False, True, False, False, False, False, True, False]
    plain = [CellState(int(state) & ~WATCHED) for state in cells.state]
    assert plain == [READING, READING, W, E, R, R, W, E]


def test_a_full_buffer_stands_at_its_last_cell():
    chan = open_channel()
    for _ in range(5):
        chan.write(bytes(60), 0)
    assert chan.buffers[0].is_full
    assert states(chan) == [R, R, R, FULL]
    cells = cells_of(chan.snapshot(), np.array([-1]), 100, 4)
    assert cells.fill.tolist() == [round(0.6 * 65535)] * 4, "its padding is no event"
    assert cells.padding.tolist() == [round(0.4 * 65535)] * 4


def test_overwrite_shows_what_was_never_read():
    chan = open_channel(overwrite=True)
    for _ in range(6):
        chan.write(bytes(60), 0)
    # Sub-buffers 0 to 4 were produced: 4 lies in cell 0 and took the place of 0, unread.
    assert states(chan) == [OVER, W, R, R]


def test_fill_and_padding_are_shares_of_the_sub_buffer():
    chan = open_channel()
    chan.write(bytes(60), 0)
    chan.write(bytes(60), 0)
    cells = cells_of(chan.snapshot(), np.array([-1]), 100, 4)
    assert cells.fill[:2] == pytest.approx([0.6 * 65535] * 2, abs=1)
    assert cells.padding[:2] == pytest.approx([0.4 * 65535, 0], abs=1)


def test_only_changed_cells_differ_from_before():
    chan = open_channel()
    before = cells_of(chan.snapshot(), np.array([-1]), 100, 4)
    chan.write(bytes(10), 0)
    changed = cells_of(chan.snapshot(), np.array([-1]), 100, 4).changed_since(before)
    assert changed.index.tolist() == [0]


def test_the_counters_of_each_cpu_travel():
    chan = open_channel(n_cpus=2)
    for _ in range(6):
        chan.write(bytes(60), 1)
    seen = chan._observe()
    cpus = cpus_of(seen, seen.snapshot, np.array([-1, 2]))
    assert cpus["produced"].tolist() == [0, 4]
    assert cpus["lost"].tolist() == [0, 2]
    assert cpus["reading"].tolist() == [-1, 2]
    assert cpus["flags"][1] & CpuFlag.FULL
    assert cpus["flags"][0] & CpuFlag.EMPTY
