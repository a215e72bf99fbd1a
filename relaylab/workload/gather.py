"""What every reader of traces does with events and with damage."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from relaylab.errors import ConfigError
from relaylab.workload.trace import Workload

_MOST_PARTS: Final = 4096
_SKIP: Final = (
    'Mend the file, or leave out what is damaged: errors="skip", or --skip-damaged of '
    "relaylab advise, sweep and replay."
)


@dataclass
class Gathered:
    """The events of a trace so far, and how many damaged records were left out.

    Parameters
    ----------
    name : str
        The file, as errors call it.
    skip : bool
        Leave damaged records out and count them, instead of refusing the file.
    tick : callable, optional
        To be called after each chunk.
    """

    name: str
    skip: bool = False
    tick: Callable[[], None] | None = None
    skipped: int = 0
    n_events: int = 0
    n_bytes: int = 0
    _parts: list[tuple[NDArray[np.int64], NDArray[np.uint16], NDArray[np.uint32]]] = field(
        default_factory=list
    )

    def add(self, t_ns: NDArray[Any], cpu: NDArray[Any], size: NDArray[Any]) -> None:
        """Keep a copy of these events, all within their ranges."""
        if len(t_ns):
            self.n_events += len(t_ns)
            self.n_bytes += int(size.sum(dtype=np.uint64))
            self._parts.append(
                (t_ns.astype(np.int64), cpu.astype(np.uint16), size.astype(np.uint32))
            )
            if len(self._parts) > _MOST_PARTS:  # where damage is frequent they are tiny
                self._parts = [self.columns()]

    def ticked(self) -> None:
        """A chunk is done."""
        if self.tick is not None:
            self.tick()

    def damaged(self, where: str, reason: str, **details: Any) -> None:
        """Refuse the file, or count what is left out.

        Parameters
        ----------
        where : str
            "line 7" or "offset 4096".
        reason : str
            What is wrong there.
        **details
            passed, allowed and hint of the error.

        Raises
        ------
        ConfigError
            Unless damage is to be skipped.
        """
        if not self.skip:
            hint = details.pop("hint", _SKIP)
            raise ConfigError(f"{self.name}, {where}: {reason}", hint=hint, **details)
        self.skipped += 1

    def columns(self) -> tuple[NDArray[np.int64], NDArray[np.uint16], NDArray[np.uint32]]:
        """Times, CPUs and sizes of all events so far, in the order of their gathering."""
        empty = (np.empty(0, np.int64), np.empty(0, np.uint16), np.empty(0, np.uint32))
        parts = self._parts or [empty]
        return (
            np.concatenate([part[0] for part in parts]),
            np.concatenate([part[1] for part in parts]),
            np.concatenate([part[2] for part in parts]),
        )

    def workload(self, title: str, *, merge: bool = False) -> Workload:
        """All events as a workload.

        Parameters
        ----------
        title : str
            What to call it.
        merge : bool
            Order them by time: they come from several files that are each in order. Equal times
            keep the order of the files.

        Raises
        ------
        ConfigError
            There is no event.
        """
        t_ns, cpu, size = self.columns()
        if not len(t_ns):
            raise ConfigError(
                f"{self.name} has no event",
                allowed="a trace with one event or more",
                hint=f"{self.skipped} damaged records were left out." if self.skipped else None,
            )
        if merge:
            order = np.argsort(t_ns, kind="stable")
            t_ns, cpu, size = t_ns[order], cpu[order], size[order]
        return Workload(t_ns, cpu, size, name=title, skipped=self.skipped)
