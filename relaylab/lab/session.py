"""The session: one thread that drains commands, looks at the run and sends frames.

Everything that changes the run happens on this thread. Whoever wants something, a button or the
user's Python, puts a command in the queue; a future tells when it is done.
"""

import contextlib
import itertools
import queue
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from relaylab.errors import ClosedError, RelayError
from relaylab.lab.caption import Caption
from relaylab.lab.compose import Composer
from relaylab.lab.frame import encode
from relaylab.lab.lesson_commands import LessonCommands
from relaylab.lab.moment import Moment, look
from relaylab.lab.readers import Wish
from relaylab.lab.record_commands import RecordCommands
from relaylab.lab.stepcode import StepCode
from relaylab.lab.time_commands import TimeCommands
from relaylab.lab.view_commands import VIEW_COMMANDS, ViewCommands

FRAMES_PER_S = 30
UNWATCHED_LOOKS_PER_S = 5
_LOOK_EVERY_S = 0.1  # at least, so that the figures have samples and stop conditions are seen
BEAT_EVERY_S = 1.0

Send = Callable[[dict[str, Any], list[bytes]], None]

_VIEWS = {*VIEW_COMMANDS, "say", "mark"}
_MOVES = {"move", "scrub"}
_NEW = "Make a new one with Workbench()."
_ENTERING = "Virtual time: every event is gone through once, to find where losses begin."


class Session(ViewCommands, TimeCommands, RecordCommands, LessonCommands):
    """Runs one workbench.

    Parameters
    ----------
    send : callable
        Sends one message, content and binary buffers, to every view.
    show_status : callable
        Told the status whenever it has changed.
    show_time : callable
        Told whether time is virtual when the session itself decided that.
    """

    def __init__(
        self,
        send: Send,
        show_status: Callable[[str], None] = lambda _: None,
        show_time: Callable[[bool], None] = lambda _: None,
    ) -> None:
        self._send = send
        self._show_status, self._show_time = show_status, show_time
        self._status_shown = ""
        super().__init__()
        self._wrong: dict[str, str] = {}
        self._serial = itertools.count(1)
        self._newest_open = 0
        self._commands: queue.SimpleQueue[_Command] = queue.SimpleQueue()
        self._ending = self._is_over = False
        self._beat_at = self._looked_s = 0.0
        self._run: Any | None = None
        self._moment: Moment | None = None
        self._error = ""
        self._caption = Caption()
        self._virtual_caption = self._preface = ""
        self._composer = Composer()
        self._thread = threading.Thread(target=self._loop, name="relaylab-lab", daemon=True)
        self._thread.start()

    # What other threads may call ------------------------------------------------------------

    def do(self, command: str, **arguments: Any) -> "Future[Any]":
        """Queue a command.

        Parameters
        ----------
        command : str
            The name of a ``_do_`` method.
        **arguments
            Its arguments.

        Returns
        -------
        Future
            Done when the command was; carries what it raised, ClosedError after `end`.
        """
        future: Future[Any] = Future()
        if command == "open":
            arguments["serial"] = next(self._serial)
            if not arguments.get("only_if_open"):
                self._newest_open = arguments["serial"]
        self._commands.put((command, arguments, future))
        if self._is_over:
            self._refuse_rest()
        return future

    def end(self, timeout: float = 30.0) -> None:
        """Stop writers and readers, close what the session opened, end the thread."""
        if self._thread.is_alive():
            self.do("end")
            self._thread.join(timeout)

    @property
    def run(self) -> Any | None:
        """The run on screen, or None before the first open."""
        return self._run

    @property
    def is_alive(self) -> bool:
        """Whether the thread is there."""
        return self._thread.is_alive()

    @property
    def status(self) -> str:
        """One of `frame.STATUSES`."""
        run = self._run
        if self._error:
            return "error"
        if run is None:
            return "closed"
        if run.is_over:
            return str(run.end_status)
        if run.is_running:
            return "running"
        return "paused" if run.paused else "idle"

    def state(self) -> dict[str, Any]:
        """What the page shows, as numbers; taken now if the channel is open."""
        run, moment = self._run, self._moment
        if run is not None and not run.is_over:
            moment = look(run)
        numbers = {} if moment is None else moment.state()
        mode = "virtual" if run is not None and run.is_virtual else "live"
        position = 0 if run is None else run.position
        return {
            "status": self.status,
            "mode": mode,
            "position": position,
            "error": self._error,
            **self._time_state(),
        } | numbers

    # The thread -------------------------------------------------------------------------------

    def _loop(self) -> None:
        try:
            self._obey_and_look()
        finally:
            self._is_over = True
            self._refuse_rest()

    def _obey_and_look(self) -> None:
        next_look = time.monotonic()
        while not self._ending:
            try:
                command = self._commands.get(timeout=max(0.0, next_look - time.monotonic()))
            except queue.Empty:
                self._guarded(self._tick)
                pace = FRAMES_PER_S if self._flow.is_watched else UNWATCHED_LOOKS_PER_S
                next_look = max(next_look + 1 / pace, time.monotonic())
            else:
                self._obey(command)

    def _refuse_rest(self) -> None:
        """Whoever waits for a command that nobody obeys any more must not wait in vain."""
        with contextlib.suppress(queue.Empty):
            while True:
                _, _, future = self._commands.get_nowait()
                future.set_exception(ClosedError("the workbench is closed", hint=_NEW))

    def _obey(self, command: "_Command") -> None:
        name, arguments, future = command
        if name not in _VIEWS | _MOVES:
            self._guarded(self._arrive)  # what was asked for before comes before
        try:
            future.set_result(getattr(self, f"_do_{name}")(**arguments))
        except RelayError as error:
            # The request was refused and left all as it was: say why, go on.
            self._caption.say(str(error), time.monotonic())
            future.set_exception(error)
        except Exception as error:
            self._fail(error)
            future.set_exception(error)
        self._tell_status()

    def _tell_status(self) -> None:
        status = self.status
        if status != self._status_shown:
            self._status_shown = status
            self._show_status(status)

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as error:
            self._fail(error)
            self._tell_status()

    def _fail(self, error: BaseException) -> None:
        """Show the error instead of a picture that no longer moves."""
        self._error = "".join(traceback.format_exception_only(error)).strip()
        self._caption.hold(f"The session stopped: {self._error}. Open starts a new channel.")
        run = self._run
        if run is not None:
            try:
                run.stop()
            except Exception as another:
                self._error += f"; then {another}"

    def _tick(self) -> None:
        now = time.monotonic()
        self._beat(now)
        run = self._run
        if run is not None and not run.is_over and not self._error:
            if run.error is not None:
                raise run.error
            self._arrive()
            run.advance()
            # What no view could take now would only cost the writers' machine.
            if run.is_virtual or self._flow.may_send(now) or now - self._looked_s >= _LOOK_EVERY_S:
                self._observe(run, now)
            if news := run.take_news():
                (self._caption.hold if run.is_over else self._tell)(news)
        self._tell_status()
        if self._flow.may_send(now):
            self._paint()

    def _observe(self, run: Any, now: float) -> None:
        self._looked_s = now
        moment = self._moment = look(run)
        if run.take_rewound():
            self._composer.forget_records()
        records = run.records()
        self._composer.take_records(records)
        run.observe(moment, records)
        self._stop_live(run, records)
        if run.is_virtual:
            if run.caption != self._virtual_caption:
                self._virtual_caption = run.caption
                self._caption.hold(self._preface + run.caption)
                self._preface = ""
        elif run.is_running:
            self._caption.report(moment.totals, moment.occupancy, moment.n_subbufs, now)

    def _paint(self) -> None:
        frame = self._composer.compose(
            self._run,
            self._moment,
            self._inspector,
            {"caption": self._caption.text, "done": dict(self._done), "wrong": self._wrong}
            | self._time_text(),
            self.status,
        )
        if frame is not None:
            frame.seq = self._flow.send(time.monotonic())
            frame.sent_ms = time.time() * 1000
            self._send({"kind": "frame"}, [encode(frame)])

    def _beat(self, now: float) -> None:
        """Tell views once a second that the kernel is there, whether or not they paint."""
        if not self._flow.has_views or now < self._beat_at:
            return
        self._beat_at = now + BEAT_EVERY_S
        self._send({"kind": "beat", "status": self.status}, [])
        self._flow.forget_gone(now)
        run = self._run
        if self._flow.has_views or run is None or run.is_read_only:
            return
        if run.is_running:
            # Pages that were closed must not leave writers at full speed behind.
            run.pause()
            self._is_unwatched = True
            self._caption.hold("Paused because nobody looked.")

    # Commands: what is shown ------------------------------------------------------------------

    def _do_code(self) -> StepCode:
        """What the last step ran."""
        run = self._open_run()
        if not run.is_virtual:
            raise RelayError(
                "the code that ran is told of steps in virtual time, and this channel is live",
                hint="Step once, or choose virtual time.",
            )
        code: StepCode = run.code()
        return code

    def _do_say(self, text: str, hold: bool = False) -> None:
        if hold:
            self._caption.hold(text)
        else:
            self._caption.say(text, time.monotonic())

    def _do_mark(self, wrong: dict[str, str], tell: bool = False) -> None:
        """Mark the inputs that are wrong, by CSS class; the caption tells each reason once."""
        is_new = wrong != self._wrong
        self._wrong = wrong
        if wrong and (is_new or tell):
            self._caption.say(" ".join(dict.fromkeys(wrong.values())), time.monotonic())
        elif is_new:
            self._caption.say("All inputs are allowed again.", time.monotonic())

    # Commands: the channel ----------------------------------------------------------------------

    def _do_open(
        self,
        make: Callable[[], Any],
        told: str = "",
        *,
        serial: int,
        is_virtual: bool = False,
        only_if_open: bool = False,
        may_be_replaced: bool = False,
    ) -> None:
        """Close what is open and start the run that `make` returns.

        Of several presses of one button only the last needs to be done.
        """
        if may_be_replaced and serial < self._newest_open:
            return
        if only_if_open and (self._run is None or self._run.is_over):
            return
        self._start(make, told, is_virtual)

    def _start(self, make: Callable[[], Any], told: str, is_virtual: bool) -> None:
        if is_virtual:
            self._send({"kind": "busy", "caption": _ENTERING}, [])
        try:
            run = make()  # what is refused leaves all as it was
        except BaseException:
            self._composer.want_all()  # who was told that something begins is told that it ended
            if self._run is not None:
                self._show_time(self._run.is_virtual)
            raise
        try:
            self._inspector.release()
            self._leave_run()
        except BaseException:
            run.close()
            raise
        self._run = run
        self._error = self._preface = self._virtual_caption = ""
        self._moment = None
        self._is_unwatched = False
        self._begin_time(run)
        self._composer.start_run(run.is_virtual)
        self._caption.say(told, time.monotonic())
        if run.is_virtual:
            run.beside.is_shown = bool(self._code_views)
        run.start()
        self._observe(run, time.monotonic())

    def _do_close(self) -> None:
        is_others = self._close_run().is_read_only
        self._caption.hold(
            "No longer watched; the channel goes on in its process. Its numbers stay on screen."
            if is_others
            else "Channel closed. Its numbers stay on screen until you open another."
        )

    def _do_flush(self) -> None:
        self._open_run().flush()
        self._caption.say(
            "Flush: each CPU's open sub-buffer is produced as it is, the rest of it is padding.",
            time.monotonic(),
        )

    def _do_reset(self) -> None:
        self._open_run().reset()
        self._composer.want_all()
        self._caption.say(
            "Reset: every buffer starts again at sub-buffer 0; the bytes in memory stay.",
            time.monotonic(),
        )

    def _do_attach(self, wish: Wish | None = None) -> None:
        self._tell(self._open_run().attach(wish))

    def _do_detach(self, number: int | None = None) -> None:
        """Detach the reader of that number; None: the one attached last."""
        self._tell(self._open_run().detach(number))

    def _do_pause_reader(self, number: int, paused: bool) -> None:
        self._tell(self._open_run().pause_reader(number, paused))

    def _do_end(self) -> None:
        try:
            self._inspector.release()
            self._leave_run()
            self._paint()
        finally:
            self._ending = True

    # --------------------------------------------------------------------------------------------

    def _open_run(self) -> Any:
        run = self._run
        if run is None or run.is_over or self._error:
            raise RelayError("no channel is open", hint="Press Open first.")
        return run

    def _leave_run(self) -> None:
        """End what is on screen; a channel of the user's own stays open."""
        run = self._run
        if run is None:
            return
        run.stop()
        if run.owns_channel:
            if not run.is_over:
                self._moment = look(run)
            run.close()

    def _tell(self, text: str) -> None:
        self._caption.say(text, time.monotonic())

    def _close_run(self) -> Any:
        """Stop the threads, keep the last picture, close the channel."""
        run = self._open_run()
        run.stop()
        self._moment = look(run)
        run.close()
        self._composer.take_records(run.records())
        return run


_Command = tuple[str, dict[str, Any], "Future[Any]"]
