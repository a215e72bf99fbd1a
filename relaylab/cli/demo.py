"""`relaylab demo`: the workbench in the browser."""

import argparse

from relaylab import units
from relaylab.cli.arguments import (
    Subparsers,
    add_command,
    add_speed,
    add_trace,
    event_size,
    load_trace,
    reading,
    trace_path,
)

_EXAMPLES = """\
examples:
  relaylab demo                                 the recorded trace, in the browser
  relaylab demo mytrace.csv.gz --speed 0.1      a trace of your own, ten times slower
  relaylab demo --subbuf-size 64k --n-subbufs 2 few large sub-buffers: watch it lose events
  relaylab demo --wall --preset unfull          a lesson for the projector
  relaylab demo --virtual                       step by step, in both directions
  relaylab demo --no-browser --port 8866        only print the address
  relaylab demo --attach /run/user/1000/relaylab/fs-4711-5c0ffee5/cpu0
                                                watch a channel of another process"""


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "demo",
        run,
        summary="open the workbench in the browser",
        description="Serve the workbench on localhost and open it in the browser: a recorded\n"
        "trace is replayed in real time through the live engine, with a reader that drains it.",
        examples=_EXAMPLES,
    )
    add_trace(parser, damaged=False)
    parser.add_argument(
        "--preset",
        metavar="NAME",
        help="begin with this preset of the menu; a part of its name suffices, and "
        "an unknown one is answered with all names",
    )
    parser.add_argument(
        "--scenario", metavar="FILE", help="begin with a scenario that was saved, or a link to one"
    )
    parser.add_argument(
        "--virtual", action="store_true", help="begin in virtual time, before the first event"
    )
    parser.add_argument(
        "--wall", action="store_true", help="the layout for a projector: caption and map large"
    )
    channel = parser.add_argument_group("channel")
    channel.add_argument(
        "--subbuf-size",
        type=reading(units.parse_bytes),
        metavar="SIZE",
        help="bytes of one sub-buffer, such as 4096 or 64k (default: what suits the workbench)",
    )
    channel.add_argument(
        "--n-subbufs", type=int, metavar="N", help="sub-buffers per CPU (default: likewise)"
    )
    channel.add_argument(
        "--overwrite",
        action="store_true",
        help="overwrite the oldest sub-buffer when all are full, instead of losing new events",
    )
    add_speed(parser)
    add_attach(parser)
    parser.add_argument(
        "--port", type=int, metavar="N", help="port on localhost (default: a free one)"
    )
    parser.add_argument("--no-browser", action="store_true", help="only print the address")


def run(args: argparse.Namespace) -> int:
    """Look at what was asked for, then serve the page until Ctrl-C."""
    from relaylab.lab.options import to_environment

    if args.attach is not None:
        _refuse_the_rest(args)
        return serve_attached(args)
    _refuse_two_workloads(args)
    if args.trace is not None:
        load_trace(args)  # a trace that cannot be read is told here, not on the page
    environment = to_environment(
        trace=None if args.trace is None else str(trace_path(args.trace)),
        event_size=event_size(args),
        subbuf_size=args.subbuf_size,
        n_subbufs=args.n_subbufs,
        overwrite=args.overwrite,
        speed=args.speed,
        preset=args.preset,
        scenario=args.scenario,
        virtual=args.virtual,
        wall=args.wall,
    )
    return _serve(environment, args)


def add_attach(parser: argparse._ActionsContainer) -> None:
    """--attach: what the workbench looks at."""
    parser.add_argument(
        "--attach",
        metavar="PATH",
        help="watch the channel of another process, read-only, in the browser; PATH is one of its "
        "files or their directory: absolute, relative to here, or relative to a mount's directory",
    )


def serve_attached(args: argparse.Namespace) -> int:
    """Serve a page that watches the channel at ``args.attach``.

    Raises
    ------
    FileError, ResourceError
        It cannot be opened; nothing was started.
    """
    from relaylab.cli.finding import find
    from relaylab.lab.options import to_environment

    path = find([args.attach])[0].path
    wall = getattr(args, "wall", False)  # `relaylab lab` has none
    return _serve(to_environment(attach=path, wall=wall), args)


def _refuse_two_workloads(args: argparse.Namespace) -> None:
    from relaylab.errors import ConfigError

    given = {"TRACE": args.trace, "--preset": args.preset, "--scenario": args.scenario}
    named = [name for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise ConfigError(
            "each of these has a workload of its own",
            passed=" and ".join(named),
            allowed="one of TRACE, --preset and --scenario",
        )


def _refuse_the_rest(args: argparse.Namespace) -> None:
    from relaylab.errors import ConfigError

    given = (
        *(args.trace, args.event_size, args.preset, args.scenario),
        *(args.subbuf_size, args.n_subbufs, args.overwrite or None, args.virtual or None),
    )
    if args.speed != 1.0 or any(value is not None for value in given):
        raise ConfigError(
            "--attach only looks on: it takes no trace, preset, size, mode, time or speed",
            passed=args.attach,
            hint="Leave the other options out.",
        )


def _serve(environment: dict[str, str], args: argparse.Namespace) -> int:
    """Compile the engine, then serve the page until Ctrl-C."""
    import os

    from relaylab import resources
    from relaylab.core.prepare import prepare
    from relaylab.lab.serve import serve

    os.environ |= environment
    prepare(_show_progress)
    serve(
        resources.notebooks() / "workbench.ipynb",
        port=args.port,
        open_browser=not args.no_browser,
        told=lambda address: print(f"The workbench is at {address}  (Ctrl-C ends it)", flush=True),
    )
    return 0


def _show_progress(done: int, of: int) -> None:
    """The first start compiles for a while; later ones only load what was compiled."""
    print(f"\rPreparing the engine: {done} of {of}", end="\n" if done == of else "", flush=True)
