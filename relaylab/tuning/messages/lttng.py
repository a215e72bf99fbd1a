"""What LTTng and babeltrace print about discarded events and lost packets.

Sources: lttng-tools 2.13 (`lttng stop`, `destroy`, `list SESSION`), lttng-enable-channel(1) for
sizes (both rounded up to a power of two, a sub-buffer is a page at least) and defaults, babeltrace
1 and 2 (text output), and the kernel log of lttng-modules.
"""

import re

from relaylab import units
from relaylab.tuning.finding import COUNT, Finding, Knob, Loss, count, one_line, option
from relaylab.tuning.finding import whole as number

_STOPPED = re.compile(
    rf"(?:({COUNT})\s+events\s+were\s+discarded)?(?:\s+and\s+)?"
    rf"(?:({COUNT})\s+packets\s+were\s+lost)?,\s+please\s+refer\s+to\s+the\s+documentation\s+on"
    r"\s+channel\s+configuration",
    re.I,
)
_TRACER = re.compile(
    rf"Tracer\s+(may\s+have\s+)?discarded\s+(?:({COUNT})\s+)?(events?|packets?)\b"
    r"(?:\s+(?:at\s+end\s+of\s+stream\s+)?between\s+\[[^\]]*\]\s+and\s+\[[^\]]*\])?",
    re.I,
)
_STATISTIC = re.compile(rf"(Discarded\s+events|Lost\s+packets):\s+({COUNT})", re.I)
_KERNEL = re.compile(
    rf"records\s+were\s+lost\.\s+Caused\s+by:\s*(?:\[\s*[\d.]+\]\s*)?\[\s*({COUNT})\s+buffer\s+full,"
    rf"\s+({COUNT})\s+nest\s+buffer\s+wrap-around,\s+({COUNT})\s+event\s+too\s+big",
    re.I,
)
_OVERRUN = re.compile(rf"records\s+written,\s+({COUNT})\s+records\s+overrun", re.I)
_RECORD = (
    "lttng create big\n"
    "lttng enable-channel {domain} --subbuf-size=4M --num-subbuf=16 roomy\n"
    "lttng enable-event {domain} --channel=roomy {events}\n"
    "lttng start; RUN IT; lttng destroy\n"
    "relaylab advise ~/lttng-traces/big-* --tool lttng"
)


def read(text: str) -> list[Finding]:
    """The findings in `text`: discarded events and lost packets are two."""
    events, packets = _Tally("events"), _Tally("packets")
    for message in _STOPPED.finditer(text):
        if message[1] or message[2]:
            events.add(message, message[1])
            packets.add(message, message[2])
    if not events.messages and not packets.messages:
        # `lttng list` and `destroy` count the same events; babeltrace counts them once more.
        for message in _STATISTIC.finditer(text):
            (events if "vent" in message[1] else packets).add(message, message[2])
    if not events.lost and not packets.lost:
        for message in _TRACER.finditer(text):
            tally = events if message[3].lower().startswith("event") else packets
            tally.add(message, message[2], unknown=message[2] is None)
        for message in _KERNEL.finditer(text):
            events.add(message, str(sum(count(message[i]) for i in (1, 2, 3))))
        for message in _OVERRUN.finditer(text):
            if count(message[1]):
                packets.unit = "events"
                packets.add(message, message[1])
    found = []
    if events.messages:
        found.append(_discarded(text, events))
    if packets.messages and (packets.lost or not events.messages):
        found.append(_overwritten(text, packets))
    return found


class _Tally:
    """The sum over all messages of a kind."""

    def __init__(self, unit: str) -> None:
        self.unit = unit
        self.lost = 0
        self.is_known = True
        self.messages: list[re.Match[str]] = []

    def add(self, message: re.Match[str], amount: str | None, unknown: bool = False) -> None:
        if amount is None and not unknown:
            return
        self.messages.append(message)
        self.lost += count(amount) if amount else 0
        self.is_known = self.is_known and not unknown

    @property
    def is_loss(self) -> bool:
        return self.lost > 0 or not self.is_known

    @property
    def places(self) -> str:
        n = len(self.messages)
        return "" if n == 1 else f" The text tells of {n} places."


def _discarded(text: str, tally: _Tally) -> Finding:
    size, n = _now(text)
    more = 2 * n
    before, after = (units.format_bytes(size * i) for i in (n, more))
    return Finding(
        tool="lttng",
        kind=Loss.DROPPED if tally.is_loss else Loss.NONE,
        lost=tally.lost if tally.is_known else None,
        unit="events",
        share=None,
        where=_where(text),
        meaning="The channel is in discard mode. When these events came, all sub-buffers of their "
        "CPU were waiting for the consumer daemon, so the tracer discarded them: the newest are "
        "missing, everything before is there." + tally.places
        if tally.is_loss
        else "No event was discarded.",
        knobs=(
            Knob(
                "--num-subbuf",
                str(n),
                str(more),
                "more sub-buffers give the consumer daemon more time before the last one is full: "
                f"{before} becomes {after} per CPU; rounded up to a power of two",
            ),
            Knob(
                "--subbuf-size",
                str(size),
                str(2 * size),
                "larger sub-buffers hand over less often; at the same memory many small ones lose "
                "less in bursts than two big ones",
            ),
            Knob(
                "enable-event",
                "",
                "",
                "fewer events: enable those you need, filter with --filter",
            ),
            Knob(
                "--blocking-timeout",
                "0",
                "",
                "user space only: let the application wait for room instead of losing events; it "
                "needs LTTNG_UST_ALLOW_BLOCKING in its environment, and slows it down",
            ),
        )
        if tally.is_loss
        else (),
        next_command=_enable(text, size, more) if tally.is_loss else "",
        record_command=_record(text),
        message=one_line(tally.messages[0][0]),
        at=tally.messages[0].start(),
    )


def _overwritten(text: str, tally: _Tally) -> Finding:
    size, n = _now(text)
    more = 2 * n
    return Finding(
        tool="lttng",
        kind=Loss.OVERWRITTEN if tally.is_loss else Loss.NONE,
        lost=tally.lost if tally.is_known else None,
        unit=tally.unit,
        share=None,
        where=_where(text),
        meaning="The channel is in overwrite mode: the tracer took the oldest unread sub-buffers "
        "(a packet is one of them) for new events. The newest events are there, the history before "
        "them is not. For a flight recorder that is as intended; otherwise use discard mode with "
        "enough memory." + tally.places
        if tally.is_loss
        else "No packet was lost.",
        knobs=(
            Knob("--num-subbuf", str(n), str(more), "more sub-buffers keep a longer history"),
            Knob("--discard", "--overwrite", "--discard", "keep what was there, drop what is new"),
        )
        if tally.is_loss
        else (),
        next_command=_enable(text, size, more, " --overwrite") if tally.is_loss else "",
        record_command=_record(text),
        message=one_line(tally.messages[0][0]),
        at=tally.messages[0].start(),
    )


def _now(text: str) -> tuple[int, int]:
    """Size and number of sub-buffers: as `lttng list` or the command line says, or the default."""
    listed = re.search(rf"Sub-?buffer\s+size:\s+({COUNT})", text, re.I)
    listed_n = re.search(rf"Sub-?buffer\s+count:\s+({COUNT})", text, re.I)
    given = option(text, "lttng", "--subbuf-size")
    size = count(listed[1]) if listed else units.parse_bytes(_binary(given)) if given else 0
    n = option(text, "lttng", "--num-subbuf") if not listed_n else str(count(listed_n[1]))
    return size or (1 << 20 if _is_kernel(text) else 1 << 19), number(n, 4)


def _binary(size: str) -> str:
    """LTTng's k, M, G are binary, as they are here; anything else is the default."""
    return size if re.fullmatch(r"\d{1,12}[kMG]?", size) else "0"


def _is_kernel(text: str) -> bool:
    return re.search(r"--kernel|Domain:\s*(?:Linux\s+)?kernel|/kernel\b", text, re.I) is not None


def _is_userspace(text: str) -> bool:
    return re.search(r"--userspace|Domain:\s*User\s*space|/ust\b", text, re.I) is not None


def _where(text: str) -> str:
    ring = "the channel's ring of sub-buffers, one per CPU"
    if _is_kernel(text):
        return f"in the kernel: {ring}"
    if _is_userspace(text):
        return f"in the traced process: {ring}"
    return (
        f"in the traced process or the kernel: {ring}. The text does not tell which; for events of "
        "the kernel put --kernel in place of --userspace below"
    )


def _record(text: str) -> str:
    if _is_kernel(text):
        return _RECORD.format(domain="--kernel", events="YOUR_EVENTS")
    return _RECORD.format(domain="--userspace", events="'YOUR:*'")


def _enable(text: str, size: int, n: int, mode: str = "") -> str:
    domain = "--kernel" if _is_kernel(text) else "--userspace"
    sizes = f"--subbuf-size={size} --num-subbuf={n}"
    return f"lttng enable-channel {domain}{mode} {sizes} CHANNEL"
