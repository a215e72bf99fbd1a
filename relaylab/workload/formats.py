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
    PARQUET = "Parquet"
    BLKTRACE = "blktrace"
    TAR = "tar"
    METADATA = "CTF metadata"
    STREAM = "CTF stream"
    TRACER_TEXT = "perf script or trace-cmd report"
    BLKPARSE_TEXT = "blkparse"
    BABELTRACE_TEXT = "babeltrace2"


_LINES: Final = 64  # of a text that are looked at
_LONGEST: Final = 500  # bytes of a line
_BY_LINE: Final = {
    Format.BABELTRACE_TEXT: re.compile(rb"\[[0-9][0-9:. -]*\] (\(\+[0-9?.]+\) )?.*:( |$)"),
    Format.BLKPARSE_TEXT: re.compile(rb" *[0-9]+,[0-9]+ +[0-9]+ +[0-9]+ +[0-9]+\.[0-9]+ +[0-9]+ "),
    Format.TRACER_TEXT: re.compile(
        rb" *\S.*\s(\[[0-9]+\](\s+\S+)?|[0-9]+\S{3,8}|[0-9]+)\s+[0-9]+\.[0-9]+: "
    ),
}
_BY_MAGIC: Final = {
    blktrace.LITTLE: Format.BLKTRACE,
    blktrace.BIG: Format.BLKTRACE,
    b"PAR1": Format.PARQUET,
    b"/* CTF ": Format.METADATA,
    b"\x57\x1d\xd1\x75": Format.METADATA,
    b"\x75\xd1\x1d\x57": Format.METADATA,
    b"\xc1\x1f\xfc\xc1": Format.STREAM,
    b"\xc1\xfc\x1f\xc1": Format.STREAM,
}
_TAR: Final = (257, b"ustar")  # where its magic is

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
    for magic, kind in _BY_MAGIC.items():
        if head.startswith(magic):
            return kind
    if head.startswith(_TAR[1], _TAR[0]):
        return Format.TAR
    for magic, hint in _BINARY_OF_TOOLS.items():
        if head.startswith(magic):
            raise ConfigError(f"{path.name} is binary", passed=str(path), hint=f"This is {hint}.")
    for line in head.splitlines()[:_LINES]:
        for kind, pattern in _BY_LINE.items():
            if pattern.match(line[:_LONGEST]):
                return kind
    return None


def told_by_name(path: Path) -> Format:
    """The format that a file of this name should have: CSV if the name says nothing."""
    if blktrace.FILE.fullmatch(path.name):
        return Format.BLKTRACE
    if path.suffix.lower() in (".parquet", ".pq"):
        return Format.PARQUET
    return Format.CSV
