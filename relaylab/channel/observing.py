"""What can be seen of a channel at one moment: its statistics and a snapshot of its state."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from relaylab.core.layout import CONTROL
from relaylab.core.prepare import engine


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


_COUNTED: Final = tuple(name.name for name in fields(Stats) if name.name != "written_bytes")


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


# Who changes a buffer and was taken off its processor needs it back; who was killed never gets it.
_LEAST_REST_S: Final = 50e-6
_MOST_REST_S: Final = 8e-3  # 16 ms with those before


class Observer:
    """Looks at buffers without stopping anybody.

    Parameters
    ----------
    controls
        Their control blocks, each followed by its padding and commit array; kept alive.
    n_subbufs
        Sub-buffers of each.
    """

    def __init__(self, controls: Sequence[NDArray[np.void]], n_subbufs: int) -> None:
        self._controls = tuple(controls)
        self._n_subbufs = n_subbufs
        self._addresses = np.array([control.ctypes.data for control in controls], np.int64)

    def look(self, refcounts: Sequence[int] = ()) -> Observation:
        """What there is now: each buffer as it is at a moment of its own.

        Parameters
        ----------
        refcounts
            Of each buffer, which no control block holds; 0 unless told.
        """
        return self._copy(self._n_subbufs, refcounts)

    @property
    def stats(self) -> Stats:
        """The statistics now, without a copy of the arrays."""
        return self._copy(0).stats

    def _copy(self, n_subbufs: int, refcounts: Sequence[int] = ()) -> Observation:
        n = len(self._controls)
        length = CONTROL.itemsize + 8 * n_subbufs
        copies = np.empty((n, length), np.uint8)
        self._copy_into(copies)
        blocks = np.ndarray((n,), CONTROL, copies.data, 0, (length,))
        arrays = np.ndarray(
            (n, 2, n_subbufs), np.uint32, copies.data, CONTROL.itemsize, (length, 4 * n_subbufs, 4)
        )
        return Observation(blocks, arrays[:, 0], arrays[:, 1], refcounts or [0] * n)

    def _copy_into(self, copies: NDArray[np.uint8]) -> None:
        n, length = copies.shape
        seen, rest = 0, _LEAST_REST_S
        while seen < n:
            before = seen
            seen = engine.observe(self._addresses.ctypes.data, seen, n, copies.ctypes.data, length)
            if seen > before:
                rest = _LEAST_REST_S
            if seen < n and rest > _MOST_REST_S:
                seen += 1  # as it is: whoever was at it does not come back
            elif seen < n:
                time.sleep(rest)
                rest *= 2


class Observation:
    """Buffers as they were when somebody looked; what is told of them is of the same moments.

    Parameters
    ----------
    blocks
        CONTROL[n_cpus].
    padding, commit
        uint32[n_cpus, n_subbufs].
    refcounts
        Of each buffer.
    """

    def __init__(
        self,
        blocks: NDArray[np.void],
        padding: NDArray[np.uint32],
        commit: NDArray[np.uint32],
        refcounts: Sequence[int],
    ) -> None:
        self._blocks = blocks
        self._padding, self._commit = padding, commit
        self._refcounts = refcounts

    @property
    def written(self) -> NDArray[np.int64]:
        """Events written, by CPU."""
        return self._of("written")

    @property
    def lost(self) -> NDArray[np.int64]:
        """Events lost, whatever the cause, by CPU."""
        return self._of("lost_full") + self._of("lost_unfull") + self._of("lost_too_large")

    @property
    def high_water(self) -> NDArray[np.int64]:
        """Most sub-buffers ever unconsumed, by CPU."""
        return self._of("high_water")

    @property
    def stats(self) -> Stats:
        """The statistics of all buffers together."""
        blocks = self._blocks
        sums = {name: int(blocks[name].sum()) for name in _COUNTED}
        sums["high_water"] = int(blocks["high_water"].max(initial=0))
        settled = int(blocks["settled_bytes"].sum()) + int(blocks["offset"].sum())
        return Stats(**sums, written_bytes=settled)

    @property
    def snapshot(self) -> Snapshot:
        """Their fields."""
        blocks = self._blocks
        pending = blocks["produced"] - blocks["consumed"]
        arrays: dict[str, Any] = {
            "cpu": blocks["cpu"],
            "data_index": blocks["data_start"] // blocks["subbuf_size"],
            "offset": blocks["offset"],
            "subbufs_produced": blocks["produced"],
            "subbufs_consumed": blocks["consumed"],
            "unfull": blocks["unfull"],
            "finalized": blocks["finalized"],
            "released": np.zeros(len(blocks), bool),
            "refcount": np.array(self._refcounts, np.int64),
            "epoch": blocks["epoch"],
            "start_reserve": blocks["start_reserve"],
            "is_full": (blocks["overwrite"] == 0) & (pending > blocks["n_subbufs"] - 1),
            "is_empty": pending == 0,
            "padding": self._padding,
            "commit": self._commit,
        }
        for name, array in arrays.items():
            arrays[name] = np.ascontiguousarray(array)
            arrays[name].flags.writeable = False
        return Snapshot(**arrays)

    def _of(self, name: str) -> NDArray[np.int64]:
        return np.ascontiguousarray(self._blocks[name])


def stats_of(control: NDArray[np.void]) -> Stats:
    """The statistics in a control block."""
    return Observer([control], 0).stats
