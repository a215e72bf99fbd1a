"""Which sizes: answered from traces, and from what tools print about lost events."""

from relaylab.tuning.advice import Advice
from relaylab.tuning.advise import ASSUMED_READER, advise
from relaylab.tuning.doctor import Diagnosis, doctor
from relaylab.tuning.finding import Finding, Knob, Loss
from relaylab.tuning.flags import Flags, flags
from relaylab.tuning.steady import Steady

__all__ = [
    "ASSUMED_READER",
    "Advice",
    "Diagnosis",
    "Finding",
    "Flags",
    "Knob",
    "Loss",
    "Steady",
    "advise",
    "doctor",
    "flags",
]
