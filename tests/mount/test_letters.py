"""Letters of readers are answered by whoever can: the loop that waits for them, or the writer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from relaylab import relayfs
from relaylab.core import desk
from relaylab.core.layout import DESK, LETTERBOX, PAGE
from relaylab.core.pages import Pages
from relaylab.core.prepare import engine


@contextmanager
def letterbox_nobody_hears(chan: relayfs.Channel) -> Iterator[Any]:
    """The letterbox of a reader whose bell does not ring."""
    buffer = chan.buffers[0]
    place, letters = Pages(DESK.itemsize), Pages(PAGE)
    wake = os.eventfd(0, os.EFD_NONBLOCK)
    listener = buffer._add_listener(wake)
    engine.join(place.address, letters.address, buffer._memory.handle, listener)
    yield letters.bytes[: LETTERBOX.itemsize].view(LETTERBOX)[0]
    engine.leave(place.address)
    buffer._remove_listener(listener)
    os.close(wake)


def filled(chan: relayfs.Channel) -> None:
    while chan.write(bytes(32), cpu=0):
        pass


@pytest.mark.parametrize(
    ("asks", "first"), [(desk.CONSUME, 2), (desk.CONSUME_THROUGH, 1)], ids=["count", "through"]
)
def test_a_writer_whose_buffer_is_full_answers_before_it_loses_an_event(
    asks: int, first: int, fs: Any
) -> None:
    chan = relayfs.relay_open("t", None, 64, 4, False, None, fs=fs)
    buffer = chan.buffers[0]
    with letterbox_nobody_hears(chan) as box:
        filled(chan)
        box["asks"], box["first"], box["posts"] = asks, first, 1
        # as if consumed before: the first is lost by unfull, four fit into the two sub-buffers
        assert [chan.write(bytes(32), cpu=0) for _ in range(6)] == [False] + 4 * [True] + [False]
        assert (buffer.subbufs_consumed, box["answered"]) == (2, 1)


def test_a_writer_with_room_leaves_letters_alone(fs: Any) -> None:
    chan = relayfs.relay_open("t", None, 64, 4, False, None, fs=fs)
    with letterbox_nobody_hears(chan) as box:
        for _ in range(5):
            chan.write(bytes(32), cpu=0)
        box["asks"], box["first"], box["posts"] = desk.CONSUME, 1, 1
        chan.write(bytes(32), cpu=0)
        assert (chan.buffers[0].subbufs_consumed, box["answered"]) == (0, 0)


def test_after_a_reader_left_its_letterbox_is_not_looked_at(fs: Any) -> None:
    chan = relayfs.relay_open("t", None, 64, 4, False, None, fs=fs)
    with letterbox_nobody_hears(chan) as box:
        pass
    filled(chan)
    box["asks"], box["first"], box["posts"] = desk.CONSUME, 2, 1
    assert not chan.write(bytes(32), cpu=0)
    assert chan.buffers[0].subbufs_consumed == 0


def test_consuming_further_needs_no_answer_in_between(chan: Any, reader: Any, path: str) -> None:
    """A later letter says all that an earlier one of the same kind did."""
    filled(chan)
    reader.run(
        "f = relaylab.open_file(path)\n"
        "for sequence in range(3): f._consume_through(sequence, 0)\n"
        "f.consume(0)",
        path=path,
    )
    assert chan.buffers[0].subbufs_consumed == 3


@pytest.fixture
def chan(mounted: Any) -> relayfs.Channel:
    return relayfs.relay_open("t", None, 64, 4, False, None, fs=mounted)
