"""A run in virtual time: deterministic, one event or transition at a time, in both directions."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from relaylab.errors import ConfigError
from relaylab.lab.caption import describe
from relaylab.lab.marks import Begun
from relaylab.lab.moves import NEVER
from relaylab.lab.narrate import narrate
from relaylab.lab.playing import DEFAULT_RATE, Player, checked_speed
from relaylab.lab.predict import Quiz
from relaylab.lab.questions import Question
from relaylab.lab.readers import Wish
from relaylab.lab.settings import Settings
from relaylab.lab.stepcode import StepCode
from relaylab.lab.stops import StopAt
from relaylab.lab.survey import Survey
from relaylab.lab.timeline import Timeline
from relaylab.lab.whole_journal import WholeJournal
from relaylab.lab.witness import Beside
from relaylab.workload import Workload

__all__ = ["DEFAULT_RATE", "MOST_EVENTS", "VirtualRun"]

MOST_EVENTS: Final = 100_000
"""A virtual run covers the first so many events of a workload: enough for a lesson."""

RECENT: Final = 60
CONTEXT: Final = 2048


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
    actions : sequence of (int, int, str)
        What is done, as `Timeline` takes it.
    most_events : int
        It ends after so many events of the workload.

    Attributes
    ----------
    lesson : str
        What there is to learn, for the page.
    quiz : Quiz or None
        What is asked on the way; nothing that lies ahead is shown while something is.
    begun : Begun or None
        What else the scenario of it says.
    """

    is_virtual = True
    is_read_only = False
    end_status = "closed"
    owns_channel = True
    error: BaseException | None = None
    lesson = ""
    quiz: Quiz | None = None
    begun: Begun | None = None

    def __init__(
        self,
        settings: Settings,
        workload: Workload,
        workload_name: str = "",
        actions: Sequence[tuple[int, int, str]] = (),
        most_events: int = MOST_EVENTS,
    ) -> None:
        self.settings = settings
        self.workload = workload
        self.workload_name = workload_name
        self.timeline = Timeline(settings, _first(workload, most_events), actions)
        self.n_events = len(self.timeline)
        self.paused = False
        self.caption = ""
        self.stop_at = StopAt()
        self.on_act: Callable[[int], None] = lambda _moves: None
        """Told the number of moves made when something is done that changes what comes after."""
        self.beside = Beside()
        self._player = Player(self.timeline, settings.rate)
        self._is_rewound = False
        self._is_playing = False
        self._unread: list[NDArray[np.void]] = []
        self.history = Survey(self.timeline)
        self.timeline.go(0, 0)
        self._cursor = self.channel.journal.cursor()
        self._no_records = self._cursor.read()
        self._step: list[tuple[int, NDArray[np.void]]] = []  # records of the last step, by move
        self._read_at_end: int | None = None
        self._tell()

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
    def now_ns(self) -> int:
        """Virtual time, also between two moves while it plays."""
        return self._player.now_ns if self._is_playing else self.timeline.now_ns

    @property
    def clock_s(self) -> float:
        """Virtual time."""
        return self.now_ns / 1e9

    @property
    def last_records(self) -> NDArray[np.void]:
        """The journal of the last move, at its virtual time."""
        made = self.timeline.moves
        return np.concatenate([self._no_records, *(told for at, told in self._step if at == made)])

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
        marks = self.history.marks
        return [mark for mark in marks if mark <= self.position] if self._is_hiding else marks

    def reading(self) -> NDArray[np.int64]:
        """The sub-buffer that the reader works on, by CPU, shape (1, n_cpus); -1 for none."""
        return self.timeline.reading(self.now_ns)[None, :]

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

    def whole_journal(self) -> NDArray[np.void]:
        """All transitions from the open to here, at their virtual times, runs of losses whole.

        Goes the whole way once more.
        """
        journal = WholeJournal(self.timeline, self._cursor)
        journal.go(self.timeline.moves)
        return journal.records()

    def take_rewound(self) -> bool:
        """Whether the records that come next replace all that came before."""
        rewound, self._is_rewound = self._is_rewound, False
        return rewound

    def observe(self, moment: Any, records: NDArray[np.void]) -> None:
        """The survey knows it all; here is told how much of it may be seen."""
        self.history.see_until(self.clock_s if self._is_hiding else math.inf)

    def code(self) -> StepCode:
        """What the state machine ran in the last step; the step is made again if need be."""
        made = self.timeline.moves
        if self.beside.code is None and made:
            with self.beside.shown():
                self._go_before_move(made)
                self._make_moves(made)
        return self.beside.code or StepCode([])

    # Time ---------------------------------------------------------------------------------------

    def resume(self) -> None:
        """Play from here.

        Raises
        ------
        ConfigError
            A question waits for an answer.
        """
        if self.timeline.is_held:
            raise ConfigError("a question waits for your answer", hint="Answer it, then Reveal.")
        if self._player.is_over:
            self.scrub(0)
        self._is_playing, self.paused = True, False
        self._player.begin()

    def pause(self) -> None:
        """Stand still."""
        self._is_playing, self.paused = False, True

    def set_rate(self, rate: float) -> None:
        """Apply `rate` events a second while playing; infinity is as many as can be painted."""
        self._player.rate = rate
        self.settings = dataclasses.replace(self.settings, rate=rate)

    def set_speed(self, speed: float | None) -> None:
        """Play at this share of real time, 1/1000 .. 1, or by events a second for None.

        Raises
        ------
        ConfigError
            Another speed.
        """
        self._player.speed = checked_speed(speed)
        self._player.begin()

    def advance(self) -> None:
        """Make the moves that are due since the last call."""
        if not self._is_playing:
            return
        self._step = []
        self.beside.code = None
        if self._player.advance(self._note):
            self.pause()
            self._tell_stop(self.stop_at)
        elif self.timeline.is_held:
            self.pause()
            self._tell()
        elif self._player.is_over:
            self.pause()
            self.caption = "The workload has ended. Step back, move the bar, or play it again."
        elif self._step:
            self.caption = describe(self._step[-1][1])

    def scrub(self, position: int) -> None:
        """Go to right after `position` events."""
        self.pause()
        line, target = self.timeline, max(0, min(self.n_events, position))
        if target != line.position or line.is_between:
            if not line.position < target <= line.position + CONTEXT:
                self._forget_records()
                line.go(max(0, target - 1), CONTEXT, self._note)
            line.forward(target - 1, self._note)
            self._step = []
            with self.beside.step(line):
                line.forward(target, self._note)
            if line.position < target:  # held before that: what ran last was another step
                self.beside.code = None
                if self.beside.is_shown:
                    self.code()
        self._tell()

    def step(self, transitions: int) -> None:
        """Go on by so many transitions, back if negative; to begin or end if there are no more."""
        made, stops = self.timeline.moves, self.history.transitions[:, 0]
        if transitions > 0:
            at = int(np.searchsorted(stops, made, side="right")) + transitions - 1
        else:
            at = int(np.searchsorted(stops, made, side="left")) + transitions
        if at < 0:
            self.go_to_move(0)
        elif at >= len(stops):
            self.go_to_move(self.history.n_moves)
            if not self.timeline.is_held:
                self.caption = f"No transition comes after this. {self.caption}"
        else:
            self.go_to_move(int(stops[at]))

    def go_to_move(self, moves: int) -> None:
        """Go to where so many moves are made."""
        self.pause()
        line = self.timeline
        target = max(0, min(self.history.n_moves, line.hold_at, moves))
        if target != line.moves:
            if not line.moves < target <= line.moves + CONTEXT:
                self._go_before_move(target)
            self._make_moves(target)
        self._tell()

    def goto(
        self,
        t_ns: int,
        kind: int | None = None,
        cpu: int | None = None,
        produced: int | None = None,
    ) -> None:
        """Go to a moment of virtual time.

        Parameters
        ----------
        t_ns : int
            When. All moves up to then are made.
        kind, cpu, produced : int, optional
            Of a journal record of that time: no move is made after the one it tells of.
        """
        self.pause()
        line, stops = self.timeline, self.history.transitions
        first = int(np.searchsorted(stops[:, 1], t_ns))
        if kind is not None and first < len(stops) and stops[first, 1] == t_ns:
            self._go_before_move(int(stops[first, 0]))

            def note(now_ns: int) -> bool:
                self._note(now_ns)
                return bool(_among(self.last_records, kind=kind, cpu=cpu, produced=produced))

            if line.forward_until(t_ns, note):
                found = line.moves
                self._go_before_move(found)
                self._make_moves(found)
                self._tell()
                return
        self.scrub(int(np.searchsorted(line.t_ns, t_ns, side="right")))
        if line.next_ns <= t_ns:
            with self.beside.step(line):
                line.forward_until(t_ns, self._note)
        self._tell()

    def go_to_loss(self, by: int) -> None:
        """Go to the next place where losses begin (1), or to the one before (-1)."""
        marks = np.array(self.loss_marks(), np.int64)
        if by > 0:
            found = marks[marks > self.position]
        else:
            found = marks[marks < self.position + self.timeline.is_between]
        if len(found):
            self.scrub(int(found[0] if by > 0 else found[-1]))
        elif self._is_hiding and by > 0:
            self.scrub(self.n_events)  # as far as the next question
        else:
            self.pause()
            self.caption = f"No losses begin {'after' if by > 0 else 'before'} this moment."

    def run_until(self, stop_at: StopAt) -> bool:
        """Go on to the next moment that fulfils a stop condition, else to the end.

        Returns
        -------
        bool
            Whether there was such a moment.
        """
        self.pause()
        self._step = []
        self.beside.code = None

        def note(t_ns: int) -> bool:
            self._note(t_ns)
            return bool(stop_at.reason(self.last_records))

        is_stopped = self.timeline.forward_until(NEVER - 1, note)
        if is_stopped:
            self._tell_stop(stop_at)
        elif self.timeline.is_held:
            self._tell()
            self.caption = f"A question waits for your answer before that. {self.caption}"
        else:
            self.caption = "The workload has ended before that."
        return is_stopped

    def stand_at(self, position: int, moves: int) -> None:
        """Go to where `position` events are applied, and `moves` moves more."""
        self.scrub(position)
        self.go_to_move(self.timeline.moves + moves)

    # Questions ----------------------------------------------------------------------------------

    def ask(self, questions: Sequence[Question]) -> None:
        """Stop at these questions until each is revealed; before anything was played."""
        if questions:
            self.quiz = Quiz(questions, self.n_events)
            self.hold()

    def hold(self) -> None:
        """Let time stand still where the next question is asked."""
        line, limit = self.timeline, None if self.quiz is None else self.quiz.limit
        line.hold_at = NEVER
        if limit is None:
            return
        made = at = line.moves
        if line.position < limit:
            line.go(limit, 0)
            at = line.moves
            line.go_to_move(made)
            self._cursor.read()
        line.hold_at = at

    @property
    def _is_hiding(self) -> bool:
        return self.quiz is not None and self.quiz.is_hiding

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
        line = self.timeline
        with self.beside.step(line):
            line.act(action)
        made, line.hold_at = line.moves, NEVER
        self.on_act(made)
        self.history = Survey(line, self.history)
        self._forget_records()
        line.go_to_move(made, self._note)
        self.hold()

    def _go_before_move(self, moves: int) -> None:
        """To the move before, with the journal that led there."""
        self._forget_records()
        self.timeline.go_to_move(max(0, moves - 1), self._note)

    def _make_moves(self, to: int) -> None:
        """Go on until so many are made; the last is the one that is told of."""
        line = self.timeline
        while line.moves < to - 1:
            line.move(self._note)
        self._step = []
        with self.beside.step(line):
            while line.moves < to:
                line.move(self._note)

    def _note(self, t_ns: int) -> bool:
        """Take the records of a move; whether to stop there."""
        line = self.timeline
        if not line.was_transition:  # of a run of losses the journal tells only the first
            return False
        records = self._cursor.read()
        if not len(records):
            return False
        records["t_ns"] = t_ns
        self._step.append((line.moves, records))
        self._unread.append(records)
        del self._step[:-RECENT], self._unread[:-RECENT]
        return self._is_playing and bool(self.stop_at.reason(records))

    def _forget_records(self) -> None:
        """What was shown is not what led to where one is now."""
        self._cursor.read()
        self._unread.clear()
        self._is_rewound = True

    def _tell(self) -> None:
        made = self.timeline.moves
        before = [told for at, told in self._step if at != made]
        self.caption = narrate(
            self.timeline, self.last_records, np.concatenate([self._no_records, *before])
        )

    def _tell_stop(self, stop_at: StopAt) -> None:
        told = narrate(self.timeline, self.last_records)
        self.caption = f"{stop_at.reason(self.last_records)} {told}"


def _among(records: NDArray[np.void], **fields: int | None) -> bool:
    """Whether one of the records has these fields; None is any."""
    is_it = np.ones(len(records), np.bool_)
    for name, value in fields.items():
        if value is not None:
            is_it &= records[name] == value
    return bool(is_it.any())


def _first(workload: Workload, most: int) -> Workload:
    if len(workload) <= most:
        return workload
    return Workload(
        workload.t_ns[:most],
        workload.cpu[:most],
        workload.size[:most],
        workload.n_cpus,
        workload.name,
    )
