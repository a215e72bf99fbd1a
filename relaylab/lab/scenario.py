"""A scenario: everything that determines a run, so that another machine shows the same frames.

As JSON it is a file that people can read and change; packed it is a link.
"""

import base64
import dataclasses
import itertools
import json
import os
import re
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any, Final, Self

from relaylab.errors import ConfigError, FileError
from relaylab.lab import settings_json, strict
from relaylab.lab.loads import Bursts, Events, Load, Trace, read_load, workload_of
from relaylab.lab.playing import checked_speed
from relaylab.lab.questions import MOST as MOST_QUESTIONS
from relaylab.lab.questions import Question, read_question
from relaylab.lab.settings import Settings
from relaylab.lab.stops import StopAt
from relaylab.workload import Workload

VERSION: Final = 1
LIVE: Final = "live"
VIRTUAL: Final = "virtual"
ACTIONS: Final = ("flush", "reset", "attach", "detach")

_MAGIC: Final = "relaylab scenario"
_MOST_POSITION: Final = 2**53
_MOST_ACTIONS: Final = 10_000
_LONGEST_NAME: Final = 80
_LONGEST_LESSON: Final = 600
_MOST_BYTES: Final = 4 * 2**20
_IN_LINK = re.compile(r"(?:^|[?#&])scenario=([A-Za-z0-9_-]*)(?=$|[&#])")


@dataclass(frozen=True)
class Scenario:
    """Seed and parameters of a run, what to look at first and what there is to learn.

    Attributes
    ----------
    name : str
        As the menu shows it.
    source : Load
        Where its events come from: `Bursts`, `Trace` or `Events`.
    settings : Settings
        What to open, and who reads.
    lesson : str
        What there is to see, two sentences.
    group : str
        Of the menu.
    time : str
        "live" or "virtual".
    start : int
        Position, events applied, at which a virtual run begins to be shown.
    moves : int
        And how many moves after that event, see `Timeline`.
    actions : tuple of (int, int, str)
        What is done, and when: the position, the moves after that event, and "flush", "reset",
        "attach" or "detach" (the reader).
    stop_at : str
        What playing stops at, as `StopAt.parse` reads it; "" is never.
    speed : float or None
        Of virtual time, 1/1000 .. 1 of real time; None plays events at the settings' rate.
    marks : tuple of two, int or None
        Where the marks A and B are: moves made by then.
    questions : tuple of Question
        What is asked, in the order of their positions.

    Raises
    ------
    ConfigError
        A value of another type or out of range: says which, what it is and what is allowed.
    """

    name: str
    source: Load
    settings: Settings = field(default_factory=Settings)
    lesson: str = ""
    group: str = ""
    time: str = LIVE
    start: int = 0
    moves: int = 0
    actions: tuple[tuple[int, int, str], ...] = ()
    stop_at: str = ""
    speed: float | None = None
    marks: tuple[int | None, int | None] = (None, None)
    questions: tuple[Question, ...] = ()

    def __post_init__(self) -> None:
        if not strict.text("name", self.name, _LONGEST_NAME).strip():
            raise ConfigError("name", passed=self.name, allowed="a text that is not empty")
        _of_kind("source", self.source, Bursts | Trace | Events, "Bursts, Trace or Events")
        _of_kind("settings", self.settings, Settings, "Settings")
        strict.text("lesson", self.lesson, _LONGEST_LESSON)
        strict.text("group", self.group, _LONGEST_NAME)
        strict.choice("time", self.time, (LIVE, VIRTUAL))
        strict.whole("start", self.start, 0, _MOST_POSITION, "events")
        strict.whole("moves", self.moves, 0, _MOST_POSITION)
        actions = strict.items("actions", self.actions, _MOST_ACTIONS)
        self._keep("actions", tuple(_action(i, one) for i, one in enumerate(actions)))
        StopAt.parse(strict.text("stop_at", self.stop_at, 20))
        self._keep("speed", checked_speed(self.speed))
        marks = strict.items("marks", self.marks, 2)
        if len(marks) != 2:
            raise ConfigError("marks", passed=self.marks, allowed="[A, B], each null or moves")
        for name, mark in zip("AB", marks, strict=True):
            if mark is not None:
                strict.whole(f"mark {name}", mark, 0, _MOST_POSITION, "moves")
        self._keep("marks", tuple(marks))
        questions = strict.items("questions", self.questions, MOST_QUESTIONS)
        for question in questions:
            _of_kind("question", question, Question, "a Question")
        self._keep("questions", tuple(questions))
        for before, after in itertools.pairwise(questions):
            if after.at < before.at:
                raise ConfigError(
                    "at", passed=after.at, allowed=f"{before.at} or later, as the one before"
                )

    def workload(self, n_cpus: int) -> Workload:
        """Its events, laid out on `n_cpus` CPUs.

        Raises
        ------
        FileError
            The trace is not here.
        ConfigError
            The trace of that name holds other events.
        """
        return workload_of(self.source, n_cpus)

    # JSON -----------------------------------------------------------------------------------------

    def to_json(self) -> str:
        """As text that a person can read; `from_json` is the inverse."""
        return json.dumps(self._to_dict(), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The scenario of a JSON text.

        Raises
        ------
        ConfigError
            No JSON, no scenario, of a newer version, or with a key or value that is not allowed:
            says which, what it is and what is allowed.
        """
        _of_kind("scenario", text, str, "JSON as a str")
        try:
            if len(text) > _MOST_BYTES:
                raise ValueError(f"it is longer than {_MOST_BYTES:,} characters")
            value = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_each_once)
        except (ValueError, RecursionError) as error:
            raise ConfigError(
                f"not a scenario: no JSON ({error})",
                passed=text[:60],
                allowed="what Save wrote or Copy link copied",
            ) from error
        return cls._from_dict(value)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file, which `load` reads.

        Raises
        ------
        FileError
            It cannot be written; what was there is still there.
        ConfigError
            This is no path.
        """
        _of_kind("path", path, str | os.PathLike, "a str or a path")
        target = Path(path)
        beside = target.with_name(f".{target.name}.new")
        try:
            beside.write_text(self.to_json(), encoding="utf-8")
            beside.replace(target)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise _file_error("the scenario cannot be written", target, error) from error

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read it from a file; its trace may be beside it.

        Raises
        ------
        FileError
            It cannot be read.
        ConfigError
            As `from_json`.
        """
        source = Path(path)
        try:
            text = source.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ConfigError("not a scenario: no text", passed=str(path)) from error
        except OSError as error:
            raise _file_error("the scenario cannot be read", source, error) from error
        made = cls.from_json(text)
        if isinstance(made.source, Trace):
            beside = dataclasses.replace(made.source, beside=source.absolute().parent)
            made = dataclasses.replace(made, source=beside)
        return made

    # Links ----------------------------------------------------------------------------------------

    def to_link(self) -> str:
        """``?scenario=...``, to be added to the address of ``relaylab demo``."""
        text = json.dumps(self._to_dict(), separators=(",", ":"), ensure_ascii=False)
        packed = zlib.compress(text.encode(), 9)
        return "?scenario=" + base64.urlsafe_b64encode(packed).decode().rstrip("=")

    @classmethod
    def from_link(cls, link: str) -> Self:
        """The scenario of an address that has ``scenario=...`` in its query or fragment.

        Raises
        ------
        ConfigError
            There is none in it, it is damaged, or as `from_json`.
        """
        _of_kind("link", link, str, "a str")
        found = _IN_LINK.search(link.strip())
        if found is None:
            raise ConfigError(
                "no scenario in this link", passed=link, allowed="...?scenario=...", hint=_AGAIN
            )
        try:
            packed = base64.b64decode(found[1] + "=" * (-len(found[1]) % 4), b"-_", validate=True)
            unpacking = zlib.decompressobj()
            text = unpacking.decompress(packed, _MOST_BYTES).decode()
            if not unpacking.eof or unpacking.unused_data:
                raise ValueError("cut short, or longer than it may be")
        except (ValueError, zlib.error) as error:
            raise ConfigError(f"the link is damaged ({error})", passed=link, hint=_AGAIN) from error
        return cls.from_json(text)

    # ----------------------------------------------------------------------------------------------

    def _keep(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _to_dict(self) -> dict[str, Any]:
        return {
            "is": _MAGIC,
            "version": VERSION,
            "name": self.name,
            "lesson": self.lesson,
            "group": self.group,
            "workload": self.source.to_dict(),
            **settings_json.written(self.settings),
            "time": self.time,
            "start": self.start,
            "moves": self.moves,
            "actions": [list(action) for action in self.actions],
            "stop_at": self.stop_at,
            "speed": self.speed,
            "marks": list(self.marks),
            "questions": [question.to_dict() for question in self.questions],
        }

    @classmethod
    def _from_dict(cls, value: object) -> Self:
        keys = strict.Keys("scenario", value)
        if keys.take("is", None) != _MAGIC:
            allowed = f'an object with "is": "{_MAGIC}"'
            raise ConfigError("not a scenario", passed=value, allowed=allowed)
        version = keys.take("version")
        strict.whole("version", version, 1, VERSION)
        made = cls(
            name=keys.take("name"),
            lesson=keys.take("lesson", ""),
            group=keys.take("group", ""),
            source=read_load(keys.take("workload")),
            settings=settings_json.read(keys),
            time=keys.take("time", LIVE),
            start=keys.take("start", 0),
            moves=keys.take("moves", 0),
            actions=keys.take("actions", ()),
            stop_at=keys.take("stop_at", ""),
            speed=keys.take("speed", None),
            marks=keys.take("marks", (None, None)),
            questions=tuple(
                read_question(one)
                for one in strict.items("questions", keys.take("questions", ()), MOST_QUESTIONS)
            ),
        )
        keys.end()
        return made


_AGAIN: Final = "Copy the whole link again."


def is_link(text: str) -> bool:
    """Whether this is a link, though one without a scenario, rather than the path of a file."""
    return "://" in text or _IN_LINK.search(text.strip()) is not None


def scenario_of(
    text: "Scenario | str | os.PathLike[str]",
) -> Scenario:
    """The scenario that somebody names: itself, a link, or the path of a file.

    Raises
    ------
    ConfigError, FileError
        As `Scenario.load` and `Scenario.from_link`.
    """
    if isinstance(text, Scenario):
        return text
    if isinstance(text, str) and is_link(text):
        return Scenario.from_link(text)
    try:
        return Scenario.load(text)
    except TypeError:
        allowed = "a Scenario, a link or a path"
        raise ConfigError("scenario", passed=text, allowed=allowed) from None


def _of_kind(what: str, value: object, kind: type | UnionType, allowed: str) -> None:
    if not isinstance(value, kind):
        raise ConfigError(what, passed=value, allowed=allowed)


def _action(i: int, value: object) -> tuple[int, int, str]:
    parts = strict.items(f"actions[{i}]", value, 3)
    if len(parts) != 3:
        allowed = "[position, moves after it, what is done]"
        raise ConfigError(f"actions[{i}]", passed=value, allowed=allowed, hint=strict.HINT)
    position = strict.whole(f"position of actions[{i}]", parts[0], 0, _MOST_POSITION, "events")
    moves = strict.whole(f"moves of actions[{i}]", parts[1], 0, _MOST_POSITION)
    return position, moves, strict.choice(f"actions[{i}]", parts[2], ACTIONS)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} is there twice")
    return made


def _file_error(what: str, path: Path, error: OSError) -> FileError:
    text = f"{what} ({error.strerror or error})"
    return FileError(text, passed=str(path), errno=error.errno or 0, hint="Check the path.")
