"""Where events come from: recorded traces and synthetic arrival processes."""

from relaylab.workload.files import load
from relaylab.workload.synthetic import bursts
from relaylab.workload.trace import Workload

__all__ = ["Workload", "bursts", "load"]
