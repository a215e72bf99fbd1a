"""A run in real time: a channel, writers on threads that hold no GIL, and readers that drain it."""

import dataclasses
import math
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaylab.errors import ConfigError
from relaylab.lab.history import SECONDS, History
from relaylab.lab.marks import Begun
from relaylab.lab.moment import Moment
from relaylab.lab.opening import open_own
from relaylab.lab.readers import Readers, Wish
from relaylab.lab.sampling import Sampler
from relaylab.lab.settings import Settings
from relaylab.workload import Workload
from relaylab.workload.live import Writers

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

    is_virtual = is_read_only = False
    end_status = "closed"
    lesson = ""
    begun: Begun | None = None
    quiz = None  # time that cannot go back waits for no answer

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
        self._samples = Sampler(channel)
        self.writers: Any | None = None
        self.attached = Readers(channel, self._map_all, self._paths)
        self.attached.give_way(math.isinf(settings.rate))
        self.news = ""
        self.paused = False
        self._opened_s = time.monotonic()
        self._resumed = [(self._opened_s, 0.0)]  # the monotonic clock and clock_s at each begin
        if workload is not None:
            self.writers = Writers(channel, workload, speed=self._speed(settings.rate), repeat=True)
            self.writers.leaves_one = True

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

    def clock_at(self, t_ns: int) -> float:
        """What `clock_s` was when the monotonic clock, as in the journal, was `t_ns`."""
        t_s, ended_s = t_ns / 1e9, self.clock_s
        for began_s, clock_s in reversed(self._resumed):
            if began_s <= t_s:
                return min(clock_s + t_s - began_s, ended_s)
            ended_s = clock_s
        return 0.0

    @property
    def history(self) -> History:
        """Samples for the figures."""
        return self._samples.history

    @property
    def duration_s(self) -> float:
        """Seconds the figures cover: the last twenty."""
        return float(SECONDS)

    @property
    def readers(self) -> str:
        """Who reads, for the page's head; the list says who else."""
        return "" if self.attached.attached else "no reader"

    def reader_rows(self) -> list[dict[str, Any]]:
        """The readers, for the page's list."""
        return [] if self.is_over else self.attached.rows()

    @property
    def subbufs_read(self) -> int:
        """Sub-buffers that the readers have read, those that are gone as well."""
        return self.attached.subbufs_read

    @property
    def is_over(self) -> bool:
        """Whether the channel was closed."""
        return bool(self.channel.closed)

    def loss_marks(self) -> list[int]:
        """Positions of losses, which a live run does not know beforehand."""
        return []

    def advance(self) -> None:
        """Notice readers that have ended; the threads move a live run by themselves."""
        for reader in self.attached.look():
            freed = "its mappings are gone with it"
            self.news = f"Reader {reader.number} detached: {reader.ended}; {freed}."

    def take_news(self) -> str:
        """What happened by itself since the last call, in words."""
        news, self.news = self.news, ""
        return news

    def pause(self) -> None:
        """Hold writers and readers where they are."""
        if not self.paused:
            self.paused = True
            self._opened_s -= time.monotonic()
        if self.writers is not None:
            self.writers.pause()
        self.attached.hold(True)

    def resume(self) -> None:
        """Let writers and readers go on."""
        if self.paused:
            self.paused = False
            now_s = time.monotonic()
            self._resumed.append((now_s, -self._opened_s))
            self._opened_s += now_s
        if self.writers is not None:
            self.writers.resume()
        self.attached.hold(False)

    def set_rate(self, rate: float) -> None:
        """Offer `rate` events a second over all CPUs from now on; 0 is the workload's own pace."""
        self.settings = dataclasses.replace(self.settings, rate=rate)
        self.attached.give_way(math.isinf(rate))
        if self.writers is not None:
            self.writers.speed = self._speed(rate)

    def attach(self, wish: Wish | None = None) -> str:
        """Attach one more reader; says what it does. None: one as the settings say."""
        reader = self.attached.attach(wish or Wish(self.settings.reader))
        told = f"Reader {reader.number} attached, every buffer mapped: {reader.wish}."
        if reader.pid is not None:
            told = (
                f"Reader {reader.number} starts as process {reader.pid}, which maps every buffer"
                f" and {'consumes' if reader.wish.consumes else 'only watches'}:"
                f" {reader.wish.model}."
            )
        return told

    def detach(self, number: int | None = None) -> str:
        """Detach a reader, None for the one attached last; says what that means."""
        reader = self.attached.find(number)
        if reader is None:
            return "No reader is attached."
        was_there = not reader.ended
        self.attached.detach(reader)
        name = f"Reader {reader.number}"
        if not was_there:
            return f"{name} removed from the list."
        consuming = [one for one in self.attached.attached if one.wish.consumes]
        if not reader.wish.consumes:
            return f"{name} detached; it only watched, so nothing changes for the writers."
        if consuming:
            count = len(consuming)
            return f"{name} detached; {count} still consume{'s' if count == 1 else ''}."
        if self.channel.overwrite:
            return f"{name} detached: nobody consumes now, unread sub-buffers are overwritten."
        return f"{name} detached: nobody consumes now, so the buffers fill and events are lost."

    def pause_reader(self, number: int, paused: bool) -> str:
        """Pause one reader, or let it go on; says what that means."""
        reader = self.attached.find(number)
        if reader is None or reader.ended:
            return "That reader is attached no more."
        self.attached.pause(reader, paused)
        if not paused:
            return f"Reader {number} goes on."
        return f"Reader {number} stands still and keeps what it has mapped."

    def flush(self) -> None:
        """``chan.flush()``."""
        self.channel.flush()

    def reset(self) -> None:
        """``chan.reset()``."""
        self.channel.reset()
        self._samples.begin()

    def reading(self) -> NDArray[np.int64]:
        """Where consuming readers are, by reader and CPU; -1 for none."""
        return self.attached.reading(consuming=True)

    def watching(self) -> NDArray[np.int64]:
        """Where those that only watch are, likewise."""
        return self.attached.reading(consuming=False)

    def open_file(self, cpu: int) -> Any | None:
        """The file of a CPU's buffer, opened; None if the file system is the user's own."""
        return None if self.fs is None else self.fs.open_file(self.channel.buffers[cpu].path)

    def records(self) -> NDArray[np.void]:
        """What happened since the last call, from the journal."""
        return self._samples.records()

    def take_rewound(self) -> bool:
        """Real time does not go back."""
        return False

    def observe(self, moment: Moment, records: NDArray[np.void]) -> None:
        """Keep a sample of what was seen, if something moved."""
        self._samples.take(moment, records, self.clock_s, self.is_running)

    def stop(self) -> None:
        """End the writers and readers; the channel stays open."""
        writers, self.writers = self.writers, None
        if writers is not None:
            writers.stop()
            if not writers.join(_JOIN_S):
                raise RuntimeError(f"the writers did not end within {_JOIN_S} s of their stop")
        self.attached.end()

    def close(self) -> None:
        """End the threads and processes and close the channel."""
        self.stop()
        if not self.channel.closed:
            self.channel.close()
        if self.fs is not None:
            self.fs.unmount()

    def _map_all(self) -> list[Any]:
        """Open and map every buffer's file, as a reader does.

        The files of a channel of the user's own are not known here.
        """
        held: list[Any] = []
        for cpu in range(self.channel.n_cpus):
            file = self.open_file(cpu)
            if file is not None:
                held += [file.mmap(), file]
        return held

    def _paths(self) -> list[str]:
        """Where other processes find the files; they are mounted from the first such reader on."""
        if self.fs is None:
            raise ConfigError(
                "a second process cannot find the files of a channel that is your program's",
                allowed="readers in this process",
                hint="Press Open for a channel of the workbench's own.",
            )
        top = self.fs.mountpoint or self.fs.mount()
        return [f"{top}/{buf.path}" for buf in self.channel.buffers]

    def _speed(self, rate: float) -> float:
        if rate == 0 or self.workload is None:
            return 1.0
        return math.inf if math.isinf(rate) else rate / (self.workload.rate or 1.0)
