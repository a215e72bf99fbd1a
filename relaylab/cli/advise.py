"""`relaylab advise`: which sub-buffer size and number lose nothing of a trace."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from relaylab import units
from relaylab.cli import arguments, tuned

if TYPE_CHECKING:
    from relaylab.tuning import Advice

_DESCRIPTION = """\
Find the sub-buffer size and number that lose nothing of a trace, with the least memory.

The events of the trace are run against a reader that you describe, in virtual time, by the same
state machine that relaylab's live channels have. The answer says why, how much room is left, what
it costs on all CPUs, and the options that give it to your tracing tool. When no buffer is large
enough, because the reader is slower than the writers, it says that instead.

The trace must have been recorded without losses (large buffers for a short time): what is not in it
cannot be planned for."""

_EXAMPLES = f"""\
{tuned.READERS}
examples:
  relaylab advise                                        for the recorded trace
  relaylab advise trace.csv.gz --cpus 64 --memory "1 GiB"
  relaylab advise sda --tool blktrace --reader-latency "50 ms"
  relaylab advise ~/lttng-traces/big-1 --tool lttng      within LTTng's rules, with its overhead
  relaylab advise t.csv.gz --measured losses.csv         a reader that explains what was lost
  relaylab advise report.txt --event-size 48 --json      for a program to read"""

TOOLS = ("blktrace", "stap", "lttng", "perf", "trace-cmd")


def register(subparsers: arguments.Subparsers) -> None:
    """Add the command."""
    parser = arguments.add_command(
        subparsers,
        "advise",
        run,
        summary="which sub-buffer size and number lose nothing of a trace, and what that costs",
        description=_DESCRIPTION,
        examples=_EXAMPLES,
    )
    arguments.add_trace(parser)
    wanted = parser.add_argument_group("what is wanted")
    wanted.add_argument(
        "--cpus",
        type=int,
        metavar="N",
        help="CPUs of the machine, for the memory (default: those of the trace)",
    )
    wanted.add_argument(
        "--memory",
        type=arguments.reading(units.parse_bytes),
        metavar="SIZE",
        help='at most, on all CPUs together, such as "1 GiB"',
    )
    wanted.add_argument(
        "--margin",
        type=_margin,
        default=1.2,
        metavar="X",
        help="how much more than what just suffices, >= 1 (default: 1.2)",
    )
    wanted.add_argument(
        "--tool",
        choices=TOOLS,
        help="stay within the rules of this tool and print its options (default: a channel of "
        "any shape, and the options for each tool)",
    )
    tuned.add_reader(parser).add_argument(
        "--measured",
        metavar="FILE",
        help="instead: find the reader from losses that your tool had with this load; CSV with the "
        "columns subbuf_size (bytes), n_subbufs, loss_fraction (0 .. 1)",
    )
    tuned.add_ring(parser)
    output = parser.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="print one JSON object")
    arguments.add_progress(output)


def run(args: argparse.Namespace) -> int:
    """Load, ask, say."""
    from relaylab.cli.progress import ProgressLine
    from relaylab.tuning import advise

    reader = tuned.reader(args)
    load = arguments.load_trace(args, args.progress)
    tuned.prepare(args)
    if args.measured is not None:
        reader = tuned.calibrated(args, load)
    with ProgressLine(f"Simulating {load.name}", args.progress) as line:
        best = advise(
            load,
            reader=reader,
            n_cpus=args.cpus,
            memory_limit=args.memory,
            margin=args.margin,
            tool=args.tool,
            rules=args.rules,
            event_overhead=args.event_overhead,
            subbuf_header=args.subbuf_header,
            progress=lambda done, of: line.update(done / of, f"{done} of {of}"),
        )
    if args.json:
        print(best.as_json())
        return 0
    print(best.as_text(arguments.text_width()))
    if best.is_possible and args.tool is None:
        print(_for_each_tool(best))
    print(f"\ntrace: {tuned.told(load)}")
    return 0


def _for_each_tool(best: Advice) -> str:
    """The options for every tool, or why there are none."""
    from relaylab.errors import ConfigError

    lines = ["", "options of each tool, within its rules (more with --tool):"]
    for tool in TOOLS:
        try:
            lines.append(f"  {tool:<10} {best.flags(tool)}")
        except ConfigError as error:
            lines.append(f"  {tool:<10} none: {error.what}")
    return "\n".join(lines)


def _margin(text: str) -> float:
    try:
        margin = float(text)
    except ValueError:
        margin = 0.0
    if not 1 <= margin <= 1000:
        raise argparse.ArgumentTypeError(f"got {text!r}; allowed: a number from 1 to 1000")
    return margin
