"""The buffer of one CPU."""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from collections.abc import Callable
from errno import EMFILE
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from relaylab.channel.arguments import INT_MAX, address, integer
from relaylab.channel.callbacks import Client
from relaylab.channel.conversation import Conversation
from relaylab.channel.counters import Counters
from relaylab.channel.observing import Stats, stats_of
from relaylab.core.journal import Kind
from relaylab.core.layout import CONTROL, MAX_LISTENERS, words_of
from relaylab.core.memory import BufferMemory, handle_array
from relaylab.core.prepare import engine
from relaylab.core.ring import CLOSED
from relaylab.errors import ClosedError, ResourceError

POLLIN: Final = select.POLLIN | select.POLLRDNORM if hasattr(select, "POLLIN") else 0x41
POLLERR: Final = select.POLLERR if hasattr(select, "POLLERR") else 0x08

_INDEX: Final = words_of(CONTROL)


class ChannelBuffer(Counters):
    """The per-CPU buffer of a channel: live, read-only views of its state.

    After the buffer was released only `cpu`, `path`, `released` and `stats` mean anything.
    """

    def __init__(
        self,
        path: str,
        memory: BufferMemory,
        client: Client,
        on_release: Callable[[ChannelBuffer], None],
    ) -> None:
        self._memory = memory
        self._words = memory.control.view(np.int64).data
        self._on_release = on_release
        self._lifetime = threading.Lock()
        self._references = 1
        self._eventfd: int | None = None
        self._listeners: set[int] = set()
        self._path = path
        self._client = client
        self._conversation = Conversation(self, client)
        client.install(memory.own)

    # What it is ----------------------------------------------------------------------------

    @property
    def cpu(self) -> int:
        """The CPU it belongs to."""
        return self._words[_INDEX["cpu"]]

    @property
    def path(self) -> str:
        """The path of its file, relative to the root of the file system."""
        return self._path

    @property
    def released(self) -> bool:
        """Whether the last reference is gone and with it the memory."""
        return self._memory.data is None

    # Its state -----------------------------------------------------------------------------

    @property
    def data_index(self) -> int:
        """The sub-buffer that the data pointer is in: the one being written."""
        return self._field("data_start") // self._subbuf_size

    @property
    def offset(self) -> int:
        """Bytes used of the sub-buffer being written."""
        return self._field("offset")

    @property
    def finalized(self) -> int:
        """1 once the channel is closed."""
        return self._field("finalized")

    @property
    def refcount(self) -> int:
        """References: 1 for the channel and one for each open file."""
        self._alive()
        return self._references

    @property
    def padding(self) -> NDArray[np.uint32]:
        """Bytes of padding at the end of each sub-buffer, uint32[n_subbufs]."""
        self._alive()
        return self._memory.padding

    @property
    def commit(self) -> NDArray[np.uint32]:
        """Bytes committed to each sub-buffer, uint32[n_subbufs]."""
        self._alive()
        return self._memory.commit

    @property
    def memory(self) -> NDArray[np.uint8]:
        """All of its bytes, uint8[alloc_size]."""
        pages = self._alive()
        memory: NDArray[np.uint8] = pages.readonly(np.uint8, len(pages.bytes))
        return memory

    @property
    def is_full(self) -> bool:
        """relay_buf_full: nothing fits until something is consumed; never in overwrite mode."""
        pending = self._field("produced") - self._field("consumed")
        return not self._field("overwrite") and pending > self._field("n_subbufs") - 1

    @property
    def is_empty(self) -> bool:
        """relay_buf_empty: all that was produced is consumed."""
        return self._field("produced") == self._field("consumed")

    @property
    def stats(self) -> Stats:
        """What happened to its events; readable for ever."""
        return stats_of(self._memory.control)

    @property
    def _start_reserve(self) -> int:
        """Bytes that subbuf_start last reserved."""
        return self._field("start_reserve")

    def poll(self) -> int:
        """The mask that a reader would get from the poll file operation."""
        if self.finalized:
            return POLLERR
        return 0 if self.is_empty else POLLIN

    def __repr__(self) -> str:
        if self.released:
            return f"<ChannelBuffer {self._path!r}, released>"
        return (
            f"<ChannelBuffer {self._path!r}: {self.subbufs_produced} produced, "
            f"{self.subbufs_consumed} consumed, {self.offset} bytes in sub-buffer {self.data_index}"
            f"{', full' if self.is_full else ''}{', finalized' if self.finalized else ''}>"
        )

    # Operations of the channel on it ---------------------------------------------------------

    def _commit_at(self, offset: int, count: int) -> None:
        """relay_commit: `count` bytes of the slot at byte `offset` are written.

        Raises
        ------
        ConfigError
            The offset is not in a sub-buffer, or the count not 0 .. 2^31-1.
        """
        pages = self._alive()
        end = self._subbuf_size * self._field("n_subbufs")
        offset = integer("offset", offset, 0, end - 1, "Pass the offset of a slot.")
        count = integer("count", count, 0, INT_MAX)
        answer = engine.commit(self._memory.handle, offset, count)
        if answer == CLOSED:
            raise self._closed()
        self._conversation.after_commit(answer == 1, offset // self._subbuf_size)
        del pages

    def _switch(self, length: int) -> int:
        """relay_switch_subbuf: `length`, or 0 if there is no room for an event.

        Raises
        ------
        ConfigError, ClosedError, ReentrancyError, CallbackError
        """
        length = integer("length", length, 0, INT_MAX)
        self._alive()
        if self._field("finalized"):
            raise self._closed()
        return self._perform("switch", length)

    def _tell(self, callback: str, file: Any) -> None:
        """Call buf_mapped or buf_unmapped, if the client has it."""
        self._conversation.call_alone(callback, file)

    def _ends_at(self, offset: int) -> bool:
        """Whether byte `offset` lies just behind the last sub-buffer."""
        return offset == self._subbuf_size * self._field("n_subbufs")

    def _consume(self, count: int) -> None:
        """relay_subbufs_consumed on this buffer, for a checked count."""
        engine.subbufs_consumed(self._memory.handle, count)

    def _consume_through(self, sequence: int, epoch: int) -> None:
        """The same up to a sub-buffer of the sequence, unless it was reset since `epoch`."""
        engine.consumed_through(self._memory.handle, sequence, epoch)

    def _perform(self, operation: str, *arguments: Any, locked: bool = True) -> int:
        """Do one of the engine's operations, calling Python callbacks where it asks for them."""
        pages = self._alive()  # for the whole operation, whoever closes the channel meanwhile
        result = self._conversation.perform(operation, arguments, locked)
        del pages
        if result == CLOSED:
            raise self._closed()
        return result

    def _perform_batch(
        self, batch: tuple[Any, ...], first: int, last: int, lock: bool, progress: NDArray[np.int64]
    ) -> None:
        """Write the events `first` to `last` of a batch; `progress` says how far it got."""
        pages = self._alive()  # for the whole batch, whoever closes the channel meanwhile
        operation, *where = batch
        arguments = (*where, first, last, int(lock), address(progress))
        result = self._conversation.perform_batch(operation, arguments, progress, lock)
        del pages
        if result == CLOSED:
            raise self._closed()

    def _finalize(self) -> None:
        """The buffer's part of relay_close, before its reference is dropped."""
        self._perform("finalize")
        self._client.python.clear()

    def _handle(self) -> NDArray[np.int64]:
        """What compiled code needs of this buffer; it keeps the memory alive.

        Compiled callers that Numba caches on disk (``cache=True``) go on with the code of the
        relaylab they were compiled with: clear their cache after an upgrade.
        """
        self._alive()
        return handle_array(self._memory)

    def _note(self, kind: Kind, value: int) -> None:
        """Record in the journal what is no transition of the ring."""
        engine.note(self._memory.handle, int(kind), value)

    # Lifetime --------------------------------------------------------------------------------

    def _hold(self) -> None:
        """Take a reference."""
        with self._lifetime:
            if self._references == 0:
                raise self._closed()
            self._references += 1

    def _drop(self) -> None:
        """Give a reference back; the last one frees the memory and removes the file."""
        with self._lifetime:
            self._references -= 1
            if self._references > 0:
                return
        self._on_release(self)
        with self._lifetime:
            self._memory.give_back()
            descriptor, self._eventfd = self._eventfd, None
        if descriptor is not None:
            self._memory.own["eventfd"] = -1
            while self._memory.own["waking"][0]:  # a switch is about to use it
                time.sleep(0)
            os.close(descriptor)

    def _abandon(self) -> None:
        """In the child of a fork: the buffer is the parent's, and its memory is left alone."""
        self._lifetime = threading.Lock()  # another thread may have held it
        self._memory.give_back()
        descriptor, self._eventfd = self._eventfd, None
        if descriptor is not None:
            os.close(descriptor)

    def _wake_up_descriptor(self) -> int:
        """A new descriptor, readable as long as something is unconsumed, and for ever after close.

        Raises
        ------
        ResourceError
            The system has no eventfd, or no descriptor left.
        """
        with self._lifetime:
            self._alive()
            try:
                if self._eventfd is None:
                    self._eventfd = new_eventfd()
                    self._memory.own["eventfd"] = self._eventfd
                    engine.arm(self._memory.handle)
                return os.dup(self._eventfd)
            except OSError as error:
                raise ResourceError(
                    f"a descriptor for {self._path}",
                    errno=error.errno or 0,
                    hint="Close files you no longer need, or poll() instead.",
                ) from error

    def _add_listener(self, wake: int) -> int:
        """The number of a new listener, a reader that may sleep: writing to `wake` wakes it.

        Raises
        ------
        ResourceError
            The buffer has its most listeners.
        """
        with self._lifetime:
            self._alive()
            taken = self._listeners
            free = next((i for i in range(MAX_LISTENERS) if i not in taken), None)
            if free is None:
                raise ResourceError(
                    f"{self._path} has {MAX_LISTENERS} readers that may sleep, its most",
                    errno=EMFILE,
                    hint="Close files you no longer need.",
                )
            records = self._memory.listeners
            records["armed"][free] = 0
            records["wake"][free] = wake
            taken.add(free)
            self._memory.own["n_listeners"] = max(taken) + 1
            return free

    def _remove_listener(self, listener: int) -> None:
        """Take it away; afterwards nobody uses its descriptor."""
        engine.disarm(self._memory.handle, listener)
        with self._lifetime:
            self._listeners.discard(listener)
            self._memory.own["n_listeners"] = max(self._listeners, default=-1) + 1

    def _watch(self, listener: int, produced: int, epoch: int) -> None:
        """Wake a listener once something else than this was produced."""
        engine.watch(self._memory.handle, listener, produced, epoch)

    def _alive(self) -> Any:
        pages = self._memory.data
        if pages is None:
            raise self._closed()
        return pages

    def _field(self, name: str) -> int:
        if self._memory.data is None:
            raise self._closed()
        return self._words[_INDEX[name]]

    @property
    def _subbuf_size(self) -> int:
        return self._words[_INDEX["subbuf_size"]]

    def _writable(self, offset: int, length: int) -> memoryview:
        return memoryview(self._alive().map)[offset : offset + length]

    def _closed(self) -> ClosedError:
        return ClosedError(
            f"the channel of {self._path!r} is closed", hint="Open a new one with relay_open."
        )


def new_eventfd() -> int:
    """A non-blocking eventfd.

    Raises
    ------
    OSError
    """
    if sys.platform != "linux":
        raise OSError(38, "descriptors to wait on need Linux")
    return os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
