"""The last moves of virtual time in words."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaylab import units
from relaylab.core.journal import Kind
from relaylab.lab.caption import describe
from relaylab.lab.moves import Move, MoveKind
from relaylab.lab.timeline import Timeline


def narrate(
    timeline: Timeline, happened: NDArray[np.void], before: NDArray[np.void] | None = None
) -> str:
    """What the last move did.

    Parameters
    ----------
    timeline : Timeline
        Right after that move.
    happened : structured ndarray
        Its journal records.
    before : structured ndarray, optional
        Those of the moves between it and the moment that was shown before.

    Returns
    -------
    str
        Sentences.
    """
    move = timeline.last
    if move is None:
        return "Virtual time, before the first event. Step or play."
    parts = [_told(timeline, move, happened), describe(_untold(move, happened))]
    if before is not None and len(before):
        parts.append(f"Before that: {describe(before)}")
    return " ".join(part for part in parts if part)


def _told(timeline: Timeline, move: Move, happened: NDArray[np.void]) -> str:
    if move.kind is MoveKind.EVENT:
        return _event(timeline, move, happened)
    if move.kind is MoveKind.COMMIT:
        return _commit(timeline, move)
    return f"The reader is through with sub-buffer {move.subbuf} of CPU {move.cpu}."


def _untold(move: Move, happened: NDArray[np.void]) -> NDArray[np.void]:
    """The records without the one that says no more than the move itself."""
    if move.kind is not MoveKind.CONSUME:
        return happened
    rest: NDArray[np.void] = happened[
        (happened["kind"] != Kind.CONSUMED) | (happened["value"] != 1)
    ]
    return rest


def _event(timeline: Timeline, move: Move, happened: NDArray[np.void]) -> str:
    size = timeline.size[move.event]
    told = f"Event {move.event + 1:,}: {_bytes(size)} on CPU {move.cpu}"
    if timeline.was_lost:
        # Of a run of losses the journal tells only the first.
        if Kind.LOSS in happened["kind"]:
            return f"{told}."
        if Kind.SUBBUF_START in happened["kind"]:
            return f"{told}, lost: it only opens a sub-buffer for those that come after it."
        return f"{told}, lost like the one before."
    if timeline.settings.commit_delay and size:
        return f"{told}, reserved and not yet committed."
    return f"{told}."


def _commit(timeline: Timeline, move: Move) -> str:
    buf: Any = timeline.channel.buffers[move.cpu]
    delay = units.format_duration(timeline.settings.commit_delay)
    return (
        f"Event {move.event + 1:,} on CPU {move.cpu} is committed, {delay} after it was reserved: "
        f"sub-buffer {move.subbuf} now has {_bytes(int(buf.commit[move.subbuf]))} committed."
    )


def _bytes(count: int) -> str:
    return f"{count:,} byte" if count == 1 else f"{count:,} bytes"
