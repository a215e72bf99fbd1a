"""What perf prints about lost events, samples and AUX data.

Sources: the texts of perf 6.1 and of older releases (record, report, script, trace, top, sched),
perf-record(1) for `-m` (pages, rounded up to a power of two; 512 KiB by default), and
kernel/events/ring_buffer.c: a full buffer drops new records and a PERF_RECORD_LOST counts them.
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

_CHUNKS = re.compile(
    rf"Processed\s+({COUNT})\s+events\s+and\s+lost\s+({COUNT})\s+chunks!"
    r"(?:\s+Check\s+IO/CPU\s+overload!)?",
    re.I,
)
_SAMPLES = re.compile(rf"Processed\s+({COUNT})\s+samples\s+and\s+lost\s+({PERCENT})\s*%!", re.I)
_TOTAL = re.compile(rf"Total\s+Lost\s+Samples:\s+({COUNT})", re.I)
_TRACE = re.compile(rf"(?:WARNING:\s*)?\bLOST\s+({COUNT})\s+events(?:!|,\s+Check\s+IO/CPU)")
_TOP = re.compile(rf"LOST\s+({COUNT})\s+chunks,\s+Check\s+IO/CPU\s+overload", re.I)
_BARE = re.compile(r"(?:Events\s+are\s+being\s+lost,\s+)?Check\s+IO/CPU\s+overload", re.I)
_TOP_HEADER = re.compile(r"PerfTop:[^\n]{0,200}lost:\s*(\d+)/(\d+)\s+drop:\s*(\d+)/(\d+)", re.I)
_RECORD_LOST = re.compile(rf"PERF_RECORD_LOST\b[^\n]{{0,80}}?lost\s*:?\s*({COUNT})", re.I)
# The same losses once more, counted by event: only of use when the others are not there.
_LOST_SAMPLES = re.compile(
    rf"PERF_RECORD_LOST_SAMPLES\b[^\n]{{0,80}}?lost\s+samples\s*:?\s*({COUNT})", re.I
)
_STATISTIC = re.compile(rf"^\s*LOST\s+events:\s+({COUNT})\b", re.M)
_SCHED = re.compile(
    rf"INFO:\s+({PERCENT})%\s+lost\s+events\s+\(({COUNT})\s+out\s+of\s+({COUNT}),"
    rf"\s+in\s+({COUNT})\s+chunks\)",
    re.I,
)
_AUX = re.compile(rf"AUX\s+data\s+lost\s+({COUNT})\s+times\s+out\s+of\s+({COUNT})!", re.I)
_CAPTURED = re.compile(r"\[\s*perf\s+record:\s+Captured\s+and\s+wrote\s+[^\]]*\]", re.I)
_DEFAULT_PAGES = 128  # 512 KiB of 4 KiB pages
_PAGE = 4096
_RECORD = (
    "perf record -a -m 16384 -e 'YOUR:EVENTS' -o big.data -- sleep 10\n"
    "perf script -i big.data > trace.txt\n"
    "relaylab advise trace.txt --event-size 64 --tool perf"
)


def read(text: str) -> list[Finding]:
    """The findings in `text`: events and AUX data are two."""
    found = _events(text)
    aux = _AUX.search(text)
    if aux is not None and count(aux[1]):
        found.append(_aux(aux))
    if not found:
        captured = _CAPTURED.search(text)
        if captured is not None:
            found.append(_nothing(captured, "perf record reported no loss in what you pasted."))
    return found


def _events(text: str) -> list[Finding]:
    """At most one: perf tells the same loss in several ways, of which the most precise counts."""
    share, samples, total = None, _SAMPLES.search(text), _TOTAL.search(text)
    if samples is not None:
        share = share_of(samples[2])
    records = list(_RECORD_LOST.finditer(text)) or list(_LOST_SAMPLES.finditer(text))
    sched, trace, chunks = _SCHED.search(text), list(_TRACE.finditer(text)), _CHUNKS.search(text)
    header, top = _TOP_HEADER.search(text), _TOP.search(text)
    if sched is not None:
        return [_dropped(text, sched, count(sched[2]), "events", share_of(sched[1]))]
    if records:
        return [_dropped(text, records[0], sum(count(r[1]) for r in records), "events", share)]
    if trace:
        return [_dropped(text, trace[0], sum(count(t[1]) for t in trace), "events", share)]
    if total is not None:
        if not count(total[1]) and chunks is None:
            return [_nothing(total, "No sample was lost.")]
        if count(total[1]):
            return [_dropped(text, total, count(total[1]), "samples", share)]
    for message, group in ((chunks, 2), (top, 1), (_STATISTIC.search(text), 1)):
        if message is not None:
            if not count(message[group]):
                return [_nothing(message, "No chunk was lost.")]
            return [_dropped(text, message, count(message[group]), "chunks", share)]
    if header is not None:
        lost = int(header[2]) + int(header[4])
        if lost:
            return [_dropped(text, header, lost, "events", None)]
    message = samples or _BARE.search(text)
    return [] if message is None else [_dropped(text, message, None, "events", share)]


def _dropped(
    text: str, message: re.Match[str], lost: int | None, unit: str, share: float | None
) -> Finding:
    pages = _pages(option(text, "perf", "-m", "--mmap-pages"))
    more = pages * growth(share)
    chunk = "" if unit != "chunks" else " A chunk is a run of losses, of any number of events: "
    chunk = chunk and chunk + "`perf script --show-lost-events` shows how many each."
    command = re.search(r"\bperf\s+(record|trace|top)\b", text)
    verb = command[1] if command else "record"
    return Finding(
        tool="perf",
        kind=Loss.DROPPED,
        lost=lost,
        unit=unit,
        share=share,
        where="between kernel and user space: perf's mapped ring buffer, one per CPU and event set",
        meaning="The kernel found the ring buffer full, because perf had not read it yet, and "
        "dropped new records; what was in it before was kept. perf says overload because its own "
        "writing to disk, or a CPU without time for it, is the usual reason." + chunk,
        knobs=(
            Knob(
                "-m",
                f"{pages} pages",
                f"{more} pages",
                f"the ring buffer: {units.format_bytes(pages * _PAGE)} becomes "
                f"{units.format_bytes(more * _PAGE)} per CPU; a power of two. More than "
                "kernel.perf_event_mlock_kb needs CAP_IPC_LOCK",
            ),
            Knob("-F, -c", "", "", "sample less often, or fewer events with -e and --filter"),
            Knob(
                "--realtime",
                "",
                "80",
                "run perf at real-time priority, when other processes keep it from its CPU",
            ),
            Knob("-o", "", "/dev/shm/perf.data", "write to memory, when the disk is the limit"),
        ),
        next_command=f"perf {verb} -m {more} OPTIONS -- COMMAND",
        record_command=_RECORD,
        message=one_line(message[0]),
        at=message.start(),
    )


def _aux(message: re.Match[str]) -> Finding:
    return Finding(
        tool="perf",
        kind=Loss.DROPPED,
        lost=count(message[1]),
        unit="AUX pieces",
        share=count(message[1]) / max(1, count(message[2])),
        where="between kernel and user space: the AUX buffer of processor trace (Intel PT, "
        "CoreSight ...), not the ring buffer of events",
        meaning="The hardware filled the AUX buffer faster than perf emptied it, so pieces of the "
        "instruction trace are missing. Events in the ring buffer are not concerned.",
        knobs=(
            Knob("-m ,PAGES", "", "16384 pages", "the number after the comma is the AUX buffer's"),
            Knob(
                "-S", "", "", "snapshot mode keeps only the newest piece, if that is all you need"
            ),
        ),
        next_command="perf record -m 512,16384 OPTIONS -- COMMAND",
        record_command="AUX data has no events of known size: advise cannot help with it",
        message=one_line(message[0]),
        at=message.start(),
    )


def _nothing(message: re.Match[str], meaning: str) -> Finding:
    return Finding(
        "perf",
        Loss.NONE,
        0,
        "events",
        None,
        "between kernel and user space: perf's mapped ring buffer",
        meaning,
        (),
        "",
        _RECORD,
        one_line(message[0]),
        message.start(),
    )


def _pages(given: str | None) -> int:
    """The data pages that `-m` means: pages, or bytes with a unit; a power of two."""
    parts = re.fullmatch(r"(\d{1,9})([BKMG]?)(?:,.*)?", given or "")
    if parts is None or not int(parts[1]):
        return _DEFAULT_PAGES
    factor = {"": _PAGE, "B": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}[parts[2]]
    pages = max(1, -(-int(parts[1]) * factor // _PAGE))
    return 1 << (pages - 1).bit_length()
