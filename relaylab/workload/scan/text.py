"""Bytes of text, compiled: digits, spaces, tokens, numbers, times."""

from typing import Any, Final

from relaylab.core.jit import njit

SPACE, TAB, LF, CR, QUOTE, HASH, DOT, COLON, COMMA, EQUALS = b' \t\n\r"#.:,='
OPEN, CLOSE, LEFT, RIGHT, CURLY, CURLY_END, BACKSLASH = b"()[]{}\\"
ZERO, NINE = b"09"

_MAX_SECONDS: Final = 9_223_372_035


@njit(hot=True)
def is_digit(byte: int) -> bool:
    return ZERO <= byte <= NINE


@njit(hot=True)
def is_space(byte: int) -> bool:
    return byte in (SPACE, TAB, CR)


@njit(hot=True)
def past_spaces(data: Any, at: int, end: int) -> int:
    while at < end and is_space(int(data[at])):
        at += 1
    return at


@njit(hot=True)
def past_token(data: Any, at: int, end: int) -> int:
    while at < end and not is_space(int(data[at])):
        at += 1
    return at


@njit(hot=True)
def number_in(data: Any, at: int, end: int) -> int:
    """The decimal or 0x number that is all of data[at:end]; -1 if it is none or too large."""
    if at >= end or end - at > 20:
        return -1
    if end - at > 2 and int(data[at]) == ZERO and int(data[at + 1]) == 120:
        return _hexadecimal(data, at + 2, end)
    value = 0
    for i in range(at, end):
        byte = int(data[i])
        if not is_digit(byte) or value > 922_337_203_685_477_579:
            return -1
        value = value * 10 + byte - ZERO
    return value


@njit(hot=True)
def _hexadecimal(data: Any, at: int, end: int) -> int:
    if at >= end or end - at > 15:
        return -1
    value = 0
    for i in range(at, end):
        byte = int(data[i]) | 32
        if is_digit(int(data[i])):
            value = value * 16 + int(data[i]) - ZERO
        elif 97 <= byte <= 102:
            value = value * 16 + byte - 87
        else:
            return -1
    return value


@njit(hot=True)
def seconds_in(data: Any, at: int, end: int) -> int:
    """Nanoseconds of `secs.frac`, all of data[at:end]; -1 if it is none, -2 if it is too large."""
    dot = at
    while dot < end and is_digit(int(data[dot])):
        dot += 1
    if dot == at or dot + 1 >= end or int(data[dot]) != DOT:
        return -1
    fraction, scale = 0, 1_000_000_000
    for i in range(dot + 1, end):
        byte = int(data[i])
        if not is_digit(byte):
            return -1
        if scale > 1:
            scale //= 10
            fraction += (byte - ZERO) * scale
    whole = number_in(data, at, dot)
    if whole < 0 or whole > _MAX_SECONDS:
        return -2
    return whole * 1_000_000_000 + fraction


@njit(hot=True)
def starts_with(data: Any, at: int, end: int, text: Any) -> bool:
    if end - at < len(text):
        return False
    for i in range(len(text)):  # noqa: SIM110  # compiled
        if int(data[at + i]) != int(text[i]):
            return False
    return True


@njit(hot=True)
def past_string(data: Any, at: int, end: int) -> int:
    """Just past the string in quotes that begins at `at`."""
    at += 1
    while at < end and int(data[at]) != QUOTE:
        at += 2 if int(data[at]) == BACKSLASH else 1
    return min(at + 1, end)
