"""Writing from your own compiled functions, with or without the GIL.

``handle = chan.handle(cpu)`` is an int64 array; pass it to your ``@numba.njit`` function and there
call the functions of this module. They work in plain Python as well. A compiled callback that
raises counts as one that returned 0; only operations called from Python report it.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba.extending import overload
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
            operations.forgive(buffer)
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
    result = operations.reserve(handle[0], length)
    operations.forgive(handle[0])
    return result


def slot(handle: NDArray[np.int64], offset: int, length: int) -> Any:
    """The bytes of a reserved slot, uint8[length], to be filled before the commit.

    Raises
    ------
    ValueError
        They are not in the buffer.
    """
    keeper: Any = handle.base  # an array over its memory stays valid, whoever closes the channel
    size = int(control(handle).subbuf_size * control(handle).n_subbufs)
    if not 0 <= offset <= offset + length <= size:
        raise ValueError("the slot is not in the buffer")
    return keeper.data.bytes[offset : offset + length]


@overload(slot)  # type: ignore[untyped-decorator]  # Numba is untyped
def _compiled_slot(handle: Any, offset: Any, length: Any) -> Any:
    def compiled(handle: Any, offset: Any, length: Any) -> Any:
        own = own_at(handle[0])
        buf = control_at(own.control)
        if offset < 0 or length < 0 or offset + length > buf.subbuf_size * buf.n_subbufs:
            raise ValueError("the slot is not in the buffer")
        return bytes_at(own.bytes + offset, length)

    return compiled


@njit()
def commit(handle: NDArray[np.int64], offset: int, count: int) -> int:
    """relay_commit of `count` bytes of the slot at `offset`.

    Returns
    -------
    int
        0; -2 closed; -1 if the offset is in no sub-buffer or the count negative; -4 from a callback
        of a channel whose deliver is a Python function, which compiled code cannot call.
    """
    result = operations.commit_checked(handle[0], offset, count)
    if result != ring.REENTRANT:
        operations.forgive(handle[0])
    return min(result, 0)


@njit()
def control(handle: NDArray[np.int64]) -> Any:
    """The buffer's control block, to be read: produced, consumed, offset and so on."""
    return control_at(own_at(handle[0]).control)


@njit()
def padding(handle: NDArray[np.int64]) -> Any:
    """The padding of each sub-buffer, uint32[n_subbufs]. Only to be read."""
    own = own_at(handle[0])
    return u32_at(own.padding, control_at(own.control).n_subbufs)
