"""All that can be told of a relay file without reading it."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from relaylab.relayfs import RelayFile

_TRIES: Final = 1000
_QUICK: Final = 10  # a switch takes less than a microsecond


def at_one_moment(file: RelayFile, *names: str) -> dict[str, int]:
    """Fields of the control block, read while no switch, reset or consumer changes them."""
    for attempt in range(_TRIES):
        edge = file._field("edge")
        fields = {name: file._field(name) for name in names}
        if edge % 2 == 0 and edge == file._field("edge"):
            break
        if attempt > _QUICK:
            if file.finalized:  # its owner ended in the middle of it
                break
            time.sleep(0.001)  # who changes them waits for a processor
    return fields


def open_bytes(fields: dict[str, int]) -> int:
    """How far the open sub-buffer is filled; 0 if there is none, or nothing but its reserve.

    `fields` are offset, opened, produced and start_reserve of one moment.
    """
    if fields["opened"] < fields["produced"]:  # full: the next one is begun once there is room
        return 0
    return fields["offset"] if fields["offset"] > fields["start_reserve"] else 0


@dataclasses.dataclass(frozen=True)
class FileState:
    """A relay file at one moment. Sizes in bytes."""

    path: str
    name: str
    pid: int  #: of the owner
    cpu: int
    subbuf_size: int
    n_subbufs: int
    alloc_size: int
    overwrite: bool
    produced: int  #: sub-buffers since the last reset
    consumed: int
    ready: int  #: sub-buffers that a reader would get now
    open_bytes: int  #: in the sub-buffer that is being written
    full: bool
    unfull: bool
    finalized: bool
    resets: int
    stats: dict[str, int]

    @classmethod
    def of(cls, file: RelayFile, name: str) -> Self:
        """What an open file tells."""
        fields = at_one_moment(
            file,
            *("produced", "consumed", "opened", "offset", "start_reserve", "unfull", "epoch"),
        )
        produced, n_subbufs = fields["produced"], file.n_subbufs
        unconsumed = produced - fields["consumed"]
        whole = max(0, produced - max(0, fields["opened"] + 1 - n_subbufs))
        stats = file.stats
        return cls(
            path=file.path,
            name=name,
            pid=owner_of(file),
            cpu=file.cpu,
            subbuf_size=file.subbuf_size,
            n_subbufs=n_subbufs,
            alloc_size=file.alloc_size,
            overwrite=file.overwrite,
            produced=produced,
            consumed=fields["consumed"],
            ready=min(unconsumed, whole),
            open_bytes=open_bytes(fields),
            full=not file.overwrite and unconsumed > n_subbufs - 1,
            unfull=bool(fields["unfull"]),
            finalized=bool(file.finalized),
            resets=fields["epoch"],
            stats=dataclasses.asdict(stats) | {"lost": stats.lost, "offered": stats.offered},
        )

    @property
    def word(self) -> str:
        """What is most worth knowing of its state."""
        if self.finalized:
            return "closed"
        if self.full:
            return "full"
        if self.unfull:
            return "unfull"
        return "ready" if self.ready else "empty"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return dataclasses.asdict(self)


def owner_of(file: RelayFile) -> int:
    """The process whose channel it is."""
    import os

    from relaylab.relayfs.remote import RemoteFile

    return file.welcome.pid if isinstance(file, RemoteFile) else os.getpid()
