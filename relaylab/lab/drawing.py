"""A buffer drawn as text: for notebooks, terminals and tests, where a picture would be too much."""

from typing import Any

import numpy as np

from relaylab.channel.arguments import integer
from relaylab.lab.cells import cells_of
from relaylab.lab.frame import CellState

_WIDTH = 32
_NAMES = {
    CellState.EMPTY: "empty",
    CellState.WRITING: "writing",
    CellState.READY: "ready",
    CellState.READING: "read",
    CellState.OVERWRITTEN: "overwritten unread",
    CellState.FULL: "full",
}


def draw(channel: Any, cpu: int = 0) -> str:
    """One buffer of a channel as it is now, a line for each sub-buffer.

    Parameters
    ----------
    channel : Channel
        A channel that is not closed.
    cpu : int
        Whose buffer.

    Returns
    -------
    str
        ``#`` is data, ``.`` is padding, blank is free. *writing*: the next event goes there.
        *ready*: produced, waits for a reader. *full*: the same, and the writer stands behind it,
        for there is no other. Padding and commit count are named where they are not 0.

    Raises
    ------
    ConfigError
        There is no such CPU.
    ClosedError
        The channel is closed and nobody has the buffer's file open.
    """
    cpu = integer("cpu", cpu, 0, channel.n_cpus - 1)
    snapshot, size, n = channel.snapshot(), channel.subbuf_size, channel.n_subbufs
    produced, consumed = int(snapshot.subbufs_produced[cpu]), int(snapshot.subbufs_consumed[cpu])
    is_full, is_unfull = bool(snapshot.is_full[cpu]), bool(snapshot.unfull[cpu])
    current, offset = int(snapshot.data_index[cpu]), int(snapshot.offset[cpu])
    # The last sub-buffer was produced, and there is no other to go on to yet; today's kernel sets
    # the offset one beyond the end.
    is_closed = offset > size or (offset == size and (is_full or is_unfull))
    stands = is_closed and current == (produced - 1) % n

    cells = cells_of(snapshot, np.full(channel.n_cpus, -1), size, n)
    names = [_NAMES[CellState(state)] for state in cells.state[cpu * n : (cpu + 1) * n]]
    names[current] = ("full" if is_full else "ready") if stands else "writing"
    lines = [f"CPU {cpu}: {produced} produced, {consumed} consumed{', unfull' * is_unfull}"]
    for i, name in enumerate(names):
        if name == "empty":
            lines.append(f"  {i}  {name}")
            continue
        padding = 0 if name == "writing" else int(snapshot.padding[cpu, i])
        used = offset if name == "writing" else size - padding
        label = name.ljust(max(map(len, names)))
        lines.append(f"  {i}  {label}  {_bar(used, padding, size, int(snapshot.commit[cpu, i]))}")
    return "\n".join(lines)


def _bar(used: int, padding: int, size: int, commit: int) -> str:
    filled = round(_WIDTH * used / size)
    bar = "#" * filled + ("." if padding else " ") * (_WIDTH - filled)
    numbers = f"{used} of {size} bytes"
    numbers += f", padding {padding}" if padding else ""
    numbers += f", commit {commit}" if commit else ""
    return f"|{bar}|  {numbers}"
