"""The Bokeh figures: occupancy, rates, losses by cause, and the share of padding.

They are built once; after that only their data changes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import bokeh
import numpy as np
from bokeh.core.json_encoder import serialize_json
from bokeh.embed import json_item
from bokeh.models import BasicTicker, ColumnDataSource, CustomJSTickFormatter, FixedTicker, Range1d
from bokeh.models.annotations import Span
from bokeh.plotting import figure

from relaylab.lab.frame import LINES
from relaylab.lab.history import LENGTH, SECONDS


@dataclass(frozen=True)
class Line:
    """A column of the samples as a line: its colour, and a dash as second cue."""

    column: str
    colour: str
    dash: str


_CPU_COLOURS = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#8C7A00",
    "#7F7F7F",
)
_GREY: Final = "#7F7F7F"
_LOST: Final = "#D55E00"
_READY: Final = "#E69F00"

FIGURES: Final = {
    "occupancy": [
        Line(f"occupancy_{i}", _CPU_COLOURS[i], "solid" if i < 4 else "dashed")
        for i in range(LINES)
    ],
    "rate": [
        Line("offered", _GREY, "dashed"),
        Line("written", "#0072B2", "solid"),
        Line("read", "#009E73", "dotdash"),
    ],
    "loss": [
        Line("lost_full", _LOST, "solid"),
        Line("lost_unfull", _READY, "dashed"),
        Line("lost_too_large", "#0072B2", "dotted"),
        Line("overwritten_unread", "#CC79A7", "dotdash"),
    ],
    "padding": [Line("padding", "#009E73", "solid")],
}
"""The lines of each figure."""

MOST_PERIODS: Final = 256
"""Shaded periods of a kind that the page shows at most."""

MOST_OCCURRENCES: Final = 128
"""Likewise of the signs that mark an occurrence."""

PERIODS: Final = {"full": _LOST, "unfull": _READY}
"""Periods and their colours."""

OCCURRENCES: Final = {"delivered": ("inverted_triangle", "#009E73"), "flushed": ("diamond", _GREY)}
"""What is marked in the figure of occupancy: by which sign, in which colour."""

_JUST_NOW: Final = -1e-6
"""The last tick of the live axis, told from the 0 at which virtual time begins."""

_TICKS: Final = (-20, -15, -10, -5, _JUST_NOW)

_TIMES: Final = """
if (tick < 0) return tick > -0.001 ? "now" : `\u2212${-tick} s`;
return tick < 1 ? `${+(tick * 1000).toPrecision(3)} ms` : `${+tick.toPrecision(3)} s`;
"""

_PERCENT: Final = "return `${+(tick * 100).toPrecision(3)} %`;"

_SHORT_NUMBERS: Final = """
const size = Math.abs(tick);
const short = (n) => String(+n.toPrecision(3));
if (size >= 1e6) return short(tick / 1e6) + " M";
if (size >= 1e3) return short(tick / 1e3) + " k";
return short(tick);
"""

_WHOLE: Final = 'return Number.isInteger(tick) ? String(tick) : "";'

_VALUES: Final = {"occupancy": _WHOLE, "padding": _PERCENT}


def bokeh_script() -> bytes:
    """BokehJS as installed: the page gets it from the kernel, never from a network."""
    return (Path(bokeh.__file__).parent / "server/static/js/bokeh.min.js").read_bytes()


def bokeh_version() -> str:
    """The version that `bokeh_script` and `series_items` belong to."""
    return str(bokeh.__version__)


def series_items() -> dict[str, str]:
    """The figures as JSON for ``Bokeh.embed.embed_item``, by their names in `FIGURES`."""
    return {name: _item(name, lines) for name, lines in FIGURES.items()}


def legend() -> dict[str, list[tuple[str, str, str]]]:
    """Column, colour and dash of each line, for the page's own legends."""
    return {
        name: [(line.column, line.colour, line.dash) for line in lines]
        for name, lines in FIGURES.items()
    }


def _add_periods(plot: Any) -> None:
    """Behind the lines: when a buffer was full or unfull; at the top: delivered and flushed."""
    for name, colour in PERIODS.items():
        plot.quad(
            left="left",
            right="right",
            bottom=0,
            top=10_000,  # the range ends below it
            source=_empty(name, ["left", "right"], MOST_PERIODS),
            level="underlay",
            line_color=None,
            fill_color=colour,
            fill_alpha=0.22,
        )
    for name, (sign, colour) in OCCURRENCES.items():
        plot.scatter(
            "x",
            "y",
            marker=sign,
            size=7,
            source=_empty(name, ["x", "y"], MOST_OCCURRENCES),
            line_color=None,
            fill_color=colour,
        )


def bare_figure(x_range: Range1d, y_range: Range1d, **more: Any) -> figure:
    """A figure with nothing but axes, as large as its place, in the page's colours.

    Parameters
    ----------
    x_range, y_range : Range1d
        The page finds them by the names "x_range" and "y_range".
    **more
        What else ``bokeh.plotting.figure`` takes.
    """
    x_range.name, y_range.name = "x_range", "y_range"
    plot = figure(
        name="plot",
        sizing_mode="stretch_both",
        toolbar_location=None,
        x_range=x_range,
        y_range=y_range,
        output_backend="canvas",
        min_border_left=48,
        min_border_right=12,
        min_border_top=6,
        background_fill_alpha=0,
        border_fill_alpha=0,
        outline_line_color=None,
        lod_threshold=None,
        **more,
    )
    plot.toolbar.tools = []  # the page has keys of its own
    plot.xgrid.visible = False
    plot.axis.minor_tick_line_color = None
    return plot


def _empty(name: str, columns: list[str], length: int) -> ColumnDataSource:
    """Columns of a fixed length: the page writes into them in place."""
    data: dict[str, Any] = {column: np.full(length, np.nan) for column in columns}
    return ColumnDataSource(data, name=name)


def _item(name: str, lines: list[Line]) -> str:
    columns = ["t_s", *(line.column for line in lines)]
    source = _empty("source", columns, LENGTH)
    plot = bare_figure(Range1d(start=-SECONDS, end=0), Range1d(start=0, end=1))
    for line in lines:
        look: dict[str, Any] = {
            "line_color": line.colour,
            "line_dash": line.dash,
            "line_width": 1.5,
        }
        plot.line("t_s", line.column, source=source, name=line.column, **look)
    if name == "occupancy":
        _add_periods(plot)
        plot.add_layout(
            Span(
                name="capacity",
                location=1,
                dimension="width",
                line_color="#D55E00",
                line_dash="dashed",
                line_width=1.2,
            )
        )
    for mark in ("now", "mark_a", "mark_b"):
        plot.add_layout(Span(name=mark, dimension="height", line_color=_GREY, visible=False))
    plot.xaxis.ticker = FixedTicker(ticks=list(_TICKS), name="x_ticker")
    plot.xaxis.formatter = CustomJSTickFormatter(code=_TIMES)
    plot.yaxis.ticker = BasicTicker(desired_num_ticks=3)  # on a laptop more would overlap
    plot.yaxis.formatter = CustomJSTickFormatter(code=_VALUES.get(name, _SHORT_NUMBERS))
    return serialize_json(json_item(plot))
