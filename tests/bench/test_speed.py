"""The engine's speed against named peers, with pytest-benchmark; see README.md."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from relaylab import relayfs
from relaylab.channel import Channel
from relaylab.cli import measure, peers

Benchmark = Callable[..., Any]


@pytest.fixture
def chan() -> Iterator[Channel]:
    with relayfs.RelayFS(n_cpus=1) as fs:
        yield relayfs.relay_open("bench", None, peers.SUBBUF_SIZE, peers.N_SUBBUFS, 1, None, fs=fs)


@pytest.fixture
def loop() -> peers.MemcpyLoop:
    return peers.MemcpyLoop()


def events_of(length: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.ones(((1 << 20) // length, length), np.uint8)


@pytest.mark.parametrize("length", measure.LENGTHS)
@pytest.mark.parametrize("lock", [False, True], ids=["unlocked", "locked"])
def test_write_many(benchmark: Benchmark, chan: Channel, length: int, lock: bool) -> None:
    benchmark.group = f"{length} bytes"  # type: ignore[attr-defined]
    events = events_of(length)
    assert benchmark(chan.write_many, events, cpu=0, lock=lock) == len(events)


@pytest.mark.parametrize("length", measure.LENGTHS)
def test_memcpy_loop_in_c(benchmark: Benchmark, loop: peers.MemcpyLoop, length: int) -> None:
    benchmark.group = f"{length} bytes"  # type: ignore[attr-defined]
    benchmark(loop.write, events_of(length))


def test_write_from_python(benchmark: Benchmark, chan: Channel) -> None:
    benchmark.group = "one event of 64 bytes from Python"  # type: ignore[attr-defined]
    assert benchmark(chan.write, bytes(64), cpu=0)


def test_pipe_send(benchmark: Benchmark) -> None:
    benchmark.group = "one event of 64 bytes from Python"  # type: ignore[attr-defined]
    with peers.Pipe() as pipe:
        benchmark(pipe.write, bytes(64))


@pytest.mark.parametrize("figure", ["batches", "single_writes", "starts"])
def test_every_figure_is_a_finite_ratio(figure: str) -> None:
    for measured in getattr(measure, figure)(3):
        assert 0 < measured.engine < 1e9
        assert np.isfinite(measured.value)
