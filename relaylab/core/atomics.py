"""Loads, stores and read-modify-writes that other threads may meet."""

from __future__ import annotations

import ctypes
import threading
from typing import Any, Final

from numba import types

from relaylab.core.lowering import I32, I64, NOTHING, Builder, Value, lowered_to, pointer_to

FULL_FENCE: Final = "seq_cst"
_plain_atomics = threading.Lock()  # what makes the plain forms atomic


def load_acquire(address: int) -> int:
    """The int64 at `address`; what was stored before its store-release is visible after."""
    return ctypes.c_int64.from_address(int(address)).value


@lowered_to(load_acquire, types.int64, types.int64)
def _lower_load(_context: Any, builder: Builder, address: Value) -> Value:
    return builder.load_atomic(pointer_to(builder, address), "acquire", 8)


def store_release(address: int, value: int) -> None:
    """Store an int64 after all that was stored before."""
    ctypes.c_int64.from_address(int(address)).value = int(value)


@lowered_to(store_release, types.void, types.int64, types.int64)
def _lower_store(_context: Any, builder: Builder, address: Value, value: Value) -> Value:
    builder.store_atomic(value, pointer_to(builder, address), "release", 8)
    return NOTHING


def exchange(address: int, value: int) -> int:
    """Store an int64; what was there before."""
    with _plain_atomics:
        cell = ctypes.c_int64.from_address(int(address))
        before, cell.value = cell.value, int(value)
        return before


@lowered_to(exchange, types.int64, types.int64, types.int64)
def _lower_exchange(_context: Any, builder: Builder, address: Value, value: Value) -> Value:
    return builder.atomic_rmw("xchg", pointer_to(builder, address), value, FULL_FENCE)


def fetch_add(address: int, value: int) -> int:
    """Add to an int64; what was there before."""
    with _plain_atomics:
        cell = ctypes.c_int64.from_address(int(address))
        before = cell.value
        cell.value = before + int(value)
        return before


@lowered_to(fetch_add, types.int64, types.int64, types.int64)
def _lower_fetch_add(_context: Any, builder: Builder, address: Value, value: Value) -> Value:
    return builder.atomic_rmw("add", pointer_to(builder, address), value, FULL_FENCE)


def replace_if(address: int, expected: int, value: int) -> bool:
    """Compare and exchange: store `value` if the int64 is `expected`; whether it was."""
    with _plain_atomics:
        cell = ctypes.c_int64.from_address(int(address))
        same = cell.value == expected
        if same:
            cell.value = int(value)
        return same


@lowered_to(replace_if, types.boolean, types.int64, types.int64, types.int64)
def _lower_replace_if(
    _context: Any, builder: Builder, address: Value, expected: Value, value: Value
) -> Value:
    pair = builder.cmpxchg(pointer_to(builder, address), expected, value, FULL_FENCE, "acquire")
    return builder.extract_value(pair, 1)


def add_u32(address: int, value: int) -> int:
    """Add to a uint32 modulo 2^32; the sum."""
    with _plain_atomics:
        cell = ctypes.c_uint32.from_address(int(address))
        cell.value = cell.value + int(value)
        return cell.value


@lowered_to(add_u32, types.int64, types.int64, types.int64)
def _lower_add_u32(_context: Any, builder: Builder, address: Value, value: Value) -> Value:
    narrow = builder.trunc(value, I32)
    before = builder.atomic_rmw("add", pointer_to(builder, address, I32), narrow, FULL_FENCE)
    return builder.zext(builder.add(before, narrow), I64)


def fence() -> None:
    """Order all memory accesses before against all after it."""


@lowered_to(fence, types.void)
def _lower_fence(_context: Any, builder: Builder) -> Value:
    builder.fence(FULL_FENCE)
    return NOTHING


def release_fence() -> None:
    """Order all stores before against those after it; costs nothing on x86."""


@lowered_to(release_fence, types.void)
def _lower_release_fence(_context: Any, builder: Builder) -> Value:
    builder.fence("release")
    return NOTHING
