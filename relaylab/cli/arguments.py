"""Arguments that several commands take, and how they are read."""

import argparse
import shutil
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from relaylab import units
from relaylab.errors import ConfigError, RelayError

if TYPE_CHECKING:
    from relaylab.workload import Workload

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
T = TypeVar("T")

_WIDEST = 100  # longer lines are hard to read


def text_width() -> int:
    """How long a line of text may be: as wide as the terminal, within reason."""
    return max(40, min(_WIDEST, shutil.get_terminal_size((_WIDEST, 24)).columns))


class HelpText(argparse.RawDescriptionHelpFormatter):
    """Prose fills the terminal's width; paragraphs with indented lines, the examples, stay."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        wide = min(width, _WIDEST)
        paragraphs = (
            part if "\n  " in part else textwrap.fill(part, wide, break_on_hyphens=False)
            for part in text.split("\n\n")
        )
        return textwrap.indent("\n\n".join(paragraphs), indent)


def add_command(
    subparsers: Subparsers,
    name: str,
    run: Callable[[argparse.Namespace], int],
    *,
    summary: str,
    description: str,
    examples: str = "",
) -> argparse.ArgumentParser:
    """A subcommand whose help teaches: what it does, then examples."""
    parser = subparsers.add_parser(
        name,
        help=summary,
        description=description,
        epilog=examples,
        formatter_class=HelpText,
    )
    parser.set_defaults(run=run)
    return parser


def add_trace(parser: argparse.ArgumentParser, *, damaged: bool = True) -> None:
    """The positional TRACE, how large its events are where it does not say, and `damaged` ones."""
    parser.add_argument(
        "trace",
        nargs="?",
        metavar="TRACE",
        help="a recorded trace: CSV or Parquet (timestamp_ns, cpu, size), blktrace's files, a CTF "
        "directory of LTTng, or the text of perf script, trace-cmd report, blkparse or "
        "babeltrace2; - is standard input; left out: the recorded trace that comes with relaylab",
    )
    parser.add_argument(
        "--event-size",
        action="append",
        type=reading(_event_size),
        metavar="[NAME=]SIZE",
        help="bytes of each event, or of the events of this name, where the trace does not tell; "
        "may be given several times",
    )
    if damaged:
        parser.add_argument(
            "--skip-damaged",
            action="store_true",
            help="leave out what is damaged or cut off in the trace, and count it, instead of "
            "refusing the trace",
        )


def _event_size(text: str) -> tuple[str, int]:
    name, _, size = text.rpartition("=")
    return name, units.parse_bytes(size, "event size")


def event_size(args: argparse.Namespace) -> int | dict[str, int] | None:
    """What --event-size says, as `load` takes it.

    Raises
    ------
    ConfigError
        A size for all events and sizes by name at once, or two for all.
    """
    given = args.event_size or []
    if not given:
        return None
    if len(given) == 1 and not given[0][0]:
        return int(given[0][1])
    if any(not name for name, _ in given):
        raise ConfigError(
            "--event-size",
            passed=", ".join(f"{name}={size}".removeprefix("=") for name, size in given),
            allowed="one SIZE for all events, or NAME=SIZE for each name",
        )
    return dict(given)


def load_trace(args: argparse.Namespace, show: bool | None = None) -> "Workload":
    """The events of TRACE, with a progress line where there is a terminal, or as `show` says."""
    from relaylab import workload
    from relaylab.cli.progress import ProgressLine

    path = trace_path(args.trace)
    with ProgressLine(f"Reading {path.name}", show) as line:
        return workload.load(
            path,
            event_size=event_size(args),
            errors="skip" if getattr(args, "skip_damaged", False) else "raise",
            progress=line.update,
        )


def add_progress(parser: argparse._ActionsContainer) -> None:
    """Whether there is a progress line."""
    parser.add_argument(
        "--progress",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="a progress line on stderr (default: when that is a terminal)",
    )


def trace_path(trace: str | None) -> Path:
    """The file that TRACE means: a path, or the name of a recorded trace of relaylab's own."""
    from relaylab import resources

    if trace is None:
        return resources.trace()
    path = Path("/dev/stdin" if trace == "-" else trace)
    return (
        resources.trace(trace) if trace in resources.trace_names() and not path.exists() else path
    )


def add_paths(parser: argparse.ArgumentParser, nargs: str | None, text: str) -> None:
    """The positional PATH, of relay files and directories."""
    parser.add_argument(
        "paths" if nargs == "+" else "path",
        nargs=nargs,
        metavar="PATH",
        help=f"{text}; absolute, relative to here, or relative to a mount's directory",
    )


def add_channel(
    parser: argparse.ArgumentParser, *, subbuf_size: str = "16 KiB", n_subbufs: int = 8
) -> None:
    """The sizes and the mode of the channel."""
    group = parser.add_argument_group("channel")
    group.add_argument(
        "--subbuf-size",
        type=reading(units.parse_bytes),
        default=units.parse_bytes(subbuf_size),
        metavar="SIZE",
        help=f"bytes of one sub-buffer, such as 4096 or 64k (default: {subbuf_size})",
    )
    group.add_argument(
        "--n-subbufs",
        type=int,
        default=n_subbufs,
        metavar="N",
        help=f"sub-buffers per CPU (default: {n_subbufs})",
    )
    group.add_argument(
        "--overwrite",
        action="store_true",
        help="overwrite the oldest sub-buffer when all are full, instead of losing new events",
    )


def add_speed(parser: argparse._ActionsContainer) -> None:
    """How fast the trace is replayed."""
    parser.add_argument(
        "--speed",
        type=reading(positive_factor),
        default=1.0,
        metavar="X",
        help="2 is twice as fast as recorded, 0.1 a tenth (default: 1)",
    )


def positive_factor(text: str) -> float:
    """A factor > 0 and finite."""
    try:
        factor = float(text.removesuffix("x"))
    except ValueError:
        factor = 0.0
    if not 0 < factor < float("inf"):
        raise argparse.ArgumentTypeError(
            f"got {text!r}; allowed: a number above 0, such as 0.5 or 10"
        )
    return factor


def reading(parse: Callable[[str], T]) -> Callable[[str], T]:
    """`parse` for argparse, which otherwise drops what an error says."""

    def read(text: str) -> T:
        try:
            return parse(text)
        except RelayError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read
