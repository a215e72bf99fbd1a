"""What a person does on the page: controls, messages of the view, and what they show in turn."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from relaylab.errors import ConfigError, RelayError
from relaylab.lab import figures
from relaylab.lab.controls import Controls
from relaylab.lab.library import REQUESTS
from relaylab.lab.scenario import LIVE, VIRTUAL
from relaylab.lab.settings import ReaderModel, Settings

if TYPE_CHECKING:
    from relaylab.lab.library import Sharing
    from relaylab.lab.session import Session
    from relaylab.lab.tuner import Tuner
    from relaylab.lab.view import View

_PASSED_ON: Final = {
    "predict",
    "reveal",
    "go_on",
    "select",
    "play",
    "pause",
    "toggle",
    "move",
    "scrub",
    "step",
    "goto",
    "go_to_loss",
    "go_to_mark",
    "set_mark",
    "clear_marks",
    "set_speed",
    "stop_at",
    "detach",
    "pause_reader",
}


class Answering:
    """The part of a workbench that answers a person; `Workbench` is the rest.

    What is wrong is told in the caption and marked at its input: nobody is there to catch an error.
    """

    _controls: Controls
    _session: "Session"
    _sharing: "Sharing"
    _tuner: "Tuner"
    _view: "View"
    _reader: ReaderModel | None
    _is_showing: bool

    if TYPE_CHECKING:  # of `Workbench`

        def _open(
            self, settings: Settings, *, only_if_open: bool = False, may_be_replaced: bool = False
        ) -> Any: ...

        def _own_rate(self, n_cpus: int) -> float: ...

    def _connect(self) -> None:
        controls, session = self._controls, self._session
        controls.open_channel.on_click(lambda _: self._guarded(self._open_as_shown))
        controls.flush.on_click(lambda _: session.do("flush"))
        controls.reset.on_click(lambda _: session.do("reset"))
        controls.close_channel.on_click(lambda _: session.do("close"))
        controls.attach.on_click(lambda _: self._guarded(self._attach_as_shown))
        controls.detach.on_click(lambda _: session.do("detach"))
        controls.preset.observe(lambda _: self._guarded(self._take_preset), "value")
        controls.rate.observe(lambda _: self._guarded(self._take_rate), "value")
        for text in (controls.latency, controls.speed):
            text.observe(lambda _: self._hint_reader(), "value")
        for size in controls.sizes:
            size.observe(lambda _: self._hint(), "value")
        controls.time_mode.observe(lambda _: self._change_time(), "value")

    def _take_message(self, _: Any, content: dict[str, Any], buffers: list[Any]) -> None:
        """A message of the view, on any thread; only links and presets wait for an answer."""
        what = content.pop("do", "")
        view = content.pop("view", "")
        n = content.pop("n", 0)
        if what in ("hello", "hear", "goodbye", "visible", "painted", "export", "show_code"):
            self._session.do(what, view=view, **content)
        elif what in _PASSED_ON:
            self._session.do(what, **content)
        elif what in REQUESTS:
            self._guarded(lambda: self._sharing.take(what, {**content, "of": view}))
        elif what == "open":
            self._guarded(lambda: self._open_typed(content))
        elif what == "attach":
            self._guarded(lambda: self._attach_typed(content))
        elif what == "ping" and self._session.is_alive:
            self._view.send({"kind": "beat", "status": self._session.status})
        elif what.startswith("tuner_"):
            self._tuner.take(what, content, buffers)
        elif what == "bokeh":
            self._view.send({"kind": "bokeh"}, [figures.bokeh_script()])
        if n:
            self._session.do("done", view=view, n=n)

    # What the session tells, on its thread ------------------------------------------------------

    def _show_status(self, status: str) -> None:
        """Buttons that can do nothing now say so."""
        is_open = status not in ("closed", "disconnected", "error")
        for button in self._controls.needing_a_channel:
            button.disabled = not is_open

    def _show_time(self, virtual: bool) -> None:
        self._controls.time_mode.value = VIRTUAL if virtual else LIVE

    # What a person does with the controls -------------------------------------------------------

    def _show(self, settings: Settings) -> None:
        """Put settings that are allowed into the inputs; they are the program's, not typed."""
        with self._showing():
            self._controls.show(settings, self._own_rate(settings.n_cpus))
        self._session.do("mark", wrong={})

    @contextmanager
    def _showing(self) -> Iterator[None]:
        """What is put into the inputs meanwhile was not typed by a person."""
        self._is_showing = True
        try:
            yield
        finally:
            self._is_showing = False

    def _guarded(self, action: Any) -> None:
        """What a person typed may be wrong: the caption says so."""
        try:
            action()
        except RelayError as error:
            self._session.do("say", text=str(error))

    def _open_typed(self, typed: dict[str, Any]) -> None:
        """Open was pressed in a page whose inputs show this."""
        with self._showing():
            not_taken = self._controls.take(typed)
        self._open_as_shown(not_taken)

    def _open_as_shown(self, not_taken: dict[str, ConfigError] | None = None) -> None:
        if self._mark(not_taken, tell=True):
            return
        settings = self._controls.settings()
        self._show(settings)
        self._open(settings, may_be_replaced=True)

    def _attach_typed(self, typed: dict[str, Any]) -> None:
        """Attach was pressed in a page whose inputs show this."""
        with self._showing():
            self._controls.take_reader(typed)
        self._attach_as_shown()

    def _attach_as_shown(self) -> None:
        if self._mark(tell=False).keys() & {"rl-reader-latency", "rl-reader-speed"}:
            self._mark(tell=True)
            return
        self._session.do("attach", wish=self._controls.wish())

    def _hint_reader(self) -> None:
        """Readers that are attached stay as they are."""
        if not self._is_showing and not self._mark():
            text = "That is for the readers you attach from now on; the others keep their pace."
            self._session.do("say", text=text)

    def _mark(
        self, not_taken: dict[str, ConfigError] | None = None, *, tell: bool = False
    ) -> dict[str, ConfigError]:
        """Mark every input that is wrong, and say why; returns them."""
        wrong = self._controls.wrong() | (not_taken or {})
        texts = {name: str(error) for name, error in wrong.items()}
        self._session.do("mark", wrong=texts, tell=tell)
        return wrong

    def _change_time(self) -> None:
        """Rates mean something else in virtual time, so each kind of time begins with its own."""
        if self._is_showing:
            return
        run = self._session.run
        n_cpus = self._controls.chosen.settings.n_cpus if run is None else run.settings.n_cpus
        with self._showing():
            self._controls.show_rate(0.0, self._own_rate(n_cpus))
        self._mark()
        self._session.do("set_time", virtual=self._controls.time_mode.value == VIRTUAL)

    def _take_preset(self) -> None:
        if self._is_showing:
            return
        self._show_preset()
        self._open(self._controls.settings(), only_if_open=True)

    def _show_preset(self) -> None:
        """Put all that the chosen preset says into the inputs."""
        with self._showing():
            self._controls.time_mode.value = self._controls.chosen.time
        self._show(self._preset_settings())

    def _say(self, text: str) -> None:
        self._session.do("say", text=text)

    def _preset_settings(self) -> Settings:
        """What the chosen preset opens, with the reader that the program asked for."""
        settings = self._controls.chosen.settings
        if self._reader is None:
            return settings
        return dataclasses.replace(settings, reader=self._reader)

    def _hint(self) -> None:
        """Sizes that differ from the channel's wait for an open; wrong ones are told at once."""
        if self._is_showing or self._mark():
            return
        wanted, run = self._controls.settings(), self._session.run
        if run is None or run.is_over:
            return
        now = run.settings
        if (wanted.subbuf_size, wanted.n_subbufs, wanted.n_cpus, wanted.overwrite) != (
            now.subbuf_size,
            now.n_subbufs,
            now.n_cpus,
            now.overwrite,
        ):
            self._session.do("say", text="Press Open for a channel with the new sizes.")

    def _take_rate(self) -> None:
        controls = self._controls
        if self._is_showing or "rl-rate" in self._mark():
            return
        self._session.do("set_rate", rate=controls.parse_rate(controls.rate.value))
