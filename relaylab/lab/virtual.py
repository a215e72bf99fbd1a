"""A run in virtual time: deterministic, one event at a time, in both directions."""

import math
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaylab.lab.caption import describe
from relaylab.lab.readers import Wish
from relaylab.lab.settings import Settings
from relaylab.lab.stepcode import StepCode
from relaylab.lab.survey import Survey
from relaylab.lab.timeline import Timeline
from relaylab.lab.witness import Beside
from relaylab.workload import Workload

MOST_EVENTS = 100_000
"""A virtual run covers the first so many events of a workload: enough for a lesson."""

DEFAULT_RATE = 500.0
RECENT = 60
CONTEXT = 2048
_BUDGET_S = 0.012


class VirtualRun:
    """A workload and a reader in virtual time.

    Parameters
    ----------
    settings : Settings
        What to open; `rate` is events stepped a second while playing.
    workload : Workload
        What is written, once.
    workload_name : str
        For the page.
    """

    is_virtual = True
    is_read_only = False
    end_status = "closed"
    owns_channel = True
    error: BaseException | None = None

    def __init__(self, settings: Settings, workload: Workload, workload_name: str = "") -> None:
        self.settings = settings
        self.workload = workload
        self.workload_name = workload_name
        self.timeline = Timeline(settings, _first(workload))
        self.n_events = len(self.timeline)
        self.paused = False
        self.caption = ""
        self.beside = Beside()
        self._is_rewound = False
        self._is_playing = False
        self._rate = settings.rate
        self._owed = 0.0
        self._played_at = 0.0
        self._unread: list[NDArray[np.void]] = []
        self._happened: list[NDArray[np.void]] = []
        self.history = Survey(self.timeline)
        self.timeline.go(0, 0)
        self._cursor = self.channel.journal.cursor()
        self._no_records = self._cursor.read()
        self._read_at_end: int | None = None
        self._say_where()

    # What every run has -----------------------------------------------------------------------

    @property
    def channel(self) -> Any:
        """The timeline's channel."""
        return self.timeline.channel

    @property
    def fs(self) -> Any:
        """The file system that the channel is in."""
        return self.timeline.fs

    @property
    def position(self) -> int:
        """Events applied."""
        return self.timeline.position

    @property
    def clock_s(self) -> float:
        """Virtual time."""
        return self.timeline.now_ns / 1e9

    @property
    def is_running(self) -> bool:
        """Whether it is playing."""
        return self._is_playing

    @property
    def duration_s(self) -> float:
        """Seconds the figures cover: all of it."""
        return self.history.duration_s

    @property
    def readers(self) -> str:
        """Who reads, for the page."""
        return f"1 reader: {self.settings.reader}" if self.timeline.has_reader else "no reader"

    def reader_rows(self) -> list[dict[str, Any]]:
        """No list: the one reader there is moves with virtual time."""
        return []

    @property
    def subbufs_read(self) -> int:
        """Sub-buffers that the reader has read up to here, since the last reset."""
        return self._consumed() if self._read_at_end is None else self._read_at_end

    @property
    def is_over(self) -> bool:
        """Whether the channel was closed."""
        return bool(self.channel.closed)

    def start(self) -> None:
        """Nothing: virtual time moves when it is played or stepped."""

    def loss_marks(self) -> list[int]:
        """Positions at which losses begin."""
        return self.history.marks

    def snapshot(self) -> Any:
        """``chan.snapshot()``."""
        return self.channel.snapshot()

    def reading(self) -> NDArray[np.int64]:
        """The sub-buffer that the reader works on, by CPU, shape (1, n_cpus); -1 for none."""
        return self.timeline.reading()[None, :]

    def watching(self) -> NDArray[np.int64]:
        """Nobody only watches."""
        return np.zeros((0, self.settings.n_cpus), np.int64)

    def open_file(self, cpu: int) -> Any:
        """The file of a CPU's buffer, opened."""
        return self.fs.open_file(self.channel.buffers[cpu].path)

    def take_news(self) -> str:
        """The caption says it all."""
        return ""

    def records(self) -> NDArray[np.void]:
        """Transitions since the last call, at their virtual times."""
        unread, self._unread = self._unread, []
        return np.concatenate([self._no_records, *unread])

    def take_rewound(self) -> bool:
        """Whether the records that come next replace all that came before."""
        rewound, self._is_rewound = self._is_rewound, False
        return rewound

    def observe(self, moment: Any, records: NDArray[np.void]) -> None:
        """Nothing to keep: the survey knows it all."""

    def code(self) -> StepCode:
        """What the state machine ran in the last step; the step is made again if need be."""
        if self.beside.code is None and self.position:
            with self.beside.shown():
                self._jump(self.position - 1)
                self._forward(self.position + 1, self._event_text(self.position))
        return self.beside.code or StepCode([])

    # Time ---------------------------------------------------------------------------------------

    def resume(self) -> None:
        """Play from here."""
        if self.position == self.n_events:
            self.scrub(0)
        self._is_playing, self.paused = True, False
        self._owed, self._played_at = 0.0, time.monotonic()

    def pause(self) -> None:
        """Stand still."""
        self._is_playing, self.paused = False, True

    def set_rate(self, rate: float) -> None:
        """Step `rate` events a second while playing; infinity is as many as can be painted."""
        self._rate = rate

    def advance(self) -> None:
        """Apply the events that are due since the last call."""
        if not self._is_playing:
            return
        now = time.monotonic()
        self._owed += (now - self._played_at) * (self._rate or DEFAULT_RATE)
        self._played_at = now
        deadline = now + _BUDGET_S
        while self._owed >= 1 and self.position < self.n_events and time.monotonic() < deadline:
            count = 256 if math.isinf(self._owed) else min(256, int(self._owed))
            self._forward(min(self.n_events, self.position + count), "")
            self._owed -= count
        self._owed = min(self._owed, 256.0)
        if self.position == self.n_events:
            self.pause()
            self.caption = "The workload has ended. Step back, move the bar, or play it again."

    def scrub(self, position: int) -> None:
        """Go to where `position` events are applied."""
        self.pause()
        self.beside.code = None
        target = max(0, min(self.n_events, position))
        if target < self.position or target > self.position + CONTEXT:
            self._jump(max(0, target - 1))
        if target > self.position:
            self._forward(target - 1, "")
            self._forward(target, self._event_text(target - 1))
        else:
            self._say_where()

    # What a person does ---------------------------------------------------------------------------

    def flush(self) -> None:
        """Flush here, now and whenever this position is passed."""
        self._act("flush")

    def reset(self) -> None:
        """Reset here, now and whenever this position is passed."""
        self._act("reset")

    def attach(self, wish: Wish | None = None) -> str:
        """The reader begins here; says what it does."""
        if self.timeline.has_reader:
            return (
                "A virtual run has one reader, and it is attached. "
                "Open gives it another latency or speed."
            )
        self._act("attach")
        return f"Reader attached from here on: {self.settings.reader}."

    def detach(self, number: int | None = None) -> str:
        """The reader ends here; says what that means."""
        if not self.timeline.has_reader:
            return "No reader is attached."
        self._act("detach")
        return "Reader detached from here on: nobody consumes any more."

    def stop(self) -> None:
        """Stop playing."""
        self._is_playing = False

    def close(self) -> None:
        """Close the channel."""
        self._is_playing = False
        if not self.is_over:
            self._read_at_end = self._consumed()
        self.timeline.close()

    def _consumed(self) -> int:
        return sum(buf.subbufs_consumed for buf in self.channel.buffers)

    # ----------------------------------------------------------------------------------------

    def _act(self, action: str) -> None:
        with self.beside.step(self.timeline):
            self.timeline.act(action)
        here = self.position
        self.history = Survey(self.timeline, self.history)
        self._jump(here)

    def _jump(self, to: int) -> None:
        """To another position; the journal list shows what led there."""
        self._forget_records()
        self.timeline.go(to, CONTEXT, self._note)

    def _forward(self, to: int, told: str) -> None:
        """Go on to `to`; the caption tells of the event, else of the last transition."""
        self._happened = []
        with self.beside.step(self.timeline, is_one=bool(told)):
            self.timeline.forward(to, self._note)
        happened = self._happened[-RECENT:]
        if told:
            self.caption = " ".join(
                [told, describe(np.concatenate(happened))] if happened else [told]
            )
        elif happened:
            self.caption = describe(happened[-1])

    def _note(self, t_ns: int) -> None:
        records = self._cursor.read()
        if not len(records):  # of a run of losses the journal tells only the first
            return
        records["t_ns"] = t_ns
        self._happened.append(records)
        self._unread.append(records)
        del self._unread[:-RECENT]

    def _forget_records(self) -> None:
        """What was shown is not what led to where one is now."""
        self._cursor.read()
        self._unread.clear()
        self._is_rewound = True

    def _event_text(self, index: int) -> str:
        line = self.timeline
        return f"Event {index + 1:,}: {line.size[index]} bytes on CPU {line.cpu[index]}."

    def _say_where(self) -> None:
        self.caption = (
            "Virtual time, before the first event. Step or play."
            if self.position == 0
            else f"After event {self.position:,}."
        )


def _first(workload: Workload) -> Workload:
    if len(workload) <= MOST_EVENTS:
        return workload
    return Workload(
        workload.t_ns[:MOST_EVENTS],
        workload.cpu[:MOST_EVENTS],
        workload.size[:MOST_EVENTS],
        workload.n_cpus,
        workload.name,
    )
