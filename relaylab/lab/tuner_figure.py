"""The Bokeh figure of the tuner: memory against loss, with the best that each memory buys."""

from typing import Final

import numpy as np
from bokeh.core.json_encoder import serialize_json
from bokeh.embed import json_item
from bokeh.models import ColumnDataSource, CustomJSTickFormatter, LogTicker, Range1d
from bokeh.models.annotations import Span

from relaylab.lab.figures import bare_figure

_BYTES: Final = """
for (const [step, unit] of [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]]) {
  if (tick >= step) return `${+(tick / step).toPrecision(3)} ${unit}`;
}
return `${tick} B`;
"""
_PERCENT: Final = "return `${+(100 * tick).toPrecision(3)} %`;"


def tuner_item() -> str:
    """The figure as JSON for ``Bokeh.embed.embed_item``; it is built once, then only fed."""
    shapes, best, formula, chosen = (
        ColumnDataSource({"memory": np.zeros(0), "loss": np.zeros(0)}, name=name)
        for name in ("shapes", "best", "formula", "chosen")
    )
    plot = bare_figure(
        Range1d(start=4096, end=2**20), Range1d(start=-0.02, end=1), x_axis_type="log"
    )
    plot.step("memory", "loss", source=best, mode="after", line_color="#0072B2", line_width=2)
    plot.scatter(
        "memory", "loss", source=shapes, marker="circle", size=6, color="#D55E00", alpha=0.7
    )
    plot.scatter("memory", "loss", source=best, marker="diamond", size=11, color="#0072B2")
    plot.scatter("memory", "loss", source=formula, marker="triangle", size=9, color="#009E73")
    plot.scatter(
        "memory",
        "loss",
        source=chosen,
        marker="circle",
        size=14,
        fill_color=None,
        line_color="#CC79A7",
        line_width=3,
    )
    plot.add_layout(
        Span(
            name="least",
            location=1,
            dimension="height",
            line_color="#009E73",
            line_dash="dashed",
            visible=False,
        )
    )
    plot.xaxis.ticker = LogTicker(base=2, desired_num_ticks=7)
    plot.xaxis.formatter = CustomJSTickFormatter(code=_BYTES)
    plot.yaxis.formatter = CustomJSTickFormatter(code=_PERCENT)
    return serialize_json(json_item(plot))
