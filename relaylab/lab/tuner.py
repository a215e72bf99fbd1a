"""The tuner: a trace against many shapes, on a thread of its own, and what the page shows of it."""

import contextlib
import queue
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final

from relaylab import resources
from relaylab.errors import ClosedError, ConfigError, RelayError
from relaylab.lab.settings import Settings
from relaylab.lab.shapes import Shapes, Tuning, read_tuning, typed_for
from relaylab.workload import Workload, load

Send = Callable[[dict[str, Any]], None]

ON_SCREEN: Final = "on screen"
_TELL_EVERY_S: Final = 0.15
_LARGEST_DROP: Final = 2**30
_DROP_AGAIN: Final = "Drop it again."


class Tuner:
    """Sweeps on a thread of its own, stopped at any time; every change is told to the page.

    Parameters
    ----------
    send : callable
        Sends one message to every view.
    on_screen : callable
        The workload and the settings of the run on screen; None where there is none.
    play : callable
        ``play(tuning, workload, subbuf_size, n_subbufs)`` shows that very run in the ring map.
    """

    def __init__(
        self,
        send: Send,
        on_screen: Callable[[], tuple[Workload | None, Settings | None]],
        play: Callable[[Tuning, Workload, int, int], None],
    ) -> None:
        self._send, self._on_screen, self._play = send, on_screen, play
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._stop = threading.Event()  # of the newest sweep; each has one of its own
        self._is_over = False
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._drops: dict[str, Path] = {}
        self._workload: Workload | None = None
        self._tuning: Tuning | None = None
        self._state: dict[str, Any] = {"status": "idle", "said": "", "done": 0, "of": 0}
        self._thread: threading.Thread | None = None

    # What the page asks; it may come on any thread --------------------------------------------

    def take(self, what: str, content: dict[str, Any], buffers: list[Any]) -> None:
        """A message of the page: all it does here is queue a job, or stop the one that runs."""
        if self._is_over:
            return
        if what == "tuner_sweep":
            stop = self._replace()
            self._queue(lambda: self._sweep(content, stop))
        elif what == "tuner_stop":
            self._stop.set()
        elif what == "tuner_play":
            self._queue(lambda: self._play_cell(content))
        elif what == "tuner_drop":
            self._queue(lambda: self._keep(content, buffers))
        elif what == "tuner_hello":
            self._queue(self._tell_all)

    def sweep(self, tuning: Tuning, workload: Workload | None) -> Shapes:
        """Answer `tuning` and wait for it; the page shows it, too.

        Parameters
        ----------
        tuning : Tuning
            Which shapes, for which reader.
        workload : Workload or None
            What is written; None: what is on screen.

        Returns
        -------
        Shapes
            All of them, or those that were done when the page stopped it or asked something else.

        Raises
        ------
        ConfigError
            Nothing is on screen, it is no tuning or no workload, or a size or number is not
            allowed.
        ClosedError
            The workbench is closed.
        """
        if not isinstance(tuning, Tuning):
            raise ConfigError("tuning", passed=tuning, allowed="a relaylab.lab.Tuning")
        if not isinstance(workload, Workload | None):
            raise ConfigError("workload", passed=workload, allowed="a Workload, or None")
        answer: Future[Shapes] = Future()
        stop = self._replace()

        def job() -> None:
            try:
                shown = self._shown() if workload is None else workload
                answer.set_result(self._answer(tuning, shown, stop))
            except BaseException as error:
                answer.set_exception(error)

        self._queue(job)
        return answer.result()

    def end(self) -> None:
        """Stop, and remove what was dropped."""
        with self._lock:
            self._is_over = True
            self._stop.set()
            self._jobs.put(None)
        if self._thread is not None:
            self._thread.join(10)
        if self._folder is not None:
            self._folder.cleanup()

    def _replace(self) -> threading.Event:
        """A newer question replaces the one being answered, and those that still wait."""
        with self._lock:
            self._stop.set()
            self._stop = threading.Event()
            return self._stop

    # The thread ---------------------------------------------------------------------------------

    def _queue(self, job: Callable[[], None]) -> None:
        with self._lock:  # whoever waits for a job put after the end would wait in vain
            if self._is_over:
                raise ClosedError(
                    "the workbench is closed", hint="Make a new one with Workbench()."
                )
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._work, name="relaylab-tuner", daemon=True
                )
                self._thread.start()
            self._jobs.put(job)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except RelayError as error:
                self._tell(status="refused", said=str(error))
            except Exception as error:
                self._tell(status="refused", said=f"{type(error).__name__}: {error}")

    def _sweep(self, content: dict[str, Any], stop: threading.Event) -> None:
        tuning = read_tuning(content)
        self._answer(tuning, self._load(str(content["trace"]), tuning, stop), stop)

    def _answer(self, tuning: Tuning, workload: Workload, stop: threading.Event) -> Shapes:
        """Cell by cell, so that it can be stopped and is seen to move."""
        shapes = Shapes(tuning, workload)
        self._tuning, self._workload, self._state = tuning, workload, {}
        self._tell(status="running", said=repr(workload)[1:-1], **shapes.told())
        told_s = time.monotonic()
        for _ in shapes.simulate(stop):
            if time.monotonic() - told_s > _TELL_EVERY_S:
                told_s = time.monotonic()
                self._tell(status="running", **shapes.told())
        if stop.is_set():
            self._tell(status="stopped", **shapes.told())
            return shapes
        shapes.conclude()
        self._tell(status="done", **shapes.told())
        return shapes

    def _load(self, trace: str, tuning: Tuning, stop: threading.Event) -> Workload:
        if trace == ON_SCREEN:
            return self._shown()
        path = self._drops.get(trace) or self._bundled().get(trace) or Path(trace).expanduser()
        name = path.name

        def told(share: float) -> None:
            self._tell(status="running", said=f"Reading {name}: {share:.0%}", done=0, of=0)
            if stop.is_set():
                raise ConfigError(f"reading {name} was stopped", hint="Press Sweep to read it.")

        self._tell(status="running", said=f"Reading {name}", done=0, of=0)
        return load(path, event_size=tuning.event_size, progress=told)

    def _shown(self) -> Workload:
        workload, _ = self._on_screen()
        if workload is None:
            raise ConfigError(
                "no workload is on screen",
                allowed="a trace",
                hint="Choose a recorded trace, or drop one here.",
            )
        return workload

    def _play_cell(self, content: dict[str, Any]) -> None:
        if self._tuning is None or self._workload is None:
            return
        size, n = int(content["subbuf_size"]), int(content["n_subbufs"])
        self._play(self._tuning, self._workload, size, n)

    # Traces that were dropped -------------------------------------------------------------------

    def _keep(self, content: dict[str, Any], buffers: list[Any]) -> None:
        """One piece of a file that was dropped into the page, in the order of the pieces."""
        name, at = str(content["name"]), int(content["at"])
        if name in ("", "..", ON_SCREEN) or Path(name).name != name or "\0" in name:
            raise ConfigError("name of the dropped trace", passed=name, allowed="a file's own name")
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(
                prefix="relaylab-trace-", ignore_cleanup_errors=True
            )
        path = Path(self._folder.name) / name
        piece = b"".join(bytes(part) for part in buffers)
        if at + len(piece) > _LARGEST_DROP:
            raise ConfigError(
                "dropped trace", passed=name, allowed="up to 1 GiB", hint="Type its path instead."
            )
        self._drops.pop(name, None)  # until it is whole again
        if at and (not path.exists() or path.stat().st_size != at):
            raise ConfigError("dropped trace: a piece is missing", passed=name, hint=_DROP_AGAIN)
        with path.open("ab" if at else "wb") as file:
            file.write(piece)
        if content["last"]:
            self._drops[name] = path
            self._state = {}  # what is shown is of another trace
            self._tell(
                status="", traces=self._traces(), chosen=name, said=f"{name} is here. Press Sweep."
            )

    def _traces(self) -> list[str]:
        return list(dict.fromkeys([ON_SCREEN, *self._bundled(), *self._drops]))

    @staticmethod
    def _bundled() -> dict[str, Path]:
        return {name: resources.trace(name) for name in resources.trace_names()}

    # --------------------------------------------------------------------------------------------

    def _tell_all(self) -> None:
        _, settings = self._on_screen()
        shown = {} if settings is None else typed_for(settings)
        self._tell(traces=self._traces(), shown=shown)

    def _tell(self, **news: Any) -> None:
        self._state |= news
        with contextlib.suppress(Exception):  # the page may be gone
            self._send({"kind": "tuner", **self._state})
