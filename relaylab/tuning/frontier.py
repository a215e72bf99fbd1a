"""The least number of sub-buffers that loses nothing, by size; and the formula beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from relaylab import units
from relaylab.channel import arguments
from relaylab.core.layout import alloc_size
from relaylab.core.scene import Shape
from relaylab.errors import ConfigError
from relaylab.tuning.arrivals import arrivals_of
from relaylab.tuning.executors import spread
from relaylab.tuning.reader import Reader, reader_or_none
from relaylab.tuning.simulation import by_cpu, run_all, shape_of
from relaylab.tuning.steady import Steady
from relaylab.units import Quantity
from relaylab.workload import Workload

_UNBOUNDED: Final = arguments.INT_MAX


@dataclass(frozen=True, eq=False, repr=False)
class Frontier:
    """For each size the least number of sub-buffers that loses nothing.

    Attributes
    ----------
    subbuf_size : int64[k]
        Bytes.
    n_subbufs : int64[k]
        0: no number suffices. Some event is too large for a sub-buffer of that size, or so many
        would have 4 GiB or more.
    memory : int64[k]
        Bytes of all buffers; 0 where no number suffices.
    n_cpus : int
    """

    subbuf_size: NDArray[np.int64]
    n_subbufs: NDArray[np.int64]
    memory: NDArray[np.int64]
    n_cpus: int

    def __repr__(self) -> str:
        cells = [
            f"{units.format_bytes(size, exact=True)} x {count}"
            if count
            else f"{units.format_bytes(size, exact=True)}: none suffices"
            for size, count in zip(self.subbuf_size.tolist(), self.n_subbufs.tolist(), strict=True)
        ]
        return f"<Frontier on {self.n_cpus} CPUs: {', '.join(cells)}>"


def frontier(
    load: Workload,
    subbuf_sizes: Sequence[Quantity],
    reader: Reader | None = None,
    *,
    rules: str = "relayfs",
    event_overhead: Quantity = 0,
    subbuf_header: Quantity = 0,
    flush_every: Quantity = 0,
    executor: Executor | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> Frontier:
    """The exact least number of sub-buffers without loss, for each size, in one pass each.

    What happens as long as nothing is lost does not depend on how many sub-buffers there are. So
    one run with as many as it may take shows how many it takes: one more than were ever unread.

    Parameters
    ----------
    load
        The workload.
    subbuf_sizes
        "64 KiB" or bytes, each.
    reader, rules, event_overhead, subbuf_header, flush_every
        As of `simulate`.
    executor
        Who computes; None: threads of this process.
    progress
        Called with (sizes done, sizes in all) after each.

    Returns
    -------
    Frontier

    Raises
    ------
    ConfigError
    """
    events = arrivals_of(load)
    sizes = sizes_of(subbuf_sizes)
    shapes = [
        shape_of(size, 1, False, rules, event_overhead, subbuf_header, flush_every)
        for size in sizes
    ]
    counts = np.zeros(len(sizes), np.int64)
    tasks = [partial(_least, shape=shape, reader=reader_or_none(reader)) for shape in shapes]
    for done, (i, count) in enumerate(spread(tasks, events, executor), 1):
        counts[i] = count
        if progress is not None:
            progress(done, len(tasks))
    memory = [
        alloc_size(size, int(n)) * events.n_cpus for size, n in zip(sizes, counts, strict=True)
    ]
    return Frontier(np.array(sizes, np.int64), counts, np.array(memory, np.int64), events.n_cpus)


def _least(events: Any, *, shape: Shape, reader: Reader | None) -> int:
    unbounded = Shape(**vars(shape) | {"n_subbufs": _UNBOUNDED})
    control = by_cpu(events, run_all(events, unbounded, reader, record=False))
    if control["lost_too_large"].any():
        return 0
    least = int(control["high_water"].max(initial=0)) + 1
    return least if least * shape.subbuf_size <= arguments.MAX_BYTES else 0


def sizes_of(subbuf_sizes: Any) -> list[int]:
    """Checked sizes, bytes."""
    if isinstance(subbuf_sizes, str) or not hasattr(subbuf_sizes, "__iter__"):
        raise ConfigError(
            "subbuf_sizes", passed=subbuf_sizes, allowed='a list of sizes: ["4 KiB", "64 KiB"]'
        )
    sizes = [int(units.parse_bytes(size, "subbuf_sizes")) for size in subbuf_sizes]
    if not sizes:
        raise ConfigError("subbuf_sizes", passed=[], allowed="one size or more")
    return [arguments.integer("subbuf_sizes", size, 1, arguments.MAX_BYTES) for size in sizes]


@dataclass(frozen=True)
class Estimate:
    """What the closed formula says.

    Attributes
    ----------
    n_subbufs : float
        The best number of sub-buffers.
    subbuf_size : float
        The size that goes with it, bytes.
    memory : float
        The least memory of one buffer, bytes.
    """

    n_subbufs: float
    subbuf_size: float
    memory: float


def formula(
    writer_rate: Quantity, latency: Quantity, reader_rate: Quantity, waste: Quantity
) -> Estimate:
    """The least memory for a steady writer, in closed form. To be shown beside a simulation.

    A writer fills ``r`` bytes a second, a reader sleeps up to ``L`` once a sub-buffer is ready and
    drains ``d`` bytes a second, rho = r/d < 1; each sub-buffer wastes ``c`` bytes (header,
    padding). While the reader sleeps the writer needs r L bytes besides the sub-buffer being read,
    so that n sub-buffers take n (r L / (n - 1 - rho) + c) bytes. The least is at n = 1 + rho +
    sqrt((1 + rho) r L / c), and is (sqrt(r L) + sqrt((1 + rho) c))^2. Bursts break it.

    Parameters
    ----------
    writer_rate, reader_rate
        r and d, bytes a second.
    latency
        L, ns or "200 us".
    waste
        c, bytes, more than 0.

    Returns
    -------
    Estimate

    Raises
    ------
    ConfigError
        The reader is not faster than the writer, or nothing is wasted: there is no best number.

    Notes
    -----
    relaylab's own derivation; within about 3 % of a byte-exact model of such a writer.
    """
    r = units.parse_bandwidth(writer_rate, "writer_rate")
    d = units.parse_bandwidth(reader_rate, "reader_rate")
    pause = units.parse_duration(latency, "latency") / 1e9
    c = units.parse_bytes(waste, "waste")
    if not r < d:
        raise ConfigError(
            "reader_rate",
            passed=reader_rate,
            allowed="faster than the writer",
            hint="No memory is enough for long when the reader is slower than the writer.",
        )
    if c == 0:
        raise ConfigError("waste", passed=waste, allowed="1 byte or more")
    steady = Steady(r, pause, r / d, c)
    return Estimate(steady.n_subbufs, steady.subbuf_size, steady.memory)
