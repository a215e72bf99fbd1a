"""What a run is opened with: sizes, CPUs, overwrite, rate and the reader that drains it."""

import math
from dataclasses import dataclass, field

from relaylab import units
from relaylab.errors import ConfigError

FULL_SPEED = math.inf
MAX_CPUS = 64
MAX_SUBBUFS = 4096
MAX_MEMORY = 2**30

LIMITS = {
    "subbuf_size": (MAX_MEMORY, "bytes"),
    "n_subbufs": (MAX_SUBBUFS, "sub-buffers"),
    "n_cpus": (MAX_CPUS, "CPUs"),
}
"""The most of each size, and its unit; the least is 1."""


@dataclass(frozen=True)
class ReaderModel:
    """A reader that wakes `latency_ns` after a sub-buffer became ready and takes its time for each.

    Attributes
    ----------
    latency_ns : int
        From ready to running, nanoseconds.
    per_subbuf_ns : int
        For each sub-buffer, nanoseconds.
    """

    latency_ns: int = 0
    per_subbuf_ns: int = 0

    def __str__(self) -> str:
        latency = units.format_duration(self.latency_ns)
        return f"{latency} latency, {units.format_duration(self.per_subbuf_ns)} a sub-buffer"


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
    """

    subbuf_size: int = 4096
    n_subbufs: int = 16
    n_cpus: int = 2
    overwrite: bool = False
    rate: float = 0.0
    reader: ReaderModel = field(default_factory=ReaderModel)

    def __post_init__(self) -> None:
        for name in LIMITS:
            check_limits(name, getattr(self, name))
        memory = self.subbuf_size * self.n_subbufs * self.n_cpus
        if memory > MAX_MEMORY:
            raise ConfigError(
                "memory of the channel",
                passed=units.format_bytes(memory),
                allowed=f"up to {units.format_bytes(MAX_MEMORY)} in the workbench",
                hint="Make sub-buffers smaller or fewer.",
            )


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
        Less than 1, or more than the limit.
    """
    most, unit = LIMITS[name]
    if not 1 <= value <= most:
        raise ConfigError(
            what or name, passed=value, allowed=f"1 .. {most} {unit}", hint="Change the input."
        )


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
    if text.strip().lower() in ("max", "full speed", "inf"):
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
