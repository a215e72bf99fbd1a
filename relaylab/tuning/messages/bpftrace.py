"""What bpftrace, and tools written with bcc, print about lost events.

Sources: bpftrace 0.17 and its manual (BPFTRACE_PERF_RB_PAGES, 64 pages per CPU by default, a power
of two; later releases take the default from the machine's memory and call it perf_rb_pages too),
and bcc's callback for perf buffers.
"""

import re

from relaylab import units
from relaylab.tuning.finding import COUNT, Finding, Knob, Loss, count, one_line
from relaylab.tuning.finding import whole as number

_LOST = re.compile(rf"(?:^|\s)Lost\s+({COUNT})\s+events(?!\s+on\b|[!,])", re.M)
_JSON = re.compile(rf'"lost_events"[^}}]{{0,80}}"events":\s*({COUNT})')
_BCC = re.compile(rf"(?:Possibly\s+l|\bL)ost\s+({COUNT})\s+samples", re.I)
_MAP = re.compile(r"Map\s+full;\s+can't\s+update\s+element", re.I)
_SKIPPED = re.compile(rf"WARNING:[^\n]*?({COUNT})?[^\n]*?\b(?:skipped|skipping)\b[^\n]*", re.I)
_MENTIONED = re.compile(r"bpftrace|Attach(?:ing|ed)\s+\d+\s+probe", re.I)
_PAGES = 64
_RECORD = (
    "BPFTRACE_PERF_RB_PAGES=4096 bpftrace -q -o trace.csv -e 'BEGIN { "
    'printf("timestamp_ns,cpu,size\\n") } YOUR:PROBE { '
    'printf("%llu,%d,%d\\n", nsecs, cpu, 64) }\'\n'
    "relaylab advise trace.csv"
)


def read(text: str) -> list[Finding]:
    """The findings in `text`; all "Lost" lines are one."""
    found = []
    lost = list(_LOST.finditer(text)) + list(_JSON.finditer(text))
    if lost:
        found.append(_dropped(text, lost))
    samples = list(_BCC.finditer(text))
    if samples:
        found.append(_bcc(samples))
    full = _MAP.search(text)
    if full is not None:
        found.append(_map_full(full))
    skipped = _SKIPPED.search(text) if _MENTIONED.search(text) else None
    if skipped is not None:
        found.append(_not_run(skipped))
    return found


def _dropped(text: str, messages: list[re.Match[str]]) -> Finding:
    given = re.search(r"(?:BPFTRACE_PERF_RB_PAGES|perf_rb_pages)\s*=\s*(\d+)", text)
    now = number(given[1] if given else None, _PAGES)
    more = 1 << (4 * now - 1).bit_length()
    sizes = " becomes ".join(units.format_bytes(4096 * pages) for pages in (now, more))
    lost = sum(count(message[1]) for message in messages)
    return Finding(
        tool="bpftrace",
        kind=Loss.DROPPED if lost else Loss.NONE,
        lost=lost,
        unit="events",
        share=None,
        where="between kernel and user space: the ring buffer that carries printf, join, time and "
        "the like to bpftrace",
        meaning="The probes ran, but their output found the ring buffer full, because bpftrace was "
        "still printing what came before; new output was dropped. Maps (@counts, @histograms) are "
        "kept in the kernel and are right."
        if lost
        else "No output was lost.",
        knobs=(
            Knob("BPFTRACE_PERF_RB_PAGES", f"{now} pages", f"{more} pages", f"{sizes} per CPU"),
            Knob(
                "the script",
                "",
                "",
                "print less: count and build histograms in maps; symbols of stacks (kstack, ustack)"
                " are slow to print",
            ),
            Knob("-o", "", "FILE", "a terminal is the slowest reader there is: write to a file"),
        )
        if lost
        else (),
        next_command=f"BPFTRACE_PERF_RB_PAGES={more} bpftrace -o FILE SCRIPT.bt" if lost else "",
        record_command=_RECORD,
        message=one_line(messages[0][0]),
        at=messages[0].start(),
    )


def _bcc(messages: list[re.Match[str]]) -> Finding:
    return Finding(
        tool="bcc",
        kind=Loss.DROPPED,
        lost=sum(count(message[1]) for message in messages),
        unit="samples",
        share=None,
        where="between kernel and user space: the perf buffer of the tool, one per CPU",
        meaning="The perf buffer of the tool was full, because its Python side was still busy with "
        "what came before; new samples were dropped.",
        knobs=(
            Knob(
                "page_cnt",
                "8 pages",
                "64 pages",
                "argument of open_perf_buffer in the tool's source, a power of two; some tools "
                "have an option for it",
            ),
            Knob("the tool's filters", "", "", "by process, duration or return value: see --help"),
        ),
        next_command="TOOL OPTIONS > FILE",
        record_command=_RECORD,
        message=one_line(messages[0][0]),
        at=messages[0].start(),
    )


def _map_full(message: re.Match[str]) -> Finding:
    return Finding(
        tool="bpftrace",
        kind=Loss.SKIPPED,
        lost=None,
        unit="map updates",
        share=None,
        where="in the kernel: a map of the script, not a buffer on the way to user space",
        meaning="A map had as many keys as it may have, so new keys were not stored. No buffer "
        "size changes that.",
        knobs=(Knob("BPFTRACE_MAP_KEYS_MAX", "4096", "65536", "how many keys a map may have"),),
        next_command="BPFTRACE_MAP_KEYS_MAX=65536 bpftrace SCRIPT.bt",
        record_command=_RECORD,
        message=one_line(message[0]),
        at=message.start(),
    )


def _not_run(message: re.Match[str]) -> Finding:
    return Finding(
        tool="bpftrace",
        kind=Loss.SKIPPED,
        lost=count(message[1]) if message[1] else None,
        unit="probes",
        share=None,
        where="before any buffer: bpftrace did not attach or run it",
        meaning="Something was skipped before there was an event to buffer. Buffer sizes change "
        "nothing about it; the rest of the line says what.",
        knobs=(),
        next_command="bpftrace -l 'PATTERN'",
        record_command=_RECORD,
        message=one_line(message[0]),
        at=message.start(),
    )
