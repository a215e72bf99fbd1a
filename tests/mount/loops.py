"""Events that tell if they were lost, torn, repeated or moved: what writes them and checks them.

An event has 16 bytes: its number and the generation of its writer in one uint64, then the checksum
of that.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from relaylab import jit
from relaylab.core.system import sleep_ns

EVENT = 16  # bytes
NO_END = 2**62

OFFERED, WRITTEN, STOPPED = range(3)  # of a writer's progress, int64[3]

_ODD = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(29)
_SECOND = np.uint64(32)
_NUMBER = 48  # bits


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]
def write_events(handle: Any, progress: Any, end: int, generation: int, keep_room: bool) -> None:
    """Write events without the GIL until that of number `end` is due, or progress[STOPPED] set.

    progress[OFFERED] is the number of the next event. With `keep_room` it waits where a switch
    would fill the buffer, so that none is lost.
    """
    event = np.zeros(2, np.uint64)
    state = jit.control(handle)
    room = state.subbuf_size // EVENT * EVENT
    number = progress[OFFERED]
    while number < end and progress[STOPPED] == 0:
        if keep_room and state.offset + EVENT > room:
            while state.produced - state.consumed >= state.n_subbufs - 1:
                sleep_ns(0)
                if progress[STOPPED] != 0:
                    return
        word = np.uint64(number | generation << _NUMBER)
        event[0] = word
        word = (word ^ (word >> _FIRST)) * _ODD
        event[1] = word ^ (word >> _SECOND)
        result = jit.write(handle, event)
        if result == jit.CLOSED:
            return
        progress[WRITTEN] += result == jit.WRITTEN
        number += 1
        progress[OFFERED] = number


class Checked:
    """The events of a sub-buffer.

    Attributes
    ----------
    numbers, generations : ndarray
        Of each, int64[n].
    torn : int
        How many are damaged.
    """

    def __init__(self, data: NDArray[np.uint8]) -> None:
        words = data.view(np.uint64)
        first = words[::2]
        mixed = (first ^ (first >> _FIRST)) * _ODD
        mixed ^= mixed >> _SECOND
        self.torn = int(np.count_nonzero(mixed != words[1::2]))
        self.numbers = (first & np.uint64((1 << _NUMBER) - 1)).view(np.int64)
        self.generations = (first >> np.uint64(_NUMBER)).view(np.int64)


def is_whole(data: NDArray[np.uint8]) -> bool:
    """Whether no event is torn, and all are of one generation and one after the other."""
    events = Checked(data)
    of_one = (events.generations == events.generations[:1]).all()
    return not events.torn and bool(of_one and (np.diff(events.numbers) == 1).all())


def prepare() -> None:
    """Compile the writer."""
    from relaylab import relayfs

    with relayfs.RelayFS(n_cpus=1) as fs:
        chan = relayfs.relay_open("t", None, 64, 4, True, None, fs=fs)
        write_events(chan.handle(0), np.array([0, 0, 1], np.int64), 0, 0, False)
