"""What a dump came to, as a table for people and as JSON for programs."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Self

from relaylab import units
from relaylab.cli.table import table

if TYPE_CHECKING:
    from relaylab.cli.draining import Drain

ENDS: Final = {
    "closed": "the channel was closed",
    "hang-up": "its owner is gone, or unmounted it",
    "stopped": "it was stopped",
    None: "it could not go on",
}


class Baseline:
    """What was lost before the dump began, and when it did."""

    def __init__(self, drains: Sequence[Drain]) -> None:
        self.start = time.monotonic()
        self.stats = {id(drain): drain.file.stats for drain in drains}

    def lost(self, drains: Sequence[Drain]) -> int:
        """Events lost since."""
        return sum(drain.file.stats.lost - self.stats[id(drain)].lost for drain in drains)


@dataclasses.dataclass(frozen=True)
class DumpedFile:
    """What came of one relay file. Sizes in bytes."""

    path: str
    file: str  #: where it was written
    cpu: int
    subbufs: int  #: written, and consumed
    bytes: int  #: of these, without padding
    padding_bytes: int
    lost: int  #: events, since the dump began
    lost_bytes: int
    lost_before: int  #: events, before that
    overwritten: int  #: sub-buffers that were overwritten before they could be read
    taken: int  #: sub-buffers that another reader consumed first
    resets: int  #: since the dump began; what was unread then is not written
    ended: str | None  #: "closed", "hang-up", "stopped", or null where it could not go on
    left: int  #: sub-buffers in the buffer that are not written: produced since it was stopped
    unfinished_bytes: int  #: in the open sub-buffer when it ended
    partial_bytes: int  #: of these, written at the end of the file

    @classmethod
    def of(cls, drain: Drain, baseline: Baseline) -> Self:
        """What a drain did."""
        if drain.ended is None:
            drain.stop_here()
            ended = None
        else:
            ended = drain.ended
        before, stats = baseline.stats[id(drain)], drain.file.stats
        return cls(
            path=drain.file.path,
            file=drain.target.path,
            cpu=drain.file.cpu,
            subbufs=drain.subbufs,
            bytes=drain.bytes,
            padding_bytes=drain.padding_bytes,
            lost=stats.lost - before.lost,
            lost_bytes=stats.lost_bytes - before.lost_bytes,
            lost_before=before.lost,
            overwritten=drain.overwritten,
            taken=drain.taken,
            resets=drain.resets,
            ended=ended,
            left=drain.left,
            unfinished_bytes=drain.unfinished.size,
            partial_bytes=drain.partial_bytes,
        )


@dataclasses.dataclass(frozen=True)
class Dumped:
    """The totals of a dump, and its files."""

    out: str
    elapsed_s: float
    subbufs: int
    bytes: int
    padding_bytes: int
    lost: int
    overwritten: int
    resets: int
    files: list[DumpedFile]

    @classmethod
    def of(cls, drains: Sequence[Drain], baseline: Baseline, out: str) -> Self:
        """The report on drains that have ended."""
        files = [DumpedFile.of(drain, baseline) for drain in drains]
        return cls(
            out=out,
            elapsed_s=round(time.monotonic() - baseline.start, 6),
            subbufs=sum(file.subbufs for file in files),
            bytes=sum(file.bytes for file in files),
            padding_bytes=sum(file.padding_bytes for file in files),
            lost=sum(file.lost for file in files),
            overwritten=sum(file.overwritten for file in files),
            resets=sum(file.resets for file in files),
            files=files,
        )

    def as_json(self) -> str:
        """One object; the keys are the fields."""
        return json.dumps(dataclasses.asdict(self), indent=2)

    def as_table(self) -> str:
        """A line a file, and then what needs words."""
        columns = ("file", "sub-buffers", "bytes", "padding", "events lost", "overwritten")
        rows = [
            (
                file.file,
                f"{file.subbufs:,}",
                f"{file.bytes:,}",
                f"{file.padding_bytes:,}",
                f"{file.lost:,}",
                f"{file.overwritten:,}",
            )
            for file in self.files
        ]
        wanted = 6 if self.overwritten else 5  # only some channels overwrite
        shown = table(columns[:wanted], [row[:wanted] for row in rows])
        return "\n".join([shown, "", self._summary(), *self._remarks()])

    def _summary(self) -> str:
        pace = units.format_bandwidth(self.bytes / self.elapsed_s) if self.elapsed_s else "0 B/s"
        return (
            f"{self.subbufs:,} sub-buffers, {units.format_bytes(self.bytes)} in "
            f"{units.format_duration(self.elapsed_s * 1e9)}: {pace}."
        )

    def _remarks(self) -> list[str]:
        lines = []
        for why, text in ENDS.items():
            names = [file.file for file in self.files if file.ended == why]
            if names:
                which = "" if len(names) == len(self.files) else f" ({_some(names)})"
                lines.append(f"Ended{which}: {text}.")
        for file in self.files:
            if file.resets:
                lines.append(
                    f"{file.file}: {file.resets:,} reset(s), the sequence began anew; what was "
                    "unread then is gone."
                )
            if file.taken:
                lines.append(
                    f"{file.file}: another reader consumed {file.taken:,} sub-buffers, which are "
                    "not here; some that are may be there too."
                )
            if file.lost_before:
                lines.append(
                    f"{file.file}: {file.lost_before:,} events were lost before the dump began."
                )
            if file.left:
                lines.append(f"{file.file}: {file.left:,} sub-buffers are left in the buffer.")
            if file.partial_bytes:
                lines.append(
                    f"{file.file}: the last {file.partial_bytes:,} bytes are of an unfinished "
                    "sub-buffer, which is not consumed."
                )
            elif file.unfinished_bytes:
                lines.append(
                    f"{file.file}: {file.unfinished_bytes:,} bytes in the unfinished sub-buffer "
                    "are not written (--partial writes them)."
                )
        return lines


def _some(names: list[str]) -> str:
    return ", ".join(names[:4]) + (" ..." if len(names) > 4 else "")
