"""Samples of what a channel does in real time, for the figures."""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaylab.lab.history import History
from relaylab.lab.moment import Moment
from relaylab.lab.peaks import Peaks
from relaylab.lab.periods import Periods


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
        snapshot = self._channel.snapshot()
        self._peaks = Peaks(snapshot.subbufs_consumed)
        self._periods = Periods(snapshot.is_full, snapshot.unfull, time.monotonic_ns())

    def records(self) -> NDArray[np.void]:
        """What happened since the last call, from the journal."""
        records: NDArray[np.void] = self._cursor.read()
        return records

    def take(
        self, moment: Moment, records: NDArray[np.void], clock_s: float, is_moving: bool
    ) -> None:
        """Keep a sample if something moves, or has moved since the last call.

        Parameters
        ----------
        moment : Moment
            What there is now.
        records : structured ndarray
            All that `records` returned since the last call.
        clock_s : float
            Seconds of the session.
        is_moving : bool
            Keep one in any case.
        """
        missed = self._cursor.dropped != self._dropped
        self._dropped = self._cursor.dropped
        peaks = self._peaks_of(moment, records, missed)
        happened = self._periods.take(records, time.monotonic_ns())
        if missed:
            self._periods.correct(moment.snapshot.is_full, moment.snapshot.unfull)
        if is_moving or moment.totals != self.totals:
            self.history.sample(clock_s, peaks, moment.totals, happened, moment.subbuf_size)
        self.totals = moment.totals

    def _peaks_of(
        self, moment: Moment, records: NDArray[np.void], missed: bool
    ) -> NDArray[np.int64]:
        """The most sub-buffers that waited since the last call, by CPU."""
        if missed:
            self._peaks = Peaks(moment.snapshot.subbufs_consumed)
            records = records[:0]
        peaks = self._peaks.take(records, moment.occupancy, moment.snapshot.subbufs_consumed)
        return np.minimum(peaks, moment.n_subbufs)
