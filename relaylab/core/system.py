"""What the engine asks of the operating system: who and where it is, the time, sleep, wake-ups."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Any, Final

from llvmlite import binding, ir
from numba import types

from relaylab.core.lowering import I32, I64, NOTHING, Builder, Value, external, lowered_to


def thread_id() -> int:
    """The identity of this thread, never 0; the same as threading.get_ident()."""
    return threading.get_ident()


@lowered_to(thread_id, types.int64)
def _lower_thread_id(_context: Any, builder: Builder) -> Value:
    if sys.platform == "win32":
        identity = builder.call(external(builder, "GetCurrentThreadId", I32), [])
        return builder.zext(identity, I64)
    return builder.call(external(builder, "pthread_self", I64), [])


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
        external(builder, "clock_gettime", I32, I32, I64.as_pointer()), [monotonic, pointer]
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
        builder.call(external(builder, name, I32, I64.as_pointer()), [cell])
        readings.append(builder.load(cell))
    ticks, frequency = readings
    billion = ir.Constant(I64, 10**9)
    seconds = builder.sdiv(ticks, frequency)
    rest = builder.sdiv(builder.mul(builder.srem(ticks, frequency), billion), frequency)
    return builder.add(builder.mul(seconds, billion), rest)


def current_cpu() -> int:
    """The CPU this thread runs on; where the system does not tell, a number fixed per thread."""
    if sys.platform == "linux":
        return int(_c_library().sched_getcpu())
    return threading.get_native_id()


@lowered_to(current_cpu, types.int64)
def _lower_current_cpu(context: Any, builder: Builder) -> Value:
    if sys.platform == "linux":
        return builder.sext(builder.call(external(builder, "sched_getcpu", I32), []), I64)
    # Thread identities are aligned addresses or small numbers: drop what never changes.
    return builder.lshr(_lower_thread_id(context, builder), ir.Constant(I64, 12))


def sleep_ns(duration: int) -> None:
    """Let other threads run for `duration` nanoseconds; 0 yields once."""
    time.sleep(duration / 1e9)


@lowered_to(sleep_ns, types.void, types.int64)
def _lower_sleep(_context: Any, builder: Builder, duration: Value) -> Value:
    if sys.platform == "win32":
        milliseconds = builder.trunc(builder.sdiv(duration, ir.Constant(I64, 10**6)), I32)
        builder.call(external(builder, "Sleep", ir.VoidType(), I32), [milliseconds])
        return NOTHING
    with builder.if_else(builder.icmp_signed("<=", duration, ir.Constant(I64, 0))) as (now, later):
        with now:
            builder.call(external(builder, "sched_yield", I32), [])
        with later:
            with builder.goto_entry_block():
                cell = builder.alloca(ir.ArrayType(I64, 2))
            pointer = builder.bitcast(cell, I64.as_pointer())
            billion = ir.Constant(I64, 10**9)
            builder.store(builder.sdiv(duration, billion), pointer)
            builder.store(
                builder.srem(duration, billion), builder.gep(pointer, [ir.Constant(I64, 1)])
            )
            sleep = external(builder, "nanosleep", I32, I64.as_pointer(), I64.as_pointer())
            builder.call(sleep, [pointer, ir.Constant(I64.as_pointer(), None)])
    return NOTHING


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
        call = external(builder, name, I64, I32, I64.as_pointer(), I64)
        builder.call(call, [builder.trunc(descriptor, I32), cell, ir.Constant(I64, 8)])
        return NOTHING


_lower_eventfd_call(raise_eventfd, "write")
_lower_eventfd_call(lower_eventfd, "read")


_X86 = platform.machine() in {"x86_64", "AMD64"}
EPOLL_EVENT_BYTES: Final = 12 if _X86 else 16  # packed on x86 alone
EPOLL_EVENT_DATA: Final = 4 if _X86 else 8  # where the descriptor is in it
_FUTEX: Final = {"x86_64": 202, "i386": 240, "i686": 240}.get(platform.machine(), 98)
_FUTEX_WAIT: Final = 0
_FUTEX_WAKE: Final = 1


def wait_for_events(epoll: int, events: int, room: int) -> int:
    """Wait without end for events of an epoll descriptor; how many lie at `events`, or -1."""
    return int(_c_library().epoll_wait(int(epoll), ctypes.c_void_p(int(events)), room, -1))


@lowered_to(wait_for_events, types.int64, types.int64, types.int64, types.int64)
def _lower_wait_for_events(
    _context: Any, builder: Builder, epoll: Value, events: Value, room: Value
) -> Value:
    if sys.platform != "linux":
        return ir.Constant(I64, -1)
    call = external(builder, "epoll_wait", I32, I32, I64, I32, I32)
    narrow = [builder.trunc(epoll, I32), events, builder.trunc(room, I32), ir.Constant(I32, -1)]
    return builder.sext(builder.call(call, narrow), I64)


def wake_futex(address: int) -> None:
    """Wake one who sleeps until the word at `address` changes, in whatever process."""
    _c_library().syscall(ctypes.c_long(_FUTEX), ctypes.c_void_p(int(address)), _FUTEX_WAKE, 1)


@lowered_to(wake_futex, types.void, types.int64)
def _lower_wake_futex(_context: Any, builder: Builder, address: Value) -> Value:
    if sys.platform == "linux":
        call = external(builder, "syscall", I64, I64, I64, I64, I64)
        numbers = [ir.Constant(I64, n) for n in (_FUTEX, _FUTEX_WAKE, 1)]
        builder.call(call, [numbers[0], address, *numbers[1:]])
    return NOTHING


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


def wait_for_futex(address: int, seen: int, duration: int) -> None:
    """Sleep until the word at `address` is no longer `seen`, at most `duration` ns.

    For Python alone: the GIL is free meanwhile. It may wake without reason.
    """
    limit = _Timespec(duration // 10**9, duration % 10**9)
    _c_library().syscall(
        ctypes.c_long(_FUTEX),
        ctypes.c_void_p(address),
        _FUTEX_WAIT,
        ctypes.c_uint32(seen & 0xFFFFFFFF),
        ctypes.byref(limit),
    )


@cache
def _c_library() -> Any:
    return ctypes.CDLL(None)


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
