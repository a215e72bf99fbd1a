"""The moves of which virtual time is made: an event, a late commit, a sub-buffer consumed."""

from collections import deque
from enum import Enum
from typing import Any, Final, NamedTuple

NEVER: Final = 2**63 - 1


class MoveKind(Enum):
    """What one move does."""

    EVENT = "event"
    COMMIT = "commit"
    CONSUME = "consume"


class Move(NamedTuple):
    """One move.

    Attributes
    ----------
    kind : MoveKind
    t_ns : int
        When, virtual time since the first event.
    cpu : int
    event : int
        The number of the event that is written or committed, from 0; -1 for a reader.
    subbuf : int
        The sub-buffer that a commit or a reader is about; -1 for an event.
    """

    kind: MoveKind
    t_ns: int
    cpu: int
    event: int = -1
    subbuf: int = -1


class LateCommit(NamedTuple):
    """A slot that is reserved and not yet committed."""

    due_ns: int
    cpu: int
    offset: int
    size: int
    event: int


class LateCommits:
    """The slots under way, in the order in which they are committed."""

    def __init__(self) -> None:
        self._waiting: deque[LateCommit] = deque()

    @property
    def due_ns(self) -> int:
        """When the next one is committed; NEVER if none is under way."""
        return self._waiting[0].due_ns if self._waiting else NEVER

    def add(self, slot: Any, due_ns: int, event: int) -> None:
        """A slot of `relay_reserve`; none is due before those that were added before."""
        self._waiting.append(LateCommit(due_ns, slot.cpu, slot.offset, slot.length, event))

    def take(self) -> LateCommit:
        """The next one, which is under way no more."""
        return self._waiting.popleft()

    def forget(self) -> None:
        """None is under way: a reset took back what they were in."""
        self._waiting.clear()

    def kept(self) -> tuple[LateCommit, ...]:
        """All of them, to be restored later."""
        return tuple(self._waiting)

    def restore(self, kept: tuple[LateCommit, ...]) -> None:
        """Be what `kept` was."""
        self._waiting = deque(kept)
