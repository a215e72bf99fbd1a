"""A line of ftrace or perf, compiled.

`comm-pid [cpu] flags secs.frac: event: ...` of trace-cmd report and the kernel's own trace file,
`comm pid [cpu] secs.frac: period event: ...` of perf script."""

from typing import Any

from relaylab.core.jit import njit
from relaylab.workload.scan.codes import BAD_TIME, EVENT, FOREIGN, NAME, NO_CPU, NOTHING
from relaylab.workload.scan.text import (
    COLON,
    HASH,
    LEFT,
    RIGHT,
    is_digit,
    number_in,
    past_spaces,
    past_token,
    seconds_in,
    starts_with,
)


@njit(nogil=True)
def tracer_line(data: Any, at: int, end: int, told: Any) -> Any:
    """(what it is, t_ns, cpu, end of the name) of a line of perf or ftrace."""
    begin = past_spaces(data, at, end)
    first = begin
    # The time is the first token `digits.digits:`; the two tokens before it may be CPU and flags.
    before, before_end, last, last_end = begin, begin, begin, begin
    t_ns = -1
    token_end = begin
    while begin < end:
        token_end = past_token(data, begin, end)
        if last_end > last and int(data[token_end - 1]) == COLON and is_digit(int(data[begin])):
            t_ns = seconds_in(data, begin, token_end - 1)
            if t_ns != -1:
                break
        before, before_end, last, last_end = last, last_end, begin, token_end
        begin = past_spaces(data, token_end, end)
    if t_ns == -1:
        return _beside(data, at, first, end), 0, 0, 0
    if t_ns < 0:
        return BAD_TIME, 0, 0, 0
    cpu = _cpu_of(data, last, last_end)
    if cpu < 0:
        cpu = _cpu_of(data, before, before_end)
    if cpu < 0:
        cpu = _cpu_with_flags(data, last, last_end)
    if cpu < 0:
        return NO_CPU, t_ns, 0, 0
    # perf prints the period, trace-cmd the difference in time before the name.
    name = past_spaces(data, token_end, end)
    name_end = past_token(data, name, end)
    if name < name_end and (
        number_in(data, name, name_end) >= 0 or starts_with(data, name, name_end, b"(+")
    ):
        name = past_spaces(data, name_end, end)
        name_end = past_token(data, name, end)
    if name == name_end:
        return FOREIGN, 0, 0, 0
    if starts_with(data, name, name_end, b"PERF_RECORD_"):
        return NOTHING, 0, 0, 0
    if int(data[name_end - 1]) == COLON and name_end - name > 1:
        name_end -= 1
    told[NAME] = name
    return EVENT, t_ns, cpu, name_end


@njit(nogil=True)
def _cpu_of(data: Any, at: int, end: int) -> int:
    """The CPU of the token `[001]`; -1 if it is none."""
    if end - at < 3 or int(data[at]) != LEFT or int(data[end - 1]) != RIGHT:
        return -1
    return number_in(data, at + 1, end - 1)


@njit(nogil=True)
def _cpu_with_flags(data: Any, at: int, end: int) -> int:
    """The CPU of the token `1d..2.`, as the latency format has it; -1 if it is none."""
    digits = at
    while digits < end and is_digit(int(data[digits])):
        digits += 1
    flags = end - digits
    return number_in(data, at, digits) if 3 <= flags <= 8 else -1


@njit(nogil=True)
def _beside(data: Any, at: int, first: int, end: int) -> int:
    """Whether a line that is no event may stand between events."""
    if first == end or int(data[first]) == HASH:
        return NOTHING
    if starts_with(data, first, end, b"=>"):
        return NOTHING
    if first > at:  # a line of a call chain: an address, then a symbol
        token_end = past_token(data, first, end)
        if token_end < end and _hexadecimal_token(data, first, token_end):
            return NOTHING
    for text in (b"cpus=", b"version = ", b"CPU:", b"CPU "):
        if starts_with(data, at, end, text):
            return NOTHING
    return FOREIGN


@njit(nogil=True)
def _hexadecimal_token(data: Any, at: int, end: int) -> bool:
    for i in range(at, end):
        byte = int(data[i])
        if not (is_digit(byte) or 97 <= byte <= 102):
            return False
    return True
