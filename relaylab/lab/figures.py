"""The Bokeh figures: occupancy, losses by cause, and rates. Built once; only their data changes after that."""

from pathlib import Path
from typing import Any

import bokeh
import numpy as np
from bokeh.core.json_encoder import serialize_json
from bokeh.embed import json_item
from bokeh.models import (
    ColumnDataSource,
    CustomJSTickFormatter,
    FixedTicker,
    Range1d,
    Span,
)
from bokeh.plotting import figure

from relaylab.lab.frame import COLUMNS, LINES
from relaylab.lab.history import LENGTH, SECONDS

CPU_COLOURS = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#8C7A00",
    "#7F7F7F",
)
DASHES = ("solid", "solid", "solid", "solid", "dashed", "dashed", "dashed", "dashed")
PEAK = ("peak", "#7F7F7F", "dotted", None)
LOSS_LINES = (
    ("lost_full", "#D55E00", "solid"),
    ("lost_unfull", "#CC79A7", "dashed"),
    ("lost_too_large", "#0072B2", "dotted"),
    ("overwritten_unread", "#E69F00", "dotdash"),
)
RATE_LINES = (("offered", "#7F7F7F", "dashed"), ("written", "#0072B2", "solid"))

JUST_NOW = -1e-6
"""The last tick of the live axis, told from the 0 at which virtual time begins."""

TICKS = (-20, -15, -10, -5, JUST_NOW)

_TIMES = """
if (tick < 0) return tick > -0.001 ? "now" : `\u2212${-tick} s`;
return tick < 1 ? `${+(tick * 1000).toPrecision(3)} ms` : `${+tick.toPrecision(3)} s`;
"""

_SHORT_NUMBERS = """
const size = Math.abs(tick);
if (size >= 1e6) return tick / 1e6 + " M";
if (size >= 1e3) return tick / 1e3 + " k";
return String(tick);
"""


def bokeh_script() -> bytes:
    """BokehJS as installed: the page gets it from the kernel, never from a network."""
    return (Path(bokeh.__file__).parent / "server/static/js/bokeh.min.js").read_bytes()


def bokeh_version() -> str:
    """The version that `bokeh_script` and `series_items` belong to."""
    return str(bokeh.__version__)


def series_items() -> dict[str, str]:
    """The figures as JSON for ``Bokeh.embed.embed_item``, by name.

    Returns
    -------
    dict
        "occupancy", "loss" and "rate".
    """
    occupancy = [(f"occupancy_{i}", CPU_COLOURS[i], DASHES[i], "after") for i in range(LINES)] + [
        PEAK
    ]
    return {
        "occupancy": _item("occupancy", occupancy),
        "loss": _item("loss", [(*line, None) for line in LOSS_LINES]),
        "rate": _item("rate", [(*line, None) for line in RATE_LINES]),
    }


def legend() -> dict[str, list[tuple[str, str, str]]]:
    """Column, colour and dash of each line, for the page's own legends."""
    return {
        "occupancy": [(f"occupancy_{i}", CPU_COLOURS[i], DASHES[i]) for i in range(LINES)],
        "loss": list(LOSS_LINES),
        "rate": list(RATE_LINES),
    }


def _item(name: str, lines: list[tuple[str, str, str, str | None]]) -> str:
    # Float64 columns of a fixed length: the page writes into them in place.
    empty = {column: np.full(LENGTH, np.nan) for column in COLUMNS}
    kept = {"t_s", *(column for column, *_ in lines)}
    source = ColumnDataSource(
        {column: values for column, values in empty.items() if column in kept}, name="source"
    )
    plot = figure(
        name="plot",
        sizing_mode="stretch_both",
        toolbar_location=None,
        tools="",
        x_range=Range1d(-SECONDS, 0, name="x_range"),
        y_range=Range1d(0, 1, name="y_range"),
        output_backend="canvas",
        min_border_left=52,
        min_border_right=8,
        min_border_top=6,
        background_fill_alpha=0,
        border_fill_alpha=0,
        outline_line_color=None,
        lod_threshold=None,
    )
    for column, colour, dash, mode in lines:
        arguments: dict[str, Any] = {
            "source": source,
            "line_color": colour,
            "line_dash": dash,
            "line_width": 1.6,
        }
        if mode is not None:
            plot.step("t_s", column, mode=mode, **arguments)
        else:
            plot.line("t_s", column, **arguments)
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
    plot.xaxis.ticker = FixedTicker(ticks=list(TICKS), name="x_ticker")
    plot.xaxis.formatter = CustomJSTickFormatter(code=_TIMES)
    plot.add_layout(
        Span(name="now", location=0, dimension="height", line_color="#7F7F7F", visible=False)
    )
    plot.yaxis.formatter = CustomJSTickFormatter(code=_SHORT_NUMBERS)
    plot.xgrid.visible = False
    plot.axis.minor_tick_line_color = None
    plot.axis.axis_label_standoff = 4
    return serialize_json(json_item(plot))
