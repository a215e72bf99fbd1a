"""The reader that explains measured losses, and how sure that is."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from relaylab import units
from relaylab.core.scene import Arrivals, Shape
from relaylab.errors import ConfigError
from relaylab.tuning.arrivals import arrivals_of
from relaylab.tuning.executors import spread
from relaylab.tuning.reader import Reader
from relaylab.tuning.simulation import by_cpu, run_all, shape_of
from relaylab.units import Quantity
from relaylab.workload import Workload

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS: Final = ("subbuf_size", "n_subbufs", "loss_fraction")
_LOST: Final = ("lost_full", "lost_unfull", "lost_too_large")
_OPEN: Final = 1e30  # a rate that is none
_NEGLIGIBLE: Final = 100.0  # ns
_SHORTEST_STALL: Final = 20.0  # ns
_TYPICAL_WORK: Final = 3e5  # ns
_TYPICAL_STALL: Final = 3e2  # ns
_TYPICAL_RATE: Final = 2e9  # bytes a second, or more
_PER_DECADE: Final = 0.0015  # of the loss fraction
_PER_KIND: Final = 0.002
_UNLIMITED: Final = 2e10  # bytes a second
_MOST_STEPS: Final = 12  # of a descent

# Where the search begins: latency, time for each sub-buffer, ns; bytes a second; stall, ns.
_START: Final = (
    (0.0, 2e4, 1e5, 4e5, 2e6),
    (0.0, 1.5e4, 6e4, 3e5, 1.2e6),
    (_OPEN, 1e9, 1e8),
    (0.0, 3e2, 3e3),
)
_FINER: Final = (2.0, 1.5, 1.2, 1.1, 1.05)  # factors of the steps from there on
_BEST: Final = 3  # of which so many are followed
_TOLERANCE: Final = 0.005  # of the mean error: what fits about as well

Point = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False, repr=False)
class Fit:
    """How well a calibrated reader explains what was measured, and how sure its parameters are.

    Attributes
    ----------
    cells : DataFrame
        subbuf_size, n_subbufs, loss_fraction as measured, simulated.
    mean_error, worst_error : float
        Of the loss fraction over the cells, absolute: 0.01 is one point.
    intervals : dict
        For latency_ns, per_subbuf_ns, bytes_per_s and stall_ns the least and the largest value
        tried that fits about as well: a mean error at most half a point or a tenth above the best.
        Wide ones say that these losses do not tell. Infinity is no limit.
    tried : int
        How many readers were simulated.
    """

    cells: pd.DataFrame
    mean_error: float
    worst_error: float
    intervals: Mapping[str, tuple[float, float]]
    tried: int

    def __repr__(self) -> str:
        low, high = self.intervals["latency_ns"]
        work = self.intervals["per_subbuf_ns"]
        rate = self.intervals["bytes_per_s"]
        return (
            f"<Fit of {len(self.cells)} cells: mean error {self.mean_error:.2%}, worst "
            f"{self.worst_error:.2%}; latency {_range(low, high, units.format_duration)}, "
            f"per sub-buffer {_range(*work, units.format_duration)}, "
            f"rate {_range(*rate, _bandwidth)}, "
            f"stall {_range(*self.intervals['stall_ns'], units.format_duration)}>"
        )


@dataclass(frozen=True, eq=False, init=False, repr=False)
class Calibrated(Reader):
    """A reader that explains measured losses.

    Attributes
    ----------
    fit : Fit
        How well, and how sure it is.
    """

    fit: Fit


@dataclass(eq=False)
class _Search:
    """What has been tried of readers of one kind."""

    events: Arrivals
    shapes: list[Shape]
    measured: NDArray[np.float64]
    like: Reader
    executor: Executor | None
    errors: dict[Point, float] = field(default_factory=dict)

    def evaluate(self, points: list[Point]) -> None:
        """Simulate the readers that were not simulated before."""
        known = (_plain(point) for point in points)
        fresh = [point for point in dict.fromkeys(known) if point not in self.errors]
        tasks = [
            partial(losses, shapes=self.shapes, reader=reader_at(self.like, point))
            for point in fresh
        ]
        for i, simulated in spread(tasks, self.events, self.executor):
            self.errors[fresh[i]] = float(np.mean(np.abs(simulated - self.measured)))

    def cost(self, point: Point) -> float:
        """The error, and a little for being unlike readers that were seen so far."""
        return self.errors[point] + _oddity(self.like, point)

    def best(self, count: int) -> list[Point]:
        """The points with the least cost."""
        return sorted(self.errors, key=lambda point: (self.cost(point), point))[:count]


def _oddity(like: Reader, point: Point) -> float:
    """Decides between readers that explain few measurements about as well.

    Readers of LTTng's traces of full-speed bursts took some 300 us to free a sub-buffer whatever
    was in it, were late, and stalled writers for some 300 ns an event. A point of error outweighs
    that.
    """
    _, work, rate, stall = point
    decades = [
        abs(math.log10(value / typical)) if value else 2.0
        for value, typical in ((work, _TYPICAL_WORK), (stall, _TYPICAL_STALL))
    ]
    decades.append(max(0.0, math.log10(_TYPICAL_RATE / rate)))
    return _PER_DECADE * sum(decades) + _PER_KIND * ((not like.late) + like.shared)


def calibrate(
    load: Workload,
    measured: pd.DataFrame,
    rules: str = "relayfs",
    event_overhead: Quantity = 0,
    subbuf_header: Quantity = 0,
    *,
    like: Reader | None = None,
    executor: Executor | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> Calibrated:
    """Find the reader that explains measured losses.

    It looks for the latency, the time for each sub-buffer, the rate and the stall with the least
    mean absolute error, first on a coarse grid and a part of the workload, then in ever finer
    steps. Unless `like` says so, it also finds out whether the reader is `late`, and with several
    CPUs whether it is `shared`.

    Parameters
    ----------
    load
        The workload that was traced. What was measured may be other executions of it.
    measured
        A DataFrame with columns subbuf_size (bytes), n_subbufs and loss_fraction (0 .. 1).
    rules, event_overhead, subbuf_header
        As of `simulate`.
    like
        A reader of the kind that is wanted; its latency, per_subbuf, rate and stall do not matter.
    executor
        Who computes; None: threads of this process.
    progress
        Called with (stages done, stages in all).

    Returns
    -------
    Calibrated
        A `Reader`; its `fit` says how sure it is.

    Raises
    ------
    ConfigError
        A column is missing, no row, or a value out of range; or `like` follows a schedule.
    """
    table = _checked(measured)
    shapes = [
        shape_of(_whole(size), _whole(n), False, rules, event_overhead, subbuf_header)
        for size, n in zip(table["subbuf_size"], table["n_subbufs"], strict=True)
    ]
    lost = table["loss_fraction"].to_numpy(float)
    events = arrivals_of(load)
    coarse = arrivals_of(_first_part(load))
    kinds = _kinds(like, load.n_cpus)
    stages = len(kinds) + len(_FINER)
    searches = []
    for done, kind in enumerate(kinds, 1):
        first = _Search(coarse, shapes, lost, kind, executor)
        first.evaluate(list(itertools.product(*_START)))
        searches.append(first)
        _tell(progress, done, stages)
    searches = sorted(searches, key=lambda search: search.cost(search.best(1)[0]))[:2]
    fine = [_Search(events, shapes, lost, search.like, executor) for search in searches]
    for search, first in zip(fine, searches, strict=True):
        search.evaluate(first.best(_BEST))
    for done, factor in enumerate(_FINER, len(kinds) + 1):
        for search in fine:
            _descend(search, factor)
        _tell(progress, done, stages)
    winner = min(fine, key=lambda search: search.cost(search.best(1)[0]))
    return _calibrated(winner, table)


def _kinds(like: Reader | None, n_cpus: int) -> list[Reader]:
    if like is None:
        sharing = (False, True) if n_cpus > 1 else (False,)
        return [Reader(shared=s, late=late) for s in sharing for late in (False, True)]
    if like.is_told:
        raise ConfigError(
            "like",
            passed=repr(like),
            allowed="a reader that is a model: Reader(), Reader.polling(...)",
            hint="A recorded schedule needs no calibration.",
        )
    return [like]


def _descend(search: _Search, factor: float) -> None:
    """Walk from the best points to better neighbours until there is none."""
    seen: set[Point] = set()
    for _ in range(_MOST_STEPS):
        fresh = [point for point in search.best(_BEST) if point not in seen]
        if not fresh:
            return
        seen.update(fresh)
        search.evaluate([near for point in fresh for near in _neighbours(point, factor)])


def _neighbours(point: Point, factor: float) -> Iterator[Point]:
    latency, work, rate, stall = point
    for other in (latency / factor, latency * factor) if latency else (5e3,):
        yield other, work, rate, stall
    for other in (work / factor, work * factor) if work else (2e3,):
        yield latency, other, rate, stall
    for other in (rate / factor, rate * factor) if rate < _OPEN else (2e9,):
        yield latency, work, other, stall
    for other in (stall / factor, stall * factor) if stall else (1e2,):
        yield latency, work, rate, other
    # what stands in for each other
    yield latency, work * factor, rate * factor if rate < _OPEN else rate, stall
    yield latency, work / factor, rate / factor if rate < _OPEN else rate, stall
    yield latency * factor, work / factor, rate, stall
    yield latency / factor, work * factor, rate, stall
    yield latency, work * factor, rate, stall * factor
    yield latency, work / factor, rate, stall / factor


def _plain(point: Point) -> Point:
    """Three digits of each, and no more of what nobody could tell from nothing or from no limit."""
    latency, work, rate, stall = (float(f"{value:.3g}") for value in point)
    return (
        latency if latency >= _NEGLIGIBLE else 0.0,
        work if work >= _NEGLIGIBLE else 0.0,
        rate if rate <= _UNLIMITED else _OPEN,
        stall if stall >= _SHORTEST_STALL else 0.0,
    )


def reader_at(like: Reader, point: Point) -> Reader:
    """The reader of a kind with these parameters."""
    latency, work, rate, stall = point
    return like.changed(
        latency_ns=round(latency),
        per_subbuf_ns=round(work),
        bytes_per_s=None if rate >= _OPEN else max(1.0, rate),
        stall_ns=round(stall),
    )


def losses(events: Arrivals, *, shapes: list[Shape], reader: Reader) -> NDArray[np.float64]:
    """The loss fraction in each cell."""
    offered = max(1, len(events.t_ns))
    lost = []
    for shape in shapes:
        control = by_cpu(events, run_all(events, shape, reader, record=False))
        lost.append(sum(int(control[name].sum()) for name in _LOST) / offered)
    return np.array(lost)


def _calibrated(search: _Search, table: pd.DataFrame) -> Calibrated:
    best = search.best(1)[0]
    reader = reader_at(search.like, best)
    simulated = losses(search.events, shapes=search.shapes, reader=reader)
    error = np.abs(simulated - search.measured)
    limit = search.errors[best] + max(_TOLERANCE, 0.1 * search.errors[best])
    good = np.array([point for point, its in search.errors.items() if its <= limit])
    good[:, 2][good[:, 2] >= _OPEN] = math.inf
    names = ("latency_ns", "per_subbuf_ns", "bytes_per_s", "stall_ns")
    fit = Fit(
        cells=table.assign(simulated=simulated),
        mean_error=float(error.mean()),
        worst_error=float(error.max()),
        intervals={
            name: (float(column.min()), float(column.max()))
            for name, column in zip(names, good.T, strict=True)
        },
        tried=len(search.errors),
    )
    calibrated = Calibrated()
    return calibrated._set(**vars(reader), fit=fit)


def _first_part(load: Workload) -> Workload:
    """Its first quarter, if that is still a good deal."""
    n = len(load) // 4
    if n < 20_000:
        return load
    return Workload(load.t_ns[:n], load.cpu[:n], load.size[:n], load.n_cpus, load.name)


def _whole(value: Any) -> Any:
    """A column that has gaps elsewhere comes as floats."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _checked(measured: Any) -> pd.DataFrame:
    import pandas as pd

    if not isinstance(measured, pd.DataFrame):
        raise ConfigError(
            "measured", passed=type(measured).__name__, allowed=f"a DataFrame with {_COLUMNS}"
        )
    missing = [name for name in _COLUMNS if name not in measured]
    if missing:
        raise ConfigError(
            "measured",
            passed=f"no column {', '.join(missing)}",
            allowed=f"columns {', '.join(_COLUMNS)}",
        )
    table = measured.loc[:, list(_COLUMNS)].reset_index(drop=True)
    if len(table) == 0:
        raise ConfigError("measured", passed="no row", allowed="at least one cell")
    loss = pd.to_numeric(table["loss_fraction"], errors="coerce")
    if not bool(loss.between(0, 1).all()):
        wrong = table["loss_fraction"][~loss.between(0, 1)].iloc[0]
        raise ConfigError(
            "loss_fraction",
            passed=wrong.item() if hasattr(wrong, "item") else wrong,
            allowed="0 .. 1",
            hint="Divide percentages by 100.",
        )
    return table


def _tell(progress: Callable[[int, int], Any] | None, done: int, total: int) -> None:
    if progress is not None:
        progress(done, total)


def _range(low: float, high: float, text: Callable[[float], str]) -> str:
    return text(low) if low == high else f"{text(low)} .. {text(high)}"


def _bandwidth(rate: float) -> str:
    return "unlimited" if math.isinf(rate) else units.format_bandwidth(rate)
