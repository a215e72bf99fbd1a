"""Questions that a scenario asks its reader, to be answered before time goes on."""

from dataclasses import dataclass
from typing import Any, Final

from relaylab.lab import strict

CELL: Final = "cell"
CPU: Final = "cpu"
NUMBER: Final = "number"

ASKS: Final = {
    "lost_event": (NUMBER, "Which event is lost next? Give its number."),
    "lost_cpu": (CPU, "On which CPU is the next event lost?"),
    "losses": (NUMBER, "How many events are lost before one is written again?"),
    "opened": (CELL, "Which sub-buffer is opened next?"),
    "delivered": (CELL, "Which sub-buffer is delivered next?"),
    "overwritten": (CELL, "Which sub-buffer is overwritten unread next?"),
    "padding": (NUMBER, "How many bytes of padding does the next sub-buffer to be produced have?"),
}
"""What can be asked: the kind of answer, and the question in words."""

MOST: Final = 20


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes
    ----------
    at : int
        The position, events, at which virtual time stops for it.
    ask : str
        A key of `ASKS`.
    text : str
        The question in other words; "" for those of `ASKS`.
    """

    at: int
    ask: str
    text: str = ""

    def __post_init__(self) -> None:
        strict.whole("at", self.at, 0, 2**53)
        strict.choice("ask", self.ask, ASKS)
        strict.text("text", self.text, 300)

    @property
    def kind(self) -> str:
        """`CELL`, `CPU` or `NUMBER`: what an answer is."""
        return ASKS[self.ask][0]

    @property
    def words(self) -> str:
        """The question as it is shown."""
        return self.text or ASKS[self.ask][1]

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"at": self.at, "ask": self.ask, "text": self.text}


def read_question(value: object) -> Question:
    """The question in a piece of JSON, or ConfigError."""
    keys = strict.Keys("question", value)
    question = Question(keys.take("at"), keys.take("ask"), keys.take("text", ""))
    keys.end()
    return question
