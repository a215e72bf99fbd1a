"""The shapes a tuner tries: its question, read from what a person typed, and its answer."""

import dataclasses
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import numpy as np

from relaylab import units
from relaylab.channel.arguments import MAX_BYTES
from relaylab.core.layout import alloc_size
from relaylab.errors import ConfigError, RelayError
from relaylab.lab.settings import (
    RULES,
    ReaderModel,
    Settings,
    exact_size,
    format_bandwidth,
    parse_bandwidth,
    parse_latency,
)
from relaylab.tuning.advice import Advice
from relaylab.tuning.advise import advise
from relaylab.tuning.demand import Demand
from relaylab.tuning.executors import Stop
from relaylab.tuning.reader import Reader
from relaylab.tuning.sweeping import sweep_cells
from relaylab.tuning.tools import TOOLS
from relaylab.workload import Workload

MOST_SIZES: Final = 20
MOST_COUNTS: Final = 20
MOST_PLAYED: Final = 1_000_000
"""Events of a run that is played in the ring map."""


@dataclass(frozen=True)
class Tuning:
    """What is asked.

    Attributes
    ----------
    subbuf_sizes, n_subbufs : tuple of int
        The grid, ascending; bytes.
    latency_ns, per_subbuf_ns : int
        The reader's, nanoseconds.
    bytes_per_s : float
        The reader's; infinity is as fast as it can.
    event_overhead, subbuf_header : int
        Bytes that the tracer adds to each event and at the head of each sub-buffer.
    rules : str
        "relayfs" (2005) or "linux" (today's kernel).
    event_size : int, optional
        Of every event, for traces that tell no sizes.
    """

    subbuf_sizes: tuple[int, ...]
    n_subbufs: tuple[int, ...]
    latency_ns: int = 0
    per_subbuf_ns: int = 0
    bytes_per_s: float = math.inf
    event_overhead: int = 0
    subbuf_header: int = 0
    rules: str = "relayfs"
    event_size: int | None = None

    def played(
        self, workload: Workload, subbuf_size: int, n_subbufs: int
    ) -> tuple[Settings, Workload]:
        """One shape as a run in virtual time: its settings, and the events as they are stored.

        Parameters
        ----------
        workload : Workload
            What was simulated.
        subbuf_size, n_subbufs : int
            The shape.
        """
        settings = Settings(
            subbuf_size=subbuf_size,
            n_subbufs=n_subbufs,
            n_cpus=workload.n_cpus,
            reader=ReaderModel(self.latency_ns, self.per_subbuf_ns, self.bytes_per_s),
            header=self.subbuf_header,
            rules=self.rules,
        )
        stored = workload.size + np.uint32(self.event_overhead)
        return settings, dataclasses.replace(workload, size=stored)

    @property
    def reader(self) -> Reader:
        """The same reader for `relaylab.simulate`."""
        rate = None if math.isinf(self.bytes_per_s) else self.bytes_per_s
        return Reader(latency=self.latency_ns, per_subbuf=self.per_subbuf_ns, rate=rate)

    @property
    def options(self) -> dict[str, Any]:
        """What `relaylab.sweep` and its kin take besides."""
        return {
            "reader": self.reader,
            "rules": self.rules,
            "event_overhead": self.event_overhead,
            "subbuf_header": self.subbuf_header,
        }


@dataclass
class Shapes:
    """The answer to a tuning, which grows cell by cell.

    Attributes
    ----------
    tuning : Tuning
        The question.
    workload : Workload
        What is written.
    loss : dict of tuple to float
        Loss, 0 .. 1, by (subbuf_size, n_subbufs).
    least : dict of int to int
        By size, once all is done: the least number of sub-buffers without loss; 0: none suffices.
    advice : Advice or None
        Likewise: the shape to take.
    """

    tuning: Tuning
    workload: Workload
    loss: dict[tuple[int, int], float] = field(default_factory=dict)
    least: dict[int, int] = field(default_factory=dict)
    advice: Advice | None = None

    def simulate(self, stop: Stop) -> Iterator[None]:
        """Fill in the cells, in any order; pauses after each, and ends once `stop` is set."""
        tuning = self.tuning
        cells = sweep_cells(
            self.workload, tuning.subbuf_sizes, tuning.n_subbufs, stop=stop, **tuning.options
        )
        for cell in cells:
            self.loss[cell.subbuf_size, cell.n_subbufs] = cell.loss_fraction
            yield

    def conclude(self) -> None:
        """What follows for all sizes: the least numbers, and the shape to take."""
        tuning = self.tuning
        self.least = self._demand.least(tuning.subbuf_sizes)
        self.advice = advise(self.workload, **tuning.options)

    def told(self) -> dict[str, Any]:
        """What the page needs of it so far."""
        sizes, counts = self.tuning.subbuf_sizes, self.tuning.n_subbufs
        n_cpus = self.workload.n_cpus
        news: dict[str, Any] = {
            "sizes": list(sizes),
            "counts": list(counts),
            "loss": [[self.loss.get((size, n)) for n in counts] for size in sizes],
            "memory": [[alloc_size(size, n) * n_cpus for n in counts] for size in sizes],
            "done": len(self.loss),
            "of": sum(size * n <= MAX_BYTES for size in sizes for n in counts),
        }
        if self.advice is not None:
            news |= self._told_at_the_end(self.advice)
        return news

    def _told_at_the_end(self, advice: Advice) -> dict[str, Any]:
        sizes = self.tuning.subbuf_sizes
        steady = advice.formula
        return {
            "least": [self.least[size] for size in sizes],
            "formula": [self._by_formula(size) for size in sizes],
            "formula_memory": (
                steady.memory * self.workload.n_cpus if math.isfinite(steady.memory) else None
            ),
            "advice": advice.reason,
            "flags": {tool: _flags(advice, tool) for tool in TOOLS} if advice.is_possible else {},
        }

    @cached_property
    def _demand(self) -> Demand:
        tuning = self.tuning
        return Demand(
            self.workload,
            tuning.reader,
            tuning.rules,
            tuning.event_overhead,
            tuning.subbuf_header,
        )

    def _by_formula(self, size: int) -> int | None:
        """The number of sub-buffers that the closed formula asks for, None for no number."""
        number = self._demand.steady(size).n_subbufs_of(size)
        return math.ceil(number) if math.isfinite(number) else None


def _flags(advice: Advice, tool: str) -> str:
    """The options, or why the tool cannot have such a buffer."""
    try:
        return str(advice.flags(tool))
    except RelayError as error:
        return str(error)


def read_tuning(typed: dict[str, Any]) -> Tuning:
    """The tuning that a person typed.

    Parameters
    ----------
    typed : dict
        Texts: "size_from", "size_to", "count_from", "count_to", "latency", "per_subbuf", "speed",
        "overhead", "header", "event_size" and "rules".

    Raises
    ------
    ConfigError
        Names the input, what was typed and what is allowed.
    """
    low, high = (_size(typed, key, what) for key, what in (("size_from", _FROM), ("size_to", _TO)))
    fewest, most = (
        _count(typed, key, what) for key, what in (("count_from", _FEWEST), ("count_to", _MOST))
    )
    rules = str(typed.get("rules", "relayfs"))
    if rules not in RULES:
        raise ConfigError("rules", passed=rules, allowed=" or ".join(RULES))
    event_size = str(typed.get("event_size", "")).strip()
    return Tuning(
        subbuf_sizes=_doubling(low, high, _TO, MOST_SIZES, exact_size),
        n_subbufs=_doubling(fewest, most, _MOST, MOST_COUNTS, str),
        latency_ns=parse_latency(str(typed["latency"])),
        per_subbuf_ns=int(units.parse_duration(str(typed["per_subbuf"]), "time a sub-buffer")),
        bytes_per_s=parse_bandwidth(str(typed["speed"])),
        event_overhead=int(units.parse_bytes(str(typed["overhead"]), "bytes added to an event")),
        subbuf_header=int(units.parse_bytes(str(typed["header"]), "header of a sub-buffer")),
        rules=rules,
        event_size=int(units.parse_bytes(event_size, "event size")) if event_size else None,
    )


def typed_for(settings: Settings) -> dict[str, str]:
    """The inputs that `read_tuning` reads, for the reader and the ring of a run."""
    reader = settings.reader
    return {
        "latency": units.format_duration(reader.latency_ns),
        "per_subbuf": units.format_duration(reader.per_subbuf_ns),
        "speed": format_bandwidth(reader.bytes_per_s),
        "header": str(settings.header),
        "rules": settings.rules,
    }


_FROM, _TO = "smallest sub-buffer size", "largest sub-buffer size"
_FEWEST, _MOST = "fewest sub-buffers", "most sub-buffers"


def _size(typed: dict[str, Any], key: str, what: str) -> int:
    size = int(units.parse_bytes(str(typed[key]), what))
    if not 64 <= size <= 2**30:
        raise ConfigError(what, passed=typed[key], allowed="64 B .. 1 GiB", hint=_CHANGE)
    return size


def _count(typed: dict[str, Any], key: str, what: str) -> int:
    text = str(typed[key]).strip()
    if not text.isdecimal() or not 1 <= int(text) <= 2**20:
        raise ConfigError(what, passed=text, allowed="1 .. 1048576", hint=_CHANGE)
    return int(text)


_CHANGE: Final = "Change the input."


def _doubling(
    low: int, high: int, what: str, most: int, told: Callable[[int], str]
) -> tuple[int, ...]:
    """low, 2 low, 4 low ... and no more than `high`."""
    if high < low:
        raise ConfigError(what, passed=told(high), allowed=f"{told(low)} or more", hint=_CHANGE)
    steps = int(math.log2(high // low)) + 1
    if steps > most:
        raise ConfigError(
            what,
            passed=f"{told(high)}, {steps - 1} doublings of {told(low)}",
            allowed=f"up to {most - 1} doublings",
            hint="Take a narrower range.",
        )
    return tuple(low << step for step in range(steps))
