"""What the workbench offers to look at: the scenarios that come along, and those a person saved.

Each is a JSON file. Those that come along are beside this one, in the order of their names.
"""

import os
import re
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from relaylab.errors import FileError, RelayError
from relaylab.lab.loads import Trace, load_of
from relaylab.lab.scenario import Scenario
from relaylab.lab.settings import ReaderModel, Settings
from relaylab.workload import Workload

YOURS: Final = "Yours"

_READER: Final = ReaderModel(latency_ns=500_000, bytes_per_s=6.3e6)


@cache
def shipped() -> tuple[Scenario, ...]:
    """The scenarios that come along; the first is what a workbench shows at first."""
    beside = [file for file in files(__name__).iterdir() if file.name.endswith(".json")]
    texts = [file.read_text(encoding="utf-8") for file in sorted(beside, key=lambda one: one.name)]
    return tuple(Scenario.from_json(text) for text in texts)


def preset_of_trace(path: Path) -> Scenario:
    """A trace of the user's own, with sizes and a reader that suit many.

    Raises
    ------
    FileError, ConfigError
        As `relaylab.workload.load`.
    """
    source = Trace.of(path)
    workload = source.make(0)
    return Scenario(
        path.name[-80:],
        source,
        _settings_for(workload),
        f"{len(workload):,} events of {path.name}, replayed over and over.",
        YOURS,
    )


def preset_of_workload(workload: Workload) -> Scenario:
    """Events of the user's own program, likewise."""
    lesson = f"{len(workload):,} events of your own workload, over and over."
    name = workload.name.strip()[:80] or "your workload"
    return Scenario(name, load_of(workload), _settings_for(workload), lesson, YOURS)


def directory() -> Path:
    """Where those are that a person saved: ``$XDG_CONFIG_HOME/relaylab/presets``."""
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(home).expanduser() / "relaylab" / "presets"


def saved() -> tuple[list[Scenario], list[str]]:
    """The scenarios that a person saved, by name, and of each file that is none, why."""
    found, wrong = [], []
    for path in sorted(directory().glob("*.json")):
        try:
            found.append(Scenario.load(path))
        except RelayError as error:
            wrong.append(f"The preset {path} cannot be read: {error}")
    return sorted(found, key=lambda one: one.name.casefold()), wrong


def save(scenario: Scenario) -> Path:
    """Keep a scenario under its name; one that was kept under it before is replaced.

    Raises
    ------
    FileError
        It cannot be written.
    """
    path = directory() / file_name(scenario.name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(
            f"there is no directory for presets ({error.strerror})",
            passed=str(path.parent),
            errno=error.errno or 0,
            hint="Make it, or set XDG_CONFIG_HOME to a directory that you may write to.",
        ) from error
    scenario.save(path)
    return path


def file_name(name: str) -> str:
    """The name of the file for a scenario of this name."""
    words = re.findall(r"\w+", name.casefold())
    return ("-".join(words)[:60] or "preset") + ".json"


def _settings_for(workload: Workload) -> Settings:
    return Settings(subbuf_size=8192, n_subbufs=16, n_cpus=workload.n_cpus, reader=_READER)
