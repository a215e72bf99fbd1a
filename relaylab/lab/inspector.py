"""The sub-buffer a person selected: its numbers, and its bytes read through a real mapping."""

from typing import Any

from relaylab.lab.events import Events
from relaylab.lab.frame import WATCHED, CellState
from relaylab.lab.moment import Moment

SHOWN_BYTES = 256

_MEANING = {
    CellState.EMPTY: "empty: never filled, or consumed (its old bytes stay)",
    CellState.WRITING: "writing: events go in here",
    CellState.READY: "ready: produced, not yet consumed",
    CellState.READING: "being read",
    CellState.OVERWRITTEN: "overwritten unread: what it held before was never read",
    CellState.FULL: "full: the writer stands here, events are lost",
}


class Inspector:
    """A selected sub-buffer. Opens the buffer's file and maps it, as any reader would."""

    def __init__(self) -> None:
        self.selected: tuple[int, int] | None = None
        self.offset = 0
        self._events = Events()
        self._file: Any | None = None
        self._mapping: Any | None = None
        self._of: tuple[Any, int] | None = None

    def select(self, cpu: int, subbuf: int, run: Any, offset: int = 0) -> None:
        """Look from now on into this sub-buffer of a CPU, at the page that has byte `offset`."""
        self.selected = (cpu, subbuf)
        last = max(0, run.channel.subbuf_size - 1)
        self.offset = min(max(0, offset), last) // SHOWN_BYTES * SHOWN_BYTES
        if (run, cpu) != self._of or self._mapping is None:
            self.release()
            self._of = run, cpu
            self._file = None if run.is_over else run.open_file(cpu)
            if self._file is not None:
                self._mapping = self._file.mmap()

    def release(self) -> None:
        """Unmap and close the file."""
        for held in (self._mapping, self._file):
            if held is not None:
                held.close()
        self._mapping = self._file = None
        self._of = None

    def numbers(self, moment: Moment) -> dict[str, Any] | None:
        """What the page shows of the selected sub-buffer; None if nothing is selected."""
        if self.selected is None or not self._is_inside(moment):
            return None
        cpu, subbuf = self.selected
        size, n = moment.subbuf_size, moment.n_subbufs
        snapshot = moment.snapshot
        produced = int(snapshot.subbufs_produced[cpu])
        shown = int(moment.cells.state[cpu * n + subbuf])
        state = CellState(shown & ~WATCHED)
        is_open = state in (CellState.WRITING, CellState.FULL)
        padding = int(snapshot.padding[cpu, subbuf])
        is_filling = state is CellState.WRITING
        # today's kernel sets the offset of a sub-buffer that it closed one beyond the end
        used = min(int(snapshot.offset[cpu]), size) if is_filling else size - padding
        return {
            "cpu": cpu,
            "subbuf": subbuf,
            "state": int(state),
            "meaning": _MEANING[state] + ("; a reader looks at it" if shown & WATCHED else ""),
            "sequence": None if produced == 0 and not is_open else _sequence(produced, subbuf, n),
            "used": used,
            "padding": padding,
            "header": int(snapshot.start_reserve[cpu]),
            "offset": self.offset,
            "commit": int(snapshot.commit[cpu, subbuf]),
            "size": size,
        }

    def memory(self, moment: Moment, run: Any) -> bytes:
        """The page of the selected sub-buffer: up to `SHOWN_BYTES` bytes from `offset` on."""
        whole = self._whole(moment, run)
        return b"" if whole is None else bytes(whole[self.offset : self.offset + SHOWN_BYTES])

    def events(self, moment: Moment, run: Any, numbers: dict[str, Any]) -> list[Any]:
        """The events that reach into the page: start, length and number of each.

        Parameters
        ----------
        moment : Moment
            What there is now.
        run : LiveRun, VirtualRun or AttachedRun
            Whose channel it is.
        numbers : dict
            What `numbers` returned for that moment.
        """
        whole = self._whole(moment, run)
        if whole is None or numbers["sequence"] is None:
            return []
        epoch = int(moment.snapshot.epoch[numbers["cpu"]])
        of = (self._of, self.selected, numbers["sequence"], epoch)
        window = (self.offset, self.offset + SHOWN_BYTES)
        return self._events.within(of, whole, numbers["header"], numbers["used"], window)

    def _whole(self, moment: Moment, run: Any) -> memoryview | None:
        """The bytes of the selected sub-buffer."""
        if self.selected is None or not self._is_inside(moment):
            return None
        cpu, subbuf = self.selected
        start = subbuf * moment.subbuf_size
        stop = start + moment.subbuf_size
        if self._mapping is not None:
            return memoryview(self._mapping.view)[start:stop]
        if not run.is_over and not run.is_read_only:
            return memoryview(run.channel.buffers[cpu].memory)[start:stop]
        return None

    def _is_inside(self, moment: Moment) -> bool:
        assert self.selected is not None
        cpu, subbuf = self.selected
        return cpu < len(moment.cpus) and subbuf < moment.n_subbufs


def _sequence(produced: int, subbuf: int, n_subbufs: int) -> int:
    """The sequence number last filled in this sub-buffer, or being filled."""
    newest = produced - (produced - subbuf) % n_subbufs
    return newest if newest >= 0 else newest + n_subbufs
