"""How fast virtual time plays: so many events a second, or slowed down from real time."""

import math
import time
from collections.abc import Callable
from typing import Any, Final

from relaylab.errors import ConfigError
from relaylab.lab.timeline import Changed, Timeline

DEFAULT_RATE: Final = 500.0
SLOWEST: Final = 1 / 1000
_BUDGET_S: Final = 0.012
_AT_ONCE: Final = 256


class Player:
    """Makes the moves that are due as real time goes by.

    Parameters
    ----------
    timeline : Timeline
        What plays.
    rate : float
        Events a second while no speed is set; 0 is a pace that can be followed, infinity as many as
        can be painted.
    clock : callable, optional
        Real time, seconds.

    Attributes
    ----------
    speed : float or None
        Virtual time over real time, 1/1000 .. 1; None: events come at `rate`.
    """

    def __init__(
        self, timeline: Timeline, rate: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._timeline = timeline
        self.rate = rate
        self.speed: float | None = None
        self._clock = clock
        self._played_at = 0.0
        self._owed = 0.0  # events
        self._now_ns = 0.0  # virtual time that has come, with a speed

    def begin(self) -> None:
        """Time goes on from here."""
        self._owed, self._now_ns = 0.0, float(self._timeline.now_ns)
        self._played_at = self._clock()

    @property
    def now_ns(self) -> int:
        """Virtual time, also between two moves."""
        return max(self._timeline.now_ns, int(self._now_ns) if self.speed is not None else 0)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to play."""
        timeline = self._timeline
        if self.speed is None:
            return timeline.position == len(timeline) or timeline.is_held
        return timeline.is_over

    def advance(self, changed: Changed) -> bool:
        """Make the moves that are due since the last call, as far as time allows.

        Parameters
        ----------
        changed : callable
            Told whenever the journal may have grown; True stops.

        Returns
        -------
        bool
            Whether `changed` stopped it.
        """
        now = self._clock()
        elapsed, self._played_at = now - self._played_at, now
        deadline = now + _BUDGET_S
        if self.speed is None:
            return self._by_events(elapsed, deadline, changed)
        return self._by_time(elapsed * self.speed, deadline, changed)

    def _by_events(self, elapsed: float, deadline: float, changed: Changed) -> bool:
        line = self._timeline
        self._owed += elapsed * (self.rate or DEFAULT_RATE)
        while self._owed >= 1 and line.position < len(line) and self._clock() < deadline:
            if line.is_held:
                return False
            count = _AT_ONCE if math.isinf(self._owed) else min(_AT_ONCE, int(self._owed))
            if line.forward(min(len(line), line.position + count), changed):
                return True
            self._owed -= count
        self._owed = min(self._owed, float(_AT_ONCE))
        return False

    def _by_time(self, elapsed: float, deadline: float, changed: Changed) -> bool:
        line = self._timeline
        self._now_ns = max(self._now_ns, line.now_ns) + elapsed * 1e9
        while line.next_ns <= self._now_ns and not line.is_over:
            if self._clock() >= deadline:
                self._now_ns = float(line.now_ns)  # it plays as fast as it can be painted
                return False
            if line.forward_until(int(self._now_ns), changed, most=_AT_ONCE):
                self._now_ns = float(line.now_ns)
                return True
        return False


def checked_speed(speed: Any) -> float | None:
    """A speed that somebody asked for.

    Parameters
    ----------
    speed : float or None
        1/1000 .. 1; None for events a second.

    Raises
    ------
    ConfigError
        Something else.
    """
    if speed is None:
        return None
    is_number = isinstance(speed, int | float) and not isinstance(speed, bool)
    if not is_number or not SLOWEST * 0.999 <= speed <= 1:
        raise ConfigError(
            "speed of virtual time",
            passed=speed,
            allowed="1/1000 .. 1 of real time, or None for events at the rate",
        )
    return float(speed)
