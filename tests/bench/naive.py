"""The peer: the same channel shown the usual way, with jupyter_bokeh, stream and patch.

What one writes after reading Bokeh's documentation: a source a figure, made once; `stream` with a
rollover for the curves, `patch` for the cells; a task on the kernel's own loop, thirty times a
second. No more is sent than the workbench sends.
"""

import asyncio
import time
from typing import Any

import numpy as np
from bokeh.layouts import column, row
from bokeh.models import ColumnDataSource, CustomJS
from bokeh.palettes import Colorblind8
from bokeh.plotting import figure
from jupyter_bokeh import BokehModel

FRAMES_A_SECOND = 30
ROLLOVER = 600  # as many samples as the workbench shows
COLOURS = np.array(["#e4e7ea", "#0072b2", "#e69f00", "#d55e00"])  # empty, writing, ready, full
CAUSES = ("lost_full", "lost_unfull", "lost_too_large")
# Bokeh paints on the next animation frame, before what is asked for it later; what came in between
# is one painted frame.
PAINTED = """
window.painted_sent = source.data.sent_ms[source.data.sent_ms.length - 1];
window.painted_due ??= requestAnimationFrame(() => {
  window.painted_due = undefined;
  window.painted?.(window.painted_sent);
});
"""


class Naive:
    """Ring map, occupancy, rates and losses of a channel.

    Parameters
    ----------
    channel : Channel
        Open.
    """

    def __init__(self, channel: Any) -> None:
        self._channel = channel
        self._begin_s = time.monotonic()
        self._before: tuple[float, Any] = (0.0, channel.stats)
        n_cpus, n = channel.n_cpus, channel.n_subbufs
        cells = n_cpus * n
        self._cells = ColumnDataSource(
            {
                "subbuf": np.tile(np.arange(n), n_cpus),
                "cpu": np.repeat(np.arange(n_cpus), n),
                "bottom": np.repeat(np.arange(n_cpus), n) - 0.45,
                "fill": np.repeat(np.arange(n_cpus), n) - 0.45,
                "colour": np.repeat(COLOURS[:1], cells),
            }
        )
        lines = [f"cpu_{cpu}" for cpu in range(n_cpus)]
        self._occupancy = _source(lines)
        self._rates = _source(["offered", "written"])
        self._losses = _source([*CAUSES, "sent_ms"])
        self._losses.js_on_change(
            "streaming", CustomJS(args={"source": self._losses}, code=PAINTED)
        )
        self.widget = BokehModel(
            column(
                self._map(n_cpus, n),
                row(
                    _figure("unread sub-buffers", self._occupancy, lines),
                    _figure("events a second", self._rates, ["offered", "written"]),
                    _figure("lost a second", self._losses, list(CAUSES)),
                ),
            )
        )

    def _map(self, n_cpus: int, n_subbufs: int) -> Any:
        plot = figure(width=1200, height=40 + 25 * n_cpus, toolbar_location=None)
        plot.rect(
            "subbuf", "cpu", 0.9, 0.9, fill_color="colour", line_color=None, source=self._cells
        )
        plot.vbar(
            x="subbuf",
            width=0.9,
            bottom="bottom",
            top="fill",
            fill_color="black",
            fill_alpha=0.2,
            line_color=None,
            source=self._cells,
        )
        return plot

    def play(self) -> None:
        """Begin to show what happens, for ever."""
        self._task = asyncio.get_event_loop().create_task(self._play())

    async def _play(self) -> None:
        following = time.monotonic()
        while True:
            self.update()
            following = max(following + 1 / FRAMES_A_SECOND, time.monotonic())
            await asyncio.sleep(max(0.0, following - time.monotonic()))

    def update(self) -> None:
        """Show the channel as it is now."""
        channel = self._channel
        snapshot, stats = channel.snapshot(), channel.stats
        now = time.monotonic() - self._begin_s
        produced, consumed = snapshot.subbufs_produced, snapshot.subbufs_consumed
        waiting = np.clip(produced - consumed, 0, channel.n_subbufs)
        self._patch(snapshot, waiting)
        self._occupancy.stream(
            {"t": [now]} | {f"cpu_{cpu}": [int(n)] for cpu, n in enumerate(waiting)}, ROLLOVER
        )
        then, before = self._before
        self._before = (now, stats)
        span = max(now - then, 1e-3)
        rates = {
            name: [(getattr(stats, name) - getattr(before, name)) / span]
            for name in ("offered", "written", *CAUSES)
        }
        self._rates.stream(
            {"t": [now], "offered": rates["offered"], "written": rates["written"]}, ROLLOVER
        )
        self._losses.stream(
            {"t": [now], "sent_ms": [time.time() * 1000]} | {name: rates[name] for name in CAUSES},
            ROLLOVER,
        )

    def _patch(self, snapshot: Any, waiting: Any) -> None:
        channel = self._channel
        n = channel.n_subbufs
        padding = snapshot.padding / channel.subbuf_size
        sequence = np.arange(n)[None, :]
        begin = (snapshot.subbufs_consumed % n)[:, None]
        is_ready = (sequence - begin) % n < waiting[:, None]
        is_open = sequence == snapshot.data_index[:, None]
        fill = np.where(is_ready, 1 - padding, 0.0)
        fill = np.where(is_open, (snapshot.offset / channel.subbuf_size)[:, None], fill)
        state = np.where(is_ready, np.where(waiting[:, None] == n, 3, 2), np.where(is_open, 1, 0))
        everything = slice(0, fill.size)
        cpu = np.repeat(np.arange(channel.n_cpus), n).reshape(fill.shape)
        self._cells.patch(
            {
                "fill": [(everything, (cpu - 0.45 + 0.9 * fill).ravel())],
                "colour": [(everything, COLOURS[state].ravel())],
            }
        )


def _source(columns: list[str]) -> ColumnDataSource:
    return ColumnDataSource({name: [] for name in ["t", *columns]})


def _figure(title: str, source: ColumnDataSource, columns: list[str]) -> Any:
    plot = figure(title=title, width=400, height=180, toolbar_location=None)
    for name, colour in zip(columns, Colorblind8, strict=False):
        plot.line("t", name, source=source, color=colour)
    return plot
