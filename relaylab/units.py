"""Quantities with units, to and from numbers: "64 KiB", "2 ms", "1.5 M/s", "2 GB/s".

Numbers pass through as they are: bytes, nanoseconds, events or bytes per second. KiB, MiB ... are
powers of 1024; kB, MB ... of 1000, as disks and networks count. A bare k, M or G after a size of
memory is binary ("64k" is what one types for a buffer of 64 KiB); in a rate it is decimal.
"""

import operator
import re
from fractions import Fraction
from typing import Any, NewType, SupportsIndex, TypeAlias

from relaylab.errors import ConfigError

Bytes = NewType("Bytes", int)
Nanoseconds = NewType("Nanoseconds", int)

Quantity: TypeAlias = str | float | SupportsIndex

_DECIMAL = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}

_BYTES = (
    {"b": 1, "byte": 1, "bytes": 1}
    | _BINARY
    | {f"{p}ib": f for p, f in _BINARY.items() if p}
    | {f"{p}b": f for p, f in _DECIMAL.items() if p}
)
_TIMES = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,  # micro sign
    "μs": 10**3,  # Greek mu
    "ms": 10**6,
    "s": 10**9,
    "sec": 10**9,
    "min": 60 * 10**9,
    "h": 3600 * 10**9,
}
_EVENTS = _DECIMAL | {"events": 1, "event": 1} | {f"{p} events": f for p, f in _DECIMAL.items()}
_BYTES_A_SECOND = _BYTES | _DECIMAL  # a bare prefix is decimal here

_NUMBER = re.compile(r"\s*([0-9][0-9_]*\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]{1,3})?\s*(.*?)\s*", re.I)
_LONGEST = 64  # characters; int() refuses very long texts with an error of its own
_LARGEST = 2**63 - 1


def parse_bytes(value: Quantity, what: str = "size") -> Bytes:
    """The number of bytes that `value` means.

    Parameters
    ----------
    value : str or int
        "64 KiB", "64k", "1.5 MB", "4096"; an int is bytes.
    what : str
        The name that an error gives it.

    Returns
    -------
    int
        Bytes, 0 .. 2^63-1.

    Raises
    ------
    ConfigError
        Not a size, negative, or not a whole number of bytes.
    """
    exact = _parse(value, _BYTES, what, 'a size such as "64 KiB", "64k", "1.5 MB" or bytes')
    return Bytes(_whole(exact, value, what, "bytes"))


def parse_duration(value: Quantity, what: str = "duration") -> Nanoseconds:
    """The nanoseconds that `value` means.

    Parameters
    ----------
    value : str or int
        "2 ms", "200 us", "1.5 s", "1 min"; a number is nanoseconds. Rounded to whole nanoseconds.
    what : str
        The name that an error gives it.

    Returns
    -------
    int
        Nanoseconds, 0 .. 2^63-1.

    Raises
    ------
    ConfigError
        Not a duration, or negative; also a text without a unit, which could mean anything.
    """
    exact = _parse(
        value, _TIMES, what, 'a duration such as "2 ms", "200 us", "1.5 s" (a unit is needed)'
    )
    return Nanoseconds(round(exact))


def parse_rate(value: Quantity, what: str = "rate") -> float:
    """The events per second that `value` means.

    Parameters
    ----------
    value : str or float
        "1.5 M/s", "200k/s", "50 events/s", "3 /ms"; a number is events per second.
    what : str
        The name that an error gives it.

    Returns
    -------
    float
        Events per second, >= 0 and finite.

    Raises
    ------
    ConfigError
        Not a rate, or negative.
    """
    return float(
        _parse(value, _EVENTS, what, 'a rate such as "1.5 M/s", "200k/s" or events per second')
    )


def parse_bandwidth(value: Quantity, what: str = "bandwidth") -> float:
    """The bytes per second that `value` means.

    Parameters
    ----------
    value : str or float
        "2 GB/s", "64 KiB/ms"; a number is bytes per second.
    what : str
        The name that an error gives it.

    Returns
    -------
    float
        Bytes per second, >= 0 and finite.

    Raises
    ------
    ConfigError
        Not a bandwidth, or negative.
    """
    return float(
        _parse(value, _BYTES_A_SECOND, what, 'a rate such as "2 GB/s" or bytes per second')
    )


def format_bytes(n: float, *, exact: bool = False) -> str:
    """`n` bytes for a person: "64 KiB", "1.46 MiB", "100 B".

    With `exact` no digit is dropped, so that :func:`parse_bytes` gives `n` back: "65537 B".
    """
    if exact:
        return _exact(n, 1024, ("B", "KiB", "MiB", "GiB", "TiB"))
    return _scaled(n, 1024, ("B", "KiB", "MiB", "GiB", "TiB"))


def format_duration(ns: float, *, exact: bool = False) -> str:
    """`ns` nanoseconds for a person: "200 us", "1.5 s", "2 min 5 s".

    With `exact` no digit is dropped, so that :func:`parse_duration` gives `ns` back: "1500 ms".
    """
    if exact:
        return _exact(ns, 1000, ("ns", "us", "ms", "s"))
    if abs(ns) >= 120e9:
        seconds = round(ns / 1e9)
        hours, minutes, seconds = seconds // 3600, seconds // 60 % 60, seconds % 60
        parts = [(hours, "h"), (minutes, "min"), (seconds, "s")]
        return " ".join(f"{n} {unit}" for n, unit in parts if n)
    return _scaled(ns, 1000, ("ns", "us", "ms", "s"))


def format_count(n: float) -> str:
    """`n` of anything for a person: "950", "1.5 M"."""
    return _scaled(n, 1000, ("", "k", "M", "G", "T")).rstrip()


def format_rate(per_second: float) -> str:
    """A number of events per second for a person: "1.5 M/s", "50 /s"."""
    return _scaled(per_second, 1000, ("", "k", "M", "G", "T")) + "/s"


def format_bandwidth(per_second: float) -> str:
    """A number of bytes per second for a person: "2 GB/s"."""
    return _scaled(per_second, 1000, ("B", "kB", "MB", "GB", "TB")) + "/s"


def _parse(value: Quantity, units: dict[str, int], what: str, allowed: str) -> Fraction:
    exact = _text(value, units) if isinstance(value, str) else _number(value)
    if exact is None:
        raise ConfigError(what, passed=value, allowed=allowed)
    if not 0 <= exact <= _LARGEST:
        raise ConfigError(what, passed=value, allowed=f"{allowed}, up to 2^63-1")
    return exact


def _text(value: str, units: dict[str, int]) -> Fraction | None:
    """A number and a unit, exactly; None if it isn't that. "2 GB/s" is both, a time."""
    per_second = Fraction(1)
    if units is _EVENTS or units is _BYTES_A_SECOND:
        value, slash, per = value.partition("/")
        if slash:
            if _normal(per) not in _TIMES:
                return None
            per_second = Fraction(10**9, _TIMES[_normal(per)])
    match = _NUMBER.fullmatch(value) if len(value) <= _LONGEST else None
    factor = units.get(_normal(match[3])) if match else None
    if match is None or factor is None:
        return None
    digits = match[1].replace("_", "").rstrip(".")
    return Fraction(digits + (match[2] or "")) * factor * per_second


def _number(value: Any) -> Fraction | None:
    """A plain number, exactly; None for nan, infinity and bool, which are none."""
    if isinstance(value, bool):
        return None
    try:
        return Fraction(*value.as_integer_ratio())
    except (AttributeError, TypeError, ValueError, OverflowError):
        pass
    try:
        return Fraction(operator.index(value))
    except TypeError:
        return None


def _whole(exact: Fraction, value: Quantity, what: str, unit: str) -> int:
    if exact.denominator != 1:
        raise ConfigError(what, passed=value, allowed=f"a whole number of {unit}")
    return exact.numerator


def _normal(unit: str) -> str:
    return " ".join(unit.lower().split())


def _exact(value: float, step: int, units: tuple[str, ...]) -> str:
    """The whole number in the largest unit that divides it."""
    n, i = int(value), 0
    while i < len(units) - 1 and n and n % step == 0:
        n, i = n // step, i + 1
    return f"{n} {units[i]}"


def _scaled(value: float, step: int, units: tuple[str, ...]) -> str:
    """Three significant digits in the largest unit that keeps the number at 1 or above."""
    size, i = abs(value), 0
    while i < len(units) - 1 and float(_digits(size)) >= step:
        size, i = size / step, i + 1
    return f"{'-' if value < 0 else ''}{_digits(size)} {units[i]}"


def _digits(size: float) -> str:
    return f"{size:.0f}" if size >= 100 else f"{size:.3g}"
