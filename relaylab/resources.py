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
        A file that :func:`relaylab.workload.load` reads.

    Raises
    ------
    FileError
        ENOENT: there is no bundled trace of that name.
    """
    found = _traces()
    if name not in found:
        raise FileError(
            "no bundled trace of this name",
            passed=name,
            allowed=", ".join(found),
            errno=errno.ENOENT,
            hint="For a file of your own give its path.",
        )
    return found[name]


def trace_names() -> list[str]:
    """The names of the bundled traces, sorted."""
    return list(_traces())


def _traces() -> dict[str, Path]:
    """The bundled traces by name: the file's, less what says its format."""
    paths = (_directory("assets") / "traces").glob("*.gz")
    return {path.name.partition(".")[0]: path for path in sorted(paths)}


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
