"""`relaylab lab`: the notebooks in JupyterLab."""

import argparse
from typing import Any

from relaylab.cli.arguments import Subparsers, add_command
from relaylab.cli.demo import add_attach, serve_attached

_DIRECTORY = "~/relaylab"
_FIRST = "00_quickstart.ipynb"

_EXAMPLES = """\
examples:
  relaylab lab                       your copies of the notebooks, in the browser
  relaylab lab --to ~/class/relay    the same in a directory of your choice
  relaylab lab -- --allow-root       pass an option on to JupyterLab
  relaylab lab --attach cpu0         watch a channel of another process; needs no JupyterLab"""


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "lab",
        run,
        summary="open the notebooks in JupyterLab",
        description="Copy the notebooks that come with relaylab and open them in JupyterLab. What\n"
        "you changed is kept: a newer version of such a notebook is put beside it.",
        examples=_EXAMPLES,
    )
    parser.add_argument(
        "--to",
        metavar="DIR",
        help=f"where your copies are, or are made (default: {_DIRECTORY})",
    )
    add_attach(parser)
    parser.add_argument(
        "--port", type=int, metavar="N", help="port on localhost (default: a free one)"
    )
    parser.add_argument("--no-browser", action="store_true", help="only print the address")
    parser.add_argument(
        "arguments", nargs="*", metavar="ARG", help="passed on to JupyterLab; put -- before them"
    )


def run(args: argparse.Namespace) -> int:
    """Bring the user's notebooks up to date, then run JupyterLab until it ends."""
    from relaylab import resources
    from relaylab.cli.copies import bring_up_to_date
    from relaylab.errors import ConfigError

    if args.attach is not None:
        if args.to is not None or args.arguments:
            raise ConfigError(
                "--attach opens no notebooks",
                passed=args.attach,
                hint="Leave --to and arguments for JupyterLab out.",
            )
        return serve_attached(args)
    try:
        import jupyterlab.labapp
    except ImportError:
        raise ConfigError(
            "JupyterLab is not installed", hint="Install it with: pip install 'relaylab[lab]'"
        ) from None
    told = bring_up_to_date(resources.notebooks(), args.to or _DIRECTORY)
    print(*told.lines(), sep="\n", flush=True)
    words = [f"--ServerApp.root_dir={told.directory.resolve()}", "--log-level=WARN"]
    words += [f"--ServerApp.port={args.port}"] if args.port is not None else []
    words += ["--no-browser"] if args.no_browser else []
    if _FIRST in told.made:
        words += [f"--LabApp.default_url=/lab/tree/{_FIRST}"]
    _telling(jupyterlab.labapp.LabApp).launch_instance([*words, *args.arguments])
    return 0


def _telling(application: Any) -> Any:
    """JupyterLab's application, which tells its address once it answers."""

    class Telling(application):  # type: ignore[misc] # JupyterLab has no types
        @classmethod
        def get_extension_package(cls) -> str:
            return "jupyterlab"

        @classmethod
        def initialize_server(cls, *args: Any, **kwargs: Any) -> Any:
            server = super().initialize_server(*args, **kwargs)
            server.io_loop.add_callback(_tell, server)
            return server

    return Telling


def _tell(server: Any) -> None:
    print(f"JupyterLab is at {server.public_url}  (Ctrl-C ends it)", flush=True)
