"""How large the payload is that a line of babeltrace2 prints, compiled."""

from typing import Any

from relaylab.core.jit import njit
from relaylab.workload.scan.codes import FIXED, LENGTH, MAX_SIZE, STRING
from relaylab.workload.scan.text import (
    BACKSLASH,
    CLOSE,
    COMMA,
    CURLY,
    CURLY_END,
    EQUALS,
    LEFT,
    OPEN,
    QUOTE,
    RIGHT,
    ZERO,
    is_digit,
    is_space,
    number_in,
    past_spaces,
    past_string,
    starts_with,
)


@njit(nogil=True)
def payload_of(data: Any, at: int, end: int) -> Any:
    """Where the content of the last top-level `{ ... }` begins and ends; (-1, 0) if it is cut."""
    depth, begin, stop = 0, -1, -1
    i = at
    while i < end:
        byte = int(data[i])
        if byte == QUOTE:
            i = past_string(data, i, end) - 1
        elif byte == CURLY:
            if depth == 0:
                begin = i + 1
            depth += 1
        elif byte == CURLY_END:
            depth -= 1
            if depth == 0:
                stop = i
            elif depth < 0:
                return -1, 0
        i += 1
    return (begin, stop) if depth == 0 and begin >= 0 else (-1, 0)


@njit(nogil=True)
def measure(data: Any, at: int, end: int, kinds: Any, bits: Any, first: int, stop: int) -> int:
    """Bytes of the fields in data[at:end]; BY_TEXT guesses (first < 0) or goes by the template.

    -1: not as the template says. -2: the text does not tell.
    """
    guess = first < 0
    total_bits, field = 0, first
    i = past_spaces(data, at, end)
    while i < end:
        # One field: `name = value` or `value`.
        name, value = i, i
        j = i
        while j < end and (int(data[j]) > 64 or is_digit(int(data[j]))) and int(data[j]) != LEFT:
            if int(data[j]) == CURLY:
                break
            j += 1
        named = j > i and starts_with(data, j, end, b" = ")
        if named:
            value = j + 3
        if value >= end:
            return -1
        opening = int(data[value])
        stop_value, n_elements, plain = _past_value(data, value, end)
        if stop_value < 0:
            return -1
        if guess:
            if opening == QUOTE:
                total_bits += 8 * _string_bytes(data, value, stop_value)
            elif opening == LEFT and plain:
                total_bits += 8 * n_elements
            elif not (named and starts_with(data, j - 7, j, b"_length")):
                return -2
        else:
            if field >= stop:
                return -1
            kind = int(kinds[field])
            if kind == FIXED:
                total_bits += int(bits[field])
            elif kind == LENGTH:
                n = number_in(data, value, stop_value)
                if n < 0 or n > MAX_SIZE:
                    return -1
                total_bits += n * int(bits[field])
            elif kind == STRING:
                if opening != QUOTE:
                    return -1
                total_bits += 8 * _string_bytes(data, value, stop_value)
            field += 1
        i = past_spaces(data, stop_value, end)
        if i < end:
            if int(data[i]) != COMMA or name == stop_value:
                return -1
            i = past_spaces(data, i + 1, end)
    if not guess and field != stop:
        return -1
    return min((total_bits + 7) // 8, MAX_SIZE + 1)


@njit(nogil=True)
def _string_bytes(data: Any, at: int, end: int) -> int:
    """How many bytes the string in quotes data[at:end] has, its end mark included."""
    n, i = 1, at + 1
    while i < end - 1:
        if int(data[i]) == BACKSLASH:
            i += 3 if int(data[i + 1]) == 120 else 1  # \xNN, or \n and the like
        i += 1
        n += 1
    return n


@njit(nogil=True)
def _past_value(data: Any, at: int, end: int) -> Any:
    """(just past the value, its elements if it is an array, whether all are bytes); -1 if cut."""
    depth, n_elements, plain, i = 0, 0, True, at
    number, digits = 0, 0
    while i < end:
        byte = int(data[i])
        if byte == QUOTE:
            i = past_string(data, i, end)
            plain = False
            continue
        if byte in (LEFT, CURLY, OPEN):
            depth += 1
            if depth == 2 and byte == LEFT:  # an index, `[0] = `
                while i < end and int(data[i]) != RIGHT:
                    i += 1
                depth -= 1
                number, digits = 0, 0
            elif depth > 1:
                plain = False
        elif byte in (RIGHT, CURLY_END, CLOSE):
            depth -= 1
            if depth < 0:
                break
        elif byte == COMMA and depth == 0:
            break
        elif depth == 1:
            if is_digit(byte):
                n_elements += digits == 0
                digits += 1
                number = number * 10 + byte - ZERO
                if digits > 3 or number > 255:
                    plain = False
            elif byte == COMMA:
                number, digits = 0, 0
            elif not (is_space(byte) or byte == EQUALS):
                plain = False
        i += 1
        if depth == 0 and byte in (RIGHT, CURLY_END):
            break
    if depth > 0:
        return -1, 0, False
    while i > at and is_space(int(data[i - 1])):
        i -= 1
    return (i if i > at else -1), n_elements, plain
