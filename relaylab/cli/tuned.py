"""What `advise` and `sweep` share: the reader that is assumed, the rules, the bytes of the ring."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from relaylab import units
from relaylab.cli.arguments import reading

if TYPE_CHECKING:
    from relaylab.tuning import Reader
    from relaylab.workload import Workload

READERS = """\
readers (the program that empties the buffer; say how late yours is):
  --reader-latency "10 ms"     asleep until a sub-buffer is ready, runs this much later
  --reader-period "20 ms"      looks every 20 ms and drains all that is ready
  --reader-sleep "2 ms"        polls: one read when a sub-buffer is ready, then sleeps
"""


def add_reader(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """The options that describe a reader, and their group."""
    group = parser.add_argument_group("reader")
    duration = reading(units.parse_duration)
    group.add_argument(
        "--reader-latency",
        type=duration,
        metavar="TIME",
        help='from a sub-buffer that is ready to the reader running, such as "200 us" '
        "(default: 10 ms, a busy machine)",
    )
    group.add_argument(
        "--reader-per-subbuf",
        type=duration,
        metavar="TIME",
        help="what each sub-buffer costs that reader (default: 10 us)",
    )
    group.add_argument(
        "--reader-rate",
        type=reading(units.parse_bandwidth),
        metavar="RATE",
        help='how fast it reads, such as "200 MB/s" (default: 1 GB/s)',
    )
    group.add_argument(
        "--reader-period",
        type=duration,
        metavar="TIME",
        help="instead: a reader that drains all that is ready once in this time",
    )
    group.add_argument(
        "--reader-sleep",
        type=duration,
        metavar="TIME",
        help="instead: a reader that polls, reads once, and sleeps this long",
    )
    group.add_argument(
        "--reader-per-read",
        type=duration,
        metavar="TIME",
        help="what one read of a polling reader costs (default: 0)",
    )
    return group


def add_ring(parser: argparse.ArgumentParser, *, has_tool: bool = True) -> None:
    """The options that describe the ring; what they are by default may follow from --tool."""
    default = "what the --tool has, else 0" if has_tool else "0"
    group = parser.add_argument_group("ring")
    group.add_argument(
        "--rules",
        choices=("linux", "relayfs"),
        default="linux",
        help="of today's kernel, or of 2005 (default: linux)",
    )
    group.add_argument(
        "--event-overhead",
        type=reading(units.parse_bytes),
        metavar="BYTES",
        help=f"what the ring adds to each event (default: {default})",
    )
    group.add_argument(
        "--subbuf-header",
        type=reading(units.parse_bytes),
        metavar="BYTES",
        help=f"at the beginning of each sub-buffer (default: {default})",
    )


def reader(args: argparse.Namespace) -> Reader:
    """The reader that the options describe.

    Raises
    ------
    ConfigError
        Options of two kinds of readers at once.
    """
    from relaylab.errors import ConfigError
    from relaylab.tuning import ASSUMED_READER, Reader

    kinds = {
        "latency": ("reader_latency", "reader_per_subbuf", "reader_rate"),
        "period": ("reader_period",),
        "sleep": ("reader_sleep", "reader_per_read"),
    }
    given = {
        kind: [name for name in names if getattr(args, name) is not None]
        for kind, names in kinds.items()
    }
    used = [kind for kind, names in given.items() if names]
    if len(used) > 1:
        options = [f"--{name.replace('_', '-')}" for kind in used for name in given[kind]]
        raise ConfigError(
            "reader", passed=" ".join(options), allowed="options of one kind of reader only"
        )
    if not used:
        return ASSUMED_READER
    if used == ["period"]:
        return Reader.periodic(args.reader_period)
    if used == ["sleep"]:
        if args.reader_sleep is None:
            raise ConfigError("--reader-per-read", allowed="only together with --reader-sleep")
        return Reader.polling(sleep=args.reader_sleep, per_read=args.reader_per_read or 0)
    return Reader(
        latency=_or(args.reader_latency, "10 ms"),
        per_subbuf=_or(args.reader_per_subbuf, "10 us"),
        rate=_or(args.reader_rate, "1 GB/s"),
    )


def told(load: Workload) -> str:
    """What a trace is, in a line."""
    return repr(load).removeprefix("<Workload ").removesuffix(">")


def calibrated(args: argparse.Namespace, load: Workload) -> Reader:
    """The reader that explains the measured losses of --measured.

    Raises
    ------
    ConfigError, FileError
        No such file, no such columns, or a reader is described as well.
    """
    import pandas as pd

    from relaylab.cli.progress import ProgressLine
    from relaylab.errors import ConfigError, FileError
    from relaylab.tuning import TOOLS, calibrate

    described = [name for name in vars(args) if name.startswith("reader_") and getattr(args, name)]
    if described:
        raise ConfigError(
            "reader",
            passed=" ".join(f"--{name.replace('_', '-')}" for name in described),
            allowed="options for a reader, or --measured, which finds it",
        )
    try:
        measured = pd.read_csv(args.measured)
    except OSError as error:
        raise FileError(
            f"the table cannot be read: {error.strerror}",
            passed=str(args.measured),
            errno=error.errno or 0,
        ) from None
    except ValueError as error:  # pandas' own errors of parsing and decoding are ValueErrors
        raise ConfigError(
            "--measured",
            passed=str(args.measured),
            allowed="CSV with the columns subbuf_size, n_subbufs, loss_fraction",
            hint=str(error).strip(),
        ) from None
    tool = TOOLS.get(args.tool)
    with ProgressLine("Finding the reader", args.progress) as line:
        return calibrate(
            load,
            measured,
            rules=args.rules,
            event_overhead=_or(args.event_overhead, tool.event_overhead if tool else 0),
            subbuf_header=_or(args.subbuf_header, tool.subbuf_header if tool else 0),
            progress=lambda done, of: line.update(done / of, f"{done} of {of}"),
        )


def prepare(args: argparse.Namespace) -> None:
    """The compiled engine, once, with a progress line."""
    from relaylab.cli.progress import ProgressLine
    from relaylab.core.prepare import prepare as compile_all

    with ProgressLine("Preparing the engine, once", args.progress) as line:
        compile_all(lambda done, of: line.update(done / of, f"{done} of {of}"))


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value
