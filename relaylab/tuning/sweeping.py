"""Losses by size and number of sub-buffers, as a labelled grid."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from relaylab.channel import arguments
from relaylab.core.layout import alloc_size
from relaylab.core.scene import Shape
from relaylab.errors import ConfigError
from relaylab.tuning.arrivals import arrivals_of
from relaylab.tuning.executors import Stop, spread
from relaylab.tuning.frontier import sizes_of
from relaylab.tuning.reader import Reader, reader_or_none
from relaylab.tuning.simulation import by_cpu, run_all, shape_of
from relaylab.units import Quantity
from relaylab.workload import Workload

if TYPE_CHECKING:
    import xarray as xr

_LOST: Final = ("lost_full", "lost_unfull", "lost_too_large")


class Cell(NamedTuple):
    """One size and number of a sweep."""

    subbuf_size: int  #: bytes
    n_subbufs: int
    lost: int  #: events
    loss_fraction: float  #: 0 .. 1
    high_water: int  #: the most sub-buffers ever unread in one buffer
    memory: int  #: bytes of all buffers


def sweep(
    load: Workload,
    subbuf_sizes: Sequence[Quantity],
    n_subbufs: Sequence[int],
    reader: Reader | None = None,
    executor: Executor | None = None,
    *,
    overwrite: bool = False,
    rules: str = "relayfs",
    event_overhead: Quantity = 0,
    subbuf_header: Quantity = 0,
    flush_every: Quantity = 0,
    progress: Callable[[int, int], Any] | None = None,
    stop: Stop | None = None,
) -> xr.Dataset:
    """Simulate each size with each number of sub-buffers.

    Parameters
    ----------
    load
        The workload.
    subbuf_sizes, n_subbufs
        "64 KiB" or bytes, each; and numbers. What is there twice is taken once; sizes times numbers
        of 4 GiB or more are left out.
    reader, overwrite, rules, event_overhead, subbuf_header, flush_every
        As of `simulate`.
    executor
        Any `concurrent.futures.Executor`: a process pool, Dask's ``client.get_executor()``; None:
        threads of this process, as many as there are processors.
    progress
        Called with (cells done, cells in all) after each.
    stop
        A `threading.Event`: once it is set the sweep ends, and what is not done stays missing.

    Returns
    -------
    xarray.Dataset
        Dimensions subbuf_size and n_subbufs; variables loss_fraction (float64, nan where missing),
        lost, high_water (int64, -1 where missing) and memory (int64, bytes of all buffers).

    Raises
    ------
    ConfigError
    """
    import xarray as xr

    sizes = list(dict.fromkeys(sizes_of(subbuf_sizes)))
    counts = list(dict.fromkeys(counts_of(n_subbufs)))
    cells = sweep_cells(
        load,
        sizes,
        counts,
        reader,
        executor,
        overwrite=overwrite,
        rules=rules,
        event_overhead=event_overhead,
        subbuf_header=subbuf_header,
        flush_every=flush_every,
        stop=stop,
    )
    shape = len(sizes), len(counts)
    grids = {
        "loss_fraction": np.full(shape, np.nan),
        "lost": np.full(shape, -1, np.int64),
        "high_water": np.full(shape, -1, np.int64),
        "memory": np.array(
            [[alloc_size(size, n) * load.n_cpus for n in counts] for size in sizes], np.int64
        ).reshape(shape),
    }
    n_cells = sum(size * n <= arguments.MAX_BYTES for size in sizes for n in counts)
    for done, cell in enumerate(cells, 1):
        at = sizes.index(cell.subbuf_size), counts.index(cell.n_subbufs)
        for name in ("loss_fraction", "lost", "high_water"):
            grids[name][at] = getattr(cell, name)
        if progress is not None:
            progress(done, n_cells)
    dims = ("subbuf_size", "n_subbufs")
    return xr.Dataset(
        {name: (dims, grid) for name, grid in grids.items()},
        coords={"subbuf_size": sizes, "n_subbufs": counts},
        attrs={
            "workload": load.name,
            "reader": repr(reader),
            "rules": rules,
            "n_cpus": load.n_cpus,
            "offered": len(load),
        },
    )


def sweep_cells(
    load: Workload,
    subbuf_sizes: Sequence[Quantity],
    n_subbufs: Sequence[int],
    reader: Reader | None = None,
    executor: Executor | None = None,
    *,
    overwrite: bool = False,
    rules: str = "relayfs",
    event_overhead: Quantity = 0,
    subbuf_header: Quantity = 0,
    flush_every: Quantity = 0,
    stop: Stop | None = None,
) -> Iterator[Cell]:
    """The cells of a sweep, each as soon as it is done, in any order.

    Parameters and errors are those of `sweep`. Whoever stops iterating stops the sweep.
    """
    events = arrivals_of(load)
    shapes = [
        shape_of(size, n, overwrite, rules, event_overhead, subbuf_header, flush_every)
        for size in sorted(set(sizes_of(subbuf_sizes)))  # the small ones, which take longest, first
        for n in sorted(set(counts_of(n_subbufs)))
        if size * n <= arguments.MAX_BYTES
    ]
    tasks = [partial(_losses, shape=shape, reader=reader_or_none(reader)) for shape in shapes]
    for i, (lost, high_water) in spread(tasks, events, executor, stop):
        shape = shapes[i]
        yield Cell(
            shape.subbuf_size,
            shape.n_subbufs,
            lost,
            lost / len(load) if len(load) else 0.0,
            high_water,
            alloc_size(shape.subbuf_size, shape.n_subbufs) * load.n_cpus,
        )


def _losses(events: Any, *, shape: Shape, reader: Reader | None) -> tuple[int, int]:
    control = by_cpu(events, run_all(events, shape, reader, record=False))
    lost = sum(int(control[name].sum()) for name in _LOST)
    return lost, int(control["high_water"].max(initial=0))


def counts_of(n_subbufs: Any) -> list[int]:
    """Checked numbers of sub-buffers."""
    if isinstance(n_subbufs, str) or not hasattr(n_subbufs, "__iter__"):
        raise ConfigError("n_subbufs", passed=n_subbufs, allowed="a list of numbers: [2, 4, 8]")
    counts = [arguments.integer("n_subbufs", n, 1, arguments.INT_MAX) for n in n_subbufs]
    if not counts:
        raise ConfigError("n_subbufs", passed=[], allowed="one number or more")
    return counts
