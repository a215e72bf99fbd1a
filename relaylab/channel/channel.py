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
from relaylab.channel.observing import Observation, Observer, Snapshot, Stats
from relaylab.channel.slot import Slot
from relaylab.core import fastcall, ring
from relaylab.core.fastcall import FastWrite
from relaylab.core.journal import Journal
from relaylab.core.layout import alloc_size
from relaylab.core.memory import BufferMemory
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
        rules: str,
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
        self._rules = rules
        self.buffers = tuple(buffers)
        self.n_cpus = len(self.buffers)
        self.callbacks = callbacks
        self.journal = journal
        self.closed = False
        self._closing = threading.Lock()
        self._unclosed = list(reversed(self.buffers))
        self._client = client
        self._on_close = on_close
        self._observer = Observer([memory.control for memory in memories(self)], self.n_subbufs)
        self._fast = self._fast_writes() if client.is_plain and fastcall.AVAILABLE else []

    def _fast_writes(self) -> list[FastWrite]:
        """Put built-in functions in the place of the two methods that write, for this channel."""
        handles = [memory.handle for memory in memories(self)]
        fast = []
        for name, locked in (("write", True), ("write_unlocked", False)):
            if getattr(type(self), name) is getattr(Channel, name):  # a subclass has its own
                fast.append(FastWrite(getattr(self, name), handles, locked))
                setattr(self, name, fast[-1].function)
        return fast

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
        return self._write("write_event", data, cpu, locked=True)

    def write_unlocked(self, data: Any, cpu: int | None = None) -> bool:
        """__relay_write: the same without the lock; the caller keeps other writers away."""
        return self._write("write_event_unlocked", data, cpu, locked=False)

    def _write(self, operation: str, data: Any, cpu: int | None, locked: bool) -> bool:
        event = arguments.event_bytes(data)
        result = self._buffer(cpu)._perform(operation, event, locked=locked)
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
        offset = buffer._perform("reserve", length, locked=False)
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
        if arguments.is_pair(events):
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
                buffer._perform_batch(addresses, first, last, locked, progress)
            except CallbackError as error:  # the batch goes on to its end all the same
                failure = failure or error
        if failure is not None:
            raise failure
        return int(progress[1])

    def commit(self, cpu: int, offset: int, count: int) -> None:
        """relay_commit of the slot at byte `offset` of a CPU's buffer."""
        self._given_buffer(cpu)._commit_at(offset, count)

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
        self._given_buffer(cpu)._consume(count)

    def switch_subbuf(self, cpu: int, length: int) -> int:
        """relay_switch_subbuf of a CPU's buffer: `length`, or 0 if an event would be lost."""
        return self._given_buffer(cpu)._switch(length)

    def flush(self) -> None:
        """relay_flush: end every CPU's current sub-buffer, as far as the buffers are not full.

        What is left of it becomes its padding, also if nothing is in it. A full buffer stays as it
        is until something was consumed.

        Raises
        ------
        ClosedError, ReentrancyError
            Nothing was flushed.
        CallbackError
            The first of those that occurred; all buffers were flushed all the same.
        """
        self._each("flush")

    def reset(self) -> None:
        """relay_reset: every buffer begins anew. Memory, open files and statistics stay.

        Counts go back to 0 and `Snapshot.epoch` up by one; subbuf_start is called for the first
        sub-buffer of each, with no previous one.

        Raises
        ------
        ClosedError, ReentrancyError
            Nothing was reset.
        CallbackError
            The first of those that occurred; all buffers were reset all the same.
        """
        self._each("reset")

    def close(self) -> None:
        """relay_close: no more events. Buffers live on as long as readers have them open.

        The current sub-buffers are not flushed, no callback is called any more, and readers that
        sleep are woken.

        Raises
        ------
        ClosedError
            It is closed already.
        ReentrancyError
            From inside one of its callbacks; nothing was closed.
        """
        self._refuse_reentry("close")
        with self._closing:
            if not self._unclosed:
                self._open_or_raise()
            self.closed = True
            self._end_fast_writes()
            self.callbacks = None
            while self._unclosed:  # what an interrupted close left is closed by the next one
                self._unclosed[-1]._finalize()
                self._unclosed.pop()._drop()
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
        return self._observer.stats

    def snapshot(self) -> Snapshot:
        """Every buffer's fields at one moment, without stopping writers.

        Each buffer is seen at a moment of its own.

        Returns
        -------
        Snapshot
            Arrays by the names of `ChannelBuffer`; the first axis is the cpu.

        Raises
        ------
        ClosedError
            A buffer is released.
        """
        return self._observe().snapshot

    def _observe(self) -> Observation:
        """A snapshot and the statistics of the same moments.

        Raises
        ------
        ClosedError
            A buffer is released.
        """
        for buffer in self.buffers:
            buffer._alive()
        return self._observer.look([buffer._references for buffer in self.buffers])

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
        return buffer._handle()

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

    def _end_fast_writes(self) -> None:
        """Let the methods answer again: they raise."""
        for fast in self._fast:
            fast.close()
            vars(self).pop(fast.function.__name__, None)
        self._fast = []

    def _each(self, operation: str) -> None:
        self._open_or_raise()
        self._refuse_reentry(operation)
        failure: CallbackError | None = None
        for buffer in self.buffers:
            try:
                buffer._perform(operation)
            except CallbackError as error:  # the other CPUs follow all the same
                failure = failure or error
        if failure is not None:
            raise failure

    def _abandon(self) -> None:
        """In the child of a fork: the channel is the parent's. Its memory is left alone."""
        self.closed = True
        self._unclosed.clear()
        self._end_fast_writes()

    def _refuse_reentry(self, operation: str) -> None:
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
        by_linux = self._rules == "linux"  # only what no sub-buffer can hold is refused
        reserve = 0 if by_linux else max(buf._start_reserve for buf in buffers)
        return EventTooLargeError(
            "an event longer than a sub-buffer less what subbuf_start reserves",
            passed=length,
            allowed=f"at most {self.subbuf_size} - {reserve} = {self.subbuf_size - reserve} bytes",
            hint="Open the channel with a larger subbuf_size, or split the event.",
        )


def memories(channel: Channel) -> list[BufferMemory]:
    """The memory of a channel's buffers, by cpu, to be checkpointed and restored."""
    return [buffer._memory for buffer in channel.buffers]
