"""Two marks, A and B: moments that were kept, and what lies between them."""

from dataclasses import dataclass
from typing import Any, Final

from relaylab import units
from relaylab.errors import ConfigError
from relaylab.lab.moment import Moment
from relaylab.lab.stops import StopAt

NAMES: Final = ("a", "b")

_CAUSES: Final = (
    ("lost_full", "full"),
    ("lost_unfull", "at unfull"),
    ("lost_too_large", "too large"),
)


@dataclass(frozen=True)
class Mark:
    """A moment that was kept.

    Attributes
    ----------
    t_s : float
        The time of the plots, seconds.
    position : int
        Events of the workload applied, in virtual time.
    moves : int or None
        Moves made, in virtual time; None in real time.
    totals : object
        ``chan.stats`` then.
    consumed : int
        Sub-buffers consumed then.
    """

    t_s: float
    position: int
    moves: int | None
    totals: Any
    consumed: int

    @classmethod
    def of(cls, run: Any, moment: Moment) -> "Mark":
        """Where a run is now; `moment` is what was just seen of it."""
        moves = run.timeline.moves if run.is_virtual else None
        consumed = int(moment.snapshot.subbufs_consumed.sum())
        return cls(run.clock_s, run.position, moves, moment.totals, consumed)


@dataclass(frozen=True)
class Begun:
    """What a run is begun with besides its channel and workload.

    Attributes
    ----------
    of : object
        The scenario. Opened again it leaves stop condition and speed as a person has chosen them.
    stop_at : StopAt
        What playing stops at.
    speed : float or None
        Of virtual time.
    marks : dict of Mark
        By name.
    """

    of: object
    stop_at: StopAt
    speed: float | None
    marks: dict[str, Mark]


class Marks:
    """The marks of one run."""

    def __init__(self) -> None:
        self._kept: dict[str, Mark] = {}

    def __getitem__(self, name: str) -> Mark:
        if name not in self._kept:
            raise ConfigError(
                "mark",
                passed=name,
                allowed=" or ".join(repr(one) for one in self._kept) or "a mark that was set",
                hint="Set it first.",
            )
        return self._kept[name]

    @property
    def kept(self) -> dict[str, Mark]:
        """Those that are set, by name."""
        return dict(self._kept)

    def set(self, name: str, mark: Mark) -> None:
        """Keep a moment as "a" or "b".

        Raises
        ------
        ConfigError
            Another name.
        """
        if name not in NAMES:
            raise ConfigError("mark", passed=name, allowed='"a" or "b"')
        self._kept[name] = mark

    def clear(self) -> None:
        """Take both away."""
        self._kept.clear()

    def forget_after(self, moves: int) -> None:
        """Something done after so many moves changes what comes later: marks there are gone."""
        for name, mark in list(self._kept.items()):
            if mark.moves is not None and mark.moves >= moves:
                del self._kept[name]

    def difference(self) -> dict[str, float] | None:
        """What lies between the marks, B minus A; None unless both are set.

        Returns
        -------
        dict
            "t_s" seconds; "events" offered, "written"; "bytes" written; "lost", "lost_full",
            "lost_unfull", "lost_too_large" events; "subbufs" produced, "consumed" sub-buffers.
        """
        if len(self._kept) < len(NAMES):
            return None
        a, b = (self._kept[name] for name in NAMES)
        first, last = a.totals, b.totals
        return {
            "t_s": b.t_s - a.t_s,
            "events": last.offered - first.offered,
            "written": last.written - first.written,
            "bytes": last.written_bytes - first.written_bytes,
            "lost": last.lost - first.lost,
            **{name: getattr(last, name) - getattr(first, name) for name, _ in _CAUSES},
            "subbufs": last.switches - first.switches,
            "consumed": b.consumed - a.consumed,
        }

    def told(self, n_events: int) -> dict[str, Any]:
        """What a frame says of them.

        Returns
        -------
        dict
            "a" and "b", as far as they are set, with "t_s" on the plots' time axis, "position" and
            the "share" of the scrub bar, None in real time; "difference"; and "line", in words.
        """
        shown = {
            name: {
                "t_s": mark.t_s,
                "position": mark.position,
                "share": mark.position / n_events if n_events and mark.moves is not None else None,
            }
            for name, mark in self._kept.items()
        }
        return shown | {"difference": self.difference(), "line": self._line()}

    def _line(self) -> str:
        between = self.difference()
        if between is None:
            return ", ".join(
                f"{name.upper()} at {_time(mark.t_s)}" for name, mark in sorted(self._kept.items())
            )
        causes = [f"{between[name]:,} {why}" for name, why in _CAUSES if between[name]]
        lost = f"{between['lost']:,} lost" + (f" ({', '.join(causes)})" if causes else "")
        return (
            f"A → B: {_time(between['t_s'])}, {between['events']:,} events, "
            f"{_bytes(between['bytes'])} written, {lost}, {between['subbufs']:,} sub-buffers "
            f"produced, {between['consumed']:,} consumed"
        )


def _time(seconds: float) -> str:
    text = units.format_duration(round(abs(seconds) * 1e9))
    return f"−{text}" if seconds < 0 else text


def _bytes(count: float) -> str:
    text = units.format_bytes(abs(int(count)))
    return f"−{text}" if count < 0 else text
