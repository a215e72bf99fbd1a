"""One look at a run: everything a frame says about the channel, taken together."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaylab.lab.cells import cells_of, cpus_of
from relaylab.lab.frame import TOTALS, Cells


@dataclass(frozen=True)
class Moment:
    """A channel at one moment; stays true after the channel is closed.

    Attributes
    ----------
    snapshot : object
        ``chan.snapshot()``.
    cells : Cells
        Every sub-buffer.
    cpus : ndarray of `frame.CPU`, shape (n_cpus,)
        Counters of each buffer.
    totals : object
        ``chan.stats``.
    subbuf_size, n_subbufs : int
        Sizes of the channel.
    overwrite : bool
        Its mode.
    """

    snapshot: Any
    cells: Cells
    cpus: NDArray[np.void]
    totals: Any
    subbuf_size: int
    n_subbufs: int
    overwrite: bool

    @property
    def occupancy(self) -> NDArray[np.int64]:
        """Unconsumed sub-buffers of each CPU, at most n_subbufs."""
        unconsumed = self.cpus["produced"] - self.cpus["consumed"]
        occupancy: NDArray[np.int64] = np.clip(unconsumed, 0, self.n_subbufs).astype(np.int64)
        return occupancy

    @property
    def commits(self) -> bool:
        """Whether some writer commits what it has reserved."""
        snapshot = self.snapshot
        return bool(np.any(snapshot.commit > snapshot.start_reserve[:, None]))

    def totals_row(self) -> NDArray[np.int64]:
        """The statistics in the order of `frame.TOTALS`."""
        return np.array([getattr(self.totals, name) for name in TOTALS], np.int64)

    def state(self) -> dict[str, Any]:
        """What ``data-state`` and ``data-totals`` of the page say, as plain numbers."""
        return {
            "produced": self.snapshot.subbufs_produced.tolist(),
            "consumed": self.snapshot.subbufs_consumed.tolist(),
            "offset": self.snapshot.offset.tolist(),
            "unfull": [int(flag) for flag in self.snapshot.unfull],
            "totals": dataclasses.asdict(self.totals),
        }


def look(run: Any) -> Moment:
    """What a run's channel is now.

    Parameters
    ----------
    run : LiveRun, VirtualRun or AttachedRun
        Its channel must not be closed.

    Returns
    -------
    Moment
    """
    channel = run.channel
    seen, reading = channel._observe(), run.reading()
    snapshot = seen.snapshot
    return Moment(
        snapshot=snapshot,
        cells=cells_of(snapshot, reading, channel.subbuf_size, channel.n_subbufs, run.watching()),
        cpus=cpus_of(seen, snapshot, reading),
        totals=seen.stats,
        subbuf_size=channel.subbuf_size,
        n_subbufs=channel.n_subbufs,
        overwrite=bool(channel.overwrite),
    )
