"""What an owner and a reader in another process say to each other; PROTOCOL.md tells it in full.

One connection of a SOCK_SEQPACKET Unix-domain socket is one open file. The owner speaks first: a
welcome with five descriptors, or a refusal. After that the reader asks, the owner answers, and the
end of the connection is the end of the open file.
"""

from __future__ import annotations

import struct
from dataclasses import astuple, dataclass, fields
from typing import Final, Self

from relaylab.core.layout import ABI_VERSION, MAGIC

VERSION: Final = 1

MAP: Final = 1  # the reader has mapped the buffer
UNMAP: Final = 2  # it has unmapped it

_WELCOME: Final = struct.Struct("=IIiI12Q")
_REQUEST: Final = struct.Struct("=IIQ")
_REPLY: Final = struct.Struct("=IiQ")

REQUEST_BYTES: Final = _REQUEST.size
REPLY_BYTES: Final = _REPLY.size
WELCOME_BYTES: Final = _WELCOME.size
DESCRIPTORS: Final = 5  # data, control, letterbox, wake, bell


@dataclass(frozen=True)
class Welcome:
    """What the owner tells first. Sizes and offsets are in bytes."""

    subbuf_size: int
    n_subbufs: int
    alloc_size: int  #: of the mapping
    overwrite: int
    cpu: int
    n_cpus: int  #: buffers of the channel
    data_offset: int  #: of the buffer in the file of data
    control_offset: int  #: of its control block in the file of control blocks
    control_size: int  #: of one control block
    first_control: int  #: where the control block of CPU 0 is; before it is the journal
    pid: int  #: of the owner
    reserved: int = 0  #: always 0

    def packed(self) -> bytes:
        """As it travels."""
        return _WELCOME.pack(MAGIC, VERSION, 0, ABI_VERSION, *astuple(self))

    @classmethod
    def unpacked(cls, message: bytes) -> Self | int:
        """From what came; the errno of a refusal.

        Raises
        ------
        ValueError
            It is no welcome of this protocol.
        """
        if len(message) != WELCOME_BYTES:
            raise ValueError(f"a welcome of {len(message)} bytes instead of {WELCOME_BYTES}")
        magic, version, error, abi, *numbers = _WELCOME.unpack(message)
        if (magic, version, abi) != (MAGIC, VERSION, ABI_VERSION):
            raise ValueError(
                f"magic {magic:#x}, protocol {version}, layout {abi} instead of "
                f"{MAGIC:#x}, {VERSION}, {ABI_VERSION}"
            )
        return error or cls(*numbers)


def refusal(error: int) -> bytes:
    """A welcome that says why there is none."""
    return _WELCOME.pack(MAGIC, VERSION, error, ABI_VERSION, *(0 for _ in fields(Welcome)))


def request(kind: int, length: int = 0) -> bytes:
    """What a reader asks: MAP or UNMAP."""
    return _REQUEST.pack(kind, 0, length)


def read_request(message: bytes) -> tuple[int, int]:
    """The kind and the length in a request.

    Raises
    ------
    ValueError
    """
    if len(message) != REQUEST_BYTES:
        raise ValueError(f"a request of {len(message)} bytes instead of {REQUEST_BYTES}")
    kind, zero, length = _REQUEST.unpack(message)
    if kind not in (MAP, UNMAP) or zero != 0:
        raise ValueError(f"a request of unknown kind {kind}")
    return kind, length


def reply(kind: int, error: int = 0) -> bytes:
    """What the owner answers to a request."""
    return _REPLY.pack(kind, error, 0)


def read_reply(message: bytes) -> tuple[int, int]:
    """The kind and the errno in a reply."""
    kind, error, _ = _REPLY.unpack(message)
    return kind, error
