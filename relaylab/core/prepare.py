"""The compiled operations, each loaded from the disk cache or compiled when it is first needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from numba import types

from relaylab.core import arrivals, desk, fastcall, observe, operations, run, simulate
from relaylab.core.jit import entry

_I = types.int64
_TIMES = types.Array(types.int64, 1, "C", readonly=True)
_SIZES = types.Array(types.uint32, 1, "C", readonly=True)
_CPUS = types.Array(types.uint16, 1, "C", readonly=True)
_WORDS = types.Array(types.int64, 1, "C")
_EVENT = types.Array(types.uint8, 1, "C", readonly=True)

SIGNATURES: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "start": (operations.start, (_I,)),
    "write_event": (operations.write_event, (_I, _EVENT)),
    "write_call": (fastcall.write_call, fastcall.SIGNATURE),
    "write_event_unlocked": (operations.write_event_unlocked, (_I, _EVENT)),
    "write_rows": (operations.write_rows, (_I,) * 7),
    "write_ragged": (operations.write_ragged, (_I,) * 7),
    "reserve": (operations.reserve, (_I, _I)),
    "commit": (operations.commit, (_I, _I, _I)),
    "consumed_through": (operations.subbufs_consumed_through, (_I, _I, _I)),
    "subbufs_consumed": (operations.subbufs_consumed, (_I, _I)),
    "switch": (operations.switch, (_I, _I)),
    "flush": (operations.flush, (_I,)),
    "reset": (operations.reset, (_I,)),
    "finalize": (operations.finalize, (_I,)),
    "resume": (operations.resume, (_I, _I)),
    "wait_for_lock": (operations.wait_for_lock, (_I, _I)),
    "note": (operations.note, (_I, _I, _I)),
    "arm": (operations.arm, (_I,)),
    "watch": (operations.watch, (_I, _I, _I, _I)),
    "disarm": (operations.disarm, (_I, _I)),
    "observe": (observe.observe, (_I,) * 5),
    "here": (operations.here, (_I,)),
    "produce": (run.produce, (_I,) * 9),
    "drain": (run.drain, (_I,) * 7),
    "sum_blocks": (arrivals.sum_blocks, (_SIZES, _WORDS)),
    "part_by_cpu": (
        arrivals.part_by_cpu,
        (_TIMES, _CPUS, _SIZES, _WORDS, _WORDS, types.Array(types.uint32, 1, "C"), _WORDS),
    ),
    "simulate": (simulate.simulate, (_I,)),
    "serve": (desk.serve, (_I,) * 4),
    "join": (desk.join, (_I,) * 4),
    "leave": (desk.leave, (_I,)),
}
"""The operations that Python calls, with their argument types."""


class Engine:
    """The compiled operations as attributes, by the names in SIGNATURES."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in SIGNATURES:
            raise AttributeError(f"the engine has no operation {name!r}")
        function, arguments = SIGNATURES[name]
        compiled = entry(function, *arguments)
        setattr(self, name, compiled)
        return compiled


engine: Final = Engine()


def prepare(progress: Callable[[int, int], None] | None = None) -> None:
    """Compile, or load from the disk cache, all that the engine may need.

    Parameters
    ----------
    progress
        Called with (operations ready, operations in all) before the first and after each.
    """
    for done, name in enumerate(SIGNATURES):
        if progress is not None:
            progress(done, len(SIGNATURES))
        getattr(engine, name)
    if progress is not None:
        progress(len(SIGNATURES), len(SIGNATURES))
