"""`relaylab dump`: all CPUs of a channel to files, one each, as they are produced."""

from __future__ import annotations

import argparse
import collections
import contextlib
import time
from typing import TYPE_CHECKING

from relaylab import units
from relaylab.cli.arguments import Subparsers, add_command, add_paths, add_progress

if TYPE_CHECKING:
    from relaylab.cli.draining import Drain
    from relaylab.cli.dumped import Baseline
    from relaylab.cli.stopping import Stop

_DESCRIPTION = """\
Drain all CPUs of a channel to a directory, a file a CPU: whole sub-buffers in
their order, without padding, each consumed when it is written. It ends with
Ctrl-C, when the channel is closed, or when its owner is gone. All that was
produced by then is written, and a table says how much that was, what was lost
meanwhile, and what the sub-buffers that were not finished hold. Let one reader
consume a channel, not two: each would miss what the other one takes."""

_EXAMPLES = """\
examples:
  relaylab dump trace --out out             a directory, until Ctrl-C
  relaylab dump trace/cpu0 cpu7 --out out   only these files
  relaylab dump trace --out out --partial   at the end the unfinished ones too
  timeout 10 relaylab dump trace --out out --json

exit status:
  0    it ended, also with Ctrl-C or SIGTERM: everything is written
  2    something could not be opened or written; what is unread is still there
  130  a second Ctrl-C ended it at once"""

_EVERY_S = 0.1


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "dump",
        run,
        summary="drain all CPUs of a channel to files, one each, and report losses",
        description=_DESCRIPTION,
        examples=_EXAMPLES,
    )
    add_paths(parser, "+", "files, or directories for all files below them")
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="where the files go; made if need be"
    )
    parser.add_argument("--force", action="store_true", help="overwrite files that are there")
    parser.add_argument(
        "--partial",
        action="store_true",
        help="at the end copy what the unfinished sub-buffers hold; they are not consumed",
    )
    output = parser.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="print one JSON object")
    add_progress(output)


def run(args: argparse.Namespace) -> int:
    """Open everything, drain, report."""
    from relaylab.cli.stopping import Stop

    with Stop() as stop:  # from the first moment on: the imports take long
        return _dump(args, stop)


def _dump(args: argparse.Namespace, stop: Stop) -> int:
    from relaylab.cli.draining import Drain
    from relaylab.cli.dumped import Baseline, Dumped
    from relaylab.cli.finding import find
    from relaylab.cli.target import open_targets
    from relaylab.errors import ResourceError
    from relaylab.relayfs.remote import open_file

    found = find(args.paths)
    with contextlib.ExitStack() as opened:
        files = [opened.enter_context(open_file(one.path)) for one in found]
        targets = open_targets(args.out, [one.name for one in found], args.force)
        drains = [
            Drain(file, one.name, target)
            for one, file, target in zip(found, files, targets, strict=True)
        ]
        baseline = Baseline(drains)
        failures = []
        try:
            _drain(drains, baseline, stop, args)
        except ResourceError as error:
            failures.append(error)
        report = Dumped.of(drains, baseline, args.out)
        for drain in drains:
            try:
                drain.close()
            except ResourceError as error:
                failures.append(error)
    print(report.as_json() if args.json else report.as_table())
    if failures:
        raise failures[0]
    return 0


def _drain(drains: list[Drain], baseline: Baseline, stop: Stop, args: argparse.Namespace) -> None:
    from relaylab.cli.following import follow
    from relaylab.cli.progress import ProgressLine

    with ProgressLine("Dumping", args.progress) as line:
        pace = Pace()

        def tell() -> None:
            if line.is_due:
                line.update(None, _note(drains, baseline, pace))

        follow(drains, stop, tell, _EVERY_S if line.shown else None)
        if args.partial:
            for drain in drains:
                drain.copy_unfinished()


def _note(drains: list[Drain], baseline: Baseline, pace: Pace) -> str:
    subbufs = sum(drain.subbufs for drain in drains)
    size = sum(drain.bytes for drain in drains)
    overwritten = sum(drain.overwritten for drain in drains)
    words = [
        f"{units.format_count(subbufs)} sub-buffers",
        units.format_bytes(size),
        units.format_bandwidth(pace.after(size)),
        f"{units.format_count(baseline.lost(drains))} events lost",
    ]
    if overwritten:
        words.append(f"{units.format_count(overwritten)} overwritten")
    return ", ".join(words)


class Pace:
    """Bytes per second, over the last second."""

    def __init__(self) -> None:
        self._seen = collections.deque([(time.monotonic(), 0)], maxlen=10)

    def after(self, size: int) -> float:
        """How fast it has been lately, now that it is `size` bytes in all."""
        now = time.monotonic()
        then, before = self._seen[0]
        self._seen.append((now, size))
        return (size - before) / max(now - then, 1e-9)
