"""A simulation's memory: what the compiled loop is given and leaves behind."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from relaylab.core.arrivals import BLOCK
from relaylab.core.clients import BUILT_IN
from relaylab.core.lanes import NEVER, RUN_WORDS
from relaylab.core.layout import CONTROL, LANE, OWN, SCENE
from relaylab.core.memory import describe
from relaylab.core.prepare import engine
from relaylab.core.virtual import NOBODY

PAUSE_NS: Final = 20_000  # between two events: longer than any writer takes for one
_NONE: Final = np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class Arrivals:
    """The events of some CPUs, CPU after CPU, each CPU's in the order of time.

    Attributes
    ----------
    t_ns : int64[n]
    size : uint32[n]
    sums : int64[n // BLOCK + 1]
        Bytes before each block of events.
    begins : int64[n_cpus + 1]
        Where each CPU's events begin.
    places : int64[n] or None
        Which event of the workload each one is; None: the same.
    smallest, largest : int
        Sizes; 0 if there is no event.
    last_ns : int
        When the last event comes; -1 if there is none.
    """

    t_ns: NDArray[np.int64]
    size: NDArray[np.uint32]
    sums: NDArray[np.int64]
    begins: NDArray[np.int64]
    places: NDArray[np.int64] | None
    smallest: int
    largest: int
    last_ns: int

    @property
    def n_cpus(self) -> int:
        """How many CPUs."""
        return len(self.begins) - 1

    @property
    def busy_cpus(self) -> list[int]:
        """Those that have events."""
        return [int(cpu) for cpu in np.flatnonzero(np.diff(self.begins))]

    @cached_property
    def pauses(self) -> NDArray[np.int64]:
        """Events that come so long after the one before that their writer was waiting."""
        return np.flatnonzero(np.diff(self.t_ns) > PAUSE_NS) + 1

    @property
    def first_ns(self) -> int:
        """When the first event comes; 0 if there is none."""
        heads = self.begins[self.busy_cpus]
        return int(self.t_ns[heads].min()) if len(heads) else 0


def arrivals(
    t_ns: NDArray[np.int64], cpu: NDArray[np.uint16], size: NDArray[np.uint32], n_cpus: int
) -> Arrivals:
    """The events of a workload, parted by CPU."""
    n = len(t_ns)
    begins = np.array([0, n], np.int64)
    places = None
    if n_cpus > 1:
        begins = np.zeros(n_cpus + 1, np.int64)
        times, sizes = np.empty(n, np.int64), np.empty(n, np.uint32)
        places = np.empty(n, np.int64)
        engine.part_by_cpu(_words(t_ns), _narrow(cpu), _sizes(size), begins, times, sizes, places)
    else:
        times, sizes = _words(t_ns), _sizes(size)
    sums = np.empty(n // BLOCK + 1, np.int64)
    engine.sum_blocks(sizes, sums)
    return Arrivals(
        times,
        sizes,
        sums,
        begins,
        places,
        smallest=int(sizes.min(initial=2**32 - 1)) if n else 0,
        largest=int(sizes.max(initial=0)),
        last_ns=int(t_ns[-1]) if n else -1,
    )


def _words(array: Any) -> Any:
    return _readonly(np.ascontiguousarray(array, np.int64))


def _narrow(array: Any) -> Any:
    return _readonly(np.ascontiguousarray(array, np.uint16))


def _sizes(array: Any) -> Any:
    return _readonly(np.ascontiguousarray(array, np.uint32))


def _readonly(array: Any) -> Any:
    view = array.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True)
class Drainer:
    """A reader as the compiled loop knows it; see `virtual` for the kinds. Times in ns."""

    kind: int = NOBODY
    latency: int = 0
    per_subbuf: int = 0
    ns_per_mib: int = 0
    period: int = 1
    phase: int = 0
    sleep: int = 0
    stall: int = 0  #: what a lost event holds its writer up
    late: bool = False  #: sees a sub-buffer only when the next one is begun
    stream: bool = False  #: reads bytes, not sub-buffers


@dataclass(frozen=True)
class Shape:
    """What is simulated. Sizes in bytes."""

    subbuf_size: int
    n_subbufs: int
    overwrite: bool
    rules: int
    event_overhead: int = 0
    subbuf_header: int = 0
    flush_every: int = 0  #: ns; 0 for never


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a run leaves: the control blocks, and what was recorded."""

    control: NDArray[np.void]  #: of each CPU
    padding: NDArray[np.int64]  #: bytes, of each CPU
    wakeups: int
    reads: int
    runs: NDArray[np.int64]  #: [k, 4]: CPU, first event, event after the last, cause
    latencies: NDArray[np.int64]  #: of each sub-buffer consumed, ns


def run(
    events: Arrivals,
    first_cpu: int,
    n_cpus: int,
    shape: Shape,
    drainer: Drainer,
    schedule: NDArray[np.int64] = _NONE,
    busy: NDArray[np.int64] = _NONE,
    pauses: NDArray[np.int64] = _NONE,
    record: bool = True,
) -> Outcome:
    """Simulate CPUs that share a reader.

    Parameters
    ----------
    events
        Of all CPUs.
    first_cpu, n_cpus
        Which of them.
    shape
        Of the channel.
    drainer
        The reader.
    schedule
        int64[k, 3], what it was told, see `virtual.SCHEDULE_WORDS`.
    busy
        int64[k, 2], ascending: from when to when writers keep it from running.
    pauses
        int64[k], ascending: events before which their writers catch up, if the reader stalls them.
    record
        Whether to record each run of losses and each latency.
    """
    begins = events.begins[first_cpu : first_cpu + n_cpus + 1]
    most = _most_switches(events, begins, shape)
    n_subbufs = min(shape.n_subbufs, most + 1)  # it never comes round to the others
    control = np.zeros(n_cpus, CONTROL)
    own = np.zeros(n_cpus, OWN)
    lanes = np.zeros(n_cpus, LANE)
    arrays = np.zeros((n_cpus, 2, n_subbufs), np.uint32)
    scene = np.zeros(1, SCENE)
    produced_at = np.zeros((n_cpus, n_subbufs if record else 0), np.int64)
    n_records = n_cpus * (2 * most + 4) if record else 0
    runs = np.empty((n_records, RUN_WORDS), np.int64)
    latencies = np.empty(n_records, np.int64)
    for k in range(n_cpus):
        describe(
            control[k : k + 1],
            first_cpu + k,
            shape.subbuf_size,
            n_subbufs,
            shape.overwrite,
            shape.rules,
        )
        own[k]["handle"] = _address(own) + k * OWN.itemsize
        own[k]["control"] = _address(control) + k * CONTROL.itemsize
        own[k]["padding"] = _address(arrays) + 8 * n_subbufs * k
        own[k]["commit"] = own[k]["padding"] + 4 * n_subbufs
        own[k]["eventfd"] = -1
        own[k]["start_mode"] = BUILT_IN
        own[k]["reserve"] = shape.subbuf_header
        lanes[k]["handle"] = own[k]["handle"]
        lanes[k]["next"], lanes[k]["end"] = begins[k], begins[k + 1]
        lanes[k]["last_run"] = -1
        lanes[k]["produced_at"] = _address(produced_at) + 8 * n_subbufs * k
        lanes[k]["n_produced_at"] = n_subbufs
        lanes[k]["pause"], lanes[k]["end_of_pauses"] = np.searchsorted(
            pauses, (begins[k] + 1, begins[k + 1])
        )
    overhead, room = shape.event_overhead, shape.subbuf_size - shape.subbuf_header
    flushes = shape.flush_every > 0 and len(events.t_ns) > 0
    first_flush = events.first_ns + shape.flush_every if flushes else NEVER
    fields = {
        "lanes": _address(lanes),
        "n_lanes": n_cpus,
        "t_ns": _address(events.t_ns),
        "sizes": _address(events.size),
        "sums": _address(events.sums),
        "n_events": len(events.t_ns),
        "overhead": overhead,
        "odd": events.smallest + overhead == 0 or events.largest + overhead > room,
        "flush_every": shape.flush_every,
        "next_flush": first_flush if first_flush <= events.last_ns else NEVER,
        "last_ns": events.last_ns,
        "schedule": _address(schedule),
        "n_schedule": len(schedule),
        "busy": _address(busy),
        "n_busy": len(busy),
        "pauses": _address(pauses),
        "n_pauses": len(pauses),
        "record": record,
        "runs": _address(runs),
        "latencies": _address(latencies),
    } | vars(drainer)
    for name, value in fields.items():
        scene[0][name] = value
    engine.simulate(_address(scene))
    return Outcome(
        control,
        lanes["padding"].copy(),
        int(scene["wakeups"][0]),
        int(scene["reads"][0]),
        runs[: int(scene["n_runs"][0])].copy(),
        latencies[: int(scene["n_latencies"][0])].copy(),
    )


def _most_switches(events: Arrivals, begins: NDArray[np.int64], shape: Shape) -> int:
    """More sub-buffers than a CPU can ever produce."""
    n_events = int(np.diff(begins).max(initial=0))
    flushes = 0
    if shape.flush_every > 0 and len(events.t_ns):
        flushes = (events.last_ns - events.first_ns) // shape.flush_every + 1
    room = shape.subbuf_size - shape.subbuf_header
    longest = events.largest + shape.event_overhead
    if longest > room:  # each such event may close a sub-buffer
        return n_events + flushes + 2
    n_bytes = n_events * longest
    return min(n_events, n_bytes // max(1, room - longest + 1)) + flushes + 2


def _address(array: NDArray[Any]) -> int:
    words = array if array.dtype.names is None else array.view(np.int64)  # much the quicker
    return int(words.__array_interface__["data"][0])
