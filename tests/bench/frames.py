"""Measuring how frames travel: the workbench, and its peer, in a page that is watched from outside.

The page notes each frame as it is painted; a probe in the kernel notes what that costs there.
"""

import json
import os
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from bench import probe
from lab.driving import Driver
from lab.weighing import heap_bytes, resident_bytes

TESTS = Path(__file__).parents[1]
N_CPUS, N_SUBBUFS, SUBBUF_SIZE = 8, 64, 16384
SETTLE_S = 22.0  # until the page's history of 20 s is full: its memory grows until then
THROTTLE, THROTTLED_S = 6, 5.0
CURRENT_MS, IN_A_ROW = 150.0, 5
GIVEN_UP_S = 60.0
TURN_S, TURNS = 3.0, 4
MOST_BYTES = 3 << 30  # a peer that eats all memory is stopped before

# Every painted frame: when, and how long it had been under way, milliseconds.
RECORDER = """
window.frames_painted = [];
window.painted = (sent) => {
  const now = performance.timeOrigin + performance.now();
  window.frames_painted.push([now, now - sent]);
};
new MutationObserver((changes) => {
  for (const { target } of changes) {
    if (!target.classList?.contains('rl-map') || !Number(target.dataset.frames)) continue;
    const now = performance.timeOrigin + performance.now();
    window.frames_painted.push([now, Number(target.dataset.latencyMs)]);
  }
}).observe(document, { subtree: true, attributeFilter: ['data-latency-ms'] });
"""
NO_LOG = Path(os.devnull)

_BEGIN = f"""\
import sys
sys.path.insert(0, {str(TESTS)!r})
from bench import probe
from relaylab.core.prepare import prepare
from relaylab.lab.settings import FULL_SPEED, ReaderModel, Settings
from relaylab.workload import bursts
prepare()
load = bursts(events=1, every="500 us", size=(60, 140), n_cpus={N_CPUS}, duration="2 s", seed=7)
reader = ReaderModel(latency_ns=0, bytes_per_s=160e6)
"""
OURS = (
    _BEGIN
    + f"""
from relaylab.lab import Workbench
wb = Workbench(workload=load, subbuf_size={SUBBUF_SIZE}, n_subbufs={N_SUBBUFS}, n_cpus={N_CPUS},
               speed=FULL_SPEED, reader=reader)
PROBE = probe.Probe(LOG, lambda: wb.channel.stats)
get_ipython().events.register("post_run_cell", lambda result: PROBE.tell(cell="ran"))
wb"""
)
PEERS = (
    _BEGIN
    + f"""
from bench.naive import Naive
from bokeh.io import output_notebook
from bokeh.resources import INLINE
from relaylab.lab.live import LiveRun
run = LiveRun(Settings({SUBBUF_SIZE}, {N_SUBBUFS}, {N_CPUS}, rate=FULL_SPEED, reader=reader), load)
output_notebook(INLINE, hide_banner=True)
naive = Naive(run.channel)
run.start()
naive.play()
PROBE = probe.Probe(LOG, lambda: run.channel.stats)
get_ipython().events.register("post_run_cell", lambda result: PROBE.tell(cell="ran"))
naive.widget"""
)


@dataclass
class Measured:
    """One way to show a channel, measured.

    Attributes
    ----------
    painted : float
        Frames a second.
    p50_ms, p95_ms : float
        From kernel to paint.
    kernel_cpu : float
        Percent of a core, of the kernel's threads that neither write nor read.
    writer_ns : float
        CPU time of the writers' threads per event offered, watched.
    unwatched_ns : float
        The same while the page is hidden; nan if not measured.
    heap_mb_min, server_mb_min : float
        Growth of the browser's heap, and of the memory of server and kernel, MB a minute.
    recovery_s : float
        From the end of a CPU throttle until frames are current again.
    first_s : float
        From the end of the cell to the first painted frame.
    """

    painted: float
    p50_ms: float
    p95_ms: float
    kernel_cpu: float
    writer_ns: float
    unwatched_ns: float
    heap_mb_min: float
    server_mb_min: float
    recovery_s: float
    first_s: float


def notebook(directory: Path, source: str, name: str) -> tuple[Path, Path]:
    """A notebook with this one cell, and the file that its probe tells into."""
    log = directory / f"{name}.jsonl"
    log.unlink(missing_ok=True)
    path = directory / f"{name}.ipynb"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    cell = {
        "cell_type": "code",
        "execution_count": None,
        "id": "cell",
        "metadata": {},
        "outputs": [],
        "source": f"LOG = {str(log)!r}\n{source}",
    }
    content = {
        "cells": [cell],
        "metadata": {"kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path.write_text(json.dumps(content))
    return path, log


def voila_of_ours(path: Path) -> list[str]:
    """The command that serves a notebook as `relaylab demo` does."""
    program = (
        "import sys; from pathlib import Path; from relaylab.lab.serve import serve;"
        "serve(Path(sys.argv[1]), None, False, lambda address: print(address, flush=True))"
    )
    return [sys.executable, "-c", program, str(path)]


def voila_plain(path: Path) -> list[str]:
    """The command that serves a notebook as anybody does."""
    with socket.socket() as one:
        one.bind(("localhost", 0))
        port = one.getsockname()[1]
    options = ["--no-browser", f"--port={port}", "--template=lab", "--Voila.ip=localhost"]
    return [sys.executable, "-m", "voila", str(path), *options]


class Watched:
    """A page that shows a channel, and the log of the probe in its kernel.

    Parameters
    ----------
    page : Page
        Of Playwright, with `RECORDER`.
    log : Path
        The probe's.
    server : int
        The process that serves the page.
    """

    def __init__(self, page: Any, log: Path, server: int) -> None:
        self.page = page
        self.log = log
        self.server = psutil.Process(server)
        self.devtools = page.context.new_cdp_session(page)

    def measure(self, seconds: float, *, hides: bool) -> Measured:
        """All figures; `hides` if it knows that a hidden page needs no frames."""
        self.wait_for_frames(1)
        first_s = self._frames()[0][0] / 1000 - self._cell_ran()
        time.sleep(SETTLE_S)
        heap, server = heap_bytes(self.devtools), resident_bytes(self.server)
        begin = time.time()
        self._sleep(seconds)
        end = time.time()
        frames = [latency for at, latency in self._frames() if begin <= at / 1000 <= end] or [
            float("inf")
        ]
        span = end - begin
        cpu = self._cpu(begin, end)
        growth = [
            60 * (now - before) / (time.time() - begin) / 1e6
            for now, before in (
                (heap_bytes(self.devtools), heap),
                (resident_bytes(self.server), server),
            )
        ]
        writer_ns, unwatched_ns = self._by_turns() if hides else (cpu["writer_ns"], float("nan"))
        return Measured(
            painted=len([one for one in frames if one < float("inf")]) / span,
            p50_ms=statistics.median(frames),
            p95_ms=float(np.percentile(frames, 95)),
            kernel_cpu=100 * cpu["rest"],
            writer_ns=writer_ns,
            unwatched_ns=unwatched_ns,
            heap_mb_min=growth[0],
            server_mb_min=growth[1],
            recovery_s=self.recover(),
            first_s=first_s,
        )

    def recover(self) -> float:
        """Seconds from the end of a throttle until frames are current; GIVEN_UP_S if never."""
        self.devtools.send("Emulation.setCPUThrottlingRate", {"rate": THROTTLE})
        self._sleep(THROTTLED_S)
        self.devtools.send("Emulation.setCPUThrottlingRate", {"rate": 1})
        begin = time.time()
        while time.time() - begin < GIVEN_UP_S and self._is_affordable():
            time.sleep(0.5)
            since = [(at, late) for at, late in self._frames() if at / 1000 >= begin]
            for i in range(len(since) - IN_A_ROW + 1):
                if all(late <= CURRENT_MS for _, late in since[i : i + IN_A_ROW]):
                    return since[i][0] / 1000 - begin
        return GIVEN_UP_S

    def wait_for_frames(self, count: int) -> None:
        """Wait until so many frames were painted."""
        self.page.wait_for_function("n => window.frames_painted.length >= n", arg=count)

    def _by_turns(self) -> tuple[float, float]:
        """CPU ns of writers per event, watched and unwatched, each the median of turns."""
        seen: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(TURNS):
            for hidden in (True, False):
                Driver(self.page).hide(hidden)
                time.sleep(2 * probe.EVERY_S)
                begin = time.time()
                time.sleep(TURN_S)
                seen[hidden].append(self._cpu(begin, time.time())["writer_ns"])
        return statistics.median(seen[False]), statistics.median(seen[True])

    def _cpu(self, begin: float, end: float) -> dict[str, float]:
        """Of the kernel, between two moments."""
        told = [one for one in probe.read(self.log) if "cpu" in one and begin <= one["at"] <= end]
        first, last = told[0], told[-1]
        span = last["at"] - first["at"]
        events = last["offered"] - first["offered"]
        used = {kind: last["cpu"][kind] - first["cpu"][kind] for kind in last["cpu"]}
        return {"rest": used["rest"] / span, "writer_ns": used["writers"] * 1e9 / max(1, events)}

    def _sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and self._is_affordable():
            time.sleep(0.2)

    def _is_affordable(self) -> bool:
        return resident_bytes(self.server) < MOST_BYTES

    def _frames(self) -> list[list[float]]:
        frames: list[list[float]] = self.page.evaluate("window.frames_painted")
        return frames

    def _cell_ran(self) -> float:
        return float(next(one["at"] for one in probe.read(self.log) if "cell" in one))


def figures(
    where: str, ours: Measured, peer: Measured, figure: Callable[..., Any]
) -> Iterator[Any]:
    """The rows of the table: each budget, what was measured, and the peer's."""
    rows: list[tuple[str, str, str, float, bool]] = [
        ("painted frames", "painted", "/s", 15, True),
        ("latency p50", "p50_ms", "ms", 150, False),
        ("latency p95", "p95_ms", "ms", 150, False),
        ("kernel CPU", "kernel_cpu", "%", 15, False),
        ("browser heap grows", "heap_mb_min", "MB/min", 1, False),
        ("server memory grows", "server_mb_min", "MB/min", 5, False),
        ("recovery from 6x", "recovery_s", "s", 2, False),
        ("first paint", "first_s", "s", 3, False),
    ]
    for what, name, unit, goal, at_least in rows:
        value, theirs = getattr(ours, name), getattr(peer, name)
        yield figure(f"{where} {what}", value, "jupyter_bokeh", theirs, unit, value, goal, at_least)
    yield figure(
        f"{where} writers' CPU", ours.writer_ns, "unwatched", ours.unwatched_ns, "ns",
        ours.writer_ns / ours.unwatched_ns, 1.05,
    )  # fmt: skip
