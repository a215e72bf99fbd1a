"""Real time: writers that replay a workload through a channel, and a reader that drains it.

Both run on threads of their own, in compiled loops that hold no GIL.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from relaylab.channel import Channel, ChannelBuffer
from relaylab.channel.conversation import report_unraisable
from relaylab.core import run
from relaylab.core.prepare import engine
from relaylab.errors import CallbackError, ClosedError, ConfigError
from relaylab.workload.trace import Workload

_PACE_ONE: Final = 1 << 20
_BUDGET: Final = 50_000_000  # ns a compiled loop runs before Python looks at what is wanted
_NICE: Final = 15  # whoever looks at the channel goes first when processors are scarce


class _Threads:
    """Threads of one kind, one a buffer, that can be paused and stopped together.

    Attributes
    ----------
    leaves_one : bool
        Where they are more than the processors, keep off one of them, for whoever looks. To be set
        before the start.
    """

    _operation: str  # of the engine: what one turn of the loop calls
    _is_pinned = False  # to a processor each, where there are enough

    def __init__(self, channel: Channel, label: str) -> None:
        self.channel = channel
        self._running = threading.Event()
        self._stop = np.zeros(1, np.int64)
        self._ended = self.leaves_one = False
        self._own = threading.local()
        self._threads = [
            threading.Thread(
                target=self._work, args=(buf,), name=f"relaylab {label} {buf.cpu}", daemon=True
            )
            for buf in channel.buffers
        ]
        self.error: BaseException | None = None

    def start(self) -> Self:
        """Begin."""
        getattr(engine, self._operation)  # compile now, not while the clock runs
        self._running.set()
        for thread in self._threads:
            thread.start()
        return self

    def pause(self) -> None:
        """Stop for now; returns at once."""
        self._running.clear()
        self._stop[0] = 1

    def resume(self) -> None:
        """Go on after a pause."""
        if not self._ended:
            self._stop[0] = 0
            self._running.set()

    def stop(self) -> None:
        """Stop for good and wait for the threads."""
        self._ended = True
        self._stop[0] = 1
        self._running.set()
        for thread in self._threads:
            if thread.ident is not None and thread is not threading.current_thread():
                thread.join()

    def join(self, timeout: float | None = None) -> bool:
        """Wait up to `timeout` seconds for the end; whether it has come."""
        deadline = None if timeout is None else time.monotonic() + timeout
        for thread in self._threads:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            thread.join(left)
        return not self.running

    @property
    def running(self) -> bool:
        """Whether a thread is at work or paused."""
        return any(thread.is_alive() for thread in self._threads)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        self.stop()

    def _work(self, buf: ChannelBuffer) -> None:
        try:
            _settle(buf.cpu, len(self._threads), self._is_pinned, self.leaves_one)
            self._loop(buf)
        except ClosedError:
            pass  # the channel was closed: there is nothing left to do
        except BaseException as error:
            self.error = error
            report_unraisable(error)

    def _loop(self, buf: ChannelBuffer) -> None:
        raise NotImplementedError

    def _let_others_first(self, wanted: bool) -> None:
        """Whether this thread, when it wakes, waits for whoever runs to come to an end.

        Writers at full speed and their readers wake each other all the time. Were each to take the
        processor at once, a page on the same machine would hardly ever have it.
        """
        if wanted != getattr(self._own, "is_last", False) and hasattr(os, "SCHED_BATCH"):
            self._own.is_last = wanted
            with contextlib.suppress(OSError):  # a sandbox may forbid it
                policy = os.SCHED_BATCH if wanted else os.SCHED_OTHER
                os.sched_setscheduler(0, policy, os.sched_param(0))


class Writers(_Threads):
    """Replay a workload through a channel, one thread a CPU, each event under the buffer's lock.

    Each event that is long enough begins with two uint32: its number on its CPU, and its length.
    As a context manager it starts, and stops at the end.

    Parameters
    ----------
    channel
        Where to; CPUs of the workload that it does not have wrap around.
    workload
        What, and when.
    speed
        Workload time over real time; inf for full speed. May be set at any time.
    repeat
        Begin anew at the end, until stopped.

    Attributes
    ----------
    events : int
        Events offered so far.
    error : BaseException or None
        What ended it before its time.
    """

    _operation = "produce"
    _is_pinned = True

    def __init__(
        self, channel: Channel, workload: Workload, speed: float = 1.0, repeat: bool = False
    ) -> None:
        super().__init__(channel, "writer")
        self.workload = workload
        self.repeat = repeat
        self._places = np.zeros((channel.n_cpus, 3), np.int64)
        self._shares = [_Share(workload, cpu, channel.n_cpus) for cpu in range(channel.n_cpus)]
        origin = int(workload.t_ns[0]) if len(workload) else 0
        self._length = int(workload.t_ns[-1]) - origin if len(workload) else 0
        self.speed = speed

    @property
    def speed(self) -> float:
        """Workload time over real time; inf for full speed."""
        return self._speed

    @speed.setter
    def speed(self, value: float) -> None:
        if not value > 0:
            raise ConfigError(
                "speed", passed=value, allowed="a positive number; float('inf') for full speed"
            )
        self._speed = float(value)
        self._pace = 0 if value == float("inf") else max(1, round(value * _PACE_ONE))

    @property
    def events(self) -> int:
        """Events offered so far, lost or written."""
        return int(self._places[:, run.SEQUENCE].sum())

    def _loop(self, buf: ChannelBuffer) -> None:
        place, share = self._places[buf.cpu], self._shares[buf.cpu]
        if not share.count:
            return
        pace = None
        while not self._ended:
            if not self._running.is_set():
                self._running.wait()
                pace = None
                continue
            self._let_others_first(self._pace == 0)
            if pace != self._pace:  # at first, after a pause, at a new speed: from here on
                pace = self._pace
                place[run.ORIGIN] = time.monotonic_ns() - share.due(place[run.NEXT], pace)
            self._offer(buf, share, place, pace)
            if place[run.NEXT] >= share.count:
                if not self.repeat:
                    return
                place[run.NEXT] = 0
                if pace:
                    place[run.ORIGIN] += int(self._length * _PACE_ONE / pace)

    def _offer(
        self, buf: ChannelBuffer, share: _Share, place: NDArray[np.int64], pace: int
    ) -> None:
        arguments = (
            share.t_ns.ctypes.data,
            share.size.ctypes.data,
            share.count,
            pace,
            share.payload.ctypes.data,
            place.ctypes.data,
            self._stop.ctypes.data,
            _BUDGET,
        )
        try:
            buf._perform(self._operation, *arguments)
        except CallbackError as error:  # the event is dealt with: go on with the next
            report_unraisable(error)


class _Share:
    """The events of one CPU, as arrays that compiled loops read."""

    def __init__(self, workload: Workload, cpu: int, n_cpus: int) -> None:
        mine = workload.cpu % n_cpus == cpu
        begin = workload.t_ns[0] if len(workload) else 0
        self.t_ns = np.ascontiguousarray(workload.t_ns[mine] - begin)
        self.size = np.ascontiguousarray(workload.size[mine])
        self.count = len(self.t_ns)
        longest = max(8, int(self.size.max(initial=0)))
        self.payload = (np.arange(longest) % 251).astype(np.uint8)

    def due(self, index: int, pace: int) -> int:
        """Real ns after the begin at which event `index` is due."""
        if pace == 0 or index >= self.count:
            return 0
        return int(self.t_ns[index] * _PACE_ONE / pace)


class Drain(_Threads):
    """A reader that consumes what is ready, one thread a CPU, reading every byte.

    As a context manager it starts, and stops at the end.

    Parameters
    ----------
    channel
        What to read.
    latency_ns
        From something being ready to the reader running, if it was idle.
    per_subbuf_ns
        Work for each sub-buffer.
    bytes_per_s
        How fast it reads; None for as fast as it can.

    Attributes
    ----------
    gives_way : bool
        Wait for other threads on its processor; for readers of writers at full speed.
    error : BaseException or None
        What ended it before its time.
    """

    _operation = "drain"

    def __init__(
        self,
        channel: Channel,
        latency_ns: int = 0,
        per_subbuf_ns: int = 0,
        bytes_per_s: float | None = None,
    ) -> None:
        super().__init__(channel, "reader")
        self.latency_ns = _non_negative("latency_ns", latency_ns)
        self.per_subbuf_ns = _non_negative("per_subbuf_ns", per_subbuf_ns)
        self.gives_way = False
        self.bytes_per_s = bytes_per_s
        if bytes_per_s is not None and not bytes_per_s > 0:
            raise ConfigError(
                "bytes_per_s", passed=bytes_per_s, allowed="a positive number or None"
            )
        self._places = np.zeros((channel.n_cpus, 5), np.int64)
        self._places[:, run.READING] = -1

    @property
    def reading(self) -> NDArray[np.int64]:
        """The sub-buffer being read now, by CPU; -1 for none."""
        return self._places[:, run.READING].copy()

    @property
    def bytes_read(self) -> int:
        """Bytes read so far, without padding."""
        return int(self._places[:, run.READ_BYTES].sum())

    @property
    def subbufs_read(self) -> int:
        """Sub-buffers read so far."""
        return int(self._places[:, run.READ_SUBBUFS].sum())

    def _loop(self, buf: ChannelBuffer) -> None:
        place = self._places[buf.cpu]
        while not self._ended:
            self._let_others_first(self.gives_way)
            if not self._running.is_set():
                self._running.wait()
            elif self._read(buf, place) == run.ENDED:
                return

    def _read(self, buf: ChannelBuffer, place: NDArray[np.int64]) -> int:
        per_mib = 0 if self.bytes_per_s is None else int(1e9 * 2**20 / self.bytes_per_s)
        return buf._perform(
            self._operation,
            self.latency_ns,
            self.per_subbuf_ns,
            per_mib,
            place.ctypes.data,
            self._stop.ctypes.data,
            _BUDGET,
        )


def _settle(cpu: int, threads: int, is_pinned: bool, leaves_one: bool) -> None:
    """Choose the processors of this thread, one of so many of its kind.

    A page that had to take its processor from threads at full speed would lose most of its frames.
    """
    if sys.platform != "linux":
        return
    available = sorted(os.sched_getaffinity(0))
    me = threading.get_native_id()
    with contextlib.suppress(OSError):  # a sandbox may forbid it
        if is_pinned and threads + leaves_one <= len(available):
            os.sched_setaffinity(0, {available[cpu % len(available)]})
        elif leaves_one and threads > len(available) > 1:
            os.sched_setaffinity(0, available[1:])
        if os.getpriority(os.PRIO_PROCESS, me) < _NICE:
            os.setpriority(os.PRIO_PROCESS, me, _NICE)


def _non_negative(name: str, value: Any) -> int:
    if not value >= 0:
        raise ConfigError(name, passed=value, allowed="0 or more nanoseconds")
    return int(value)
