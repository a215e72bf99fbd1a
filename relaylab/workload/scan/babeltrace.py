"""A line of babeltrace2, compiled: `[time] (+delta) host event: { context }, { payload }`."""

from typing import Any, Final

from relaylab.core.jit import njit
from relaylab.workload.scan.codes import (
    BAD_TIME,
    DAY,
    EVENT,
    FOREIGN,
    LAST_T,
    NAME,
    NO_CPU,
    NOTHING,
)
from relaylab.workload.scan.text import (
    COLON,
    CURLY,
    CURLY_END,
    LEFT,
    RIGHT,
    is_digit,
    is_space,
    number_in,
    past_spaces,
    seconds_in,
    starts_with,
)

_DAY_NS: Final = 86_400_000_000_000


@njit(nogil=True)
def babeltrace_line(data: Any, at: int, end: int, default_cpu: int, told: Any) -> Any:
    """(what it is, t_ns, cpu, end of the name) of a line of babeltrace2."""
    if past_spaces(data, at, end) == end:
        return NOTHING, 0, 0, 0
    if int(data[at]) != LEFT:
        return FOREIGN, 0, 0, 0
    close = at
    while close < end and int(data[close]) != RIGHT:
        close += 1
    if close == end:
        return FOREIGN, 0, 0, 0
    t_ns = _clock(data, at + 1, close, told)
    if t_ns < 0:
        return BAD_TIME, 0, 0, 0
    # The name is the token before the first `: ` that a field or the end of the line follows.
    colon = close + 1
    while colon < end:
        if int(data[colon]) == COLON:
            after = past_spaces(data, colon + 1, end)
            if after > colon + 1 and (after == end or _opens(data, after, end)):
                break
        colon += 1
    name = colon
    while name > close + 1 and not is_space(int(data[name - 1])):
        name -= 1
    if colon >= end or name == colon:
        return FOREIGN, 0, 0, 0
    cpu = -1
    i = colon
    while cpu < 0 and i < end:
        if int(data[i]) == 99 and starts_with(data, i, end, b"cpu_id = "):
            digits = i + 9
            stop = digits
            while stop < end and is_digit(int(data[stop])):
                stop += 1
            cpu = number_in(data, digits, stop)
            if cpu < 0:
                return NO_CPU, 0, 0, 0
        if int(data[i]) == CURLY_END:
            break  # the packet's context comes first
        i += 1
    if cpu < 0:
        cpu = default_cpu
    if cpu < 0:
        return NO_CPU, 0, 0, 0
    told[NAME] = name
    return EVENT, t_ns, cpu, colon


@njit(nogil=True)
def _opens(data: Any, at: int, end: int) -> bool:
    """Whether fields begin here: `{`, or the name of a scope and then `{`."""
    return (
        int(data[at]) == CURLY
        or starts_with(data, at, end, b"stream.")
        or starts_with(data, at, end, b"event.")
    )


@njit(nogil=True)
def _clock(data: Any, at: int, end: int, told: Any) -> int:
    """Nanoseconds of babeltrace2's time between the brackets; -1 if it is none.

    `HH:MM:SS.frac`, with or without `YYYY-MM-DD ` before it, `secs.frac`, or cycles, which are
    taken for nanoseconds. A time of day that is 12 hours or more back is of the next day.
    """
    colon = at
    while colon < end and int(data[colon]) != COLON:
        colon += 1
    if colon == end:
        cycles = number_in(data, at, end)
        return cycles if cycles >= 0 else seconds_in(data, at, end)
    if end - colon < 7 or colon - at < 2:
        return -1
    hours = number_in(data, colon - 2, colon)
    minutes = number_in(data, colon + 1, colon + 3)
    seconds = seconds_in(data, colon + 4, end)
    if not (0 <= hours <= 23 and 0 <= minutes <= 59 and 0 <= seconds < 61_000_000_000):
        return -1
    of_day = (hours * 60 + minutes) * 60_000_000_000 + seconds
    if colon - 2 == at:
        now = of_day + int(told[DAY])
        if now < told[LAST_T] - _DAY_NS // 2:
            told[DAY] += _DAY_NS
            now += _DAY_NS
        return now
    if colon - 2 - at != 11:
        return -1
    year = number_in(data, at, at + 4)
    month = number_in(data, at + 5, at + 7)
    day = number_in(data, at + 8, at + 10)
    if not (1970 <= year <= 2261 and 1 <= month <= 12 and 1 <= day <= 31):
        return -1
    # Days since 1970-01-01 in the Gregorian calendar, the year counted from March.
    y = year - (month <= 2)
    days = 365 * y + y // 4 - y // 100 + y // 400 + (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return (days - 719468) * _DAY_NS + of_day
