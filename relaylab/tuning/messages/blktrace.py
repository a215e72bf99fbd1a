"""What blktrace prints when the kernel's relay channel had no free sub-buffer.

Sources: the texts and options of blktrace 1.2.0 and 2.0.0 (`-b` 1 .. 16384 KiB, 512 by default;
`-n` 4 by default), and the wording of its first releases; in the kernel, kernel/trace/blktrace.c
counts an event as dropped when its sub-buffer cannot be switched because all are unread.
"""

import re

from relaylab import units
from relaylab.tuning.finding import (
    COUNT,
    PERCENT,
    Finding,
    Knob,
    Loss,
    count,
    growth,
    one_line,
    option,
)
from relaylab.tuning.finding import share as share_of
from relaylab.tuning.finding import whole as number

_SUMMARY = re.compile(
    rf"You\s+have\s+({COUNT})\s+\(\s*({PERCENT})\s*%\)\s+dropped\s+events(?:\s+Consider\s+using\s+a"
    r"\s+larger\s+buffer\s+size\s+\(-b\)\s+and/or\s+more\s+buffers\s+\(-n\))?",
    re.I,
)
_OLD_SUMMARY = re.compile(
    r"You\s+have\s+(?:dropped\s+events|lost\s+records),\s+consider\s+using\s+a\s+larger\s+buffer"
    r"\s+size\s+\(-b\)",
    re.I,
)
_TOTAL = re.compile(
    rf"Total:\s+({COUNT})\s+events\s+\(dropped\s+({COUNT})\)(?:,\s+({COUNT})\s+KiB\s+data)?", re.I
)
_LARGEST_KIB = 16384


def read(text: str) -> list[Finding]:
    """The findings in `text`; the sum over all devices is one."""
    totals = list(_TOTAL.finditer(text))
    written = sum(count(total[1]) for total in totals)
    dropped = sum(count(total[2]) for total in totals)
    summary = _SUMMARY.search(text)
    if summary is not None:
        return [_dropped(text, summary, count(summary[1]), share_of(summary[2]))]
    if totals:
        if not dropped:
            return [_nothing(totals[0])]
        return [_dropped(text, totals[0], dropped, dropped / (dropped + written))]
    old = _OLD_SUMMARY.search(text)
    return [] if old is None else [_dropped(text, old, None, None)]


def _dropped(text: str, message: re.Match[str], lost: int | None, share: float | None) -> Finding:
    kib = min(number(option(text, "blktrace", "-b", "--buffer-size"), 512), _LARGEST_KIB)
    n = number(option(text, "blktrace", "-n", "--num-sub-buffers"), 4)
    device = re.search(r"/dev/[\w/.-]*\w", text)
    name = device[0] if device else "DEVICE"
    more = n * growth(share)
    before, after = (units.format_bytes(1024 * kib * i) for i in (n, more))
    return Finding(
        tool="blktrace",
        kind=Loss.DROPPED,
        lost=lost,
        unit="events",
        share=share,
        where="in the kernel: the relay channel of the device, one ring of sub-buffers per CPU",
        meaning="When these events came, every sub-buffer of their CPU was full and not yet read "
        "by blktrace, so the kernel dropped them. They are the new events of the moments when the "
        "reader was late; what had been recorded before is all there. The trace has gaps there.",
        knobs=(
            Knob(
                "-n",
                str(n),
                str(more),
                "more sub-buffers per CPU give blktrace more time before the last one is full: "
                f"{before} becomes {after} per CPU",
            ),
            Knob(
                "-b",
                f"{kib} KiB",
                f"{min(2 * kib, _LARGEST_KIB)} KiB",
                "larger sub-buffers give the same, and wake blktrace less often; only full ones "
                "are handed over, so a few huge ones help less than many",
            ),
            Knob(
                "-o, -D",
                "",
                "",
                "if the trace is written to the disk that is traced, it traces itself: write it to "
                "a tmpfs or another disk, or filter with -a",
            ),
        ),
        next_command=f"blktrace -d {name} -b {kib} -n {more} -o trace",
        record_command=f"blktrace -d {name} -b 4096 -n 16 -w 10 -o trace\n"
        "relaylab advise trace --tool blktrace",
        message=one_line(message[0]),
        at=message.start(),
    )


def _nothing(message: re.Match[str]) -> Finding:
    return Finding(
        "blktrace",
        Loss.NONE,
        0,
        "events",
        0.0,
        "in the kernel: the relay channel of the device",
        "The kernel counted no dropped event: this trace is complete.",
        (),
        "",
        "relaylab advise trace --tool blktrace",
        one_line(message[0]),
        message.start(),
    )
