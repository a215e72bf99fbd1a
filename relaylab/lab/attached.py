"""A run that only looks on: a channel that lives in another process, read-only."""

import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import relaylab
from relaylab.errors import ClosedError, RelayError
from relaylab.lab.history import SECONDS, History
from relaylab.lab.marks import Begun
from relaylab.lab.moment import Moment
from relaylab.lab.sampling import Sampler
from relaylab.lab.settings import Settings
from relaylab.relayfs.watching import WatchedChannel

_QUIET_S: Final = 1.0
"""Without an event for so long, a channel is idle."""


class AttachedChannel(WatchedChannel):
    """A watched channel with the names that the workbench looks at a channel by.

    Parameters
    ----------
    path : str or path-like
        The file of any of its buffers.

    Raises
    ------
    FileError, ResourceError, ConfigError
        As `relaylab.open_file`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path)
        self.path = os.fspath(path)

    @property
    def buffers(self) -> list[Any]:
        """Objects with the `path` of each buffer."""
        top = Path(self.path).parent
        return [SimpleNamespace(path=str(top / f"{self.name}{cpu}")) for cpu in range(self.n_cpus)]

    @property
    def was_closed(self) -> bool:
        """Whether its owner closed it, not only went away."""
        return any(bool(control["finalized"][0]) for control, _, _ in self._blocks)


class AttachedRun:
    """Looks at a channel of another process.

    Parameters
    ----------
    channel : AttachedChannel
        Closed with the run.
    """

    is_virtual = False
    is_read_only = owns_channel = True
    lesson = ""
    begun: Begun | None = None
    quiz = None
    workload = None
    workload_name = ""
    error: BaseException | None = None
    paused = False
    position = n_events = 0
    duration_s = float(SECONDS)
    subbufs_read = 0
    readers = ""
    """Who reads it, only its owner knows."""

    def __init__(self, channel: AttachedChannel) -> None:
        self.channel = channel
        self.fs = None
        self.settings = _settings_of(channel)
        self.is_over = False
        self.end_status = "closed"
        self._news = ""
        self._is_ending = False
        self._samples = Sampler(channel)
        self._moved_s = -_QUIET_S
        self._began_s = time.monotonic()

    # What every run has -----------------------------------------------------------------------

    def start(self) -> None:
        """Nothing: whoever has the channel moves it."""

    @property
    def is_running(self) -> bool:
        """Whether events were written within the last second."""
        return not self.is_over and time.monotonic() - self._moved_s < _QUIET_S

    @property
    def history(self) -> History:
        """Samples for the figures."""
        return self._samples.history

    @property
    def clock_s(self) -> float:
        """Seconds since it was attached."""
        return time.monotonic() - self._began_s

    def clock_at(self, t_ns: int) -> float:
        """What `clock_s` was when the monotonic clock, as in the journal, was `t_ns`."""
        return t_ns / 1e9 - self._began_s

    def reader_rows(self) -> list[dict[str, Any]]:
        """Not known here either."""
        return []

    def loss_marks(self) -> list[int]:
        """No positions here."""
        return []

    def advance(self) -> None:
        """Notice that the channel was closed, or its owner died: one more look, and it is over."""
        self._is_ending = self._is_ending or self.channel.closed

    def take_news(self) -> str:
        """That it is over, in words."""
        news, self._news = self._news, ""
        return news

    def reading(self) -> NDArray[np.int64]:
        """Where its readers are is not known."""
        return np.zeros((0, self.channel.n_cpus), np.int64)

    watching = reading

    def records(self) -> NDArray[np.void]:
        """What happened since the last call, from the owner's journal."""
        return self._samples.records()

    def take_rewound(self) -> bool:
        """Real time does not go back."""
        return False

    def observe(self, moment: Moment, records: NDArray[np.void]) -> None:
        """Keep a sample of what was seen, if something moved."""
        before = self._samples.totals
        if before is not None and moment.totals.offered != before.offered:
            self._moved_s = time.monotonic()
        self._samples.take(moment, records, self.clock_s, self.is_running)
        if self._is_ending and not self.is_over:
            self._end()

    def open_file(self, cpu: int) -> Any:
        """The file of a CPU's buffer, opened as one more reader."""
        return relaylab.open_file(self.channel.buffers[cpu].path)

    def stop(self) -> None:
        """Nothing of it is ours to stop."""

    def close(self) -> None:
        """Watch it no more."""
        self.is_over = True
        self.channel.close()

    # What only its owner may do -----------------------------------------------------------------

    def refuse(self, *_: Any, **__: Any) -> Any:
        """Everything that would change the channel.

        Raises
        ------
        RelayError
        """
        raise ClosedError(
            f"the channel belongs to process {self.channel.pid} and is only watched here",
            hint="What changes it is that program's.",
        )

    pause = resume = set_rate = attach = detach = pause_reader = flush = reset = refuse

    # ------------------------------------------------------------------------------------------

    def _end(self) -> None:
        self.is_over = True
        pid = self.channel.pid
        if self.channel.was_closed:
            self._news = f"Process {pid} closed the channel. Its last numbers stay on screen."
        else:
            self.end_status = "disconnected"
            self._news = (
                f"Process {pid} is gone without closing the channel: what is on screen is the last "
                "of it."
            )
        self.channel.close()


def _settings_of(channel: AttachedChannel) -> Settings:
    """Its sizes; a channel may be larger than one that the workbench opens itself."""
    try:
        return Settings(
            subbuf_size=channel.subbuf_size,
            n_subbufs=channel.n_subbufs,
            n_cpus=channel.n_cpus,
            overwrite=channel.overwrite,
        )
    except RelayError:
        return Settings()
