"""Readers in other processes against a pipe, and what they cost; see README.md."""

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from relaylab import relayfs
from relaylab.cli import measure_readers, reader_process
from relaylab.cli.reader_process import ReaderProcess

Benchmark = Callable[..., Any]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="mounting needs Linux")


@pytest.fixture
def reader() -> Iterator[ReaderProcess]:
    with ReaderProcess() as process:
        process.do(reader_process.ready)
        yield process


def test_another_process_opens_maps_and_closes(benchmark: Benchmark, reader: ReaderProcess) -> None:
    with relayfs.RelayFS(n_cpus=1) as fs:
        chan = relayfs.relay_open("bench", None, 65536, 8, 1, None, fs=fs)
        path = f"{fs.mount()}/{chan.buffers[0].path}"

        def come_and_go() -> None:
            reader.do(reader_process.hold, path)
            reader.do(reader_process.let_go)

        benchmark(come_and_go)


def test_another_process_does_nothing(benchmark: Benchmark, reader: ReaderProcess) -> None:
    """What asking it costs: to be taken off the above, twice."""
    benchmark(reader.do, reader_process.ready)


@pytest.mark.parametrize("figure", ["wake_ups", "draining", "company"])
def test_every_figure_is_a_finite_number(figure: str) -> None:
    for measured in getattr(measure_readers, figure)(3):
        assert 0 < measured.engine < 1e9
        assert 0 < measured.peer < 1e9
        assert np.isfinite(measured.value)
