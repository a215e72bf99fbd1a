"""Checking arguments at the door: each returns a plain value or raises ConfigError."""

from __future__ import annotations

import operator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from relaylab.core.layout import LINUX, RELAYFS
from relaylab.errors import ConfigError

INT_MAX: Final = 2**31 - 1
MAX_BYTES: Final = 2**32 - 4096  # relayfs keeps sizes in 32 bits
RULES: Final = {"relayfs": RELAYFS, "linux": LINUX}


def integer(name: str, value: Any, low: int, high: int, hint: str | None = None) -> int:
    """`value` as an int from `low` to `high`; a bool is not a number here."""
    if type(value) is int and low <= value <= high:
        return value
    try:
        if not isinstance(value, bool | np.bool_):
            value = operator.index(value)
            if low <= value <= high:
                return int(value)
    except TypeError:
        pass
    raise ConfigError(name, passed=value, allowed=f"an integer from {low} to {high}", hint=hint)


def flag(name: str, value: Any) -> bool:
    """Any int or bool; non-zero is true."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    try:
        return operator.index(value) != 0
    except TypeError:
        raise ConfigError(name, passed=value, allowed="an int or a bool") from None


def rules(value: Any) -> int:
    """The number of the rules of this name: those of 2005, or of today's kernel."""
    if isinstance(value, str) and value in RULES:
        return RULES[value]
    raise ConfigError("rules", passed=value, allowed=" or ".join(map(repr, RULES)))


def shape(subbuf_size: Any, n_subbufs: Any) -> tuple[int, int]:
    """A sub-buffer size and count that a buffer can have."""
    size = integer("subbuf_size", subbuf_size, 1, INT_MAX)
    count = integer("n_subbufs", n_subbufs, 1, INT_MAX)
    if size * count > MAX_BYTES:
        raise ConfigError(
            "subbuf_size * n_subbufs",
            passed=size * count,
            allowed=f"at most {MAX_BYTES} bytes",
            hint="Take fewer or smaller sub-buffers.",
        )
    return size, count


def event_bytes(data: Any) -> NDArray[np.uint8]:
    """The bytes of an event: of anything that has a buffer."""
    if type(data) is bytes and data:
        return np.frombuffer(data, np.uint8)
    try:
        view = memoryview(data)
        if view.nbytes == 0:
            return np.empty(0, np.uint8)
        contiguous = view if view.c_contiguous else memoryview(view.tobytes())
        return np.frombuffer(contiguous.cast("B"), np.uint8)
    except (TypeError, ValueError, BufferError):
        raise ConfigError(
            "data",
            passed=data,
            allowed="bytes, bytearray, memoryview or an array",
            hint="Encode text first: text.encode().",
        ) from None


def address(array: NDArray[Any]) -> int:
    """Where an array's elements are; three times as fast as its `ctypes.data`."""
    return int(array.__array_interface__["data"][0])


_HOW_TO_BATCH: Final = (
    "Events of one length: np.frombuffer(b''.join(events), np.uint8).reshape(len(events), -1). "
    "Of different lengths: (np.frombuffer(b''.join(events), np.uint8), "
    "np.cumsum([0, *map(len, events)], dtype=np.int64))."
)


def is_pair(events: Any) -> bool:
    """Whether a batch looks like (data, offsets) rather than like a list of events."""
    return (
        isinstance(events, tuple | list)
        and len(events) == 2
        and any(isinstance(part, np.ndarray) for part in events)
    )


def rows(events: Any) -> NDArray[np.uint8]:
    """A batch of events of one length: uint8[n_events, length]."""
    if isinstance(events, np.ndarray) and events.dtype == np.uint8 and events.ndim == 2:
        return np.ascontiguousarray(events)
    raise ConfigError(
        "events",
        passed=_kind(events),
        allowed="a uint8 array [n_events, length], or a pair (data, offsets)",
        hint=_HOW_TO_BATCH,
    )


def ragged(data: Any, offsets: Any) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """A batch of events of different lengths: event i is data[offsets[i]:offsets[i + 1]]."""
    if not (isinstance(data, np.ndarray) and data.dtype == np.uint8 and data.ndim == 1):
        raise ConfigError(
            "data", passed=_kind(data), allowed="a uint8 array [n_bytes]", hint=_HOW_TO_BATCH
        )
    if not (
        isinstance(offsets, np.ndarray)
        and offsets.dtype == np.int64
        and offsets.ndim == 1
        and len(offsets) > 0
    ):
        raise ConfigError(
            "offsets",
            passed=_kind(offsets),
            allowed="an int64 array [n_events + 1]",
            hint=_HOW_TO_BATCH,
        )
    # A copy: nobody changes it between the check and the use.
    bounds = offsets.copy()
    if bounds[0] < 0 or bounds[-1] > len(data) or bool((bounds[1:] < bounds[:-1]).any()):
        raise ConfigError(
            "offsets",
            passed=offsets,
            allowed=f"ascending numbers from 0 to {len(data)}, the length of data",
        )
    return np.ascontiguousarray(data), bounds


def _kind(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} array {list(value.shape)}"
    if isinstance(value, tuple | list):
        kinds = sorted({type(part).__name__ for part in value})
        return f"{type(value).__name__} of {len(value)} ({', '.join(kinds)})"
    return type(value).__name__
