"""Reading lines of CSV, compiled, where they are plain: whole numbers between commas."""

from typing import Any

from relaylab.core.jit import njit
from relaylab.workload.scan.codes import AT, LAST_T, LINES, MAX_CPU, MAX_SIZE, N
from relaylab.workload.scan.text import COMMA, LF, NINE, ZERO, is_digit, past_spaces


@njit(nogil=True)
def scan(
    data: Any,
    t_column: int,
    cpu_column: int,
    size_column: int,
    t_ns: Any,
    cpu: Any,
    size: Any,
    told: Any,
) -> int:
    """Read lines from data[told[AT]:] until it ends or a line is not plain.

    Parameters
    ----------
    data : uint8[n]
        Whole lines.
    t_column, cpu_column, size_column : int
        Which columns to take, counted from 0; no size is taken where it is -1.
    t_ns, cpu, size : int64[l], uint16[l], uint32[l]
        Take the events; as many as there are lines.
    told : int64[8]
        As in `lines.scan`.

    Returns
    -------
    int
        1 if it stopped at a line that is not plain: odd, out of range or back in time; else 0.
    """
    n, at, lines, length = 0, int(told[AT]), 0, len(data)
    last_t = int(told[LAST_T])
    odd = 0
    while at < length:
        i, column = past_spaces(data, at, length), 0
        if i < length and int(data[i]) == LF:  # an empty line
            lines += 1
            at = i + 1
            continue
        now, on, bytes_ = -1, -1, 0 if size_column < 0 else -1
        while True:
            if column in (t_column, cpu_column, size_column):
                i = past_spaces(data, i, length)
                value, begin = 0, i
                while i < length and is_digit(int(data[i])):
                    value = value * 10 + int(data[i]) - ZERO
                    i += 1
                digits = i - begin
                if digits == 0 or digits > 19 or (digits == 19 and int(data[begin]) == NINE):
                    odd = 1  # 9e18 and more: 64 bits may be too few
                    break
                if column == t_column:
                    now = value
                elif column == cpu_column:
                    on = value
                else:
                    bytes_ = value
                i = past_spaces(data, i, length)
            else:
                while i < length and int(data[i]) not in (COMMA, LF):
                    i += 1
            if i < length and int(data[i]) == COMMA:
                i += 1
                column += 1
                continue
            if i < length and int(data[i]) != LF:
                odd = 1
            break
        if odd or now < last_t or not (0 <= on <= MAX_CPU and 0 <= bytes_ <= MAX_SIZE):
            odd = 1
            break
        t_ns[n], cpu[n], size[n] = now, on, bytes_
        last_t = now
        n += 1
        lines += 1
        at = i + 1
    told[N], told[AT], told[LINES], told[LAST_T] = n, at, lines, last_t
    return odd
