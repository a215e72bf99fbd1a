"""The journal records that a page is told when too many come: the newest, and all that is rare."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from relaylab.core.journal import Kind
from relaylab.lab.frame import RECORD

MOST_RARE: Final = 20

_RARE: Final = np.zeros(256, np.bool_)
_RARE[[Kind.OPEN, Kind.CLOSE, Kind.FLUSH, Kind.RESET, Kind.MAPPED, Kind.UNMAPPED]] = True


class Newest:
    """The newest records in their order.

    What comes from people and readers is rare, and stays however many events there are: up to
    `MOST_RARE` of these are kept, and `most` of the others.

    Attributes
    ----------
    records : ndarray of `RECORD`
        What is kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.records = np.zeros(0, RECORD)

    def add(self, records: NDArray[np.void]) -> int:
        """Take newer ones.

        Parameters
        ----------
        records : structured ndarray
            With the fields of `RECORD`.

        Returns
        -------
        int
            How many, of the new or the old, are not kept.
        """
        kept = records[self._of_interest(records)]
        together = np.zeros(len(self.records) + len(kept), RECORD)
        together[: len(self.records)] = self.records
        for name in RECORD.names or ():
            together[name][len(self.records) :] = kept[name]
        count = len(self.records) + len(records)
        self.records = together[self._of_interest(together)]
        return count - len(self.records)

    def clear(self) -> None:
        """Forget them."""
        self.records = self.records[:0]

    def _of_interest(self, records: NDArray[np.void]) -> NDArray[np.intp]:
        is_rare = _RARE[records["kind"]]
        rare, crowd = np.flatnonzero(is_rare)[-MOST_RARE:], np.flatnonzero(~is_rare)[-self._most :]
        return np.sort(np.concatenate([rare, crowd]))
