"""The most sub-buffers that waited between two looks, from the journal.

A burst is shorter than the time between two looks, so looking alone would miss it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaylab.core.journal import Kind


class Peaks:
    """Follows produced and consumed of each CPU through the journal.

    Parameters
    ----------
    consumed : ndarray of int64, shape (n_cpus,)
        Sub-buffers consumed when the journal is first read.
    """

    def __init__(self, consumed: NDArray[Any]) -> None:
        self._consumed = consumed.astype(np.int64).copy()

    def take(
        self, records: NDArray[np.void], occupancy: NDArray[np.int64], consumed: NDArray[Any]
    ) -> NDArray[np.int64]:
        """The peak of each CPU since the last call.

        Parameters
        ----------
        records : structured ndarray
            The journal since then.
        occupancy : ndarray of int64, shape (n_cpus,)
            Unconsumed sub-buffers now.
        consumed : ndarray of int64, shape (n_cpus,)
            Sub-buffers consumed now, which is taken over where a reset began the count again.

        Returns
        -------
        ndarray of int64, shape (n_cpus,)
        """
        peaks = occupancy.copy()
        if np.any(records["kind"] == Kind.RESET):
            self._consumed = consumed.astype(np.int64).copy()
            return peaks
        mine = records[np.isin(records["kind"], (Kind.PRODUCED, Kind.CONSUMED))]
        if len(mine) == 0:
            return peaks
        mine = mine[np.argsort(mine["cpu"], kind="stable")]
        cpu = mine["cpu"].astype(np.int64)
        first = np.flatnonzero(np.append(True, cpu[1:] != cpu[:-1]))
        last = np.append(first[1:], len(cpu)) - 1
        taken = np.where(mine["kind"] == Kind.CONSUMED, mine["value"], 0)
        total = np.cumsum(taken)
        before = np.repeat(total[first] - taken[first], last - first + 1)
        so_far = self._consumed[cpu] + total - before
        highest = np.maximum.reduceat(mine["produced"] - so_far, first)
        peaks[cpu[first]] = np.maximum(peaks[cpu[first]], highest)
        self._consumed[cpu[first]] = so_far[last]
        return peaks
