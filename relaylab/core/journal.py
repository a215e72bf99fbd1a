"""The transition journal: what happened, when, where. The ring writes it, observers drain it.

Any thread may append; that takes a few instructions. A slow observer loses the oldest records and
is told how many; it never slows a writer.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from relaylab.core.addresses import journal_at, record_at
from relaylab.core.atomics import store_release
from relaylab.core.jit import njit
from relaylab.core.layout import JOURNAL, RECORD, offset_of
from relaylab.core.locks import enter_edge, leave_edge
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

_HEAD = offset_of(JOURNAL, "head")
_EDGE = offset_of(JOURNAL, "edge")
_SIZE = RECORD.itemsize


@njit()
def append(journal: int, kind: int, cpu: int, subbuf: int, produced: int, value: int) -> int:
    """Append a record; its number. A journal at address 0 is none."""
    if journal == 0:
        return 0
    header = journal_at(journal)
    enter_edge(journal + _EDGE)
    number = int(header.head)
    record = record_at(header.records + (number & (header.capacity - 1)) * _SIZE)
    record.t_ns = clock_ns()  # within the edge: records are in the order of time
    record.kind = kind
    record.cpu = cpu
    record.subbuf = subbuf
    record.produced = produced
    record.value = value
    store_release(journal + _HEAD, number + 1)
    leave_edge(journal + _EDGE)
    return number


@njit()
def update(journal: int, number: int, value: int) -> None:
    """Change the value of an earlier record, unless it was overwritten."""
    if journal == 0:
        return
    header = journal_at(journal)
    enter_edge(journal + _EDGE)
    if header.head - number <= header.capacity:
        record_at(header.records + (number & (header.capacity - 1)) * _SIZE).value = value
    leave_edge(journal + _EDGE)


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
            Fields ``t_ns, kind, cpu, subbuf, produced, value``, in the order they were written.
        """
        head = self._head()
        capacity = len(self._records)
        first = max(self._next, head - capacity)
        copied = self._records[np.arange(first, head) % capacity]
        # What was overwritten meanwhile, and what may be being overwritten now, is not whole.
        whole = max(first, min(self._head() + 1 - capacity, head))
        self.dropped += whole - self._next
        self._next = head
        return copied[whole - first :]

    def _head(self) -> int:
        return int(self._header["head"][0])

    def __repr__(self) -> str:
        pending = self._head() - self._next
        return f"<journal cursor: {pending} records to read, {self.dropped} dropped>"


class Journal(Cursor):
    """The journal of a channel, and its first observer.

    ``read()`` and ``dropped`` are those of a cursor that began when the channel was opened.
    """

    def __init__(self, header: Any, records: NDArray[np.void]) -> None:
        super().__init__(header, records, 0)

    def cursor(self) -> Cursor:
        """An observer of its own, which sees what happens from now on."""
        return Cursor(self._header, self._records, int(self._header["head"][0]))
