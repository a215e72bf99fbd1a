"""`relaylab lab`: the notebooks in JupyterLab."""

import argparse

from relaylab.cli.arguments import Subparsers, add_command
from relaylab.cli.demo import add_attach, serve_attached

_EXAMPLES = """\
examples:
  relaylab lab                       open the notebooks in the browser
  relaylab lab --to ~/relaylab       copy them there first, to change and keep them
  relaylab lab -- --allow-root       pass an option on to JupyterLab
  relaylab lab --attach cpu0         watch a channel of another process; needs no JupyterLab"""


def register(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "lab",
        run,
        summary="open the notebooks in JupyterLab",
        description="Open the notebooks that come with relaylab in JupyterLab.",
        examples=_EXAMPLES,
    )
    parser.add_argument(
        "--to",
        metavar="DIR",
        help="copy the notebooks to DIR, which keeps what it has, and open it",
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
    """Copy the notebooks if asked to, then run JupyterLab until it ends."""
    from relaylab import resources
    from relaylab.errors import ConfigError

    if args.attach is not None:
        if args.to is not None or args.arguments:
            raise ConfigError(
                "--attach opens no notebooks",
                passed=args.attach,
                hint="Leave --to and arguments for JupyterLab out.",
            )
        return serve_attached(args)
    root = resources.notebooks() if args.to is None else _copied(args.to)
    try:
        from jupyterlab.labapp import LabApp
    except ImportError:
        raise ConfigError(
            "JupyterLab is not installed", hint="Install it with: pip install 'relaylab[lab]'"
        ) from None
    words = [f"--ServerApp.root_dir={root}"]
    words += [f"--ServerApp.port={args.port}"] if args.port is not None else []
    words += ["--no-browser"] if args.no_browser else []
    LabApp.launch_instance([*words, *args.arguments])
    return 0


def _copied(to: str) -> str:
    import shutil
    from pathlib import Path

    from relaylab import resources
    from relaylab.errors import FileError

    try:
        target = Path(to).expanduser()
        target.mkdir(parents=True, exist_ok=True)
        for notebook in sorted(resources.notebooks().glob("*.ipynb")):
            if not (target / notebook.name).exists():
                shutil.copyfile(notebook, target / notebook.name)
    except OSError as error:
        raise FileError(
            f"the notebooks cannot be copied ({error.strerror})",
            passed=to,
            errno=error.errno or 0,
            hint="Name a directory that you may write to.",
        ) from error
    return str(target)
