"""`relaylab stat`: everything about a relay file."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from relaylab import units
from relaylab.cli.arguments import Subparsers, add_command, add_paths

if TYPE_CHECKING:
    from relaylab.cli.filestate import FileState

_EXAMPLES = """\
examples:
  relaylab stat trace/cpu0           one file of the only mount
  relaylab stat trace                all files in a directory
  relaylab stat --json trace         for a program to read"""


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "stat",
        run,
        summary="everything about a relay file: sizes, counters, losses, owner",
        description="Show everything about relay files: sizes, counters, losses, state and owner.",
        examples=_EXAMPLES,
    )
    add_paths(parser, "+", "files, or directories for all files below them")
    parser.add_argument("--json", action="store_true", help="print a list of JSON objects")


def run(args: argparse.Namespace) -> int:
    """Look at each file."""
    import json

    from relaylab.cli.filestate import FileState
    from relaylab.cli.finding import find
    from relaylab.relayfs.remote import open_file

    states = []
    for found in find(args.paths):
        with open_file(found.path) as file:
            states.append(FileState.of(file, found.name))
    if args.json:
        print(json.dumps([state.as_dict() for state in states], indent=2))
    else:
        print("\n\n".join(_told(state) for state in states))
    return 0


def _told(state: FileState) -> str:
    stats = state.stats
    mode = "overwrite" if state.overwrite else "no-overwrite"
    size = units.format_bytes(state.subbuf_size)
    lost = f"{stats['lost_full']:,} full, {stats['lost_unfull']:,} unfull, "
    lost += f"{stats['lost_too_large']:,} too large"
    rows = [
        ("owner", f"process {state.pid}, its CPU {state.cpu}"),
        ("buffer", f"{size} x {state.n_subbufs}, {state.alloc_size:,} bytes, {mode}"),
        ("state", _state(state)),
        ("produced", f"{state.produced:,}"),
        ("consumed", f"{state.consumed:,}"),
        ("ready", f"{state.ready:,}; never more than {stats['high_water']:,} unconsumed"),
        ("open", f"{state.open_bytes:,} of {state.subbuf_size:,} bytes written"),
        ("events", f"{stats['offered']:,}"),
        ("  written", f"{stats['written']:,}, {stats['written_bytes']:,} bytes"),
        ("  lost", f"{stats['lost']:,}: {lost}"),
        ("switches", f"{stats['switches']:,}, {stats['delivered']:,} delivered"),
        ("wake-ups", f"{stats['wakeups']:,}"),
        ("resets", f"{state.resets:,}"),
    ]
    if state.overwrite or stats["overwritten_subbufs"]:
        unread = stats["overwritten_unread_subbufs"]
        count = f"{stats['overwritten_subbufs']:,} sub-buffers, {unread:,} of them unread"
        rows.insert(-3, ("overwritten", count))
    return "\n".join([state.path, *(f"  {what:<12} {value}" for what, value in rows)])


def _state(state: FileState) -> str:
    return {
        "closed": "closed: no more will come",
        "full": "full: events are lost until somebody consumes",
        "unfull": "unfull: it was full; the next event reopens it, and is lost",
        "ready": "ready to be read",
        "empty": "nothing to read yet",
    }[state.word]
