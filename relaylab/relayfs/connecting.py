"""Opening a file of a channel of another process: the connection, and what the owner hands over."""

from __future__ import annotations

import os
import socket
import stat
import struct
import sys
import time
from array import array
from errno import (
    EACCES,
    ECONNREFUSED,
    ECONNRESET,
    EISDIR,
    ELOOP,
    EMFILE,
    ENFILE,
    ENODEV,
    ENOENT,
    ENOMEM,
    ENOSYS,
    EPROTO,
    ETIMEDOUT,
)
from pathlib import Path
from typing import Final

from relaylab.errors import FileError, ResourceError
from relaylab.relayfs import protocol
from relaylab.relayfs.protocol import Welcome

_CREDENTIALS: Final = struct.Struct("3i")
_SCARCE: Final = (EMFILE, ENFILE, ENOMEM)
_WELCOME_S: Final = 10.0  # an owner whose Python is busy welcomes late


def connect(path: str) -> socket.socket:
    """A connection to the owner of the relay file `path`, if that is this user or root.

    Raises
    ------
    FileError, ResourceError
    """
    if sys.platform != "linux":
        raise ResourceError("files of other processes need Linux", errno=ENOSYS, passed=path)
    inode = _open_inode(path)
    peer = None
    try:
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        peer.settimeout(_WELCOME_S)
        _wait_in_line(peer, f"/proc/self/fd/{inode}")  # the very file that was looked at
        _check_owner(peer, path)
    except OSError as error:
        if peer is not None:
            peer.close()
        if isinstance(error, FileError):
            raise
        raise _refusal(path, error.errno or ETIMEDOUT) from error
    finally:
        os.close(inode)
    return peer


def receive_welcome(peer: socket.socket, path: str) -> tuple[Welcome, list[int]]:
    """What the owner tells first, and the descriptors that come with it.

    Raises
    ------
    FileError, ResourceError
    """
    room = protocol.WELCOME_BYTES + 1
    try:
        message, descriptors = _receive(peer, room)
    except TimeoutError:
        raise _refusal(path, ETIMEDOUT) from None
    except OSError as error:
        raise _refusal(path, error.errno or ECONNRESET) from error
    try:
        welcome = Welcome.unpacked(message) if message else ENOENT
        if not isinstance(welcome, Welcome):
            raise _refusal(path, welcome)
        if len(descriptors) != protocol.DESCRIPTORS:
            raise ResourceError(
                "the descriptors of the file did not arrive",
                errno=EMFILE,
                passed=path,
                hint="Close files you no longer need, or raise the limit (ulimit -n).",
            )
    except BaseException as error:
        for descriptor in descriptors:
            os.close(descriptor)
        if isinstance(error, ValueError) and not isinstance(error, FileError):
            raise FileError(
                f"its owner speaks another protocol: {error}",
                errno=EPROTO,
                passed=path,
                hint="Use the same version of relaylab on both sides.",
            ) from error
        raise
    peer.settimeout(None)
    return welcome, descriptors


def _wait_in_line(peer: socket.socket, address: str) -> None:
    """Connect, also if so many others do at this moment that there is no room to wait in."""
    deadline = time.monotonic() + _WELCOME_S
    while True:
        try:
            peer.connect(address)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TimeoutError(ETIMEDOUT, os.strerror(ETIMEDOUT)) from None
            time.sleep(0.005)


def _receive(peer: socket.socket, room: int) -> tuple[bytes, list[int]]:
    """socket.recv_fds, whose descriptors other programs would inherit."""
    descriptors = array("i")
    space = socket.CMSG_LEN(protocol.DESCRIPTORS * descriptors.itemsize)
    message, items, _, _ = peer.recvmsg(room, space, socket.MSG_CMSG_CLOEXEC)
    for level, kind, data in items:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptors.frombytes(data[: len(data) // descriptors.itemsize * descriptors.itemsize])
    return message, list(descriptors)


def _open_inode(path: str) -> int:
    """A descriptor of the socket itself, following no symlink at its end."""
    try:
        inode = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise _refusal(path, error.errno or 0) from error
    mode = os.fstat(inode).st_mode
    if stat.S_ISSOCK(mode):
        return inode
    os.close(inode)
    if stat.S_ISLNK(mode):
        raise _refusal(path, ELOOP)
    raise _refusal(path, EISDIR if stat.S_ISDIR(mode) else ENODEV)


def _check_owner(peer: socket.socket, path: str) -> None:
    """Refuse a socket that somebody else listens to."""
    raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(raw)
    if uid not in (os.geteuid(), 0):
        raise FileError(
            f"user {uid} listens there",
            errno=EACCES,
            passed=path,
            allowed="files of channels of your own",
        )


def _refusal(path: str, number: int) -> FileError | ResourceError:
    if number in _SCARCE:
        return ResourceError(
            f"the file cannot be opened: {os.strerror(number)}",
            errno=number,
            passed=path,
            hint="It has as many readers as it may have, or a limit is reached (ulimit -n).",
        )
    what, hint = {
        ENOENT: ("no such file", None),
        EISDIR: ("a directory cannot be opened", f"relaylab ls {path} tells what is there."),
        ELOOP: ("it is a symlink", "Pass the path of the relay file itself."),
        ENODEV: ("it is no relay file", None),
        EACCES: ("its owner does not let this process read it", None),
        ECONNREFUSED: ("its owner is gone", "It was left by a process that ended abruptly."),
        ETIMEDOUT: ("its owner does not answer", "Is that process stopped?"),
        ECONNRESET: ("its owner ended this moment", None),
    }.get(number, (f"it cannot be opened: {os.strerror(number)}", None))
    hint = hint or "relaylab.mounts() tells which files there are."
    if number == ENOENT and not Path(path).parent.exists():
        hint = "There is no such directory. relaylab.mounts() tells which files there are."
    return FileError(what, errno=number, passed=path, hint=hint)
