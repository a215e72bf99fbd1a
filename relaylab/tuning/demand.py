"""Demand: the events, the reader and the ring for which a shape is sought."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from relaylab.core import virtual
from relaylab.tuning.frontier import frontier
from relaylab.tuning.simulation import simulate
from relaylab.tuning.steady import Steady
from relaylab.tuning.tools import Shape

if TYPE_CHECKING:
    from relaylab.tuning.reader import Reader
    from relaylab.workload import Workload


@dataclass(frozen=True, eq=False)
class Demand:
    """What is to be recorded without loss.

    Attributes
    ----------
    load : Workload
        The events.
    reader : Reader
        Who empties the buffers.
    rules : "linux" or "relayfs"
        Of the ring.
    event_overhead, subbuf_header : int
        Bytes that the ring adds.
    """

    load: Workload
    reader: Reader
    rules: str = "linux"
    event_overhead: int = 0
    subbuf_header: int = 0
    _least: dict[int, int] = field(default_factory=dict, repr=False)

    def least(
        self, sizes: Iterable[int], progress: Callable[[int, int], Any] | None = None
    ) -> dict[int, int]:
        """For each size the least number of sub-buffers that loses nothing; 0: none does."""
        wanted = sorted(set(sizes))
        new = [size for size in wanted if size not in self._least]
        if new:
            found = frontier(
                self.load,
                subbuf_sizes=new,
                reader=self.reader,
                rules=self.rules,
                event_overhead=self.event_overhead,
                subbuf_header=self.subbuf_header,
                progress=progress,
            )
            pairs = zip(found.subbuf_size, found.n_subbufs, strict=True)
            self._least.update((int(size), int(n)) for size, n in pairs)
        return {size: self._least[size] for size in wanted}

    def lost(self, shape: Shape) -> int:
        """How many events are lost with this shape."""
        return simulate(
            self.load,
            subbuf_size=shape.subbuf_size,
            n_subbufs=shape.n_subbufs,
            reader=self.reader,
            rules=self.rules,
            event_overhead=self.event_overhead,
            subbuf_header=self.subbuf_header,
        ).lost

    @cached_property
    def smallest_size(self) -> int:
        """Bytes that a sub-buffer needs for the largest event."""
        largest = int(self.load.size.max()) if len(self.load) else 1
        return max(1, largest + self.event_overhead + self.subbuf_header)

    @cached_property
    def largest_size(self) -> int:
        """Bytes of a sub-buffer that would hold all events of the busiest CPU."""
        return max(self.smallest_size, int(self._bytes_by_cpu.max(initial=0)) + self.subbuf_header)

    def steady(self, size: int | None = None) -> Steady:
        """The same demand without its bursts, with sub-buffers of `size` bytes for the costs.

        It is that of the busiest CPU; for a reader that all CPUs share, its load is that of all.
        """
        seconds = self.load.duration_ns / 1e9
        by_cpu = self._bytes_by_cpu / seconds if seconds else np.zeros(1)
        rate = float(by_cpu.max(initial=0))
        mean = float(self._bytes_by_cpu.sum()) / max(1, len(self.load))
        size = max(self.smallest_size, 4096) if size is None else size
        served = float(by_cpu.sum()) if self.reader.shared else rate
        return Steady(
            rate=rate,
            latency=self._latency_s(),
            load=served * self._seconds_a_byte(size),
            waste=self.subbuf_header + mean / 2,
        )

    def _latency_s(self) -> float:
        """How late the reader is at worst when it has nothing else to do."""
        reader = self.reader
        late = {
            virtual.WAKING: reader.latency_ns,
            virtual.PERIODIC: reader.period_ns,
            virtual.POLLING: reader.latency_ns + reader.sleep_ns + reader.per_subbuf_ns,
        }[reader.kind]
        return late / 1e9

    def _seconds_a_byte(self, size: int) -> float:
        """What the reader takes for a byte, when all sub-buffers are full."""
        reader = self.reader
        reading = 0.0 if reader.bytes_per_s is None else 1 / reader.bytes_per_s
        each = reader.per_subbuf_ns
        each += reader.sleep_ns if reader.kind == virtual.POLLING else 0
        return reading + each / 1e9 / size

    @cached_property
    def _bytes_by_cpu(self) -> NDArray[np.float64]:
        weights = self.load.size.astype(np.float64) + self.event_overhead
        sums = np.bincount(self.load.cpu, weights=weights, minlength=self.load.n_cpus)
        return sums.astype(np.float64)
