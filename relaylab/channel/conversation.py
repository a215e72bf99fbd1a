"""Operations that call Python callbacks, or that have to wait for another thread's.

The engine returns ASK where a Python callback is due, with the writers' lock held. Whatever
happens in between, an operation that was begun is ended here and its lock given back.
"""

from __future__ import annotations

import operator
import threading
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from relaylab.channel.callbacks import Client
from relaylab.core import ring
from relaylab.core.clients import NO_DELIVER, RESERVE_OUT_OF_RANGE
from relaylab.core.layout import OWN, words_of
from relaylab.core.prepare import engine
from relaylab.errors import CallbackError, ReentrancyError

if TYPE_CHECKING:
    from relaylab.channel.buffer import ChannelBuffer

_PATIENCE: Final = 20_000_000  # ns of waiting between looks for signals
_NAMES: Final = {
    ring.ASK_START: "subbuf_start",
    ring.ASK_DELIVER: "deliver",
    ring.ASK_FULL: "buf_full",
}


_INDEX: Final = words_of(OWN)


class Conversation:
    """What one buffer and its client have to say to each other."""

    def __init__(self, buffer: ChannelBuffer, client: Client) -> None:
        self._buffer = buffer
        self._client = client
        self._own = buffer._memory.own
        self._own_words = self._own.view(np.int64).data
        self._handle = buffer._memory.handle
        self._callers: list[int] = []  # threads that are inside a callback of this buffer

    def refuse_reentry(self, operation: str) -> None:
        """Raise if this thread is inside a callback of this buffer.

        Raises
        ------
        ReentrancyError
        """
        if self._callers and threading.get_ident() in self._callers:
            raise self._reentrant(operation)

    def perform(self, operation: str, arguments: tuple[Any, ...], locked: bool) -> int:
        """Do an operation to its end.

        Raises
        ------
        ReentrancyError, CallbackError
        """
        self.refuse_reentry(operation)
        entry = getattr(engine, operation)
        failures: list[BaseException] = []
        try:
            result = entry(self._handle, *arguments)
            while result == ring.BUSY:
                engine.wait_for_lock(self._handle, _PATIENCE)
                result = entry(self._handle, *arguments)
            result = self._answer(result, failures)
        except BaseException:  # a signal's exception, wherever it struck
            self._abandon(locked)
            raise
        if result == ring.REENTRANT:
            raise self._reentrant(operation)
        self._raise(failures)
        return int(result)

    def perform_batch(
        self, operation: str, arguments: tuple[int, ...], progress: NDArray[np.int64], locked: bool
    ) -> int:
        """Write events of a batch until one of them had a Python callback called, or none is left.

        progress is int64[2]: the next event, and how many were written.

        Raises
        ------
        ReentrancyError, CallbackError
        """
        self.refuse_reentry(operation)
        failures: list[BaseException] = []
        try:
            result = getattr(engine, operation)(self._handle, *arguments)
            if result == ring.ASK:
                result = self._answer(result, failures)
                progress[1] += result == ring.WRITTEN
        except BaseException:
            self._abandon(locked)
            raise
        if result == ring.REENTRANT:
            raise self._reentrant(operation)
        self._raise(failures)
        return int(result)

    def after_commit(self, due: bool, subbuf: int) -> None:
        """Call deliver, if it is due, and report what callbacks did wrong."""
        failures: list[BaseException] = []
        if due:
            view = self._subbuf(subbuf)
            self.call(failures, "deliver", subbuf, view)
        self._raise(failures)

    def call(self, failures: list[BaseException], name: str, *arguments: Any) -> Any:
        """Call a Python callback; None if it is not registered or raised."""
        callback = self._client.python.get(name)
        if callback is None:
            return None
        me = threading.get_ident()
        try:
            self._callers.append(me)
            try:
                return callback(self._buffer, *arguments)
            finally:
                self._callers.remove(me)
        except BaseException as error:
            error.add_note(f"in the callback {name} of {self._buffer.path!r}")
            failures.append(error)
            return None

    def call_alone(self, name: str, *arguments: Any) -> None:
        """Call a Python callback outside the ring: buf_mapped or buf_unmapped."""
        failures: list[BaseException] = []
        self.call(failures, name, *arguments)
        self._raise(failures)

    def _answer(self, result: int, failures: list[BaseException]) -> int:
        while result == ring.ASK:
            result = engine.resume(self._handle, self._reply(failures))
        return result

    def _reply(self, failures: list[BaseException]) -> int:
        """Call the callback that the engine asks for; its reply, 0 if it fails."""
        asked, subbuf, prev, has_prev = (
            self._word(name) for name in ("asked", "asked_subbuf", "asked_prev", "asked_has_prev")
        )
        view = self._subbuf(subbuf)
        if asked != ring.ASK_START:
            self.call(failures, _NAMES[asked], subbuf, view)
            return 0
        before = len(failures)
        previous = self._subbuf(prev) if has_prev else None
        reply = self.call(failures, "subbuf_start", view, prev, previous)
        if len(failures) > before or "subbuf_start" not in self._client.python:
            return 0
        try:
            reserve = operator.index(reply)
            if not 0 <= reserve <= len(view):
                raise ValueError(f"subbuf_start returned {reserve}, allowed is 0 .. {len(view)}")
        except (TypeError, ValueError) as error:
            failures.append(error)
            return 0
        return reserve

    def _abandon(self, locked: bool) -> None:
        """End what this thread began, as if callbacks returned 0, without calling them."""
        if locked and self._word("lock") != threading.get_ident():
            return
        while self._word("asked") != ring.NOTHING:
            engine.resume(self._handle, 0)

    def _raise(self, failures: list[BaseException]) -> None:
        """Report the first thing that went wrong in a callback."""
        for failure in failures:
            if not isinstance(failure, Exception):
                raise failure
        if failures:
            raise CallbackError(
                f"a callback of {self._buffer.path!r} failed: {failures[0]!r}",
                hint="The operation ended as if it had returned 0.",
            ) from failures[0]
        wrong = self._word("error")
        if wrong == 0 or self._word("error_thread") != threading.get_ident():
            return  # another thread's operation has to answer for it
        self._own["error"] = 0
        size = self._buffer._subbuf_size
        what = f"a compiled callback of {self._buffer.path!r}"
        hint = "The operation ended as if it had returned 0."
        if wrong == RESERVE_OUT_OF_RANGE:
            value = self._word("error_value")
            raise CallbackError(
                f"{what} returned a reserve", passed=value, allowed=f"0 .. {size}", hint=hint
            ) from ValueError(f"subbuf_start returned {value}, allowed is 0 .. {size}")
        if wrong == NO_DELIVER:
            raise CallbackError(
                f"{what} committed, but its deliver is a Python function",
                hint="Nothing was committed. Compile deliver with @numba.njit, or commit later.",
            ) from RuntimeError("compiled code cannot call a Python deliver")
        raise CallbackError(f"{what} raised", hint=hint) from RuntimeError(
            "compiled code does not tell which exception it was"
        )

    def _word(self, name: str) -> int:
        return self._own_words[_INDEX[name]]

    def _subbuf(self, index: int) -> memoryview:
        size = self._buffer._subbuf_size
        return self._buffer._writable(index * size, size)

    def _reentrant(self, operation: str) -> ReentrancyError:
        return ReentrancyError(
            f"{operation} on {self._buffer.path!r} from inside one of its callbacks",
            allowed="reading its state, consumed, commit and poll there, anything on other buffers",
            hint="Note what is to be done and do it after the callback has returned.",
        )


class _Unraised:
    """Raises where no caller can get it, which hands it to sys.unraisablehook."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __del__(self) -> None:
        raise self._error


def report_unraisable(error: BaseException) -> None:
    """Hand an error on a thread of relaylab's own to sys.unraisablehook."""
    _Unraised(error)
