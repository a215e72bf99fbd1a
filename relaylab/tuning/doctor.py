"""doctor: what a message about lost events means, which knob to turn, and what to do next."""

import json
import re
import textwrap
from dataclasses import dataclass
from typing import Any

from relaylab.errors import ConfigError
from relaylab.tuning.finding import Finding, Knob, Loss
from relaylab.tuning.messages import READERS, unknown

MOST_CHARACTERS = 16 << 20
_WIDTH = 100
_INDENT = 11
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[()][A-Z0-9]")
_QUOTES = re.compile(r"^(?:[ \t]*[>|][ \t]?)+", re.M)
_GAPS = re.compile(r"[^\S\n\u00a0\u2009\u202f]{2,}|\t")
_BLANKS = re.compile(r"\n[ \n]*\n")
# What a larger buffer would have kept comes before what no buffer helps.
_RANK = {Loss.DROPPED: 0, Loss.OVERWRITTEN: 0, Loss.UNKNOWN: 1, Loss.SKIPPED: 2, Loss.NONE: 3}


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """All that the doctor found in a text. Its own fields are those of the gravest finding.

    Attributes
    ----------
    findings : tuple of Finding
        At least one; dropped and overwritten events first, the most before the fewest, then what no
        buffer can help.
    """

    findings: tuple[Finding, ...]

    @property
    def main(self) -> Finding:
        """The gravest finding."""
        return self.findings[0]

    @property
    def tool(self) -> str:
        """Who printed it, "unknown" if that cannot be told."""
        return self.main.tool

    @property
    def kind(self) -> Loss:
        """Dropped, overwritten, skipped, none or unknown."""
        return self.main.kind

    @property
    def lost(self) -> int | None:
        """How many; None when the text does not tell."""
        return self.main.lost

    @property
    def share(self) -> float | None:
        """Lost of all, 0 .. 1; None when the text does not tell."""
        return self.main.share

    @property
    def where(self) -> str:
        """Which buffer, on which side."""
        return self.main.where

    @property
    def meaning(self) -> str:
        """What happened, in sentences."""
        return self.main.meaning

    @property
    def knobs(self) -> tuple[Knob, ...]:
        """What to turn, the most promising first."""
        return self.main.knobs

    @property
    def next_command(self) -> str:
        """What to run next; empty if no command helps."""
        return self.main.next_command

    @property
    def record_command(self) -> str:
        """How to record a trace from which `relaylab advise` computes what is enough."""
        return self.main.record_command

    def as_dict(self) -> dict[str, Any]:
        """The fields of the gravest finding, and all findings, as plain values."""
        return {**self.main.as_dict(), "findings": [found.as_dict() for found in self.findings]}

    def as_json(self) -> str:
        """:meth:`as_dict` as JSON."""
        return json.dumps(self.as_dict(), indent=2, ensure_ascii=False)

    def as_text(self, width: int = _WIDTH) -> str:
        """All findings for a person, in lines of at most `width` characters; commands are whole."""
        return "\n\n".join(_told(found, width) for found in self.findings)

    def __repr__(self) -> str:
        return self.as_text()


def doctor(text: str) -> Diagnosis:
    """What a tool's message about lost events means, and what to do about it.

    Knows blktrace, SystemTap, LTTng and babeltrace, perf, trace-cmd and ftrace, bpftrace and bcc.
    The same text always gives the same answer; nothing is run or read besides it.

    Parameters
    ----------
    text : str
        What the tool printed, as much of it as you like; with the command line that was run, the
        numbers to try next start from yours rather than from the tool's defaults.

    Returns
    -------
    Diagnosis
        With a readable repr.

    Raises
    ------
    ConfigError
        Not a text, empty, or longer than 16 MiB.

    Examples
    --------
    >>> import relaylab
    >>> found = relaylab.doctor("You have 1234 ( 5.6%) dropped events")
    >>> found.tool, found.lost, found.share, found.knobs[0].name
    ('blktrace', 1234, 0.056, '-n')
    """
    given: object = text  # callers without a type checker pass anything
    if not isinstance(given, str) or not given.strip() or len(given) > MOST_CHARACTERS:
        is_short = not isinstance(given, str) or len(given) < 100
        raise ConfigError(
            "text",
            passed=given if is_short else f"{len(text)} characters",
            allowed="what a tracing tool printed, 1 .. 2^24 characters",
            hint="Paste the lines about lost events; they mostly come last, on standard error.",
        )
    plain = _plain(text)
    found = [finding for read in READERS for finding in read(plain)]
    if not found:
        found = [unknown.read(plain)]
    found.sort(key=lambda finding: (_RANK[finding.kind], -(finding.lost or 0), finding.at))
    return Diagnosis(tuple(found))


def _plain(text: str) -> str:
    """Without colours, quotation marks of mails, and long gaps."""
    text = _ESCAPES.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return _BLANKS.sub("\n\n", _GAPS.sub(" ", _QUOTES.sub("", text)))


def _told(found: Finding, width: int) -> str:
    def wrapped(label: str, text: str) -> str:
        return textwrap.fill(
            text,
            width,
            initial_indent=f"{label:<{_INDENT}}",
            subsequent_indent=" " * _INDENT,
            break_long_words=False,
            break_on_hyphens=False,
        )

    rows = [_headline(found), wrapped("", f"“{found.message}”")]
    rows.append(wrapped("where", found.where))
    rows.append(wrapped("meaning", found.meaning))
    for i, knob in enumerate(found.knobs):
        rows.append(wrapped("" if i else "turn", f"{_change(knob)}. {_sentence(knob.why)}"))
    if found.next_command:
        rows.append(f"{'try next':<{_INDENT}}{found.next_command}")
    if found.kind not in (Loss.NONE, Loss.SKIPPED):
        rows.append(wrapped("or compute", "what is enough, from a trace recorded without losses:"))
        if found.tool == "unknown":  # a sentence, for no command is known
            rows.append(wrapped("", found.record_command))
        else:
            rows.extend(" " * _INDENT + line for line in found.record_command.splitlines())
    return "\n".join(rows)


def _change(knob: Knob) -> str:
    """Such as "-n: 4 -> 8"."""
    values = " -> ".join(value for value in (knob.now, knob.next) if value)
    return f"{knob.name}: {values}" if values else knob.name


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."


def _headline(found: Finding) -> str:
    if found.kind is Loss.NONE:
        return f"{found.tool}: nothing was lost"
    fate = "lost" if found.kind is Loss.UNKNOWN else found.kind.value
    if found.lost is None and found.share is None and found.kind is Loss.UNKNOWN:
        return f"{found.tool}: cannot tell what was lost"
    amount = "an unknown number of" if found.lost is None else f"{found.lost:,}"
    share = "" if found.share is None else f" ({100 * found.share:.3g} % of all)"
    return f"{found.tool}: {amount} {found.unit} {fate}{share}"
