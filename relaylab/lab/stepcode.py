"""What the state machine ran in one step: its functions, lines, branches and values."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, NamedTuple

from relaylab.lab.statements import Source

_FOLDED: Final = 3  # lines in a row that did not run, from which on they are not shown
_DECISIVE: Final = ("switch", "restart", "_consume")  # what a panel begins with, if it ran
_VALUES: Final = 4  # that are told of a line; a loop may have many


class RanLine(NamedTuple):
    """A line that ran."""

    function: str
    line: int
    source: str


@dataclass
class Call:
    """One call of a function of the state machine.

    Attributes
    ----------
    source : Source
        The function's.
    arguments : dict of str to int
        What it was called with, but for records and addresses.
    ran : dict of int to list of str
        The statements that ran, by their first line, in the order in which each ran first; and
        what each changed: "produced 5 → 6".
    returned : int or bool or None
        What it answered.
    """

    source: Source
    arguments: dict[str, int]
    ran: dict[int, list[str]] = field(default_factory=dict)
    returned: int | None = None
    changed: bool = False

    @property
    def is_telling(self) -> bool:
        """Whether it is more than a look at the state whose answer its caller shows."""
        return (
            self.changed
            or bool(self.source.branches)
            or len(set(self.source.first_of.values())) > 2
        )

    def taken(self, line: int) -> bool | None:
        """Whether the test at `line` was found true; None if it is none, or did not run."""
        if line not in self.ran or line not in self.source.branches:
            return None
        return self.source.branches[line] in self.ran

    @property
    def title(self) -> str:
        """The call as one would write it, with what it answered."""
        given = ", ".join(f"{name}={value}" for name, value in self.arguments.items())
        answer = "" if self.returned is None else f" → {self.returned}"
        return f"{self.source.module}.{self.source.name}({given}){answer}"

    def rows(self) -> list[dict[str, Any]]:
        """Its lines for a panel: number, source, whether it ran, branch taken, values.

        Several lines in a row that did not run are one row that counts them.
        """
        rows: list[dict[str, Any]] = []
        skipped: list[dict[str, Any]] = []
        for number, text in self.source.lines.items():
            first = self.source.first_of[number]
            ran = first in self.ran
            row = {"line": number, "source": text, "ran": ran}
            if number == first:
                row |= {"taken": self.taken(number), "values": _few(self.ran.get(number, []))}
            if ran:
                rows += _folded(skipped)
                skipped = []
                rows.append(row)
            else:
                skipped.append(row)
        return rows + _folded(skipped)


def _few(values: list[str]) -> list[str]:
    return values if len(values) <= _VALUES else [*values[: _VALUES - 1], "…"]


def _folded(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"folded": len(rows), "ran": False}] if len(rows) >= _FOLDED else rows


@dataclass
class Operation:
    """One operation of the engine, and the calls that it was made of, in their order."""

    told: str
    calls: list[Call] = field(default_factory=list)


class StepCode(list[RanLine]):
    """The lines that the last step ran: (function, line number, source line), in their order.

    A line that ran several times within one call is listed once.

    Attributes
    ----------
    operations : list of Operation
        What they are part of.
    skipped : int
        Operations of the step before these, which are not shown.
    error : str
        How the plain run ended elsewhere than the engine; empty, or something is wrong.
    """

    def __init__(self, operations: list[Operation], skipped: int = 0, error: str = "") -> None:
        self.operations = operations
        self.skipped = skipped
        self.error = error
        super().__init__(
            RanLine(call.source.name, line, call.source.lines[line].strip())
            for operation in operations
            for call in operation.calls
            for line in call.ran
        )

    @cached_property
    def message(self) -> dict[str, Any]:
        """The same for the page."""
        decisive = next(self._decisive(), None)
        return {
            "skipped": self.skipped,
            "error": self.error,
            "operations": [
                {
                    "told": operation.told,
                    "calls": [
                        {
                            "title": call.title,
                            "summary": call.source.summary,
                            "rows": call.rows(),
                            "decisive": call is decisive,
                        }
                        for call in operation.calls
                        if call.is_telling
                    ],
                }
                for operation in self.operations
            ],
        }

    def _decisive(self) -> Iterator[Call]:
        """The calls of the last operation by which the state changes."""
        for operation in self.operations[-1:]:
            yield from (call for call in operation.calls if call.source.name in _DECISIVE)

    def __repr__(self) -> str:
        return "\n".join(self._text()) or "Nothing ran: no step was made yet."

    def _text(self) -> list[str]:
        text = [f"! {self.error}"] if self.error else []
        if self.skipped:
            text.append(f"({self.skipped} operations before)")
        for operation in self.message["operations"]:
            text += ["", operation["told"]]
            for call in operation["calls"]:
                text += ["", f"  {call['title']}"]
                text += [_line_text(row) for row in call["rows"]]
        return text[1:] if text[:1] == [""] else text


def _line_text(row: dict[str, Any]) -> str:
    if "folded" in row:
        return f"       {'⋯':>4} {row['folded']} lines did not run"
    taken = {True: "   # yes", False: "   # no", None: ""}[row.get("taken")]
    values = "".join(f"   # {value}" for value in row.get("values", []))
    return f"  {'▶' if row['ran'] else ' '} {row['line']:>6}  {row['source']}{taken}{values}"
