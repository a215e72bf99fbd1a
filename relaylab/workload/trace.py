"""Workload: which event arrives when, on which CPU, and how large it is."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from relaylab import units
from relaylab.errors import ConfigError

MAX_CPU = 2**16 - 2
MAX_SIZE = 2**31 - 1
MAX_T_NS = 2**63 - 1


@dataclass(frozen=True, eq=False, repr=False)
class Workload:
    """Events in the order of their arrival.

    Parameters
    ----------
    t_ns : int64[n]
        When each event arrives, nanoseconds from any origin, 0 .. 2^63-1, ascending.
    cpu : uint16[n]
        On which CPU, 0 .. 65534.
    size : uint32[n]
        Its payload, bytes, 0 .. 2^31-1.
    n_cpus : int, optional
        How many CPUs there are; 0 means as many as `cpu` names.
    name : str
        What to call it.
    skipped : int
        Damaged records that were left out on request when it was read.

    Raises
    ------
    ConfigError
        Arrays of different length, a value out of range, or time that goes backwards.
    """

    t_ns: NDArray[np.int64]
    cpu: NDArray[np.uint16]
    size: NDArray[np.uint32]
    n_cpus: int = 0
    name: str = "workload"
    skipped: int = 0

    def __post_init__(self) -> None:
        self._keep("t_ns", _column("t_ns", self.t_ns, np.int64, MAX_T_NS))
        self._keep("cpu", _column("cpu", self.cpu, np.uint16, MAX_CPU))
        self._keep("size", _column("size", self.size, np.uint32, MAX_SIZE))
        if not len(self.t_ns) == len(self.cpu) == len(self.size):
            lengths = (len(self.t_ns), len(self.cpu), len(self.size))
            raise ConfigError(
                "t_ns, cpu and size", passed=lengths, allowed="three arrays of one length"
            )
        if np.any(self.t_ns[1:] < self.t_ns[:-1]):
            first = int(np.argmax(self.t_ns[1:] < self.t_ns[:-1])) + 1
            raise ConfigError(
                f"t_ns[{first}]",
                passed=int(self.t_ns[first]),
                allowed=f"{int(self.t_ns[first - 1])} or later",
                hint="Sort the events by time.",
            )
        named = int(self.cpu.max()) + 1 if len(self) else 1
        if self.n_cpus and not named <= self.n_cpus <= MAX_CPU + 1:
            raise ConfigError("n_cpus", passed=self.n_cpus, allowed=f"{named} .. {MAX_CPU + 1}")
        self._keep("n_cpus", self.n_cpus or named)

    def __len__(self) -> int:
        return len(self.t_ns)

    @property
    def duration_ns(self) -> int:
        """Nanoseconds from the first event to the last."""
        return int(self.t_ns[-1] - self.t_ns[0]) if len(self) else 0

    @property
    def n_bytes(self) -> int:
        """The payload of all events, bytes."""
        return int(self.size.sum(dtype=np.uint64))

    @property
    def rate(self) -> float:
        """Events per second over the duration; 0 when there is none."""
        return len(self) / self.duration_ns * 1e9 if self.duration_ns else 0.0

    def __repr__(self) -> str:
        text = f"<Workload {self.name}: {_plural(len(self), 'event')} on "
        text += f"{_plural(self.n_cpus, 'CPU')} in {units.format_duration(self.duration_ns)}"
        if len(self):
            low, high = units.format_bytes(self.size.min()), units.format_bytes(self.size.max())
            text += f", {units.format_rate(self.rate)}, {low} each"
            text = text if low == high else text.replace(f"{low} each", f"{low} .. {high} each")
        return text + (f", {self.skipped} skipped>" if self.skipped else ">")

    def _keep(self, field: str, value: object) -> None:
        object.__setattr__(self, field, value)  # the way of frozen dataclasses to normalise a field


def _column(what: str, values: ArrayLike, dtype: type[Any], largest: int) -> NDArray[Any]:
    """A read-only array of this type; nothing is rounded or wrapped to fit it."""
    given = np.asarray(values)
    if given.ndim != 1 or not (given.dtype.kind in "iu" or given.size == 0):
        shape = f"{given.dtype}{list(given.shape)}"
        raise ConfigError(what, passed=shape, allowed="a one-dimensional array of integers")
    wrong = (given < 0) | (given > largest)
    if wrong.any():
        first = int(np.argmax(wrong))
        raise ConfigError(f"{what}[{first}]", passed=int(given[first]), allowed=f"0 .. {largest}")
    column = given.astype(dtype, copy=False).view()
    column.flags.writeable = False
    return column


def _plural(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
