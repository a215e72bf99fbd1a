"""Whole sub-buffers out of an open file, one after the other, as they become ready."""

from __future__ import annotations

import asyncio
import contextlib
import select
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from relaylab.relayfs.files import RelayFile


_TRIES: Final = 16  # to copy a sub-buffer before it is overwritten


@dataclass(frozen=True, eq=False)
class Subbuffer:
    """A sub-buffer that was produced."""

    index: int  #: where in the buffer: sequence modulo n_subbufs
    sequence: int  #: subbufs_produced when it was filled; from 0 at each reset
    data: NDArray[np.uint8]  #: its bytes without padding, read-only
    padding: int  #: bytes of padding behind them

    def __repr__(self) -> str:
        return (
            f"<Subbuffer {self.sequence} (index {self.index}): {len(self.data)} bytes, "
            f"{self.padding} of padding>"
        )


@dataclass
class Place:
    """How far a reader has come."""

    epoch: int = -1  #: resets so far when it was there
    following: int = 0  #: the sub-buffer of the sequence to read next


def read(file: RelayFile, timeout: float | None, consume: bool) -> Iterator[Subbuffer]:
    """RelayFile.subbufs."""
    place = Place() if consume else file._place
    with file.mmap() as mapping, _settled(file):
        memory = mapping.array
        while True:
            found = _next_or_wait(file, memory, place, timeout, consume)
            if found is None:
                return
            yield found
            _move_on(file, place, found, consume)


async def read_async(
    file: RelayFile, timeout: float | None, consume: bool
) -> AsyncIterator[Subbuffer]:
    """RelayFile.subbufs_async."""
    place = Place() if consume else file._place
    with file.mmap() as mapping, _settled(file):
        while True:
            deadline = None if timeout is None else time.monotonic() + timeout
            while (found := _next(file, mapping.array, place, consume)) is None:
                descriptor = _descriptor(file, place, consume)
                if descriptor is None or not await _readable(descriptor, deadline):
                    break
            if found is None and (found := _next(file, mapping.array, place, consume)) is None:
                return
            yield found
            _move_on(file, place, found, consume)


@contextlib.contextmanager
def _settled(file: RelayFile) -> Iterator[None]:
    """At the end of a loop all that it has consumed is consumed."""
    try:
        yield
    finally:
        file._settle()


def _next_or_wait(
    file: RelayFile,
    memory: NDArray[np.uint8],
    place: Place,
    timeout: float | None,
    consume: bool,
) -> Subbuffer | None:
    """The next sub-buffer; None at the end, or if none came for `timeout` seconds."""
    deadline = None
    while (found := _next(file, memory, place, consume)) is None:
        now = time.monotonic()
        if deadline is None and timeout is not None:
            deadline = now + timeout
        descriptor = _descriptor(file, place, consume)
        if descriptor is None:
            return _next(file, memory, place, consume)
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        left = None if deadline is None else max(0.0, deadline - now)
        woken = poll.poll(None if left is None else left * 1000)
        if not woken or left == 0:
            return _next(file, memory, place, consume)
    return found


def _descriptor(file: RelayFile, place: Place, consume: bool) -> int | None:
    """What to wait on for more, after all that is ready was read; None if no more will come."""
    if file.finalized:
        return None
    if not consume or file.subbufs_produced != file.subbufs_consumed:
        # unconsumed, but read: by this reader, or what it reads was overwritten this moment
        return file._descriptor_to_watch(place.following, place.epoch)
    file.poll()  # makes the descriptor unreadable if nothing is ready
    return file.fileno()


async def _readable(descriptor: int, deadline: float | None) -> bool:
    """Wait until a descriptor is readable; False if the time is over."""
    loop = asyncio.get_running_loop()
    woken = loop.create_future()
    loop.add_reader(descriptor, lambda: None if woken.done() else woken.set_result(None))
    try:
        left = None if deadline is None else max(0.0, deadline - loop.time())
        await asyncio.wait_for(woken, left)
    except TimeoutError:
        return False
    finally:
        loop.remove_reader(descriptor)
    return True


def _next(
    file: RelayFile, memory: NDArray[np.uint8], place: Place, consume: bool
) -> Subbuffer | None:
    """The next sub-buffer that is whole, if one is ready.

    None also if the writer overwrites faster than this reader can copy: there is a time to give up.
    """
    size, n = file.subbuf_size, file.n_subbufs
    must_copy = file.overwrite or not consume
    for _ in range(_TRIES):
        epoch = file._field("epoch")
        if place.epoch != epoch and file._field("edge") % 2 and not file.finalized:
            time.sleep(0)  # a reset may be under way: what it sets is not set yet
            continue
        consumed, produced = file.subbufs_consumed, file.subbufs_produced
        if place.epoch != epoch:  # at the beginning, or reset
            place.following = consumed if consume or place.epoch < 0 else 0
            place.epoch = epoch
        if consume and place.following < consumed:
            file.taken += consumed - place.following
            place.following = consumed
        # older ones were overwritten, or are this moment
        oldest = min(file._field("opened") + 1 - n, produced)
        if place.following < oldest:
            file.skipped += oldest - place.following
            place.following = oldest
        sequence = place.following
        if sequence >= produced:
            if epoch == file._field("epoch"):
                return None
            continue
        index = sequence % n
        padding = int(file.padding[index])
        used = max(size - padding, 0)
        data = memory[index * size : index * size + used]
        if must_copy:
            data = data.copy()
            data.flags.writeable = False
            if file._field("opened") >= sequence + n:
                continue
        if epoch != file._field("epoch"):
            continue
        return Subbuffer(index, sequence, data, size - used)
    return None


def _move_on(file: RelayFile, place: Place, found: Subbuffer, consume: bool) -> None:
    if place.epoch != file._field("epoch"):
        return
    place.following = found.sequence + 1
    if consume:
        file._consume_through(found.sequence, place.epoch)
