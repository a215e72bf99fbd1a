"""The workbench: controls, the view and the session behind them, as one widget."""

import dataclasses
import math
import os
from pathlib import Path
from typing import Any, Self

import ipywidgets as widgets

from relaylab import units
from relaylab.channel.channel import Channel
from relaylab.errors import ConfigError
from relaylab.lab import presets
from relaylab.lab.answering import Answering
from relaylab.lab.attached import AttachedChannel, AttachedRun
from relaylab.lab.beginning import begin
from relaylab.lab.controls import Controls
from relaylab.lab.driving import Driving
from relaylab.lab.library import Library, Sharing
from relaylab.lab.live import LiveRun
from relaylab.lab.scenario import LIVE, VIRTUAL, Scenario, scenario_of
from relaylab.lab.session import Session
from relaylab.lab.settings import FULL_SPEED, ReaderModel, Settings, exact_size, is_above_0
from relaylab.lab.shapes import MOST_PLAYED, Shapes, Tuning
from relaylab.lab.stepcode import StepCode
from relaylab.lab.tuner import Tuner
from relaylab.lab.view import View
from relaylab.lab.virtual import DEFAULT_RATE, VirtualRun
from relaylab.workload import Workload

_WAIT_S = 120.0


class Workbench(Answering, Driving, widgets.VBox):
    """relayfs at work, live. Displaying it is enough.

    Parameters
    ----------
    channel : Channel, optional
        A channel of your own to look at. None: the workbench opens one. For one of another
        process see `attach`.
    workload : Workload or str, optional
        What its writers offer, over and over; a str is the path of a trace. None: the bundled
        LTTng trace, or nothing if a channel is given.
    subbuf_size : int or str, optional
        Bytes of a sub-buffer, "8 KiB". None: what suits the workload.
    n_subbufs, n_cpus : int, optional
        Sub-buffers of a buffer; buffers of the channel.
    overwrite : bool, optional
        Overwrite the oldest instead of losing the newest.
    speed : float, optional
        Multiple of the workload's own pace; ``math.inf`` is full speed.
    reader : ReaderModel, optional
        Who drains the channel. None: as suits the workload.
    scenario : Scenario, str or path-like, optional
        What to show instead: a scenario, a link to one, or the path of its file.
    preset : str, optional
        What to show instead: the preset of this name, or the only one with this in its name.
    virtual : bool, optional
        Begin in virtual time, or in real time. None: as the preset says.
    wall : bool
        Begin in the layout for a projector: caption and map large.
    caption : str, optional
        What the caption says at first. None: what was opened.

    Attributes
    ----------
    channel : Channel
        The channel on screen.
    state : dict
        What the page shows, taken now: status, mode, position (events), moves, t_ns, speed,
        stop_at, marks, caption, produced, consumed, offset, unfull and totals.

    Examples
    --------
    >>> wb = Workbench(subbuf_size="4 KiB", n_subbufs=8)  # doctest: +SKIP
    >>> wb.state["totals"]["written"]  # doctest: +SKIP

    Without a browser, in virtual time:

    >>> wb.open(virtual=True)  # doctest: +SKIP
    >>> wb.run_until("loss")  # doctest: +SKIP
    >>> wb.step(-1, by="transition")  # doctest: +SKIP
    >>> wb.record().journal  # doctest: +SKIP
    """

    def __init__(
        self,
        channel: Any | None = None,
        workload: Workload | str | Path | None = None,
        *,
        subbuf_size: int | str | None = None,
        n_subbufs: int | None = None,
        n_cpus: int | None = None,
        overwrite: bool | None = None,
        speed: float | None = None,
        reader: ReaderModel | None = None,
        scenario: Scenario | str | os.PathLike[str] | None = None,
        preset: str | None = None,
        virtual: bool | None = None,
        wall: bool = False,
        caption: str | None = None,
    ) -> None:
        self._library = Library(_first_presets(workload, scenario, preset))
        self._controls = Controls(self._library.scenarios)
        if preset is not None:
            self._controls.offer(self._library.scenarios, self._library.find(preset))
        self._view = View(preset_groups=self._library.groups)
        super().__init__([self._controls, self._view])
        self.add_class("rl-workbench")
        if wall:
            self.add_class("rl-wall")
        self._is_showing = False
        self._session = Session(self._view.send, self._show_status, self._show_time)
        self._tuner = Tuner(self._view.send, self._on_screen, self._play_shape)
        self._view.on_msg(self._take_message)
        self._connect()
        self._sharing = Sharing(self, self._view.send, self._say)
        self._reader = reader
        try:
            self._show_preset()
            if isinstance(channel, AttachedChannel):
                self._attach_to(channel)
            elif channel is not None:
                self._watch(channel, workload)
            else:
                self.open(
                    subbuf_size=subbuf_size,
                    n_subbufs=n_subbufs,
                    n_cpus=n_cpus,
                    overwrite=overwrite,
                    speed=speed,
                    virtual=virtual,
                )
            for text in [*self._library.wrong, *([] if caption is None else [caption])]:
                self._session.do("say", text=text, hold=True)
        except BaseException:
            self.close()
            raise

    # What the user's Python may call ----------------------------------------------------------

    @classmethod
    def attach(cls, path: str | os.PathLike[str]) -> Self:
        """A workbench that watches a channel of another process, read-only.

        Parameters
        ----------
        path : str or path-like
            The file of any of the channel's buffers, as `relaylab.mounts` tells.

        Returns
        -------
        Workbench
            Closing it detaches it. It shows ``closed`` once the channel is closed, and
            ``disconnected`` if its process went away without that.

        Raises
        ------
        FileError, ResourceError
            As `relaylab.open_file`.
        """
        channel = AttachedChannel(path)
        try:
            return cls(channel)
        except BaseException:
            channel.close()
            raise

    @property
    def channel(self) -> Any:
        """The channel on screen; in virtual time that one's own."""
        run = self._session.run
        return None if run is None else run.channel

    def __repr__(self) -> str:
        # A notebook shows the widget itself; this is for lists and plain terminals.
        if not self._is_up:
            return "<Workbench that is being made>"
        state = self._session.state()
        return f"<Workbench {state['status']}, {state['mode']} time, on {self.channel!r}>"

    @property
    def state(self) -> dict[str, Any]:
        """What the page shows, as numbers, taken now."""
        return self._session.state()

    def open(
        self,
        *,
        subbuf_size: int | str | None = None,
        n_subbufs: int | None = None,
        n_cpus: int | None = None,
        overwrite: bool | None = None,
        rate: float | str | None = None,
        speed: float | None = None,
        virtual: bool | None = None,
    ) -> None:
        """Open a channel and start its writers and reader; closes the one that was open.

        In virtual time nothing moves until it is played or stepped.

        Parameters
        ----------
        subbuf_size : int or str, optional
            Bytes of a sub-buffer. None, here and below: as the controls say.
        n_subbufs, n_cpus : int, optional
            Sub-buffers of a buffer; buffers of the channel.
        overwrite : bool, optional
            Overwrite the oldest instead of losing the newest.
        rate : float or str, optional
            Events a second over all CPUs; "max" is full speed.
        speed : float, optional
            The same as a multiple of the workload's own pace.
        virtual : bool, optional
            Virtual time, or real time.

        Raises
        ------
        ConfigError
            A value that is not allowed; what was open stays open.
        """
        if not self._is_up:  # ipywidgets opens its comm by this name, before there is a session
            super().open()
            return
        controls = self._controls
        shown = controls.settings()
        size = shown.subbuf_size
        if subbuf_size is not None:
            size = units.parse_bytes(subbuf_size, "subbuf_size")
        settings = dataclasses.replace(
            shown,
            subbuf_size=size,
            n_subbufs=shown.n_subbufs if n_subbufs is None else n_subbufs,
            n_cpus=shown.n_cpus if n_cpus is None else n_cpus,
            overwrite=shown.overwrite if overwrite is None else bool(overwrite),
        )
        shows_virtual = controls.time_mode.value == VIRTUAL
        wants_virtual = shows_virtual if virtual is None else bool(virtual)
        if wants_virtual != shows_virtual:  # a rate means something else there
            settings = dataclasses.replace(settings, rate=0.0)
        if rate is not None:
            settings = dataclasses.replace(settings, rate=controls.parse_rate(str(rate)))
        if speed is not None:
            settings = dataclasses.replace(settings, rate=self._rate_of(speed, settings.n_cpus))
        with self._showing():
            controls.time_mode.value = VIRTUAL if wants_virtual else LIVE
        self._show(settings)
        self._open(settings).result(_WAIT_S)

    def tune(self, tuning: Tuning, workload: Workload | None = None) -> Shapes:
        """Try a workload against many shapes; the page's tuner shows the answer, too.

        Parameters
        ----------
        tuning : Tuning
            Which shapes, for which reader.
        workload : Workload, optional
            None: the one on screen.

        Returns
        -------
        Shapes
            Loss by shape, and what follows from it; incomplete if the page stopped it.

        Raises
        ------
        ConfigError
            Nothing is on screen, or there is no such tuning or workload.
        ClosedError
            The workbench is closed.
        """
        return self._tuner.sweep(tuning, workload)

    def code(self) -> StepCode:
        """What the engine's state machine ran in the last step of virtual time.

        The step runs once more as plain Python on a copy of the buffer, line by line.

        Returns
        -------
        StepCode
            A list of (function, line, source) of the lines that ran, in their order; its repr
            shows them in their functions, with branches taken and values changed. Empty before
            the first step.

        Raises
        ------
        RelayError
            Time is live, or no channel is open.
        """
        code: StepCode = self._do("code")
        return code

    def scenario(self, name: str | None = None, lesson: str | None = None) -> Scenario:
        """What is on screen as a scenario, which begins where virtual time stands now.

        Parameters
        ----------
        name, lesson : str, optional
            What to call it and what there is to learn; None: as it was.

        Raises
        ------
        ConfigError
            The events are another program's, or a name or lesson that is not allowed.
        """
        made: Scenario = self._do("scenario", name=name, lesson=lesson)
        return made

    def show(self, scenario: Scenario | str | os.PathLike[str]) -> None:
        """Open a scenario, and keep it in the menu as long as the workbench lives.

        Parameters
        ----------
        scenario : Scenario, str or path-like
            A scenario, a link to one, or the path of its file.

        Raises
        ------
        ConfigError, FileError
            It cannot be read, or its trace is not here; what was open stays open.
        """
        made = dataclasses.replace(scenario_of(scenario), group=presets.YOURS)
        made.workload(made.settings.n_cpus)  # a trace that is not here is told now
        self.keep(made)
        self._show_preset()
        self._open(self._controls.settings()).result(_WAIT_S)

    def keep(self, scenario: Scenario) -> None:
        """Choose a scenario in the menu, which has it from now on, without opening it."""
        chosen = self._library.add(scenario)
        with self._showing():
            self._controls.offer(self._library.scenarios, chosen)
        self._view.preset_groups = self._library.groups

    def close(self) -> None:
        """Stop the threads, close the channel the workbench opened, and remove the widget."""
        if self._is_up:
            self._tuner.end()
            self._session.end()
        super().close()

    # ------------------------------------------------------------------------------------------

    @property
    def _is_up(self) -> bool:
        return "_session" in self.__dict__

    # The tuner --------------------------------------------------------------------------------

    def _on_screen(self) -> tuple[Workload | None, Settings | None]:
        run = self._session.run
        return (None, None) if run is None else (run.workload, run.settings)

    def _play_shape(
        self, tuning: Tuning, workload: Workload, subbuf_size: int, n_subbufs: int
    ) -> None:
        """Show in virtual time what the tuner simulated, from the first loss on."""
        settings, events = tuning.played(workload, subbuf_size, n_subbufs)
        with self._showing():
            self._controls.time_mode.value = VIRTUAL
        self._show(settings)
        name = f"{workload.name}, tuned"
        told = f"The run that the tuner simulated with {exact_size(subbuf_size)} × {n_subbufs}."
        self._session.do(
            "open",
            make=lambda: VirtualRun(settings, events, name, most_events=MOST_PLAYED),
            told=told,
            is_virtual=True,
        )
        self._session.do("go_to_loss", by=1)

    # Opening ------------------------------------------------------------------------------------

    def _open(
        self, settings: Settings, *, only_if_open: bool = False, may_be_replaced: bool = False
    ) -> Any:
        preset = self._controls.chosen
        workload = self._workload(settings.n_cpus)
        is_virtual = self._controls.time_mode.value == VIRTUAL

        def make() -> Any:
            return begin(preset, settings, workload, is_virtual)

        return self._session.do(
            "open",
            make=make,
            told=f"{preset.name}: the channel is open.",
            is_virtual=is_virtual,
            only_if_open=only_if_open,
            may_be_replaced=may_be_replaced,
        )

    def _attach_to(self, channel: AttachedChannel) -> None:
        self._controls.only_watch(channel.path, channel.pid)
        told = f"Attached to a channel of process {channel.pid}: what it does is shown here."
        self._session.do("open", make=lambda: AttachedRun(channel), told=told).result(_WAIT_S)

    def _watch(self, channel: Any, workload: Workload | str | Path | None) -> None:
        if not isinstance(channel, Channel):
            raise ConfigError(
                "channel",
                passed=channel,
                allowed="a Channel of this process, as relay_open returns it",
                hint="Workbench.attach(path) watches one of another process.",
            )
        settings = Settings(
            subbuf_size=channel.subbuf_size,
            n_subbufs=channel.n_subbufs,
            n_cpus=channel.n_cpus,
            overwrite=bool(channel.overwrite),
            reader=self._reader or self._controls.chosen.settings.reader,
        )
        self._show(settings)
        offered = None if workload is None else self._workload(settings.n_cpus)
        name = "" if offered is None else self._controls.chosen.name

        def make() -> Any:
            return LiveRun(settings, offered, name, channel)

        told = (
            f"Watching the channel {channel.name!r}: what your program does with it is shown here."
        )
        self._session.do("open", make=make, told=told).result(_WAIT_S)

    def _rate_of(self, speed: float, n_cpus: int) -> float:
        if not is_above_0(speed):
            raise ConfigError("speed", passed=speed, allowed="more than 0; inf is full speed")
        if speed == 1:
            return 0.0
        return FULL_SPEED if math.isinf(speed) else speed * self._own_rate(n_cpus)

    def _own_rate(self, n_cpus: int) -> float:
        """Events a second of the workload on so many CPUs; in virtual time a pace to follow."""
        if self._controls.time_mode.value == VIRTUAL:
            return DEFAULT_RATE
        return self._workload(n_cpus).rate or 1.0

    def _workload(self, n_cpus: int) -> Workload:
        return self._controls.chosen.workload(n_cpus)


def _first_presets(
    workload: Workload | str | os.PathLike[str] | None,
    scenario: Scenario | str | os.PathLike[str] | None,
    preset: str | None,
) -> list[Scenario]:
    """What the program asked for, before what comes along."""
    if sum(given is not None for given in (workload, scenario, preset)) > 1:
        raise ConfigError(
            "a scenario, or preset, has a workload of its own", hint="Give one of these only."
        )
    if scenario is not None:
        return [dataclasses.replace(scenario_of(scenario), group=presets.YOURS)]
    if workload is None:
        return []
    if isinstance(workload, Workload):
        return [presets.preset_of_workload(workload)]
    if not isinstance(workload, str | os.PathLike):
        raise ConfigError("workload", passed=workload, allowed="a Workload, or a trace's path")
    return [presets.preset_of_trace(Path(workload))]
