"""Measuring readers in other processes: how soon they run, how fast they read, what they cost."""

import contextlib
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Final

import numba
import numpy as np
from numpy.typing import NDArray

from relaylab import jit, relayfs
from relaylab.channel import Channel
from relaylab.cli import reader_process as tasks
from relaylab.cli.measure import Figure
from relaylab.cli.reader_process import ReaderProcess
from relaylab.core.system import clock_ns, raise_eventfd

READERS: Final = 8
IDLE_S: Final = 10.0
_WAKE_UPS: Final = 100  # of a round, each a millisecond after the last
_PERIOD_NS: Final = 1_000_000
_DRAIN_S: Final = 0.2
_PIPE_BYTES: Final = 256 << 20  # of a round
_BUFFER: Final = 4 << 20  # bytes of a buffer that is drained
_EVENT: Final = 1024  # bytes of an event there
_BATCH: Final = np.ones((512, _EVENT), np.uint8)
_SMALL: Final = np.ones((1 << 16, 64), np.uint8)
_SCHEDULER_CLOCK: Final = 2  # clock_getcpuclockid of Linux


def all_figures(rounds: int) -> Iterator[Figure]:
    """Every figure, one after the other; none where files cannot be mounted."""
    if sys.platform != "linux":
        return
    yield from wake_ups(rounds)
    yield from draining(rounds)
    yield from company(rounds)


def wake_ups(rounds: int) -> Iterator[Figure]:
    """From a switch in busy compiled code to the reader's next line, beside a note in a pipe."""
    count = _WAKE_UPS * rounds
    event = np.zeros(64, np.uint8)
    stamps = np.zeros((2, count), np.int64)
    with ReaderProcess() as reader, _mounted(64, 1024) as (chan, path):
        reader.do(tasks.ready)
        chan.write(event, cpu=0)  # fills the first sub-buffer; each further event is a switch
        handle = chan.handle(0)
        _publish_and_note(handle, event, stamps[:, :0], 0, reader.pipe.fileno())  # compile
        reader.begin(tasks.note_wake_ups, path, count)
        _wait_until(lambda: chan.buffers[0].refcount > 1)
        _publish_and_note(handle, event, stamps, _PERIOD_NS, reader.pipe.fileno())
        noted = reader.result()
    ours, peer = (np.array(noted) - stamps) / 1e3
    for what, percent, goal in (("median", 50, 30.0), ("p99", 99, 500.0)):
        mine, theirs = (float(np.percentile(times, percent)) for times in (ours, peer))
        yield Figure(f"wake-up, {what}", mine, "note in a pipe", theirs, "us", mine, goal)


@numba.njit(nogil=True)  # type: ignore[untyped-decorator]  # Numba is untyped
def _publish_and_note(
    handle: NDArray[np.int64],
    event: NDArray[np.uint8],
    stamps: NDArray[np.int64],
    period: int,
    pipe: int,
) -> None:
    """Produce a sub-buffer and write to the pipe in turns, busy for `period` ns before each."""
    for i in range(stamps.shape[1]):
        for which in range(2):
            until = clock_ns() + period
            while clock_ns() < until:
                pass
            stamps[which, i] = clock_ns()
            if which == 0:
                jit.write(handle, event)
            else:
                raise_eventfd(pipe)  # a plain write of eight bytes


def draining(rounds: int) -> Iterator[Figure]:
    """What one reader process reads while the writer does nothing but write, beside a pipe."""
    large, small = 256 * 1024, 4096
    rates: dict[str, list[float]] = {name: [] for name in ("large", "small", "loop", "pipe")}
    with (
        ReaderProcess() as reader,
        _mounted(large, _BUFFER // large) as (large_chan, large_path),
        _mounted(small, _BUFFER // small) as (small_chan, small_path),
    ):
        reader.do(tasks.ready)
        for _ in range(rounds):
            with _writing(large_chan):
                rates["large"].append(large * reader.do(tasks.drain, large_path, _DRAIN_S))
            rates["pipe"].append(_through_the_pipe(reader))
            with _writing(small_chan):
                rates["small"].append(reader.do(tasks.drain, small_path, _DRAIN_S))
                rates["loop"].append(reader.do(tasks.iterate, small_path, _DRAIN_S))
    median = {name: statistics.median(column) for name, column in rates.items()}
    rate, peer = median["large"] / 1e9, median["pipe"] / 1e9
    yield Figure("mmap, 256 KiB", rate, "pipe", peer, "GB/s", rate, 4.0, at_least=True)
    rate, peer = median["small"] / 1e3, median["loop"] / 1e3
    name = "for sub in subbufs()"
    yield Figure("mmap, 4 KiB sub-buffers", rate, name, peer, "k/s", rate, 500.0, at_least=True)


def _through_the_pipe(reader: ReaderProcess) -> float:
    """Bytes a second of a pipe with room for a mebibyte, written a mebibyte at a time."""
    import fcntl  # not on Windows

    descriptor = reader.pipe.fileno()
    with contextlib.suppress(PermissionError):  # more than this user may have
        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, 1 << 20)
    data = np.ones(1 << 20, np.uint8).data
    reader.begin(tasks.empty_pipe, _PIPE_BYTES)
    left = _PIPE_BYTES
    while left:
        left -= os.write(descriptor, data[:left])
    rate: float = reader.result()
    return rate


def company(rounds: int) -> Iterator[Figure]:
    """What readers cost that do nothing: while the channel is idle, and while it is written."""
    with ExitStack() as running:
        readers = [running.enter_context(ReaderProcess()) for _ in range(READERS)]
        for reader in readers:
            reader.begin(tasks.ready)
        for reader in readers:
            reader.result()
        yield _idle(readers)
        yield _asleep(readers, rounds)


def _idle(readers: list[ReaderProcess]) -> Figure:
    alone = _busy_percent(readers)
    with _mounted(64 * 1024, 8) as (chan, path):
        for reader in readers:
            reader.begin(tasks.follow, path)
        _wait_until(lambda: chan.buffers[0].refcount == 1 + len(readers))
        time.sleep(1)  # all of them wait by now
        waiting = _busy_percent(readers)
        chan.close()
        for reader in readers:
            reader.result()
    what = f"CPU, {len(readers)} readers wait"
    return Figure(what, waiting, "no channel", alone, "%", waiting, 0.2)


def _busy_percent(readers: list[ReaderProcess]) -> float:
    """The processor time of this process and the readers, % of one processor, over IDLE_S."""
    clocks = [~pid << 3 | _SCHEDULER_CLOCK for pid in (0, *(reader.pid for reader in readers))]
    clocks[0] = time.CLOCK_PROCESS_CPUTIME_ID

    def used() -> float:
        return sum(map(time.clock_gettime, clocks))

    before, begin = used(), time.monotonic()
    time.sleep(IDLE_S)
    return 100 * (used() - before) / (time.monotonic() - begin)


def _asleep(readers: list[ReaderProcess], rounds: int) -> Figure:
    times: dict[bool, list[float]] = {True: [], False: []}
    with _mounted(64 * 1024, 8, overwrite=True) as (chan, path):
        _writer_ns(chan)
        for turn in range(6 * rounds):
            watched = turn % 4 in (1, 2)  # neither is always the first of a pair
            if turn % 4 == 1:
                for reader in readers:
                    reader.begin(tasks.hold, path)
                for reader in readers:
                    reader.result()
            elif turn % 4 == 3:
                for reader in readers:
                    reader.do(tasks.let_go)
                _wait_until(lambda: chan.buffers[0].refcount == 1)
            times[watched].append(_writer_ns(chan))
        if watched:
            for reader in readers:
                reader.do(tasks.let_go)
    ratio = float(np.median(np.array(times[True]) / np.array(times[False])))
    mine, alone = statistics.median(times[True]), statistics.median(times[False])
    what = f"write, {len(readers)} readers sleep"
    return Figure(what, mine, "none", alone, "ns", ratio, 1.05)


def _writer_ns(chan: Channel) -> float:
    """The writing thread's processor time of an event of 64 bytes, ns."""
    begin = time.thread_time_ns()
    for _ in range(32):
        chan.write_many(_SMALL, cpu=0)
    return (time.thread_time_ns() - begin) / (32 * len(_SMALL))


# Owner's side ------------------------------------------------------------------------------------


@contextlib.contextmanager
def _mounted(
    subbuf_size: int, n_subbufs: int, overwrite: bool = False
) -> Iterator[tuple[Channel, str]]:
    """A channel of one buffer, and the path at which other processes open it."""
    with relayfs.RelayFS(n_cpus=1) as fs:
        chan = relayfs.relay_open("bench", None, subbuf_size, n_subbufs, overwrite, None, fs=fs)
        yield chan, f"{fs.mount()}/{chan.buffers[0].path}"


@contextlib.contextmanager
def _writing(chan: Channel) -> Iterator[None]:
    """A thread writes at full speed; what finds no room is lost."""
    ended = threading.Event()

    def write() -> None:
        while not ended.is_set():
            chan.write_many(_BATCH, cpu=0)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _wait_until(holds: Callable[[], bool]) -> None:
    while not holds():
        time.sleep(0.001)
