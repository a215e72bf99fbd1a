"""Records, arrays and events at addresses, and copies between them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import lower_builtin, type_callable

from relaylab.core.layout import (
    CONTROL,
    DESK,
    JOURNAL,
    LANE,
    LETTERBOX,
    LISTENER,
    OWN,
    RECORD,
    SCENE,
)
from relaylab.core.lowering import (
    I8,
    I16,
    I32,
    I64,
    NOTHING,
    Builder,
    Value,
    lowered_to,
    pointer_to,
)


def control_at(address: int) -> Any:
    """The control block at `address`, a record of CONTROL."""
    return _plain_record(address, CONTROL)


def own_at(address: int) -> Any:
    """The writing process's part of a buffer at `address`, a record of OWN."""
    return _plain_record(address, OWN)


def journal_at(address: int) -> Any:
    """The journal's header at `address`, a record of JOURNAL."""
    return _plain_record(address, JOURNAL)


def record_at(address: int) -> Any:
    """The journal record at `address`, a record of RECORD."""
    return _plain_record(address, RECORD)


def listener_at(address: int) -> Any:
    """The listener at `address`, a record of LISTENER."""
    return _plain_record(address, LISTENER)


def letterbox_at(address: int) -> Any:
    """The letterbox at `address`, a record of LETTERBOX."""
    return _plain_record(address, LETTERBOX)


def desk_at(address: int) -> Any:
    """The place at the desk at `address`, a record of DESK."""
    return _plain_record(address, DESK)


def scene_at(address: int) -> Any:
    """The simulation at `address`, a record of SCENE."""
    return _plain_record(address, SCENE)


def lane_at(address: int) -> Any:
    """One CPU of a simulation at `address`, a record of LANE."""
    return _plain_record(address, LANE)


def u32_at(address: int, count: int) -> Any:
    """uint32[count] at `address`: padding or commit."""
    return _plain_array(address, count, np.dtype(np.uint32))


def bytes_at(address: int, count: int) -> Any:
    """uint8[count] at `address`: event bytes."""
    return _plain_array(address, count, np.dtype(np.uint8))


def words_at(address: int, count: int) -> Any:
    """int64[count] at `address`: a handle."""
    return _plain_array(address, count, np.dtype(np.int64))


def _plain_array(address: int, count: int, dtype: np.dtype[Any]) -> Any:
    memory: Any = (ctypes.c_char * (int(count) * dtype.itemsize)).from_address(int(address))
    return np.ndarray((int(count),), dtype, memory)


def _plain_record(address: int, dtype: np.dtype[Any]) -> Any:
    return _plain_array(address, 1, dtype).view(np.recarray)[0]


def _lower_record(function: Callable[[int], Any], dtype: np.dtype[Any]) -> None:
    record = numba.from_dtype(dtype)

    @lowered_to(function, record, types.int64)
    def _(context: Any, builder: Builder, address: Value) -> Value:
        return builder.inttoptr(address, context.get_value_type(record))


def _lower_array(function: Callable[[int, int], Any], element: Any) -> None:
    array = types.Array(element, 1, "C")

    @lowered_to(function, array, types.int64, types.int64)
    def _(context: Any, builder: Builder, address: Value, count: Value) -> Value:
        item = context.get_data_type(element)
        size = item.width // 8
        result = context.make_array(array)(context, builder)
        context.populate_array(
            result,
            data=builder.inttoptr(address, item.as_pointer()),
            shape=[count],
            strides=[ir.Constant(I64, size)],
            itemsize=ir.Constant(I64, size),
            meminfo=None,
        )
        return result._getvalue()


for _function, _dtype in (
    (control_at, CONTROL),
    (own_at, OWN),
    (journal_at, JOURNAL),
    (record_at, RECORD),
    (listener_at, LISTENER),
    (letterbox_at, LETTERBOX),
    (desk_at, DESK),
    (scene_at, SCENE),
    (lane_at, LANE),
):
    _lower_record(_function, _dtype)
for _array_function, _element in (
    (u32_at, types.uint32),
    (bytes_at, types.uint8),
    (words_at, types.int64),
):
    _lower_array(_array_function, _element)


def address_of(data: Any) -> int:
    """The address of the first byte of `data`: bytes or a C-contiguous array."""
    array = data if isinstance(data, np.ndarray) else np.frombuffer(data, np.uint8)
    return int(array.ctypes.data)


@lower_builtin(address_of, types.Buffer)  # type: ignore[untyped-decorator]  # Numba is untyped
def _lower_address_of(context: Any, builder: Builder, signature: Any, values: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, values[0])
    return builder.ptrtoint(array.data, I64)


def size_of(data: Any) -> int:
    """The bytes of `data`: bytes or a C-contiguous array."""
    return memoryview(data).nbytes


@type_callable(address_of)  # type: ignore[untyped-decorator]  # Numba is untyped
@type_callable(size_of)  # type: ignore[untyped-decorator]  # Numba is untyped
def _type_of_contiguous(_context: Any) -> Any:
    def typer(data: Any) -> Any:
        return types.int64 if isinstance(data, types.Buffer) and data.is_c_contig else None

    return typer


@lower_builtin(size_of, types.Buffer)  # type: ignore[untyped-decorator]  # Numba is untyped
def _lower_size_of(context: Any, builder: Builder, signature: Any, values: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, values[0])
    return builder.mul(array.nitems, array.itemsize)


def copy(target: int, source: int, length: int) -> None:
    """Copy `length` bytes; the two may overlap."""
    ctypes.memmove(int(target), int(source), int(length))


@lowered_to(copy, types.void, types.int64, types.int64, types.int64)
def _lower_copy(_context: Any, builder: Builder, target: Value, source: Value, n: Value) -> Value:
    """Events of usual length without a call: overlapping loads, then overlapping stores."""
    done = builder.append_basic_block("copied")
    for low, high, pieces in ((16, 32, (16,)), (32, 64, (32,)), (64, 128, (32, 32))):
        fits = builder.and_(
            builder.icmp_unsigned(">=", n, ir.Constant(I64, low)),
            builder.icmp_unsigned("<=", n, ir.Constant(I64, high)),
        )
        _copy_if(builder, fits, done, target, source, n, pieces)
    large = builder.append_basic_block("large")
    small = builder.append_basic_block("small")
    builder.cbranch(builder.icmp_unsigned(">", n, ir.Constant(I64, 128)), large, small)
    builder.position_at_end(large)
    _copy_large(builder, done, target, source, n)
    builder.position_at_end(small)
    for low, pieces in ((8, (8,)), (4, (4,)), (2, (2,)), (1, (1,))):
        fits = builder.icmp_unsigned(">=", n, ir.Constant(I64, low))
        _copy_if(builder, fits, done, target, source, n, pieces)
    builder.branch(done)
    builder.position_at_end(done)
    return NOTHING


_STRIDE = 128  # bytes copied at once
_CALL_FROM = 4096  # bytes from which on the C library's copy is the faster one


def _copy_large(builder: Builder, done: Any, target: Value, source: Value, n: Value) -> None:
    """More than a stride: stride by stride, the last one from the end; or by the C library."""
    distance = builder.sub(target, source)
    apart = builder.and_(
        builder.icmp_signed(">=", distance, n),
        builder.icmp_unsigned("<", n, ir.Constant(I64, _CALL_FROM)),
    )
    before = builder.icmp_signed("<=", distance, builder.neg(n))
    before = builder.and_(before, builder.icmp_unsigned("<", n, ir.Constant(I64, _CALL_FROM)))
    strides = builder.append_basic_block("strides")
    call = builder.append_basic_block("call")
    builder.cbranch(builder.or_(apart, before), strides, call)

    builder.position_at_end(call)
    move = builder.module.declare_intrinsic("llvm.memmove", [I8.as_pointer(), I8.as_pointer(), I64])
    pointers = [pointer_to(builder, address, I8) for address in (target, source)]
    builder.call(move, [*pointers, n, ir.Constant(ir.IntType(1), 0)])
    builder.branch(done)

    builder.position_at_end(strides)
    last = builder.sub(n, ir.Constant(I64, _STRIDE))
    loop = builder.append_basic_block("stride")
    rest = builder.append_basic_block("rest")
    builder.branch(loop)
    builder.position_at_end(loop)
    at = builder.phi(I64)
    at.add_incoming(ir.Constant(I64, 0), strides)
    _copy_stride(builder, builder.add(target, at), builder.add(source, at))
    following = builder.add(at, ir.Constant(I64, _STRIDE))
    at.add_incoming(following, loop)
    builder.cbranch(builder.icmp_unsigned("<", following, last), loop, rest)
    builder.position_at_end(rest)
    _copy_stride(builder, builder.add(target, last), builder.add(source, last))
    builder.branch(done)


def _copy_stride(builder: Builder, target: Value, source: Value) -> None:
    kind = _bytes_type(32)
    values = []
    for offset in range(0, _STRIDE, 32):
        place = builder.add(source, ir.Constant(I64, offset))
        load = builder.load(pointer_to(builder, place, kind))
        load.align = 1
        values.append(load)
    for offset, value in zip(range(0, _STRIDE, 32), values, strict=True):
        place = builder.add(target, ir.Constant(I64, offset))
        builder.store(value, pointer_to(builder, place, kind)).align = 1


def _copy_if(
    builder: Builder,
    condition: Value,
    done: Any,
    target: Value,
    source: Value,
    n: Value,
    pieces: tuple[int, ...],
) -> None:
    """Under `condition` copy n bytes by `pieces` from the front and the same from the back."""
    copying = builder.append_basic_block("copying")
    other = builder.append_basic_block("other")
    builder.cbranch(condition, copying, other)
    builder.position_at_end(copying)
    places: list[tuple[Any, Value]] = []
    front = 0
    for piece in pieces:
        places.append((_bytes_type(piece), ir.Constant(I64, front)))
        front += piece
        places.append((_bytes_type(piece), builder.sub(n, ir.Constant(I64, front))))
    values = []
    for kind, at in places:
        load = builder.load(pointer_to(builder, builder.add(source, at), kind))
        load.align = 1
        values.append(load)
    for (kind, at), value in zip(places, values, strict=True):
        builder.store(value, pointer_to(builder, builder.add(target, at), kind)).align = 1
    builder.branch(done)
    builder.position_at_end(other)


def _bytes_type(size: int) -> Any:
    return {1: I8, 2: I16, 4: I32, 8: I64}.get(size) or ir.VectorType(I8, size)
