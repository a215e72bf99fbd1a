"""What the owner of a channel keeps for one reader in another process."""

from __future__ import annotations

import contextlib
import os
import socket
from errno import EINVAL, EIO, EMFILE, ENFILE
from typing import TYPE_CHECKING, Final

from relaylab.channel.conversation import report_unraisable
from relaylab.core.layout import DESK, PAGE
from relaylab.core.pages import Pages, SharedPage
from relaylab.core.prepare import engine
from relaylab.errors import ResourceError
from relaylab.relayfs import protocol
from relaylab.relayfs.files import Mapping
from relaylab.relayfs.own import OwnFile

if TYPE_CHECKING:
    from relaylab.core.memory import ChannelMemory

_MOST_MAPPINGS: Final = 1024


class Connection:
    """A connected reader: its open file, letterbox, wake-up and bell.

    Parameters
    ----------
    peer
        The connection; closed with this, and if this cannot be made.
    file
        The open file that stands for the reader's.
    desk
        The places at the desk, of which it takes the one with the number of its bell.

    Raises
    ------
    OSError, ResourceError
        Nothing is left behind, but the connection is still open.
    """

    def __init__(self, peer: socket.socket, file: OwnFile, desk: Pages) -> None:
        self.socket = peer
        self.file = file
        self._mappings: list[Mapping | None] = []  # None: buf_mapped failed, the reader did not
        self._buffer = file._buffer
        with contextlib.ExitStack() as undo:
            undo.callback(file.close)
            self._letterbox = SharedPage("relaylab letterbox", PAGE)
            undo.callback(self._letterbox.close)
            self.bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
            undo.callback(os.close, self.bell)
            if self.bell >= len(desk.bytes) // DESK.itemsize:
                raise OSError(ENFILE, "this process has too many descriptors open")
            # A pipe, not an eventfd: with one, a reader could make the writer's next wake-up block,
            # because both would share its flags and its counter.
            self._asleep, self._wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
            undo.callback(os.close, self._asleep)
            undo.callback(os.close, self._wake)
            self._listener = self._buffer._add_listener(self._wake)
            undo.pop_all()
        self._place = desk.address + self.bell * DESK.itemsize
        engine.join(
            self._place, self._letterbox.pages.address, self._buffer._memory.handle, self._listener
        )

    def welcome(self) -> bool:
        """Hand over what a reader needs; whether it is still there."""
        files = self._buffer._memory.files
        with contextlib.ExitStack() as opened:
            opened.callback(self._letterbox.close)
            if files is None:
                return False
            try:
                data = files.data.open_readonly()
                opened.callback(os.close, data)
                control = files.control.open_readonly()
                opened.callback(os.close, control)
                message = self._welcome(files).packed()
                descriptors = [data, control, self._letterbox.descriptor, self._asleep, self.bell]
                socket.send_fds(self.socket, [message], descriptors)
            except OSError as error:
                with contextlib.suppress(OSError):  # it is gone
                    self.socket.send(protocol.refusal(error.errno or EIO))
                return False
        return True

    def _welcome(self, files: ChannelMemory) -> protocol.Welcome:
        file = self.file
        return protocol.Welcome(
            subbuf_size=file.subbuf_size,
            n_subbufs=file.n_subbufs,
            alloc_size=file.alloc_size,
            overwrite=int(file.overwrite),
            cpu=file.cpu,
            n_cpus=files.n_cpus,
            data_offset=file.cpu * files.alloc_size,
            control_offset=files.control_offset(file.cpu),
            control_size=files.control_size,
            first_control=files.control_offset(0),
            pid=os.getpid(),
        )

    def map(self, length: int) -> int:
        """The reader mapped the buffer; the errno if it may not.

        Raises
        ------
        CallbackError
        """
        if length != self.file.alloc_size:
            return EINVAL
        if len(self._mappings) >= _MOST_MAPPINGS:
            return EMFILE
        try:
            mapping = self.file.mmap()
        except ResourceError:
            raise
        except BaseException:
            self._mappings.append(None)
            raise
        if self.closed:  # buf_mapped has unmounted
            mapping.close()
        else:
            self._mappings.append(mapping)
        return 0

    @property
    def closed(self) -> bool:
        """Whether the reader is gone, or the mount."""
        return self.socket.fileno() < 0

    def unmap(self) -> None:
        """The reader unmapped it.

        Raises
        ------
        ValueError
            There is no mapping.
        CallbackError
        """
        if not self._mappings:
            raise ValueError("an unmap without a map")
        mapping = self._mappings.pop()
        if mapping is not None:
            mapping.close()

    def hang_up(self) -> None:
        """The reader is gone: do what it asked for last, and close its descriptors."""
        engine.leave(self._place)
        self._buffer._remove_listener(self._listener)
        self._letterbox.close()
        for descriptor in (self._wake, self._asleep, self.bell):
            os.close(descriptor)
        self.socket.close()

    def release(self) -> None:
        """Give back what it had mapped and opened, after `hang_up`."""
        mapped = [mapping.close for mapping in self._mappings if mapping is not None]
        for end in [*mapped, self.file.close]:
            try:
                end()
            except BaseException as error:  # of the client's buf_unmapped
                report_unraisable(error)
        self._mappings.clear()

    def abandon(self) -> None:
        """In the child of a fork: close the descriptors."""
        self._letterbox.close()
        self.socket.close()
        for descriptor in (self._wake, self._asleep, self.bell):
            os.close(descriptor)
