"""What a whole virtual run looks like, before it is played: curves, and where losses begin."""

from array import array
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from relaylab.lab.frame import COLUMNS
from relaylab.lab.history import LENGTH, PaddingShare, counts_of, rates_of, row_of
from relaylab.lab.moves import NEVER, MoveKind
from relaylab.lab.periods import Periods
from relaylab.lab.timeline import Timeline

MOST_MARKS = 2000


class Survey:
    """One pass over a timeline, from its position to its end.

    Attributes
    ----------
    marks : list of int
        Positions at which a run of losses began.
    transitions : ndarray of int64, shape (n, 2)
        Of each move that is a transition: how many moves are made after it, and its virtual time.
    n_moves : int
        All moves there are.
    duration_s : float
        Virtual seconds from the first event to the last.
    """

    def __init__(self, timeline: Timeline, before: "Survey | None" = None) -> None:
        """Goes forward to the end of the timeline; the caller goes back.

        Parameters
        ----------
        timeline : Timeline
            Its position is where the survey begins.
        before : Survey, optional
            Whose marks and curves hold up to that position.
        """
        start = timeline.position
        self.duration_s = (timeline.t_ns[-1] if len(timeline) else 0) / 1e9
        known: list[int] = [] if before is None else before.marks
        self.marks: list[int] = [mark for mark in known if mark <= start]
        ends = self._bin_ends(timeline)
        kept = 0 if before is None else int(np.searchsorted(ends, start, side="right"))
        rows = [] if before is None else list(before.samples[:kept])
        earlier = np.zeros((0, 2), np.int64) if before is None else before.transitions
        self._found = array("q", earlier[earlier[:, 0] <= timeline.moves].ravel().tobytes())
        if timeline.was_transition and timeline.moves not in earlier[-1:, 0]:
            self._found.extend((timeline.moves, timeline.now_ns))  # by what a person just did
        samples = np.array([*rows, *self._pass(timeline, ends[kept:])])
        self.samples: NDArray[np.float64] = samples.reshape(-1, len(COLUMNS))
        self.transitions: NDArray[np.int64] = np.array(self._found, np.int64).reshape(-1, 2)
        self.n_moves = timeline.moves
        self._seen = self._told = len(self.samples)

    def _bin_ends(self, timeline: Timeline) -> NDArray[np.int64]:
        """The position at the end of each of `LENGTH` equal parts of the duration."""
        edges = np.linspace(0, self.duration_s * 1e9, LENGTH + 1)[1:]
        ends = np.searchsorted(np.array(timeline.t_ns), edges, side="right")
        if len(ends):
            ends[-1] = len(timeline)
        return ends.astype(np.int64)

    def _pass(self, timeline: Timeline, ends: NDArray[np.int64]) -> list[NDArray[np.float64]]:
        previous = _previous_of_each(timeline.cpu, timeline.settings.n_cpus)
        lost_last = [-1] * timeline.settings.n_cpus
        buffers, n = timeline.channel.buffers, timeline.settings.n_subbufs
        peaks = np.zeros(len(timeline.channel.buffers), np.int64)
        width_s = max(self.duration_s / LENGTH, 1e-9)
        first = LENGTH - len(ends)
        samples = []
        before, delivered = counts_of(timeline.channel.stats, 0), timeline.channel.stats.delivered
        consumed = 0
        snapshot, padding = timeline.channel.snapshot(), PaddingShare()
        begin_ns = int(first * width_s * 1e9)
        periods = Periods(snapshot.is_full, snapshot.unfull, begin_ns)
        cursor = timeline.channel.journal.cursor()
        none = cursor.read()[:0]
        unread: list[NDArray[np.void]] = []
        told = [timeline.moves]

        def waiting() -> list[int]:
            return [min(n, buf.subbufs_produced - buf.subbufs_consumed) for buf in buffers]

        def changed(t_ns: int) -> None:
            records = cursor.read() if timeline.was_transition else none
            if len(records):
                records["t_ns"] = t_ns
                unread.append(records)
            np.maximum(peaks, waiting(), out=peaks)
            if timeline.was_transition and timeline.moves > told[0]:
                told[0] = timeline.moves
                self._found.extend((timeline.moves, timeline.now_ns))
            move = timeline.last
            if move is None or move.kind is not MoveKind.EVENT or not timeline.was_lost:
                return
            event = timeline.position - 1
            # Of events that are written and do no more nobody is told here.
            goes_on = lost_last[move.cpu] == previous[event] >= 0
            if not goes_on and len(self.marks) < MOST_MARKS:
                self.marks.append(timeline.position)
            lost_last[move.cpu] = event

        for i, end in enumerate(ends):
            timeline.forward(int(end), changed)
            timeline.read_until(int((first + i + 1) * width_s * 1e9), changed)
            totals = timeline.channel.stats
            t_s = (first + i + 1) * width_s
            happened = periods.take(np.concatenate([none, *unread]), int(t_s * 1e9))
            consumed += happened.consumed
            now = counts_of(totals, consumed)
            share = padding.after(happened, timeline.settings.subbuf_size)
            rates = rates_of(before, now, width_s, totals)
            samples.append(row_of(t_s, peaks, rates, share, happened, totals.delivered - delivered))
            unread.clear()
            before, delivered = now, totals.delivered
            peaks[:] = waiting()
        timeline.forward_until(NEVER, changed)
        return samples

    def see_until(self, t_s: float) -> None:
        """Tell only samples up to `t_s`, seconds, from now on; infinity: all of them."""
        self._seen = int(np.searchsorted(self.samples[:, 0], t_s, side="right"))

    def all(self) -> NDArray[np.float64]:
        """Every sample that may be seen, shape (n, n_columns)."""
        self._told = self._seen
        return self.samples[: self._seen]

    def unsent(self) -> NDArray[np.float64]:
        """Those since the last call."""
        told, self._told = self._told, max(self._told, self._seen)
        return self.samples[told : self._seen]


def _previous_of_each(cpus: Sequence[int], n_cpus: int) -> list[int]:
    """For each event the one before it on the same CPU, -1 for none."""
    last, previous = [-1] * n_cpus, []
    for event, cpu in enumerate(cpus):
        previous.append(last[cpu])
        last[cpu] = event
    return previous
