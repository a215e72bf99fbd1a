"""What a trace is: told by its content first, then by its name."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Final

from relaylab.errors import ConfigError
from relaylab.workload import blktrace


class Format(StrEnum):
    """The kinds of trace that can be read."""

    CSV = "CSV"
    BLKTRACE = "blktrace"


_LINES: Final = 64  # of a text that are looked at
_BY_CONTENT: Final[dict[Format, re.Pattern[bytes]]] = {}

_BINARY_OF_TOOLS: Final = {
    b"PERFILE2": "a perf.data file: give the text that `perf script --ns -i FILE` prints",
    b"2ELIFREP": "a perf.data file: give the text that `perf script --ns -i FILE` prints",
    b"\x17\x08Dtracing": "a trace.dat file: give the text that `trace-cmd report -t FILE` prints",
}


def told_by_content(head: bytes, path: Path) -> Format | None:
    """The format of a file that begins so; None if nothing says so.

    Parameters
    ----------
    head : bytes
        Its first kilobytes, unpacked.
    path : Path
        For errors.

    Raises
    ------
    ConfigError
        It is a file that another tool has to turn into text first.
    """
    if head.startswith((blktrace.LITTLE, blktrace.BIG)):
        return Format.BLKTRACE
    for magic, hint in _BINARY_OF_TOOLS.items():
        if head.startswith(magic):
            raise ConfigError(f"{path.name} is binary", passed=str(path), hint=f"This is {hint}.")
    for line in head.splitlines()[:_LINES]:
        for kind, pattern in _BY_CONTENT.items():
            if pattern.match(line):
                return kind
    return None


def told_by_name(path: Path) -> Format:
    """The format that a file of this name should have: CSV if the name says nothing."""
    if blktrace.FILE.fullmatch(path.name):
        return Format.BLKTRACE
    return Format.CSV
