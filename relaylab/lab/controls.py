"""The controls: ipywidgets for channel, time, writers and readers."""

from collections.abc import Callable
from typing import Any, Final

import ipywidgets as widgets

from relaylab import units
from relaylab.errors import ConfigError
from relaylab.lab.readers import Wish
from relaylab.lab.scenario import LIVE, VIRTUAL, Scenario
from relaylab.lab.settings import (
    ReaderModel,
    Settings,
    check_limits,
    exact_size,
    format_bandwidth,
    format_speed,
    parse_bandwidth,
    parse_latency,
    parse_speed,
)

_UNSEEN: Final = ("header", "store_padding", "commit_delay", "rules")

# The names that a person reads beside the inputs; the errors use the same.
_SUBBUF_SIZE: Final = "sub-buffer size"
_N_SUBBUFS: Final = "sub-buffers"
_N_CPUS: Final = "CPUs"


class Controls(widgets.HBox):
    """Inputs and buttons. They only hold and tell what a person wants; the session does it."""

    def __init__(self, presets: list[Scenario]) -> None:
        self.presets = presets
        self._own_rate = ""
        self.open_channel = _button(
            "Open", "rl-open", "Open a channel with these sizes; closes the old one"
        )
        self.flush = _button("Flush", "rl-flush", "relay_flush: produce every open sub-buffer")
        self.reset = _button("Reset", "rl-reset", "relay_reset: start every buffer again")
        self.close_channel = _button("Close", "rl-close", "relay_close: end the channel")
        self.attach = _button(
            "Attach", "rl-attach-reader", "One more reader like this; it maps every buffer"
        )
        self.detach = _button(
            "Detach", "rl-detach-reader", "Take away the reader that was attached last"
        )
        self.reader_where = _input(
            widgets.Dropdown(options=[("this process", False), ("second process", True)]),
            "where",
            "rl-reader-where",
            "Where the next reader runs: here, or as a process of its own that opens the files",
        )
        self.reader_does = _input(
            widgets.Dropdown(options=[("consumes", True), ("watches", False)]),
            "does",
            "rl-reader-does",
            "Whether the next reader consumes what it reads, or leaves it to others",
        )
        self.latency = _input(
            widgets.Text(continuous_update=False),
            "latency",
            "rl-reader-latency",
            "How long the next reader needs from something being ready to running: 200 us",
        )
        self.speed = _input(
            widgets.Text(continuous_update=False),
            "speed",
            "rl-reader-speed",
            "How fast the next reader reads: 2 GB/s, or max. Readers that are attached keep theirs",
        )
        self._per_subbuf_ns = 0
        self._unseen: dict[str, Any] = {}  # settings that have no input
        self.subbuf_size = _input(
            widgets.Text(continuous_update=False),
            _SUBBUF_SIZE,
            "rl-subbuf-size",
            "Bytes of a sub-buffer: 4 KiB, 64k, 1000",
        )
        self.n_subbufs = _input(
            widgets.IntText(continuous_update=False),  # a bounded one would change what was typed
            _N_SUBBUFS,
            "rl-n-subbufs",
            "Sub-buffers of each CPU's buffer",
        )
        self.n_cpus = _input(
            widgets.IntText(continuous_update=False),
            _N_CPUS,
            "rl-n-cpus",
            "Buffers of the channel; may exceed the machine's CPUs",
        )
        self.overwrite = widgets.Checkbox(description="overwrite", indent=False)
        self.overwrite.add_class("rl-overwrite")
        self.overwrite.tooltip = (
            "Flight recorder: overwrite the oldest instead of losing the newest"
        )
        self.preset = _input(
            widgets.Dropdown(options=[(preset.name, i) for i, preset in enumerate(presets)]),
            "workload",
            "rl-preset",
            "Workload with sizes and a reader that fit it",
        )
        self.rate = _input(
            widgets.Text(continuous_update=False),
            "rate",
            "rl-rate",
            "Events a second over all CPUs: 100 k/s, or max; in virtual time those stepped",
        )
        self.time_mode = _input(
            widgets.Dropdown(options=[("live", LIVE), ("virtual, step by step", VIRTUAL)]),
            "time",
            "rl-time-mode",
            "Real time, or virtual time that goes both ways",
        )
        super().__init__(
            [
                _group(
                    "Channel",
                    self.subbuf_size,
                    self.n_subbufs,
                    self.n_cpus,
                    self.overwrite,
                    self.open_channel,
                    self.flush,
                    self.reset,
                    self.close_channel,
                ),
                _group("Time", self.time_mode),
                _group("Writers", self.preset, self.rate),
                _group(
                    "Readers",
                    self.reader_where,
                    self.reader_does,
                    self.latency,
                    self.speed,
                    self.attach,
                    self.detach,
                ),
            ]
        )
        self.add_class("rl-controls")

    def only_watch(self, path: str, pid: int) -> None:
        """Leave nothing but what can be done with a channel of another process."""
        whose = widgets.Label(f"{path}, of process {pid}, read-only: only that program changes it")
        whose.add_class("rl-attached-to")
        self.close_channel.description = "Stop watching"
        self.close_channel.tooltip = "Close its file; the channel goes on"
        self.children = [_group("Attached to", whose, self.close_channel)]

    @property
    def sizes(self) -> list[widgets.DOMWidget]:
        """The inputs that take effect with the next open."""
        return [self.subbuf_size, self.n_subbufs, self.n_cpus, self.overwrite]

    @property
    def needing_a_channel(self) -> list[widgets.Button]:
        """The buttons that can do nothing while no channel is open."""
        return [self.flush, self.reset, self.close_channel, self.attach, self.detach]

    @property
    def chosen(self) -> Scenario:
        """The preset in the menu."""
        return self.presets[int(self.preset.value)]

    def offer(self, presets: list[Scenario], chosen: int) -> None:
        """Put other presets into the menu, and choose one of them."""
        self.presets = presets
        self.preset.options = [(preset.name, i) for i, preset in enumerate(presets)]
        self.preset.value = chosen

    def show(self, settings: Settings, own_rate: float) -> None:
        """Put settings into the inputs.

        Parameters
        ----------
        settings : Settings
            What to show.
        own_rate : float
            Events a second at the workload's own pace, which a rate of 0 stands for.
        """
        self.subbuf_size.value = exact_size(settings.subbuf_size)
        self.n_subbufs.value = settings.n_subbufs
        self.n_cpus.value = settings.n_cpus
        self.overwrite.value = settings.overwrite
        self.latency.value = units.format_duration(settings.reader.latency_ns)
        self.speed.value = format_bandwidth(settings.reader.bytes_per_s)
        self._per_subbuf_ns = settings.reader.per_subbuf_ns
        self._unseen = {name: getattr(settings, name) for name in _UNSEEN}
        self.show_rate(settings.rate, own_rate)

    def wish(self) -> Wish:
        """The reader that the inputs describe.

        Raises
        ------
        ConfigError
            A latency or speed that is not allowed.
        """
        return Wish(self._reader(), bool(self.reader_does.value), bool(self.reader_where.value))

    def show_rate(self, rate: float, own_rate: float) -> None:
        """Put a rate into its input; 0 stands for `own_rate`."""
        self._own_rate = format_speed(own_rate)
        self.rate.value = format_speed(rate or own_rate)

    def settings(self) -> Settings:
        """What the inputs say.

        Raises
        ------
        ConfigError
            A text that is no size or no rate, or sizes that are not allowed.
        """
        for error in self.wrong().values():
            raise error
        return self._read(self.parse_rate(self.rate.value), self._reader())

    def wrong(self) -> dict[str, ConfigError]:
        """Why each input that is not allowed is not, by its CSS class."""
        single: dict[str, Callable[[], Any]] = {
            "rl-subbuf-size": lambda: check_limits(
                "subbuf_size",
                units.parse_bytes(self.subbuf_size.value, _SUBBUF_SIZE),
                _SUBBUF_SIZE,
            ),
            "rl-n-subbufs": lambda: check_limits("n_subbufs", self.n_subbufs.value, _N_SUBBUFS),
            "rl-n-cpus": lambda: check_limits("n_cpus", self.n_cpus.value, _N_CPUS),
            "rl-rate": lambda: self.parse_rate(self.rate.value),
            "rl-reader-latency": lambda: parse_latency(self.latency.value),
            "rl-reader-speed": lambda: parse_bandwidth(self.speed.value),
        }
        sizes = list(single)[:3]
        wrong = {name: error for name, check in single.items() if (error := _refusal(check))}
        if not wrong.keys() & set(sizes) and (error := _refusal(self._memory)):
            wrong |= dict.fromkeys(sizes, error)
        return wrong

    def take(self, typed: dict[str, Any]) -> dict[str, ConfigError]:
        """Take what the page's inputs show, which may be newer than what has arrived of them.

        Parameters
        ----------
        typed : dict
            "subbuf_size", "n_subbufs", "n_cpus", "rate", "latency", "speed": texts; "overwrite":
            bool.

        Returns
        -------
        dict
            As `wrong`: the texts that are no whole numbers, which were not taken.
        """
        self.subbuf_size.value = str(typed["subbuf_size"])
        self.rate.value = str(typed["rate"])
        self.take_reader(typed)
        self.overwrite.value = bool(typed["overwrite"])
        wrong = {}
        for name, what in (("n_subbufs", _N_SUBBUFS), ("n_cpus", _N_CPUS)):
            text = str(typed[name])
            try:
                getattr(self, name).value = _whole(text)
            except ValueError:
                wrong["rl-" + name.replace("_", "-")] = ConfigError(
                    what, passed=text, allowed="a whole number", hint="Change the input."
                )
        return wrong

    def take_reader(self, typed: dict[str, Any]) -> None:
        """Take the texts "latency" and "speed" that the page shows, and "where" and "does".

        The last two are the numbers of options, and may be missing.
        """
        self.latency.value = str(typed["latency"])
        self.speed.value = str(typed["speed"])
        for menu, name in ((self.reader_where, "where"), (self.reader_does, "does")):
            if name in typed:
                menu.index = int(typed[name])

    def _memory(self) -> Settings:
        return self._read(0.0, ReaderModel())

    def _read(self, rate: float, reader: ReaderModel) -> Settings:
        return Settings(
            subbuf_size=units.parse_bytes(self.subbuf_size.value, _SUBBUF_SIZE),
            n_subbufs=self.n_subbufs.value,
            n_cpus=self.n_cpus.value,
            overwrite=self.overwrite.value,
            rate=rate,
            reader=reader,
            **self._unseen,
        )

    def _reader(self) -> ReaderModel:
        return ReaderModel(
            latency_ns=parse_latency(self.latency.value),
            per_subbuf_ns=self._per_subbuf_ns,
            bytes_per_s=parse_bandwidth(self.speed.value),
        )

    def parse_rate(self, text: str) -> float:
        """The rate a text means; what was shown as the workload's own pace means that: 0."""
        return 0.0 if text.strip() == self._own_rate else parse_speed(text)


def _refusal(check: Callable[[], Any]) -> ConfigError | None:
    try:
        check()
    except ConfigError as error:
        return error
    return None


def _whole(text: str) -> int:
    number = float(text)
    if not number.is_integer():
        raise ValueError(text)
    return int(number)


def _button(label: str, css_class: str, tooltip: str) -> widgets.Button:
    button = widgets.Button(description=label, tooltip=tooltip)
    button.layout.width = "auto"
    button.add_class(css_class)
    return button


def _input(
    widget: widgets.DOMWidget, label: str, css_class: str, tooltip: str
) -> widgets.DOMWidget:
    widget.description = label
    widget.tooltip = tooltip
    widget.style.description_width = "auto"
    widget.layout.width = "auto"
    widget.add_class(css_class)
    return widget


def _group(title: str, *children: widgets.DOMWidget) -> widgets.HBox:
    label = widgets.Label(title)
    label.add_class("rl-group-name")
    group = widgets.HBox([label, *children])
    group.add_class("rl-group")
    return group
