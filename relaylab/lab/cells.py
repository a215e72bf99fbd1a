"""What each sub-buffer is at one moment: the engine's counters turned into cells of the map."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from relaylab.lab.frame import CPU, WATCHED, Cells, CellState, CpuFlag


def cells_of(
    snapshot: Any,
    reading: NDArray[np.int64],
    subbuf_size: int,
    n_subbufs: int,
    watching: NDArray[np.int64] | None = None,
) -> Cells:
    """The cells of a channel.

    Parameters
    ----------
    snapshot : object
        ``chan.snapshot()``.
    reading : ndarray of int64, shape (readers, n_cpus) or (n_cpus,)
        The sub-buffers that consuming readers work on, -1 for none.
    subbuf_size : int
        Bytes of a sub-buffer.
    n_subbufs : int
        Sub-buffers of a buffer.
    watching : ndarray of int64, shape (readers, n_cpus), optional
        Those that readers look at which only watch.

    Returns
    -------
    Cells
        All n_cpus * n_subbufs of them, CPU by CPU.
    """
    index = np.arange(n_subbufs)[None, :]
    produced = snapshot.subbufs_produced.astype(np.int64)[:, None]
    consumed = snapshot.subbufs_consumed.astype(np.int64)[:, None]
    writing = snapshot.data_index.astype(np.int64)[:, None]
    full = snapshot.is_full[:, None].astype(bool)
    padding = snapshot.padding.astype(np.int64)

    # The newest sequence number that lies in cell i is the largest s < produced with s % n == i.
    sequence = produced - 1 - (produced - 1 - index) % n_subbufs
    unread = (sequence >= consumed) & (sequence >= 0)
    # What lay there one lap earlier was not read either, so it was overwritten unread.
    overwrote = unread & (sequence - n_subbufs >= consumed)

    state = np.full(padding.shape, CellState.EMPTY, np.uint8)
    state[unread] = CellState.READY
    state[overwrote] = CellState.OVERWRITTEN
    state[_marked(reading, padding.shape)] = CellState.READING
    is_writing = index == writing
    state[is_writing & ~full] = CellState.WRITING
    state[is_writing & full] = CellState.FULL

    open_now = is_writing & ~full
    used = np.where(open_now, snapshot.offset.astype(np.int64)[:, None], subbuf_size - padding)
    occupied = state != CellState.EMPTY
    if watching is not None:
        state[_marked(watching, padding.shape)] |= WATCHED
    return Cells(
        np.arange(padding.size, dtype=np.uint32),
        _fraction(np.where(occupied, used, 0), subbuf_size),
        _fraction(np.where(occupied & ~open_now, padding, 0), subbuf_size),
        _fraction(np.where(occupied, snapshot.commit, 0), subbuf_size),
        state.ravel(),
    )


def cpus_of(seen: Any, snapshot: Any, reading: NDArray[np.int64]) -> NDArray[np.void]:
    """The counters of each buffer, as a frame carries them.

    Parameters
    ----------
    seen : object
        ``chan._observe()``.
    snapshot : object
        Its snapshot.
    reading : ndarray of int64, shape (readers, n_cpus) or (n_cpus,)
        The sub-buffers that consuming readers work on, -1 for none.

    Returns
    -------
    ndarray of `CPU`, shape (n_cpus,)
    """
    cpus = np.zeros(len(snapshot.cpu), CPU)
    cpus["produced"] = snapshot.subbufs_produced
    cpus["consumed"] = snapshot.subbufs_consumed
    cpus["offset"] = snapshot.offset
    cpus["data_index"] = snapshot.data_index
    cpus["reading"] = np.max(np.atleast_2d(reading), axis=0, initial=-1)
    cpus["refcount"] = snapshot.refcount
    cpus["written"] = seen.written
    cpus["lost"] = seen.lost
    cpus["high_water"] = seen.high_water
    cpus["flags"] = (
        np.where(snapshot.unfull, CpuFlag.UNFULL, 0)
        | np.where(snapshot.finalized, CpuFlag.FINALIZED, 0)
        | np.where(snapshot.is_full, CpuFlag.FULL, 0)
        | np.where(snapshot.is_empty, CpuFlag.EMPTY, 0)
    )
    return cpus


def _marked(places: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The cells, of shape (n_cpus, n_subbufs), at which some reader is."""
    at = np.zeros(shape, np.bool_)
    for row in np.atleast_2d(places):
        cpus = np.flatnonzero(row >= 0)
        at[cpus, row[cpus]] = True
    return at


def _fraction(count: NDArray[Any], of: int) -> NDArray[np.uint16]:
    share = np.clip(count.astype(np.float64) / of, 0.0, 1.0)
    return np.round(share * 65535).astype(np.uint16).ravel()
