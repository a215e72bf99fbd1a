"""`relaylab mounts`: which relay file systems are mounted, and whose they are."""

import argparse

from relaylab import units
from relaylab.cli.arguments import Subparsers, add_command

_EXAMPLES = """\
examples:
  relaylab mounts                    directory, owner, age, number of files
  relaylab mounts --json             for a program, with the names of the files
  relaylab ls                        the files themselves"""


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "mounts",
        run,
        summary="which relay file systems are mounted now, and by which process",
        description="List the relay file systems that processes of yours have mounted now.",
        examples=_EXAMPLES,
    )
    parser.add_argument("--json", action="store_true", help="print a list of JSON objects")


def run(args: argparse.Namespace) -> int:
    """List them."""
    import json
    import time
    from dataclasses import asdict

    from relaylab.cli.finding import nothing_mounted
    from relaylab.cli.table import table
    from relaylab.relayfs.registry import mounts

    found = mounts()
    if args.json:
        print(json.dumps([asdict(info) for info in found], indent=2))
        return 0
    if not found:
        print(nothing_mounted())
        return 0
    now = time.time()
    rows = [
        (
            info.path,
            str(info.pid),
            units.format_duration(max(0.0, now - info.since) * 1e9),
            f"{len(info.files):,}",
        )
        for info in found
    ]
    print(table(("directory", "process", "mounted for", "files"), rows))
    return 0
