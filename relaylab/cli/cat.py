"""`relaylab cat`: the produced sub-buffers of relay files to standard output."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from relaylab.cli.arguments import Subparsers, add_command, add_paths

if TYPE_CHECKING:
    from relaylab.cli.draining import Drain
    from relaylab.cli.stopping import Stop

_DESCRIPTION = """\
Write what relay files have produced to standard output: whole sub-buffers,
without padding, one file after the other. They are consumed as soon as they are
written. It ends when all that was produced is written; with --follow it goes
on, whichever file has more, until the channels end. Let one reader consume a
file, not two: each would miss what the other one takes."""

_EXAMPLES = """\
examples:
  relaylab cat trace/cpu0 > cpu0.bin           what is ready; makes room for more
  relaylab cat --keep trace/cpu0 | xxd | less  only look at it
  relaylab cat --follow trace/cpu0 | my-parser
  relaylab dump trace --out out                all CPUs, to a file each"""


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "cat",
        run,
        summary="write the produced sub-buffers of relay files to stdout, and consume them",
        description=_DESCRIPTION,
        examples=_EXAMPLES,
    )
    add_paths(parser, "+", "files, or directories for all files below them")
    parser.add_argument("--keep", action="store_true", help="only watch: consume nothing")
    parser.add_argument(
        "-f", "--follow", action="store_true", help="go on as more are produced, until Ctrl-C"
    )


def run(args: argparse.Namespace) -> int:
    """One file after the other, or all of them at once for --follow."""
    from relaylab.cli import INTERRUPTED
    from relaylab.cli.stopping import Stop

    with Stop() as stop:
        _cat(args, stop)
        return INTERRUPTED if stop.asked else 0


def _cat(args: argparse.Namespace, stop: Stop) -> None:
    import contextlib
    import sys

    from relaylab.cli.draining import HANG_UP, Drain
    from relaylab.cli.dumped import ENDS
    from relaylab.cli.finding import find
    from relaylab.cli.following import follow
    from relaylab.cli.target import Target
    from relaylab.relayfs.remote import open_file

    files = find(args.paths)
    target = Target(sys.stdout.fileno(), "standard output", is_shared=True)
    with contextlib.ExitStack() as opened:
        drains = []
        for found in files:
            file = opened.enter_context(open_file(found.path))
            drains.append(Drain(file, found.name, target, consume=not args.keep))
        if args.follow:
            follow(drains, stop, told=lambda: None)
        else:
            _one_after_the_other(drains, stop)
        for drain in drains:
            _tell(drain)
            if args.follow and drain.ended == HANG_UP:
                print(f"relaylab cat: {drain.name}: {ENDS[HANG_UP]}", file=sys.stderr)


def _one_after_the_other(drains: list[Drain], stop: Stop) -> None:
    for drain in drains:
        drain.stop_here()  # a writer in full swing would never let it end
        while not stop.asked and drain.step():
            pass


def _tell(drain: Drain) -> None:
    """What a reader of the output cannot see."""
    import sys

    for count, what in (
        (drain.overwritten, "sub-buffers were overwritten before they could be read"),
        (drain.taken, "sub-buffers were consumed by another reader first"),
        (drain.resets, "resets: the sequence began anew, what was unread is gone"),
    ):
        if count:
            print(f"relaylab cat: {drain.name}: {count:,} {what}", file=sys.stderr)
