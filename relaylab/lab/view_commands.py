"""The session's commands of the views: who is there, sees something, points at something."""

import time
from typing import TYPE_CHECKING, Any, Final

from relaylab.lab.caption import Caption
from relaylab.lab.compose import Composer
from relaylab.lab.flow import Flow
from relaylab.lab.inspector import Inspector

VIEW_COMMANDS: Final = {
    "hear",
    "hello",
    "goodbye",
    "done",
    "visible",
    "painted",
    "select",
    "show_code",
}


class ViewCommands:
    """What a session does with views; the rest of it is `session.Session`."""

    _run: Any | None
    _caption: Caption
    _composer: Composer

    def __init__(self) -> None:
        super().__init__()
        self._flow = Flow()
        self._inspector = Inspector()
        self._done: dict[str, int] = {}
        self._code_views: set[str] = set()
        self._is_unwatched = False

    if TYPE_CHECKING:

        def _point(self, run: Any, cpu: int, subbuf: int) -> None: ...

    def _do_hear(self, view: str) -> None:
        if self._flow.hear(view, time.monotonic()):
            self._welcome()

    def _do_hello(self, view: str) -> None:
        # Frames that are under way stay so: a page behind a slow server must not get even more.
        self._flow.hear(view, time.monotonic())
        self._welcome()

    def _do_goodbye(self, view: str) -> None:
        self._flow.goodbye(view)
        self._done.pop(view, None)
        self._do_show_code(view, False)

    def _do_done(self, view: str, n: int) -> None:
        """All that this view asked for up to its request `n` is done; the next frame says so."""
        self._done[view] = max(n, self._done.get(view, 0))

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
        if self._is_unwatched and run is not None and not run.is_over:
            run.resume()
            self._caption.say("Somebody looks again: playing on.", time.monotonic())
        self._is_unwatched = False

    def _do_select(self, cpu: int, subbuf: int, offset: int = 0) -> None:
        run = self._run
        # The view may not have seen yet that the channel is another, smaller one.
        if run is not None and cpu < run.channel.n_cpus and subbuf < run.channel.n_subbufs:
            self._inspector.select(cpu, subbuf, run, offset)
            if offset == 0:  # else the inspector only turned a page
                self._point(run, cpu, subbuf)

    def _do_show_code(self, view: str, shown: bool) -> None:
        """This view shows the code beside the ring, or no longer."""
        (self._code_views.add if shown else self._code_views.discard)(view)
        run = self._run
        if run is None or not run.is_virtual or run.is_over:
            return
        run.beside.is_shown = bool(self._code_views)
        if shown and not run.is_running:
            run.code()
