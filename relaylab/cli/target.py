"""Where sub-buffers are written to: a file of their own, or standard output."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from errno import EEXIST, EPIPE
from pathlib import Path
from typing import Final

from relaylab.errors import EntryExistsError, FileError, ResourceError

MOST_PIECES: Final = 1024  # IOV_MAX: what one writev takes


class Target:
    """An open descriptor to write to.

    Attributes
    ----------
    path : str
        What it is called in errors.
    position : int
        Bytes written so far.
    can_cut : bool
        Whether what was written last can be taken back: it is a regular file, and nobody else's.
    """

    def __init__(self, descriptor: int, path: str, is_shared: bool = False) -> None:
        self.path = path
        self.position = 0
        self._descriptor = descriptor
        self.can_cut = not is_shared and stat.S_ISREG(os.fstat(descriptor).st_mode)

    def write(self, pieces: Sequence[memoryview]) -> OSError | None:
        """Write all pieces, at most MOST_PIECES; the error that ended it early.

        Raises
        ------
        BrokenPipeError
            Nobody reads it any more.
        """
        left = list(pieces)
        while left:
            try:
                written = os.writev(self._descriptor, left)
            except OSError as error:
                if error.errno == EPIPE:
                    raise
                return error
            self.position += written
            done = 0
            while done < len(left) and written >= len(left[done]):
                written -= len(left[done])
                done += 1
            left = left[done:]
            if written:
                left[0] = left[0][written:]
        return None

    def cut(self, position: int) -> None:
        """Take back what was written beyond `position`, if that can be."""
        if self.can_cut and position < self.position:
            os.ftruncate(self._descriptor, position)
            os.lseek(self._descriptor, position, os.SEEK_SET)
            self.position = position

    def close(self) -> None:
        """Close it; only now do some systems tell that there was no room.

        Raises
        ------
        ResourceError
        """
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            try:
                os.close(descriptor)
            except OSError as error:
                raise refused(self.path, error) from error


def refused(path: str, error: OSError, hint: str | None = None) -> ResourceError:
    """The error for a target that takes no more."""
    return ResourceError(
        f"the file cannot be written: {error.strerror}",
        errno=error.errno or 0,
        passed=path,
        hint=hint,
    )


def open_targets(directory: str, names: Sequence[str], force: bool) -> list[Target]:
    """New files of these names in a directory, which is made if need be.

    Raises
    ------
    EntryExistsError, FileError
        Nothing new is left behind, but for directories.
    """
    made: list[tuple[Target, bool]] = []
    try:
        for name in names:
            path = Path(directory) / name
            is_new = not path.exists()
            path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_TRUNC if force else os.O_EXCL
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flags, 0o666)
            made.append((Target(descriptor, str(path)), is_new))
    except OSError as error:
        for target, is_new in made:
            with suppress(OSError):
                target.close()
                if is_new:
                    Path(target.path).unlink()
        if error.errno == EEXIST and not path.is_dir():
            raise EntryExistsError(
                "the file exists",
                passed=str(path),
                hint="Nothing was touched. Name another directory, or pass --force.",
            ) from error
        raise FileError(
            f"the file cannot be made: {error.strerror}",
            errno=error.errno or 0,
            passed=str(path),
            hint="Name a directory that you may write to.",
        ) from error
    return [target for target, _ in made]
