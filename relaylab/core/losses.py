"""Counting what is lost: events by cause, and sub-buffers overwritten before they were read."""

from __future__ import annotations

from typing import Any, Final

from relaylab.core.jit import njit
from relaylab.core.journal import Kind, append, update

FULL: Final = 0  # no room: the buffer is full
UNFULL: Final = 1  # the event that finds the unfull flag set
TOO_LARGE: Final = 2  # longer than a sub-buffer less what is reserved

_KIND_LOSS = int(Kind.LOSS)
_NO_RUN: Final = -1


@njit()
def count(buf: Any, own: Any, length: int, cause: int) -> None:
    """Count a lost event, and tell the journal: one record for each run of losses."""
    if cause == FULL:
        buf.lost_full += 1
    elif cause == UNFULL:
        buf.lost_unfull += 1
    else:
        buf.lost_too_large += 1
    buf.lost_bytes += length
    if own.loss_after == buf.written:  # nothing was written since the last loss
        own.loss_length += 1
        update(own.journal, own.loss_record, own.loss_length)
        return
    own.loss_after = buf.written
    own.loss_length = 1
    subbuf = buf.produced % buf.n_subbufs
    own.loss_record = append(own.journal, _KIND_LOSS, buf.cpu, subbuf, buf.produced, 1)


@njit()
def end_run(own: Any) -> None:
    """The next loss begins a new run."""
    own.loss_after = _NO_RUN


@njit()
def count_overwritten(buf: Any) -> None:
    """Count the sub-buffer whose place the data pointer has come to, if its data were not given up.

    Without overwrite mode this happens only after an unfull that consumed nothing.
    """
    place = buf.data_start // buf.subbuf_size
    sequence = buf.produced - 1 - (buf.produced - 1 - place) % buf.n_subbufs  # of what lies there
    if sequence < 0:
        return
    unread = sequence >= buf.consumed
    if unread or buf.overwrite != 0:
        buf.overwritten_subbufs += 1
    if unread:
        buf.overwritten_unread_subbufs += 1
