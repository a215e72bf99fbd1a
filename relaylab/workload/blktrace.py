"""Traces as blktrace writes them: one binary file per CPU, NAME.blktrace.CPU."""

import re
from pathlib import Path
from typing import Any, Final

import numpy as np

from relaylab.errors import ConfigError
from relaylab.workload.gather import Gathered
from relaylab.workload.packed import DAMAGED, Readable
from relaylab.workload.trace import MAX_CPU, MAX_T_NS, Workload

LITTLE: Final = b"\x07tae"
BIG: Final = b"eat\x07"
FILE: Final = re.compile(r"(?P<trace>.+)\.blktrace\.(?P<cpu>[0-9]+)(\.gz)?")

_CHUNK: Final = 1 << 20  # bytes; longer than any record
_GIVE_UP: Final = 1 << 20  # bytes in which no record is found: the rest is something else


def read_blktrace(stream: Readable, events: Gathered) -> None:
    """The events of one CPU's file.

    Parameters
    ----------
    stream : binary file
        The plain file, or what unpacks it; read to its end, or to damage.
    events : Gathered
        Where they go. Their size is that of the record: 48 bytes and what follows it. Notify
        records (the names of processes and the like) are no events.

    Raises
    ------
    ConfigError
        The file is damaged; says at which offset and why.
    """
    from relaylab.workload.scan import records

    rest = next_chunk(stream, 0, events)
    if not rest:
        return  # a CPU without events
    big = rest.startswith(BIG)
    t_ns, cpu, size = _columns()
    offset, last_t = 0, 0
    lost_at = -1  # where records were last lost sight of
    while True:
        at = 0
        block = np.frombuffer(rest, np.uint8)
        while True:
            n, at, why, last_t = records.scan(block, at, big, last_t, t_ns, cpu, size)
            events.add(t_ns[:n], cpu[:n], size[:n])
            lost_at = -1 if n else lost_at
            if why == records.MORE:
                break
            lost = why in (records.BAD_MAGIC, records.BAD_VERSION)
            if lost_at < 0 or not lost:
                _refuse(events, why, rest, at, offset, big, last_t)
            if not lost:  # the record is whole, its content is not
                at += records.HEADER + int(records.word(block, at + 46, 2, big))
                continue
            lost_at = offset + at if lost_at < 0 else lost_at
            found = rest.find(BIG if big else LITTLE, at + 1)
            at = found if found >= 0 else max(at + 1, len(rest) - 3)
            if offset + at - lost_at > _GIVE_UP:
                return
            if found < 0:
                break
        offset += at
        chunk = next_chunk(stream, offset + len(rest) - at, events)
        if not chunk:
            if len(rest) > at and lost_at < 0:
                events.damaged(f"offset {offset}", "the record is cut here")
            return
        rest = rest[at:] + chunk
        events.ticked()


def next_chunk(stream: Readable, offset: int, events: Gathered) -> bytes:
    """The next bytes; none at the end, or where a compressed file is damaged."""
    try:
        return stream.read(_CHUNK)
    except DAMAGED as error:
        events.damaged(f"offset {offset}", f"the compressed file is damaged or cut here ({error})")
        return b""


def title(path: Path) -> str:
    """What to call the workload of this file."""
    match = FILE.fullmatch(path.name)
    return match["trace"] if match else path.name.removesuffix(".gz")


def files_of(path: Path) -> list[Path]:
    """The files of all CPUs of a trace, by CPU.

    Parameters
    ----------
    path : Path
        A directory, or the files' common beginning: with or without ".blktrace".

    Raises
    ------
    ConfigError
        There are several traces in the directory.
    """
    directory = path if path.is_dir() else path.parent
    stem = "" if path.is_dir() else path.name.removesuffix(".").removesuffix(".blktrace")
    by_trace: dict[str, dict[int, Path]] = {}
    for each in sorted(directory.iterdir()) if directory.is_dir() else ():
        match = FILE.fullmatch(each.name)
        if match and (not stem or match["trace"] == stem):
            # of a plain file and its compressed copy the plain one, which sorts first
            by_trace.setdefault(match["trace"], {}).setdefault(int(match["cpu"]), each)
    if len(by_trace) > 1:
        raise ConfigError(
            f"there are {len(by_trace)} blktrace traces in this directory",
            passed=str(path),
            allowed=", ".join(str(directory / f"{name}.blktrace") for name in sorted(by_trace)[:5]),
            hint="Give one of them.",
        )
    return [each for _, each in sorted(next(iter(by_trace.values()), {}).items())]


def merged(parts: list[Gathered], name: str) -> Workload:
    """One workload of the files of several CPUs, by time; equal times in the order of the files."""
    whole = Gathered(name, skip=True)
    for part in parts:
        whole.add(*part.columns())
        whole.skipped += part.skipped
    return whole.workload(name, merge=True)


def _columns() -> tuple[Any, Any, Any]:
    most = (_CHUNK + (1 << 17)) // 48
    return np.empty(most, np.int64), np.empty(most, np.uint16), np.empty(most, np.uint32)


def _refuse(
    events: Gathered, why: int, data: bytes, at: int, offset: int, big: bool, last_t: int
) -> None:
    from relaylab.workload.scan import records

    order: Any = "big" if big else "little"

    def number(start: int, length: int) -> int:
        return int.from_bytes(data[at + start : at + start + length], order)

    magic = "0x65617407 at the beginning of each record"
    reasons: dict[int, tuple[str, object, str]] = {
        records.BAD_MAGIC: ("no blktrace record", f"magic {number(0, 4):#x}", magic),
        records.BAD_VERSION: ("version of the record", number(0, 4) & 0xFF, "7"),
        records.BAD_TIME: ("time of the record", number(8, 8), f"0 .. {MAX_T_NS} ns"),
        records.BAD_CPU: ("cpu of the record", number(40, 4), f"0 .. {MAX_CPU}"),
        records.BACKWARDS: ("time goes backwards", number(8, 8), f"{last_t} ns or later"),
    }
    reason, passed, allowed = reasons[why]
    events.damaged(f"offset {offset + at}", reason, passed=passed, allowed=allowed)
