"""What the workbench can show at once: workload, sizes and reader, chosen to be worth watching."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from relaylab import resources
from relaylab.lab.settings import FULL_SPEED, ReaderModel, Settings
from relaylab.workload import Workload, bursts, load


@dataclass(frozen=True)
class Preset:
    """A workload with the settings that make it worth watching.

    Attributes
    ----------
    name : str
        As the menu shows it.
    lesson : str
        What there is to see, a sentence.
    workload : callable
        ``workload(n_cpus)`` makes it.
    settings : Settings
        What to open.
    """

    name: str
    lesson: str
    workload: Callable[[int], Workload]
    settings: Settings


def trace_preset(path: Path | None = None) -> Preset:
    """A recorded trace as a preset; None is the bundled one."""
    if path is None:
        return Preset(
            "LTTng trace, 2 CPUs",
            "A real LTTng run: every 20 ms each of two CPUs writes 1,000 events of 96 bytes.",
            lambda n_cpus: _bundled_trace(),
            Settings(
                subbuf_size=8192,
                n_subbufs=16,
                n_cpus=2,
                reader=ReaderModel(latency_ns=500_000, bytes_per_s=6.3e6),
            ),
        )
    workload = load(path)
    return Preset(
        path.name,
        f"{len(workload.t_ns):,} events of {path.name}, replayed over and over.",
        lambda _: workload,
        Settings(
            subbuf_size=8192,
            n_subbufs=16,
            n_cpus=workload.n_cpus,
            reader=ReaderModel(latency_ns=500_000, bytes_per_s=6.3e6),
        ),
    )


def presets(trace: Path | None = None) -> list[Preset]:
    """All presets, the trace first."""
    return [
        *([trace_preset(trace)] if trace is not None else []),
        trace_preset(),
        Preset(
            "Bursts, slow reader",
            "Bursts of 400 events meet a reader that cannot keep up: watch full, unfull and the "
            "event that is lost between them.",
            lambda n_cpus: bursts(
                events=400, every="50 ms", size=200, n_cpus=n_cpus, duration="2 s", seed=7
            ),
            Settings(
                subbuf_size=4096,
                n_subbufs=8,
                n_cpus=4,
                reader=ReaderModel(latency_ns=2_000_000, bytes_per_s=1.4e6),
            ),
        ),
        Preset(
            "Steady, balanced",
            "Events come evenly and the reader keeps up: nothing is lost, few sub-buffers wait.",
            _steady,
            Settings(
                subbuf_size=4096,
                n_subbufs=8,
                n_cpus=4,
                reader=ReaderModel(latency_ns=5_000_000, bytes_per_s=4e6),
            ),
        ),
        Preset(
            "Full speed",
            "Eight CPUs write as fast as they can: no reader can follow, most events are lost.",
            _steady,
            Settings(
                subbuf_size=16384,
                n_subbufs=64,
                n_cpus=8,
                rate=FULL_SPEED,
                reader=ReaderModel(latency_ns=0, bytes_per_s=160e6),
            ),
        ),
        Preset(
            "Overwrite wraps",
            "A flight recorder: the writer loses nothing, but unread sub-buffers are overwritten.",
            _steady,
            Settings(
                subbuf_size=4096,
                n_subbufs=8,
                n_cpus=2,
                overwrite=True,
                reader=ReaderModel(latency_ns=0, bytes_per_s=20e3),
            ),
        ),
    ]


@cache
def _bundled_trace() -> Workload:
    return load(resources.trace())


def _steady(n_cpus: int) -> Workload:
    """2,000 events a second and CPU, 60 to 140 bytes, evenly spaced, CPUs in turn."""
    per_cpu, every_ns = 4_000, 500_000
    random = np.random.default_rng(7)
    t_ns = np.arange(per_cpu * n_cpus, dtype=np.int64) * (every_ns // n_cpus)
    cpu = np.tile(np.arange(n_cpus, dtype=np.uint16), per_cpu)
    size = random.integers(60, 141, len(t_ns)).astype(np.uint32)
    return Workload(t_ns, cpu, size)
