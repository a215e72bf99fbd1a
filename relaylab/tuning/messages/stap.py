"""What SystemTap prints about lost output and skipped probes.

Sources: SystemTap 4.8, runtime/transport/transport.c (the channel's sub-buffers are one page each;
`-s` MB per CPU makes their number; 1 .. 4095, 16 by default or less on small machines), the
run-time warnings that the translator generates, runtime/linux/kprobes.c, and stap(1) for
MAXSKIPPED, INTERRUPTIBLE and MAXTRYLOCK.
"""

import re

from relaylab.tuning.finding import COUNT, Finding, Knob, Loss, count, one_line, option
from relaylab.tuning.finding import whole as number

_TRANSPORT = re.compile(
    rf"There\s+were\s+({COUNT})\s+transport\s+failures\.?"
    rf"(?:\s+Try\s+stap\s+-s\s+to\s+increase\s+the\s+buffer\s+size\s+from\s+({COUNT})\.?)?",
    re.I,
)
_SUMMARY = re.compile(rf"Number\s+of\s+errors:\s+({COUNT}),\s+skipped\s+probes:\s+({COUNT})", re.I)
_CAUSE = re.compile(
    r"Skipped\s+due\s+to\s+(global\s+'[^']*'\s+lock\s+timeout|low\s+stack|reentrancy|"
    r"uprobe\s+(?:un)?register\s+failure|missed\s+k(?:ret)?probe(?:/\d)?\s+on\s+'[^']*'):"
    rf"\s+({COUNT})",
    re.I,
)
_TOO_MANY = re.compile(r"Skipped\s+too\s+many\s+probes,\s+check\s+MAXSKIPPED", re.I)
_LARGEST_MB = 4095
_RECORD = (
    'stap -s 256 -o trace.csv -e \'probe begin { println("timestamp_ns,cpu,size") } '
    'probe YOUR.PROBE { printf("%d,%d,%d\\n", gettimeofday_ns(), cpu(), 64) }\'\n'
    "relaylab advise trace.csv --tool stap"
)


def read(text: str) -> list[Finding]:
    """The findings in `text`: lost output and skipped probes are two."""
    found = []
    transport = _TRANSPORT.search(text)
    if transport is not None:
        found.append(_lost_output(text, transport))
    causes = list(_CAUSE.finditer(text))
    summary, too_many = _SUMMARY.search(text), _TOO_MANY.search(text)
    message = summary or too_many or (causes[0] if causes else None)
    if message is not None:
        if summary is not None:
            skipped: int | None = count(summary[2])
        else:
            skipped = sum(count(cause[2]) for cause in causes) if causes else None
        found.append(_skipped(message, skipped, [cause[1] for cause in causes]))
    return found


def _lost_output(text: str, message: re.Match[str]) -> Finding:
    lost = count(message[1])
    given = message[2] or option(text, "stap", "-s")
    now = min(number(given, 16), _LARGEST_MB)
    more = min(2 * now, _LARGEST_MB)
    script = re.search(r"[\w./-]+\.stp\b", text)
    name = script[0] if script else "SCRIPT.stp"
    return Finding(
        tool="stap",
        kind=Loss.DROPPED if lost else Loss.NONE,
        lost=lost,
        unit="writes",
        share=None,
        where="between kernel and user space: the relay channel through which the script's output "
        "leaves the kernel, sub-buffers of one page, one ring per CPU",
        meaning="The probes ran, but so many times a piece of their printed output found no room "
        "in the relay channel, because stapio had not read it yet, and was dropped. The newest "
        "output is what is missing; statistics and arrays kept in the kernel are right."
        if lost
        else "No output was lost on its way to user space.",
        knobs=(
            Knob(
                "-s",
                f"{now} MB",
                f"{more} MB",
                "megabytes per CPU for output on its way to user space; the sub-buffers stay one "
                "page each, their number grows",
            ),
            Knob(
                "-b",
                "",
                "",
                "bulk mode: one file and one reading thread per CPU, when one reader cannot keep "
                "up; stap-merge puts the files together",
            ),
            Knob(
                "the script",
                "",
                "",
                "print less: count in the kernel with <<< and print the sums, rather than a line "
                "per event",
            ),
        )
        if lost
        else (),
        next_command=f"stap -s {more} {name}" if lost else "",
        record_command=_RECORD,
        message=one_line(message[0]),
        at=message.start(),
    )


def _skipped(message: re.Match[str], skipped: int | None, causes: list[str]) -> Finding:
    knobs = _knobs(" ".join(causes).lower())
    names = ", ".join(dict.fromkeys(one_line(cause) for cause in causes))
    why = f" The causes named: {names}." if names else " `stap -t` names the causes."
    nothing = skipped == 0
    return Finding(
        tool="stap",
        kind=Loss.NONE if nothing else Loss.SKIPPED,
        lost=skipped,
        unit="probe hits",
        share=None,
        where="before any buffer: the probe's handler did not run",
        meaning="No probe hit was skipped."
        if nothing
        else "The probe was hit, but its handler could not run at that moment, so there never was "
        "an event to buffer. Larger buffers change nothing about these." + why,
        knobs=() if nothing else knobs,
        next_command=""
        if nothing
        else "stap -t " + " ".join(f"-D{k.name}={k.next}" for k in knobs if k.next) + " SCRIPT.stp",
        record_command=_RECORD,
        message=one_line(message[0]),
        at=message.start(),
    )


def _knobs(causes: str) -> tuple[Knob, ...]:
    """What to turn for these causes; all, when none is named."""
    knobs = []
    if "lock timeout" in causes or not causes:
        why = "how often a handler tries to get the lock of a global before it gives up; fewer "
        why += "globals that handlers write, or <<< statistics, need no lock"
        knobs.append(Knob("MAXTRYLOCK", "1000", "10000", why))
    if "reentrancy" in causes or not causes:
        why = "0 masks interrupts while a handler runs, so that no second probe hits inside it"
        knobs.append(Knob("INTERRUPTIBLE", "1", "0", why))
    if "kretprobe" in causes or not causes:
        why = "how many calls of one function may be under way at a time with a .return probe on it"
        knobs.append(Knob("KRETACTIVE", "", "1000", why))
    why = "how many skipped hits stop the script; it cures nothing, it only lets the script go on"
    knobs.append(Knob("MAXSKIPPED", "100", "10000", why))
    return tuple(knobs)
