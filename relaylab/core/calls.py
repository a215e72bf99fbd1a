"""Calling a client's compiled callbacks through their addresses."""

from __future__ import annotations

import ctypes
from typing import Any

from llvmlite import ir
from numba import types

from relaylab.core.lowering import I64, Builder, Value, lowered_to, pointer_to


def call_start(pointer: int, handle: int, subbuf: int, prev: int, has_prev: int) -> int:
    """Call a compiled subbuf_start through its address."""
    return _START(int(pointer))(handle, subbuf, prev, has_prev)  # type: ignore[no-any-return]  # ctypes


def call_notice(pointer: int, handle: int, subbuf: int) -> int:
    """Call a compiled deliver or buf_full through its address."""
    return _NOTICE(int(pointer))(handle, subbuf)  # type: ignore[no-any-return]  # ctypes


_START = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 4)
_NOTICE = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 2)


@lowered_to(call_start, types.int64, *[types.int64] * 5)
def _lower_call_start(_context: Any, builder: Builder, pointer: Value, *arguments: Value) -> Value:
    return _call(builder, pointer, arguments)


@lowered_to(call_notice, types.int64, *[types.int64] * 3)
def _lower_call_notice(_context: Any, builder: Builder, pointer: Value, *arguments: Value) -> Value:
    return _call(builder, pointer, arguments)


def _call(builder: Builder, pointer: Value, arguments: tuple[Value, ...]) -> Value:
    kind = ir.FunctionType(I64, [I64] * len(arguments))
    return builder.call(pointer_to(builder, pointer, kind), list(arguments))
