"""Open files of this process's own channels."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from relaylab.channel import ChannelBuffer
from relaylab.channel.buffer import new_eventfd
from relaylab.channel.observing import Stats
from relaylab.core.journal import Kind
from relaylab.core.pages import Pages
from relaylab.errors import ResourceError
from relaylab.relayfs.files import RelayFile


class OwnFile(RelayFile):
    """An open file of a channel of this process.

    It also stands for the open file of a reader in another process.

    Attributes
    ----------
    pid : int
        The process that has it open.
    """

    def __init__(
        self,
        buffer: ChannelBuffer,
        forget: Callable[[RelayFile], None],
        pid: int | None = None,
    ) -> None:
        buffer._hold()
        super().__init__(buffer.path)
        self.pid = os.getpid() if pid is None else pid
        self._buffer = buffer
        self._forget = forget
        self._descriptor: int | None = None
        self._watch: tuple[int, int] | None = None  # an eventfd and the number of its listener

    @property
    def padding(self) -> NDArray[np.uint32]:
        """Bytes of padding at the end of each sub-buffer, uint32[n_subbufs]; live, read-only."""
        return self._buffer.padding

    @property
    def stats(self) -> Stats:
        """What happened to the buffer's events."""
        return self._buffer.stats

    def poll(self) -> int:
        """The poll file operation; see RelayFile."""
        self._open_or_raise()
        return self._buffer.poll()

    def fileno(self) -> int:
        """A descriptor to wait on; see RelayFile."""
        with self._lock:
            self._open_or_raise()
            if self._descriptor is None:
                self._descriptor = self._buffer._wake_up_descriptor()
            return self._descriptor

    def _abandon(self) -> None:
        """In the child of a fork: the open file is the parent's."""
        super()._abandon()
        self._buffer._abandon()
        for mapping in self._mappings:
            mapping._abandon()
        self._mappings.clear()
        watch = () if self._watch is None else self._watch[:1]
        for descriptor in (self._descriptor, *watch):
            if descriptor is not None:
                os.close(descriptor)
        self._descriptor = self._watch = None

    def _field(self, name: str) -> int:
        self._in_use_or_raise()
        return self._buffer._field(name)

    def _map_pages(self) -> Pages:
        pages: Pages = self._buffer._alive()
        return pages

    def _tell_mapped(self) -> None:
        self._buffer._note(Kind.MAPPED, self._buffer.refcount)
        try:
            self._buffer._tell("buf_mapped", self)
        except BaseException:
            self._buffer._note(Kind.UNMAPPED, self._buffer.refcount)
            raise

    def _tell_unmapped(self) -> None:
        try:
            self._buffer._tell("buf_unmapped", self)
        finally:
            self._buffer._note(Kind.UNMAPPED, self._buffer.refcount)

    def _consume(self, count: int) -> None:
        self._buffer._consume(count)

    def _consume_through(self, sequence: int, epoch: int) -> None:
        self._buffer._consume_through(sequence, epoch)

    def _settle(self) -> None:
        """Nothing is under way: consuming is done when it returns."""

    def _descriptor_to_watch(self, produced: int, epoch: int) -> int:
        with self._lock:
            self._in_use_or_raise()
            if self._watch is None:
                self._watch = self._new_listener()
            eventfd, listener = self._watch
        try:
            os.eventfd_read(eventfd)
        except BlockingIOError:
            pass  # it was not readable
        self._buffer._watch(listener, produced, epoch)
        return eventfd

    def _stop_waiting(self) -> None:
        with self._lock:
            descriptor, self._descriptor = self._descriptor, None
            watch, self._watch = self._watch, None
        if descriptor is not None:
            os.close(descriptor)
        if watch is not None:
            eventfd, listener = watch
            self._buffer._remove_listener(listener)
            os.close(eventfd)

    def _new_listener(self) -> tuple[int, int]:
        try:
            eventfd = new_eventfd()
        except OSError as error:
            raise ResourceError(
                f"no descriptor to wait for {self.path}", errno=error.errno or 0
            ) from error
        try:
            return eventfd, self._buffer._add_listener(eventfd)
        except BaseException:
            os.close(eventfd)
            raise

    def _release(self) -> None:
        self._stop_waiting()  # a loop may have waited since close
        self._forget(self)
        self._buffer._drop()
