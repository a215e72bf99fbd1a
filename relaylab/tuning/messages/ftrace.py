"""What trace-cmd and the kernel's own trace files print about lost events.

Sources: the texts of trace-cmd 3.1 (record, report, stat), kernel/trace/trace.c (the head of
`trace`, and the marks in `trace_pipe`), kernel/trace/ring_buffer.c and
Documentation/trace/ftrace.rst for the counters in `per_cpu/cpuN/stats`.
"""

import re

from relaylab import units
from relaylab.tuning.finding import COUNT, Finding, Knob, Loss, count, growth, one_line, option
from relaylab.tuning.finding import whole as number

_MARK = re.compile(rf"CPU:(\d+)\s+\[(?:LOST\s+)?(?:({COUNT})\s+)?EVENTS(?:\s+DROPPED)?\]", re.I)
_BARE_MARK = re.compile(rf"\[\s*({COUNT})\s+EVENTS\s+DROPPED\s*\]", re.I)
_RECORDED = re.compile(
    rf"CPU\s+(\d+):(?:\s+({COUNT})\s+events\s+lost(?!\s+due))?"
    rf"(?:\s+({COUNT})\s+events\s+lost\s+due\s+to\s+commit\s+overrun)?",
    re.I,
)
_HEAD = re.compile(rf"entries-in-buffer/entries-written:\s*({COUNT})/({COUNT})", re.I)
_COUNTER = re.compile(
    rf"^\s*(entries|overrun|commit\s+overrun|dropped\s+events|read\s+events):\s+({COUNT})\s*$",
    re.I | re.M,
)
_DEFAULT_KB = 1408  # per CPU, on x86-64 with 4 KiB pages
_RECORD = (
    "trace-cmd record -b 65536 -e 'YOUR:EVENTS' -o big.dat sleep 10\n"
    "trace-cmd report -i big.dat > trace.txt\n"
    "relaylab advise trace.txt --event-size 48 --tool trace-cmd"
)


def read(text: str) -> list[Finding]:
    """The findings in `text`: overwritten and dropped events are two."""
    found = []
    counters: dict[str, list[re.Match[str]]] = {}
    for counter in _COUNTER.finditer(text):
        counters.setdefault(" ".join(counter[1].lower().split()), []).append(counter)
    if "overrun" in counters:
        found.extend(_from_counters(text, counters))
    found.extend(_from_messages(text, bool(found)))
    return found


def _from_counters(text: str, counters: dict[str, list[re.Match[str]]]) -> list[Finding]:
    """The counters of `stats`, summed over the CPUs that were pasted."""

    def total(name: str) -> int:
        return sum(count(counter[2]) for counter in counters.get(name, ()))

    kept = total("entries") + total("read events")
    tool = "trace-cmd" if re.search(r"trace-cmd|Kernel buffer statistics", text) else "ftrace"
    found = []
    if total("overrun"):
        first = counters["overrun"][0]
        share = total("overrun") / (total("overrun") + kept) if "read events" in counters else None
        found.append(_overwritten(text, tool, first, total("overrun"), share))
    for name, why in (("dropped events", "overwriting is off"), ("commit overrun", "nesting")):
        if total(name):
            first = counters[name][0]
            found.append(_dropped(text, tool, first, total(name), is_commit=why == "nesting"))
    if not found:
        found.append(
            Finding(
                tool,
                Loss.NONE,
                0,
                "events",
                0.0,
                "in the kernel: ftrace's ring buffer, one per CPU",
                "No event was overwritten or dropped on the CPUs that you pasted.",
                (),
                "",
                _RECORD,
                one_line(counters["overrun"][0][0]),
                counters["overrun"][0].start(),
            )
        )
    return found


def _from_messages(text: str, counted: bool) -> list[Finding]:
    """The marks of reports and the summary of `trace-cmd record`."""
    found = []
    recorded = [m for m in _RECORDED.finditer(text) if m[2] or m[3]]
    marks = list(_MARK.finditer(text)) or list(_BARE_MARK.finditer(text))
    head = _HEAD.search(text)
    if recorded and not counted:
        overrun = sum(count(m[2]) for m in recorded if m[2])
        commit = sum(count(m[3]) for m in recorded if m[3])
        if overrun:
            found.append(_overwritten(text, "trace-cmd", recorded[0], overrun, None))
        if commit:
            found.append(_dropped(text, "trace-cmd", recorded[0], commit, is_commit=True))
    elif marks and not counted:
        amounts = [m[m.lastindex] if m.lastindex == m.re.groups else None for m in marks]
        known = all(amount is not None for amount in amounts)
        lost = sum(count(amount) for amount in amounts if amount) if known else None
        tool = "ftrace" if re.search(r"\[LOST\s", marks[0][0], re.I) else "trace-cmd"
        found.append(_overwritten(text, tool, marks[0], lost, None, n_places=len(marks)))
    if head is not None and not counted:
        left, written = count(head[1]), count(head[2])
        if written > left:
            share = (written - left) / written
            found.append(_overwritten(text, "ftrace", head, written - left, share))
    return found


def _overwritten(
    text: str,
    tool: str,
    message: re.Match[str],
    lost: int | None,
    share: float | None,
    n_places: int = 1,
) -> Finding:
    now = _now(text)
    more = now * growth(share)
    places = f" The text marks {n_places} places." if n_places > 1 else ""
    return Finding(
        tool=tool,
        kind=Loss.OVERWRITTEN,
        lost=lost,
        unit="events",
        share=share,
        where="in the kernel: ftrace's ring buffer, one per CPU, made of pages",
        meaning="The ring buffer was full of events that nobody had read, and (unless the option "
        "`overwrite` was off) new events took the place of the oldest page. What is missing is "
        "history: events before the mark, on that CPU. `dropped events` in per_cpu/cpuN/stats "
        "counts the other case, new events refused." + places,
        knobs=(*_size_knobs(tool, now, more), *_reader_knobs(tool)),
        next_command=_command(tool, more),
        record_command=_RECORD,
        message=one_line(message[0]),
        at=message.start(),
    )


def _dropped(text: str, tool: str, message: re.Match[str], lost: int, is_commit: bool) -> Finding:
    now = _now(text)
    why = (
        "An event was being written when interrupts that hit during it filled the whole buffer "
        "behind it: the new events had to be refused. This happens with very small buffers."
        if is_commit
        else "Overwriting is off (options/overwrite is 0), so new events were refused while the "
        "ring buffer was full of unread ones: the newest are missing, the history is there."
    )
    return Finding(
        tool=tool,
        kind=Loss.DROPPED,
        lost=lost,
        unit="events",
        share=None,
        where="in the kernel: ftrace's ring buffer, one per CPU, made of pages",
        meaning=why,
        knobs=(*_size_knobs(tool, now, 2 * now), *_reader_knobs(tool)),
        next_command=_command(tool, 2 * now),
        record_command=_RECORD,
        message=one_line(message[0]),
        at=message.start(),
    )


def _now(text: str) -> int:
    given = option(text, "trace-cmd", "-b")
    written = re.search(r"echo\s+(\d{1,9})\s*>\s*\S*buffer_size_kb", text)
    return number(written[1] if written else given, _DEFAULT_KB)


def _size_knobs(tool: str, now: int, more: int) -> tuple[Knob, ...]:
    name = "-b" if tool == "trace-cmd" else "buffer_size_kb"
    sizes = " becomes ".join(units.format_bytes(1024 * kib) for kib in (now, more))
    return (Knob(name, f"{now} KiB", f"{more} KiB", f"the ring buffer of each CPU: {sizes}"),)


def _reader_knobs(tool: str) -> tuple[Knob, ...]:
    if tool == "trace-cmd":
        return (
            Knob("-s", "1000 us", "", "how often the recorder looks at the buffer, in us"),
            Knob("-r", "", "80", "real-time priority of the recorders, when they get no CPU"),
            Knob("-e, -l, -P", "", "", "fewer events or functions, or of one process only"),
        )
    return (
        Knob("trace_pipe", "", "", "have somebody read while it runs; `trace` alone consumes none"),
        Knob("options/overwrite", "1", "0", "keep the oldest events and refuse the newest instead"),
    )


def _command(tool: str, kib: int) -> str:
    if tool == "trace-cmd":
        return f"trace-cmd record -b {kib} OPTIONS"
    return f"echo {kib} > /sys/kernel/tracing/buffer_size_kb"
