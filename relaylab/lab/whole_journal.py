"""The journal of a virtual run from its beginning on."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaylab.core.journal import Kind
from relaylab.lab.moves import MoveKind
from relaylab.lab.timeline import Timeline


class WholeJournal:
    """Goes through a timeline and keeps all that the engine's journal tells.

    Parameters
    ----------
    timeline : Timeline
    cursor : Cursor
        An observer of its channel's journal; what it has not read yet is dropped.
    """

    def __init__(self, timeline: Timeline, cursor: Any) -> None:
        self._timeline = timeline
        self._cursor = cursor
        opened = timeline.opened.copy()
        opened["t_ns"] = 0
        self._kept = [opened]
        self._runs: dict[int, NDArray[np.void]] = {}  # the last LOSS of each CPU, where it is kept
        self._counted = 0  # moves whose event is counted

    def go(self, moves: int) -> None:
        """From the beginning to where so many moves are made."""
        line = self._timeline
        self._cursor.read()
        line.go(0, 0, self._note)
        while line.moves < moves:
            line.move(self._note)

    def records(self) -> NDArray[np.void]:
        """All of them, in their order."""
        return np.concatenate(self._kept)

    def _note(self, t_ns: int) -> None:
        line = self._timeline
        records = self._cursor.read() if line.was_transition else self._kept[0][:0]
        if len(records):
            records["t_ns"] = t_ns
            self._kept.append(records)
        losses = np.flatnonzero(records["kind"] == Kind.LOSS)
        for at in losses:
            self._runs[int(records["cpu"][at])] = records[at : at + 1]
        if line.moves != self._counted:
            self._counted = line.moves
            self._count(len(losses) > 0)

    def _count(self, is_told: bool) -> None:
        """Of a run of losses the journal tells the first, and the engine counts on in it."""
        move = self._timeline.last
        if is_told or move is None or move.kind is not MoveKind.EVENT:
            return
        if self._timeline.was_lost and move.cpu in self._runs:
            self._runs[move.cpu]["value"] += 1
