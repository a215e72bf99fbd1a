"""`relaylab bench`: how fast the engine is on this machine, as ratios to named peers."""

import argparse
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relaylab.cli import arguments

if TYPE_CHECKING:
    from relaylab.channel import Channel

LENGTHS = (16, 64, 256, 1024)
_BATCH_BYTES = 1 << 20  # events copied from memory that is in the cache
_REPEAT_NS = 4_000_000  # each timing covers about this long
_HELP_S, _IMPORT_S, _FIRST_WRITE_S = 0.4, 0.15, 0.5
_AT_MOST = {16: 1.1, 64: 1.1, 256: 1.45, 1024: 1.2}  # what relay_write in C needs

_DESCRIPTION = """\
Measure the engine against named peers, on this machine, in this run. Each figure is the median of
rounds in which the engine and its peer take turns, so that a machine whose speed changes changes
both. What counts is the ratio."""

_EXAMPLES = """\
examples:
  relaylab bench                 all figures, a minute or two
  relaylab bench --rounds 31     more rounds for a noisy machine
  relaylab bench --json          for a program to read"""


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


def register(subparsers: arguments.Subparsers) -> None:
    """Add the command."""
    parser = arguments.add_command(
        subparsers,
        "bench",
        run,
        summary="how fast the engine is on this machine, as ratios to named peers",
        description=_DESCRIPTION,
        examples=_EXAMPLES,
    )
    parser.add_argument(
        "--rounds", type=int, default=15, metavar="N", help="rounds of each figure (default: 15)"
    )
    parser.add_argument("--json", action="store_true", help="print a list of JSON objects")


def run(args: argparse.Namespace) -> int:
    """Measure and print, each figure as soon as it is there."""
    if args.rounds < 1:
        from relaylab.errors import ConfigError

        raise ConfigError("--rounds", passed=args.rounds, allowed="1 or more")
    figures = []
    if not args.json:
        print(_line("figure", "relaylab", "peer", "ratio or difference", "goal"))
    for figure in all_figures(args.rounds):
        figures.append(figure)
        if not args.json:
            print(_row(figure), flush=True)
    if args.json:
        print(json.dumps([asdict(figure) | {"good": figure.good} for figure in figures], indent=2))
    return 0


def all_figures(rounds: int) -> Iterator[Figure]:
    """Every figure, one after the other."""
    yield from batches(rounds)
    yield two_threads(rounds)
    yield from single_writes(rounds)
    yield from starts(max(3, rounds // 3))


def batches(rounds: int) -> Iterator[Figure]:
    """write_many against the C loop, without and with the lock."""
    import numpy as np

    from relaylab.cli.peers import MemcpyLoop

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
    """Events per second of two threads on two buffers against one."""
    import numpy as np

    events = np.zeros((_BATCH_BYTES // 64, 64), np.uint8)
    with _channel(2) as chan:

        def write(cpu: int) -> None:
            for _ in range(8):
                chan.write_many(events, cpu=cpu, lock=False)

        def together() -> None:
            threads = [threading.Thread(target=write, args=(cpu,)) for cpu in (0, 1)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        both, one = take_turns(rounds, 1, together, lambda: write(0))
    rate, peer = 16 * len(events) / both * 1e3, 8 * len(events) / one * 1e3
    what = "two threads, two buffers"
    return Figure(what, rate, "one thread", peer, "M/s", rate / peer, 1.8, at_least=True)


def single_writes(rounds: int) -> Iterator[Figure]:
    """chan.write of 64 bytes from Python, against itself and against a pipe."""
    from relaylab.cli.peers import Pipe

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
    from relaylab.cli import peers

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


def _repeats(candidate: Callable[[], Any]) -> int:
    """How often to call it for one timing; called twice, so that it is warm."""
    candidate()
    begin = time.perf_counter_ns()
    candidate()
    return max(1, _REPEAT_NS // max(1, time.perf_counter_ns() - begin))


def _channel(n_cpus: int) -> "Channel":
    from relaylab import relayfs
    from relaylab.cli.peers import N_SUBBUFS, SUBBUF_SIZE

    fs = relayfs.RelayFS(n_cpus=n_cpus)
    return relayfs.relay_open("bench", None, SUBBUF_SIZE, N_SUBBUFS, True, None, fs=fs)


def _row(figure: Figure) -> str:
    sign = ">=" if figure.at_least else "<="
    compared = f"{figure.value:.2f}"
    if not figure.peer_name or figure.value == figure.engine - figure.peer:
        compared = f"{figure.value:+.2f} {figure.unit}" if figure.peer_name else ""
    else:
        compared += " x"
    peer = f"{figure.peer_name} {figure.peer:.2f}" if figure.peer_name else ""
    goal = f"{sign} {figure.goal:g} {'met' if figure.good else 'MISSED'}"
    return _line(figure.what, f"{figure.engine:.2f} {figure.unit}", peer, compared, goal)


def _line(what: str, ours: str, peer: str, compared: str, goal: str) -> str:
    return f"{what:26} {ours:>12}  {peer:30} {compared:>19}  {goal}"
