"""Synthetic arrivals: bursts on all CPUs in phase, even and random arrivals."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from relaylab import units
from relaylab.workload.drawn import (
    MOST_EVENTS,
    Sizes,
    check,
    check_expected,
    cpu_shares,
    draw_sizes,
    generators,
    known_sizes,
)
from relaylab.workload.trace import MAX_CPU, Workload


def bursts(
    events: int = 1000,
    every: units.Quantity = "20 ms",
    size: Sizes = 96,
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
    size : str or int, a pair of them, array or Workload
        Payload, bytes. A pair draws each size evenly from lowest .. highest, both included; an
        array, a list or the sizes of a workload are drawn from as they are (empirically).
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
    sizes = known_sizes(size)
    check("events", events, 1, MOST_EVENTS)
    check("n_cpus", n_cpus, 1, MAX_CPU + 1)
    check("every", period, 1, 2**63 - 1)
    check("duration", span, 1, 2**63 - 1)
    check("seed", seed, 0, 2**63 - 1)
    n_periods = -(-span // period)
    check("events in all", n_periods * events * n_cpus, 1, MOST_EVENTS)
    check("events times gap", (events - 1) * step, 0, 2**62)

    starts = np.arange(n_periods, dtype=np.int64) * period
    times = (starts[:, None] + np.arange(events, dtype=np.int64) * step).ravel()
    times = np.sort(times[times < span])  # bursts longer than their period overlap
    n = len(times) * n_cpus
    return Workload(
        t_ns=np.repeat(times, n_cpus),
        cpu=np.tile(np.arange(n_cpus, dtype=np.uint16), len(times)),
        size=draw_sizes(sizes, n, np.random.default_rng(seed)),
        n_cpus=n_cpus,
        name=f"bursts of {events} every {units.format_duration(period)}",
    )


def constant(
    rate: units.Quantity = "100 k/s",
    size: Sizes = 96,
    n_cpus: int = 1,
    duration: units.Quantity = "1 s",
    skew: float | Sequence[float] = 0.0,
    seed: int = 0,
) -> Workload:
    """Events at even distances on each CPU, the CPUs in turn.

    Parameters
    ----------
    rate : str or float
        Events per second of all CPUs together, "100 k/s", > 0.
    size : str or int, a pair of them, array or Workload
        Payload, bytes; as in :func:`bursts`.
    n_cpus : int
        1 .. 65535.
    duration : str or int
        The workload covers [0, duration).
    skew : float or sequence of float
        How unevenly the rate is shared: CPU k gets a part in proportion to 1 / (k+1)^skew, so 0 is
        even and 1 is Zipf's law; or the parts of all CPUs, in any unit, each >= 0.
    seed : int
        >= 0; the same seed gives the same events.

    Returns
    -------
    Workload

    Raises
    ------
    ConfigError
        An argument out of range, or more than 10^9 events in all.
    """
    per_second = units.parse_rate(rate, "rate")
    span = units.parse_duration(duration, "duration")
    sizes = known_sizes(size)
    shares = cpu_shares(n_cpus, skew)
    check_expected(per_second, span)
    random = generators(seed)
    times = [_even(per_second * share, span, k / n_cpus) for k, share in enumerate(shares)]
    t_ns, cpu = in_order(times)
    return Workload(
        t_ns,
        cpu,
        draw_sizes(sizes, len(t_ns), random.sizes),
        n_cpus=n_cpus,
        name=f"constant {units.format_rate(per_second)}",
    )


def poisson(
    rate: units.Quantity = "100 k/s",
    size: Sizes = 96,
    n_cpus: int = 1,
    duration: units.Quantity = "1 s",
    skew: float | Sequence[float] = 0.0,
    seed: int = 0,
) -> Workload:
    """Events that know nothing of each other: distances are exponential, counts are Poisson's.

    Parameters
    ----------
    rate : str or float
        Events per second of all CPUs together, on average, > 0.
    size, n_cpus, duration, skew, seed
        As in :func:`constant`.

    Returns
    -------
    Workload

    Raises
    ------
    ConfigError
        An argument out of range, or more than 10^9 events in all.
    """
    per_second = units.parse_rate(rate, "rate")
    span = units.parse_duration(duration, "duration")
    sizes = known_sizes(size)
    shares = cpu_shares(n_cpus, skew)
    check_expected(per_second, span)
    random = generators(seed)
    n = random.times.poisson(per_second * span / 1e9)
    # Given their number, the arrivals of a Poisson process are even draws.
    t_ns = np.sort(random.times.integers(0, span, n))
    edges = np.cumsum(shares)
    edges[-1] = 1.0
    return Workload(
        t_ns,
        np.searchsorted(edges, random.cpus.random(n), side="right").astype(np.uint16),
        draw_sizes(sizes, n, random.sizes),
        n_cpus=n_cpus,
        name=f"Poisson {units.format_rate(per_second)}",
    )


def in_order(times: list[NDArray[np.int64]]) -> tuple[NDArray[np.int64], NDArray[np.uint16]]:
    """Times and CPUs of all events by time, given the times of each CPU."""
    t_ns = np.concatenate(times)
    cpu = np.repeat(np.arange(len(times), dtype=np.uint16), [len(each) for each in times])
    order = np.argsort(t_ns, kind="stable")
    return t_ns[order], cpu[order]


def _even(per_second: float, span: int, phase: float) -> NDArray[np.int64]:
    """Times of events that are 1 / per_second apart, the first after `phase` of that distance."""
    if per_second == 0:
        return np.empty(0, np.int64)
    n = int(per_second * span / 1e9) + 2
    times = ((np.arange(n) + phase) * 1e9 / per_second).astype(np.int64)
    return times[times < span]
