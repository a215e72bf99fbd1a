"""Which sizes: answered from traces, and from what tools print about lost events."""

from relaylab.tuning.doctor import Diagnosis, doctor
from relaylab.tuning.finding import Finding, Knob, Loss
from relaylab.tuning.flags import Flags, flags

__all__ = ["Diagnosis", "Finding", "Flags", "Knob", "Loss", "doctor", "flags"]
