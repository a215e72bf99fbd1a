"""What a replay came to, as a table for people and as JSON for programs."""

import dataclasses
import json
from typing import TYPE_CHECKING, Self

from relaylab import units

if TYPE_CHECKING:
    from relaylab.channel import Channel
    from relaylab.workload import Workload


@dataclasses.dataclass(frozen=True)
class Report:
    """The totals of one replay, over all CPUs. Sizes in bytes, times in seconds."""

    trace: str
    n_cpus: int
    subbuf_size: int
    n_subbufs: int
    overwrite: bool
    memory: int
    events: int
    written: int
    lost: int
    lost_full: int
    lost_unfull: int
    lost_too_large: int
    written_bytes: int
    lost_bytes: int
    switches: int
    delivered: int
    padding_bytes: int
    overwritten_subbufs: int
    overwritten_unread_subbufs: int
    high_water: int
    elapsed_s: float

    @classmethod
    def of(cls, chan: "Channel", load: "Workload", elapsed_s: float) -> Self:
        """The report on a channel that took this workload and was flushed."""
        stats = chan.stats
        return cls(
            trace=load.name,
            n_cpus=chan.n_cpus,
            subbuf_size=chan.subbuf_size,
            n_subbufs=chan.n_subbufs,
            overwrite=bool(chan.overwrite),
            memory=chan.alloc_size * chan.n_cpus,
            events=len(load),
            written=stats.written,
            lost=stats.lost_full + stats.lost_unfull + stats.lost_too_large,
            lost_full=stats.lost_full,
            lost_unfull=stats.lost_unfull,
            lost_too_large=stats.lost_too_large,
            written_bytes=stats.written_bytes,
            lost_bytes=stats.lost_bytes,
            switches=stats.switches,
            delivered=stats.delivered,
            padding_bytes=_padding(chan),
            overwritten_subbufs=stats.overwritten_subbufs,
            overwritten_unread_subbufs=stats.overwritten_unread_subbufs,
            high_water=stats.high_water,
            elapsed_s=round(elapsed_s, 6),
        )

    def as_json(self) -> str:
        """One object; the keys are the fields."""
        return json.dumps(dataclasses.asdict(self), indent=2)

    def as_table(self) -> str:
        """Aligned lines: what, how much, and a word on it."""
        mode = "overwrite" if self.overwrite else "no-overwrite"
        size = f"{units.format_bytes(self.subbuf_size)} x {self.n_subbufs}"
        content = self.written_bytes + self.padding_bytes
        rows = [
            (
                "trace",
                self.trace,
                f"{self.n_cpus} CPUs, {units.format_duration(self.elapsed_s * 1e9)}",
            ),
            ("channel", size, f"{mode}, {units.format_bytes(self.memory)} of memory in all"),
            ("events", _count(self.events), units.format_rate(self.events / self.elapsed_s)),
            ("written", _count(self.written), units.format_bytes(self.written_bytes)),
            ("lost", _count(self.lost), _share(self.lost, self.events)),
            ("  full", _count(self.lost_full), "all sub-buffers unread"),
            ("  unfull", _count(self.lost_unfull), "the event that reopened a full buffer"),
            ("  too large", _count(self.lost_too_large), "longer than a sub-buffer"),
            ("switches", _count(self.switches), "from one sub-buffer to the next"),
            (
                "padding",
                units.format_bytes(self.padding_bytes),
                _share(self.padding_bytes, content),
            ),
            (
                "overwritten",
                _count(self.overwritten_subbufs),
                f"sub-buffers, {_count(self.overwritten_unread_subbufs)} of them unread",
            ),
            (
                "high-water",
                f"{self.high_water} of {self.n_subbufs}",
                "most sub-buffers ever unread on a CPU",
            ),
        ]
        if self.overwrite:
            rows[-1] = (
                "high-water",
                _count(self.high_water),
                "most sub-buffers ever unread on a CPU, overwritten ones included",
            )
        else:
            rows = [row for row in rows if row[0] != "overwritten"]
        wide = max(len(amount) for _, amount, _ in rows)
        return "\n".join(f"{what:<12} {amount:>{wide}}  {note}" for what, amount, note in rows)


def _padding(chan: "Channel") -> int:
    """Bytes of all finished sub-buffers that no event fills."""
    finished = opened = 0
    for buf in chan.buffers:
        finished += buf.subbufs_produced * chan.subbuf_size
        # A sub-buffer that made the buffer full is finished, though its offset stays at the end.
        opened += buf.offset if buf.offset < chan.subbuf_size else 0
    return finished + opened - chan.stats.written_bytes


def _count(n: int) -> str:
    return f"{n:,}"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.2%}" if whole else "0.00%"
