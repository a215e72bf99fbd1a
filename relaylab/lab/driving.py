"""Driving a workbench from Python: what the buttons do, as calls that are done when they return."""

from typing import TYPE_CHECKING, Any, Final

from relaylab import units
from relaylab.errors import ClosedError, ConfigError
from relaylab.lab.readers import Wish
from relaylab.lab.settings import ReaderModel
from relaylab.lab.stops import StopAt

if TYPE_CHECKING:
    from relaylab.lab.predict import Outcome
    from relaylab.lab.questions import Question
    from relaylab.lab.record import Record
    from relaylab.lab.session import Session

_WAIT_S: Final = 120.0


class Driving:
    """The part of a workbench that a program drives; `Workbench` is the rest.

    Every call needs an open channel: without one it raises RelayError, after `Workbench.close` a
    ClosedError.
    """

    _session: "Session"
    _reader: ReaderModel | None

    # Time --------------------------------------------------------------------------------------

    def play(self) -> None:
        """Let time run: the writers and readers in real time, else virtual time from here."""
        self._do("play")

    def pause(self) -> None:
        """Hold the writers and readers where they are, or virtual time."""
        self._do("pause")

    def step(self, n: int = 1, by: str = "event") -> str:
        """Go on in virtual time; a live workbench goes to virtual time first.

        Parameters
        ----------
        n : int
            How many; negative goes back.
        by : "event" or "transition"
            A transition is an event that the journal tells of, a late commit, or a sub-buffer that
            the reader is through with.

        Returns
        -------
        str
            What happened, in words.

        Raises
        ------
        ConfigError
            `by` is something else, or `n` no whole number.
        """
        return str(self._do("step", count=_whole("n", n), by=by))

    def seek(self, position: int | None = None, *, t: float | str | None = None) -> str:
        """Go somewhere in virtual time.

        Parameters
        ----------
        position : int, optional
            Right after so many events of the workload. It gets no further than a preset's question,
            which `predict` and `reveal` answer.
        t : float or str, optional
            Instead: a virtual time, "12.5 ms" or nanoseconds. All that happens up to it has
            happened.

        Returns
        -------
        str
            What happened last, in words.

        Raises
        ------
        ConfigError
            Neither or both are given, or there is no such position.
        """
        if (position is None) == (t is None):
            raise ConfigError(
                "seek", passed=(position, t), allowed="a position, or a time as t=, one of them"
            )
        if position is not None:
            return str(self._do("seek", position=_whole("position", position)))
        self._do("step", count=0, by="event")  # in virtual time
        return str(self._do("goto", t_ns=int(units.parse_duration(t or 0, "t"))))

    def run_until(self, what: str) -> bool:
        """Go on in virtual time, at once, to the next transition of a kind.

        Parameters
        ----------
        what : str
            "loss", "full", "unfull" or "deliver"; on one CPU as "deliver:3".

        Returns
        -------
        bool
            Whether there was one; else the run is at its end, or at a preset's question.

        Raises
        ------
        ConfigError
            Something else.
        """
        return bool(self._do("run_until", what=what))

    def stop_at(self, what: str = "") -> None:
        """Let playing, and running in real time, pause at the next transition of a kind.

        Parameters
        ----------
        what : str
            As `run_until`; "" is never.

        Raises
        ------
        ConfigError
            Something else.
        """
        StopAt.parse(what)
        self._do("stop_at", condition=what)

    def set_speed(self, speed: float | None) -> None:
        """Play virtual time slowed down.

        Parameters
        ----------
        speed : float or None
            Virtual time over real time, 1/1000 .. 1; None: by events a second, as the rate says.

        Raises
        ------
        ConfigError
            Another speed.
        """
        self._do("set_speed", speed=speed)

    def mark(self, name: str) -> dict[str, float] | None:
        """Keep this moment as mark "a" or "b"; the buttons' "A" and "B" are the same.

        Returns
        -------
        dict or None
            Once both are set what lies between them, B minus A: "t_s", "events", "written",
            "bytes", "lost", "lost_full", "lost_unfull", "lost_too_large", "subbufs", "consumed".

        Raises
        ------
        ConfigError
            Another name.
        """
        self._do("set_mark", name=str(name).lower())
        difference: dict[str, float] | None = self._session.state()["marks"]["difference"]
        return difference

    def clear_marks(self) -> None:
        """Take both marks away."""
        self._do("clear_marks")

    # The channel -------------------------------------------------------------------------------

    def flush(self) -> None:
        """relay_flush; in virtual time at this moment, now and whenever it is passed again."""
        self._do("flush")

    def reset(self) -> None:
        """relay_reset; in virtual time as `flush`."""
        self._do("reset")

    def attach_reader(
        self,
        model: ReaderModel | None = None,
        *,
        consumes: bool = True,
        second_process: bool = False,
    ) -> None:
        """One more reader of every buffer; in virtual time, the one there is.

        Parameters
        ----------
        model : ReaderModel, optional
            How fast it is; None: as the one that came with the channel.
        consumes : bool, optional
            Whether it consumes what it reads.
        second_process : bool, optional
            Whether it is a process of its own.

        Raises
        ------
        ConfigError
            There are as many as there may be, or it is no model.
        ResourceError, FileError
            It cannot be started.
        """
        wish = None
        if not isinstance(model, ReaderModel | None):
            raise ConfigError("model", passed=model, allowed="a relaylab.lab.ReaderModel, or None")
        if model is not None or not consumes or second_process:
            run = self._session.run
            model = model or (ReaderModel() if run is None else run.settings.reader)
            wish = Wish(model, consumes, second_process)
        self._do("attach", wish=wish)

    def detach_reader(self, number: int | None = None) -> None:
        """Take away the reader of that number, None: the one attached last.

        Raises
        ------
        ConfigError
            `number` is no whole number.
        """
        number = None if number is None else _whole("number", number)
        self._do("detach", number=number)

    # What was recorded -------------------------------------------------------------------------

    def record(self) -> "Record":
        """The run on screen up to now: journal, series, totals and settings, to look at and keep.

        Returns
        -------
        Record
            In virtual time its journal covers the whole way from the beginning to here; in real
            time what the journal still holds, and `dropped` counts the others.
        """
        record: Record = self._do("record")
        return record

    # Questions ----------------------------------------------------------------------------------

    @property
    def question(self) -> "Question | None":
        """The question that waits for an answer; None if none is asked here."""
        asked: Question | None = self._do("call", function=_question)
        return asked

    def predict(self, answer: int | tuple[int, int]) -> None:
        """Answer the question; may be said anew until it is revealed.

        Parameters
        ----------
        answer : int or tuple of int
            A number, a CPU, or (CPU, sub-buffer), as `question.kind` says.

        Raises
        ------
        ConfigError
            No question is open, or no such answer can be.
        """
        self._do("predict", answer=answer)

    def reveal(self) -> "Outcome":
        """Go on to where the question is answered; what happened, and why.

        Raises
        ------
        ConfigError
            No question is open, or nothing was predicted.
        """
        outcome: Outcome = self._do("reveal")
        return outcome

    # ---------------------------------------------------------------------------------------------

    def _do(self, command: str, **arguments: Any) -> Any:
        if not self._session.is_alive:
            raise ClosedError("the workbench is closed", hint="Make a new one with Workbench().")
        return self._session.do(command, **arguments).result(_WAIT_S)


def _question(run: Any) -> "Question | None":
    return None if run is None or run.quiz is None else run.quiz.open_at(run.position)


def _whole(what: str, value: Any) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ConfigError(what, passed=value, allowed="a whole number")
    return int(value)
