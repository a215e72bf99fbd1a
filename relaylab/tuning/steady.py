"""The closed formula for a steady writer: what one would reckon without a trace.

It knows nothing of bursts: it stands beside what is simulated, never in its place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Steady:
    """A writer that never pauses, and a reader that is late by the same time again and again.

    Attributes
    ----------
    rate : float
        Bytes per second that one CPU writes, r.
    latency : float
        Seconds from a sub-buffer being ready to its reader being at it, L.
    load : float
        Bytes per second written of those that the reader could read, rho = r / d; 0 for a reader
        that takes no time.
    waste : float
        Bytes of each sub-buffer that hold no event, c: its header and the padding.
    """

    rate: float
    latency: float
    load: float
    waste: float

    @property
    def is_possible(self) -> bool:
        """Whether any memory is enough: the reader reads faster than is written."""
        return self.load < 1

    def memory_at(self, n_subbufs: float) -> float:
        """Bytes per CPU that `n_subbufs` sub-buffers need together, B(n); infinity if none do."""
        if not self.is_possible or n_subbufs <= 1 + self.load:
            return math.inf
        size = self.rate * self.latency / (n_subbufs - 1 - self.load) + self.waste
        return n_subbufs * size

    def n_subbufs_of(self, subbuf_size: int) -> float:
        """The number that sub-buffers of this size, bytes, need; infinity if none is enough."""
        room = subbuf_size - self.waste
        if not self.is_possible or room <= 0:
            return math.inf
        return 1 + self.load + self.rate * self.latency / room

    @property
    def n_subbufs(self) -> float:
        """The number for which the least memory is enough, n*; infinity if nothing is wasted."""
        if not self.is_possible or not self.waste:
            return math.inf
        needed = (1 + self.load) * self.rate * self.latency / self.waste
        return 1 + self.load + math.sqrt(needed)

    @property
    def subbuf_size(self) -> float:
        """The size that goes with that number, bytes."""
        late = self.rate * self.latency
        spare = self.n_subbufs - 1 - self.load
        return late / spare + self.waste if late else self.waste

    @property
    def memory(self) -> float:
        """The least memory per CPU, bytes, B*; infinity if there is none."""
        if not self.is_possible:
            return math.inf
        late = math.sqrt(self.rate * self.latency)
        return (late + math.sqrt((1 + self.load) * self.waste)) ** 2
