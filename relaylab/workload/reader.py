"""A reader as a process of its own: ``python -m relaylab.workload.reader ORDERS``.

It opens and maps the files of a channel's buffers and reads them, one thread a CPU, at the pace it
was told, until the channel is closed, its owner is gone or its standard input ends. What it does is
to be seen in a page of memory that it shares with who started it, see `relaylab.workload.process`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

# The shared page: int64[1 + n_cpus, WORDS]. Row 0 is about the process, the others are its CPUs'.
WORDS: Final = 3
PAUSED: Final = 0  # row 0: the process is to stand still; the only word its owner writes
READY: Final = 1  # row 0: every buffer is mapped
READING: Final = 0  # the sub-buffer being read, or -1
READ_SUBBUFS: Final = 1
SKIPPED: Final = 2  # sub-buffers that were overwritten before they could be read

_SLICE_S: Final = 0.02  # the longest sleep, so that a pause is noticed
_LATE_S: Final = 0.2  # who was held up longer than that does not make up for it


@dataclass(frozen=True)
class Pace:
    """How fast a reader is.

    Attributes
    ----------
    latency_ns : int
        From something being ready to the reader running, if it was idle.
    per_subbuf_ns : int
        Work for each sub-buffer.
    bytes_per_s : float or None
        How fast it reads; None for as fast as it can.
    """

    latency_ns: int = 0
    per_subbuf_ns: int = 0
    bytes_per_s: float | None = None

    def work_s(self, count: int) -> float:
        """Seconds for a sub-buffer that holds `count` bytes."""
        reading = 0.0 if self.bytes_per_s is None else count / self.bytes_per_s
        return self.per_subbuf_ns / 1e9 + reading


def read(
    file: Any, place: NDArray[np.int64], about: NDArray[np.int64], pace: Pace, consume: bool
) -> None:
    """Read sub-buffers until no more will come.

    Parameters
    ----------
    file : RelayFile
        An open file.
    place : ndarray of int64, shape (WORDS,)
        The row of its CPU.
    about : ndarray of int64, shape (WORDS,)
        Row 0.
    pace : Pace
        How fast.
    consume : bool
        Whether to consume what was read.
    """
    subbufs = file.subbufs(consume=consume)
    following = file.subbufs_consumed
    done_s = 0.0
    while True:
        _wait_while_paused(about)
        was_idle = file.subbufs_produced <= following
        sub = next(subbufs, None)
        if sub is None:
            return
        _wait_while_paused(about)
        if was_idle:
            done_s = time.monotonic() + pace.latency_ns / 1e9
            _sleep_until(done_s, about)
        place[READING] = sub.index
        np.bitwise_xor.reduce(sub.data)  # touches every byte
        done_s = max(done_s, time.monotonic() - _LATE_S) + pace.work_s(len(sub.data))
        _sleep_until(done_s, about)
        place[READ_SUBBUFS] += 1
        place[SKIPPED] = file.skipped
        place[READING] = -1
        following = sub.sequence + 1


def _wait_while_paused(about: NDArray[np.int64]) -> None:
    while about[PAUSED]:
        time.sleep(_SLICE_S)


def _sleep_until(instant_s: float, about: NDArray[np.int64]) -> None:
    while (left := instant_s - time.monotonic()) > 0 or about[PAUSED]:
        time.sleep(min(_SLICE_S, left) if left > 0 else _SLICE_S)


def main(orders: str) -> None:
    """Read as the orders say; does not return.

    Parameters
    ----------
    orders : str
        JSON: "paths", "page" (a descriptor), "consume" and the attributes of `Pace`.
    """
    import relaylab

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the owner, which ends this process
    told = json.loads(orders)
    threading.Thread(target=_end_with_owner, daemon=True).start()
    try:
        page = shared_page(told.pop("page"), len(told["paths"]))
        paths, consume = told.pop("paths"), told.pop("consume")
        pace = Pace(**told)
        files = [relaylab.open_file(path) for path in paths]
        threads = [
            threading.Thread(target=_work, args=(file, page[cpu], page[0], pace, consume))
            for cpu, file in enumerate(files, 1)
        ]
        for thread in threads:
            thread.start()
        page[0, READY] = 1
        for thread in threads:
            thread.join()
    except Exception as error:
        _fail(error)
    os._exit(0)


def shared_page(descriptor: int, n_cpus: int) -> NDArray[np.int64]:
    """The memory behind a descriptor as int64[1 + n_cpus, WORDS]."""
    import mmap

    size = 8 * WORDS * (1 + n_cpus)
    return np.frombuffer(mmap.mmap(descriptor, size), np.int64).reshape(1 + n_cpus, WORDS)


def _work(*arguments: Any) -> None:
    try:
        read(*arguments)
    except Exception as error:
        _fail(error)


def _fail(error: Exception) -> None:
    print("".join(traceback.format_exception_only(error)).strip(), file=sys.stderr, flush=True)
    os._exit(1)


def _end_with_owner() -> None:
    """The owner holds the other end of standard input, whatever becomes of it."""
    while os.read(0, 1):
        pass
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
