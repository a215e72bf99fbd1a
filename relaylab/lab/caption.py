"""What just happened, in words."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaylab import units
from relaylab.core.journal import Kind

HOLD_S = 3.0
"""How long what a person did stays in the caption before the live report takes over."""

REPORT_EVERY_S = 1.0
MOST_TOLD_SINGLY = 3


class Caption:
    """The caption line: what a person did last, else what the run does.

    Attributes
    ----------
    text : str
        What is shown now.
    """

    def __init__(self) -> None:
        self.text = ""
        self._held_until = 0.0
        self._reported_at = -REPORT_EVERY_S
        self._totals_then: Any | None = None

    def say(self, text: str, now_s: float) -> None:
        """Show `text` for a while."""
        self.text = text
        self._held_until = now_s + HOLD_S

    def hold(self, text: str) -> None:
        """Show `text` until something else is said."""
        self.text = text
        self._held_until = float("inf")

    def report(
        self, totals: Any, occupancy: NDArray[np.int64], n_subbufs: int, now_s: float
    ) -> None:
        """Say how a running channel does, once a second, unless something else is being shown."""
        if now_s - self._reported_at < REPORT_EVERY_S:
            return
        before, self._totals_then = self._totals_then, totals
        elapsed = now_s - self._reported_at
        self._reported_at = now_s
        if now_s < self._held_until or before is None:
            return
        self.text = _account(before, totals, occupancy, n_subbufs, elapsed)


def _account(
    before: Any, now: Any, occupancy: NDArray[np.int64], n_subbufs: int, elapsed_s: float
) -> str:
    written = now.written - before.written
    full = now.lost_full - before.lost_full
    unfull = now.lost_unfull - before.lost_unfull
    large = now.lost_too_large - before.lost_too_large
    lost = full + unfull + large
    overwritten = now.overwritten_unread_subbufs - before.overwritten_unread_subbufs
    if written + lost == 0:
        return "Nothing is being written."
    rate = units.format_rate((written + lost) / elapsed_s)
    fullest = int(np.argmax(occupancy))
    fill = (
        f"fullest now: CPU {fullest} with {min(int(occupancy[fullest]), n_subbufs)} of {n_subbufs}"
    )
    if lost:
        causes = [
            (full, "buffer full"),
            (unfull, "sacrificed at unfull"),
            (large, "too large"),
        ]
        told = ", ".join(f"{units.format_rate(n / elapsed_s)} {why}" for n, why in causes if n)
        return f"{rate} offered, {100 * lost / (written + lost):.1f} % lost ({told}); {fill}."
    if overwritten:
        count = units.format_count(overwritten)
        return f"{rate} written; {count} sub-buffers overwritten before anyone read them."
    return f"{rate} offered, all written; {fill} sub-buffers unread."


def describe(records: NDArray[np.void]) -> str:
    """The transitions of one event or call as a sentence.

    Parameters
    ----------
    records : structured ndarray
        Journal records, in order.

    Returns
    -------
    str
        Empty for no records.
    """
    parts: list[str] = []
    consumed = records[records["kind"] == Kind.CONSUMED]
    if len(consumed) > MOST_TOLD_SINGLY:
        parts.append(f"the reader consumed {int(consumed['value'].sum())} sub-buffers")
        records = records[records["kind"] != Kind.CONSUMED][-2 * MOST_TOLD_SINGLY :]
    cpu_named = -1
    for record, value in _with_runs_of_consumed_as_one(records):
        part = _phrase(Kind(int(record["kind"])), int(record["subbuf"]), value)
        cpu = int(record["cpu"])
        parts.append(part if cpu == cpu_named else f"CPU {cpu} {part}")
        cpu_named = cpu
    text = ", ".join(parts)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _with_runs_of_consumed_as_one(records: NDArray[np.void]) -> list[tuple[Any, int]]:
    """Records and their values; what a CPU had consumed in a row is one record."""
    told: list[tuple[Any, int]] = []
    for record in records:
        value = int(record["value"])
        last = told[-1][0] if told else None
        is_same = last is not None and (last["kind"], last["cpu"]) == (
            record["kind"],
            record["cpu"],
        )
        if is_same and record["kind"] == Kind.CONSUMED:
            value += told.pop()[1]
        told.append((record, value))
    return told


def _phrase(kind: Kind, subbuf: int, value: int) -> str:
    match kind:
        case Kind.SUBBUF_START:
            return f"starts sub-buffer {subbuf}"
        case Kind.PRODUCED:
            return f"filled sub-buffer {subbuf}, {_bytes(value)} of padding"
        case Kind.DELIVER:
            return f"delivers sub-buffer {subbuf}"
        case Kind.FULL:
            return "is full: no sub-buffer is free"
        case Kind.UNFULL:
            return "is unfull: the next event opens a sub-buffer and is itself lost"
        case Kind.CONSUMED:
            return f"had {value} sub-buffer{'' if value == 1 else 's'} consumed"
        case Kind.FLUSH:
            return "is flushed"
        case Kind.RESET:
            return "is reset to its first sub-buffer"
        case Kind.OPEN:
            return "opened"
        case Kind.CLOSE:
            return "closed: what was produced can still be read"
        case Kind.MAPPED:
            return "was mapped by a reader"
        case Kind.UNMAPPED:
            return "was unmapped by a reader"
        case Kind.WAKEUP:
            return "wakes its reader"
        case Kind.LOSS:
            return f"lost {value} event{'' if value == 1 else 's'}"


def _bytes(count: int) -> str:
    return f"{count} byte" if count == 1 else f"{count} bytes"
