"""A run in real time: a channel, writers on threads that hold no GIL, and readers that drain it."""

import math
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaylab.lab.history import SECONDS, History
from relaylab.lab.moment import Moment
from relaylab.lab.opening import open_own
from relaylab.lab.peaks import Peaks
from relaylab.lab.settings import Settings
from relaylab.workload import Workload
from relaylab.workload.live import Drain, Writers

_JOIN_S = 2.0


class LiveRun:
    """A channel at work in real time.

    Parameters
    ----------
    settings : Settings
        What to open; ignored where `channel` is given, except for the reader.
    workload : Workload, optional
        What the writers offer, over and over. None: nothing is written by the workbench.
    channel : Channel, optional
        A channel of the user's own. None: one is opened.
    """

    is_virtual = False

    def __init__(
        self,
        settings: Settings,
        workload: Workload | None,
        workload_name: str = "",
        channel: Any | None = None,
    ) -> None:
        self.settings = settings
        self.workload = workload
        self.workload_name = workload_name
        self.n_events = 0 if workload is None else len(workload)
        self.owns_channel = channel is None
        self.fs: Any | None = None
        if channel is None:
            self.fs, channel = open_own(settings)
        self.channel = channel
        self._cursor = channel.journal.cursor()
        self.history = History()
        self._totals: Any | None = None
        self._dropped = 0
        self._peaks = Peaks(np.zeros(channel.n_cpus, np.int64))
        self._begin_history()
        self.writers: Any | None = None
        self.drains: list[Any] = []
        self._files: list[list[Any]] = []
        self.paused = False
        self._opened_s = time.monotonic()
        if workload is not None:
            self.writers = Writers(channel, workload, speed=self._speed(settings.rate), repeat=True)

    def start(self) -> None:
        """Start the reader, then the writers."""
        if self.owns_channel:
            self.attach()
        if self.writers is not None:
            self.writers.start()

    @property
    def is_running(self) -> bool:
        """Whether writers are at work now."""
        return self.writers is not None and bool(self.writers.running) and not self.paused

    @property
    def error(self) -> BaseException | None:
        """What ended a writer, if something did."""
        return None if self.writers is None else self.writers.error

    @property
    def position(self) -> int:
        """Events of the workload offered in this lap."""
        if self.writers is None or self.workload is None:
            return 0
        return int(self.writers.events) % max(1, len(self.workload))

    @property
    def clock_s(self) -> float:
        """Seconds since the open, without pauses."""
        # While paused, _opened_s holds minus the seconds that had passed.
        return -self._opened_s if self.paused else time.monotonic() - self._opened_s

    @property
    def duration_s(self) -> float:
        """Seconds the figures cover: the last twenty."""
        return float(SECONDS)

    @property
    def readers(self) -> str:
        """Who reads, for the page."""
        if not self.drains:
            return "no reader"
        count = "1 reader" if len(self.drains) == 1 else f"{len(self.drains)} readers"
        return f"{count}: {self.settings.reader}"

    def loss_marks(self) -> list[int]:
        """Positions of losses, which a live run does not know beforehand."""
        return []

    def advance(self) -> None:
        """Nothing to do: the threads move a live run."""

    def pause(self) -> None:
        """Hold writers and readers where they are."""
        if not self.paused:
            self.paused = True
            self._opened_s -= time.monotonic()
        for thread in self._threads():
            thread.pause()

    def resume(self) -> None:
        """Let writers and readers go on."""
        if self.paused:
            self.paused = False
            self._opened_s += time.monotonic()
        for thread in self._threads():
            thread.resume()

    def set_rate(self, rate: float) -> None:
        """Offer `rate` events a second over all CPUs from now on; 0 is the workload's own pace."""
        if self.writers is not None:
            self.writers.speed = self._speed(rate)

    def attach(self) -> str:
        """Attach one more in-process reader that drains through a mapping; says what it does."""
        reader = self.settings.reader
        drain = Drain(
            self.channel, latency_ns=reader.latency_ns, per_subbuf_ns=reader.per_subbuf_ns
        )
        self._files.append(self._map_all())
        drain.start()
        if self.paused:
            drain.pause()
        self.drains.append(drain)
        return f"Reader {len(self.drains)} attached, every buffer mapped: {reader}."

    def detach(self) -> str:
        """Detach the reader attached last; says what that means."""
        if not self.drains:
            return "No reader is attached."
        self._end_reader()
        if self.drains:
            return f"Reader detached; {len(self.drains)} still drain the channel."
        if self.channel.overwrite:
            return "Reader detached: nobody consumes now, unread sub-buffers are overwritten."
        return "Reader detached: nobody consumes now, so the buffers fill and events are lost."

    def flush(self) -> None:
        """``chan.flush()``."""
        self.channel.flush()

    def reset(self) -> None:
        """``chan.reset()``."""
        self.channel.reset()
        self._begin_history()

    def snapshot(self) -> Any:
        """``chan.snapshot()``."""
        return self.channel.snapshot()

    def reading(self) -> NDArray[np.int64]:
        """The sub-buffer a reader works on, by CPU; -1 for none."""
        now = np.full(self.channel.n_cpus, -1, np.int64)
        for drain in self.drains:
            now = np.maximum(now, drain.reading)
        return now

    def records(self) -> NDArray[np.void]:
        """What happened since the last call, from the journal."""
        records: NDArray[np.void] = self._cursor.read()
        return records

    def take_rewound(self) -> bool:
        """Real time does not go back."""
        return False

    def observe(self, moment: Moment, records: NDArray[np.void]) -> None:
        """Keep a sample of what was seen, if something moved."""
        missed = self._cursor.dropped != self._dropped
        self._dropped = self._cursor.dropped
        if missed:
            self._peaks = Peaks(moment.snapshot.subbufs_consumed)
            records = records[:0]
        peaks = self._peaks.take(records, moment.occupancy, moment.snapshot.subbufs_consumed)
        if self.is_running or moment.totals != self._totals:
            self._totals = moment.totals
            peaks = np.minimum(peaks, moment.n_subbufs)
            self.history.sample(self.clock_s, peaks, moment.totals)

    def stop(self) -> None:
        """End the threads; the channel stays open."""
        writers, self.writers = self.writers, None
        if writers is not None:
            _end(writers)
        while self.drains:
            self._end_reader()

    def close(self) -> None:
        """End the threads and close the channel."""
        self.stop()
        if not self.channel.closed:
            self.channel.close()

    def _map_all(self) -> list[Any]:
        """Open and map every buffer's file, as a reader does.

        The files of a channel of the user's own are not known here.
        """
        if self.fs is None:
            return []
        held = []
        for buf in self.channel.buffers:
            file = self.fs.open_file(buf.path)
            held += [file.mmap(), file]
        return held

    def _end_reader(self) -> None:
        _end(self.drains.pop())
        for held in self._files.pop():
            held.close()

    def _begin_history(self) -> None:
        self.history = History()
        self._dropped = self._cursor.dropped
        self._totals = None
        self._peaks = Peaks(self.channel.snapshot().subbufs_consumed)

    def _speed(self, rate: float) -> float:
        if rate == 0 or self.workload is None:
            return 1.0
        return math.inf if math.isinf(rate) else rate / (self.workload.rate or 1.0)

    def _threads(self) -> list[Any]:
        return [*([] if self.writers is None else [self.writers]), *self.drains]


def _end(thread: Any) -> None:
    thread.stop()
    if not thread.join(_JOIN_S):
        raise RuntimeError(f"{type(thread).__name__} did not end within {_JOIN_S} s of its stop")
