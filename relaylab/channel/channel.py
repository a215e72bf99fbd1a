"""A channel: one buffer a CPU, written, reserved, flushed, reset and closed together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from relaylab.channel import arguments
from relaylab.channel.arguments import INT_MAX, integer
from relaylab.channel.buffer import ChannelBuffer
from relaylab.channel.callbacks import Client
from relaylab.channel.observing import Snapshot, Stats, copy_state, snapshot_of, total
from relaylab.channel.slot import Slot
from relaylab.core import ring
from relaylab.core.journal import Journal
from relaylab.core.layout import alloc_size
from relaylab.core.prepare import engine
from relaylab.errors import CallbackError, ClosedError, ConfigError, EventTooLargeError

VERSION: Final = 3  # RELAYFS_CHANNEL_VERSION
_CHUNK_BYTES: Final = 1 << 26  # of a batch, so that Ctrl-C is noticed: some 10 ms
_CHUNK_EVENTS: Final = 1 << 20


class Channel:
    """A relay channel; `relaylab.relayfs.relay_open` makes one.

    As a context manager it closes on exit.

    Attributes
    ----------
    name : str
        The base name of its files.
    version, subbuf_size, n_subbufs, alloc_size, n_cpus : int
        `alloc_size` is the bytes of one buffer, a whole number of pages.
    overwrite : bool
    buffers : sequence of ChannelBuffer
        By cpu.
    callbacks : object or None
        What was passed at open; None once closed.
    closed : bool
    journal : Journal
        The transitions of all buffers.
    """

    def __init__(
        self,
        name: str,
        buffers: Sequence[ChannelBuffer],
        *,
        overwrite: bool,
        shape: tuple[int, int],
        callbacks: Any,
        client: Client,
        journal: Journal,
        on_close: Callable[[Channel], None],
    ) -> None:
        self.name = name
        self.version = VERSION
        self.subbuf_size, self.n_subbufs = shape
        self.alloc_size = alloc_size(*shape)
        self.overwrite = overwrite
        self.buffers = tuple(buffers)
        self.n_cpus = len(self.buffers)
        self.callbacks = callbacks
        self.journal = journal
        self.closed = False
        self._closing = threading.Lock()
        self._unclosed = list(reversed(self.buffers))
        self._client = client
        self._on_close = on_close
        self._handles = [buf._memory.handle for buf in self.buffers]
        self._table = np.array(self._handles, np.int64)
        self._table_address = int(self._table.ctypes.data)
        self._write_bytes: Callable[..., int] = _not_this_way
        self._write_bytes_here: Callable[..., int] = _not_this_way
        if client.is_plain:
            self._write_bytes = engine.write_bytes
            self._write_bytes_here = engine.write_bytes_here

    # Events ----------------------------------------------------------------------------------

    def write(self, data: Any, cpu: int | None = None) -> bool:
        """relay_write: write an event under the buffer's lock.

        Parameters
        ----------
        data
            The event: bytes, or anything that has a buffer.
        cpu
            Whose buffer, 0 .. n_cpus-1; None for the CPU this thread runs on, modulo n_cpus.

        Returns
        -------
        bool
            False if the event was lost.

        Raises
        ------
        ConfigError, EventTooLargeError, ClosedError, ReentrancyError, CallbackError
        """
        if data.__class__ is bytes:  # the way of most events, a third of a microsecond
            if cpu is None:
                result = self._write_bytes_here(self._table_address, self.n_cpus, data)
            elif cpu.__class__ is int and 0 <= cpu < self.n_cpus:
                result = self._write_bytes(self._handles[cpu], data)
            else:
                result = ring.BUSY
            if result >= 0:
                return result == 1
            if result == ring.TOO_LARGE:
                raise self._too_large(len(data), cpu)
        return self._write("write", data, cpu, locked=True)

    def write_unlocked(self, data: Any, cpu: int | None = None) -> bool:
        """__relay_write: the same without the lock; the caller keeps other writers away."""
        return self._write("write_unlocked", data, cpu, locked=False)

    def _write(self, operation: str, data: Any, cpu: int | None, locked: bool) -> bool:
        event = arguments.event_bytes(data)
        result = self._buffer(cpu).perform(
            operation, arguments.address(event), len(event), locked=locked
        )
        if result == ring.TOO_LARGE:
            raise self._too_large(len(event), cpu)
        return result == ring.WRITTEN

    def reserve(self, length: int, cpu: int | None = None) -> Slot | None:
        """relay_reserve: a slot of `length` bytes, or None if the event is lost.

        Nothing protects the buffer against other writers.

        Raises
        ------
        ConfigError, EventTooLargeError, ClosedError, ReentrancyError, CallbackError
        """
        length = integer("length", length, 0, INT_MAX)
        buffer = self._buffer(cpu)
        offset = buffer.perform("reserve", length, locked=False)
        if offset == ring.TOO_LARGE:
            raise self._too_large(length, cpu)
        return None if offset < 0 else Slot(buffer, offset, length)

    def write_many(self, events: Any, cpu: int | None = None, lock: bool = True) -> int:
        """Write a whole batch without leaving compiled code; the lock is taken per event.

        Parameters
        ----------
        events
            uint8[n_events, length], or a pair (data, offsets): uint8[n_bytes] and
            int64[n_events + 1].
        cpu
            As for `write`; one buffer for the whole batch.
        lock
            False as for `write_unlocked`.

        Returns
        -------
        int
            How many were written. Events too large are counted and the batch goes on.

        Raises
        ------
        ConfigError, ClosedError, ReentrancyError, CallbackError
        """
        buffer = self._buffer(cpu)
        if isinstance(events, tuple | list) and len(events) == 2:
            data, offsets = arguments.ragged(*events)
            count = len(offsets) - 1
            addresses = ("write_ragged", arguments.address(data), arguments.address(offsets))
            length = len(data) // max(count, 1)
        else:
            data = arguments.rows(events)
            count, length = data.shape
            addresses = ("write_rows", arguments.address(data), length)
        chunk = max(1, min(_CHUNK_EVENTS, _CHUNK_BYTES // max(length, 1)))
        progress = np.zeros(2, np.int64)
        locked = arguments.flag("lock", lock)
        failure: CallbackError | None = None
        while (first := int(progress[0])) < count:
            last = min(first + chunk, count)
            try:
                buffer.perform_batch(addresses, first, last, locked, progress)
            except CallbackError as error:  # the batch goes on to its end all the same
                failure = failure or error
        if failure is not None:
            raise failure
        return int(progress[1])

    def commit(self, cpu: int, offset: int, count: int) -> None:
        """relay_commit of the slot at byte `offset` of a CPU's buffer."""
        self._given_buffer(cpu).commit_at(offset, count)

    # Consuming and controlling -----------------------------------------------------------------

    def subbufs_consumed(self, cpu: int, count: int) -> None:
        """relay_subbufs_consumed: a reader is through with `count` sub-buffers of a CPU.

        Raises
        ------
        ConfigError
            No such cpu, or a count that is not 0 .. 2^31-1. More than was produced is clamped.
        ClosedError
        """
        count = integer("count", count, 0, INT_MAX)
        self._given_buffer(cpu).consume(count)

    def switch_subbuf(self, cpu: int, length: int) -> int:
        """relay_switch_subbuf of a CPU's buffer: `length`, or 0 if an event would be lost."""
        return self._given_buffer(cpu).switch(length)

    def flush(self) -> None:
        """relay_flush: end every CPU's current sub-buffer, as far as the buffers are not full."""
        self._each("flush")

    def reset(self) -> None:
        """relay_reset: every buffer begins anew. Memory, open files and statistics stay."""
        self._each("reset")

    def close(self) -> None:
        """relay_close: no more events. Buffers live on as long as readers have them open.

        Raises
        ------
        ClosedError
            It is closed already.
        ReentrancyError
        """
        self.refuse_reentry("close")
        with self._closing:
            if not self._unclosed:
                self._open_or_raise()
            self.closed = True
            self._write_bytes = self._write_bytes_here = _not_this_way
            self.callbacks = None
            while self._unclosed:  # what an interrupted close left is closed by the next one
                self._unclosed[-1].finalize()
                self._unclosed.pop().drop()
        self._on_close(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        if not self.closed:
            self.close()

    # Observing ---------------------------------------------------------------------------------

    @property
    def stats(self) -> Stats:
        """What happened to the events of all buffers; readable for ever."""
        return total(buffer.stats for buffer in self.buffers)

    def snapshot(self) -> Snapshot:
        """Every buffer's fields at one moment, without stopping writers.

        Raises
        ------
        ClosedError
            A buffer is released.
        """
        states = []
        for buffer in self.buffers:
            buffer._alive()
            memory = buffer._memory
            states.append(copy_state(memory.control, memory.padding, memory.commit))
        return snapshot_of(states, [buffer._references for buffer in self.buffers])

    def handle(self, cpu: int) -> NDArray[np.int64]:
        """What `relaylab.jit` needs to write to a CPU's buffer from your own compiled code.

        Raises
        ------
        ConfigError
            The channel has a Python subbuf_start, deliver or buf_full.
        ClosedError
        """
        buffer = self._given_buffer(cpu)
        if self._client.in_ring:
            raise ConfigError(
                "a handle of a channel whose callbacks are Python functions",
                passed=", ".join(self._client.in_ring),
                allowed="no callbacks, Callbacks.reserving(n), or compiled ones",
                hint="Compile them with @numba.njit, or write with chan.write.",
            )
        return buffer.handle()

    def __repr__(self) -> str:
        if self.closed:
            return f"<Channel {self.name!r}, closed>"
        mode = "overwrite" if self.overwrite else "no-overwrite"
        stats = self.stats
        return (
            f"<Channel {self.name!r}: {self.n_cpus} CPUs x {self.n_subbufs} sub-buffers of "
            f"{self.subbuf_size} bytes, {mode}, {stats.written} written, {stats.lost} lost>"
        )

    # Inside --------------------------------------------------------------------------------------

    def _each(self, operation: str) -> None:
        self._open_or_raise()
        self.refuse_reentry(operation)
        failure: CallbackError | None = None
        for buffer in self.buffers:
            try:
                buffer.perform(operation)
            except CallbackError as error:  # the other CPUs follow all the same
                failure = failure or error
        if failure is not None:
            raise failure

    def _abandon(self) -> None:
        """In the child of a fork: the channel is the parent's. Its memory is left alone."""
        self.closed = True
        self._unclosed.clear()
        self._write_bytes = self._write_bytes_here = _not_this_way

    def refuse_reentry(self, operation: str) -> None:
        """Raise ReentrancyError if this thread is inside one of the channel's callbacks."""
        for buffer in self.buffers:
            buffer._conversation.refuse_reentry(operation)

    def _buffer(self, cpu: int | None) -> ChannelBuffer:
        self._open_or_raise()
        if cpu is None:
            return self.buffers[int(engine.here(self.n_cpus))]
        return self.buffers[integer("cpu", cpu, 0, self.n_cpus - 1)]

    def _given_buffer(self, cpu: int) -> ChannelBuffer:
        self._open_or_raise()
        return self.buffers[integer("cpu", cpu, 0, self.n_cpus - 1)]

    def _open_or_raise(self) -> None:
        if self.closed:
            raise ClosedError(
                f"the channel {self.name!r} is closed", hint="Open a new one with relay_open."
            )

    def _too_large(self, length: int, cpu: int | None) -> EventTooLargeError:
        buffers = self.buffers if cpu is None else (self.buffers[cpu],)
        reserve = max(buf.start_reserve for buf in buffers)
        return EventTooLargeError(
            "an event longer than a sub-buffer less what subbuf_start reserves",
            passed=length,
            allowed=f"at most {self.subbuf_size} - {reserve} = {self.subbuf_size - reserve} bytes",
            hint="Open the channel with a larger subbuf_size, or split the event.",
        )


def _not_this_way(*_arguments: Any) -> int:
    """For channels that are closed, or whose callbacks are not the engine's own."""
    return ring.BUSY
