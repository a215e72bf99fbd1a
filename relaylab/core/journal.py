"""The transition journal: what happened, when, where. The ring writes it, observers drain it.

Records are claimed with one atomic addition and published by their claim number, so that any
thread may append. A slow observer loses the oldest records and is told how many; it never slows
a writer.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from relaylab.core.addresses import journal_at, record_at
from relaylab.core.atomics import fetch_add, load_acquire, store_release
from relaylab.core.jit import njit
from relaylab.core.layout import JOURNAL, RECORD, offset_of
from relaylab.core.system import clock_ns


class Kind(IntEnum):
    """What a journal record tells. `value` holds, by kind:"""

    SUBBUF_START = 1  #: bytes reserved at the start of the sub-buffer
    PRODUCED = 2  #: bytes of padding
    DELIVER = 3  #: bytes committed
    FULL = 4  #: sub-buffers unconsumed
    UNFULL = 5  #: sub-buffers unconsumed before the consume call that ended the full state
    CONSUMED = 6  #: sub-buffers consumed by this call, after clamping
    FLUSH = 7  #: 0
    RESET = 8  #: the epoch that begins
    OPEN = 9  #: 0
    CLOSE = 10  #: 0
    MAPPED = 11  #: references to the buffer
    UNMAPPED = 12  #: references to the buffer
    WAKEUP = 13  #: sub-buffers unconsumed
    LOSS = 14  #: length of the run of lost events, so far


CAPACITY: Final = 1 << 15  # records; a power of two
VISIBLE: Final = np.dtype(
    [
        ("t_ns", np.int64),
        ("kind", np.int64),
        ("cpu", np.int64),
        ("subbuf", np.int64),
        ("produced", np.int64),
        ("value", np.int64),
    ]
)
"""What an observer sees of a record. `t_ns` is of the monotonic clock, in nanoseconds."""

_HEAD = offset_of(JOURNAL, "head")
_CLAIM = offset_of(RECORD, "claim")
_VALUE = offset_of(RECORD, "value")
_SIZE = RECORD.itemsize
_SAFE_TO_UPDATE = CAPACITY // 2  # a record this young is not about to be reused


@njit()
def append(journal: int, kind: int, cpu: int, subbuf: int, produced: int, value: int) -> int:
    """Append a record; its claim number."""
    header = journal_at(journal)
    claim = fetch_add(journal + _HEAD, 1)
    address = header.records + (claim & (header.capacity - 1)) * _SIZE
    store_release(address + _CLAIM, 0)  # readers leave it alone while it changes
    record = record_at(address)
    record.t_ns = clock_ns()
    record.kind = kind
    record.cpu = cpu
    record.subbuf = subbuf
    record.produced = produced
    record.value = value
    store_release(address + _CLAIM, claim + 1)
    return claim


@njit()
def update(journal: int, claim: int, value: int) -> None:
    """Change the value of an earlier record, unless it is about to be overwritten."""
    if load_acquire(journal + _HEAD) - claim < _SAFE_TO_UPDATE:
        header = journal_at(journal)
        store_release(header.records + (claim & (header.capacity - 1)) * _SIZE + _VALUE, value)


class Cursor:
    """An observer's place in a journal.

    Attributes
    ----------
    dropped : int
        Records that were overwritten before this observer read them.
    """

    def __init__(self, header: Any, records: NDArray[np.void], start: int) -> None:
        self._header = header
        self._records = records
        self._next = start
        self.dropped = 0

    def read(self) -> NDArray[np.void]:
        """All records since the last read.

        Returns
        -------
        structured ndarray
            Fields ``t_ns, kind, cpu, subbuf, produced, value``, in the order of the events.
        """
        head = int(self._header["head"][0])
        capacity = len(self._records)
        self._skip_to(head - capacity)
        claims = np.arange(self._next, head)
        copied = self._records[claims % capacity]
        # A record that was reused while it was copied has another claim number by now.
        seen, still = copied["claim"], self._records["claim"][claims % capacity]
        whole = (seen == claims + 1) & (still == claims + 1)
        count, overtaken = _readable(whole, (seen > claims + 1) | (still > claims + 1))
        kept = whole[:count]
        self.dropped += int(overtaken)
        self._next += count
        result = np.empty(int(kept.sum()), VISIBLE)
        for name in VISIBLE.names or ():
            result[name] = copied[name][:count][kept]
        return result

    def _skip_to(self, oldest: int) -> None:
        if oldest > self._next:
            self.dropped += oldest - self._next
            self._next = oldest

    def __repr__(self) -> str:
        pending = int(self._header["head"][0]) - self._next
        return f"<journal cursor: {pending} records to read, {self.dropped} dropped>"


def _readable(whole: NDArray[np.bool_], overtaken: NDArray[np.bool_]) -> tuple[int, int]:
    """How many records from the first on are settled, and how many of these were overtaken.

    A record that is neither whole nor overtaken is being written: reading stops before it.
    """
    unsettled = np.flatnonzero(~whole & ~overtaken)
    count = int(unsettled[0]) if unsettled.size else len(whole)
    return count, int(overtaken[:count].sum())


class Journal(Cursor):
    """The journal of a channel, and its first observer.

    ``read()`` and ``dropped`` are those of a cursor that began when the channel was opened.
    """

    def __init__(self, header: Any, records: NDArray[np.void]) -> None:
        super().__init__(header, records, 0)

    def cursor(self) -> Cursor:
        """An observer of its own, which sees what happens from now on."""
        return Cursor(self._header, self._records, int(self._header["head"][0]))
