"""Produced sub-buffers out of open relay files into targets, in batches, without padding.

A batch is written first and consumed then, so that nothing is lost whatever happens in between.
Into a regular file it is written straight from the mapping; what turns out to have changed
meanwhile (a reset, another reader that consumed) is taken back. Elsewhere, and in overwrite mode,
it is copied first, and the copy looked at.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from relaylab.cli.filestate import at_one_moment, open_bytes
from relaylab.cli.target import MOST_PIECES, Target, refused

if TYPE_CHECKING:
    from relaylab.relayfs import RelayFile

# Bytes of a batch: many small sub-buffers at once, but no more than half of the buffer, for the
# writer waits for what is not consumed
_LEAST: Final = 64 * 1024
_MOST: Final = 1024 * 1024
_LOOKS: Final = 100  # at a sub-buffer that is just being begun

CLOSED: Final = "closed"
HANG_UP: Final = "hang-up"
STOPPED: Final = "stopped"


@dataclass
class Batch:
    """Sub-buffers first .. first + len(ends) of the sequence."""

    epoch: int  #: resets before it
    first: int
    ends: NDArray[np.int64]  #: where each one's bytes end in what is written
    paddings: NDArray[np.int64]

    def whole(self, written: int) -> int:
        """How many sub-buffers are among the first `written` bytes."""
        return int(np.searchsorted(self.ends, written, side="right"))

    def without(self, count: int) -> Batch:
        """The same without its first sub-buffers."""
        gone = self.ends[count - 1] if count else 0
        return Batch(
            self.epoch, self.first + count, self.ends[count:] - gone, self.paddings[count:]
        )


@dataclass(frozen=True)
class Unfinished:
    """The open sub-buffer at the moment that the drain was to end."""

    epoch: int
    sequence: int
    opened: int
    begin: int  #: byte of the buffer
    size: int  #: bytes that it holds


class Drain:
    """Takes the sub-buffers of one open file to a target.

    Parameters
    ----------
    consume
        False: only watch; the writer does not wait.

    Attributes
    ----------
    subbufs, bytes, padding_bytes : int
        Written so far; bytes without padding.
    overwritten : int
        Sub-buffers that were overwritten before they could be read.
    taken : int
        Sub-buffers that another reader consumed first.
    resets : int
        How often the sequence began anew.
    ended : str or None
        CLOSED, HANG_UP (its owner is gone, or unmounted it) or STOPPED, once it has ended.
    unfinished : Unfinished
        Once it has ended.
    partial_bytes : int
        Of the unfinished sub-buffer, written on request.
    """

    def __init__(self, file: RelayFile, name: str, target: Target, consume: bool = True) -> None:
        self.file = file
        self.name = name
        self.target = target
        self.subbufs = self.bytes = self.padding_bytes = 0
        self.overwritten = self.taken = self.resets = self.partial_bytes = 0
        self.ended: str | None = None
        self._consume = consume
        self._until: int | None = None
        self._size, self._n = file.subbuf_size, file.n_subbufs
        now = at_one_moment(file, "epoch", "opened")
        self._epoch = now["epoch"]
        self._following = max(file.subbufs_consumed, now["opened"] + 1 - self._n)
        self._control_padding = file.padding
        self._memory = file.mmap()
        self._copies = file.overwrite or not target.can_cut
        self._stage = np.empty(0, np.uint8)
        at_once = min(max(_LEAST, self._n * self._size // 2), _MOST) // self._size
        self._at_once = min(max(1, at_once), MOST_PIECES)

    def step(self) -> bool:
        """Write the next batch, if something is ready; whether something was.

        Raises
        ------
        ResourceError
            The target takes no more. What was written are whole sub-buffers, and they are consumed.
        BrokenPipeError
        """
        batch = self._next()
        if batch is None:
            return False
        if self._copies:
            copied = self._copied(batch)
            if copied is not None:
                self._write(*copied)
        else:
            self._write(batch, self._pieces(batch))
        return True

    def stop_here(self, why: str = STOPPED) -> None:
        """Go no further than what is produced by now, and note what the open sub-buffer holds."""
        for _ in range(_LOOKS):
            gone = self.file.finalized
            names = ("epoch", "produced", "opened", "offset", "start_reserve", "data_start")
            now = at_one_moment(self.file, *names)
            if now["offset"] < self._size or now["opened"] < now["produced"] or gone:
                break
            time.sleep(0.001)  # it is full to the last byte, or only just being begun
        self.ended = why
        self._until = now["produced"]
        self._see_reset(now["epoch"])
        self.unfinished = Unfinished(
            now["epoch"], now["produced"], now["opened"], now["data_start"], open_bytes(now)
        )

    def finish(self, why: str = STOPPED) -> None:
        """Take what is left up to where it was stopped, or is by now."""
        if self.ended is None:
            self.stop_here(why)
        while self.step():
            pass

    def close(self) -> None:
        """Unmap and close the file, and close the target.

        Raises
        ------
        ResourceError
            The target could not keep what was written.
        """
        self._memory.close()
        self.file.close()
        self.target.close()

    @property
    def left(self) -> int:
        """Sub-buffers that are produced and not written."""
        if self.file._field("epoch") != self._epoch:
            return self.file.subbufs_produced
        return max(0, self.file.subbufs_produced - self._following)

    def copy_unfinished(self) -> None:
        """Write what the open sub-buffer held, behind all others.

        Raises
        ------
        ResourceError
            The target takes no more; it has nothing of it.
        """
        held = self.unfinished
        if not held.size or self._following != held.sequence:
            return
        data = self._memory.array[held.begin : held.begin + held.size].copy()
        if not self._is_whole(held.epoch, held.opened):
            return
        start = self.target.position
        error = self.target.write([data.data])
        if error is not None:
            self.target.cut(start)
            raise refused(self.target.path, error)
        self.partial_bytes = held.size

    def descriptor(self) -> int:
        """What is readable as soon as there may be more than was read by now."""
        return self.file._descriptor_to_watch(self._following, self._epoch)

    def end(self) -> str | None:
        """Why nothing more will be produced, or None; to be asked before the last `step`."""
        if not self.file.finalized:
            return None
        return CLOSED if self.file._field("finalized") else HANG_UP

    # Which ones ------------------------------------------------------------------------------

    def _next(self) -> Batch | None:
        """What is ready, up to what is taken at once."""
        epoch = self.file._field("epoch")
        if epoch != self._epoch:
            if self._until is not None:  # what was to be read is gone
                return None
            # not before the reset is through: what it sets comes after the epoch
            epoch = at_one_moment(self.file, "epoch")["epoch"]
            self._see_reset(epoch)
        consumed, produced = self.file.subbufs_consumed, self.file.subbufs_produced
        if self._consume and self._following < consumed:
            self.taken += consumed - self._following
            self._following = consumed
        oldest = min(self.file._field("opened") + 1 - self._n, produced)
        if self._following < oldest:
            self.overwritten += oldest - self._following
            self._following = oldest
        end = produced if self._until is None else min(produced, self._until)
        count = min(end - self._following, self._at_once)
        if count <= 0 or epoch != self.file._field("epoch"):
            return None
        indices = np.arange(self._following, self._following + count) % self._n
        paddings = np.minimum(self._control_padding[indices], self._size).astype(np.int64)
        return Batch(epoch, self._following, np.cumsum(self._size - paddings), paddings)

    def _see_reset(self, epoch: int) -> None:
        if epoch != self._epoch:
            self.resets += epoch - self._epoch
            self._epoch = epoch
            self._following = 0

    def _is_whole(self, epoch: int, first: int) -> bool:
        """Whether the sub-buffers from `first` on are untouched since the epoch's begin."""
        return self.file._field("opened") < first + self._n and self.file._field("epoch") == epoch

    # Their bytes -----------------------------------------------------------------------------

    def _pieces(self, batch: Batch) -> list[memoryview]:
        """The batch in the mapping; sub-buffers without padding in one piece with the next."""
        view, size = self._memory.view, self._size
        begin = batch.first % self._n * size
        if not batch.paddings.any():
            end, turn = begin + int(batch.ends[-1]), self._n * size
            return [view[begin:end]] if end <= turn else [view[begin:turn], view[: end - turn]]
        runs: list[list[int]] = []
        position = 0
        for i, end in enumerate(batch.ends.tolist()):
            begin = (batch.first + i) % self._n * size
            used = end - position
            position = end
            if runs and runs[-1][1] == begin:
                runs[-1][1] += used
            elif used:
                runs.append([begin, begin + used])
        return [view[begin:end] for begin, end in runs]

    def _copied(self, batch: Batch) -> tuple[Batch, list[memoryview]] | None:
        """A copy of the batch, less what was overwritten meanwhile; None if nothing is left."""
        pieces = self._pieces(batch)
        total = int(batch.ends[-1])
        if len(self._stage) < total:
            self._stage = np.empty(total, np.uint8)
        stage = self._stage.data
        position = 0
        for piece in pieces:
            stage[position : position + len(piece)] = piece
            position += len(piece)
        if self.file._field("epoch") != batch.epoch:
            return None
        gone = max(0, self.file._field("opened") + 1 - self._n - batch.first)
        if gone >= len(batch.ends):
            return None
        begin = int(batch.ends[gone - 1]) if gone else 0
        self.overwritten += gone
        self._following += gone
        return batch.without(gone), [stage[begin:total]]

    def _write(self, batch: Batch, pieces: list[memoryview]) -> None:
        start = self.target.position
        error = self.target.write(pieces)
        if not self._copies and not self._is_whole(batch.epoch, batch.first):
            self.target.cut(start)
        else:
            count = batch.whole(self.target.position - start)
            self._count(batch, count)
            self.target.cut(start + (int(batch.ends[count - 1]) if count else 0))
        if error is not None:
            raise refused(
                self.target.path,
                error,
                f"It holds {self.subbufs:,} sub-buffers, which are consumed; the others are still "
                "in the buffer. Make room, then write them to another file.",
            )

    def _count(self, batch: Batch, count: int) -> None:
        if not count:
            return
        self.subbufs += count
        self.bytes += int(batch.ends[count - 1])
        self.padding_bytes += int(batch.paddings[:count].sum())
        self._following = batch.first + count
        if self._consume:
            self.file._consume_through(self._following - 1, batch.epoch)
