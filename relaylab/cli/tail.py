"""`relaylab tail`: the last sub-buffers of a relay file, one a line; never consumes."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from relaylab.cli.arguments import Subparsers, add_command, add_paths

if TYPE_CHECKING:
    from relaylab.relayfs import RelayFile
    from relaylab.relayfs.reading import Subbuffer

_DESCRIPTION = """\
Show the last sub-buffers of a relay file, one a line: its number in the
sequence, the bytes in it without padding, the padding, and how its data begins.
It only watches: nothing is consumed, and the writer does not wait."""

_EXAMPLES = """\
examples:
  relaylab tail trace/cpu0           the last ten
  relaylab tail -f -n 0 trace/cpu0   those produced from now on, until Ctrl-C
  relaylab tail -n 1000 trace/cpu0 | less"""


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "tail",
        run,
        summary="watch a relay file: the last sub-buffers, one a line",
        description=_DESCRIPTION,
        examples=_EXAMPLES,
    )
    add_paths(parser, None, "a file")
    parser.add_argument("-f", "--follow", action="store_true", help="go on as more are produced")
    parser.add_argument(
        "-n",
        "--lines",
        type=int,
        default=10,
        metavar="N",
        help="how many, as far as they are in the buffer, consumed or not (default: 10)",
    )


def run(args: argparse.Namespace) -> int:
    """Show those there are, then those that come."""
    import shutil
    import sys

    from relaylab.cli.finding import find_one
    from relaylab.errors import ConfigError
    from relaylab.relayfs.remote import open_file

    if args.lines < 0:
        raise ConfigError("--lines", passed=args.lines, allowed="0 or more")
    width = shutil.get_terminal_size().columns
    with open_file(find_one(args.path).path) as file:
        end = _go_back(file, args.lines)
        print(f"{'sequence':>12} {'bytes':>11} {'padding':>9}  data", flush=args.follow)
        if args.lines or args.follow:
            _show(file, None if args.follow else end, width)
        if args.follow and file.finalized:
            why = "the channel was closed" if file._field("finalized") else "its owner is gone"
            print(f"relaylab tail: {args.path}: {why}", file=sys.stderr)
    return 0


def _go_back(file: RelayFile, count: int) -> int:
    """Place the reader `count` sub-buffers before the last that is produced; what is produced."""
    from relaylab.relayfs.reading import Place

    epoch, produced = file._field("epoch"), file.subbufs_produced
    oldest = file._field("opened") + 1 - file.n_subbufs
    file._place = Place(epoch, max(0, oldest, produced - count))
    return produced


def _show(file: RelayFile, end: int | None, width: int) -> None:
    """A line a sub-buffer, up to `end` of the sequence or for ever, and what lies between them."""
    skipped, expected = file.skipped, file._place.following
    if end is not None and expected >= end:
        return
    for subbuf in file.subbufs(timeout=None if end is None else 0, consume=False):
        if subbuf.sequence < expected:
            print("-- reset: the sequence begins anew --")
        if file.skipped > skipped:
            print(f"-- {file.skipped - skipped:,} overwritten before they could be shown --")
        skipped, expected = file.skipped, subbuf.sequence + 1
        print(line(subbuf, width), flush=end is None)
        if end is not None and expected >= end:
            return


def line(subbuf: Subbuffer, width: int) -> str:
    """One sub-buffer in `width` columns."""
    begin = f"{subbuf.sequence:>12,} {len(subbuf.data):>11,} {subbuf.padding:>9,}  "
    return f"{begin}{beginning(subbuf.data, max(16, width - len(begin)))}".rstrip()


def beginning(data: Any, room: int) -> str:
    """How the data begin, in `room` characters: as text if it is text, else in hex."""
    head = bytes(data[:room])
    if all(32 <= byte < 127 or byte in b"\t\n\r" for byte in head):
        text = head.decode("ascii").replace("\n", "⏎").replace("\t", " ").replace("\r", "")
        return text if len(text) < room or len(data) == len(head) else f"{text[: room - 1]}…"
    most = (room + 1) // 3
    if len(data) <= most:
        return bytes(data).hex(" ")
    return f"{bytes(data[: most - 1]).hex(' ')} …"
