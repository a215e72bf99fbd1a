"""Advice: a shape, what it costs, why it was chosen, and the options that give it to a tool."""

from __future__ import annotations

import json
import math
import textwrap
from dataclasses import dataclass, field
from typing import Any

from relaylab import units
from relaylab.errors import ConfigError
from relaylab.tuning.steady import Steady
from relaylab.tuning.tools import TOOLS, Shape, tool_named

_WIDTH = 100


@dataclass(frozen=True, repr=False, eq=False)
class Advice:
    """The answer to: which sizes?

    Attributes
    ----------
    is_possible : bool
        False when no buffer is large enough because the reader is the limit; then sizes and memory
        are 0.
    fits : bool
        Whether something that loses nothing stays within the memory limit; otherwise the shape is
        the one within it that loses the fewest events.
    subbuf_size, n_subbufs : int
        The shape: bytes of a sub-buffer, and how many per CPU.
    n_cpus : int
        On how many CPUs.
    memory : int
        Bytes on all CPUs together.
    margin : float
        How many times what just suffices with sub-buffers of this size; below 1 when events are
        lost.
    lost : int
        Events of the trace that this shape loses, by simulation.
    loss_fraction : float
        The same, of all, 0 .. 1.
    least : Shape
        The shape with the least memory that loses nothing, without margin, of the sizes that the
        tool has; their number is not rounded to its rules.
    least_memory : int
        Bytes that this needs on all CPUs.
    reason : str
        Why, in sentences.
    formula : Steady
        What the closed formula says about a writer of the same rate without bursts.
    tool : str or None
        Within whose rules; None for a channel of any shape.
    reader, rules, event_overhead, subbuf_header, trace
        What it was computed for.
    """

    is_possible: bool
    fits: bool
    subbuf_size: int
    n_subbufs: int
    n_cpus: int
    memory: int
    margin: float
    lost: int
    loss_fraction: float
    least: Shape
    least_memory: int
    reason: str
    formula: Steady
    tool: str | None
    reader: str
    rules: str
    event_overhead: int
    subbuf_header: int
    trace: str
    asked: dict[str, Any] = field(repr=False)
    """The arguments of the call, for `within`."""
    others: dict[str, Advice] = field(default_factory=dict, repr=False)
    """Advice within the rules of tools that was given already."""

    def within(self, tool: str) -> Advice:
        """The advice for the same trace and reader within the rules of a tool.

        Raises
        ------
        ConfigError
            An unknown tool, or one that has no buffer for the largest event.
        """
        from relaylab.tuning.advise import advise

        if tool == self.tool:
            return self
        if tool not in self.others:
            tool_named(tool)
            self.others[tool] = advise(**{**self.asked, "tool": tool})
        return self.others[tool]

    def flags(self, tool: str) -> str:
        """The options for a tool: the shape with the least memory that its rules allow.

        Raises
        ------
        ConfigError
            An unknown tool, no buffer for the largest event, or the reader is the limit.
        """
        best = self.within(tool)
        if not best.is_possible:
            raise ConfigError(f"no options of {tool} help", hint=best.reason)
        return tool_named(tool).spell(Shape(best.subbuf_size, best.n_subbufs))

    def as_dict(self) -> dict[str, Any]:
        """Everything as plain values; `flags` has the options of each tool, or None."""
        plain = (
            *("is_possible", "fits", "subbuf_size", "n_subbufs", "n_cpus", "memory", "margin"),
            *("lost", "loss_fraction", "least_memory", "reason", "tool", "reader", "rules"),
            *("event_overhead", "subbuf_header", "trace"),
        )
        formula = {
            "rate": self.formula.rate,
            "latency": self.formula.latency,
            "load": self.formula.load,
            "waste": self.formula.waste,
            "n_subbufs": _finite(self.formula.n_subbufs),
            "memory": _finite(self.formula.memory),
        }
        tools = TOOLS if self.tool is None else (self.tool,)
        return {
            **{name: getattr(self, name) for name in plain},
            "least": self.least._asdict(),
            "formula": formula,
            "flags": {tool: self._flags_or_none(tool) for tool in tools},
        }

    def as_json(self) -> str:
        """:meth:`as_dict` as JSON."""
        return json.dumps(self.as_dict(), indent=2, ensure_ascii=False)

    def as_text(self, width: int = _WIDTH) -> str:
        """For a person, in lines of at most `width` characters; the command stays whole."""
        reason = textwrap.fill(self.reason, width, break_on_hyphens=False, break_long_words=False)
        if not self.is_possible:
            return f"no buffer is large enough: your reader is the limit\n{reason}"
        size = units.format_bytes(self.subbuf_size)
        head = f"{size} x {self.n_subbufs}"
        cpus = f"{self.n_cpus} CPU{'' if self.n_cpus == 1 else 's'}"
        head += f"  ({units.format_bytes(self.memory)} on {cpus})"
        if self.lost:
            head += f", loses {100 * self.loss_fraction:.3g} %"
        else:
            head += f", loses nothing, {self.margin:.3g} times what just suffices"
        lines = [head]
        if self.tool is not None:
            lines.append(f"{tool_named(self.tool).command} {self.flags(self.tool)}")
        return "\n".join([*lines, reason])

    def __repr__(self) -> str:
        return self.as_text()

    def _flags_or_none(self, tool: str) -> str | None:
        try:
            return self.flags(tool)
        except ConfigError:
            return None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
