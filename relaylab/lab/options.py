"""The options of ``relaylab demo``, on their way through the environment to the page's kernel.

The page's address may hold a scenario; the server puts the address's query into the environment.
"""

import json
import os
from pathlib import Path
from typing import Any, Final

from relaylab.errors import RelayError
from relaylab.lab.attached import AttachedChannel
from relaylab.lab.library import Library
from relaylab.lab.loads import Trace, workload_of
from relaylab.lab.scenario import Scenario, is_link, scenario_of
from relaylab.lab.settings import Settings

VARIABLE: Final = "RELAYLAB_DEMO"
QUERY: Final = "QUERY_STRING"


def to_environment(
    *,
    trace: str | None = None,
    event_size: int | dict[str, int] | None = None,
    subbuf_size: int | None = None,
    n_subbufs: int | None = None,
    overwrite: bool = False,
    speed: float = 1.0,
    attach: str | None = None,
    preset: str | None = None,
    scenario: str | None = None,
    virtual: bool = False,
    wall: bool = False,
) -> dict[str, str]:
    """The environment variable that makes `from_environment` return these options.

    What cannot be opened is told here, not on the page.

    Raises
    ------
    ConfigError
        A size or count that is not allowed, no such preset, or a scenario that is none.
    FileError
        There is no such relay file, or no such scenario.
    ResourceError
        The relay file cannot be opened now.
    """
    if attach is not None:
        AttachedChannel(attach).close()
        seen = {"attach": str(Path(attach).absolute()), **({"wall": True} if wall else {})}
        return {VARIABLE: json.dumps(seen)}
    sizes = {"subbuf_size": subbuf_size, "n_subbufs": n_subbufs}
    given: dict[str, Any] = {name: value for name, value in sizes.items() if value is not None}
    Settings(**given)
    if preset is not None:
        library = Library([])
        given["preset"] = library.scenarios[library.find(preset)].name
    if scenario is not None:
        if not is_link(scenario):
            scenario = str(Path(scenario).expanduser().resolve())
        _checked(scenario_of(scenario))
        given["scenario"] = scenario
    if trace is not None:
        given["workload"] = str(Path(trace).expanduser().resolve())
        if event_size is not None:
            given["event_size"] = event_size
    switches = {"overwrite": overwrite, "virtual": virtual, "wall": wall}
    given |= {name: True for name, is_on in switches.items() if is_on}
    if speed != 1.0:
        given["speed"] = speed
    return {VARIABLE: json.dumps(given)}


def from_environment() -> dict[str, Any]:
    """Keyword arguments for `Workbench`; empty outside ``relaylab demo``."""
    options: dict[str, Any] = json.loads(os.environ.get(VARIABLE, "{}"))
    if "attach" in options:
        path = options.pop("attach")
        return options | {"channel": AttachedChannel(path)}
    if "event_size" in options:
        size = options.pop("event_size")
        options["workload"] = workload_of(Trace.of(Path(options["workload"]), size), 0)
    query = "?" + os.environ.get(QUERY, "")
    if not is_link(query):
        return options
    try:
        asked = _checked(Scenario.from_link(query))
    except RelayError as error:  # the page shows what it would have shown, and says so
        return options | {"caption": f"The scenario of this link cannot be opened: {error}"}
    return {name: options[name] for name in options if name == "wall"} | {"scenario": asked}


def _checked(scenario: Scenario) -> Scenario:
    """The same, if its trace is here."""
    scenario.workload(scenario.settings.n_cpus)
    return scenario
