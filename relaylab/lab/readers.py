"""The readers of a live run: in this process or processes of their own, consuming or watching."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from relaylab.errors import ConfigError
from relaylab.lab.settings import ReaderModel
from relaylab.workload.live import Drain
from relaylab.workload.process import ReaderProcess
from relaylab.workload.watch import Watch

MOST_READERS: Final = 8
_JOIN_S: Final = 2.0


@dataclass(frozen=True)
class Wish:
    """A reader that somebody wants.

    Attributes
    ----------
    model : ReaderModel
        How fast it is.
    consumes : bool
        Whether it consumes what it reads, or only watches.
    is_process : bool
        Whether it is a process of its own.
    """

    model: ReaderModel = field(default_factory=ReaderModel)
    consumes: bool = True
    is_process: bool = False

    def __str__(self) -> str:
        where = "a second process" if self.is_process else "this process"
        does = "consumes" if self.consumes else "only watches"
        return f"{where}, {does}, {self.model}"


class Reader:
    """One reader of all buffers.

    Attributes
    ----------
    number : int
        Its name: "reader 1".
    wish : Wish
        What it is.
    is_paused : bool
        Whether somebody paused it; a run that stands holds it as well.
    ended : str
        Why it is there no more, if nobody detached it; "" while it is.
    """

    def __init__(self, number: int, wish: Wish, work: Any, held: Sequence[Any] = ()) -> None:
        self.number = number
        self.wish = wish
        self.is_paused = False
        self.ended = ""
        self._work = work
        self._held = held

    @property
    def reading(self) -> NDArray[np.int64]:
        """The sub-buffer it reads now, by CPU; -1 for none."""
        reading: NDArray[np.int64] = self._work.reading
        return reading

    @property
    def subbufs_read(self) -> int:
        """Sub-buffers read so far."""
        return int(self._work.subbufs_read)

    @property
    def pid(self) -> int | None:
        """Its process, if that is one of its own."""
        return self._work.pid if self.wish.is_process else None

    def hold(self, is_held: bool) -> None:
        """Have it stand still, or go on."""
        if is_held:
            self._work.pause()
        else:
            self._work.resume()

    def give_way(self, wanted: bool) -> None:
        """Whether it lets others go first, if it is of this process and consumes."""
        if isinstance(self._work, Drain):
            self._work.gives_way = wanted

    def look(self) -> None:
        """Notice if it has ended."""
        if self.wish.is_process and not self.ended:
            self.ended = self._work.why_ended()

    def row(self) -> dict[str, Any]:
        """What the page's list says of it."""
        starting = self.wish.is_process and not self._work.is_ready
        return {
            "n": self.number,
            "pid": self.pid,
            "consumes": self.wish.consumes,
            "pace": self.wish.model.brief,
            "pace_in_full": str(self.wish.model),
            "read": self.subbufs_read,
            "skipped": int(getattr(self._work, "skipped", 0)),
            "paused": self.is_paused,
            "starting": starting,
            "ended": self.ended,
        }

    def end(self) -> None:
        """End it and give back what it has mapped."""
        self._work.stop()
        if not self.wish.is_process and not self._work.join(_JOIN_S):
            raise RuntimeError(f"a reader did not end within {_JOIN_S} s of its stop")
        for held in self._held:
            held.close()


class Readers:
    """All readers of a channel.

    Parameters
    ----------
    channel : Channel
        What they read.
    map_all : callable
        Opens and maps every buffer's file as a reader in this process does; returns what to close.
    paths : callable
        The path of every buffer's file, for other processes.
    """

    def __init__(
        self, channel: Any, map_all: Callable[[], list[Any]], paths: Callable[[], list[str]]
    ) -> None:
        self._channel = channel
        self._map_all, self._paths = map_all, paths
        self._all: list[Reader] = []
        self._count = 0
        self._read_before = 0
        self.is_held = False
        """Whether the run stands, and with it every reader."""
        self._gives_way = False

    @property
    def attached(self) -> list[Reader]:
        """Those that are there, oldest first."""
        return [reader for reader in self._all if not reader.ended]

    @property
    def subbufs_read(self) -> int:
        """Sub-buffers read by all, also by those that are gone."""
        return self._read_before + sum(reader.subbufs_read for reader in self._all)

    def reading(self, consuming: bool) -> NDArray[np.int64]:
        """Where the consuming ones are, or those that only watch.

        Returns
        -------
        ndarray of int64, shape (readers, n_cpus)
            Sub-buffers; -1 for none.
        """
        rows = [reader.reading for reader in self.attached if reader.wish.consumes == consuming]
        return np.array(rows, np.int64).reshape(-1, self._channel.n_cpus)

    def rows(self) -> list[dict[str, Any]]:
        """What the page's list says."""
        return [reader.row() for reader in self._all]

    def attach(self, wish: Wish) -> Reader:
        """One more.

        Raises
        ------
        ConfigError
            There are as many as there may be.
        ResourceError, FileError
            It can't be started or find the channel.
        """
        if len(self.attached) >= MOST_READERS:
            raise ConfigError(
                "readers",
                passed=len(self.attached) + 1,
                allowed=f"up to {MOST_READERS}",
                hint="Detach one first.",
            )
        reader = Reader(self._count + 1, wish, *self._start(wish))
        self._count += 1
        self._all.append(reader)
        reader.give_way(self._gives_way)
        if self.is_held:
            reader.hold(True)
        return reader

    def find(self, number: int | None = None) -> Reader | None:
        """The reader of that number, or the one attached last."""
        if number is None:
            return self.attached[-1] if self.attached else None
        return next((reader for reader in self._all if reader.number == number), None)

    def detach(self, reader: Reader) -> None:
        """End a reader, or forget one that has ended."""
        reader.end()
        self._all.remove(reader)
        self._read_before += reader.subbufs_read

    def hold(self, is_held: bool) -> None:
        """Have all stand still, or go on but for those that were paused one by one."""
        self.is_held = is_held
        for reader in self.attached:
            reader.hold(is_held or reader.is_paused)

    def give_way(self, wanted: bool) -> None:
        """Whether those of this process let others go first, as beside writers at full speed."""
        self._gives_way = wanted
        for reader in self._all:
            reader.give_way(wanted)

    def pause(self, reader: Reader, is_paused: bool) -> None:
        """Pause one, or let it go on if the run does."""
        reader.is_paused = is_paused
        reader.hold(is_paused or self.is_held)

    def look(self) -> list[Reader]:
        """Those that have ended by themselves since the last look."""
        there = self.attached
        for reader in there:
            reader.look()
        return [reader for reader in there if reader.ended]

    def end(self) -> None:
        """End all."""
        while self._all:
            self.detach(self._all[-1])

    def _start(self, wish: Wish) -> tuple[Any, list[Any]]:
        pace = wish.model.pace()
        if wish.is_process:
            return ReaderProcess(self._paths(), wish.consumes, pace), []
        held = self._map_all()
        if wish.consumes:
            drain = Drain(self._channel, pace.latency_ns, pace.per_subbuf_ns, pace.bytes_per_s)
            drain.leaves_one = True
            return drain.start(), held
        watch = Watch(self._channel, pace)
        watch.start()
        return watch, held
