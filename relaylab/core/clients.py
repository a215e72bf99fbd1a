"""The client's side of a switch: how subbuf_start, deliver and buf_full are answered.

A callback is absent, built in, compiled (called through its address) or a Python function, which
only the caller of the ring can call: see ring.resume.
"""

from __future__ import annotations

from typing import Any, Final

from relaylab.core.addresses import copy
from relaylab.core.calls import call_notice, call_start
from relaylab.core.jit import njit
from relaylab.core.system import thread_id

ABSENT: Final = 0
BUILT_IN: Final = 1
COMPILED: Final = 2
PYTHON: Final = 3

# What a compiled callback did wrong (own.error)
RESERVE_OUT_OF_RANGE: Final = 1
RAISED: Final = 2
NO_DELIVER: Final = 3  # it committed, where deliver is a Python function

_HEADER = 4  # bytes of a stored padding


@njit()
def answer_start(buf: Any, own: Any, subbuf: int, prev: int, has_prev: int) -> int:
    """What subbuf_start answers: bytes to reserve. Not for Python callbacks."""
    if own.start_mode == BUILT_IN:
        if own.store_padding != 0 and has_prev != 0 and own.reserve >= _HEADER:
            copy(own.bytes + prev * buf.subbuf_size, own.padding + _HEADER * prev, _HEADER)
        return int(own.reserve)
    if own.start_mode == COMPILED:
        outermost = _enter_callback(own)
        reply = call_start(own.start_pointer, own.handle, subbuf, prev, has_prev)
        _leave_callback(own, outermost)
        return reply
    return 0


@njit()
def answer_notice(own: Any, mode: int, pointer: int, subbuf: int) -> None:
    """Tell a compiled deliver or buf_full. Not for Python callbacks."""
    if mode == COMPILED:
        outermost = _enter_callback(own)
        call_notice(pointer, own.handle, subbuf)
        _leave_callback(own, outermost)


@njit()
def _enter_callback(own: Any) -> bool:
    """Mark this thread as inside a compiled callback; whether it was not before.

    A commit inside a callback may call another one.
    """
    me = thread_id()
    if own.callback_thread == me:
        return False
    own.callback_thread = me
    return True


@njit()
def _leave_callback(own: Any, outermost: bool) -> None:
    if outermost:
        own.callback_thread = 0
