"""The options of ``relaylab demo``, on their way through the environment to the page's kernel."""

import json
import os
from pathlib import Path
from typing import Any, Final

from relaylab.lab.attached import AttachedChannel
from relaylab.lab.settings import Settings
from relaylab.workload import load

VARIABLE: Final = "RELAYLAB_DEMO"


def to_environment(
    *,
    trace: str | None = None,
    event_size: int | dict[str, int] | None = None,
    subbuf_size: int | None = None,
    n_subbufs: int | None = None,
    overwrite: bool = False,
    speed: float = 1.0,
    attach: str | None = None,
) -> dict[str, str]:
    """The environment variable that makes `from_environment` return these options.

    Raises
    ------
    ConfigError
        A size or count that is not allowed.
    FileError
        There is no such relay file.
    ResourceError
        The relay file cannot be opened now.
    """
    if attach is not None:
        AttachedChannel(attach).close()  # what cannot be opened is told here, not on the page
        return {VARIABLE: json.dumps({"attach": str(Path(attach).absolute())})}
    sizes = {"subbuf_size": subbuf_size, "n_subbufs": n_subbufs}
    given: dict[str, Any] = {name: value for name, value in sizes.items() if value is not None}
    Settings(**given)
    if trace is not None:
        given["workload"] = str(Path(trace).expanduser().resolve())
        if event_size is not None:
            given["event_size"] = event_size
    if overwrite:
        given["overwrite"] = True
    if speed != 1.0:
        given["speed"] = speed
    return {VARIABLE: json.dumps(given)}


def from_environment() -> dict[str, Any]:
    """Keyword arguments for `Workbench`; empty outside ``relaylab demo``."""
    options: dict[str, Any] = json.loads(os.environ.get(VARIABLE, "{}"))
    if "attach" in options:
        return {"channel": AttachedChannel(options["attach"])}
    if "event_size" in options:
        size = options.pop("event_size")
        options["workload"] = load(options["workload"], event_size=size)
    return options
