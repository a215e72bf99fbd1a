"""Spreading tasks over threads, processes or a cluster, and getting results as they come.

The events of a workload are the same for all tasks: they travel once to each worker, not once a
task, where the executor can do that.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ThreadPoolExecutor,
    wait,
)
from typing import Any, Final, Protocol, TypeAlias

from relaylab.errors import ConfigError


class Stop(Protocol):
    """What can be asked whether to stop: a threading.Event."""

    def is_set(self) -> bool:
        """Whether to stop."""
        ...


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def spread(
    tasks: Sequence[Callable[[Any], Any]],
    data: Any,
    executor: Executor | None = None,
    stop: Stop | None = None,
) -> Iterator[tuple[int, Any]]:
    """Call each task with `data`, and yield its number and result as soon as it is there.

    Parameters
    ----------
    tasks
        Functions of `data`, to be pickled if the executor has other processes.
    data
        What all of them need.
    executor
        Any `concurrent.futures.Executor`; None: threads of this process. Tasks whose worker died
        are done here.
    stop
        Once it is set no more tasks begin, and the iteration ends.

    Raises
    ------
    ConfigError
        It is no executor.
    """
    if executor is None:
        with ThreadPoolExecutor(processors(), "relaylab sweep") as own:
            yield from _spread(_singly(tasks), data, own, stop, data)
    elif isinstance(executor, Executor):
        batches = _singly(tasks) if _keeps_data(executor) else _batches(tasks, executor)
        yield from _spread(batches, _sent(executor, data), executor, stop, data)
    else:
        raise ConfigError(
            "executor",
            passed=type(executor).__name__,
            allowed="a concurrent.futures.Executor, or None",
            hint="Of a Dask client take client.get_executor().",
        )


_Batch: TypeAlias = list[tuple[int, Callable[[Any], Any]]]
_BATCHES_PER_WORKER: Final = 4


def _keeps_data(executor: Executor) -> bool:
    return isinstance(executor, ThreadPoolExecutor) or hasattr(executor, "_client")


def _singly(tasks: Sequence[Callable[[Any], Any]]) -> list[_Batch]:
    return [[numbered] for numbered in enumerate(tasks)]


def _batches(tasks: Sequence[Callable[[Any], Any]], executor: Executor) -> list[_Batch]:
    """A few for each worker, for the data travel with each; long tasks and short ones mixed."""
    count = _BATCHES_PER_WORKER * getattr(executor, "_max_workers", processors())
    numbered = list(enumerate(tasks))
    return [numbered[i::count] for i in range(min(count, len(numbered)))]


def _run_batch(batch: _Batch, data: Any) -> list[tuple[int, Any]]:
    return [(i, task(data)) for i, task in batch]


def _sent(executor: Executor, data: Any) -> Any:
    """Dask keeps it on each worker; others get it with each task."""
    client = getattr(executor, "_client", None)
    return data if client is None else client.scatter(data, broadcast=True, hash=False)


def _spread(
    batches: list[_Batch],
    sent: Any,
    executor: Executor,
    stop: Stop | None,
    data: Any,
) -> Iterator[tuple[int, Any]]:
    pending: dict[Future[Any], _Batch] = {}
    try:
        for batch in batches:
            try:
                pending[executor.submit(_run_batch, batch, sent)] = batch
            except BrokenExecutor:
                yield from _run_batch(batch, data)
        while pending:
            done, _ = wait(pending, timeout=0.1, return_when=FIRST_COMPLETED)
            if stop is not None and stop.is_set():
                return
            for future in done:
                batch = pending.pop(future)
                try:
                    results = future.result()
                except BrokenExecutor:
                    results = _run_batch(batch, data)
                yield from results
    finally:
        for future in pending:
            future.cancel()
