"""The session: one thread that drains commands, looks at the run and sends frames.

Everything that changes the run happens on this thread. Whoever wants something, a button or the
user's Python, puts a command in the queue; a future tells when it is done.
"""

import queue
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from relaylab.errors import RelayError
from relaylab.lab.caption import Caption
from relaylab.lab.compose import Composer
from relaylab.lab.flow import Flow
from relaylab.lab.frame import encode
from relaylab.lab.inspector import Inspector
from relaylab.lab.moment import Moment, look

FRAMES_PER_S = 30
UNWATCHED_LOOKS_PER_S = 5
BEAT_EVERY_S = 1.0

Send = Callable[[dict[str, Any], list[bytes]], None]


class Session:
    """Runs one workbench.

    Parameters
    ----------
    send : callable
        Sends one message, content and binary buffers, to every view.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._commands: queue.SimpleQueue[_Command] = queue.SimpleQueue()
        self._ending = False
        self._flow = Flow()
        self._beat_at = 0.0
        self._is_unwatched = False
        self._run: Any | None = None
        self._moment: Moment | None = None
        self._error = ""
        self._caption = Caption()
        self._inspector = Inspector()
        self._virtual_caption = ""
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
            Done when the command was; carries what it raised.
        """
        future: Future[Any] = Future()
        self._commands.put((command, arguments, future))
        return future

    def end(self, timeout: float = 5.0) -> None:
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
        if run is None or run.channel.closed:
            return "closed"
        if run.is_running:
            return "running"
        return "paused" if run.paused else "idle"

    def state(self) -> dict[str, Any]:
        """What the page shows, as numbers; taken now if the channel is open."""
        run, moment = self._run, self._moment
        if run is not None and not run.channel.closed:
            moment = look(run)
        numbers = {} if moment is None else moment.state()
        mode = "virtual" if run is not None and run.is_virtual else "live"
        position = 0 if run is None else run.position
        return {
            "status": self.status,
            "mode": mode,
            "position": position,
            "error": self._error,
        } | numbers

    # The thread -------------------------------------------------------------------------------

    def _loop(self) -> None:
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

    def _obey(self, command: "_Command") -> None:
        name, arguments, future = command
        try:
            future.set_result(getattr(self, f"_do_{name}")(**arguments))
        except RelayError as error:
            # The request was refused and left all as it was: say why, go on.
            self._caption.say(str(error), time.monotonic())
            future.set_exception(error)
        except Exception as error:
            self._fail(error)
            future.set_exception(error)

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as error:
            self._fail(error)

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
        if run is not None and not run.channel.closed and not self._error:
            if run.error is not None:
                raise run.error
            run.advance()
            self._observe(run, now)
        if self._flow.may_send(now):
            self._paint()

    def _observe(self, run: Any, now: float) -> None:
        moment = self._moment = look(run)
        if run.take_rewound():
            self._composer.forget_records()
        records = run.records()
        self._composer.take_records(records)
        run.observe(moment, records)
        if run.is_virtual:
            if run.caption != self._virtual_caption:
                self._virtual_caption = run.caption
                self._caption.hold(run.caption)
        elif run.is_running:
            self._caption.report(moment.totals, moment.occupancy, moment.n_subbufs, now)

    def _paint(self) -> None:
        frame = self._composer.compose(
            self._run, self._moment, self._inspector, self._caption.text, self.status
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
        if not self._flow.has_views and run is not None and run.is_running:
            # Pages that were closed must not leave writers at full speed behind.
            run.pause()
            self._is_unwatched = True
            self._caption.hold("Paused because nobody looked.")

    # Commands: views ----------------------------------------------------------------------------

    def _do_hear(self, view: str) -> None:
        if self._flow.hear(view, time.monotonic()):
            self._welcome()

    def _do_hello(self, view: str) -> None:
        # Frames that are under way stay so: a page behind a slow server must not get even more.
        self._flow.hear(view, time.monotonic())
        self._welcome()

    def _do_goodbye(self, view: str) -> None:
        self._flow.goodbye(view)

    def _do_visible(self, view: str, visible: bool) -> None:
        self._flow.set_visible(view, visible, time.monotonic())
        self._welcome()

    def _do_painted(self, view: str, seq: int) -> None:
        self._do_hear(view)
        self._flow.painted(view, seq, time.monotonic())

    def _welcome(self) -> None:
        """A view that is new, or back, gets everything."""
        self._composer.want_all()
        run = self._run
        if self._is_unwatched and run is not None and not run.channel.closed:
            run.resume()
            self._caption.say("Somebody looks again: playing on.", time.monotonic())
        self._is_unwatched = False

    def _do_select(self, cpu: int, subbuf: int) -> None:
        if self._run is not None:
            self._inspector.select(cpu, subbuf, self._run)

    def _do_say(self, text: str) -> None:
        self._caption.say(text, time.monotonic())

    # Commands: the channel ----------------------------------------------------------------------

    def _do_open(self, make: Callable[[], Any], told: str = "") -> None:
        """Close what is open and start the run that `make` returns."""
        self._inspector.release()
        self._leave_run()
        run = make()
        self._run = run
        self._error = ""
        self._moment = None
        self._is_unwatched = False
        self._composer.start_run(run.is_virtual)
        self._caption.say(told, time.monotonic())
        run.start()
        self._observe(run, time.monotonic())

    def _do_close(self) -> None:
        self._close_run()
        self._caption.hold("Channel closed. Its numbers stay on screen until you open another.")

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

    def _do_attach(self) -> None:
        self._caption.say(self._open_run().attach(), time.monotonic())

    def _do_detach(self) -> None:
        self._caption.say(self._open_run().detach(), time.monotonic())

    # Commands: time -------------------------------------------------------------------------------

    def _do_play(self) -> None:
        run = self._open_run()
        run.resume()
        self._caption.say("Playing.", time.monotonic())

    def _do_pause(self) -> None:
        self._open_run().pause()
        self._caption.hold("Paused: writers and readers stand still; flush, reset and close work.")

    def _do_set_rate(self, rate: float) -> None:
        if self._run is not None:
            self._run.set_rate(rate)

    def _do_step(self, count: int) -> None:
        self._open_run().step(count)
        self._composer.want_all()

    def _do_scrub(self, position: int) -> None:
        self._open_run().scrub(position)
        self._composer.want_all()

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
        if run is None or run.channel.closed:
            raise RelayError("no channel is open", hint="Press Open first.")
        return run

    def _leave_run(self) -> None:
        """End what is on screen; a channel of the user's own stays open."""
        run = self._run
        if run is None or run.channel.closed:
            return
        run.stop()
        if run.owns_channel:
            self._moment = look(run)
            run.close()

    def _close_run(self) -> None:
        """Stop the threads, keep the last picture, close the channel."""
        run = self._open_run()
        run.stop()
        self._moment = look(run)
        run.close()
        self._composer.take_records(run.records())


_Command = tuple[str, dict[str, Any], "Future[Any]"]
