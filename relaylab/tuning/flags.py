"""flags: the options that give a tool a buffer of a given shape, or the nearest as large."""

from __future__ import annotations

from dataclasses import dataclass

from relaylab import units
from relaylab.errors import ConfigError
from relaylab.tuning.tools import Shape, Tool, tool_named


@dataclass(frozen=True)
class Flags:
    """A tool's options for a shape; `str` of it is the options alone.

    Attributes
    ----------
    tool : str
        The tool's name.
    options : str
        To put behind the tool's command.
    subbuf_size, n_subbufs : int
        The shape that the tool then has. perf, which has no sub-buffers: the one it is as good as.
    memory : int
        Bytes on all CPUs.
    changed : tuple of str
        What is not as it was asked for, and why; empty if all is.
    """

    tool: str
    options: str
    subbuf_size: int
    n_subbufs: int
    memory: int
    changed: tuple[str, ...]

    def __str__(self) -> str:
        return self.options


def flags(
    tool: str,
    subbuf_size: units.Quantity,
    n_subbufs: int,
    n_cpus: int = 1,
    *,
    overwrite: bool = False,
    largest_event: int | None = None,
) -> Flags:
    """The options that give a tool this shape, or the nearest that loses nothing where it does not.

    Parameters
    ----------
    tool : str
        "blktrace", "stap", "lttng", "perf" or "trace-cmd".
    subbuf_size : str or int
        Bytes of a sub-buffer, such as "64 KiB".
    n_subbufs : int
        Sub-buffers per CPU, >= 1.
    n_cpus : int
        CPUs of the machine, for `memory`.
    overwrite : bool
        Whether the oldest events are to make room for new ones, if the tool can.
    largest_event : int, optional
        Bytes of the largest event. Smaller sub-buffers than asked for may leave almost that much
        empty at the end of each; without it half of each is taken to be empty.

    Returns
    -------
    Flags

    Raises
    ------
    ConfigError
        An unknown tool, a size or number out of range, or more than the tool can have.
    """
    rules = tool_named(tool)
    size = units.parse_bytes(subbuf_size, "subbuf_size")
    for what, value in (("subbuf_size", size), ("n_subbufs", n_subbufs), ("n_cpus", n_cpus)):
        if type(value) is not int or not 1 <= value < 2**31:
            raise ConfigError(what, passed=value, allowed="1 .. 2^31-1")
    if largest_event is not None and (type(largest_event) is not int or largest_event < 0):
        raise ConfigError("largest_event", passed=largest_event, allowed="bytes, >= 0, or None")
    asked = Shape(size, n_subbufs)
    found = rules.as_large_as(size, n_subbufs, largest_event)
    if found is None:
        raise ConfigError(
            f"a buffer for {tool}",
            passed=f"{units.format_bytes(size)} x {n_subbufs}",
            allowed=f"{rules.rule}, within its largest buffer",
            hint="Take fewer or smaller sub-buffers, or trace fewer or smaller events.",
        )
    return Flags(
        tool=tool,
        options=rules.spell(found, overwrite),
        subbuf_size=found.subbuf_size,
        n_subbufs=found.n_subbufs,
        memory=rules.memory(found) * n_cpus,
        changed=_changes(rules, asked, found, overwrite),
    )


def _changes(rules: Tool, asked: Shape, found: Shape, overwrite: bool) -> tuple[str, ...]:
    told = []
    if found != asked:
        wanted = f"{units.format_bytes(asked.subbuf_size)} x {asked.n_subbufs}"
        got = f"{units.format_bytes(found.subbuf_size)} x {found.n_subbufs}"
        told.append(f"{wanted} became {got}: {rules.name} has {rules.rule}")
    if found.subbuf_size < asked.subbuf_size:
        told.append("there are more of the smaller sub-buffers, for what stays empty in each")
    if overwrite and rules.name in ("blktrace", "stap"):
        told.append(f"{rules.name} cannot overwrite: it always drops the newest events")
    return tuple(told)
