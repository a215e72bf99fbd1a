"""`relaylab replay`: a trace through the live engine, without a screen."""

import argparse
from typing import TYPE_CHECKING

from relaylab import units
from relaylab.cli import arguments

if TYPE_CHECKING:
    from relaylab.channel import Channel
    from relaylab.cli.progress import ProgressLine
    from relaylab.workload import Workload

_DESCRIPTION = """\
Replay a trace through the live engine: writers, one per CPU, write each event when the trace says,
a reader drains the sub-buffers that are ready, and a table says what became of the events."""

_EXAMPLES = """\
examples:
  relaylab replay                                      the recorded trace, in real time
  relaylab replay t.csv.gz --subbuf-size 64k --n-subbufs 2
  relaylab replay sda.blktrace.0                       what blktrace wrote for one CPU
  perf script --ns >t.txt; relaylab replay t.txt --event-size 64
  relaylab replay --reader-latency "20 ms"             a reader that sleeps long loses events
  relaylab replay --full-speed --overwrite --json      as fast as it goes, for a program to read"""

_POLL_S = 0.05


def register(subparsers: arguments.Subparsers) -> None:
    """Add the command."""
    parser = arguments.add_command(
        subparsers,
        "replay",
        run,
        summary="replay a trace through the live engine and say what was lost, as a table",
        description=_DESCRIPTION,
        examples=_EXAMPLES,
    )
    arguments.add_trace(parser)
    arguments.add_channel(parser)
    writers = parser.add_argument_group("writers")
    pace = writers.add_mutually_exclusive_group()
    arguments.add_speed(pace)
    pace.add_argument(
        "--full-speed", action="store_true", help="one event after the other, without waiting"
    )
    reader = parser.add_argument_group("reader")
    reader.add_argument(
        "--reader-latency",
        type=arguments.reading(units.parse_duration),
        default=0,
        metavar="TIME",
        help='from a sub-buffer that is ready to the reader running, such as "200 us" (default: 0)',
    )
    reader.add_argument(
        "--reader-per-subbuf",
        type=arguments.reading(units.parse_duration),
        default=0,
        metavar="TIME",
        help="what each sub-buffer costs the reader (default: 0)",
    )
    reader.add_argument(
        "--reader-rate",
        type=arguments.reading(units.parse_bandwidth),
        metavar="RATE",
        help='how fast it reads, such as "200 MB/s" (default: as fast as it can)',
    )
    output = parser.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="print one JSON object")
    arguments.add_progress(output)


def run(args: argparse.Namespace) -> int:
    """Load, replay, report."""
    from relaylab import relayfs
    from relaylab.cli.progress import ProgressLine
    from relaylab.cli.report import Report
    from relaylab.core.prepare import prepare

    load = arguments.load_trace(args, args.progress)
    with ProgressLine("Preparing the engine, once", args.progress) as line:
        prepare(lambda done, of: line.update(done / of, f"{done} of {of}"))
    with relayfs.RelayFS(n_cpus=load.n_cpus) as fs:
        chan = relayfs.relay_open(
            "cpu", None, args.subbuf_size, args.n_subbufs, args.overwrite, None, fs=fs
        )
        with ProgressLine(f"Replaying {load.name}", args.progress) as line:
            elapsed_s = _replay(chan, load, args, line)
        report = Report.of(chan, load, elapsed_s)
    print(report.as_json() if args.json else report.as_table())
    return 0


def _replay(
    chan: "Channel", load: "Workload", args: argparse.Namespace, line: "ProgressLine"
) -> float:
    """All events through the channel; how many seconds that took. The threads always end."""
    import time

    from relaylab.workload.live import Drain, Writers

    speed = float("inf") if args.full_speed else args.speed
    writers = Writers(chan, load, speed=speed)
    drain = Drain(
        chan,
        latency_ns=args.reader_latency,
        per_subbuf_ns=args.reader_per_subbuf,
        bytes_per_s=args.reader_rate,
    )
    with drain, writers:
        start = time.monotonic()
        while not writers.join(_POLL_S):
            line.update(writers.events / len(load), f"{units.format_count(writers.events)} events")
        elapsed_s = time.monotonic() - start
        line.update(1.0, f"{units.format_count(writers.events)} events")
        chan.flush()
        while drain.running and any(not buf.is_empty for buf in chan.buffers):
            drain.join(_POLL_S)
    for error in (writers.error, drain.error):
        if error is not None:
            raise error
    return elapsed_s
