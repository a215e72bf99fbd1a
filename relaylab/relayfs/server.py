"""The owner's side of a mount: who connects is a reader, who hangs up is none any more.

One thread accepts connections and hears what readers map and unmap; it needs the GIL, because the
client's buf_mapped and buf_unmapped are called there. Another one answers letters, see core.desk;
it never needs the GIL, so that readers consume whatever this process is busy with.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from errno import EACCES, EAGAIN, EIO, EMFILE, ENFILE, ENOMEM
from typing import Final

from relaylab.channel import ChannelBuffer
from relaylab.channel.conversation import report_unraisable
from relaylab.core import desk
from relaylab.core.layout import DESK
from relaylab.core.pages import Pages
from relaylab.core.prepare import engine
from relaylab.core.system import EPOLL_EVENT_BYTES
from relaylab.errors import ClosedError, RelayError, ResourceError
from relaylab.relayfs import protocol
from relaylab.relayfs.connection import Connection
from relaylab.relayfs.own import OwnFile

_log: Final = logging.getLogger("relaylab.mount")
_PLACES: Final = 1 << 16  # at the desk: descriptors above this cannot be bells
_TICK_S: Final = 0.1  # how long a reader that asks too much has to wait
_ASKED_A_TICK: Final = 64  # requests of one reader
_ACCEPTED_AT_ONCE: Final = 16
_CREDENTIALS: Final = struct.Struct("3i")
_settling: Final = threading.RLock()  # while descriptors are not where abandon() finds them


def most_connections() -> int:
    """How many readers one mount serves: four descriptors each, below half of those there are."""
    import resource  # not on Windows

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(1024, soft // 10)


class Server:
    """The listening sockets and connections of a mount.

    Parameters
    ----------
    open_file
        Makes the OwnFile that stands for a reader of a buffer, whose process is `pid`.

    Raises
    ------
    OSError
    """

    def __init__(self, open_file: Callable[[ChannelBuffer, int], OwnFile]) -> None:
        self._open_file = open_file
        self._most = most_connections()
        self._listeners: dict[int, tuple[socket.socket, ChannelBuffer]] = {}
        self._connections: dict[int, Connection] = {}
        self._resting: dict[int, float] = {}  # descriptors not heard until then
        self._lock = threading.Lock()
        self._stopped = False
        self._desk = Pages(_PLACES * DESK.itemsize)
        self._events = Pages(desk.EVENTS * EPOLL_EVENT_BYTES)
        with contextlib.ExitStack() as undo:
            self._epoll = select.epoll()
            undo.callback(self._epoll.close)
            self._bells = select.epoll()
            undo.callback(self._bells.close)
            self._stop = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
            undo.callback(os.close, self._stop)
            self._epoll.register(self._stop, select.EPOLLIN)
            self._bells.register(self._stop, select.EPOLLIN)
            engine.serve, engine.join, engine.leave  # noqa: B018  # compile now
            self._threads = [
                threading.Thread(target=target, name=f"relaylab mount {name}", daemon=True)
                for name, target in (("connections", self._hear), ("letters", self._serve))
            ]
            for thread in self._threads:
                try:
                    thread.start()
                except RuntimeError as error:  # no memory for its stack
                    raise OSError(EAGAIN, str(error)) from error
                undo.callback(self._join, thread)
            undo.pop_all()

    def add(self, listener: socket.socket, buffer: ChannelBuffer) -> None:
        """Accept readers of a buffer."""
        with self._lock:
            self._listeners[listener.fileno()] = listener, buffer
        self._epoll.register(listener, select.EPOLLIN)

    def remove(self, listener: socket.socket) -> None:
        """Accept no more of them; those there are stay."""
        with self._lock:
            self._listeners.pop(listener.fileno(), None)
            self._resting.pop(listener.fileno(), None)
        with contextlib.suppress(OSError, ValueError):  # the server has stopped
            self._epoll.unregister(listener)
        listener.close()

    def stop(self) -> None:
        """Hang up on all readers and end the threads."""
        if self._stopped:
            return
        hearing, serving = self._threads
        if threading.current_thread() is hearing:  # a callback unmounts
            self._stopped = True
            self._hang_up()
        else:
            self._join(hearing)
        self._join(serving)
        for descriptor in (self._epoll, self._bells):
            descriptor.close()
        os.close(self._stop)

    def abandon(self) -> None:
        """In the child of a fork: close what it inherited, and touch nothing else."""
        self._stopped = True
        for listener, _ in list(self._listeners.values()):
            listener.close()
        for connection in list(self._connections.values()):
            connection.abandon()
        self._listeners.clear()
        self._connections.clear()
        for descriptor in (self._epoll, self._bells):
            descriptor.close()
        os.close(self._stop)

    # The threads -----------------------------------------------------------------------------

    def _join(self, thread: threading.Thread) -> None:
        self._stopped = True
        os.eventfd_write(self._stop, 1)
        thread.join()

    def _serve(self) -> None:
        engine.serve(self._bells.fileno(), self._desk.address, self._events.address, self._stop)

    def _hear(self) -> None:
        while not self._stopped:
            timeout = _TICK_S if self._resting else None
            for descriptor, _ in self._epoll.poll(timeout):
                if self._stopped:
                    break
                try:
                    self._attend(descriptor)
                except BaseException as error:  # whatever one reader does, the others go on
                    report_unraisable(error)
            self._wake_resting()
        if not self._epoll.closed:
            self._hang_up()

    def _hang_up(self) -> None:
        for connection in list(self._connections.values()):
            self._end(connection)

    def _attend(self, descriptor: int) -> None:
        connection = self._connections.get(descriptor)
        if connection is not None:
            self._hear_reader(connection)
            return
        with self._lock:
            found = self._listeners.get(descriptor)
        if found is not None:
            self._accept(*found)

    # Connections -----------------------------------------------------------------------------

    def _accept(self, listener: socket.socket, buffer: ChannelBuffer) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            with _settling:
                try:
                    peer, _address = listener.accept()
                except BlockingIOError:
                    return
                except OSError as error:
                    if error.errno in (EMFILE, ENFILE, ENOMEM):
                        _log.warning("readers of %s have to wait: %s", buffer.path, error)
                        self._rest(listener.fileno())
                    return  # the listener was closed, or the reader is gone already
                peer.setblocking(False)
                self._welcome(peer, buffer)
                del peer

    def _welcome(self, peer: socket.socket, buffer: ChannelBuffer) -> None:
        pid, uid, _ = _CREDENTIALS.unpack(
            peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        )
        if uid not in (os.geteuid(), 0):
            self._refuse(peer, buffer, EACCES, f"process {pid} of user {uid} is not allowed")
        elif len(self._connections) >= self._most:
            self._refuse(peer, buffer, EMFILE, f"there are {self._most} readers already")
        else:
            try:
                connection = Connection(peer, self._open_file(buffer, pid), self._desk)
            except ClosedError:  # it was released this moment
                peer.close()
            except (OSError, RelayError) as error:
                number = getattr(error, "errno", None) or EIO
                self._refuse(peer, buffer, number, str(error))
            except BaseException:
                peer.close()
                raise
            else:
                self._connections[peer.fileno()] = connection
                if not self._watch(connection) or not connection.welcome():
                    self._end(connection)

    def _watch(self, connection: Connection) -> bool:
        """Hear its bell and its requests, if the system lets us."""
        try:
            self._bells.register(connection.bell, select.EPOLLIN | select.EPOLLET)
            self._epoll.register(connection.socket, select.EPOLLIN)
        except OSError as error:  # a user has so many watches, all his processes together
            _log.warning("a reader of %s is refused: %s", connection.file.path, error)
            with contextlib.suppress(OSError):
                connection.socket.send(protocol.refusal(error.errno or EIO))
            return False
        return True

    def _refuse(self, peer: socket.socket, buffer: ChannelBuffer, number: int, why: str) -> None:
        _log.warning("a reader of %s is refused: %s", buffer.path, why)
        with contextlib.suppress(OSError):
            peer.send(protocol.refusal(number))
        peer.close()

    def _hear_reader(self, connection: Connection) -> None:
        for _ in range(_ASKED_A_TICK):
            try:
                message = connection.socket.recv(protocol.REQUEST_BYTES + 1)
            except BlockingIOError:
                return
            except OSError:  # reset: it died with unread answers
                message = b""
            if not message:
                self._end(connection)
                return
            try:
                answer = self._request(connection, message)
                if connection.closed:  # a callback has unmounted
                    return
                connection.socket.send(answer)
            except (ValueError, OSError) as error:
                _log.warning("a reader of %s is dropped: %s", connection.file.path, error)
                self._end(connection)
                return
        self._rest(connection.socket.fileno())

    def _request(self, connection: Connection, message: bytes) -> bytes:
        """Do what a reader asks; the answer.

        Raises
        ------
        ValueError
            It makes no sense.
        """
        kind, length = protocol.read_request(message)
        error = 0
        try:
            if kind == protocol.MAP:
                error = connection.map(length)
            else:
                connection.unmap()
        except ResourceError as refusal:
            error = refusal.errno or ENOMEM
        except BaseException as failure:  # of the client's callback: not the reader's business
            if isinstance(failure, ValueError) and not isinstance(failure, RelayError):
                raise
            report_unraisable(failure)
        return protocol.reply(kind, error)

    def _end(self, connection: Connection) -> None:
        descriptor = connection.socket.fileno()
        with _settling:
            self._resting.pop(descriptor, None)
            if self._connections.pop(descriptor, None) is None:
                return
            for epoll, watched in ((self._epoll, descriptor), (self._bells, connection.bell)):
                with contextlib.suppress(OSError):  # it could not be watched
                    epoll.unregister(watched)
            connection.hang_up()
        connection.release()

    # Those who ask too much ------------------------------------------------------------------

    def _rest(self, descriptor: int) -> None:
        """Hear no more of a descriptor for a while."""
        self._epoll.modify(descriptor, 0)  # not unregister: there may be no room to come back
        self._resting[descriptor] = time.monotonic() + _TICK_S

    def _wake_resting(self) -> None:
        now = time.monotonic()
        for descriptor, until in list(self._resting.items()):
            if until <= now and self._resting.pop(descriptor, None) is not None:
                with contextlib.suppress(OSError, ValueError):  # it was closed meanwhile
                    self._epoll.modify(descriptor, select.EPOLLIN)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_settling.acquire,
        after_in_parent=_settling.release,
        after_in_child=_settling.release,
    )
