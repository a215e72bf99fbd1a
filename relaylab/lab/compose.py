"""Puts a frame together: all of it for a view that is new, else only what changed."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaylab import units
from relaylab.lab.frame import LINES, Frame, FrameFlag
from relaylab.lab.inspector import Inspector
from relaylab.lab.moment import Moment
from relaylab.lab.newest import Newest
from relaylab.lab.settings import exact_size

RECORDS_SHOWN = 200
RECORDS_PER_FRAME = 20


class Composer:
    """Remembers what the views have, so that a frame carries only the difference."""

    def __init__(self) -> None:
        self.generation = 0
        self._recent = Newest(RECORDS_SHOWN)
        self._pending = Newest(RECORDS_PER_FRAME)
        self._skipped = 0
        self._commits = False
        self._marks: list[int] = []
        self._origin_ns: int | None = None
        self._want_all = True
        self._sent: Frame | None = None
        self._sent_moment: Moment | None = None

    def start_run(self, is_virtual: bool) -> None:
        """A new channel: nothing of the old one is shown any more."""
        self.generation += 1
        self._recent.clear()
        self._pending.clear()
        self._skipped = 0
        self._commits = False
        self._origin_ns = 0 if is_virtual else None  # live: the clock of the first record
        self._want_all = True
        self._sent = self._sent_moment = None

    def want_all(self) -> None:
        """The next frame holds everything."""
        self._want_all = True

    def forget_records(self) -> None:
        """What the list shows is not what led here."""
        self._recent.clear()
        self._pending.clear()
        self._want_all = True

    def take_records(self, records: NDArray[np.void]) -> None:
        """Journal records since the last call; only the newest of a crowd are kept for the page."""
        if len(records) == 0:
            return
        if self._origin_ns is None:
            self._origin_ns = int(records["t_ns"][0])
        since = records.copy()
        since["t_ns"] -= self._origin_ns
        self._recent.add(since)
        self._skipped += self._pending.add(since)

    @property
    def origin_ns(self) -> int:
        """The clock of the page's time 0."""
        return self._origin_ns or 0

    def plot_time_s(self, run: Any, t_ns: int) -> float:
        """Where in the plots a live run's journal record is that the page shows at `t_ns`."""
        return float(run.clock_at(t_ns + self.origin_ns))

    def compose(
        self,
        run: Any | None,
        moment: Moment | None,
        inspector: Inspector,
        said: dict[str, Any],
        status: str,
    ) -> Frame | None:
        """The next frame, or None if the views show all there is."""
        everything = self._want_all
        frame = Frame(generation=self.generation, status=status)
        frame.text = said | self._text(run, moment, inspector)
        if everything:
            frame.flags |= FrameFlag.FULL
        if moment is not None and run is not None:
            self._describe(frame, moment, everything)
            frame.t_s = run.clock_s
            frame.memory = inspector.memory(moment, run)
            frame.samples = run.history.all() if everything else run.history.unsent()
            if run.is_virtual:
                frame.flags |= FrameFlag.VIRTUAL
            self._commits = self._commits or moment.commits or run.settings.commit_delay > 0
            if self._commits:
                frame.flags |= FrameFlag.COMMITS
            if run.is_read_only:
                frame.flags |= FrameFlag.ATTACHED
        frame.records = (self._recent if everything else self._pending).records
        frame.skipped = self._skipped
        if not everything and self._is_old(frame):
            return None
        self._pending.clear()
        self._skipped, self._want_all = 0, False
        self._sent, self._sent_moment = frame, moment
        return frame

    def _describe(self, frame: Frame, moment: Moment, everything: bool) -> None:
        frame.n_subbufs, frame.subbuf_size = moment.n_subbufs, moment.subbuf_size
        if moment.overwrite:
            frame.flags |= FrameFlag.OVERWRITE
        frame.cpus, frame.totals = moment.cpus, moment.totals_row()
        before = self._sent_moment
        if everything or before is None:
            frame.cells = moment.cells
        else:
            frame.cells = moment.cells.changed_since(before.cells)

    def _is_old(self, frame: Frame) -> bool:
        sent = self._sent
        return (
            sent is not None
            and not len(frame.cells.index)
            and not len(frame.records)
            and not len(frame.samples)
            and frame.status == sent.status
            and frame.text == sent.text
            and frame.memory == sent.memory
            and np.array_equal(frame.totals, sent.totals)
            and np.array_equal(frame.cpus, sent.cpus)
        )

    def _text(self, run: Any | None, moment: Moment | None, inspector: Inspector) -> dict[str, Any]:
        if run is None or moment is None:
            return {}
        n_cpus = len(moment.cpus)
        text: dict[str, Any] = {
            "channel": _channel_line(moment, n_cpus),
            "readers": run.readers,
            "reader_rows": run.reader_rows(),
            "read": run.subbufs_read,
            "resets": int(moment.snapshot.epoch.max(initial=0)),
            "lines": _line_names(n_cpus),
            "position": run.position,
            "n_events": run.n_events,
            "workload": run.workload_name,
            "lesson": run.lesson,
            "question": None if run.quiz is None else run.quiz.text(run),
            "inspector": _inspected(run, moment, inspector),
        }
        if run.is_virtual and run.beside.code is not None:
            text["code"] = run.beside.code.message
        marks = run.loss_marks()
        if self._want_all or marks != self._marks:  # while a question hides what comes they grow
            self._marks = text["marks"] = marks
        if self._want_all:
            text["duration_s"] = run.duration_s
        return text


def _inspected(run: Any, moment: Moment, inspector: Inspector) -> dict[str, Any] | None:
    numbers = inspector.numbers(moment)
    if numbers is not None:
        numbers["events"] = inspector.events(moment, run, numbers)
    return numbers


def _channel_line(moment: Moment, n_cpus: int) -> str:
    size = exact_size(moment.subbuf_size)
    memory = units.format_bytes(moment.subbuf_size * moment.n_subbufs * n_cpus)
    mode = "overwrite" if moment.overwrite else "no overwrite"
    cpus = f"{n_cpus} CPU" if n_cpus == 1 else f"{n_cpus} CPUs"
    return f"{size} × {moment.n_subbufs} sub-buffers × {cpus} = {memory}, {mode}"


def _line_names(n_cpus: int) -> list[str]:
    if n_cpus <= LINES:
        return [f"CPU {cpu}" for cpu in range(n_cpus)]
    return ["fullest", "mean", "emptiest"]
