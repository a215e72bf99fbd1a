"""The parser of `relaylab`, put together from the commands."""

import argparse
import importlib

import relaylab
from relaylab.cli.arguments import HelpText

COMMANDS = (
    *("demo", "lab", "replay"),
    *("mounts", "ls", "stat", "tail", "cat", "dump"),  # files of other processes
    *("advise", "sweep", "doctor"),  # which sizes
    *("bench", "completion"),
)

_DESCRIPTION = """\
relayfs (Linux, 2005) rebuilt exactly over shared memory, and shown live.

Writers fill the sub-buffers of one ring per CPU; a reader consumes them. When it is too slow,
events are lost or overwritten: relaylab lets you see when, where and why."""

_EXAMPLES = """\
examples:
  relaylab demo                            the workbench in your browser, on a recorded trace
  relaylab replay                          the same trace without a screen, as a table
  relaylab replay t.csv.gz --subbuf-size 16k --n-subbufs 8 --json
  relaylab ls                              the relay files of running programs
  relaylab dump trace --out out            what its CPUs produce, to a file each
  relaylab lab                             the notebooks in JupyterLab
  relaylab doctor "Lost 24 events"         what a tool's message about lost events means
  relaylab advise t.csv.gz --tool lttng    sizes that lose nothing of a trace
  relaylab sweep t.csv.gz                  what each size and number loses of it
  relaylab bench                           how fast the engine is on this machine
  eval "$(relaylab completion bash)"       completion in this shell

`relaylab COMMAND --help` says more about each."""


def build_parser() -> argparse.ArgumentParser:
    """The whole parser; `args.run(args)` of what it parses runs the command."""
    parser = argparse.ArgumentParser(
        prog="relaylab",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=HelpText,
    )
    parser.add_argument("--version", action="version", version=f"relaylab {relaylab.__version__}")
    parser.set_defaults(run=None)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name in COMMANDS:
        importlib.import_module(f"relaylab.cli.{name}").register(subparsers)
    return parser
