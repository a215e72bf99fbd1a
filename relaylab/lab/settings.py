"""What a run is opened with: sizes, CPUs, overwrite, rate and the reader that drains it."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from relaylab import units
from relaylab.channel import arguments
from relaylab.errors import ConfigError
from relaylab.workload.reader import Pace

FULL_SPEED = math.inf
MAX_CPUS = 64
MAX_SUBBUFS = 4096
MAX_MEMORY = 2**30
MAX_LATENCY_NS = 10**10
RULES = tuple(arguments.RULES)

LATENCY, READER_SPEED = "reader's latency", "reader's speed"

_AT_FULL_SPEED = ("max", "full speed", "inf")

LIMITS = {
    "subbuf_size": (MAX_MEMORY, "bytes"),
    "n_subbufs": (MAX_SUBBUFS, "sub-buffers"),
    "n_cpus": (MAX_CPUS, "CPUs"),
}
"""The most of each size, and its unit; the least is 1."""


@dataclass(frozen=True)
class ReaderModel:
    """A reader that wakes `latency_ns` after a sub-buffer became ready and takes its time to read.

    Attributes
    ----------
    latency_ns : int
        From ready to running, nanoseconds.
    per_subbuf_ns : int
        For each sub-buffer, nanoseconds.
    bytes_per_s : float
        How fast it reads what is in one, bytes a second; infinity is as fast as it can.

    Raises
    ------
    ConfigError
        A time that is no whole number of nanoseconds up to 10 s, or a speed that is not above 0.
    """

    latency_ns: int = 0
    per_subbuf_ns: int = 0
    bytes_per_s: float = FULL_SPEED

    def __post_init__(self) -> None:
        _check_range("latency_ns", self.latency_ns, MAX_LATENCY_NS, "ns")
        _check_range("per_subbuf_ns", self.per_subbuf_ns, MAX_LATENCY_NS, "ns")
        if not is_above_0(self.bytes_per_s):
            allowed = "bytes a second above 0; inf is as fast as it can"
            raise ConfigError("bytes_per_s", passed=self.bytes_per_s, allowed=allowed)
        _keep_as(self, int, "latency_ns", "per_subbuf_ns")
        _keep_as(self, float, "bytes_per_s")

    def __str__(self) -> str:
        parts = [f"{units.format_duration(self.latency_ns)} latency"]
        if self.per_subbuf_ns:
            parts.append(f"{units.format_duration(self.per_subbuf_ns)} a sub-buffer")
        if self.bytes_per_s < FULL_SPEED or not self.per_subbuf_ns:
            parts.append(format_bandwidth(self.bytes_per_s))
        return ", ".join(parts)

    @property
    def brief(self) -> str:
        """The same in few letters, for a list."""
        work = f", {units.format_duration(self.per_subbuf_ns)}" if self.per_subbuf_ns else ""
        speed = format_bandwidth(self.bytes_per_s)
        return f"{units.format_duration(self.latency_ns)}{work}, {speed}"

    def work_ns(self, count: int) -> int:
        """Nanoseconds for a sub-buffer that holds `count` bytes."""
        return self.per_subbuf_ns + int(1e9 * count / self.bytes_per_s)

    def pace(self) -> Pace:
        """The same for those who read."""
        speed = None if self.bytes_per_s == FULL_SPEED else self.bytes_per_s
        return Pace(self.latency_ns, self.per_subbuf_ns, speed)


@dataclass(frozen=True)
class Settings:
    """Parameters of a run.

    Attributes
    ----------
    subbuf_size : int
        Bytes of a sub-buffer.
    n_subbufs : int
        Sub-buffers of a buffer.
    n_cpus : int
        Buffers of the channel.
    overwrite : bool
        Flight recorder (True) or lose what does not fit (False).
    rate : float
        Events offered a second over all CPUs; infinity is full speed, 0 the workload's own pace. In
        virtual time events stepped a second while playing, 0 a pace that can be followed.
    reader : ReaderModel
        Who drains the channel.
    header : int
        Bytes that subbuf_start reserves at the start of each sub-buffer, 0 .. subbuf_size.
    store_padding : bool
        Whether a sub-buffer that is finished gets its padding stored there, as a uint32.
    commit_delay : int
        In virtual time, ns from relay_reserve to relay_commit of each event; 0 is relay_write,
        which commits nothing.
    rules : str
        "relayfs" of 2005, or "linux": those of today's kernel.

    Raises
    ------
    ConfigError
        A value of another type or out of range, or more than 1 GiB in all.
    """

    subbuf_size: int = 4096
    n_subbufs: int = 16
    n_cpus: int = 2
    overwrite: bool = False
    rate: float = 0.0
    reader: ReaderModel = field(default_factory=ReaderModel)
    header: int = 0
    store_padding: bool = False
    commit_delay: int = 0
    rules: str = "relayfs"

    def __post_init__(self) -> None:
        for name in LIMITS:
            check_limits(name, getattr(self, name))
        _check_range("header", self.header, self.subbuf_size, "bytes, the sub-buffer's size")
        _check_range("commit_delay", self.commit_delay, MAX_LATENCY_NS, "ns")
        if not isinstance(self.reader, ReaderModel):
            raise ConfigError("reader", passed=self.reader, allowed="a relaylab.lab.ReaderModel")
        if self.rules not in RULES:
            raise ConfigError("rules", passed=self.rules, allowed=" or ".join(RULES))
        memory = self.subbuf_size * self.n_subbufs * self.n_cpus
        if memory > MAX_MEMORY:
            raise ConfigError(
                "memory of the channel",
                passed=units.format_bytes(memory),
                allowed=f"up to {units.format_bytes(MAX_MEMORY)} in the workbench",
                hint="Make sub-buffers smaller or fewer.",
            )
        _keep_as(self, int, *LIMITS, "header", "commit_delay")


def check_limits(name: str, value: int, what: str = "") -> None:
    """Whether a size is allowed by itself.

    Parameters
    ----------
    name : str
        A key of `LIMITS`.
    value : int
        What was asked for.
    what : str, optional
        What the error calls it; "" is `name`.

    Raises
    ------
    ConfigError
        Less than 1, more than the limit, or no whole number.
    """
    most, unit = LIMITS[name]
    if not _is_whole(value) or not 1 <= value <= most:
        raise ConfigError(
            what or name, passed=value, allowed=f"1 .. {most} {unit}", hint="Change the input."
        )


def _check_range(what: str, value: int, most: int, unit: str) -> None:
    if not _is_whole(value) or not 0 <= value <= most:
        raise ConfigError(what, passed=value, allowed=f"0 .. {most} {unit}")


def is_above_0(value: object) -> bool:
    """Whether it is a number above 0, maybe infinity."""
    return isinstance(value, int | float | np.number) and bool(value > 0)


def _keep_as(frozen: object, kind: type, *names: str) -> None:
    """NumPy's numbers as Python's, which JSON knows."""
    for name in names:
        object.__setattr__(frozen, name, kind(getattr(frozen, name)))


def _is_whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def parse_latency(text: str) -> int:
    """The latency of a reader that a person typed: "200 us".

    Raises
    ------
    ConfigError
        No duration, or longer than a person would wait.
    """
    latency = _parsed(units.parse_duration, text, LATENCY, 'a duration such as "200 us" or "0 ms"')
    if latency > MAX_LATENCY_NS:
        raise ConfigError(LATENCY, passed=text, allowed="up to 10 s", hint="Change the input.")
    return int(latency)


def parse_bandwidth(text: str) -> float:
    """The speed of a reader that a person typed: "2 GB/s", or "max" for as fast as it can.

    Raises
    ------
    ConfigError
        No rate of bytes, or 0.
    """
    if text.strip().lower() in _AT_FULL_SPEED:
        return FULL_SPEED
    allowed = 'bytes a second, such as "2 GB/s", or "max"'
    rate = float(_parsed(units.parse_bandwidth, text, READER_SPEED, allowed))
    if rate < 1:
        hint = "To halt a reader press its Pause."
        raise ConfigError(READER_SPEED, passed=text, allowed=allowed, hint=hint)
    return rate


def format_bandwidth(rate: float) -> str:
    """The text that `parse_bandwidth` reads as this rate, to three digits."""
    return "max" if rate == FULL_SPEED else units.format_bandwidth(rate)


def _parsed(parse: Callable[[str, str], float], text: str, what: str, allowed: str) -> float:
    try:
        return parse(text, what)
    except ConfigError as error:
        raise ConfigError(what, passed=text, allowed=allowed, hint="Change the input.") from error


def parse_speed(text: str) -> float:
    """The rate that a person typed: "100 k/s", or "max" for full speed.

    Parameters
    ----------
    text : str
        What was typed.

    Returns
    -------
    float
        Events a second over all CPUs, > 0; infinity is full speed.

    Raises
    ------
    ConfigError
        No rate, or 0.
    """
    if text.strip().lower() in _AT_FULL_SPEED:
        return FULL_SPEED
    allowed = 'events a second, such as "100 k/s", or "max"'
    try:
        rate = units.parse_rate(text, "rate")
    except ConfigError as error:
        raise ConfigError("rate", passed=text, allowed=allowed) from error
    if rate == 0:
        raise ConfigError("rate", passed=text, allowed=allowed, hint="To halt press Pause.")
    return rate


def format_speed(rate: float) -> str:
    """The text that `parse_speed` reads as this rate, to three digits."""
    return "max" if rate == FULL_SPEED else units.format_rate(rate)


def exact_size(count: int) -> str:
    """A number of bytes as a text that means exactly that."""
    for power, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if count and count % 2**power == 0:
            return f"{count >> power} {unit}"
    return f"{count} B"
