"""Files that may be compressed: told by their content, unpacked while they are read."""

import gzip
import zlib
from io import BufferedReader
from typing import Final, Protocol, cast

DAMAGED: Final = (EOFError, zlib.error, gzip.BadGzipFile)
"""What reading a compressed file raises where it is cut or altered."""

_GZIP: Final = b"\x1f\x8b"
_HEAD: Final = 1 << 16  # bytes


class Readable(Protocol):
    """A binary file that is read from front to back."""

    def read(self, size: int, /) -> bytes: ...


def unpacked(file: BufferedReader) -> BufferedReader:
    """`file`, or what unpacks it."""
    if not file.peek(len(_GZIP)).startswith(_GZIP):
        return file
    return BufferedReader(cast("gzip._GzipReader", gzip.GzipFile(fileobj=file)), _HEAD)


def head(stream: BufferedReader) -> bytes:
    """The first bytes, without taking them; none where a compressed file is damaged there."""
    try:
        return stream.peek(_HEAD)
    except DAMAGED:
        return b""
