"""`relaylab ls`: the relay files there are, one a line."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from relaylab import units
from relaylab.cli.arguments import Subparsers, add_command, add_paths

if TYPE_CHECKING:
    from relaylab.cli.filestate import FileState
    from relaylab.cli.finding import Found

_DESCRIPTION = """\
List relay files: the size of their sub-buffers, how many were produced and
consumed, how many are ready to be read, and how many events were lost. Without
PATH, the files of all mounts."""

_EXAMPLES = """\
examples:
  relaylab ls                        all files of all mounts
  relaylab ls trace                  those in a directory of the only mount
  relaylab ls --json                 for a program to read

states:
  ready    there is something to read
  full     nothing is free: events are being lost until somebody consumes
  unfull   it was full, and somebody has consumed; the next event reopens it
  closed   the channel is closed; what was produced can still be read
  3+       3 are ready, and more were overwritten before anybody read them"""


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "ls",
        run,
        summary="list the relay files of running programs",
        description=_DESCRIPTION,
        examples=_EXAMPLES,
    )
    add_paths(parser, "?", "a file, or a directory for all files below it")
    parser.add_argument("--json", action="store_true", help="print a list of JSON objects")


def run(args: argparse.Namespace) -> int:
    """Look at each file."""
    import json

    from relaylab.cli.finding import find, nothing_mounted

    groups = _mounted() if args.path is None else [("", find([args.path]))]
    seen = [(head, [(file, _look_at(file)) for file in files]) for head, files in groups]
    if args.path is not None and len(seen[0][1]) == 1 and isinstance(seen[0][1][0][1], OSError):
        raise seen[0][1][0][1]
    if args.json:
        print(json.dumps([_as_dict(*one) for _, files in seen for one in files], indent=2))
    elif not seen:
        print(nothing_mounted())
    else:
        print("\n\n".join(_section(head, files) for head, files in seen))
    return 0


def _mounted() -> list[tuple[str, list[Found]]]:
    from relaylab.cli.finding import Found, natural
    from relaylab.relayfs.registry import mounts

    return [
        (
            f"{info.path}  (process {info.pid})",
            [Found(f"{info.path}/{name}", name) for name in sorted(info.files, key=natural)],
        )
        for info in mounts()
    ]


def _look_at(file: Found) -> FileState | OSError:
    """Its state, or why it cannot be opened: the other files go on being listed."""
    from relaylab.cli.filestate import FileState
    from relaylab.errors import FileError, ResourceError
    from relaylab.relayfs.remote import open_file

    try:
        with open_file(file.path) as opened:
            return FileState.of(opened, file.name)
    except (FileError, ResourceError) as error:
        return error


def _section(head: str, files: list[tuple[Found, FileState | OSError]]) -> str:
    from relaylab.cli.table import table

    columns = ("file", "cpu", "sub-buffers", "produced", "consumed", "ready", "lost", "state")
    rows = [_row(file, state) for file, state in files]
    lines = [head] if head else []
    lines.append(table(columns, rows, words=(0, 7)) if rows else "no files")
    return "\n".join(lines)


def _row(file: Found, state: FileState | OSError) -> tuple[str, ...]:
    if isinstance(state, OSError):
        return (file.name, "", "", "", "", "", "", getattr(state, "what", str(state)))
    goes_on = "+" if state.overwrite and state.ready < state.produced - state.consumed else ""
    return (
        file.name,
        str(state.cpu),
        f"{units.format_bytes(state.subbuf_size)} x {state.n_subbufs}",
        f"{state.produced:,}",
        f"{state.consumed:,}",
        f"{state.ready:,}{goes_on}",
        units.format_count(state.stats["lost"]),
        state.word,
    )


def _as_dict(file: Found, state: FileState | OSError) -> dict[str, Any]:
    if isinstance(state, OSError):
        return {"path": file.path, "name": file.name, "error": str(state)}
    return state.as_dict()
