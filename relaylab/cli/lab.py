"""`relaylab lab`: the notebooks in JupyterLab."""

import argparse

from relaylab.cli.arguments import Subparsers, add_command

_EXAMPLES = """\
examples:
  relaylab lab                       open the notebooks in the browser
  relaylab lab --to ~/relaylab       copy them there first, to change and keep them
  relaylab lab --no-browser          only print the address"""


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
    parser.add_argument(
        "--port", type=int, metavar="N", help="port on localhost (default: a free one)"
    )
    parser.add_argument("--no-browser", action="store_true", help="don't open a browser")


def run(args: argparse.Namespace) -> int:
    """Copy the notebooks if asked to, then run JupyterLab until it ends."""
    import importlib.util
    import subprocess
    import sys

    from relaylab import resources
    from relaylab.errors import ConfigError

    if importlib.util.find_spec("jupyterlab") is None:
        raise ConfigError(
            "JupyterLab is not installed", hint="Install it with: pip install 'relaylab[lab]'"
        )
    root = resources.notebooks() if args.to is None else _copied(args.to)
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={root}"]
    command += [f"--ServerApp.port={args.port}"] if args.port is not None else []
    command += ["--no-browser"] if args.no_browser else []
    return subprocess.call(command)


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
