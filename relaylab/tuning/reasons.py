"""Why a shape is advised, in words."""

from __future__ import annotations

import math

from relaylab import units
from relaylab.tuning.demand import Demand
from relaylab.tuning.search import Choice, Search
from relaylab.tuning.steady import Steady
from relaylab.tuning.tools import Shape

_WAITS = 10  # of the reader, that a trace should last; fewer are no sample


def why_this(search: Search, best: Choice, least: Shape, n_cpus: int, n_sizes: int) -> str:
    """Why `best`, when `least` just suffices with the least memory."""
    parts = [_enough(search, best, n_sizes), _bill(best, n_cpus)]
    if best.margin < 1:
        parts.append(_limit(search, least, n_cpus))
    elif best.margin < search.margin:
        parts.append("The memory limit leaves no more margin than that.")
    else:
        parts.append(_less(search, best, least))
    steady = search.demand.steady(best.shape.subbuf_size)
    parts.append(formula_says(steady, best.memory, search.demand.smallest_size))
    parts.append(f"Computed for this reader: {search.demand.reader!r}.")
    parts.append(_short(search.demand))
    return " ".join(part for part in parts if part)


def why_no_buffer(search: Search) -> str:
    """Why nothing helps: how much of its time the reader would need."""
    demand = search.demand
    size = max(search.sizes())
    steady = demand.steady(size)
    rate = units.format_bandwidth(steady.rate)
    return (
        f"Your reader is the limit: the busiest CPU writes {rate}, and reading that takes it "
        f"{steady.load:.3g} times the time there is, even with sub-buffers of "
        f"{units.format_bytes(size)}. If it goes on as in this trace, a larger buffer only loses "
        f"later: this trace alone would need {units.format_bytes(demand.largest_size)} per CPU. "
        "Make the reader faster (a reader per CPU, a faster disk, less work for each sub-buffer), "
        f"or record fewer events. It was: {demand.reader!r}. {_short(demand)}"
    ).rstrip()


def _short(demand: Demand) -> str:
    """That the trace is too short for a reader that waits that long."""
    reader = demand.reader
    wait = max(reader.latency_ns, reader.period_ns, reader.sleep_ns)
    duration = demand.load.duration_ns
    if duration >= _WAITS * wait:
        return ""
    return (
        f"Beware: the trace lasts {units.format_duration(duration)}, and this reader waits up to "
        f"{units.format_duration(wait)} at a time. Record at least {_WAITS} times that long before "
        "you rely on it."
    )


def formula_says(steady: Steady, memory: int, smallest: int) -> str:
    """The closed formula beside what was simulated, where it means something."""
    if not math.isfinite(steady.memory) or steady.memory < 2 * smallest:
        return ""
    ratio = memory / steady.memory
    times = "about" if 0.67 <= ratio < 1.5 else f"{ratio:.{0 if ratio >= 10 else 1}f} times"
    return (
        "The formula for a writer of the same average rate that never pauses says "
        f"{units.format_bytes(round(steady.memory))} per CPU in {round(steady.n_subbufs)} "
        f"sub-buffers; this is {times} that" + (", for the bursts." if ratio >= 1.5 else ".")
    )


def _enough(search: Search, best: Choice, n_sizes: int) -> str:
    size, n = best.enough
    told = units.format_bytes(size)
    rule = f" ({_rule(search)})" if search.tool.name != "relay" else ""
    if search.tool.count is not None:
        ring = units.format_bytes(size * n)
        return f"A ring of {ring} loses nothing, a little less loses events{rule}."
    sizes = "the only size there is" if n_sizes == 1 else f"the best of {n_sizes} sizes tried"
    enough = f"With sub-buffers of {told}, {sizes}, {n} per CPU lose nothing"
    enough += f" and {n - 1} lose events" if n > 1 else ""
    more = best.shape.n_subbufs > n
    return enough + (f"; {best.shape.n_subbufs} leave a margin{rule}." if more else ".")


def _rule(search: Search) -> str:
    return f"{search.tool.name} has {search.tool.rule}"


def _bill(best: Choice, n_cpus: int) -> str:
    each = units.format_bytes(best.memory)
    if n_cpus == 1:
        return f"That is {each} of memory."
    return f"That is {each} per CPU, {units.format_bytes(best.memory * n_cpus)} on {n_cpus} CPUs."


def _limit(search: Search, least: Shape, n_cpus: int) -> str:
    needed = units.format_bytes(least.memory * n_cpus)
    return (
        f"No shape within the memory limit of {units.format_bytes(search.limit * n_cpus)} loses "
        f"nothing (that needs {needed}); this one loses the fewest events."
    )


def _less(search: Search, best: Choice, least: Shape) -> str:
    if 0.8 * best.memory < least.memory:
        return "With 20 % less memory every shape tried loses events."
    shape = f"{units.format_bytes(least.subbuf_size)} x {least.n_subbufs}"
    margin = f"with the margin of {search.margin:g} it takes this much"
    why = f"{_rule(search)}, and " if search.tool.name != "relay" else ""
    return f"20 % less memory would do ({shape} loses nothing), but {why}{margin}."
