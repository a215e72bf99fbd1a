"""What can be seen of a channel at one moment: its statistics and a snapshot of its state."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


@dataclass(frozen=True)
class Stats:
    """What happened to the events of a buffer, or of a channel, since it was opened.

    ``written + lost`` is what was offered. A reset does not take these back.
    """

    written: int = 0  #: events
    written_bytes: int = 0
    lost_full: int = 0  #: events lost because the buffer was full
    lost_unfull: int = 0  #: events sacrificed by the first switch after the full state
    lost_too_large: int = 0  #: events longer than a sub-buffer less its reserve
    lost_bytes: int = 0
    overwritten_subbufs: int = 0  #: sub-buffers used again in overwrite mode, or unread in either
    overwritten_unread_subbufs: int = 0  #: of these, those that no consume had covered
    switches: int = 0  #: sub-buffers produced
    delivered: int = 0  #: deliver events
    wakeups: int = 0  #: sleeping readers woken
    high_water: int = 0  #: most sub-buffers ever unconsumed

    @property
    def lost(self) -> int:
        """Events lost, whatever the cause."""
        return self.lost_full + self.lost_unfull + self.lost_too_large

    @property
    def offered(self) -> int:
        """Events that writers tried to write."""
        return self.written + self.lost


def stats_of(control: NDArray[np.void]) -> Stats:
    """The statistics in a control block."""
    block = _at_one_moment(control, control.copy)[0]
    values = {name.name: int(block[name.name]) for name in fields(Stats) if name.name in _COUNTED}
    return Stats(**values, written_bytes=int(block["settled_bytes"]) + int(block["offset"]))


_COUNTED = {name.name for name in fields(Stats)} - {"written_bytes"}


def total(parts: Iterable[Stats]) -> Stats:
    """The statistics of a channel from those of its buffers."""
    every = list(parts)
    sums = {name.name: sum(getattr(part, name.name) for part in every) for name in fields(Stats)}
    return Stats(**sums | {"high_water": max((part.high_water for part in every), default=0)})


@dataclass(frozen=True)
class Snapshot:
    """Every buffer of a channel at one moment; the first axis of each array is the cpu."""

    cpu: NDArray[np.int64]
    data_index: NDArray[np.int64]
    offset: NDArray[np.int64]
    subbufs_produced: NDArray[np.int64]
    subbufs_consumed: NDArray[np.int64]
    unfull: NDArray[np.int64]
    finalized: NDArray[np.int64]
    released: NDArray[np.bool_]  #: False: a released buffer has no state
    refcount: NDArray[np.int64]
    epoch: NDArray[np.int64]  #: resets so far
    start_reserve: NDArray[np.int64]  #: bytes that subbuf_start last reserved
    is_full: NDArray[np.bool_]
    is_empty: NDArray[np.bool_]
    padding: NDArray[np.uint32]  #: [n_cpus, n_subbufs]
    commit: NDArray[np.uint32]  #: [n_cpus, n_subbufs]


_TRIES = 1000  # a switch takes less than a microsecond; after so many, take what is there


def copy_state(
    control: NDArray[np.void], padding: NDArray[np.uint32], commit: NDArray[np.uint32]
) -> tuple[Any, NDArray[np.uint32], NDArray[np.uint32]]:
    """A control block and its arrays as they were at one moment, without stopping anybody."""
    return _at_one_moment(control, lambda: (control.copy()[0], padding.copy(), commit.copy()))


def _at_one_moment(control: NDArray[np.void], copy: Callable[[], T]) -> T:
    """What `copy` makes while nobody changes what a switch and its consumers share."""
    edge = control["edge"]
    for _ in range(_TRIES):
        before = int(edge[0])
        copied = copy()
        if before % 2 == 0 and before == int(edge[0]):
            break
    return copied


def snapshot_of(
    states: list[tuple[Any, NDArray[np.uint32], NDArray[np.uint32]]], refcounts: list[int]
) -> Snapshot:
    """Put the states of all buffers side by side."""
    blocks = np.array([block for block, _, _ in states])
    pending = blocks["produced"] - blocks["consumed"]
    arrays: dict[str, Any] = {
        "cpu": blocks["cpu"],
        "data_index": blocks["data_start"] // blocks["subbuf_size"],
        "offset": blocks["offset"],
        "subbufs_produced": blocks["produced"],
        "subbufs_consumed": blocks["consumed"],
        "unfull": blocks["unfull"],
        "finalized": blocks["finalized"],
        "released": np.zeros(len(states), bool),
        "refcount": np.array(refcounts, np.int64),
        "epoch": blocks["epoch"],
        "start_reserve": blocks["start_reserve"],
        "is_full": (blocks["overwrite"] == 0) & (pending > blocks["n_subbufs"] - 1),
        "is_empty": pending == 0,
        "padding": np.stack([padding for _, padding, _ in states]),
        "commit": np.stack([commit for _, _, commit in states]),
    }
    for name, array in arrays.items():
        arrays[name] = np.ascontiguousarray(array)
        arrays[name].flags.writeable = False
    return Snapshot(**arrays)
