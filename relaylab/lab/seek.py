"""Where a person wants to be in virtual time: all moves since the last look, as one."""

from typing import Any, Final

PAGES: Final = 20
"""Presses of a page key from one end of a run to the other."""


class Seek:
    """A position that is wanted and not yet gone to.

    Moves come faster than they can be gone to, so they add up here, in their order and each kept
    within the run, and only their end is gone to.
    """

    def __init__(self) -> None:
        self._target: int | None = None

    def to(self, run: Any, position: float) -> None:
        """Want to be at `position`, events; beyond the ends means the end."""
        self._target = round(max(0, min(run.n_events, position)))

    def by(self, run: Any, events: int, pages: int = 0) -> None:
        """Want to be `events` and `pages` on from where one is or already wants to be."""
        start = run.position if self._target is None else self._target
        self.to(run, start + events + pages * max(1, round(run.n_events / PAGES)))

    def forget(self) -> None:
        """Want to be where one is."""
        self._target = None

    def go(self, run: Any) -> bool:
        """Go there; whether there was anywhere to go."""
        target, self._target = self._target, None
        if target is None:
            return False
        run.scrub(target)
        return True
