"""Where events come from: recorded traces and synthetic arrival processes."""

from relaylab.workload.files import load
from relaylab.workload.mixing import mix
from relaylab.workload.onoff import on_off
from relaylab.workload.synthetic import bursts, constant, poisson
from relaylab.workload.trace import Workload

__all__ = ["Workload", "bursts", "constant", "load", "mix", "on_off", "poisson"]
