"""The session's commands about time: play, step, go somewhere, stop conditions, marks."""

import dataclasses
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from relaylab.errors import ConfigError, RelayError
from relaylab.lab.caption import Caption
from relaylab.lab.compose import Composer
from relaylab.lab.live import LiveRun
from relaylab.lab.marks import Mark, Marks
from relaylab.lab.moment import look
from relaylab.lab.playing import checked_speed
from relaylab.lab.seek import Seek
from relaylab.lab.stops import CONDITIONS, StopAt
from relaylab.lab.virtual import VirtualRun

_ENTERED: Final = "Virtual time now, from the first event on. "


class TimeCommands:
    """What a session does with time; the rest of it is `session.Session`."""

    _run: Any | None
    _error: str
    _caption: Caption
    _composer: Composer
    _preface: str
    _virtual_caption: str
    _show_time: Callable[[bool], None]

    def __init__(self) -> None:
        self._seek = Seek()
        self._stop_at = StopAt()
        self._speed: float | None = None
        self._marks = Marks()
        self._pointed_s: float | None = None
        self._begun: object = None  # the scenario that was begun last

    if TYPE_CHECKING:

        def _open_run(self) -> Any: ...
        def _start(self, make: Callable[[], Any], told: str, is_virtual: bool) -> None: ...
        def _observe(self, run: Any, now: float) -> None: ...

    # What the rest of the session calls ----------------------------------------------------------

    def _begin_time(self, run: Any) -> None:
        """A new run: no marks, the speed and the stop condition as they were chosen."""
        self._seek.forget()
        self._marks = Marks()
        self._pointed_s = None
        if run.begun is not None:
            if self._begun != run.begun.of:
                self._begun = run.begun.of
                self._stop_at, self._speed = run.begun.stop_at, run.begun.speed
            for name, mark in run.begun.marks.items():
                self._marks.set(name, mark)
        if not self._stop_at.fits(run.channel.n_cpus):
            self._stop_at = StopAt()
        if run.is_virtual:
            run.stop_at = self._stop_at
            run.on_act = self._marks.forget_after
            run.set_speed(self._speed)

    def _arrive(self) -> None:
        """Go where the scrub bar was moved to."""
        run = self._run
        if run is None or run.is_over:
            self._seek.forget()
        elif self._seek.go(run):
            self._composer.want_all()

    def _stop_live(self, run: Any, records: Any) -> None:
        """Pause a live run once its journal tells of what it is to stop at."""
        if run.is_virtual or run.is_read_only or not run.is_running:
            return
        if reason := self._stop_at.reason(records):
            run.pause()
            self._caption.hold(f"{reason} Play goes on to the next.")

    def _time_state(self) -> dict[str, Any]:
        """For `Workbench.state`."""
        run = self._run
        virtual = run is not None and run.is_virtual
        return {
            "t_ns": 0 if run is None else int(run.clock_s * 1e9),
            "moves": run.timeline.moves if run is not None and virtual else None,
            "speed": self._speed,
            "stop_at": str(self._stop_at),
            "marks": self._marks.told(0 if run is None else run.n_events),
            "caption": self._caption.text,
        }

    def _time_text(self) -> dict[str, Any]:
        """For a frame."""
        run = self._run
        return {
            "speed": self._speed,
            "stop_at": str(self._stop_at),
            "ab": self._marks.told(0 if run is None else run.n_events),
            "pointed_s": self._pointed_s,
            "between": run is not None and run.is_virtual and run.timeline.is_between,
        }

    # Commands ------------------------------------------------------------------------------------

    def _do_play(self) -> None:
        run = self._open_run()
        run.resume()
        self._pointed_s = None
        self._caption.say("Playing.", time.monotonic())

    def _do_toggle(self) -> None:
        """Play if it stands, pause if it runs."""
        if self._open_run().is_running:
            self._do_pause()
        else:
            self._do_play()

    def _do_pause(self) -> None:
        run = self._open_run()
        run.pause()
        self._caption.hold(
            "Paused: step, move the bar, or play on."
            if run.is_virtual
            else "Paused: writers and readers stand still; flush, reset and close work."
        )

    def _do_set_rate(self, rate: float) -> None:
        if self._run is not None:
            self._run.set_rate(rate)

    def _do_set_speed(self, speed: float | None) -> None:
        """Play virtual time at a share of real time, or by events a second for None."""
        self._speed = checked_speed(speed)
        run = self._run
        if run is not None and run.is_virtual:
            run.set_speed(self._speed)

    def _do_set_time(self, virtual: bool) -> None:
        """The same channel in the other kind of time; takes no notice of what only was typed."""
        run = self._run
        if run is None or run.is_over or run.is_read_only or self._error:
            return
        if run.is_virtual != virtual:
            self._switch_time(run, virtual)

    def _do_move(self, by: int = 0, pages: int = 0) -> None:
        """Go events and pages on, or back if negative, from where the moves before end."""
        self._seek.by(self._virtual_run(), by, pages)

    def _do_scrub(self, share: float) -> None:
        """Go to a share, 0 .. 1, of all events."""
        run = self._virtual_run()
        self._seek.to(run, share * run.n_events)

    def _do_step(self, count: int = 1, by: str = "transition") -> str:
        """Go so many transitions or events on, back if negative; what happened, in words."""
        if by not in ("event", "transition"):
            raise ConfigError("by", passed=by, allowed='"event" or "transition"')
        run = self._virtual_run()
        if by == "transition":
            run.step(count)
        else:
            self._seek.by(run, count)
            self._arrive()
        return self._shown(run)

    def _do_seek(self, position: int) -> str:
        """Go to right after so many events."""
        run = self._virtual_run()
        if not 0 <= position <= run.n_events:
            raise ConfigError("position", passed=position, allowed=f"0 .. {run.n_events} events")
        run.scrub(position)
        return self._shown(run)

    def _do_goto(
        self,
        t_ns: int,
        kind: int | None = None,
        cpu: int | None = None,
        produced: int | None = None,
    ) -> str:
        """Go to the moment of a journal record; in real time pause, and point at it in the plots.

        Parameters
        ----------
        t_ns : int
            As the page's journal tells it: virtual time, or since the run's first record.
        kind, cpu, produced : int, optional
            Of the record.
        """
        run = self._open_run()
        if run.is_virtual:
            run.goto(t_ns, kind, cpu, produced)
            return self._shown(run)
        if not run.is_read_only:
            run.pause()
        self._pointed_s = self._composer.plot_time_s(run, t_ns)
        self._caption.hold(
            f"The plots show where {t_ns / 1e9:.6f} s is. To go there choose virtual time."
        )
        return self._caption.text

    def _do_go_to_loss(self, by: int) -> str:
        """Go to where losses begin next (1), or began before (-1)."""
        run = self._virtual_run()
        run.go_to_loss(by)
        return self._shown(run)

    def _do_run_until(self, what: str) -> bool:
        """Go on until a stop condition comes true; whether it did."""
        stop_at = StopAt.parse(what)
        if stop_at == StopAt():
            raise ConfigError("what to run until", passed=what, allowed=CONDITIONS)
        run = self._virtual_run()
        _check_fits(stop_at, run)
        found = bool(run.run_until(stop_at))
        self._shown(run)
        return found

    def _do_stop_at(self, condition: str) -> None:
        """Let playing and running stop at "loss", "full", "unfull", "deliver:3"; "" never."""
        stop_at = StopAt.parse(condition)
        run = self._run
        if run is not None:
            _check_fits(stop_at, run)
        self._stop_at = stop_at
        if run is not None and run.is_virtual:
            run.stop_at = stop_at

    def _do_set_mark(self, name: str) -> None:
        """Keep this moment as "a" or "b"."""
        run = self._open_run()
        self._marks.set(name, Mark.of(run, look(run)))
        line = self._marks.told(run.n_events)["line"]
        self._caption.say(f"Mark {name.upper()} set. {line}.", time.monotonic())

    def _do_clear_marks(self) -> None:
        self._marks.clear()

    def _do_go_to_mark(self, name: str) -> str:
        """Go to a mark, in virtual time; in real time point at it in the plots."""
        run, mark = self._open_run(), self._marks[name]
        if mark.moves is None:
            self._pointed_s = mark.t_s
            return self._caption.text
        run.go_to_move(mark.moves)
        return self._shown(run)

    # ---------------------------------------------------------------------------------------------

    def _shown(self, run: Any) -> str:
        """Show where a run in virtual time is now; its caption."""
        self._virtual_caption = ""  # also if it says the same as before
        self._observe(run, time.monotonic())
        return self._caption.text

    def _virtual_run(self) -> Any:
        """The run to step in; whoever steps in live time goes to virtual time."""
        run = self._open_run()
        if run.is_read_only:
            run.refuse()
        if not run.is_virtual:
            self._switch_time(run, True)
            self._preface = _ENTERED
            self._show_time(True)
        return self._run

    def _switch_time(self, run: Any, virtual: bool) -> None:
        settings, workload, name = run.settings, run.workload, run.workload_name
        if workload is None:
            self._show_time(False)
            raise RelayError(
                "virtual time needs a workload, and this channel's events are your program's",
                hint="Press Open for a channel of the workbench's own.",
            )
        kind = VirtualRun if virtual else LiveRun
        settings = dataclasses.replace(settings, rate=0.0)
        told = "" if virtual else "Live time again: the same sizes, a new channel."
        self._start(lambda: kind(settings, workload, name), told, virtual)


def _check_fits(stop_at: StopAt, run: Any) -> None:
    n_cpus = run.channel.n_cpus
    if not stop_at.fits(n_cpus):
        raise ConfigError("CPU to stop at", passed=stop_at.cpu, allowed=f"0 .. {n_cpus - 1}")
