"""Measuring the engine against its peers; what `relaylab bench` prints."""

import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from relaylab import relayfs
from relaylab.channel import Channel
from relaylab.cli import peers
from relaylab.cli.peers import N_SUBBUFS, SUBBUF_SIZE, MemcpyLoop, Pipe

LENGTHS = (16, 64, 256, 1024)
_BATCH_BYTES = 1 << 22  # events copied from memory that is in the cache
_REPEAT_NS = 4_000_000  # each timing covers about this long
_THREADS_NS = 200_000_000  # and one of threads: starting them must not count
_HELP_S, _IMPORT_S, _FIRST_WRITE_S = 0.4, 0.15, 0.5
_AT_MOST = {16: 1.1, 64: 1.1, 256: 1.45, 1024: 1.2}  # what relay_write in C needs


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    `engine` and `peer` are in `unit`; `value` is what is compared with the `goal`: a ratio, or a
    difference in `unit`. `at_least` says which side of the goal is good.
    """

    what: str
    engine: float
    peer_name: str
    peer: float
    unit: str
    value: float
    goal: float
    at_least: bool = False

    @property
    def good(self) -> bool:
        """Whether the goal is met."""
        return self.value >= self.goal if self.at_least else self.value <= self.goal


def all_figures(rounds: int) -> Iterator[Figure]:
    """Every figure, one after the other."""
    yield from batches(rounds)
    yield two_threads(rounds)
    yield from single_writes(rounds)
    yield from starts(max(3, rounds // 3))


def batches(rounds: int) -> Iterator[Figure]:
    """write_many against the C loop, without and with the lock."""
    loop = MemcpyLoop()
    with _channel(1) as chan:
        for length in LENGTHS:
            events = np.zeros((_BATCH_BYTES // length, length), np.uint8)
            events[:] = np.arange(length)
            plain, locked, peer = take_turns(
                rounds,
                len(events),
                partial(chan.write_many, events, cpu=0, lock=False),
                partial(chan.write_many, events, cpu=0, lock=True),
                partial(loop.write, events),
            )
            goal = _AT_MOST[length]
            what = f"write_many, {length} bytes"
            yield Figure(what, plain, "C memcpy loop", peer, "ns", plain / peer, goal)
            yield Figure(f"{what}, lock", locked, "no lock", plain, "ns", locked - plain, 8.0)


def two_threads(rounds: int) -> Figure:
    """Events per second of two threads on two buffers against one, beside what C loops reach.

    Two processors of a virtual machine may be one core's two threads: what the C loops gain is what
    the machine has to give.
    """
    events = np.ones((_BATCH_BYTES // 64, 64), np.uint8)
    loops = (MemcpyLoop(), MemcpyLoop())
    with _channel(2) as chan:
        ours = _Scaling(lambda cpu: chan.write_many(events, cpu=cpu), len(events))
        peer = _Scaling(lambda cpu: loops[cpu].write(events), len(events))
        for _ in range(rounds):
            ours.measure()
            peer.measure()
    one = statistics.median(ours.rates)
    gain = statistics.median(ours.gains)
    name = f"one thread (in C {statistics.median(peer.gains):.2f} x)"
    what = "two threads, two buffers"
    return Figure(what, one * gain, name, one, "M/s", gain, 1.8, at_least=True)


class _Scaling:
    """What a second thread gains, round by round: the machine changes from one to the next.

    Attributes
    ----------
    rates, gains : list of float
        Of each round: events of one thread per microsecond, and how many times that two reach.
    """

    def __init__(self, write: Callable[[int], Any], events: int) -> None:
        self._write = write
        self._repeat = _repeats(lambda: write(0), _THREADS_NS)
        write(1)
        self._events = self._repeat * events
        self.rates: list[float] = []
        self.gains: list[float] = []

    def measure(self) -> None:
        """One round: each thread alone, before and after both together."""
        before, both, after = self._run(0), self._run(0, 1), self._run(1)
        self.rates.append(2e3 * self._events / (before + after))
        self.gains.append((before + after) / both)

    def _run(self, *cpus: int) -> int:
        threads = [threading.Thread(target=self._batches, args=(cpu,)) for cpu in cpus]
        begin = time.perf_counter_ns()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.perf_counter_ns() - begin

    def _batches(self, cpu: int) -> None:
        for _ in range(self._repeat):
            self._write(cpu)


def single_writes(rounds: int) -> Iterator[Figure]:
    """chan.write of 64 bytes from Python, against itself and against a pipe."""
    event = bytes(64)
    with _channel(1) as chan, Pipe() as pipe:

        def write() -> None:
            for _ in range(1000):
                chan.write(event, cpu=0)

        def send() -> None:
            for _ in range(1000):
                pipe.write(event)

        ours, peer = take_turns(rounds, 1000, write, send)
    yield Figure("chan.write, 64 bytes", ours, "", 0.0, "ns", ours, 400.0)
    name = "multiprocessing.Pipe"
    yield Figure("the same", ours, name, peer, "ns", peer / ours, 8.0, at_least=True)


def starts(rounds: int) -> Iterator[Figure]:
    """What a fresh process needs, beyond what Numba alone needs."""
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "relaylab_trivial.py").write_text(peers.NUMBA_TRIVIAL_MODULE)
        trivial = peers.NUMBA_TRIVIAL.format(directory=directory)
        peers.seconds(trivial)  # fill the caches
        peers.seconds(peers.RELAYLAB_WRITE)
        ours, theirs, write, call, text = (
            statistics.median(column)
            for column in zip(
                *(
                    [
                        peers.seconds(program)
                        for program in (
                            peers.RELAYLAB_IMPORT,
                            peers.NUMBA_IMPORT,
                            peers.RELAYLAB_WRITE,
                            trivial,
                            peers.RELAYLAB_HELP,
                        )
                    ]
                    for _ in range(rounds)
                ),
                strict=True,
            )
        )
    yield Figure("import relaylab", ours, "import numba", theirs, "s", ours - theirs, _IMPORT_S)
    name = "one cached Numba call"
    yield Figure("first write", write, name, call, "s", write - call, _FIRST_WRITE_S)
    yield Figure("relaylab --help", text, "", 0.0, "s", text, _HELP_S)


def take_turns(rounds: int, events: int, *candidates: Callable[[], Any]) -> list[float]:
    """The median time of each candidate per event, ns, when they take turns."""
    repeats = [_repeats(candidate) for candidate in candidates]
    times: list[list[float]] = [[] for _ in candidates]
    for _ in range(rounds):
        for candidate, repeat, column in zip(candidates, repeats, times, strict=True):
            begin = time.perf_counter_ns()
            for _ in range(repeat):
                candidate()
            column.append((time.perf_counter_ns() - begin) / (repeat * events))
    return [statistics.median(column) for column in times]


def _repeats(candidate: Callable[[], Any], duration: int = _REPEAT_NS) -> int:
    """How often to call it for one timing of `duration` ns; called twice, so that it is warm."""
    candidate()
    begin = time.perf_counter_ns()
    candidate()
    return max(1, duration // max(1, time.perf_counter_ns() - begin))


def _channel(n_cpus: int) -> Channel:
    fs = relayfs.RelayFS(n_cpus=n_cpus)
    return relayfs.relay_open("bench", None, SUBBUF_SIZE, N_SUBBUFS, True, None, fs=fs)
