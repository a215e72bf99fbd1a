"""Open files of channels in other processes; PROTOCOL.md tells what goes on here."""

from __future__ import annotations

import contextlib
import os
import select
import weakref
from errno import ENOMEM
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from relaylab.channel.buffer import POLLERR, POLLIN
from relaylab.channel.observing import Stats, stats_of
from relaylab.core import desk
from relaylab.core.journal import Journal
from relaylab.core.layout import CONTROL, LETTERBOX, PAGE, words_of
from relaylab.core.memory import arrays_in, journal_in
from relaylab.core.pages import Pages
from relaylab.core.system import wait_for_futex
from relaylab.errors import ConfigError, FileError, ResourceError
from relaylab.relayfs import protocol
from relaylab.relayfs.connecting import connect, receive_welcome
from relaylab.relayfs.files import RelayFile
from relaylab.relayfs.mounting import own_file
from relaylab.relayfs.protocol import Welcome

_PEEK_NOW: Final = 0x42  # MSG_PEEK | MSG_DONTWAIT
_PATIENCE_NS: Final = 50_000_000  # of a reader before it looks whether the owner still lives
_GLANCES: Final = 20  # at the answer before it sleeps
_FIELD: Final = words_of(CONTROL)
_POSTS, _ASKS, _FIRST, _SECOND, _ANSWERED, _WAITING = words_of(LETTERBOX).values()

_open: Final[weakref.WeakSet[RemoteFile]] = weakref.WeakSet()


def open_file(path: str | os.PathLike[str]) -> RelayFile:
    """Open a file of a mounted relay file system, of whatever process of this user.

    Parameters
    ----------
    path
        ``mountpoint/directory/name``.

    Raises
    ------
    FileError
        ENOENT no such file, EISDIR a directory, ECONNREFUSED its owner is gone, ELOOP a symlink,
        ENODEV no relay file, EACCES not permitted.
    ResourceError
        The file has its most readers, or the system no memory or descriptors left.
    ConfigError
    """
    given: Any = path
    text = os.fspath(given) if isinstance(given, str | os.PathLike) else None
    if not isinstance(text, str) or "\0" in text:
        raise ConfigError("path", passed=path, allowed="a path like '/run/user/1000/.../cpu0'")
    own = own_file(text)
    return RemoteFile(text) if own is None else own


class RemoteFile(RelayFile):
    """An open file of a channel of another process.

    Attributes
    ----------
    welcome : Welcome
        What the owner told of the buffer and its channel.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        with contextlib.ExitStack() as undo:
            self._socket = undo.enter_context(connect(path))
            self.welcome, descriptors = receive_welcome(self._socket, path)
            self._data, control, letterbox, self._wake, self._bell = descriptors
            for descriptor in (self._data, self._wake, self._bell):
                undo.callback(os.close, descriptor)
            with contextlib.ExitStack() as passing:
                passing.callback(os.close, control)
                passing.callback(os.close, letterbox)
                self._map(self.welcome, control, letterbox)
            self._descriptors = undo.pop_all()
        weakref.finalize(self, self._descriptors.close).atexit = False
        self._epoll: Any = None
        self._watches = False  # the descriptor tells of more than what is unconsumed
        self._owner_is_gone = False
        self._consumed_after = 0  # after the owner's end
        _open.add(self)

    def _map(self, welcome: Welcome, control: int, letterbox: int) -> None:
        end = welcome.first_control + welcome.n_cpus * welcome.control_size
        try:
            self._blocks = Pages(end, control, writable=False)
            self._letterbox = Pages(PAGE, letterbox)
        except OSError as error:
            raise ResourceError(
                f"no memory to map the control block of {self.path}", errno=error.errno or ENOMEM
            ) from error
        self._control, self._padding, _ = self.block_of(welcome.cpu)
        self._words = self._control.view(np.int64).data
        self._box = self._letterbox.bytes.view(np.int64).data

    # The whole channel -----------------------------------------------------------------------

    def block_of(self, cpu: int) -> tuple[NDArray[np.void], NDArray[np.uint32], NDArray[np.uint32]]:
        """The control block, padding and commit array of any CPU of the channel; live, read-only.

        Parameters
        ----------
        cpu
            0 .. welcome.n_cpus - 1.
        """
        offset = self.welcome.first_control + cpu * self.welcome.control_size
        control = self._blocks.readonly(CONTROL, 1, offset)
        return control, *arrays_in(self._blocks, self.welcome.n_subbufs, offset)

    def journal(self) -> Journal:
        """The journal of the channel; a cursor of it begins now."""
        return journal_in(self._blocks)

    # State -----------------------------------------------------------------------------------

    @property
    def subbufs_consumed(self) -> int:
        """Sub-buffers consumed since the last reset."""
        return self._field("consumed") + self._consumed_after

    @property
    def finalized(self) -> int:
        """1 once the channel is closed, or its owner is gone."""
        return int(self._field("finalized") != 0 or not self._owner_lives())

    @property
    def padding(self) -> NDArray[np.uint32]:
        """Bytes of padding at the end of each sub-buffer, uint32[n_subbufs]; live, read-only."""
        self._in_use_or_raise()
        return self._padding

    @property
    def stats(self) -> Stats:
        """What happened to the buffer's events."""
        return stats_of(self._control)

    def poll(self) -> int:
        """The poll file operation; see RelayFile."""
        self._open_or_raise()
        for may_rest in (True, False):
            if self.finalized:
                return POLLERR
            if self.subbufs_produced != self.subbufs_consumed:
                return POLLIN
            if may_rest:
                with self._lock:
                    self._rest(desk.ARM)
        return 0

    def fileno(self) -> int:
        """A descriptor to wait on; see RelayFile."""
        with self._lock:
            self._open_or_raise()
            if self._epoll is None:
                # The pipe alone would not tell every end of the connection.
                try:
                    self._epoll = select.epoll()
                    self._epoll.register(self._wake, select.EPOLLIN)
                    self._epoll.register(self._socket, select.EPOLLIN | select.EPOLLRDHUP)
                except OSError as error:
                    raise ResourceError(
                        f"no descriptor to wait for {self.path}", errno=error.errno or 0
                    ) from error
            return int(self._epoll.fileno())

    # Letters to the owner --------------------------------------------------------------------

    def _consume(self, count: int) -> None:
        with self._lock:
            pending = self.subbufs_produced - self.subbufs_consumed
            if count >= pending and not self.finalized:  # nothing will be left to wake up for
                self._lower_wake()
                answered = self._ask(desk.CONSUME | desk.ARM, count)
            else:
                answered = self._ask(desk.CONSUME, count)
            if not answered:
                pending = self.subbufs_produced - self.subbufs_consumed
                self._consumed_after += min(count, max(pending, 0))

    def _consume_through(self, sequence: int, epoch: int) -> None:
        with self._lock:
            if not self._ask(desk.CONSUME_THROUGH, sequence, epoch, wait=False):
                behind = sequence + 1 - self.subbufs_consumed
                self._consumed_after += max(behind, 0)

    def _settle(self) -> None:
        with self._lock:
            self._await_answer()
            if self._watches:
                self._ask(desk.ARM)
                self._watches = False

    def _descriptor_to_watch(self, produced: int, epoch: int) -> int:
        with self._lock:
            self._watches = True
            self._rest(desk.WATCH, produced, epoch)
        return self.fileno()

    def _rest(self, asks: int, first: int = 0, second: int = 0) -> None:
        """Make the descriptor unreadable until there is something new."""
        self._lower_wake()
        self._ask(asks, first, second)

    def _lower_wake(self) -> None:
        if self._owner_is_gone:  # the descriptor may be somebody else's by now
            return
        try:
            os.read(self._wake, PAGE)
        except BlockingIOError:
            pass  # it was not readable

    def _ask(self, asks: int, first: int = 0, second: int = 0, wait: bool = True) -> bool:
        """Post a letter, and wait until it is answered; False if the owner is gone.

        What an earlier letter asked for is done before this one is posted, or is asked again.
        """
        box = self._box
        if self._owner_is_gone:
            return False
        goes_on = asks == desk.CONSUME_THROUGH == box[_ASKS] and second == box[_SECOND]
        if not (goes_on and first >= box[_FIRST]) and not self._await_answer():
            return False
        box[_ASKS], box[_FIRST], box[_SECOND] = asks, first, second
        box[_POSTS] += 1
        self._ring()
        return self._await_answer() if wait else True

    def _ring(self) -> None:
        try:
            os.eventfd_write(self._bell, 1)  # a system call: what was stored is visible before
        except BlockingIOError:
            pass  # it rings already

    def _await_answer(self) -> bool:
        box = self._box
        posts = box[_POSTS]
        for _ in range(_GLANCES):
            if box[_ANSWERED] == posts:
                return True
        address = self._letterbox.address + 8 * _ANSWERED
        box[_WAITING] = 1
        try:
            while (answered := box[_ANSWERED]) != posts:
                if not self._owner_lives():
                    return bool(box[_ANSWERED] == posts)
                wait_for_futex(address, answered, _PATIENCE_NS)
                if box[_ANSWERED] == answered:
                    self._ring()  # Ctrl-C may have struck between the letter and its bell
        finally:
            box[_WAITING] = 0
        return True

    # The connection --------------------------------------------------------------------------

    def _owner_lives(self) -> bool:
        """Whether the owner still holds the other end of the connection."""
        if self._owner_is_gone or (self._closed and not self._mappings):
            return False
        try:
            gone = not self._socket.recv(1, _PEEK_NOW)
        except BlockingIOError:
            gone = False
        except OSError:  # reset
            gone = True
        if gone:
            self._lose_owner()
        return not gone

    def _lose_owner(self) -> None:
        """The owner is gone; what the last letter asked of it counts all the same."""
        with self._lock:
            if not self._owner_is_gone:
                self._owner_is_gone = True
                box = self._box
                if box[_ASKS] == desk.CONSUME_THROUGH and box[_SECOND] == self._word("epoch"):
                    behind = box[_FIRST] + 1 - self._word("consumed")
                    self._consumed_after = max(self._consumed_after, behind)

    def _request(self, kind: int, length: int = 0) -> int:
        """Tell the owner and wait until it has heard; the errno it answers, 0 if it is gone."""
        with self._lock:
            try:
                self._socket.send(protocol.request(kind, length))
                answer = self._socket.recv(protocol.REPLY_BYTES)
            except OSError:
                answer = b""
            if not answer:
                self._lose_owner()
                return 0
            return protocol.read_reply(answer)[1]

    def _tell_mapped(self) -> None:
        error = self._request(protocol.MAP, self.welcome.alloc_size)
        if error:
            raise FileError(
                "the owner refuses the mapping",
                errno=error,
                passed=self.path,
                hint=os.strerror(error),
            )

    def _tell_unmapped(self) -> None:
        self._request(protocol.UNMAP)

    def _map_pages(self) -> Pages:
        try:
            return Pages(
                self.welcome.alloc_size, self._data, self.welcome.data_offset, writable=False
            )
        except OSError as error:
            raise ResourceError(
                f"no memory to map {self.path}", errno=error.errno or ENOMEM
            ) from error

    def _field(self, name: str) -> int:
        self._in_use_or_raise()
        return self._word(name)

    def _word(self, name: str) -> int:
        return self._words[_FIELD[name]]

    def _stop_waiting(self) -> None:
        with self._lock:
            epoll, self._epoll = self._epoll, None
        if epoll is not None:
            epoll.close()

    def _release(self) -> None:
        with self._lock:
            self._owner_is_gone = True  # to whoever on another thread is about to ask
            self._descriptors.close()

    def _abandon(self) -> None:
        """In the child of a fork: the open file is the parent's."""
        super()._abandon()
        self._owner_is_gone = True
        self._stop_waiting()
        self._descriptors.close()


def _abandon_all() -> None:
    for file in list(_open):
        file._abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_all)
