"""A client's callbacks, and how each is to be called: built in, compiled, or as Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from types import MethodType
from typing import Any, Final, Protocol

import numpy as np
from numba import cfunc, types
from numba.core.dispatcher import Dispatcher
from numba.core.errors import NumbaError

from relaylab.channel.arguments import INT_MAX, integer
from relaylab.core.addresses import bytes_at, control_at, own_at, words_at
from relaylab.core.clients import ABSENT, BUILT_IN, COMPILED, PYTHON, RAISED
from relaylab.core.layout import OWN
from relaylab.core.system import thread_id
from relaylab.errors import ConfigError


class Callbacks:
    """Optional base class of a client's callbacks: override what you need.

    Any object with some of these methods will do. A method that is missing, or that is still
    the one of this class, is not registered. A method that is a ``@numba.njit`` function runs
    compiled, within the engine: `buf` is then the handle (see `relaylab.jit`), sub-buffers are
    uint8 arrays (of length 0 for None), and a file is a number.
    """

    def subbuf_start(
        self, buf: Any, subbuf: memoryview, prev_subbuf_idx: int, prev_subbuf: memoryview | None
    ) -> int:
        """A sub-buffer begins: how many bytes to reserve at its start, 0 .. subbuf_size.

        `subbuf` and `prev_subbuf` are writable; `prev_subbuf` is None for the first.
        """
        return 0

    def deliver(self, buf: Any, subbuf_idx: int, subbuf: memoryview) -> None:
        """All that was written to the sub-buffer is committed."""

    def buf_full(self, buf: Any, subbuf_idx: int, subbuf: memoryview) -> None:
        """The sub-buffer filled the buffer: events are lost until sub-buffers are consumed."""

    def buf_mapped(self, buf: Any, file: Any) -> None:
        """A file of the buffer was mapped."""

    def buf_unmapped(self, buf: Any, file: Any) -> None:
        """A mapping of the buffer went."""

    @staticmethod
    def reserving(n: int, store_padding: bool = False) -> Reserving:
        """The client that most are, built in: it runs inside the compiled engine.

        Parameters
        ----------
        n
            Bytes to reserve at the start of each sub-buffer, 0 .. subbuf_size.
        store_padding
            Store the padding of the sub-buffer just finished at its start, as a little-endian
            uint32, if at least 4 bytes are reserved.
        """
        return Reserving(integer("n", n, 0, INT_MAX), bool(store_padding))


@dataclass(frozen=True)
class Reserving(Callbacks):
    """The built-in client; see `Callbacks.reserving`."""

    n: int
    store_padding: bool = False


NAMES: Final = ("subbuf_start", "deliver", "buf_full", "buf_mapped", "buf_unmapped")
_IN_RING: Final = ("subbuf_start", "deliver", "buf_full")
_MODE_FIELDS: Final = dict(zip(_IN_RING, ("start", "deliver", "full"), strict=True))


@dataclass
class Client:
    """The callbacks of one channel as they were at open.

    Attributes
    ----------
    python : dict
        The registered callbacks that are Python functions, by name.
    """

    modes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_IN_RING, ABSENT))
    pointers: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_IN_RING, 0))
    python: dict[str, Callable[..., Any]] = field(default_factory=dict)
    reserve: int = 0
    store_padding: bool = False
    _kept: list[Any] = field(default_factory=list)  # compiled code lives as long as its object

    @property
    def in_ring(self) -> list[str]:
        """The Python callbacks that a switch or a commit may call."""
        return [name for name in _IN_RING if self.modes[name] == PYTHON]

    @property
    def is_plain(self) -> bool:
        """Whether no operation ever calls anything outside the engine."""
        return not self.python and COMPILED not in self.modes.values()

    def install(self, own: np.ndarray[Any, np.dtype[np.void]]) -> None:
        """Tell a buffer's OWN record how its callbacks are called."""
        for name, prefix in _MODE_FIELDS.items():
            own[f"{prefix}_mode"] = self.modes[name]
            own[f"{prefix}_pointer"] = self.pointers[name]
        own["reserve"] = self.reserve
        own["store_padding"] = int(self.store_padding)


def register(callbacks: Any, subbuf_size: int) -> Client:
    """Look at a client's callbacks once, at open. The object itself is never written to."""
    client = Client()
    if isinstance(callbacks, int | float | str | bytes | dict | list | tuple | set):
        raise _no_client(callbacks)
    if isinstance(callbacks, Reserving):
        if callbacks.n > subbuf_size:
            raise ConfigError(
                "Callbacks.reserving(n)",
                passed=callbacks.n,
                allowed=f"0 .. {subbuf_size}, the size of a sub-buffer",
            )
        client.modes["subbuf_start"] = BUILT_IN
        client.reserve, client.store_padding = callbacks.n, callbacks.store_padding
    for name in NAMES:
        method = _registered(callbacks, name)
        if method is None:
            continue
        compiled = _dispatcher(method)
        if compiled is not None and name in _IN_RING:
            code = _compile(name, compiled)
            client.modes[name], client.pointers[name] = COMPILED, int(code.address)
            client._kept.append(code)
            continue
        client.python[name] = method if compiled is None else _with_handle(compiled)
        if name in _IN_RING:
            client.modes[name] = PYTHON
    if callable(callbacks) and not any(hasattr(callbacks, name) for name in NAMES):
        raise _no_client(callbacks)
    return client


def _no_client(passed: Any) -> ConfigError:
    return ConfigError(
        "callbacks",
        passed=passed,
        allowed=f"an object with some of the methods {', '.join(NAMES)}, or None",
        hint="types.SimpleNamespace(deliver=function) makes one of functions.",
    )


def _with_handle(function: Any) -> Callable[..., Any]:
    """A compiled buf_mapped or buf_unmapped: it gets the handle, and a number for the file."""

    def told(buf: Any, file: Any) -> None:
        function(buf._handle(), id(file))

    return told


def _registered(callbacks: Any, name: str) -> Any:
    """The client's own method of that name, or None."""
    method = getattr(callbacks, name, None)
    if method is None or getattr(method, "__func__", None) is getattr(Callbacks, name):
        return None
    if not callable(method):
        raise ConfigError(
            f"callbacks.{name}", passed=method, allowed="a function, or no such attribute"
        )
    return method


def _dispatcher(method: Any) -> Any:
    """The compiled function behind a method, or None."""
    if isinstance(method, MethodType):
        method = method.__func__
    return method if isinstance(method, Dispatcher) else None


class _Code(Protocol):
    @property
    def address(self) -> int: ...


_OWN_WORDS = OWN.itemsize // 8


@lru_cache(maxsize=256)  # opening again with the same callbacks compiles nothing
def _compile(name: str, function: Any) -> _Code:
    """C-callable code for a client's compiled callback, to be called through its address."""
    try:
        return _start_code(function) if name == "subbuf_start" else _notice_code(function)
    except NumbaError as error:
        raise ConfigError(
            f"callbacks.{name}",
            passed=function.py_func.__name__,
            allowed="a compiled function of a handle, uint8 arrays and ints",
            hint=f"Numba says: {str(error).strip().splitlines()[0]}",
        ) from error


def _start_code(function: Any) -> _Code:
    @cfunc(types.int64(types.int64, types.int64, types.int64, types.int64))  # type: ignore[untyped-decorator]  # Numba is untyped
    def subbuf_start(handle: Any, subbuf: Any, prev: Any, has_prev: Any) -> Any:
        own = own_at(handle)
        size = control_at(own.control).subbuf_size
        current = bytes_at(own.bytes + subbuf * size, size)
        previous = bytes_at(own.bytes + prev * size, size * has_prev)
        reserved = 0
        try:
            reserved = int(function(words_at(handle, _OWN_WORDS), current, prev, previous))
        except Exception:
            own.error = RAISED
            own.error_thread = thread_id()
            reserved = 0
        return reserved

    return subbuf_start  # type: ignore[no-any-return]  # Numba is untyped


def _notice_code(function: Any) -> _Code:
    @cfunc(types.int64(types.int64, types.int64))  # type: ignore[untyped-decorator]  # Numba is untyped
    def notice(handle: Any, subbuf: Any) -> Any:
        own = own_at(handle)
        size = control_at(own.control).subbuf_size
        try:
            function(
                words_at(handle, _OWN_WORDS), subbuf, bytes_at(own.bytes + subbuf * size, size)
            )
        except Exception:
            own.error = RAISED
            own.error_thread = thread_id()
        return 0

    return notice  # type: ignore[no-any-return]  # Numba is untyped
