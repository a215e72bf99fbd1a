"""Sources that are on for a while, then off for a while."""

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from relaylab import units
from relaylab.errors import ConfigError
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
from relaylab.workload.synthetic import in_order
from relaylab.workload.trace import Workload

Lengths = Literal["fixed", "exponential", "pareto"]
_LENGTHS: Final = ("fixed", "exponential", "pareto")


def on_off(
    rate: units.Quantity = "1 M/s",
    on: units.Quantity = "2 ms",
    off: units.Quantity = "18 ms",
    lengths: Lengths = "fixed",
    shape: float = 1.5,
    arrivals: Literal["constant", "poisson"] = "constant",
    size: Sizes = 96,
    n_cpus: int = 1,
    duration: units.Quantity = "1 s",
    skew: float | Sequence[float] = 0.0,
    seed: int = 0,
) -> Workload:
    """Each CPU is on for a while, then off for a while, on its own; all begin with an on.

    Parameters
    ----------
    rate : str or float
        Events per second of all CPUs together while they are on, > 0.
    on, off : str or int
        How long each is on and off, on average; on > 0.
    lengths : "fixed", "exponential" or "pareto"
        How on and off times are spread around their mean. Pareto's are heavy-tailed: most are
        short, a few very long. Many such sources together make self-similar traffic
        (Willinger, Taqqu, Sherman, Wilson, 1997).
    shape : float
        Pareto's tail exponent, above 1 .. 100; below 2 the variance is infinite.
    arrivals : "constant" or "poisson"
        Events while on: at even distances, or at random.
    size, n_cpus, duration, skew, seed
        As in :func:`constant`.

    Returns
    -------
    Workload

    Raises
    ------
    ConfigError
        An argument out of range, or more than 10^9 events or on times in all.
    """
    per_second = units.parse_rate(rate, "rate")
    mean_on = units.parse_duration(on, "on")
    mean_off = units.parse_duration(off, "off")
    span = units.parse_duration(duration, "duration")
    sizes = known_sizes(size)
    shares = cpu_shares(n_cpus, skew)
    if lengths not in _LENGTHS:
        raise ConfigError("lengths", passed=lengths, allowed=", ".join(_LENGTHS))
    if arrivals not in ("constant", "poisson"):
        raise ConfigError("arrivals", passed=arrivals, allowed="constant, poisson")
    if type(shape) not in (int, float) or not 1 < shape <= 100:
        raise ConfigError("shape", passed=shape, allowed="above 1 .. 100")
    check("on", mean_on, 1, 2**62)
    check("off", mean_off, 0, 2**62)
    check_expected(per_second, span)
    periods = span / (mean_on + mean_off) * n_cpus
    if periods > MOST_EVENTS // 10:
        raise ConfigError(
            "duration / (on + off)", passed=f"{periods:.3g}", allowed=f"{MOST_EVENTS // 10:,}"
        )
    random = generators(seed)
    times = []
    for share in shares:
        starts, ends = _on_times(mean_on, mean_off, span, lengths, shape, random.cpus)
        arrive = _even if arrivals == "constant" else _random
        times.append(arrive(per_second * share, starts, ends, random.times))
    t_ns, cpu = in_order(times)
    return Workload(
        t_ns,
        cpu,
        draw_sizes(sizes, len(t_ns), random.sizes),
        n_cpus=n_cpus,
        name=f"{units.format_rate(per_second)}, {units.format_duration(mean_on)} on, "
        f"{units.format_duration(mean_off)} off",
    )


def _on_times(
    mean_on: int,
    mean_off: int,
    span: int,
    lengths: Lengths,
    shape: float,
    random: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """When each on time begins and ends, ns, within [0, span)."""
    n = int(span / (mean_on + mean_off)) + 2
    ons = offs = np.empty(0)
    while ons.sum() + offs.sum() < span:
        ons = np.concatenate([ons, _draw(mean_on, n, lengths, shape, random)])
        offs = np.concatenate([offs, _draw(mean_off, n, lengths, shape, random)])
    ends = np.cumsum(ons + offs) - offs
    starts = ends - ons
    kept = starts < span
    return starts[kept], np.minimum(ends[kept], span)


def _draw(
    mean: int, n: int, lengths: Lengths, shape: float, random: np.random.Generator
) -> NDArray[np.float64]:
    if lengths == "fixed":
        return np.full(n, float(mean))
    if lengths == "exponential":
        return random.exponential(mean, n)
    least = mean * (shape - 1) / shape  # of Pareto's distribution with this mean
    return least * (1 + random.pareto(shape, n))


def _even(
    per_second: float,
    starts: NDArray[np.float64],
    ends: NDArray[np.float64],
    _random: np.random.Generator,
) -> NDArray[np.int64]:
    """Events 1 / per_second apart, the first as each on time begins."""
    if per_second == 0:
        return np.empty(0, np.int64)
    step = 1e9 / per_second
    counts = np.ceil((ends - starts) / step).astype(np.int64)
    before = np.cumsum(counts) - counts
    place = np.arange(counts.sum()) - np.repeat(before, counts)
    times = (np.repeat(starts, counts) + place * step).astype(np.int64)
    return np.asarray(times[times < ends[-1]])


def _random(
    per_second: float,
    starts: NDArray[np.float64],
    ends: NDArray[np.float64],
    random: np.random.Generator,
) -> NDArray[np.int64]:
    """Poisson arrivals in the time that is on, which is then pulled apart."""
    lengths = ends - starts
    until = np.cumsum(lengths)
    n = random.poisson(per_second * until[-1] / 1e9)
    place = np.sort(random.random(n)) * until[-1]
    which = np.minimum(np.searchsorted(until, place, side="right"), len(until) - 1)
    times = ((starts + lengths - until)[which] + place).astype(np.int64)
    latest: NDArray[np.int64] = np.minimum(times, int(ends[-1]) - 1)
    return latest
