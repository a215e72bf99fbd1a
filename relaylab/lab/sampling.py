"""Samples of what a channel does in real time, for the figures."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaylab.lab.history import History
from relaylab.lab.moment import Moment
from relaylab.lab.peaks import Peaks


class Sampler:
    """Follows a channel by its journal.

    Parameters
    ----------
    channel : Channel
        Or whatever else has a journal and a snapshot.

    Attributes
    ----------
    history : History
        The samples that were kept.
    totals : Stats or None
        Those of the last moment that differed from the one before.
    """

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self._cursor = channel.journal.cursor()
        self.begin()

    def begin(self) -> None:
        """Forget all samples."""
        self.history = History()
        self.totals: Any | None = None
        self._dropped = self._cursor.dropped
        self._peaks = Peaks(self._channel.snapshot().subbufs_consumed)

    def records(self) -> NDArray[np.void]:
        """What happened since the last call, from the journal."""
        records: NDArray[np.void] = self._cursor.read()
        return records

    def peaks(self, moment: Moment, records: NDArray[np.void]) -> NDArray[np.int64]:
        """The most sub-buffers that waited since the last call, by CPU.

        Parameters
        ----------
        moment : Moment
            What there is now.
        records : structured ndarray
            All that `records` returned since then.
        """
        missed = self._cursor.dropped != self._dropped
        self._dropped = self._cursor.dropped
        if missed:
            self._peaks = Peaks(moment.snapshot.subbufs_consumed)
            records = records[:0]
        peaks = self._peaks.take(records, moment.occupancy, moment.snapshot.subbufs_consumed)
        return np.minimum(peaks, moment.n_subbufs)
