"""The events of a workload, CPU after CPU, so that those that fit somewhere are found by leaps.

`sums[b]` is the bytes of all events before number ``b * BLOCK``.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from relaylab.core.jit import njit

_SHIFT: Final = 6
BLOCK: Final = 1 << _SHIFT


@njit(nogil=True)
def sum_blocks(size: Any, sums: Any) -> None:
    """Fill `sums`, int64[n // BLOCK + 1], from the sizes, uint32[n]."""
    total = np.int64(0)
    sums[0] = 0
    for block in range(len(sums) - 1):
        begin = block << _SHIFT
        in_block = np.int64(0)
        for i in range(begin, begin + BLOCK):
            in_block += np.int64(size[i])
        total += in_block
        sums[block + 1] = total


@njit(nogil=True)
def part_by_cpu(
    t_ns: Any, cpu: Any, size: Any, begins: Any, times: Any, sizes: Any, places: Any
) -> None:
    """Bring the events into the order of their CPUs, each CPU's in the order of time.

    `begins`, int64[n_cpus + 1], is filled: where each CPU's events begin; `places`, int64[n]: which
    event of the workload each one is.
    """
    n_cpus = len(begins) - 1
    begins[:] = 0
    for i in range(len(cpu)):
        begins[np.int64(cpu[i]) + 1] += 1
    following = np.zeros(n_cpus, np.int64)
    for k in range(n_cpus):
        following[k] = begins[k]
        begins[k + 1] += begins[k]
    for i in range(len(cpu)):
        its = np.int64(cpu[i])
        at = following[its]
        following[its] = at + 1
        times[at] = t_ns[i]
        sizes[at] = size[i]
        places[at] = i


@njit()
def fitting(size: Any, sums: Any, first: int, end: int, room: int, overhead: int) -> Any:
    """How many events from `first` on fit into `room` bytes with `overhead` bytes each.

    Returns the first one that does not, at most `end`, and the bytes of those before.
    """
    i = first
    taken = np.int64(0)
    edge = min(end, ((i + BLOCK - 1) >> _SHIFT) << _SHIFT)
    while i < edge:
        more = taken + np.int64(size[i]) + overhead
        if more > room:
            return i, taken
        taken = more
        i += 1
    if i == end:
        return i, taken
    begin = i >> _SHIFT
    last = end >> _SHIFT
    block = begin
    base = sums[begin] - taken
    per_block = overhead << _SHIFT
    step = 1
    while (
        block + step <= last
        and sums[block + step] - base + (block + step - begin) * per_block <= room
    ):
        block += step
        step += step
    while step > 0:
        if (
            block + step <= last
            and sums[block + step] - base + (block + step - begin) * per_block <= room
        ):
            block += step
        step >>= 1
    taken = sums[block] - base + (block - begin) * per_block
    i = block << _SHIFT
    while i < end:
        more = taken + np.int64(size[i]) + overhead
        if more > room:
            return i, taken
        taken = more
        i += 1
    return i, taken


@njit()
def bytes_between(size: Any, sums: Any, first: int, end: int, overhead: int) -> int:
    """The bytes of the events `first` .. `end` - 1."""
    total = np.int64(end - first) * overhead
    head = min(end, ((first + BLOCK - 1) >> _SHIFT) << _SHIFT)
    tail = max(head, (end >> _SHIFT) << _SHIFT)
    for i in range(first, head):
        total += np.int64(size[i])
    for i in range(tail, end):
        total += np.int64(size[i])
    return int(total + sums[tail >> _SHIFT] - sums[head >> _SHIFT]) if tail > head else int(total)


@njit()
def first_at(t_ns: Any, first: int, end: int, instant: int) -> int:
    """The first event from `first` on that is at `instant` or later; `end` if none is."""
    low = first
    step = 1
    while low + step <= end and t_ns[low + step - 1] < instant:
        low += step
        step += step
    while step > 0:
        if low + step <= end and t_ns[low + step - 1] < instant:
            low += step
        step >>= 1
    return low
