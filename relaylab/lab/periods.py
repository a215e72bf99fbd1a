"""How long buffers were full and unfull, and what was flushed and padded, from the journal."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from relaylab.core.journal import Kind

_USUAL: Final = 0
_FULL: Final = 1
_UNFULL: Final = 2

# What a record makes of its buffer; -1: nothing.
_BECOMES: Final = np.full(256, -1, np.int8)
_BECOMES[[Kind.SUBBUF_START, Kind.RESET, Kind.OPEN]] = _USUAL
_BECOMES[Kind.FULL] = _FULL
_BECOMES[Kind.UNFULL] = _UNFULL


@dataclass(frozen=True)
class Happened:
    """What happened between two looks.

    Attributes
    ----------
    full, unfull : float
        Shares of the time, averaged over the CPUs, 0 .. 1.
    flushed : int
        Buffers flushed.
    produced : int
        Sub-buffers produced, as far as the journal tells.
    padding : int
        Bytes of padding in these.
    consumed : int
        Sub-buffers consumed, likewise.
    """

    full: float = 0.0
    unfull: float = 0.0
    flushed: int = 0
    produced: int = 0
    padding: int = 0
    consumed: int = 0


class Periods:
    """Follows each buffer through the journal.

    Parameters
    ----------
    is_full, unfull : ndarray, shape (n_cpus,)
        What the buffers are now.
    t_ns : int
        The time now, on the journal's clock.
    """

    def __init__(self, is_full: NDArray[np.bool_], unfull: NDArray[np.int64], t_ns: int) -> None:
        self._state = _state_of(is_full, unfull)
        self._t_ns = t_ns

    def take(self, records: NDArray[np.void], t_ns: int) -> Happened:
        """What happened up to `t_ns`.

        Parameters
        ----------
        records : structured ndarray
            The journal since the last call.
        t_ns : int
            Now, on the journal's clock.

        Returns
        -------
        Happened
        """
        begin, self._t_ns = self._t_ns, max(t_ns, self._t_ns)
        span = max(1, self._t_ns - begin)
        kinds = records["kind"]
        produced = kinds == Kind.PRODUCED
        full, unfull = self._shares(records[_BECOMES[kinds] >= 0], begin, span)
        return Happened(
            full,
            unfull,
            int(np.count_nonzero(kinds == Kind.FLUSH)),
            int(np.count_nonzero(produced)),
            int(records["value"][produced].sum()),
            int(records["value"][kinds == Kind.CONSUMED].sum()),
        )

    def correct(self, is_full: NDArray[np.bool_], unfull: NDArray[np.int64]) -> None:
        """Take over what is seen, where the journal left something out."""
        self._state = _state_of(is_full, unfull)

    def _shares(self, turns: NDArray[np.void], begin: int, span: int) -> tuple[float, float]:
        """Each turn of a buffer lasts to its next one; before the first is what was before."""
        n = len(self._state)
        cpu = np.concatenate([np.arange(n), turns["cpu"].astype(np.int64)])
        order = np.argsort(cpu, kind="stable")
        cpu = cpu[order]
        state = np.concatenate([self._state, _BECOMES[turns["kind"]]])[order]
        at = np.concatenate([np.zeros(n, np.int64), turns["t_ns"].astype(np.int64) - begin])[order]
        at = np.clip(at, 0, span)
        is_last = np.append(cpu[1:] != cpu[:-1], True)
        lasted = np.where(is_last, span, np.append(at[1:], span)) - at
        self._state = state[is_last].copy()
        whole = span * n
        return (
            float(lasted[state == _FULL].sum() / whole),
            float(lasted[state == _UNFULL].sum() / whole),
        )


def _state_of(is_full: NDArray[np.bool_], unfull: NDArray[np.int64]) -> NDArray[np.int8]:
    usual = np.where(unfull != 0, _UNFULL, _USUAL)
    return np.where(is_full, _FULL, usual).astype(np.int8)
