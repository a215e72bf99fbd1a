"""A reader in this process that only watches: it reads what is produced and consumes nothing."""

from __future__ import annotations

import threading
import time
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from relaylab.channel import Channel, ChannelBuffer
from relaylab.channel.conversation import report_unraisable
from relaylab.errors import ClosedError
from relaylab.workload.reader import Pace

_GLANCE_S: Final = 0.002  # between two looks: whoever writes and consumes goes first
_AT_ONCE: Final = 8  # sub-buffers of one CPU at a look, if it is as fast as it can be


class Watch:
    """Reads every sub-buffer it can get, one thread for all CPUs.

    Parameters
    ----------
    channel : Channel
        What to read.
    pace : Pace
        How fast.

    Attributes
    ----------
    error : BaseException or None
        What ended it before its time.
    """

    def __init__(self, channel: Channel, pace: Pace) -> None:
        self._channel = channel
        self._places = [_Place(buf, pace) for buf in channel.buffers]
        self._running = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._work, name="relaylab watcher", daemon=True)
        self.error: BaseException | None = None

    def start(self) -> None:
        """Begin."""
        self._running.set()
        self._thread.start()

    def pause(self) -> None:
        """Stop for now; returns at once."""
        self._running.clear()

    def resume(self) -> None:
        """Go on after a pause."""
        self._running.set()

    def stop(self) -> None:
        """Stop for good."""
        self._ended = True
        self._running.set()

    def join(self, timeout: float | None = None) -> bool:
        """Wait up to `timeout` seconds for the end; whether it has come."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    @property
    def reading(self) -> NDArray[np.int64]:
        """The sub-buffer being read now, by CPU; -1 for none."""
        return np.array([place.reading for place in self._places], np.int64)

    @property
    def subbufs_read(self) -> int:
        """Sub-buffers read so far."""
        return sum(place.read for place in self._places)

    @property
    def skipped(self) -> int:
        """Sub-buffers that were used again before they could be read."""
        return sum(place.skipped for place in self._places)

    def _work(self) -> None:
        try:
            while not self._ended and not self._channel.closed:
                self._running.wait()
                now_s = time.monotonic()
                for place in self._places:
                    place.go_on(now_s)
                time.sleep(_GLANCE_S)
        except ClosedError:
            pass  # the channel was closed: there is nothing left to watch
        except BaseException as error:
            self.error = error
            report_unraisable(error)


class _Place:
    """How far it has come on one CPU."""

    def __init__(self, buf: ChannelBuffer, pace: Pace) -> None:
        self._buf = buf
        self._pace = pace
        self._size = len(buf.memory) // len(buf.padding)
        self._n = len(buf.padding)
        self.reading = -1
        self.read = self.skipped = 0
        self._following = buf.subbufs_consumed
        self._due_s: float | None = None  # idle, if not reading

    def go_on(self, now_s: float) -> None:
        """Finish what is due, begin what is ready."""
        for _ in range(_AT_ONCE):
            if self.reading >= 0 and not self._finish(now_s):
                return
            if not self._begin(now_s):
                return

    def _finish(self, now_s: float) -> bool:
        assert self._due_s is not None
        if now_s < self._due_s:
            return False
        self.reading = -1
        self.read += 1
        return True

    def _begin(self, now_s: float) -> bool:
        produced = self._buf.subbufs_produced
        if produced < self._following:  # a reset
            self._following = 0
        if produced == self._following:
            self._due_s = None
            return False
        if self._due_s is None:  # it was idle: it has to be woken first
            self._due_s = now_s + self._pace.latency_ns / 1e9
        if now_s < self._due_s:
            return False
        self._skip_overwritten()
        subbuf = self._following % self._n
        start = subbuf * self._size
        used = max(0, self._size - int(self._buf.padding[subbuf]))
        np.bitwise_xor.reduce(self._buf.memory[start : start + used])  # touches every byte
        self.reading = subbuf
        self._following += 1
        self._due_s = max(self._due_s, now_s - _GLANCE_S) + self._pace.work_s(used)
        return True

    def _skip_overwritten(self) -> None:
        produced: Any = self._buf.subbufs_produced
        is_open = not self._buf.is_full
        oldest = produced - self._n + int(is_open)
        if self._following < oldest:
            self.skipped += oldest - self._following
            self._following = oldest
