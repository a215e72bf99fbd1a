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
        counted = np.isin(records["kind"], (Kind.PRODUCED, Kind.CONSUMED))
        for cpu in np.unique(records["cpu"][counted]):
            mine = records[counted & (records["cpu"] == cpu)]
            taken = np.where(mine["kind"] == Kind.CONSUMED, mine["value"], 0)
            so_far = self._consumed[cpu] + np.cumsum(taken)
            peaks[cpu] = max(peaks[cpu], int(np.max(mine["produced"] - so_far)))
            self._consumed[cpu] = so_far[-1]
        return peaks
