"""`relaylab doctor`: what a message about lost events means, and what to do about it."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from relaylab.cli.arguments import Subparsers, add_command, text_width

_DESCRIPTION = """\
Paste what blktrace, stap, lttng, babeltrace, perf, trace-cmd, ftrace or bpftrace printed about lost
events. The doctor says what was lost and where, which knob to turn and to what, and how to record a
trace from which `relaylab advise` computes sizes that lose nothing.

Three things are called lost and are not the same: dropped events are the newest ones, refused by a
full buffer; overwritten ones are the oldest, replaced by newer ones; a skipped probe never made an
event, and no buffer size helps it."""

_EXAMPLES = """\
examples:
  relaylab doctor "You have 1234 ( 5.6%) dropped events"
  relaylab doctor                              paste, then Ctrl-D
  relaylab doctor messages.txt                 a file with them
  relaylab doctor --json - < messages.txt      for a program to read
  blktrace -d /dev/sda -w 10 2>&1 | relaylab doctor"""


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "doctor",
        run,
        summary="what a message about lost events means, which knob to turn, what to do next",
        description=_DESCRIPTION,
        examples=_EXAMPLES,
    )
    parser.add_argument(
        "text",
        nargs="?",
        default="-",
        metavar="TEXT|FILE|-",
        help="the message itself, a file with it, or - for standard input (default: -)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Read it, understand it, say it."""
    from relaylab.tuning.doctor import doctor

    found = doctor(_text(args.text))
    print(found.as_json() if args.json else found.as_text(text_width()))
    return 0


def _text(given: str) -> str:
    """The text that is meant: of standard input, a file, or the argument itself."""
    if given == "-":
        if sys.stdin.isatty():
            print("Paste the message, then press Ctrl-D on a line of its own:", file=sys.stderr)
        return _decoded(sys.stdin.buffer.read(_MOST_BYTES))
    if "\n" not in given and _names_a_file(given):
        return _file(Path(given))
    return given


def _names_a_file(given: str) -> bool:
    """A file there is, or what can be nothing but the name of one that there is not."""
    looks_like = " " not in given and (os.sep in given or Path(given).suffix != "")
    try:
        return Path(given).exists() or looks_like
    except (OSError, ValueError):  # too long for a name, or with a NUL
        return False


def _file(path: Path) -> str:
    from relaylab.errors import FileError

    try:
        with path.open("rb") as file:
            return _decoded(file.read(_MOST_BYTES))
    except OSError as error:
        raise FileError(
            f"the file cannot be read: {error.strerror}",
            passed=str(path),
            errno=error.errno or 0,
            hint="Give a file, - for standard input, or the message itself in quotes.",
        ) from None


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", errors="replace")


_MOST_BYTES = 32 << 20  # more than the doctor takes, so that it can say so
