"""The same ring as a SimPy model, event after event: what one would write without relaylab."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import simpy

from relaylab.workload import Workload


class Ring:
    """One buffer by the rules of today's kernel, and a reader that wakes `latency` after something
    is ready and takes `per_subbuf` for each sub-buffer."""

    def __init__(self, subbuf_size: int, n_subbufs: int, latency: int, per_subbuf: int) -> None:
        self.env = simpy.Environment()
        self.size, self.n = subbuf_size, n_subbufs
        self.latency, self.per_subbuf = latency, per_subbuf
        self.offset = self.produced = self.consumed = self.lost = 0
        self.is_closed = False
        self.ready = self.env.event()

    def run(self, load: Workload) -> int:
        """How many events are lost."""
        self.env.process(self.reader())
        self.env.process(self.writer(load))
        self.env.run()
        return self.lost

    def writer(self, load: Workload) -> Generator[Any, None, None]:
        now = 0
        for t, size in zip(load.t_ns.tolist(), load.size.tolist(), strict=True):
            if t > now:
                yield self.env.timeout(t - now)
                now = t
            self.write(size)

    def write(self, size: int) -> None:
        if self.is_closed or self.offset + size > self.size:
            if not self.is_closed:
                self.is_closed = True
                self.produced += 1
                if not self.ready.triggered:
                    self.ready.succeed()
            if self.produced - self.consumed >= self.n:
                self.lost += 1
                return
            self.is_closed = False
            self.offset = 0
        self.offset += size

    def reader(self) -> Generator[Any, None, None]:
        while True:
            yield self.ready
            yield self.env.timeout(self.latency)
            while self.consumed < self.produced:
                yield self.env.timeout(self.per_subbuf)
                self.consumed += 1
            self.ready = self.env.event()
