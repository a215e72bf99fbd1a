"""Where the files that relaylab brings along are: recorded traces and notebooks.

A wheel carries them inside the package. In a clone they are at its top level, where people look
for them.
"""

import errno
from importlib.resources import files
from pathlib import Path

from relaylab.errors import FileError

DEFAULT_TRACE = "w6_twocpu"


def notebooks() -> Path:
    """The directory with the notebooks."""
    return _directory("notebooks")


def trace(name: str = DEFAULT_TRACE) -> Path:
    """The file of a bundled trace.

    Parameters
    ----------
    name : str
        One of :func:`trace_names`.

    Returns
    -------
    Path
        A gzipped CSV file that :func:`relaylab.workload.load` reads.

    Raises
    ------
    FileError
        ENOENT: there is no bundled trace of that name.
    """
    path = _directory("assets") / "traces" / f"{name}.csv.gz"
    if name not in trace_names():
        raise FileError(
            "no bundled trace of this name",
            passed=name,
            allowed=", ".join(trace_names()),
            errno=errno.ENOENT,
            hint="For a file of your own give its path.",
        )
    return path


def trace_names() -> list[str]:
    """The names of the bundled traces, sorted."""
    found = (_directory("assets") / "traces").glob("*.csv.gz")
    return sorted(path.name.removesuffix(".csv.gz") for path in found)


def peer(name: str) -> Path:
    """The source of a program that the engine is compared with."""
    return _directory("assets") / "peers" / name


def _directory(name: str) -> Path:
    package = Path(str(files("relaylab")))
    carried, cloned = package / name, package.parent / name
    for directory in (carried, cloned):
        if directory.is_dir():
            return directory
    raise FileError(
        f"the {name} that relaylab brings along are missing",
        passed=str(carried),
        errno=errno.ENOENT,
        hint="Install relaylab again.",
    )
