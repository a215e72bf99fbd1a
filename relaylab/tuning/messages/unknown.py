"""What can be said of a text that no known tool printed."""

import re

from relaylab.tuning.finding import COUNT, Finding, Loss, count, one_line

_THINGS = r"(?:events?|records?|samples?|messages?|packets?|probes?|entries|lines)"
_FATES = r"(lost|dropped|discarded|missed|overwritten|overrun|skipped)"
_PHRASES = (
    re.compile(rf"({COUNT})\s+{_THINGS}\s+(?:were\s+|have\s+been\s+|was\s+)?{_FATES}\b", re.I),
    re.compile(rf"\b{_FATES}\s+({COUNT})\s+{_THINGS}\b", re.I),
    re.compile(rf"({COUNT})\s+{_FATES}\s+{_THINGS}\b", re.I),
    re.compile(rf"\b{_FATES}(?:\s+{_THINGS})?\s*[:=]\s*({COUNT})\b", re.I),
)
_NO_NUMBER = re.compile(
    rf"(?:relay|ring|trace)?\s?buffer\s+(?:is\s+|was\s+)?(?:full|overflow\w*)|{_THINGS}\s+"
    rf"(?:were\s+)?{_FATES}\b",
    re.I,
)
_KINDS = {"overwritten": Loss.OVERWRITTEN, "overrun": Loss.OVERWRITTEN, "skipped": Loss.SKIPPED}
_RECORD = (
    "Write time, CPU and size of each event to a CSV file with the columns timestamp_ns, cpu, size "
    "while nothing is lost (with the largest buffers that you can afford, for ten seconds), then: "
    "relaylab advise FILE.csv"
)
_LOOK_FOR = (
    'Known are: blktrace ("You have N (P%) dropped events"), stap ("There were N transport '
    'failures", "skipped probes: N"), lttng and babeltrace ("N events were discarded", "Tracer '
    'discarded N events"), perf ("lost N chunks", "LOST N events"), trace-cmd and ftrace ("[N '
    'EVENTS DROPPED]", "overrun: N"), bpftrace ("Lost N events"). They are printed to standard '
    "error, mostly at the end; paste those lines, with the command line that you ran."
)


def read(text: str) -> Finding:
    """The one finding in a text of an unknown tool."""
    for phrase in _PHRASES:
        found = phrase.search(text)
        if found is not None:
            first, second = found[1], found[2]
            amount, fate = (first, second) if first[0].isdigit() else (second, first)
            return _finding(found, count(amount), fate.lower())
    found = _NO_NUMBER.search(text)
    if found is not None:
        return _finding(found, None, (found[1] or "").lower())
    return Finding(
        tool="unknown",
        kind=Loss.UNKNOWN,
        lost=None,
        unit="events",
        share=None,
        where="unknown",
        meaning="There is no message about lost events in this text that relaylab knows. "
        + _LOOK_FOR,
        knobs=(),
        next_command="",
        record_command=_RECORD,
        message=one_line(text),
    )


def _finding(message: re.Match[str], lost: int | None, fate: str) -> Finding:
    kind = Loss.NONE if lost == 0 else _KINDS.get(fate, Loss.UNKNOWN)
    return Finding(
        tool="unknown",
        kind=kind,
        lost=lost,
        unit="events",
        share=None,
        where="unknown: most tools have a ring buffer per CPU between the traced code and a reader",
        meaning="Nothing was lost, says the text."
        if lost == 0
        else "Events were lost, but relaylab does not know which tool says so. Find out "
        "whether new events were refused (dropped, discarded), old unread ones overwritten, or "
        "probes not run at all (skipped); only the first two depend on the buffer's size. "
        + _LOOK_FOR,
        knobs=(),
        next_command="",
        record_command=_RECORD,
        message=one_line(message[0]),
        at=message.start(),
    )
