"""Reading text that tracers print, one event a line, compiled."""

from typing import Any

from relaylab.core.jit import njit
from relaylab.workload.scan.babeltrace import babeltrace_line
from relaylab.workload.scan.blkparse import blkparse_line
from relaylab.workload.scan.codes import (
    AT,
    BACKWARDS,
    BAD_CPU,
    BAD_FIELDS,
    BLKPARSE,
    BY_FIELDS,
    EVENT,
    LAST_T,
    LINES,
    MAX_CPU,
    MAX_SIZE,
    MORE,
    NAME,
    NAME_END,
    NEW_NAME,
    NO_SIZE,
    NOW,
    TRACER,
    UNKNOWN,
    N,
)
from relaylab.workload.scan.fields import measure, payload_of
from relaylab.workload.scan.text import past_spaces, starts_with
from relaylab.workload.scan.tracer import tracer_line


@njit(nogil=True)
def scan(
    shape: int,
    data: Any,
    names: Any,
    starts: Any,
    sizes: Any,
    templates: Any,
    kinds: Any,
    bits: Any,
    default_cpu: int,
    t_ns: Any,
    cpu: Any,
    size: Any,
    told: Any,
) -> int:
    """Read lines from data[told[AT]:] until it ends, a name is new, or a line is damaged.

    Parameters
    ----------
    shape : int
        TRACER, BLKPARSE or BABELTRACE.
    data : uint8[n]
        Whole lines.
    names, starts : uint8[m], int64[k + 1]
        The k known names of events, one after the other, and where each begins.
    sizes : int64[k]
        The size of each, or how to tell it.
    templates, kinds, bits : int64[k + 1], int64[f], int64[f]
        Which fields each has; kind and bits of each field.
    default_cpu : int
        Where a line of babeltrace2 names none; -1 refuses it.
    t_ns, cpu, size : int64[l], uint16[l], uint32[l]
        Take the events; as many as there are lines.
    told : int64[8]
        What this tells: N events, AT the line that it stopped at, LINES done in this call, the NAME
        that is new, LAST_T and NOW of damage; LAST_T and DAY go on from call to call.

    Returns
    -------
    int
        MORE, NEW_NAME, NO_SIZE or the damage.
    """
    n, at, lines, last_name = 0, int(told[AT]), 0, -1
    code = MORE
    while at < len(data):
        end = at
        while end < len(data) and int(data[end]) != 10:
            end += 1
        if shape == TRACER:
            what, now, on, name_end = tracer_line(data, at, end, told)
        elif shape == BLKPARSE:
            what, now, on, name_end = blkparse_line(data, at, end, told)
        else:
            what, now, on, name_end = babeltrace_line(data, at, end, default_cpu, told)
        if what > 0:
            code = what
            break
        if what == EVENT:
            told[NAME_END] = name_end
            told[NOW] = now
            if on > MAX_CPU:
                code = BAD_CPU
                break
            if now < told[LAST_T]:
                code = BACKWARDS
                break
            which = known_name(data, told[NAME], name_end, names, starts, len(sizes), last_name)
            if which < 0:
                code = NEW_NAME
                break
            last_name = which
            bytes_ = int(sizes[which])
            if bytes_ == UNKNOWN:
                code = NO_SIZE
                break
            if bytes_ < 0:
                begin, stop = payload_of(data, name_end, end)
                if begin < 0:
                    code = BAD_FIELDS
                    break
                first = int(templates[which]) if bytes_ == BY_FIELDS else -1
                if first < 0 and starts_with(data, past_spaces(data, begin, stop), stop, b"cpu_id"):
                    stop = begin  # the packet's context alone: the event has no fields
                bytes_ = measure(data, begin, stop, kinds, bits, first, int(templates[which + 1]))
                if bytes_ < 0 or bytes_ > MAX_SIZE:
                    code = NO_SIZE if bytes_ == -2 else BAD_FIELDS
                    break
            t_ns[n], cpu[n], size[n] = now, on, bytes_
            told[LAST_T] = now
            n += 1
        at = end + 1
        lines += 1
    told[N], told[AT], told[LINES] = n, at, lines
    return code


@njit(hot=True)
def known_name(
    data: Any, at: int, end: int, names: Any, starts: Any, n_names: int, last: int
) -> int:
    """Which of the known names data[at:end] is; -1 if none. `last` is tried first."""
    for k in range(-1, n_names):
        which = last if k < 0 else k
        if which < 0 or starts[which + 1] - starts[which] != end - at:
            continue
        begin, same = int(starts[which]), True
        for i in range(end - at):
            if data[at + i] != names[begin + i]:
                same = False
                break
        if same:
            return which
    return -1
