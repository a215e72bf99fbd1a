"""The workbench: relayfs at work, shown in a notebook or, with ``relaylab demo``, as a page.

:class:`Workbench` is an ipywidget. Behind it one session thread looks at a channel up to 30 times a
second and sends each look as one binary message (:mod:`relaylab.lab.frame`) to one view, which
paints it and says so.
"""

from relaylab.lab.drawing import draw
from relaylab.lab.loads import Bursts, Events, Trace
from relaylab.lab.options import from_environment as demo_options
from relaylab.lab.questions import Question
from relaylab.lab.scenario import Scenario
from relaylab.lab.settings import ReaderModel, Settings
from relaylab.lab.shapes import Shapes, Tuning
from relaylab.lab.workbench import Workbench

__all__ = [
    "Bursts",
    "Events",
    "Question",
    "ReaderModel",
    "Scenario",
    "Settings",
    "Shapes",
    "Trace",
    "Tuning",
    "Workbench",
    "demo_options",
    "draw",
]
