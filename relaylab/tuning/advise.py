"""advise: the sub-buffer size and number that lose nothing of a trace, with the least memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from relaylab import units
from relaylab.channel import arguments
from relaylab.errors import ConfigError
from relaylab.tuning.advice import Advice
from relaylab.tuning.arrivals import arrivals_of
from relaylab.tuning.demand import Demand
from relaylab.tuning.reader import Reader
from relaylab.tuning.reasons import why_no_buffer, why_this
from relaylab.tuning.search import Choice, Search, best_of
from relaylab.tuning.tools import RELAY, Shape, Tool, tool_named

if TYPE_CHECKING:
    from relaylab.workload import Workload

ASSUMED_READER: Final = Reader(latency="10 ms", per_subbuf="10 us", rate="1 GB/s")
"""Who is taken to empty the buffers when nobody says: a program on a busy machine."""


def advise(
    load: Workload,
    *,
    reader: Reader | None = None,
    n_cpus: int | None = None,
    memory_limit: units.Quantity | None = None,
    margin: float = 1.2,
    rules: str = "linux",
    tool: str | None = None,
    event_overhead: int | None = None,
    subbuf_header: int | None = None,
    progress: Callable[[int, int], Any] | None = None,
) -> Advice:
    """The sub-buffer size and number that lose nothing of these events, with the least memory.

    For each size the exact least number comes from `frontier`, a simulation of the events; the
    margin multiplies that number. Of all sizes tried the one with the least memory is taken, and of
    those within 4 % of it the one with the largest sub-buffers, which wake the reader least often.

    Parameters
    ----------
    load : Workload
        Events recorded without losses.
    reader : Reader, optional
        Who empties the buffers; left out, one that runs 10 ms after a sub-buffer is ready, takes
        10 us for each, and reads 1 GB/s.
    n_cpus : int, optional
        CPUs of the machine, for the memory; by default those of `load`.
    memory_limit : str or int, optional
        At most, on all CPUs together, bytes or such as "1 GiB".
    margin : float
        How many times the least number of sub-buffers, >= 1.
    rules : "linux" or "relayfs"
        Of the ring: today's kernel, or 2005.
    tool : str, optional
        Stay within the rules of "blktrace", "stap", "lttng", "perf" or "trace-cmd".
    event_overhead, subbuf_header : int, optional
        Bytes that the ring adds to each event, and has at the beginning of each sub-buffer; by
        default those of the tool, and 0 for none.
    progress : callable, optional
        Called with (sizes done, sizes in all), in one or two rounds.

    Returns
    -------
    Advice
        Shape, memory, reason in words; `flags(tool)` for the options of a tool.

    Raises
    ------
    ConfigError
        No events, or an argument out of range.
    """
    if not len(arrivals_of(load).t_ns):
        raise ConfigError("load", passed=load, allowed="at least one event")
    _check_margin(margin)
    cpus = load.n_cpus if n_cpus is None else arguments.integer("n_cpus", n_cpus, 1, 2**16 - 1)
    limit = None if memory_limit is None else units.parse_bytes(memory_limit, "memory_limit")
    allowed = RELAY if tool is None else tool_named(tool)
    asked_reader = _checked(ASSUMED_READER if reader is None else reader)
    demand = Demand(
        load,
        asked_reader.changed(late=True) if allowed.is_late else asked_reader,
        rules,
        _given(event_overhead, allowed.event_overhead, "event_overhead"),
        _given(subbuf_header, allowed.subbuf_header, "subbuf_header"),
    )
    search = Search(
        demand, allowed, float(margin), math.inf if limit is None else limit / cpus, progress
    )
    asked = {
        "load": load,
        "reader": asked_reader,
        "n_cpus": n_cpus,
        "memory_limit": memory_limit,
        "margin": margin,
        "rules": rules,
        "event_overhead": event_overhead,
        "subbuf_header": subbuf_header,
    }
    return _advice(search, cpus, None if tool is None else allowed, asked)


def _advice(search: Search, n_cpus: int, tool: Tool | None, asked: dict[str, Any]) -> Advice:
    choices = search.choices()
    if not choices:
        return _told(search, n_cpus, tool, asked, None, None, why_no_buffer(search))
    least = min((choice.enough for choice in choices), key=lambda shape: shape.memory)
    within = [choice for choice in choices if choice.memory <= search.limit]
    if within:
        best = best_of(within, least)
    else:
        bare = [choice for c in choices for choice in search.at_least(c.enough, 1.0)]
        within = [choice for choice in bare if choice.memory <= search.limit]
        best = best_of(within, least) if within else _fewest_lost(search, choices, n_cpus)
    reason = why_this(search, best, least, n_cpus, len(choices))
    return _told(search, n_cpus, tool, asked, best, least, reason)


def _fewest_lost(search: Search, choices: list[Choice], n_cpus: int) -> Choice:
    best = search.within_limit(choices)
    if best is None:
        smallest = min(choice.shape.subbuf_size for choice in choices)
        raise ConfigError(
            "memory_limit",
            passed=int(search.limit * n_cpus),
            allowed=f"{smallest * n_cpus} or more: a sub-buffer on each of {n_cpus} CPUs",
        )
    return best


def _told(
    search: Search,
    n_cpus: int,
    tool: Tool | None,
    asked: dict[str, Any],
    best: Choice | None,
    least: Shape | None,
    reason: str,
) -> Advice:
    demand = search.demand
    shape = Shape(0, 0) if best is None else best.shape
    lost = 0 if best is None else demand.lost(shape)
    return Advice(
        is_possible=best is not None,
        fits=best is not None and best.margin >= 1,
        subbuf_size=shape.subbuf_size,
        n_subbufs=shape.n_subbufs,
        n_cpus=n_cpus,
        memory=0 if best is None else best.memory * n_cpus,
        margin=0.0 if best is None else best.margin,
        lost=lost,
        loss_fraction=lost / len(demand.load),
        least=Shape(0, 0) if least is None else least,
        least_memory=0 if least is None else least.memory * n_cpus,
        reason=reason,
        formula=demand.steady(shape.subbuf_size or None),
        tool=None if tool is None else tool.name,
        reader=repr(demand.reader),
        rules=demand.rules,
        event_overhead=demand.event_overhead,
        subbuf_header=demand.subbuf_header,
        trace=demand.load.name,
        asked=asked,
    )


def _check_margin(margin: object) -> None:
    is_number = isinstance(margin, int | float) and not isinstance(margin, bool)
    if not is_number or not 1 <= margin <= 1000:  # type: ignore[operator]
        raise ConfigError("margin", passed=margin, allowed="a number from 1 to 1000")


def _checked(reader: object) -> Reader:
    if not isinstance(reader, Reader) or reader.is_told:
        raise ConfigError(
            "reader",
            passed=reader,
            allowed="a Reader that is a model: Reader(...), Reader.periodic or Reader.polling",
            hint="A schedule belongs to the sizes it was recorded with: use simulate for those.",
        )
    return reader


def _given(value: int | None, default: int, what: str) -> int:
    if value is None:
        return default
    if type(value) is not int or not 0 <= value < 2**31:
        raise ConfigError(what, passed=value, allowed="bytes, 0 .. 2^31-1")
    return value
