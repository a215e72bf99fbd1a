"""What happens next in virtual time, found by going on, and why, in words and numbers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from relaylab.core.journal import Kind
from relaylab.lab.moves import MoveKind
from relaylab.lab.questions import Question
from relaylab.lab.settings import Settings
from relaylab.lab.timeline import Timeline

Answer: TypeAlias = int | tuple[int, int] | None


@dataclass(frozen=True)
class Finding:
    """What was asked for has happened.

    Attributes
    ----------
    answer : int, tuple of int, or None
        A number, a CPU, or (cpu, sub-buffer); None: it did not happen until the end.
    why : str
        The reason.
    position, moves : int
        Events applied by then, and moves made after the last of them.
    """

    answer: Answer
    why: str
    position: int
    moves: int


class Counts(NamedTuple):
    """One buffer's numbers at one moment."""

    produced: int
    consumed: int
    offset: int
    written: int
    lost_full: int
    lost_unfull: int
    lost_too_large: int
    overwritten_unread: int

    @property
    def lost(self) -> int:
        """Events lost, whatever the cause."""
        return self.lost_full + self.lost_unfull + self.lost_too_large

    @property
    def unread(self) -> int:
        """Sub-buffers produced and not consumed."""
        return self.produced - self.consumed


@dataclass
class Step:
    """One move and what it changed."""

    settings: Settings
    number: int
    cpu: int
    size: int
    is_event: bool
    before: list[Counts]
    after: list[Counts]
    records: NDArray[np.void]

    def record(self, kind: Kind) -> Any | None:
        """The first record of a kind; None if there is none."""
        found = self.records[self.records["kind"] == kind]
        return found[0] if len(found) else None


def find(played: Timeline, question: Question) -> Finding:
    """Go on from where a question is asked until it is answered.

    Parameters
    ----------
    played : Timeline
        What is played; it stays where it is.
    question : Question
        What to look for.

    Returns
    -------
    Finding
    """
    settings = played.settings
    timeline = Timeline(settings, played.workload, played.actions)
    try:
        timeline.go(min(question.at, len(timeline)), 0)
        cursor = timeline.channel.journal.cursor()
        cursor.read()
        seek, never = SEEKERS[question.ask]
        looking = seek()
        after = _counts(timeline)
        while not timeline.is_over:
            before = after
            timeline.move()
            after = _counts(timeline)
            last = timeline.last
            assert last is not None
            is_event = last.kind is MoveKind.EVENT
            size = timeline.size[last.event] if is_event else 0
            at = timeline.position
            step = Step(settings, at, last.cpu, size, is_event, before, after, cursor.read())
            found = looking(step)
            if found is not None:
                return Finding(found[0], found[1], at, timeline.since_event)
        return Finding(None, never, timeline.position, timeline.since_event)
    finally:
        timeline.close()
        timeline.fs.close()


Found: TypeAlias = tuple[int | tuple[int, int], str]
Look: TypeAlias = Callable[[Step], Found | None]


def _lost_event() -> Look:
    def look(step: Step) -> Found | None:
        return (step.number, _why_lost(step)) if _is_lost(step) else None

    return look


def _lost_cpu() -> Look:
    def look(step: Step) -> Found | None:
        if not _is_lost(step):
            return None
        others = [
            f"CPU {cpu} {counts.unread}"
            for cpu, counts in enumerate(step.before)
            if cpu != step.cpu
        ]
        beside = f" Unread elsewhere: {', '.join(others)}." if others else ""
        return step.cpu, _why_lost(step) + beside

    return look


def _losses() -> Look:
    """Counted on the CPU whose event is lost first."""
    lost: list[tuple[int, str]] = []

    def look(step: Step) -> Found | None:
        if _is_lost(step) and (not lost or lost[0][0] == step.cpu):
            lost.append((step.cpu, _cause(step)))
        elif step.is_event and lost and step.cpu == lost[0][0]:
            causes = [cause for _, cause in lost]
            told = [f"{causes.count(cause)} {cause}" for cause in dict.fromkeys(causes)]
            why = f"Lost were {' and '.join(told)}; event {step.number:,} is written again."
            if any("unfull" in cause for cause in causes):
                why += " Room was made before the last of them: it opened the sub-buffer and was"
                why += " lost doing so."
            return len(lost), why
        return None

    return look


def _opened() -> Look:
    def look(step: Step) -> Found | None:
        record = step.record(Kind.SUBBUF_START)
        if record is None:
            return None
        return (int(record["cpu"]), int(record["subbuf"])), _why_opened(step, record)

    return look


def _overwritten() -> Look:
    def look(step: Step) -> Found | None:
        cpu, n = step.cpu, step.settings.n_subbufs
        before, after = step.before[cpu], step.after[cpu]
        record = step.record(Kind.SUBBUF_START)
        if record is None or after.overwritten_unread == before.overwritten_unread:
            return None
        subbuf = int(record["subbuf"])
        gone = after.produced - n
        why = (
            f"{_why_opened(step, record)} It held sequence {gone}, and only the first"
            f" {before.consumed} were consumed: the oldest that nobody read is gone."
        )
        return (cpu, subbuf), why

    return look


def _padding() -> Look:
    def look(step: Step) -> Found | None:
        record = step.record(Kind.PRODUCED)
        if record is None:
            return None
        size, used = step.settings.subbuf_size, step.before[step.cpu].offset
        padding = int(record["value"])
        why = f"{used:,} of {size:,} bytes were used. "
        why += (
            f"Event {step.number:,} has {step.size:,} bytes, more than the {padding:,} left; no"
            " event is split."
            if step.is_event and step.size > size - used
            else f"The rest, {padding:,}, is padding."
        )
        return padding, why

    return look


def _delivered() -> Look:
    def look(step: Step) -> Found | None:
        record = step.record(Kind.DELIVER)
        if record is None:
            return None
        cpu, subbuf = int(record["cpu"]), int(record["subbuf"])
        why = f"All {int(record['value']):,} bytes that were used of it are committed now"
        why += ", and that is when deliver is called." if not step.is_event else "."
        return (cpu, subbuf), why

    return look


SEEKERS: Final[dict[str, tuple[Callable[[], Look], str]]] = {
    "lost_event": (_lost_event, "No event is lost until the end."),
    "lost_cpu": (_lost_cpu, "No event is lost until the end."),
    "losses": (_losses, "Until the end no event is written after a loss."),
    "opened": (_opened, "No sub-buffer is opened until the end."),
    "overwritten": (_overwritten, "Nothing unread is overwritten until the end."),
    "delivered": (_delivered, "No sub-buffer is delivered until the end."),
    "padding": (_padding, "No sub-buffer is produced until the end."),
}
"""By `questions.ASKS`: who looks for it, and what to say if it never happens."""


def _counts(timeline: Timeline) -> list[Counts]:
    return [_count(buf) for buf in timeline.channel.buffers]


def _count(buf: Any) -> Counts:
    stats = buf.stats
    return Counts(
        int(buf.subbufs_produced),
        int(buf.subbufs_consumed),
        int(buf.offset),
        stats.written,
        stats.lost_full,
        stats.lost_unfull,
        stats.lost_too_large,
        stats.overwritten_unread_subbufs,
    )


def _is_lost(step: Step) -> bool:
    return step.is_event and step.after[step.cpu].lost > step.before[step.cpu].lost


def _cause(step: Step) -> str:
    before, after = step.before[step.cpu], step.after[step.cpu]
    if after.lost_unfull > before.lost_unfull:
        return "at unfull"
    return "because the buffer was full" if after.lost_full > before.lost_full else "as too large"


def _why_lost(step: Step) -> str:
    before, after, n = step.before[step.cpu], step.after[step.cpu], step.settings.n_subbufs
    event = f"Event {step.number:,} ({step.size:,} bytes on CPU {step.cpu})"
    if after.lost_unfull > before.lost_unfull:
        return (
            f"{event} comes after unfull: the reader has made room ({before.consumed} of"
            f" {before.produced} consumed), but the first event opens the next sub-buffer and is"
            " itself lost."
        )
    if after.lost_too_large > before.lost_too_large:
        return f"{event} is longer than a sub-buffer of {step.settings.subbuf_size:,} bytes."
    if after.produced > before.produced:
        return (
            f"{event} does not fit into the {step.settings.subbuf_size - before.offset:,} bytes"
            f" left: it fills the last sub-buffer, {after.unread} of {n} are unread, none is free."
        )
    return f"{event} finds {before.unread} of {n} sub-buffers unread: the buffer is full."


def _why_opened(step: Step, record: Any) -> str:
    before, size = step.before[step.cpu], step.settings.subbuf_size
    opened = f"sub-buffer {int(record['subbuf'])}"
    if not step.is_event:
        return f"A person's action opened {opened}."
    if step.after[step.cpu].produced == before.produced:
        return f"The buffer was full and has room again: event {step.number:,} opens {opened}."
    return (
        f"Event {step.number:,} on CPU {step.cpu} has {step.size:,} bytes, and"
        f" {size - before.offset:,} are left: the writer goes on in the next one, {opened}."
    )
