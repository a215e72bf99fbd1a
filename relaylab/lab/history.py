"""The last twenty seconds of occupancy, rates, losses and padding, sampled as the session looks."""

from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaylab.lab.frame import COLUMNS, LINES
from relaylab.lab.periods import Happened

SECONDS = 20
LENGTH = 600
WINDOW_S = 0.2
"""Rates are averages over this long, so that bursts do not beat with the sampling."""


class History:
    """Samples of one run.

    A sample's columns are `frame.COLUMNS`.
    """

    def __init__(self) -> None:
        self._samples: deque[NDArray[np.float64]] = deque(maxlen=LENGTH)
        self._counts: deque[tuple[float, NDArray[np.float64]]] = deque()
        self._padding = PaddingShare()
        self._delivered = self._consumed = 0
        self._unsent = 0

    def sample(
        self,
        t_s: float,
        occupancy: NDArray[np.int64],
        totals: Any,
        happened: Happened,
        subbuf_size: int,
    ) -> None:
        """Take one sample.

        Parameters
        ----------
        t_s : float
            When, in seconds of the session.
        occupancy : ndarray of int64, shape (n_cpus,)
            The most unconsumed sub-buffers since the sample before.
        totals : object
            ``chan.stats``.
        happened : Happened
            Since the sample before.
        subbuf_size : int
            Bytes of a sub-buffer.
        """
        self._consumed += happened.consumed
        counts = counts_of(totals, self._consumed)
        self._counts.append((t_s, counts))
        while len(self._counts) > 2 and self._counts[1][0] <= t_s - WINDOW_S:
            self._counts.popleft()
        before_t, before = self._counts[0]
        # Of a moment shorter than the window no rate can be told: at the begin it grows from 0.
        rates = rates_of(before, counts, max(t_s - before_t, WINDOW_S), totals)
        delivered, self._delivered = totals.delivered - self._delivered, totals.delivered
        padding = self._padding.after(happened, subbuf_size)
        self._samples.append(row_of(t_s, occupancy, rates, padding, happened, delivered))
        self._unsent = min(self._unsent + 1, LENGTH)

    def unsent(self) -> NDArray[np.float64]:
        """Samples since the last call, shape (n, n_columns)."""
        count, self._unsent = self._unsent, 0
        return _stack(list(self._samples)[len(self._samples) - count :])

    def all(self) -> NDArray[np.float64]:
        """Every sample held, shape (n, n_columns); none is unsent after that."""
        self._unsent = 0
        return _stack(list(self._samples))


class PaddingShare:
    """The share of padding in the sub-buffers produced lately; while none is, the last one."""

    def __init__(self) -> None:
        self._share = np.nan

    def after(self, happened: Happened, subbuf_size: int) -> float:
        """The share, 0 .. 1, with what has happened since the last call; NaN before the first."""
        if happened.produced:
            self._share = happened.padding / (happened.produced * subbuf_size)
        return self._share


def row_of(
    t_s: float,
    occupancy: NDArray[np.int64],
    rates: NDArray[np.float64],
    padding: float,
    happened: Happened,
    delivered: int,
) -> NDArray[np.float64]:
    """One sample, its values in the order of `frame.COLUMNS`."""
    periods = [padding, happened.full, happened.unfull, delivered, happened.flushed]
    return np.concatenate([[t_s], lines_of(occupancy), rates, periods])


def counts_of(totals: Any, consumed: int) -> NDArray[np.float64]:
    """The counters whose rates `frame.COLUMNS` names: of ``chan.stats``, and what is consumed."""
    lost = totals.lost_full + totals.lost_unfull + totals.lost_too_large
    return np.array(
        [
            totals.written + lost,
            totals.written,
            totals.lost_full,
            totals.lost_unfull,
            totals.lost_too_large,
            totals.overwritten_unread_subbufs,
            consumed,
        ],
        np.float64,
    )


def rates_of(
    before: NDArray[np.float64], now: NDArray[np.float64], seconds: float, totals: Any
) -> NDArray[np.float64]:
    """What `counts_of` counted a second; of sub-buffers that were read the events in them."""
    rates = (now - before) / seconds
    overwritten, consumed = rates[-2:]  # what was overwritten is consumed, too, but was not read
    events_each = totals.written / max(1, totals.switches)
    rates[-1] = max(0.0, consumed - overwritten) * events_each
    return rates


def lines_of(occupancy: NDArray[np.int64]) -> NDArray[np.float64]:
    """One line a CPU while they can be told apart; else fullest, mean and emptiest."""
    lines = np.full(LINES, np.nan)
    if len(occupancy) <= LINES:
        lines[: len(occupancy)] = occupancy
    else:
        lines[:3] = occupancy.max(), occupancy.mean(), occupancy.min()
    return lines


def _stack(samples: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.array(samples) if samples else np.zeros((0, len(COLUMNS)))
