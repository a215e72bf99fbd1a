"""Which sizes: answered from traces, and from what tools print about lost events."""

from relaylab.tuning.doctor import Diagnosis, doctor
from relaylab.tuning.finding import Finding, Knob, Loss

__all__ = ["Diagnosis", "Finding", "Knob", "Loss", "doctor"]
