"""The inspector tells events apart by following their lengths, and turns pages."""

import struct
from types import SimpleNamespace

import numpy as np
import pytest

from relaylab import relayfs
from relaylab.lab.events import Events
from relaylab.lab.inspector import SHOWN_BYTES, Inspector
from relaylab.lab.moment import look


def memory_of(lengths, header=0, size=400):
    memory = bytearray(b"\xee" * size)
    at = header
    for number, length in enumerate(lengths):
        struct.pack_into("<II", memory, at, number, length)
        at += length
    return memoryview(bytes(memory)), at


def test_events_are_found_by_their_lengths_after_the_header():
    memory, used = memory_of([20, 8, 100], header=16)
    found = Events().within("it", memory, 16, used, (0, 400))
    assert found == [(16, 20, 0), (36, 8, 1), (44, 100, 2)]


def test_only_events_that_reach_into_the_window_are_told():
    memory, used = memory_of([100, 100, 100])
    assert Events().within("it", memory, 0, used, (150, 200)) == [(100, 100, 1)]
    assert Events().within("it", memory, 0, used, (99, 101)) == [(0, 100, 0), (100, 100, 1)]


def test_what_is_no_event_ends_the_search():
    assert Events().within("it", memoryview(bytes(100)), 0, 100, (0, 100)) == []
    memory, used = memory_of([20, 20])
    assert len(Events().within("it", memory, 0, used + 30, (0, 400))) == 2


def test_a_sub_buffer_that_grows_or_goes_back_shows_what_is_used():
    events = Events()
    memory, used = memory_of([20, 30, 40])
    assert len(events.within("it", memory, 0, 20, (0, 400))) == 1
    assert len(events.within("it", memory, 0, used, (0, 400))) == 3
    assert len(events.within("it", memory, 0, 50, (0, 400))) == 2


def test_other_bytes_under_the_same_name_are_noticed():
    events = Events()
    memory, used = memory_of([20, 30, 40])
    events.within("it", memory, 0, used, (0, 400))
    other, used = memory_of([50, 8, 32])
    assert events.within("it", other, 0, used, (0, 400)) == [(0, 50, 0), (50, 8, 1), (58, 32, 2)]


def watched(fs, **options):
    chan = relayfs.relay_open("c", None, 1000, 4, False, None, fs=fs, **options)
    nobody = np.zeros((0, 1), np.int64)
    return SimpleNamespace(
        channel=chan,
        is_over=False,
        is_read_only=False,
        snapshot=chan.snapshot,
        reading=lambda: nobody,
        watching=lambda: nobody,
        open_file=lambda cpu: fs.open_file(chan.buffers[cpu].path),
    )


@pytest.fixture
def run():
    return watched(relayfs.RelayFS(n_cpus=1))


def test_a_sub_buffer_that_todays_kernel_closed_has_no_more_bytes_than_its_size():
    with relayfs.RelayFS(n_cpus=1) as fs:
        run = watched(fs, rules="linux")
        while run.channel.write(bytes(300), 0):
            pass
        inspector = Inspector()
        inspector.select(0, 3, run)
        numbers = inspector.numbers(look(run))
        assert (numbers["used"], numbers["padding"]) == (900, 100)
        inspector.release()


def test_the_inspector_reads_any_page_through_a_mapping(run):
    for number in range(9):
        run.channel.write(struct.pack("<II", number, 100) + bytes([number]) * 92, 0)
    inspector = Inspector()
    inspector.select(0, 0, run, 600)
    numbers = inspector.numbers(look(run))
    assert numbers["offset"] == 2 * SHOWN_BYTES
    assert len(inspector.memory(look(run), run)) == SHOWN_BYTES
    assert inspector.memory(look(run), run) == bytes(run.channel.buffers[0].memory[512:768])
    told = inspector.events(look(run), run, numbers)
    assert told == [(500, 100, 5), (600, 100, 6), (700, 100, 7)]
    inspector.select(0, 0, run, 10**9)
    assert inspector.numbers(look(run))["offset"] == 768
    assert len(inspector.memory(look(run), run)) == 1000 - 768
    assert run.channel.buffers[0].refcount == 2  # its file is open, as any reader's
    inspector.release()


def test_a_channel_whose_writers_commit_is_known_as_such(run):
    run.channel.write(bytes(60), 0)
    assert not look(run).commits
    slot = run.channel.reserve(50, 0)
    assert not look(run).commits
    slot.commit()
    assert look(run).commits
