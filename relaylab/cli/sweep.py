"""`relaylab sweep`: what each sub-buffer size and number loses of a trace, as a table."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from relaylab import units
from relaylab.cli import arguments, tuned

if TYPE_CHECKING:
    from concurrent.futures import Executor

    import xarray as xr

_DESCRIPTION = """\
Simulate a trace with every combination of sub-buffer sizes and numbers, and print what share of its
events each loses. One row a size, one column a number; the last column is the least number that
loses nothing. Cells of the same memory lie on a diagonal: compare along it."""

_EXAMPLES = f"""\
{tuned.READERS}
examples:
  relaylab sweep                                         the recorded trace, the usual sizes
  relaylab sweep t.csv.gz --subbuf-sizes 4k,16k,64k --n-subbufs 2,4,8,16
  relaylab sweep t.csv.gz --reader-latency "20 ms" --json
  relaylab sweep t.csv.gz --workers 8                    on eight processes"""

_SIZES = "4k,8k,16k,32k,64k,128k,256k,512k"
_NUMBERS = "2,3,4,6,8,12,16,32"


def register(subparsers: arguments.Subparsers) -> None:
    """Add the command."""
    parser = arguments.add_command(
        subparsers,
        "sweep",
        run,
        summary="what each sub-buffer size and number loses of a trace, as a table",
        description=_DESCRIPTION,
        examples=_EXAMPLES,
    )
    arguments.add_trace(parser)
    grid = parser.add_argument_group("grid")
    grid.add_argument(
        "--subbuf-sizes",
        type=arguments.reading(_sizes),
        default=_sizes(_SIZES),
        metavar="SIZES",
        help=f"sub-buffer sizes, with commas between (default: {_SIZES})",
    )
    grid.add_argument(
        "--n-subbufs",
        type=_numbers,
        default=_numbers(_NUMBERS),
        metavar="NUMBERS",
        help=f"numbers of sub-buffers per CPU (default: {_NUMBERS})",
    )
    grid.add_argument(
        "--overwrite",
        action="store_true",
        help="overwrite the oldest sub-buffer when all are full, instead of losing new events",
    )
    tuned.add_reader(parser)
    tuned.add_ring(parser, has_tool=False)
    output = parser.add_argument_group("output")
    output.add_argument("--json", action="store_true", help="print one JSON object")
    output.add_argument(
        "--workers", type=int, default=1, metavar="N", help="processes that simulate (default: 1)"
    )
    arguments.add_progress(output)


def run(args: argparse.Namespace) -> int:
    """Load, simulate, print."""
    from relaylab.cli.progress import ProgressLine
    from relaylab.tuning import frontier, sweep

    reader = tuned.reader(args)
    load = arguments.load_trace(args, args.progress)
    tuned.prepare(args)
    ring = {
        "rules": args.rules,
        "event_overhead": args.event_overhead or 0,
        "subbuf_header": args.subbuf_header or 0,
    }
    with ProgressLine(f"Simulating {load.name}", args.progress) as line, _workers(args) as executor:
        grid = sweep(
            load,
            subbuf_sizes=args.subbuf_sizes,
            n_subbufs=args.n_subbufs,
            reader=reader,
            overwrite=args.overwrite,
            executor=executor,
            progress=lambda done, of: line.update(done / of, f"{done} of {of}"),
            **ring,
        )
    front = frontier(load, subbuf_sizes=args.subbuf_sizes, reader=reader, **ring)
    least = [int(n) for n in front.n_subbufs]
    if args.json:
        print(_as_json(grid, least, repr(reader)))
    else:
        print(_as_table(grid, least))
        print(f"\ntrace: {tuned.told(load)}\nreader: {reader!r}")
    return 0


@contextmanager
def _workers(args: argparse.Namespace) -> Iterator[Executor | None]:
    from concurrent.futures import ProcessPoolExecutor

    from relaylab.errors import ConfigError

    if not 1 <= args.workers <= 1024:
        raise ConfigError("--workers", passed=args.workers, allowed="1 .. 1024")
    if args.workers == 1:
        yield None
    else:
        with ProcessPoolExecutor(args.workers) as executor:
            yield executor


def _as_table(grid: xr.Dataset, least: list[int]) -> str:
    from relaylab.cli.table import table

    sizes = [int(size) for size in grid.subbuf_size]
    numbers = [int(n) for n in grid.n_subbufs]
    shares = grid.loss_fraction.transpose("subbuf_size", "n_subbufs").values
    rows = [
        [units.format_bytes(size), *(_percent(share) for share in row), str(n or "none")]
        for size, row, n in zip(sizes, shares, least, strict=True)
    ]
    head = ["% lost", *(f"x {n}" for n in numbers), "enough"]
    return table(head, rows)


def _percent(share: float) -> str:
    """Two digits behind the point at most, and never 0 for a share that is not."""
    if not share:
        return "0"
    return f"{100 * share:.2f}" if share >= 0.0001 else "<0.01"


def _as_json(grid: xr.Dataset, least: list[int], reader: str) -> str:
    import json

    told: dict[str, Any] = {
        "subbuf_size": [int(size) for size in grid.subbuf_size],
        "n_subbufs": [int(n) for n in grid.n_subbufs],
        "reader": reader,
        "least_n_subbufs": least,
    }
    for name in ("loss_fraction", "lost", "high_water", "memory"):
        if name in grid:
            told[name] = grid[name].transpose("subbuf_size", "n_subbufs").values.tolist()
    return json.dumps(told, indent=2)


def _sizes(text: str) -> list[int]:
    return [units.parse_bytes(part, "size") for part in text.split(",")]


def _numbers(text: str) -> list[int]:
    parts = text.split(",")
    if not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise argparse.ArgumentTypeError(f"got {text!r}; allowed: whole numbers such as 2,4,8")
    return [int(part) for part in parts]
