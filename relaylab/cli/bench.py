"""`relaylab bench`: how fast the engine is on this machine, as ratios to named peers."""

import argparse
from typing import TYPE_CHECKING

from relaylab.cli import arguments

if TYPE_CHECKING:
    from relaylab.cli.measure import Figure

_DESCRIPTION = """\
Measure the engine against named peers, on this machine, in this run. Each figure is the median of
rounds in which the engine and its peer take turns, so that a machine whose speed changes changes
both. What counts is the ratio."""

_EXAMPLES = """\
examples:
  relaylab bench                 all figures, a minute or two
  relaylab bench --rounds 31     more rounds for a noisy machine
  relaylab bench --json          for a program to read"""


def register(subparsers: arguments.Subparsers) -> None:
    """Add the command."""
    parser = arguments.add_command(
        subparsers,
        "bench",
        run,
        summary="how fast the engine is on this machine, as ratios to named peers",
        description=_DESCRIPTION,
        examples=_EXAMPLES,
    )
    parser.add_argument(
        "--rounds", type=int, default=15, metavar="N", help="rounds of each figure (default: 15)"
    )
    parser.add_argument(
        "--tuning", action="store_true", help="only the simulator, frontiers and sweeps"
    )
    parser.add_argument("--json", action="store_true", help="print a list of JSON objects")


def run(args: argparse.Namespace) -> int:
    """Measure and print, each figure as soon as it is there."""
    import json
    from dataclasses import asdict
    from itertools import chain

    from relaylab.cli import measure, measure_readers, measure_tuning
    from relaylab.errors import ConfigError

    if args.rounds < 1:
        raise ConfigError("--rounds", passed=args.rounds, allowed="1 or more")
    figures = []
    if not args.json:
        print(heading())
    parts = (measure, measure_readers, measure_tuning) if not args.tuning else (measure_tuning,)
    every = chain.from_iterable(part.all_figures(args.rounds) for part in parts)
    for figure in every:
        figures.append(figure)
        if not args.json:
            print(row(figure), flush=True)
    if args.json:
        print(json.dumps([asdict(figure) | {"good": figure.good} for figure in figures], indent=2))
    return 0


def heading() -> str:
    """What stands above the figures."""
    return _line("figure", "relaylab", "peer", "ratio or difference", "goal")


def row(figure: "Figure") -> str:
    """A figure as a line of the table."""
    sign = ">=" if figure.at_least else "<="
    compared = f"{figure.value:.2f}"
    if not figure.peer_name or figure.value == figure.engine - figure.peer:
        compared = f"{figure.value:+.2f} {figure.unit}" if figure.peer_name else ""
    elif figure.value == figure.engine:
        compared = f"({figure.engine / figure.peer:.2f} x)"  # the goal is for the engine's alone
    else:
        compared += " x"
    peer = f"{figure.peer_name} {figure.peer:.2f}" if figure.peer_name else ""
    goal = f"{sign} {figure.goal:g} {'met' if figure.good else 'MISSED'}"
    return _line(figure.what, f"{figure.engine:.2f} {figure.unit}", peer, compared, goal)


def _line(what: str, ours: str, peer: str, compared: str, goal: str) -> str:
    return f"{what:26} {ours:>12}  {peer:30} {compared:>19}  {goal}"
