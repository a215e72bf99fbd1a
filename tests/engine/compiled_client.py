"""Compiled callbacks for the golden vectors, and memory that compiled code shares with tests."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numba
import numpy as np
from conformance import replay
from numba import types
from numba.extending import intrinsic

from relaylab import jit


@intrinsic  # type: ignore[untyped-decorator]
def _pointer_to_int64(typing_context, address):  # type: ignore[no-untyped-def]
    def code(context, builder, signature, args):  # type: ignore[no-untyped-def]
        return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

    return types.CPointer(types.int64)(types.int64), code


def shared_words(array: Any) -> Any:
    """A compiled function that gives compiled code the memory of `array`, an int64 ndarray.

    A global array would be frozen into the compiled code. The caller keeps `array` alive.
    """
    address, length = array.ctypes.data, len(array)

    @numba.njit
    def words():  # type: ignore[no-untyped-def]
        return numba.carray(_pointer_to_int64(address), length)

    return words


CURRENT = np.zeros(2, np.int64)  # start_reserve and header of the channel that is operated on
_current = shared_words(CURRENT)


@numba.njit
def subbuf_start(handle, subbuf, prev_subbuf_idx, prev_subbuf):  # type: ignore[no-untyped-def]
    start_reserve, header = _current()
    if header and start_reserve >= 4 and len(prev_subbuf) > 0:
        padding = jit.padding(handle)[prev_subbuf_idx]
        for i in range(4):
            prev_subbuf[i] = (padding >> (8 * i)) & 0xFF
    return start_reserve


@numba.njit
def notice(handle, subbuf_idx, subbuf):  # type: ignore[no-untyped-def]
    pass


COMPILED = {"S": subbuf_start, "D": notice, "F": notice}


class CompiledPort(replay.Port):
    """A port whose channels have compiled callbacks; these learn here whom they work for."""

    def __init__(self, n_cpus: int) -> None:
        super().__init__(n_cpus)
        self.settings: dict[int, tuple[int, int]] = {}

    def perform(self, op: replay.Operation) -> Any:
        match op:
            case ["open", slot, _, _, _, _, _, start_reserve, header, _]:
                self.settings[slot] = CURRENT[:] = start_reserve, header
            case [_, slot, *_] if slot in self.settings:
                CURRENT[:] = self.settings[slot]
        return super().perform(op)


class CompiledClient(replay.Client):
    """Registers the same callbacks of the ring as the Python client, compiled."""

    def callbacks(self, letters: str | None) -> SimpleNamespace | None:
        if letters is None:
            return None
        return SimpleNamespace(**{replay.CALLBACKS[x]: COMPILED[x] for x in letters if x in "SDF"})
