"""The scenarios of the menu, in groups; and what a page asks to be done with the one on screen."""

from collections.abc import Callable
from itertools import groupby
from typing import Any, Final, Protocol

from relaylab.errors import ConfigError
from relaylab.lab import presets
from relaylab.lab.presets import YOURS
from relaylab.lab.scenario import Scenario

REQUESTS: Final = {"link", "save_preset", "download_preset", "load_preset", "load_link"}
"""What a page may ask `Sharing` to do."""


class Library:
    """Scenarios to choose from.

    Parameters
    ----------
    first : list of Scenario
        Shown at the top of the menu, the first of them chosen.

    Attributes
    ----------
    scenarios : list of Scenario
        In the order of the menu.
    wrong : list of str
        Why files in the user's directory are left out.
    """

    def __init__(self, first: list[Scenario]) -> None:
        own, self.wrong = presets.saved()
        self.scenarios = [*first, *presets.shipped(), *own]

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Title and length of each run of scenarios of one group."""
        return [
            (title, len(list(run))) for title, run in groupby(one.group for one in self.scenarios)
        ]

    def find(self, name: str) -> int:
        """The index of the scenario of this name, or of the only one whose name has it in it.

        Upper and lower case are the same.

        Raises
        ------
        ConfigError
            There is none, or there are several.
        """
        wanted = str(name).strip().casefold()
        names = [one.name.casefold() for one in self.scenarios]
        if wanted in names:
            return names.index(wanted)
        found = [i for i, one in enumerate(names) if wanted and wanted in one]
        if len(found) == 1:
            return found[0]
        of = found or range(len(names))
        raise ConfigError(
            "preset" if not found else "preset: several have this in their names",
            passed=name,
            allowed=", ".join(repr(self.scenarios[i].name) for i in of),
        )

    def add(self, scenario: Scenario) -> int:
        """Put a scenario at the end, in place of one of the user's of that name; its index."""
        same = [
            i
            for i, one in enumerate(self.scenarios)
            if one.group == scenario.group == YOURS and one.name == scenario.name
        ]
        if same:
            self.scenarios[same[0]] = scenario
            return same[0]
        self.scenarios.append(scenario)
        return len(self.scenarios) - 1


class _Bench(Protocol):
    def scenario(self, name: str | None = None, lesson: str | None = None) -> Scenario: ...

    def show(self, scenario: Scenario | str) -> None: ...

    def keep(self, scenario: Scenario) -> None: ...


class Sharing:
    """Links, saving and loading, as a page asks for them.

    Parameters
    ----------
    bench : Workbench
        Whose run it is about.
    send, say : callable
        Sends a message to every view; says something in the caption.
    """

    def __init__(
        self, bench: _Bench, send: Callable[[dict[str, Any]], None], say: Callable[[str], None]
    ) -> None:
        self._bench, self._send, self._say = bench, send, say

    def take(self, what: str, content: dict[str, Any]) -> None:
        """Do one of `REQUESTS`.

        Raises
        ------
        ConfigError, FileError
            It cannot be done: says why.
        """
        if what == "link":
            link = self._bench.scenario().to_link()
            self._send({"kind": "link", "link": link, "view": content.get("of", "")})
        elif what == "load_preset":
            self._bench.show(Scenario.from_json(str(content["text"])))
        elif what == "load_link":
            self._bench.show(Scenario.from_link(str(content["text"])))
        else:
            name, lesson = str(content["name"]).strip(), str(content["lesson"]).strip()
            made = self._bench.scenario(name, lesson)
            if what == "download_preset":
                file = presets.file_name(made.name)
                text, view = made.to_json(), content.get("of", "")
                self._send({"kind": "preset", "name": file, "text": text, "view": view})
                self._say(f"Preset {made.name!r} goes to your browser's downloads as {file}.")
                return
            path = presets.save(made)
            self._bench.keep(made)
            self._say(f"Preset {made.name!r} is saved as {path}; the menu has it under {YOURS}.")
