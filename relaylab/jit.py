"""Writing from your own compiled functions, with or without the GIL.

``handle = chan.handle(cpu)`` is an int64 array; pass it to your ``@numba.njit`` function and there
call the functions of this module. They work in plain Python as well.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from relaylab.core import operations, ring
from relaylab.core.addresses import (
    address_of,
    bytes_at,
    control_at,
    own_at,
    size_of,
    u32_at,
)
from relaylab.core.jit import njit
from relaylab.core.locks import wait_until_free

WRITTEN: Final = ring.WRITTEN
LOST: Final = ring.LOST
TOO_LARGE: Final = ring.TOO_LARGE
CLOSED: Final = ring.CLOSED
NO_SLOT: Final = ring.NO_SLOT
REENTRANT: Final = ring.REENTRANT

_PATIENCE = 1_000_000_000  # ns; it waits again after that


@njit()
def write(handle: NDArray[np.int64], data: Any) -> int:
    """relay_write: write an event under the buffer's lock.

    Parameters
    ----------
    handle
        Of the buffer.
    data
        bytes or a C-contiguous array: the event.

    Returns
    -------
    int
        1 written, 0 lost, -1 too large, -2 closed, -4 called from a callback of the same buffer.
    """
    buffer = handle[0]
    while True:
        result = operations.write(buffer, address_of(data), size_of(data))
        if result != ring.BUSY:
            return result
        wait_until_free(buffer, _PATIENCE)


@njit()
def reserve(handle: NDArray[np.int64], length: int) -> int:
    """relay_reserve: the byte offset of a slot; nothing protects it against other writers.

    Returns
    -------
    int
        The offset from the start of the buffer, or -1 too large (or negative), -2 closed, -3 lost,
        -4 called from a callback of the same buffer.
    """
    if length < 0:
        return ring.TOO_LARGE
    return operations.reserve(handle[0], length)


@njit()
def slot(handle: NDArray[np.int64], offset: int, length: int) -> Any:
    """The bytes of a reserved slot, uint8[length], to be filled before the commit."""
    return bytes_at(own_at(handle[0]).bytes + offset, length)


@njit()
def commit(handle: NDArray[np.int64], offset: int, count: int) -> int:
    """relay_commit of `count` bytes of the slot at `offset`.

    Returns
    -------
    int
        0; -2 closed; -1 if the offset is in no sub-buffer or the count negative.
    """
    return operations.commit_checked(handle[0], offset, count)


@njit()
def control(handle: NDArray[np.int64]) -> Any:
    """The buffer's control block, a record with produced, consumed, offset and so on, to be read."""
    return control_at(own_at(handle[0]).control)


@njit()
def padding(handle: NDArray[np.int64]) -> Any:
    """The padding of each sub-buffer, uint32[n_subbufs]. Only to be read."""
    own = own_at(handle[0])
    return u32_at(own.padding, control_at(own.control).n_subbufs)
