"""What synthetic workloads draw at random, and the ranges of their arguments."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from relaylab import units
from relaylab.errors import ConfigError
from relaylab.workload.trace import MAX_CPU, MAX_SIZE, Workload

MOST_EVENTS: Final = 10**9

Sizes: TypeAlias = (
    units.Quantity
    | tuple[units.Quantity, units.Quantity]
    | list[int]
    | NDArray[np.integer[Any]]
    | Workload
)


@dataclass(frozen=True)
class Generators:
    """One source of chance for each question, so that the sizes do not change the times."""

    times: np.random.Generator
    cpus: np.random.Generator
    sizes: np.random.Generator


def generators(seed: int) -> Generators:
    """The sources of chance that this seed, >= 0, gives."""
    check("seed", seed, 0, 2**63 - 1)
    return Generators(*(np.random.default_rng([seed, k]) for k in range(3)))


def known_sizes(size: Sizes) -> tuple[int, int] | NDArray[np.uint32]:
    """Lowest and highest size, or the sizes to draw from; in bytes and within their range."""
    if isinstance(size, Workload):
        size = size.size
    if isinstance(size, list | np.ndarray):
        given = np.asarray(size)
        if given.ndim != 1 or not len(given) or given.dtype.kind not in "iu":
            shape = f"{given.dtype}{list(given.shape)}"
            raise ConfigError("size", passed=shape, allowed="one or more whole numbers of bytes")
        check("size", int(given.min()), 0, MAX_SIZE)
        check("size", int(given.max()), 0, MAX_SIZE)
        return given.astype(np.uint32)
    pair = size if isinstance(size, tuple) else (size, size)
    if len(pair) != 2:
        raise ConfigError(
            "size", passed=size, allowed="bytes, (lowest, highest), an array or a Workload"
        )
    low, high = (units.parse_bytes(one, "size") for one in pair)
    check("size", low, 0, MAX_SIZE)
    check("size", high, low, MAX_SIZE)
    return low, high


def draw_sizes(
    sizes: tuple[int, int] | NDArray[np.uint32], n: int, random: np.random.Generator
) -> NDArray[np.uint32]:
    """`n` sizes, each drawn evenly."""
    if isinstance(sizes, tuple):
        low, high = sizes
        return random.integers(low, high, n, np.uint32, endpoint=True)
    return sizes[random.integers(0, len(sizes), n)]


def cpu_shares(n_cpus: int, skew: float | Sequence[float]) -> NDArray[np.float64]:
    """The part of all events that each CPU gets; they add up to 1."""
    check("n_cpus", n_cpus, 1, MAX_CPU + 1)
    try:
        given = np.asarray(skew, np.float64)
    except (TypeError, ValueError):
        given = np.array([np.nan, np.nan])
    if given.ndim == 0:
        if not 0 <= float(given) <= 100:
            raise ConfigError("skew", passed=skew, allowed="0 (even) .. 100, or one part per CPU")
        parts = np.arange(1, n_cpus + 1, dtype=np.float64) ** -float(given)
    else:
        parts = given
    total = parts.sum()
    if parts.shape != (n_cpus,) or not (parts >= 0).all() or not 0 < total < np.inf:
        raise ConfigError(
            "skew", passed=skew, allowed=f"0 (even) .. 100, or {n_cpus} parts >= 0, not all 0"
        )
    return np.asarray(parts / total)


def check_expected(per_second: float, span_ns: int) -> None:
    """A rate above 0, a duration above 0, and no more events than memory is for."""
    check("duration", span_ns, 1, 2**62)
    if not per_second > 0:
        raise ConfigError("rate", passed=per_second, allowed="above 0")
    expected = per_second * span_ns / 1e9
    if expected > MOST_EVENTS:
        raise ConfigError(
            "rate times duration", passed=f"{expected:.3g} events", allowed=f"{MOST_EVENTS:,}"
        )


def check(what: str, value: int, low: int, high: int) -> None:
    """A whole number of this range."""
    if type(value) is not int or not low <= value <= high:
        raise ConfigError(what, passed=value, allowed=f"{low} .. {high}")
