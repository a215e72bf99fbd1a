"""A workload as the simulator wants it, kept as long as the workload lives."""

from __future__ import annotations

import threading
from typing import Any, Final
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from relaylab.core.scene import Arrivals, arrivals
from relaylab.errors import ConfigError
from relaylab.workload import Workload

_lock: Final = threading.Lock()
_known: Final[WeakKeyDictionary[Workload, Arrivals]] = WeakKeyDictionary()


def arrivals_of(load: Workload) -> Arrivals:
    """The events of a workload, parted by CPU.

    Raises
    ------
    ConfigError
        It is no workload.
    """
    if not isinstance(load, Workload):
        raise ConfigError(
            "load",
            passed=type(load).__name__,
            allowed="a Workload",
            hint="relaylab.workload.load(path) reads a trace.",
        )
    with _lock:
        events = _known.get(load)
    if events is None:
        events = arrivals(load.t_ns, load.cpu, load.size, load.n_cpus)
        with _lock:
            _known[load] = events
    return events


def bursts_in(t_ns: NDArray[Any], gap: int) -> NDArray[np.int64]:
    """From when to when events follow each other within `gap` ns, int64[k, 2]."""
    if len(t_ns) == 0:
        return np.zeros((0, 2), np.int64)
    ends = np.flatnonzero(np.diff(t_ns) > gap)
    first = t_ns[np.concatenate([[0], ends + 1])]
    last = t_ns[np.concatenate([ends, [len(t_ns) - 1]])]
    # Who waits for the end of a burst comes after its last event.
    return np.ascontiguousarray(np.stack([first, last + 1], axis=1).astype(np.int64))
