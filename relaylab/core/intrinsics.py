"""What the core needs of the machine: records at addresses, copies, atomics, clock, system calls.

Each is a plain Python function, which runs when the code is not compiled; `lowered_to` gives the
compiler its LLVM counterpart. Addresses are int64.
"""

from __future__ import annotations

import ctypes
import inspect
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import numba
import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.extending import lower_builtin, type_callable

from relaylab.core.layout import CONTROL, JOURNAL, OWN, RECORD

I8, I16, I32, I64, I128 = (ir.IntType(bits) for bits in (8, 16, 32, 64, 128))
Builder = Any  # llvmlite's IRBuilder; the package is untyped
Value = Any  # an LLVM value

FULL_FENCE: Final = "seq_cst"


def lowered_to(
    function: Callable[..., Any], result: Any, *arguments: Any
) -> Callable[[Callable[..., Value]], Callable[..., Value]]:
    """Compile calls of the plain `function` to what the decorated function builds.

    The decorated function takes the context, the IR builder and the argument values.
    """

    def decorate(build: Callable[..., Value]) -> Callable[..., Value]:
        signature = result(*arguments)

        @type_callable(function)  # type: ignore[untyped-decorator]  # Numba is untyped
        def _(_context: Any) -> Any:
            def typer(*given: Any) -> Any:
                return signature if len(given) == len(arguments) else None

            typer.pysig = inspect.signature(function)  # type: ignore[attr-defined]  # Numba's way
            return typer

        @lower_builtin(function, *arguments)  # type: ignore[untyped-decorator]  # Numba is untyped
        def _(context: Any, builder: Builder, _signature: Any, values: Any) -> Any:
            return build(context, builder, *values)

        return build

    return decorate


def _pointer(builder: Builder, address: Value, pointee: Any = I64) -> Value:
    return builder.inttoptr(address, pointee.as_pointer())


# Records and arrays at addresses -----------------------------------------------------------


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
    memory = (ctypes.c_char * (int(count) * dtype.itemsize)).from_address(int(address))
    return np.frombuffer(memory, dtype)


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


@type_callable(address_of)  # type: ignore[untyped-decorator]  # Numba is untyped
def _type_address_of(_context: Any) -> Any:
    def typer(data: Any) -> Any:
        return types.int64 if isinstance(data, types.Buffer) and data.is_c_contig else None

    return typer


@lower_builtin(address_of, types.Buffer)  # type: ignore[untyped-decorator]  # Numba is untyped
def _lower_address_of(context: Any, builder: Builder, signature: Any, values: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, values[0])
    return builder.ptrtoint(array.data, I64)


def size_of(data: Any) -> int:
    """The bytes of `data`: bytes or a C-contiguous array."""
    return memoryview(data).nbytes


@type_callable(size_of)  # type: ignore[untyped-decorator]  # Numba is untyped
def _type_size_of(_context: Any) -> Any:
    def typer(data: Any) -> Any:
        return types.int64 if isinstance(data, types.Buffer) and data.is_c_contig else None

    return typer


@lower_builtin(size_of, types.Buffer)  # type: ignore[untyped-decorator]  # Numba is untyped
def _lower_size_of(context: Any, builder: Builder, signature: Any, values: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, values[0])
    return builder.mul(array.nitems, array.itemsize)


# Copies ------------------------------------------------------------------------------------


def copy(target: int, source: int, length: int) -> None:
    """Copy `length` bytes; the two may overlap."""
    ctypes.memmove(int(target), int(source), int(length))


@lowered_to(copy, types.void, types.int64, types.int64, types.int64)
def _lower_copy(_context: Any, builder: Builder, target: Value, source: Value, n: Value) -> Value:
    """Short events without a call: two overlapping loads, then two overlapping stores."""
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
    move = builder.module.declare_intrinsic("llvm.memmove", [I8.as_pointer(), I8.as_pointer(), I64])
    builder.call(
        move,
        [
            _pointer(builder, target, I8),
            _pointer(builder, source, I8),
            n,
            ir.Constant(ir.IntType(1), 0),
        ],
    )
    builder.branch(done)
    builder.position_at_end(small)
    for low, pieces in ((8, (8,)), (4, (4,)), (2, (2,)), (1, (1,))):
        fits = builder.icmp_unsigned(">=", n, ir.Constant(I64, low))
        _copy_if(builder, fits, done, target, source, n, pieces)
    builder.branch(done)
    builder.position_at_end(done)
    return ir.Constant(I8.as_pointer(), None)


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
        load = builder.load(_pointer(builder, builder.add(source, at), kind))
        load.align = 1
        values.append(load)
    for (kind, at), value in zip(places, values, strict=True):
        builder.store(value, _pointer(builder, builder.add(target, at), kind)).align = 1
    builder.branch(done)
    builder.position_at_end(other)


def _bytes_type(size: int) -> Any:
    return {1: I8, 2: I16, 4: I32, 8: I64}.get(size) or ir.VectorType(I8, size)


# Atomics -----------------------------------------------------------------------------------

_plain_atomics = threading.Lock()  # what makes the plain forms atomic


def load_acquire(address: int) -> int:
    """The int64 at `address`; what was stored before its store-release is visible after."""
    return ctypes.c_int64.from_address(int(address)).value


@lowered_to(load_acquire, types.int64, types.int64)
def _lower_load(_context: Any, builder: Builder, address: Value) -> Value:
    return builder.load_atomic(_pointer(builder, address), "acquire", 8)


def store_release(address: int, value: int) -> None:
    """Store an int64 after all that was stored before."""
    ctypes.c_int64.from_address(int(address)).value = int(value)


@lowered_to(store_release, types.void, types.int64, types.int64)
def _lower_store(_context: Any, builder: Builder, address: Value, value: Value) -> Value:
    builder.store_atomic(value, _pointer(builder, address), "release", 8)
    return ir.Constant(I8.as_pointer(), None)


def exchange(address: int, value: int) -> int:
    """Store an int64; what was there before."""
    with _plain_atomics:
        cell = ctypes.c_int64.from_address(int(address))
        before, cell.value = cell.value, int(value)
        return before


@lowered_to(exchange, types.int64, types.int64, types.int64)
def _lower_exchange(_context: Any, builder: Builder, address: Value, value: Value) -> Value:
    return builder.atomic_rmw("xchg", _pointer(builder, address), value, FULL_FENCE)


def fetch_add(address: int, value: int) -> int:
    """Add to an int64; what was there before."""
    with _plain_atomics:
        cell = ctypes.c_int64.from_address(int(address))
        before = cell.value
        cell.value = before + int(value)
        return before


@lowered_to(fetch_add, types.int64, types.int64, types.int64)
def _lower_fetch_add(_context: Any, builder: Builder, address: Value, value: Value) -> Value:
    return builder.atomic_rmw("add", _pointer(builder, address), value, FULL_FENCE)


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
    pair = builder.cmpxchg(_pointer(builder, address), expected, value, FULL_FENCE, "acquire")
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
    before = builder.atomic_rmw("add", _pointer(builder, address, I32), narrow, FULL_FENCE)
    return builder.zext(builder.add(before, narrow), I64)


def fence() -> None:
    """Order all memory accesses before against all after it."""


@lowered_to(fence, types.void)
def _lower_fence(_context: Any, builder: Builder) -> Value:
    builder.fence(FULL_FENCE)
    return ir.Constant(I8.as_pointer(), None)


# The system --------------------------------------------------------------------------------


def _external(builder: Builder, name: str, result: Any, *arguments: Any) -> Any:
    """The C function `name`, declared in the module under construction."""
    return _get_or_declare(builder.module, ir.FunctionType(result, arguments), name)


def _get_or_declare(module: Any, kind: Any, name: str) -> Any:
    known = module.globals.get(name)
    return ir.Function(module, kind, name) if known is None else known


def thread_id() -> int:
    """The identity of this thread, never 0; the same as threading.get_ident()."""
    return threading.get_ident()


@lowered_to(thread_id, types.int64)
def _lower_thread_id(_context: Any, builder: Builder) -> Value:
    if sys.platform == "win32":
        identity = builder.call(_external(builder, "GetCurrentThreadId", I32), [])
        return builder.zext(identity, I64)
    return builder.call(_external(builder, "pthread_self", I64), [])


def clock_ns() -> int:
    """The monotonic clock in nanoseconds; the same as time.monotonic_ns()."""
    return time.monotonic_ns()


@lowered_to(clock_ns, types.int64)
def _lower_clock(_context: Any, builder: Builder) -> Value:
    if sys.platform == "win32":
        return _windows_clock(builder)
    with builder.goto_entry_block():
        instant = builder.alloca(ir.ArrayType(I64, 2))
    monotonic = ir.Constant(I32, time.CLOCK_MONOTONIC)
    pointer = builder.bitcast(instant, I64.as_pointer())
    builder.call(
        _external(builder, "clock_gettime", I32, I32, I64.as_pointer()), [monotonic, pointer]
    )
    seconds = builder.load(pointer)
    nanoseconds = builder.load(builder.gep(pointer, [ir.Constant(I64, 1)]))
    return builder.add(builder.mul(seconds, ir.Constant(I64, 10**9)), nanoseconds)


def _windows_clock(builder: Builder) -> Value:
    """time.monotonic_ns() of Windows: the performance counter, split so that nothing overflows."""
    with builder.goto_entry_block():
        cell = builder.alloca(I64)
    readings = []
    for name in ("QueryPerformanceCounter", "QueryPerformanceFrequency"):
        builder.call(_external(builder, name, I32, I64.as_pointer()), [cell])
        readings.append(builder.load(cell))
    ticks, frequency = readings
    billion = ir.Constant(I64, 10**9)
    seconds = builder.sdiv(ticks, frequency)
    rest = builder.sdiv(builder.mul(builder.srem(ticks, frequency), billion), frequency)
    return builder.add(builder.mul(seconds, billion), rest)


def current_cpu() -> int:
    """The CPU this thread runs on; where the system does not tell, a number fixed per thread."""
    if sys.platform == "linux":
        return int(ctypes.CDLL(None).sched_getcpu())
    return threading.get_native_id()


@lowered_to(current_cpu, types.int64)
def _lower_current_cpu(context: Any, builder: Builder) -> Value:
    if sys.platform == "linux":
        return builder.sext(builder.call(_external(builder, "sched_getcpu", I32), []), I64)
    # Thread identities are aligned addresses or small numbers: drop what never changes.
    return builder.lshr(_lower_thread_id(context, builder), ir.Constant(I64, 12))


def sleep_ns(duration: int) -> None:
    """Let other threads run for `duration` nanoseconds; 0 yields once."""
    time.sleep(duration / 1e9)


@lowered_to(sleep_ns, types.void, types.int64)
def _lower_sleep(_context: Any, builder: Builder, duration: Value) -> Value:
    if sys.platform == "win32":
        milliseconds = builder.trunc(builder.sdiv(duration, ir.Constant(I64, 10**6)), I32)
        builder.call(_external(builder, "Sleep", ir.VoidType(), I32), [milliseconds])
        return ir.Constant(I8.as_pointer(), None)
    with builder.if_else(builder.icmp_signed("<=", duration, ir.Constant(I64, 0))) as (now, later):
        with now:
            builder.call(_external(builder, "sched_yield", I32), [])
        with later:
            with builder.goto_entry_block():
                cell = builder.alloca(ir.ArrayType(I64, 2))
            pointer = builder.bitcast(cell, I64.as_pointer())
            billion = ir.Constant(I64, 10**9)
            builder.store(builder.sdiv(duration, billion), pointer)
            builder.store(
                builder.srem(duration, billion), builder.gep(pointer, [ir.Constant(I64, 1)])
            )
            sleep = _external(builder, "nanosleep", I32, I64.as_pointer(), I64.as_pointer())
            builder.call(sleep, [pointer, ir.Constant(I64.as_pointer(), None)])
    return ir.Constant(I8.as_pointer(), None)


def raise_eventfd(descriptor: int) -> None:
    """Make an eventfd readable."""
    os.write(int(descriptor), (1).to_bytes(8, sys.byteorder))


def lower_eventfd(descriptor: int) -> None:
    """Make a non-blocking eventfd unreadable, if it was readable."""
    try:
        os.read(int(descriptor), 8)
    except BlockingIOError:
        pass


def _lower_eventfd_call(function: Callable[[int], None], name: str) -> None:
    @lowered_to(function, types.void, types.int64)
    def _(_context: Any, builder: Builder, descriptor: Value) -> Value:
        with builder.goto_entry_block():
            cell = builder.alloca(I64)
        builder.store(ir.Constant(I64, 1), cell)
        call = _external(builder, name, I64, I32, I64.as_pointer(), I64)
        builder.call(call, [builder.trunc(descriptor, I32), cell, ir.Constant(I64, 8)])
        return ir.Constant(I8.as_pointer(), None)


_lower_eventfd_call(raise_eventfd, "write")
_lower_eventfd_call(lower_eventfd, "read")


# Compiled callbacks --------------------------------------------------------------------------


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
    return builder.call(_pointer(builder, pointer, kind), list(arguments))


if sys.platform == "win32":  # these are in the system's library, not in the C library
    _kernel32 = ctypes.WinDLL("kernel32")
    for _name in (
        "GetCurrentThreadId",
        "QueryPerformanceCounter",
        "QueryPerformanceFrequency",
        "Sleep",
    ):
        _address = ctypes.cast(getattr(_kernel32, _name), ctypes.c_void_p).value
        binding.add_symbol(_name, _address)
