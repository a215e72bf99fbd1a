"""The controls: ipywidgets for channel, writers, readers and time."""

import ipywidgets as widgets

from relaylab import units
from relaylab.lab.presets import Preset
from relaylab.lab.settings import (
    MAX_CPUS,
    MAX_SUBBUFS,
    Settings,
    exact_size,
    format_speed,
    parse_speed,
)

LIVE, VIRTUAL = "live", "virtual"


class Controls(widgets.HBox):
    """Inputs and buttons. They only hold and tell what a person wants; the session does it."""

    def __init__(self, presets: list[Preset]) -> None:
        self.presets = presets
        self._own_rate = ""
        self.open_channel = _button(
            "Open", "rl-open", "Open a channel with these sizes; closes the old one"
        )
        self.flush = _button("Flush", "rl-flush", "relay_flush: produce every open sub-buffer")
        self.reset = _button("Reset", "rl-reset", "relay_reset: start every buffer again")
        self.close_channel = _button("Close", "rl-close", "relay_close: end the channel")
        self.attach = _button("Attach", "rl-attach-reader", "One more reader, through a mapping")
        self.detach = _button("Detach", "rl-detach-reader", "Take the last reader away")
        self.subbuf_size = _input(
            widgets.Text(continuous_update=False),
            "sub-buffer size",
            "rl-subbuf-size",
            "Bytes of a sub-buffer: 4 KiB, 64k, 1000",
        )
        self.n_subbufs = _input(
            widgets.BoundedIntText(min=1, max=MAX_SUBBUFS, continuous_update=False),
            "sub-buffers",
            "rl-n-subbufs",
            "Sub-buffers of each CPU's buffer",
        )
        self.n_cpus = _input(
            widgets.BoundedIntText(min=1, max=MAX_CPUS, continuous_update=False),
            "CPUs",
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
                _group("Writers", self.preset, self.rate),
                _group("Readers", self.attach, self.detach),
                _group("Time", self.time_mode),
            ]
        )
        self.add_class("rl-controls")

    @property
    def sizes(self) -> list[widgets.DOMWidget]:
        """The inputs that take effect with the next open."""
        return [self.subbuf_size, self.n_subbufs, self.n_cpus, self.overwrite]

    @property
    def chosen(self) -> Preset:
        """The preset in the menu."""
        return self.presets[int(self.preset.value)]

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
        self.show_rate(settings.rate, own_rate)

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
        return Settings(
            subbuf_size=units.parse_bytes(self.subbuf_size.value, "sub-buffer size"),
            n_subbufs=self.n_subbufs.value,
            n_cpus=self.n_cpus.value,
            overwrite=self.overwrite.value,
            rate=self.parse_rate(self.rate.value),
            reader=self.chosen.settings.reader,
        )

    def parse_rate(self, text: str) -> float:
        """The rate a text means; what was shown as the workload's own pace means that: 0."""
        return 0.0 if text.strip() == self._own_rate else parse_speed(text)


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
