"""chan.write as a built-in function of Python: the way of most events.

A call through Numba's dispatcher unpacks and boxes its arguments by general rules, which takes
longer than to write the event. Here compiled code is itself the C function that Python calls
(METH_FASTCALL): it looks at the arguments, writes the event if they are of the usual kinds, and
otherwise hands the same call over to the plain method, which knows all kinds and raises all errors.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final

import numpy as np
from numba import types
from numba.core import config

from relaylab.core.addresses import control_at, own_at, words_at
from relaylab.core.jit import c_address, njit
from relaylab.core.operations import write, write_unlocked
from relaylab.core.system import current_cpu

# Python's C API: objects are addresses. A function that is called by Python runs with the GIL.
_I = types.int64
_bytes_address: Final = types.ExternalFunction("PyBytes_AsString", _I(_I))
_bytes_length: Final = types.ExternalFunction("PyBytes_Size", _I(_I))
_int_value: Final = types.ExternalFunction("PyLong_AsLongLong", _I(_I))
_forget_error: Final = types.ExternalFunction("PyErr_Clear", types.void())
_new_bool: Final = types.ExternalFunction("PyBool_FromLong", _I(_I))
_tuple_item: Final = types.ExternalFunction("PyTuple_GetItem", _I(_I, _I))
_tuple_length: Final = types.ExternalFunction("PyTuple_Size", _I(_I))
_call: Final = types.ExternalFunction("PyObject_Vectorcall", _I(_I, _I, _I, _I))
_TYPE: Final = object.__basicsize__ // 8 - 1  # the word of an object that says what it is

# The table that a built-in function works by: these words, then the handles by cpu
_N_CPUS, _LOCKED, _SLOW, _BYTES, _INT, _NONE, _CPU, _HANDLES = range(8)

SIGNATURE: Final = (_I,) * 4
AVAILABLE: Final = not config.DISABLE_JIT


@njit()
def write_call(me: int, arguments: int, count: int, names: int) -> int:
    """The C function: write(data, cpu=None), True or False; else what the slow function answers."""
    table = words_at(_int_value(me), _HANDLES)
    if _is_usual(table, arguments, count, names):
        given = words_at(arguments, 2)
        cpu = _chosen(table, given[1] if count == 2 or names != 0 else table[_NONE])
        if cpu >= 0:
            handle = words_at(_int_value(me), _HANDLES + cpu + 1)[_HANDLES + cpu]
            result = _write(handle, given[0], table[_LOCKED])
            if result >= 0:
                return _new_bool(result)  # type: ignore[no-any-return]  # Numba is untyped
    return _call(table[_SLOW], arguments, count, names)  # type: ignore[no-any-return]  # Numba is untyped


@njit(hot=True)
def _is_usual(table: Any, arguments: int, count: int, names: int) -> bool:
    """Whether it is write(bytes), write(bytes, x) or write(bytes, cpu=x) of an open channel."""
    if table[_N_CPUS] == 0 or count < 1 or count > 2:
        return False
    if names != 0 and not (
        count == 1 and _tuple_length(names) == 1 and _tuple_item(names, 0) == table[_CPU]
    ):
        return False
    return bool(_type(words_at(arguments, 1)[0]) == table[_BYTES])


@njit(hot=True)
def _chosen(table: Any, given: int) -> int:
    """The cpu that is meant, or -1 if it needs a closer look."""
    n_cpus = table[_N_CPUS]
    if given == table[_NONE]:
        return int(current_cpu() % n_cpus)
    if _type(given) != table[_INT]:
        return -1
    cpu = _int_value(given)
    if cpu < 0:
        _forget_error()  # it may be beyond 64 bits
    return int(cpu) if cpu < n_cpus else -1


@njit(hot=True)
def _write(handle: int, event: int, locked: int) -> int:
    """Write a bytes object; negative if nothing was done."""
    length = _bytes_length(event)
    buf = control_at(own_at(handle).control)
    if length > buf.subbuf_size - buf.start_reserve:
        return -1
    if locked != 0:
        return write(handle, _bytes_address(event), length)
    return write_unlocked(handle, _bytes_address(event), length)


@njit(hot=True)
def _type(item: int) -> int:
    return int(words_at(item, _TYPE + 1)[_TYPE])


class _Table(int):
    """The address of a table: the built-in function's self, which keeps alive what it uses."""

    words: np.ndarray[Any, np.dtype[np.int64]]
    slow: Callable[..., bool]


class _Definition(ctypes.Structure):
    """PyMethodDef."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


@cache  # Python does not copy it: it lives as long as the process
def _definition(name: str, doc: str) -> _Definition:
    text = f"{name}($self, /, data, cpu=None)\n--\n\n{doc}"
    return _Definition(
        name.encode(), c_address(write_call, *SIGNATURE), _FASTCALL_WITH_NAMES, text.encode()
    )


_FASTCALL_WITH_NAMES: Final = 0x0080 | 0x0002
_CPU_NAME: Final = sys.intern("cpu")  # as the names in calls are
_new_function: Final = ctypes.pythonapi.PyCFunction_NewEx
_new_function.restype = ctypes.py_object
_new_function.argtypes = [ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p]


class FastWrite:
    """The built-in `write` of one channel whose callbacks are the engine's own.

    Parameters
    ----------
    slow
        The bound method that does the same for all arguments.
    handles
        Of the buffers, by cpu.
    locked
        Whether it is relay_write or __relay_write.

    Attributes
    ----------
    function : builtin_function_or_method
    """

    def __init__(self, slow: Callable[..., bool], handles: Sequence[int], locked: bool) -> None:
        known = (int(locked), *map(id, (slow, bytes, int, None, _CPU_NAME)))
        self._words = np.array([len(handles), *known, *handles], np.int64)
        table = _Table(self._words.ctypes.data)
        table.words, table.slow = self._words, slow
        definition = ctypes.byref(_definition(slow.__name__, slow.__doc__ or ""))
        self.function: Callable[..., bool] = _new_function(definition, table, None)

    def close(self) -> None:
        """From here on hand every call over."""
        self._words[_N_CPUS] = 0
