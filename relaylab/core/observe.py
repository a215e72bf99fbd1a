"""States of buffers, each as it was at one moment, copied without stopping anybody."""

from __future__ import annotations

from typing import Final

from relaylab.core.addresses import copy, words_at
from relaylab.core.atomics import fence, load_acquire
from relaylab.core.jit import njit
from relaylab.core.locks import EDGE

_TRIES: Final = 50  # a switch takes less than a microsecond


@njit()
def observe(controls: int, first: int, count: int, target: int, length: int) -> int:
    """Copy the first `length` bytes of the control blocks from number `first` on.

    The addresses of all `count` are at `controls`; the copies lie one after the other at `target`.
    It ends early at a block that is in the middle of a change for long: whoever changes it was
    taken off its processor, or was killed.

    Returns
    -------
    int
        The number of the block after the last that was seen at one moment. The next one, if there
        is one, was copied as it is.
    """
    addresses = words_at(controls, count)
    for i in range(first, count):
        if not _copy_at_one_moment(target + i * length, addresses[i], length):
            return i
    return count


@njit()
def _copy_at_one_moment(target: int, control: int, length: int) -> bool:
    for _ in range(_TRIES):
        before = load_acquire(control + EDGE)
        copy(target, control, length)
        fence()
        if before & 1 == 0 and load_acquire(control + EDGE) == before:
            return True
    return False
