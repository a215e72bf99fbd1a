"""What a channel of some shape would have lost of a workload: by the engine, in virtual time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from relaylab import units
from relaylab.channel import arguments
from relaylab.core import losses, virtual
from relaylab.core.layout import CONTROL, alloc_size
from relaylab.core.scene import Arrivals, Drainer, Outcome, Shape, run
from relaylab.errors import ConfigError
from relaylab.tuning.arrivals import arrivals_of, bursts_in
from relaylab.tuning.reader import Reader, reader_or_none
from relaylab.units import Quantity
from relaylab.workload import Workload

CAUSES: Final = {"full": losses.FULL, "unfull": losses.UNFULL, "too_large": losses.TOO_LARGE}
_FIELDS: Final = {name: f"lost_{name}" for name in CAUSES}


@dataclass(frozen=True, eq=False, repr=False)
class Simulation:
    """What became of a workload.

    Attributes
    ----------
    subbuf_size, n_subbufs, n_cpus : int
        The channel; sizes in bytes.
    overwrite : bool
    rules : str
    reader : Reader or None
    offered, written, lost : int
        Events; offered = written + lost.
    loss_fraction : float
        Lost over offered, 0 .. 1.
    lost_by_cpu, offered_by_cpu, high_water_by_cpu : int64[n_cpus]
    lost_by_cause : dict
        "full": no room; "unfull": the event that finds the buffer full no more, by the rules of
        2005; "too_large".
    lost_bytes : int
    high_water : int
        The most sub-buffers ever unconsumed in one buffer.
    switches : int
        Sub-buffers produced.
    overwritten_unread : int
        Sub-buffers overwritten before they were consumed.
    padding_fraction : float
        Padding over the bytes of all sub-buffers produced.
    latency_p50_ns, latency_p95_ns, latency_p99_ns, latency_max_ns : float
        From a sub-buffer's being produced to its being consumed; nan if none was.
    subbufs_consumed : int
    wakeups_per_s : float
        How often a second of the workload the readers woke.
    memory : int
        Bytes of all buffers.
    duration_ns : int
        Of the workload.
    """

    subbuf_size: int
    n_subbufs: int
    n_cpus: int
    overwrite: bool
    rules: str
    reader: Reader | None
    offered: int
    written: int
    lost: int
    lost_by_cpu: NDArray[np.int64]
    offered_by_cpu: NDArray[np.int64]
    high_water_by_cpu: NDArray[np.int64]
    lost_by_cause: Mapping[str, int]
    lost_bytes: int
    high_water: int
    switches: int
    overwritten_unread: int
    padding_fraction: float
    latency_p50_ns: float
    latency_p95_ns: float
    latency_p99_ns: float
    latency_max_ns: float
    subbufs_consumed: int
    wakeups_per_s: float
    memory: int
    duration_ns: int
    _runs: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 4), np.int64))
    _events: Arrivals | None = None

    @property
    def loss_fraction(self) -> float:
        """Lost over offered events, 0 .. 1; 0 if none was offered."""
        return self.lost / self.offered if self.offered else 0.0

    @property
    def is_lost(self) -> NDArray[np.bool_]:
        """Whether each event of the workload was lost, bool[n], in the workload's order."""
        here = self._lost_here()
        assert self._events is not None
        if self._events.places is None:
            return here
        lost = np.zeros(len(here), bool)
        lost[self._events.places] = here
        return lost

    @property
    def loss_runs(self) -> NDArray[np.void]:
        """The runs of lost events, one after the other on a CPU, in the order of time.

        Returns
        -------
        structured ndarray
            ``t_ns`` of the first event, ``cpu``, ``events``, ``cause`` (see `CAUSES`).
        """
        kind = [("t_ns", np.int64), ("cpu", np.int64), ("events", np.int64), ("cause", np.int64)]
        runs = np.zeros(len(self._runs), kind)
        if len(runs):
            assert self._events is not None
            runs["t_ns"] = self._events.t_ns[self._runs[:, 1]]
            runs["cpu"], runs["cause"] = self._runs[:, 0], self._runs[:, 3]
            runs["events"] = self._runs[:, 2] - self._runs[:, 1]
        return runs[np.argsort(runs["t_ns"], kind="stable")]

    def lost_over_time(self, bins: int = 100) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """How many events were lost when.

        Parameters
        ----------
        bins
            1 or more.

        Returns
        -------
        edges_ns : int64[bins + 1]
            On the clock of the workload.
        lost : int64[bins]
        """
        count = arguments.integer("bins", bins, 1, 10**7)
        events = self._events
        if events is None or len(events.t_ns) == 0:
            return np.zeros(count + 1, np.int64), np.zeros(count, np.int64)
        first = int(events.t_ns[events.begins[:-1][np.diff(events.begins) > 0]].min())
        width = max(1, -(-(events.last_ns - first + 1) // count))
        edges = first + width * np.arange(count + 1, dtype=np.int64)
        times = events.t_ns[self._lost_here()]
        return edges, np.bincount((times - first) // width, minlength=count).astype(np.int64)

    def _lost_here(self) -> NDArray[np.bool_]:
        """By event, CPU after CPU."""
        n = 0 if self._events is None else len(self._events.t_ns)
        steps = np.zeros(n + 1, np.int32)
        np.add.at(steps, self._runs[:, 1], 1)
        np.add.at(steps, self._runs[:, 2], -1)
        return np.cumsum(steps[:-1]) > 0

    def __repr__(self) -> str:
        size = units.format_bytes(self.subbuf_size, exact=True)
        mode = ", overwrite" if self.overwrite else ""
        head = f"<Simulation {size} x {self.n_subbufs} x {_plural(self.n_cpus, 'CPU')}"
        head += f" = {units.format_bytes(self.memory)}{mode}: "
        if self.lost:
            causes = ", ".join(f"{n:,} {name}" for name, n in self.lost_by_cause.items() if n)
            head += f"{self.loss_fraction:.2%} lost, {self.lost:,} of {self.offered:,} ({causes})"
        else:
            head += f"nothing lost of {_plural(self.offered, 'event')}"
        text = f"{head}; at most {self.high_water} of {self.n_subbufs} unread"
        if not math.isnan(self.latency_p99_ns):
            text += f", p99 latency {units.format_duration(self.latency_p99_ns)}"
        return f"{text}, {self.padding_fraction:.1%} padding>"


def simulate(
    load: Workload,
    subbuf_size: Quantity,
    n_subbufs: int,
    reader: Reader | None = None,
    overwrite: bool = False,
    rules: str = "relayfs",
    event_overhead: Quantity = 0,
    subbuf_header: Quantity = 0,
    flush_every: Quantity = 0,
) -> Simulation:
    """Put a workload through a channel in virtual time.

    The engine's own transitions, without copying a byte of payload.

    Parameters
    ----------
    load
        The workload; each event goes to the buffer of its CPU.
    subbuf_size, n_subbufs
        Of the channel: "64 KiB" or bytes, and a number.
    reader
        Who drains it; None: nobody.
    overwrite
        True: the oldest sub-buffer is overwritten and nothing is lost.
    rules
        "relayfs" (2005) or "linux" (today's kernel).
    event_overhead
        Bytes that each event takes beside its size.
    subbuf_header
        Bytes at the start of each sub-buffer.
    flush_every
        All buffers are flushed at this interval, counted from the first event: "1 s"; 0 is never.

    Returns
    -------
    Simulation

    Raises
    ------
    ConfigError
        A size, count, name or type that is not allowed.
    """
    shape = shape_of(
        subbuf_size, n_subbufs, overwrite, rules, event_overhead, subbuf_header, flush_every
    )
    events = arrivals_of(load)
    outcomes = run_all(events, shape, reader_or_none(reader))
    offered = np.diff(events.begins)
    control = by_cpu(events, outcomes)
    lost: NDArray[np.int64] = np.stack([control[name] for name in _FIELDS.values()]).sum(axis=0)
    latencies = np.concatenate([outcome.latencies for _, outcome in outcomes] or [_NO_LATENCY])
    runs = [outcome.runs + np.array([first, 0, 0, 0]) for first, outcome in outcomes]
    switches = int(control["switches"].sum())
    seconds = load.duration_ns / 1e9
    wakeups = sum(outcome.wakeups for _, outcome in outcomes)
    if reader is not None and reader.kind == virtual.PERIODIC:
        wakeups = load.duration_ns // reader.period_ns * len(outcomes)
    quantiles = [_quantile(latencies, q) for q in (0.5, 0.95, 0.99, 1.0)]
    return Simulation(
        subbuf_size=shape.subbuf_size,
        n_subbufs=shape.n_subbufs,
        n_cpus=events.n_cpus,
        overwrite=shape.overwrite,
        rules=rules,
        reader=reader,
        offered=len(load),
        written=int(control["written"].sum()),
        lost=int(lost.sum()),
        lost_by_cpu=lost,
        offered_by_cpu=offered,
        high_water_by_cpu=control["high_water"].copy(),
        lost_by_cause={name: int(control[f].sum()) for name, f in _FIELDS.items()},
        lost_bytes=int(control["lost_bytes"].sum()),
        high_water=int(control["high_water"].max(initial=0)),
        switches=switches,
        overwritten_unread=int(control["overwritten_unread_subbufs"].sum()),
        padding_fraction=(
            sum(int(outcome.padding.sum()) for _, outcome in outcomes)
            / (switches * shape.subbuf_size)
            if switches
            else 0.0
        ),
        latency_p50_ns=quantiles[0],
        latency_p95_ns=quantiles[1],
        latency_p99_ns=quantiles[2],
        latency_max_ns=quantiles[3],
        subbufs_consumed=int(control["consumed"].sum()),
        wakeups_per_s=wakeups / seconds if seconds else 0.0,
        memory=alloc_size(shape.subbuf_size, shape.n_subbufs) * events.n_cpus,
        duration_ns=load.duration_ns,
        _runs=np.concatenate(runs) if runs else np.zeros((0, 4), np.int64),
        _events=events,
    )


_NO_LATENCY: Final = np.zeros(0, np.int64)


def shape_of(
    subbuf_size: Any,
    n_subbufs: Any,
    overwrite: Any = False,
    rules: Any = "relayfs",
    event_overhead: Any = 0,
    subbuf_header: Any = 0,
    flush_every: Any = 0,
) -> Shape:
    """The checked shape of what is simulated."""
    size, count = arguments.shape(units.parse_bytes(subbuf_size, "subbuf_size"), n_subbufs)
    header = units.parse_bytes(subbuf_header, "subbuf_header")
    if header > size:
        raise ConfigError("subbuf_header", passed=subbuf_header, allowed=f"0 .. {size}")
    overhead = units.parse_bytes(event_overhead, "event_overhead")
    if overhead > arguments.INT_MAX:
        raise ConfigError("event_overhead", passed=event_overhead, allowed="0 .. 2^31-1")
    return Shape(
        size,
        count,
        arguments.flag("overwrite", overwrite),
        arguments.rules(rules),
        int(overhead),
        int(header),
        int(units.parse_duration(flush_every, "flush_every")),
    )


def run_all(
    events: Arrivals, shape: Shape, reader: Reader | None, record: bool = True
) -> list[tuple[int, Outcome]]:
    """Run all CPUs that have events; with each outcome comes its first CPU."""
    origin = events.first_ns
    shared = reader is not None and reader.shared and not reader.is_told
    groups = [(0, events.n_cpus)] if shared else [(cpu, 1) for cpu in events.busy_cpus]
    drainer = Drainer() if reader is None else reader.drainer(shape.rules, origin)
    told: dict[str, Any] = {}
    outcomes = []
    for first, count in groups:
        if reader is not None:
            told = _told(events, first, count, reader)
        outcomes.append((first, run(events, first, count, shape, drainer, **told, record=record)))
    return outcomes


def _told(events: Arrivals, first: int, count: int, reader: Reader) -> dict[str, Any]:
    """A reader's schedule, and when it is held, for some CPUs."""
    told: dict[str, Any] = {}
    if reader.is_told and first in reader.schedules:
        told["schedule"] = reader.schedules[first]
    if reader.stall_ns:
        told["pauses"] = events.pauses
    if reader.held_by_ns is not None:
        begin, end = events.begins[first], events.begins[first + count]
        times = events.t_ns[begin:end]
        told["busy"] = bursts_in(np.sort(times) if count > 1 else times, reader.held_by_ns)
    return told


def by_cpu(events: Arrivals, outcomes: list[tuple[int, Outcome]]) -> NDArray[np.void]:
    """The control blocks by CPU; those of CPUs without events are 0."""
    control = np.zeros(events.n_cpus, CONTROL)
    for first, outcome in outcomes:
        control[first : first + len(outcome.control)] = outcome.control
    return control


def _quantile(latencies: NDArray[np.int64], q: float) -> float:
    if len(latencies) == 0:
        return math.nan
    return float(np.quantile(latencies, q, method="inverted_cdf"))


def _plural(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
