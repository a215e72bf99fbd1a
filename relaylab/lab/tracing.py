"""Running an operation of the readable twin line by line."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

import numpy as np

from relaylab.lab.statements import source_of
from relaylab.lab.stepcode import Call
from relaylab.lab.twin import CONTROL_WORDS, TwinBuffer

_SHOWN: Final = tuple(f"relaylab.core.{name}" for name in ("ring", "readers", "losses"))
"""Modules whose functions are told of; locks, journal and the like are not why a state changes."""

_HIDDEN: Final = ("edge", "settled_bytes", "wakeups")
_ADDRESSES: Final = ("event",)  # variables that tell nobody anything


class Tracer:
    """Notes which lines of the state machine run, and what each changes.

    Parameters
    ----------
    buffer : TwinBuffer
        Whose state is watched.

    Attributes
    ----------
    calls : list of Call
        In the order in which they began.
    """

    def __init__(self, buffer: TwinBuffer) -> None:
        self.calls: list[Call] = []
        self._buffer = buffer
        self._state = self._look()
        self._stack: list[_Under] = []

    def run(self, operation: Callable[[], int]) -> int:
        """Run it; what it answers. The tracer that a debugger has set is back afterwards."""
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            return operation()
        finally:
            sys.settrace(before)

    def _enter(self, frame: FrameType, event: str, _: Any) -> Any:
        if event != "call" or frame.f_globals.get("__name__") not in _SHOWN:
            return None
        self._settle()
        call = Call(source_of(frame.f_code), _numbers(frame))
        self.calls.append(call)
        self._stack.append(_Under(call, dict(call.arguments)))
        return self._within

    def _within(self, frame: FrameType, event: str, value: Any) -> Any:
        under = self._stack[-1]
        self._settle()
        self._note_locals(under, frame)
        if event == "line":
            under.line = under.call.source.first_of[frame.f_lineno]
            under.call.ran.setdefault(under.line, [])
        elif event == "return":
            under.call.returned = _plain(value)
            self._stack.pop()
            if self._stack and under.call.changed:
                self._stack[-1].call.changed = True
        return self._within

    def _settle(self) -> None:
        """What changed since the last look was changed by the line under way."""
        now = self._look()
        before, self._state = self._state, now
        if now == before or not self._stack:
            return
        under = self._stack[-1]
        for name, value in now.items():
            if value != before[name]:
                under.call.changed = True
                under.tell(f"{name} {before[name]} → {value}")

    def _note_locals(self, under: "_Under", frame: FrameType) -> None:
        for name, value in _numbers(frame).items():
            if under.known.get(name) != value:
                under.known[name] = value
                under.tell(f"{name} = {value}")

    def _look(self) -> dict[str, int]:
        words = self._buffer.control.view("i8")
        state = {name: int(words[at]) for name, at in CONTROL_WORDS.items() if name not in _HIDDEN}
        for name, array in (("padding", self._buffer.padding), ("commit", self._buffer.commit)):
            state |= {f"{name}[{i}]": value for i, value in enumerate(array.tolist())}
        return state


class _Under:
    """A call under way."""

    def __init__(self, call: Call, known: dict[str, int]) -> None:
        self.call = call
        self.known = known
        self.line = 0

    def tell(self, text: str) -> None:
        values = self.call.ran.setdefault(self.line, [])
        if text not in values:
            values.append(text)


def _numbers(frame: FrameType) -> dict[str, int]:
    """The variables of a frame that a person can read."""
    found = {name: _plain(value) for name, value in frame.f_locals.items()}
    return {
        name: value for name, value in found.items() if value is not None and name not in _ADDRESSES
    }


def _plain(value: Any) -> int | None:
    """A number as Python has it; None for what is none."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    return int(value) if isinstance(value, int | np.integer) else None
