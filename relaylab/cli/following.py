"""Draining several relay files at once, as they become ready."""

from __future__ import annotations

import select
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from relaylab.cli.draining import Drain
    from relaylab.cli.stopping import Stop


def follow(
    drains: Sequence[Drain], stop: Stop, told: Callable[[], None], every_s: float | None = None
) -> None:
    """Drain them all until their channels end, or `stop` is asked for.

    Each drain has `ended` then, and those that were stopped have taken what was produced by then.

    Parameters
    ----------
    told
        Called after each round.
    every_s
        Begin a round after so many seconds even if nothing happens.

    Raises
    ------
    ResourceError, BrokenPipeError
    """
    poll = select.poll()
    poll.register(stop.fileno(), select.POLLIN)
    waiting = {drain.descriptor(): drain for drain in drains}
    for descriptor in waiting:
        poll.register(descriptor, select.POLLIN)
    awake = dict(waiting)
    patience = None if every_s is None else every_s * 1000
    while waiting and not stop.asked:
        ready = poll.poll(0 if awake else patience)
        awake |= {found: waiting[found] for found, _ in ready if found in waiting}
        for descriptor, drain in list(awake.items()):
            end = drain.end()
            if drain.step():
                continue
            del awake[descriptor]
            if end is None:
                drain.descriptor()  # readable again as soon as there is more
            else:
                poll.unregister(descriptor)
                del waiting[descriptor]
                drain.finish(end)
        told()
    for drain in waiting.values():
        drain.stop_here()
    for drain in waiting.values():
        drain.finish()
        told()
