"""The engine's readable twin: its operations as plain Python, on a copy of a buffer.

Numba keeps the plain function of everything it compiles. Here these are bound to each other anew,
module by module, so that an operation runs from its first line to its last without leaving Python.
The engine itself is not touched and stays compiled.
"""

import os
import sys
from collections.abc import Iterator
from functools import cache
from types import FunctionType, ModuleType
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from relaylab.channel.buffer import new_eventfd
from relaylab.core import jit, operations
from relaylab.core.addresses import journal_at
from relaylab.core.layout import CONTROL, JOURNAL, OWN, PAGE, RECORD, words_of
from relaylab.core.memory import BufferMemory

_RECORDS: Final = 64  # of a journal that nobody reads; a power of two
_LINKS: Final = ("handle", "control", "bytes", "padding", "commit", "journal", "listeners")


@cache
def plain_operations() -> ModuleType:
    """`relaylab.core.operations`, and all that it calls, not compiled."""
    return _Twins().of(operations)


class _Twins:
    """Modules of the core with plain functions in the place of compiled ones."""

    def __init__(self) -> None:
        self._made: dict[str, ModuleType] = {}

    def of(self, module: ModuleType) -> ModuleType:
        if module.__name__ not in self._made:
            twin = self._made[module.__name__] = ModuleType(module.__name__, module.__doc__)
            names = vars(twin)
            names.update(vars(module))
            for name, value in vars(module).items():
                names[name] = self._plain(value, twin)
        return self._made[module.__name__]

    def _plain(self, value: Any, twin: ModuleType) -> Any:
        if isinstance(value, ModuleType):
            return self.of(value) if _is_compiled(value) else value
        function = getattr(value, "py_func", value)
        if not isinstance(function, FunctionType) or not _is_compiled(home := _home(function)):
            return value
        if home.__name__ != twin.__name__:
            return getattr(self.of(home), function.__name__)
        return FunctionType(function.__code__, vars(twin), function.__name__, function.__defaults__)


def _home(function: FunctionType) -> ModuleType:
    return sys.modules[function.__module__]


def _is_compiled(module: ModuleType) -> bool:
    return module is not jit and vars(module).get("njit") is jit.njit


class TwinBuffer:
    """A copy of a buffer as it is now, on which operations run as plain Python.

    Parameters
    ----------
    memory : BufferMemory
        What is copied. Nobody else may use it meanwhile.
    """

    def __init__(self, memory: BufferMemory) -> None:
        self._memory = memory
        self._control_pages, own_pages, self.bytes = memory.checkpoint()
        self._own_pages = own_pages
        self.control = self._control_pages[: CONTROL.itemsize].view(CONTROL)
        n = int(self.control["n_subbufs"][0])
        arrays = self._control_pages[CONTROL.itemsize : CONTROL.itemsize + 8 * n].view(np.uint32)
        self.padding, self.commit = arrays[:n], arrays[n:]
        self._own = own_pages[: OWN.itemsize].view(OWN)
        self._eventfd = new_eventfd() if self._own["eventfd"][0] >= 0 else -1
        self._journal = _journal_after(int(self._own["journal"][0]))
        self._link(n)

    def _link(self, n_subbufs: int) -> None:
        """Let the copy refer to itself where the original refers to itself."""
        self.handle = _address(self._own_pages)
        control = _address(self._control_pages)
        padding = control + CONTROL.itemsize
        addresses = (
            self.handle,
            control,
            _address(self.bytes),
            padding,
            padding + 4 * n_subbufs,
            _address(self._journal),
            self.handle + PAGE,
        )
        for name, address in zip(_LINKS, addresses, strict=True):
            self._own[name] = address
        self._own["eventfd"] = self._eventfd
        self._own["n_listeners"] = 0  # their descriptors are the original's

    def perform(self, operation: str, *arguments: Any) -> int:
        """Do an operation of `relaylab.core.operations`; what it answers."""
        return int(getattr(plain_operations(), operation)(self.handle, *arguments) or 0)

    def differences(self) -> Iterator[str]:
        """What is not the same in the copy and in the buffer as it is now."""
        control, own, data = self._memory.checkpoint()
        del own  # addresses, and what only concerns operations under way
        there = control[: CONTROL.itemsize].view(CONTROL)
        for name in CONTROL.names or ():
            ours, theirs = int(self.control[name][0]), int(there[name][0])
            if ours != theirs:
                yield f"{name} is {ours}, in the engine {theirs}"
        n = len(self.padding)
        arrays = control[CONTROL.itemsize : CONTROL.itemsize + 8 * n].view(np.uint32)
        for name, mine, other in (
            ("padding", self.padding, arrays[:n]),
            ("commit", self.commit, arrays[n:]),
            ("byte", self.bytes, data),
        ):
            for index in np.flatnonzero(mine != other)[:3]:
                yield f"{name}[{index}] is {mine[index]}, in the engine {other[index]}"

    def close(self) -> None:
        """Give back what the copy has of the system's."""
        if self._eventfd >= 0:
            os.close(self._eventfd)
            self._eventfd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _journal_after(address: int) -> NDArray[np.uint8]:
    """A short journal that goes on with the record numbers of the one at `address`."""
    memory = np.zeros(JOURNAL.itemsize + _RECORDS * RECORD.itemsize, np.uint8)
    header = memory[: JOURNAL.itemsize].view(JOURNAL)
    header["capacity"] = _RECORDS
    header["records"] = _address(memory) + JOURNAL.itemsize
    header["head"] = int(journal_at(address).head)
    return memory


def _address(memory: NDArray[np.uint8]) -> int:
    return int(memory.ctypes.data)


CONTROL_WORDS: Final = words_of(CONTROL)
