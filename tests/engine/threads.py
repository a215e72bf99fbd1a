"""Running things side by side."""

from __future__ import annotations

import threading
import time
from typing import Any


def in_threads(*actions: Any) -> None:
    """Run all side by side; none may fail or hang."""
    failures: list[BaseException] = []

    def run(action: Any) -> None:
        try:
            action()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(action,), daemon=True) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert failures == []


SECONDS = 0.4  # long enough that two threads do meet, also on a busy machine


def side_by_side(function: Any, *calls: tuple[Any, ...]) -> list[int]:
    """Call a compiled function over and over in one thread for each tuple of arguments.

    How often each was called.
    """
    function(*calls[0][:-1], 0)  # compiles
    start = threading.Barrier(len(calls))
    turns = [0] * len(calls)

    def repeat(index: int) -> None:
        start.wait(10)
        ends = time.monotonic() + SECONDS
        while time.monotonic() < ends:
            function(*calls[index])
            turns[index] += 1

    threads = [threading.Thread(target=repeat, args=(i,), daemon=True) for i in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert all(turns)
    return turns
