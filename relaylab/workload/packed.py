"""Files that may be compressed: told by their content, unpacked while they are read."""

import gzip
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, cast

if TYPE_CHECKING:
    from relaylab.workload.gather import Gathered

DAMAGED: Final = (EOFError, zlib.error, gzip.BadGzipFile)
"""What reading a compressed file raises where it is cut or altered."""

_GZIP: Final = b"\x1f\x8b"
_HEAD: Final = 1 << 16  # bytes
_IMPOSSIBLE: Final = (FileExistsError, IsADirectoryError, NotADirectoryError)
"""What making the files of an archive raises that names one of them twice, as different things."""


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


@contextmanager
def unpacked_tar(stream: BufferedReader, events: "Gathered") -> Iterator[Path]:
    """What a tar holds, in a directory that goes away afterwards.

    Raises
    ------
    ConfigError
        It is damaged, or would put files somewhere else.
    """
    with tempfile.TemporaryDirectory(prefix="relaylab-") as name:
        try:
            with tarfile.open(fileobj=stream, mode="r|") as tar:
                for member in tar:
                    _unpack(tar, member, Path(name).resolve())
                    events.ticked()
        except (*DAMAGED, *_IMPOSSIBLE, tarfile.TarError, ValueError, KeyError) as error:
            events.damaged("in the archive", f"it is damaged or cut ({error})")
        yield Path(name)


def _unpack(tar: tarfile.TarFile, member: tarfile.TarInfo, directory: Path) -> None:
    """One file or directory of an archive, if it belongs inside; nothing else is made of it.

    Python 3.11.2, which Debian 12 has, knows no filters of tarfile yet.
    """
    target = directory / member.name
    if not target.resolve().is_relative_to(directory):
        raise tarfile.TarError(f"{member.name!r} would be outside of it")
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
    elif member.isfile():
        target.parent.mkdir(parents=True, exist_ok=True)
        source = tar.extractfile(member)
        assert source is not None  # it is a file
        with source, target.open("wb") as file:
            shutil.copyfileobj(source, file)
