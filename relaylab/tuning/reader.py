"""Who drains the buffers, as a model: when it runs, how long it takes, what it consumes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any, Final, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from relaylab import units
from relaylab.core import virtual
from relaylab.core.layout import LINUX
from relaylab.core.scene import Drainer
from relaylab.errors import ConfigError
from relaylab.units import Quantity

_MIB: Final = 1 << 20
_LONGEST: Final = 2**62  # ns

Schedule: TypeAlias = NDArray[np.int64]
"""int64[k, 3]: instant, consumed in all, 0; or begin and end of a read, and its bytes."""


@dataclass(frozen=True, eq=False, init=False, repr=False)
class Reader:
    """A reader that sleeps until a sub-buffer is ready, runs `latency` later, and takes its time.

    For each sub-buffer that is ready it takes `per_subbuf` and its bytes / `rate`, and consumes it
    at the end of that; when none is left it sleeps. `Reader.periodic`, `Reader.polling`,
    `Reader.from_schedule` and `Reader.from_reads` make other kinds.

    Parameters
    ----------
    latency
        From ready to running: "200 us", or ns.
    per_subbuf
        For each sub-buffer: "15 us", or ns.
    rate
        How fast it reads: "2 GB/s", or bytes a second; None is unlimited.
    shared
        True: one reader serves all CPUs, in turn. False: each CPU has a reader of its own.
    late
        True: a sub-buffer is handed to it only when the next one is begun. So it is with LTTng: the
        sub-buffer that fills the buffer is not seen before an event comes after a free one.
    held_by
        Writers keep it from running while they burst, as real-time threads or interrupts on the
        same processor do: a burst is events that follow each other within this time. None: never.
    stall
        What each lost event holds its writer up, ns: losing is slower than writing, so that a burst
        at full speed lasts longer and the reader gets further. The writer catches up in pauses of
        20 us and more.

    Raises
    ------
    ConfigError
        A value out of range.

    Examples
    --------
    >>> Reader(latency="200 us", per_subbuf="15 us", rate="2 GB/s")
    Reader(latency="200 us", per_subbuf="15 us", rate="2 GB/s")
    """

    latency_ns: int
    per_subbuf_ns: int
    bytes_per_s: float | None
    shared: bool
    late: bool
    held_by_ns: int | None
    stall_ns: int
    kind: int
    period_ns: int
    phase_ns: int
    sleep_ns: int
    schedules: Mapping[int, Schedule]

    def __init__(
        self,
        latency: Quantity = 0,
        per_subbuf: Quantity = 0,
        rate: Quantity | None = None,
        *,
        shared: bool = False,
        late: bool = False,
        held_by: Quantity | None = None,
        stall: Quantity = 0,
    ) -> None:
        self._set(
            latency_ns=_duration("latency", latency),
            per_subbuf_ns=_duration("per_subbuf", per_subbuf),
            bytes_per_s=_rate(rate),
            shared=bool(shared),
            late=bool(late),
            held_by_ns=None if held_by is None else _duration("held_by", held_by),
            stall_ns=_duration("stall", stall),
            kind=virtual.WAKING,
            period_ns=1,
            phase_ns=0,
            sleep_ns=0,
            schedules={},
        )

    # Other kinds ---------------------------------------------------------------------------------

    @classmethod
    def periodic(
        cls,
        every: Quantity,
        *,
        phase: Quantity = 0,
        per_subbuf: Quantity = 0,
        rate: Quantity | None = None,
        shared: bool = False,
        held_by: Quantity | None = None,
    ) -> Self:
        """A reader that drains all that is ready at each tick.

        Parameters
        ----------
        every
            From tick to tick: "20 ms", or ns.
        phase
            From the first event of a workload to the first tick, ns; ticks before it are imagined.
        per_subbuf, rate, shared, held_by
            As of `Reader`.
        """
        period = _duration("every", every)
        if period == 0:
            raise ConfigError("every", passed=every, allowed='more than 0: "20 ms"')
        reader = cls(0, per_subbuf, rate, shared=shared, held_by=held_by)
        return reader._set(
            kind=virtual.PERIODIC, period_ns=period, phase_ns=_duration("phase", phase)
        )

    @classmethod
    def polling(
        cls,
        sleep: Quantity,
        per_read: Quantity = 0,
        *,
        latency: Quantity = 0,
        rate: Quantity | None = None,
        shared: bool = False,
        held_by: Quantity | None = None,
    ) -> Self:
        """A reader that reads once when a sub-buffer is ready, then sleeps.

        By the rules of today's kernel it reads up to subbuf_size bytes of the stream, which may
        take part of the open sub-buffer and frees only finished ones; by those of 2005 one whole
        sub-buffer.

        Parameters
        ----------
        sleep
            After each read: "2 ms", or ns.
        per_read
            What a read takes, ns.
        latency
            From ready to running if it waits for something, ns.
        rate, shared, held_by
            As of `Reader`.
        """
        reader = cls(latency, per_read, rate, shared=shared, held_by=held_by)
        return reader._set(kind=virtual.POLLING, sleep_ns=_duration("sleep", sleep))

    @classmethod
    def from_schedule(
        cls,
        t_ns: ArrayLike | Mapping[int, ArrayLike],
        consumed: ArrayLike | Mapping[int, ArrayLike],
    ) -> Self:
        """A reader that has consumed `consumed[i]` sub-buffers in all from `t_ns[i]` on.

        Parameters
        ----------
        t_ns
            int64[k], ascending, on the clock of the workload; it counts for events at that time,
            too. For several CPUs a dict by cpu.
        consumed
            int64[k], ascending; no more than is produced by then is consumed. Likewise.
        """
        schedules = {}
        for cpu, (instants, totals) in _by_cpu(t_ns, consumed, "t_ns", "consumed").items():
            times = _ascending("t_ns", instants)
            counts = _ascending("consumed", totals)
            _same_length("t_ns and consumed", times, counts)
            schedules[cpu] = _columns(times, counts, np.zeros(len(times)))
        return cls()._set(kind=virtual.SCHEDULED, schedules=schedules)

    @classmethod
    def from_reads(
        cls,
        begin_ns: ArrayLike | Mapping[int, ArrayLike],
        n_bytes: ArrayLike | Mapping[int, ArrayLike],
        end_ns: ArrayLike | Mapping[int, ArrayLike] | None = None,
    ) -> Self:
        """A reader whose read() calls of the stream of bytes were recorded.

        A read gets through its bytes evenly. It frees a sub-buffer that is finished, once it is
        through with all of it.

        Parameters
        ----------
        begin_ns
            int64[k], when each read began, ascending, on the clock of the workload; for several
            CPUs a dict by cpu.
        n_bytes
            int64[k], the bytes it got. Likewise.
        end_ns
            int64[k], when each ended. Likewise; None: at once.
        """
        ends = begin_ns if end_ns is None else end_ns
        counts = _by_cpu(begin_ns, n_bytes, "begin_ns", "n_bytes")
        schedules = {}
        for cpu, (begins, untils) in _by_cpu(begin_ns, ends, "begin_ns", "end_ns").items():
            first = _ascending("begin_ns", begins)
            last = _ascending("end_ns", untils)
            took = _column("n_bytes", counts[cpu][1])
            _same_length("begin_ns, n_bytes and end_ns", first, last, took)
            if np.any(last < first):
                raise ConfigError("end_ns", passed="before begin_ns", allowed="begin_ns or later")
            schedules[cpu] = _columns(first, last, took)
        return cls()._set(kind=virtual.READING, schedules=schedules)

    # For the simulator -------------------------------------------------------------------------

    def drainer(self, rules: int, origin: int) -> Drainer:
        """What the compiled loop is told, for a workload whose first event is at `origin`."""
        polls_stream = self.kind == virtual.POLLING and rules == LINUX
        rate = self.bytes_per_s
        return Drainer(
            kind=self.kind,
            latency=self.latency_ns,
            per_subbuf=self.per_subbuf_ns,
            ns_per_mib=0 if rate is None else round(1e9 * _MIB / rate),
            period=self.period_ns,
            phase=origin + self.phase_ns,
            sleep=self.sleep_ns,
            late=self.late,
            stall=self.stall_ns,
            stream=polls_stream or self.kind == virtual.READING,
        )

    @property
    def is_told(self) -> bool:
        """Whether it follows a schedule, and is no model."""
        return self.kind in (virtual.SCHEDULED, virtual.READING)

    def changed(self, **values: Any) -> Self:
        """The same with other values of some attributes, which are not checked."""
        return copy(self)._set(**values)

    def __repr__(self) -> str:
        if self.is_told:
            entries = sum(map(len, self.schedules.values()))
            name = "from_schedule" if self.kind == virtual.SCHEDULED else "from_reads"
            return f"Reader.{name}({entries} {'entry' if entries == 1 else 'entries'})"
        parts = []
        head = "Reader"
        if self.kind == virtual.PERIODIC:
            head, parts = "Reader.periodic", [_quoted(self.period_ns)]
        elif self.kind == virtual.POLLING:
            head, parts = "Reader.polling", [_quoted(self.sleep_ns)]
        cost = "per_read" if self.kind == virtual.POLLING else "per_subbuf"
        durations = {"phase": self.phase_ns, "latency": self.latency_ns, cost: self.per_subbuf_ns}
        parts += [f"{name}={_quoted(value)}" for name, value in durations.items() if value]
        if self.bytes_per_s is not None:
            parts.append(f'rate="{units.format_bandwidth(self.bytes_per_s)}"')
        parts += [f"{name}=True" for name in ("shared", "late") if getattr(self, name)]
        if self.held_by_ns is not None:
            parts.append(f"held_by={_quoted(self.held_by_ns)}")
        if self.stall_ns:
            parts.append(f"stall={_quoted(self.stall_ns)}")
        return f"{head}({', '.join(parts)})"

    def _set(self, **values: Any) -> Self:
        for name, value in values.items():
            object.__setattr__(self, name, value)  # frozen for everybody else
        return self


def reader_or_none(given: object) -> Reader | None:
    """A checked reader; None is nobody."""
    if given is None or isinstance(given, Reader):
        return given
    raise ConfigError(
        "reader",
        passed=given,
        allowed='a Reader, such as relaylab.Reader(latency="10 ms"), or None for nobody',
    )


def _duration(name: str, value: Quantity) -> int:
    duration = units.parse_duration(value, name)
    if duration > _LONGEST:
        raise ConfigError(name, passed=value, allowed="less than 146 years")
    return int(duration)


def _rate(value: Quantity | None) -> float | None:
    if value is None or value == math.inf:
        return None
    rate = units.parse_bandwidth(value, "rate")
    if rate < 1:
        raise ConfigError(
            "rate", passed=value, allowed='1 byte a second or more: "2 GB/s"; None is unlimited'
        )
    return rate


def _quoted(duration: int) -> str:
    return f'"{units.format_duration(duration)}"'


def _by_cpu(
    one: Any, other: Any, its_name: str, other_name: str
) -> dict[int, tuple[ArrayLike, ArrayLike]]:
    if not isinstance(one, Mapping) and not isinstance(other, Mapping):
        return {0: (one, other)}
    if not (isinstance(one, Mapping) and isinstance(other, Mapping) and one.keys() == other.keys()):
        raise ConfigError(
            f"{its_name} and {other_name}",
            passed=f"{type(one).__name__} and {type(other).__name__}",
            allowed="two arrays, or two dicts with the same CPUs",
        )
    return {cpu: (one[cpu], other[cpu]) for cpu in one}


def _column(name: str, values: ArrayLike) -> NDArray[np.int64]:
    array = np.asarray(values)
    if array.size == 0:
        return np.zeros(0, np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        shape = f"{array.dtype}{list(array.shape)}"
        raise ConfigError(name, passed=shape, allowed="a one-dimensional array of integers")
    if array.min() < 0 or array.max() > _LONGEST:
        raise ConfigError(name, passed=f"{array.min()} .. {array.max()}", allowed="0 .. 2^62")
    return array.astype(np.int64)


def _ascending(name: str, values: ArrayLike) -> NDArray[np.int64]:
    column = _column(name, values)
    if np.any(np.diff(column) < 0):
        first = int(np.argmax(np.diff(column) < 0)) + 1
        raise ConfigError(
            f"{name}[{first}]",
            passed=int(column[first]),
            allowed=f"{int(column[first - 1])} or more",
            hint="Sort it.",
        )
    return column


def _same_length(names: str, *columns: NDArray[np.int64]) -> None:
    lengths = tuple(len(column) for column in columns)
    if len(set(lengths)) > 1:
        raise ConfigError(names, passed=lengths, allowed="arrays of one length")


def _columns(*columns: ArrayLike) -> Schedule:
    return np.ascontiguousarray(np.stack([np.asarray(c, np.int64) for c in columns], axis=1))
