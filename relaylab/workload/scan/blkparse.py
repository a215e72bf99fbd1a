"""A line of blkparse, compiled: `major,minor cpu sequence secs.frac pid action ...`."""

from typing import Any

from relaylab.core.jit import njit
from relaylab.workload.scan.codes import BAD_TIME, EVENT, FOREIGN, NAME, NO_CPU, NOTHING
from relaylab.workload.scan.text import (
    COLON,
    COMMA,
    is_digit,
    number_in,
    past_spaces,
    past_token,
    seconds_in,
    starts_with,
)


@njit(nogil=True)
def blkparse_line(data: Any, at: int, end: int, told: Any) -> Any:
    """(what it is, t_ns, cpu, end of the name) of a line of blkparse."""
    begin = past_spaces(data, at, end)
    if begin == end:
        return NOTHING, 0, 0, 0
    if not is_digit(int(data[begin])):
        # Totals come after the events: `CPU0 (sda):`, ` Reads Queued: ...`.
        upper = 65 <= int(data[begin]) <= 90
        for i in range(begin, end):
            if upper and (int(data[i]) == COLON or starts_with(data, i, end, b" added")):
                return NOTHING, 0, 0, 0
        return FOREIGN, 0, 0, 0
    token_end = past_token(data, begin, end)
    comma = begin
    while comma < token_end and int(data[comma]) != COMMA:
        comma += 1
    if number_in(data, begin, comma) < 0 or number_in(data, comma + 1, token_end) < 0:
        return FOREIGN, 0, 0, 0
    begin = past_spaces(data, token_end, end)
    token_end = past_token(data, begin, end)
    cpu = number_in(data, begin, token_end)
    if cpu < 0:
        return NO_CPU, 0, 0, 0
    begin = past_spaces(data, token_end, end)
    token_end = past_token(data, begin, end)
    if number_in(data, begin, token_end) < 0:
        return FOREIGN, 0, 0, 0
    begin = past_spaces(data, token_end, end)
    token_end = past_token(data, begin, end)
    t_ns = seconds_in(data, begin, token_end)
    if t_ns < 0:
        return BAD_TIME, 0, 0, 0
    begin = past_spaces(data, token_end, end)
    token_end = past_token(data, begin, end)
    if number_in(data, begin, token_end) < 0:
        return FOREIGN, 0, 0, 0
    begin = past_spaces(data, token_end, end)
    token_end = past_token(data, begin, end)
    if begin == token_end:
        return FOREIGN, 0, 0, 0
    if token_end - begin == 1 and int(data[begin]) == 109:
        return NOTHING, 0, 0, 0  # m: a message, which blktrace keeps as a notify record
    told[NAME] = begin
    return EVENT, t_ns, cpu, token_end
