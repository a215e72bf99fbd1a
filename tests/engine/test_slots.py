"""Reserved slots: where they are, how they are written and committed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import relaylab


def test_slots_lie_one_after_the_other_at_any_byte(open_channel: Any) -> None:
    chan = open_channel()
    slots = [chan.reserve(length, cpu=1) for length in (1, 3, 5, 8)]
    assert [slot.offset for slot in slots] == [0, 1, 4, 16]
    assert [slot.cpu for slot in slots] == [1] * 4
    assert [len(slot.view) for slot in slots] == [1, 3, 5, 8]


def test_a_view_is_the_buffers_memory(open_channel: Any) -> None:
    chan = open_channel()
    slot = chan.reserve(3, cpu=0)
    other = chan.reserve(3, cpu=0)
    view = other.view
    assert (view.nbytes, view.readonly, view.format) == (3, False, "B")
    view[:] = b"def"
    slot.view[:] = b"abc"
    assert chan.buffers[0].memory[:6].tobytes() == b"abcdef"
    start = np.frombuffer(view, np.uint8).ctypes.data - chan.buffers[0].memory.ctypes.data
    assert start == 3


def test_commit_counts_the_length_unless_told_otherwise(open_channel: Any) -> None:
    chan = open_channel()
    chan.reserve(5, cpu=0).commit()
    assert chan.buffers[0].commit[0] == 5
    slot = chan.reserve(5, cpu=0)
    slot.commit(2)
    slot.commit(0)
    slot.commit(count=100)  # more than the slot is allowed
    assert chan.buffers[0].commit[0] == 107


def test_a_clean_exit_commits_once_and_whole(open_channel: Any) -> None:
    chan = open_channel()
    with chan.reserve(5, cpu=0) as slot:
        slot.view[:] = b"hello"
    assert chan.buffers[0].commit[0] == 5
    with chan.reserve(5, cpu=0) as slot:
        slot.commit(1)
    assert chan.buffers[0].commit[0] == 6


def test_an_exception_leaves_the_slot_uncommitted(open_channel: Any) -> None:
    chan = open_channel()
    with pytest.raises(ZeroDivisionError), chan.reserve(5, cpu=0):
        raise ZeroDivisionError
    assert chan.buffers[0].commit[0] == 0


def test_a_slot_stays_writable_after_commit_switch_and_reset(open_channel: Any) -> None:
    chan = open_channel()
    slot = chan.reserve(3, cpu=0)
    view = slot.view
    slot.commit()
    view[:] = b"abc"
    chan.flush()
    slot.view[:1] = b"x"
    chan.reset()
    view[2:] = b"z"
    assert chan.buffers[0].memory[:3].tobytes() == b"xbz"


def test_a_slot_stays_writable_after_close_until_the_buffer_is_released(
    fs: Any, open_channel: Any
) -> None:
    chan = open_channel()
    slot = chan.reserve(3, cpu=0)
    with fs.open_file("t0") as file, file.mmap() as mapping:
        chan.close()
        slot.view[:] = b"abc"
        assert bytes(mapping.view[:3]) == b"abc"


def test_commits_of_late_slots_complete_their_subbuf(open_channel: Any) -> None:
    chan = open_channel()
    early, late = chan.reserve(8, cpu=0), chan.reserve(8, cpu=0)
    chan.write(bytes(8), cpu=0)
    early.commit()
    assert chan.stats.delivered == 0
    late.commit()
    assert chan.stats.delivered == 1
    assert chan.buffers[0].commit[:2].tolist() == [16, 0]


def test_a_commit_to_a_reused_place_goes_to_its_new_use(open_channel: Any) -> None:
    chan = open_channel(n_subbufs=1, overwrite=True)
    slot = chan.reserve(16, cpu=0)
    chan.write(bytes(4), cpu=0)
    slot.commit()
    assert chan.buffers[0].commit[0] == 16
    assert chan.stats.delivered == 1  # though only 4 bytes are there: an equality test


def test_an_empty_slot_never_switches(open_channel: Any) -> None:
    chan = open_channel(n_subbufs=2)
    chan.write(bytes(16), cpu=0)
    slot = chan.reserve(0, cpu=0)
    assert (slot.offset, len(slot.view)) == (16, 0)
    slot.commit()  # credited to the next sub-buffer
    for _ in range(3):
        chan.write(bytes(16), cpu=0)
    assert chan.buffers[0].is_full
    assert chan.reserve(0, cpu=0) is not None


def test_an_empty_slot_at_the_very_end_commits_to_nothing(open_channel: Any) -> None:
    chan = open_channel(n_subbufs=1)
    chan.write(bytes(16), cpu=0)
    with pytest.raises(relaylab.ConfigError):
        chan.reserve(0, cpu=0).commit()
    assert chan.buffers[0].commit.tolist() == [0]


def test_no_room_is_no_error(open_channel: Any) -> None:
    chan = open_channel(n_subbufs=1)
    assert chan.reserve(16, cpu=0) is not None
    assert chan.reserve(1, cpu=0) is None
    assert chan.stats.lost_full == 1
