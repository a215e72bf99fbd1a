"""Sweeps and frontiers give the same on any executor, can be watched and stopped."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import Executor, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
import pytest

import relaylab
from relaylab import Reader
from relaylab.tuning.executors import spread
from relaylab.tuning.sweeping import sweep_cells

SIZES, COUNTS = [512, 2048, 8192], [2, 3, 8]
READER = Reader("300 us", "20 us", "1 GB/s")
LOAD = relaylab.workload.bursts(events=300, every="5 ms", size=(20, 90), duration="100 ms")


@pytest.fixture(scope="module")
def grid() -> Any:
    return relaylab.sweep(LOAD, SIZES, COUNTS, READER)


def test_a_sweep_is_the_simulations_of_its_cells(grid: Any) -> None:
    assert dict(grid.sizes) == {"subbuf_size": 3, "n_subbufs": 3}
    assert set(grid.data_vars) == {"loss_fraction", "lost", "high_water", "memory"}
    for size in SIZES:
        for n in COUNTS:
            cell = grid.sel(subbuf_size=size, n_subbufs=n)
            result = relaylab.simulate(LOAD, size, n, READER)
            assert int(cell.lost) == result.lost
            assert float(cell.loss_fraction) == result.loss_fraction
            assert int(cell.high_water) == result.high_water
            assert int(cell.memory) == result.memory


def test_cells_of_4_gib_and_more_are_left_out() -> None:
    grid = relaylab.sweep(LOAD, ["1 GiB", 4096], [2, 8], READER)
    assert np.isnan(grid.loss_fraction.sel(subbuf_size=2**30, n_subbufs=8))
    assert int(grid.lost.sel(subbuf_size=2**30, n_subbufs=8)) == -1
    assert int(grid.lost.sel(subbuf_size=2**30, n_subbufs=2)) == 0


def test_a_size_that_is_asked_for_twice_is_there_once() -> None:
    grid = relaylab.sweep(LOAD, [512, 512], [2, 3, 2], READER)
    assert dict(grid.sizes) == {"subbuf_size": 1, "n_subbufs": 2}
    assert int(grid.lost.min()) >= 0


def test_progress_is_told_after_each_cell() -> None:
    told: list[tuple[int, int]] = []
    relaylab.sweep(LOAD, SIZES, COUNTS, READER, progress=lambda *told_: told.append(told_))
    assert told == [(i, 9) for i in range(1, 10)]


def test_a_stopped_sweep_keeps_what_is_done() -> None:
    stop = threading.Event()
    grid = relaylab.sweep(
        LOAD, SIZES, COUNTS, READER, stop=stop, progress=lambda done, _: done < 2 or stop.set()
    )
    assert 2 <= int((grid.lost >= 0).sum()) <= 9
    cells = sweep_cells(LOAD, SIZES, COUNTS, READER)
    assert next(cells).subbuf_size in SIZES
    cells.close()


def die_once(data: str, *, number: int, flag: str) -> int:
    """Kill the worker the first time that number 1 runs."""
    if number == 1 and not os.path.exists(flag):  # noqa: PTH110
        open(flag, "w").close()  # noqa: PTH123
        os.kill(os.getpid(), signal.SIGKILL)
    return number + len(data)


def test_a_process_pool_gives_the_same_and_a_killed_worker_costs_a_retry(
    grid: Any, tmp_path: Any
) -> None:
    from functools import partial

    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        assert relaylab.sweep(LOAD, SIZES, COUNTS, READER, pool).identical(grid)
        tasks = [partial(die_once, number=i, flag=str(tmp_path / "died")) for i in range(4)]
        assert dict(spread(tasks, "abc", pool)) == {0: 3, 1: 4, 2: 5, 3: 6}


@pytest.fixture(scope="module")
def dask_executor() -> Any:
    import distributed

    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client, client.get_executor()


@pytest.mark.filterwarnings("default")
def test_dask_gives_the_same_and_survives_a_killed_worker(
    grid: Any, dask_executor: tuple[Any, Executor]
) -> None:
    client, executor = dask_executor
    assert relaylab.sweep(LOAD, SIZES, COUNTS, READER, executor).identical(grid)
    least = relaylab.frontier(LOAD, SIZES, READER, executor=executor)
    assert least.n_subbufs.tolist() == relaylab.frontier(LOAD, SIZES, READER).n_subbufs.tolist()
    victim = next(iter(client.run(os.getpid).values()))
    cells = sweep_cells(LOAD, SIZES * 4, COUNTS, READER, executor)
    first = next(cells)
    os.kill(victim, signal.SIGKILL)
    lost = {(cell.subbuf_size, cell.n_subbufs): cell.lost for cell in [first, *cells]}
    assert lost == {
        (size, n): int(grid.lost.sel(subbuf_size=size, n_subbufs=n))
        for size in SIZES
        for n in COUNTS
    }


def test_the_formula_is_near_the_simulation_of_a_steady_writer() -> None:
    """64 bytes a microsecond, a reader that sleeps 5 ms and is quick then."""
    from relaylab.tuning.frontier import formula

    said = formula("64 MB/s", "5 ms", "6.4 GB/s", 84)
    n = 200_000
    load = relaylab.workload.Workload(
        np.arange(n, dtype=np.int64) * 1000, np.zeros(n, int), np.full(n, 64)
    )
    sizes = [int(said.subbuf_size * f) for f in (0.9, 1.0, 1.1)]
    least = relaylab.frontier(load, sizes, Reader("5 ms", 0, "6.4 GB/s"), subbuf_header=84)
    assert said.memory == pytest.approx(said.n_subbufs * said.subbuf_size, rel=1e-6)
    assert (least.subbuf_size * least.n_subbufs).min() == pytest.approx(said.memory, rel=0.1)


@pytest.mark.parametrize("reader", ["10 ms", 5, Reader])
def test_what_is_no_reader_is_refused(reader: Any) -> None:
    for ask in (
        lambda: relaylab.simulate(LOAD, 2048, 4, reader),
        lambda: relaylab.sweep(LOAD, SIZES, COUNTS, reader),
        lambda: relaylab.frontier(LOAD, SIZES, reader),
        lambda: relaylab.advise(LOAD, reader=reader),
    ):
        with pytest.raises(relaylab.ConfigError, match="reader"):
            ask()


def test_a_grid_without_a_cell_is_refused() -> None:
    for sizes, counts in (([], COUNTS), (SIZES, [])):
        with pytest.raises(relaylab.ConfigError, match="or more"):
            relaylab.sweep(LOAD, sizes, counts, READER)
