"""The Bokeh figures: occupancy, losses by cause, and rates.

They are built once; after that only their data changes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import bokeh
import numpy as np
from bokeh.core.json_encoder import serialize_json
from bokeh.embed import json_item
from bokeh.models import ColumnDataSource, CustomJSTickFormatter, FixedTicker, Range1d
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

FIGURES: Final = {
    "occupancy": [
        Line(f"occupancy_{i}", _CPU_COLOURS[i], "solid" if i < 4 else "dashed")
        for i in range(LINES)
    ],
    "loss": [
        Line("lost_full", "#D55E00", "solid"),
        Line("lost_unfull", "#E69F00", "dashed"),
        Line("lost_too_large", "#0072B2", "dotted"),
        Line("overwritten_unread", "#CC79A7", "dotdash"),
    ],
    "rate": [Line("offered", _GREY, "dashed"), Line("written", "#0072B2", "solid")],
}
"""The lines of each figure."""

_JUST_NOW: Final = -1e-6
"""The last tick of the live axis, told from the 0 at which virtual time begins."""

_TICKS: Final = (-20, -15, -10, -5, _JUST_NOW)

_TIMES: Final = """
if (tick < 0) return tick > -0.001 ? "now" : `\u2212${-tick} s`;
return tick < 1 ? `${+(tick * 1000).toPrecision(3)} ms` : `${+tick.toPrecision(3)} s`;
"""

_SHORT_NUMBERS: Final = """
const size = Math.abs(tick);
const short = (n) => String(+n.toPrecision(3));
if (size >= 1e6) return short(tick / 1e6) + " M";
if (size >= 1e3) return short(tick / 1e3) + " k";
return short(tick);
"""


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


def _item(name: str, lines: list[Line]) -> str:
    # Columns of a fixed length: the page writes into them in place.
    columns = ["t_s", *(line.column for line in lines)]
    source = ColumnDataSource(
        {column: np.full(LENGTH, np.nan) for column in columns}, name="source"
    )
    plot = figure(
        name="plot",
        sizing_mode="stretch_both",
        toolbar_location=None,
        x_range=Range1d(start=-SECONDS, end=0, name="x_range"),
        y_range=Range1d(start=0, end=1, name="y_range"),
        output_backend="canvas",
        min_border_left=52,
        min_border_right=16,
        min_border_top=6,
        background_fill_alpha=0,
        border_fill_alpha=0,
        outline_line_color=None,
        lod_threshold=None,
    )
    plot.toolbar.tools = []  # the page has keys of its own
    for line in lines:
        look: dict[str, Any] = {
            "line_color": line.colour,
            "line_dash": line.dash,
            "line_width": 1.5,
        }
        plot.line("t_s", line.column, source=source, **look)
    if name == "occupancy":
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
    plot.add_layout(
        Span(name="now", location=0, dimension="height", line_color=_GREY, visible=False)
    )
    plot.xaxis.ticker = FixedTicker(ticks=list(_TICKS), name="x_ticker")
    plot.xaxis.formatter = CustomJSTickFormatter(code=_TIMES)
    plot.yaxis.formatter = CustomJSTickFormatter(code=_SHORT_NUMBERS)
    plot.xgrid.visible = False
    plot.axis.minor_tick_line_color = None
    return serialize_json(json_item(plot))
