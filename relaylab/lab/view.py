"""The one anywidget of the workbench: map, series, journal, totals, transport."""

from typing import Any

import anywidget
import traitlets

from relaylab.core.journal import Kind
from relaylab.lab import figures
from relaylab.lab.esm import view_css, view_module
from relaylab.lab.flow import UNDER_WAY
from relaylab.lab.frame import COLUMNS
from relaylab.lab.history import LENGTH
from relaylab.lab.tuner_figure import tuner_item


class View(anywidget.AnyWidget):
    """What paints frames. Its traits are set once; everything that moves travels as messages."""

    _esm = view_module()
    _css = view_css()

    bokeh_version = traitlets.Unicode().tag(sync=True)
    tuner = traitlets.Unicode().tag(sync=True)
    series = traitlets.Dict().tag(sync=True)
    preset_groups: Any = traitlets.List().tag(sync=True)
    kinds = traitlets.Dict().tag(sync=True)
    under_way = traitlets.Int(UNDER_WAY).tag(sync=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            kinds={str(int(kind)): kind.name.lower() for kind in Kind},
            bokeh_version=figures.bokeh_version(),
            series={
                "items": figures.series_items(),
                "columns": list(COLUMNS),
                "length": LENGTH,
                "legend": figures.legend(),
            },
            tuner=tuner_item(),
            **kwargs,
        )
