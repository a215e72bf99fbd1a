"""Synthetic arrival processes."""

import numpy as np

from relaylab import units
from relaylab.errors import ConfigError
from relaylab.workload.trace import MAX_CPU, MAX_SIZE, Workload

_MOST_EVENTS = 10**9


def bursts(
    events: int = 1000,
    every: units.Quantity = "20 ms",
    size: units.Quantity | tuple[units.Quantity, units.Quantity] = 96,
    n_cpus: int = 2,
    duration: units.Quantity = "2 s",
    gap: units.Quantity = 0,
    seed: int = 0,
) -> Workload:
    """Bursts on all CPUs in phase: at each multiple of `every`, `events` events on each CPU.

    Parameters
    ----------
    events : int
        Events per CPU and period, >= 1.
    every : str or int
        The period, "20 ms" or nanoseconds, > 0.
    size : str or int, or a pair of them
        Payload, bytes. A pair draws each size evenly from lowest .. highest, both included.
    n_cpus : int
        1 .. 65535.
    duration : str or int
        The workload covers [0, duration); later events are left out.
    gap : str or int
        Time between two events of a burst on one CPU.
    seed : int
        >= 0; the same seed gives the same sizes.

    Returns
    -------
    Workload

    Raises
    ------
    ConfigError
        An argument out of range, or more than 10^9 events in all.
    """
    period = units.parse_duration(every, "every")
    span = units.parse_duration(duration, "duration")
    step = units.parse_duration(gap, "gap")
    sizes = size if isinstance(size, tuple) else (size, size)
    low, high = (units.parse_bytes(one, "size") for one in sizes)
    _check("events", events, 1, _MOST_EVENTS)
    _check("n_cpus", n_cpus, 1, MAX_CPU + 1)
    _check("every", period, 1, 2**63 - 1)
    _check("duration", span, 1, 2**63 - 1)
    _check("size", low, 0, MAX_SIZE)
    _check("size", high, low, MAX_SIZE)
    _check("seed", seed, 0, 2**63 - 1)
    n_periods = -(-span // period)
    _check("events in all", n_periods * events * n_cpus, 1, _MOST_EVENTS)
    _check("events times gap", (events - 1) * step, 0, 2**62)

    starts = np.arange(n_periods, dtype=np.int64) * period
    times = (starts[:, None] + np.arange(events, dtype=np.int64) * step).ravel()
    times = np.sort(times[times < span])  # bursts longer than their period overlap
    n = len(times) * n_cpus
    return Workload(
        t_ns=np.repeat(times, n_cpus),
        cpu=np.tile(np.arange(n_cpus, dtype=np.uint16), len(times)),
        size=np.random.default_rng(seed).integers(low, high, n, np.uint32, endpoint=True),
        n_cpus=n_cpus,
        name=f"bursts of {events} every {units.format_duration(period)}",
    )


def _check(what: str, value: int, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        raise ConfigError(what, passed=value, allowed=f"{low} .. {high}")
