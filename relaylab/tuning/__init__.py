"""Which sizes: answered from traces, and from what tools print about lost events."""

from relaylab.tuning.advice import Advice
from relaylab.tuning.advise import ASSUMED_READER, advise
from relaylab.tuning.calibration import Calibrated, Fit, calibrate
from relaylab.tuning.doctor import Diagnosis, doctor
from relaylab.tuning.finding import Finding, Knob, Loss
from relaylab.tuning.flags import Flags, flags
from relaylab.tuning.frontier import Frontier, formula, frontier
from relaylab.tuning.reader import Reader
from relaylab.tuning.simulation import Simulation, simulate
from relaylab.tuning.steady import Steady
from relaylab.tuning.sweeping import sweep
from relaylab.tuning.tools import TOOLS

__all__ = [
    "ASSUMED_READER",
    "TOOLS",
    "Advice",
    "Calibrated",
    "Diagnosis",
    "Finding",
    "Fit",
    "Flags",
    "Frontier",
    "Knob",
    "Loss",
    "Reader",
    "Simulation",
    "Steady",
    "advise",
    "calibrate",
    "doctor",
    "flags",
    "formula",
    "frontier",
    "simulate",
    "sweep",
]
