"""Finding: what one message about lost events means, and what to try next."""

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias


class Loss(StrEnum):
    """What became of the events. The three are different things with different remedies."""

    DROPPED = "dropped"
    """No room was left: the newest events were thrown away, what was there before was kept."""
    OVERWRITTEN = "overwritten"
    """New events took the place of the oldest unread ones: history is gone, the newest is there."""
    SKIPPED = "skipped"
    """The event never came to a buffer: its probe did not run. No buffer size changes that."""
    NONE = "none"
    """The message says that nothing was lost."""
    UNKNOWN = "unknown"
    """Something was lost, or may have been; the text does not tell which of these it is."""


@dataclass(frozen=True)
class Knob:
    """One setting that the loss depends on.

    Attributes
    ----------
    name : str
        The option, variable or file of the tool.
    now : str
        Its value when the events were lost, as far as the text tells, or the tool's default.
    next : str
        What to try next; empty where there is no number to turn.
    why : str
        What it does, in a sentence.
    """

    name: str
    now: str
    next: str
    why: str


@dataclass(frozen=True)
class Finding:
    """One message, understood.

    Attributes
    ----------
    tool : str
        Who printed it: "blktrace", "stap", "lttng", "perf", "trace-cmd", "ftrace", "bpftrace".
    kind : Loss
        Dropped, overwritten, skipped, or none.
    lost : int or None
        How many, in `unit`; None when the message does not tell.
    unit : str
        What is counted: "events", "packets" (whole sub-buffers), "chunks" (runs of lost events),
        "probe hits" ...
    share : float or None
        Lost of all that were offered, 0 .. 1; None when the message does not tell.
    where : str
        Which buffer, on which side.
    meaning : str
        What happened, in sentences.
    knobs : tuple of Knob
        What to turn, the most promising first.
    next_command : str
        What to run next; empty if no command helps. Words in capitals are yours to fill in.
    record_command : str
        How to record a trace for `relaylab advise`.
    message : str
        The line of the text that says so.
    """

    tool: str
    kind: Loss
    lost: int | None
    unit: str
    share: float | None
    where: str
    meaning: str
    knobs: tuple[Knob, ...]
    next_command: str
    record_command: str
    message: str
    at: int = field(default=0, repr=False)
    """Where in the text it begins."""

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain values, for JSON."""
        found = asdict(self)
        del found["at"]
        return found


MessageReader: TypeAlias = Callable[[str], list[Finding]]

# A count as printed, copied or quoted: 1234, 1,234, 1'234, 1.234.567, with thin spaces too.
# Bounded, and only from its first digit on: a megabyte of digits is not tried from each of them.
COUNT = r"(?<!\d)(?:\d{1,3}(?:[,.'_\u00a0\u2009\u202f]\d{3}){1,6}(?!\d)|\d{1,20})"
PERCENT = r"(?<!\d)\d{1,3}(?:\.\d{1,20})?"


def count(text: str) -> int:
    """The number in a text that `COUNT` matches."""
    return int(re.sub(r"\D", "", text))


def share(percent: str) -> float:
    """The number in a text that `PERCENT` matches, of 1."""
    return round(float(percent) / 100, 6)


def option(text: str, tool: str, *names: str) -> str | None:
    """The value of an option on the first line of `text` that calls `tool`.

    It knows `-n 8`, `-n8` for options of one letter, and `--name=8`, `--name 8` for the others;
    the first of `names` that is there counts.
    """
    called = re.search(rf"(?:^|[\s;&|/$#])(?:{tool})(\s[^\n]*)", text)
    if called is None:
        return None
    for name in names:
        gap = r"[= ]\s*" if name.startswith("--") else r"[= ]?\s*"
        found = re.search(rf"(?<!\S){re.escape(name)}{gap}([^\s;|&-][^\s;|&]*)", called[1])
        if found:
            return found[1]
    return None


def whole(value: str | None, default: int) -> int:
    """A positive whole number, or the default."""
    return int(value) if value is not None and re.fullmatch(r"[1-9]\d{0,11}", value) else default


def growth(share: float | None) -> int:
    """By how much to enlarge a buffer for the next try.

    Twice; four times when a tenth or more was lost. What is enough cannot be told from a loss:
    `advise` finds it from a trace.
    """
    return 4 if share is not None and share >= 0.1 else 2


def one_line(text: str) -> str:
    """The text on one line, as it is quoted."""
    short = " ".join(text.split())
    return short if len(short) <= 160 else short[:157] + "..."
