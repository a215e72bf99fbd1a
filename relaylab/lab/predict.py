"""Predict and reveal: questions are answered by a person first, then by the engine.

The right answer is what happens when the same workload goes on from the question's position, in a
timeline of its own: nothing is known beforehand, and what a person did on the way counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from relaylab.errors import ConfigError
from relaylab.lab import strict
from relaylab.lab.finding import Answer, Finding, find
from relaylab.lab.moves import NEVER
from relaylab.lab.questions import CELL, CPU, Question

_MOST: Final = 2**53


@dataclass(frozen=True)
class Outcome:
    """A question that was revealed.

    Attributes
    ----------
    question : str
        In words.
    prediction, answer : int, tuple of int, or None
        What the person said, and what happened: a number, a CPU, or (cpu, sub-buffer). None: it
        did not happen until the end of the workload.
    is_right : bool
        Whether they are the same.
    why : str
        The reason, with the numbers of this run.
    position : int
        Events applied when it had happened.
    """

    question: str
    prediction: Answer
    answer: Answer
    is_right: bool
    why: str
    position: int


class Quiz:
    """The questions of one run, one after the other.

    Parameters
    ----------
    questions : sequence of Question
        In the order of their positions.
    n_events : int
        The end of the run, where later questions are asked.
    """

    def __init__(self, questions: Sequence[Question], n_events: int) -> None:
        self._questions = tuple(questions)
        self._n_events = n_events
        self._next = 0
        self._prediction: Answer = None
        self.outcomes: list[Outcome] = []
        self._shown: Outcome | None = None

    @property
    def limit(self) -> int | None:
        """The position that must not be passed before the next question is revealed."""
        if not self.is_hiding:
            return None
        return min(self._questions[self._next].at, self._n_events)

    @property
    def left(self) -> tuple[Question, ...]:
        """Those that were not revealed yet."""
        return self._questions[self._next :]

    @property
    def is_hiding(self) -> bool:
        """Whether nothing that lies ahead may be shown."""
        return self._next < len(self._questions)

    def open_at(self, position: int) -> Question | None:
        """The question that waits for an answer, if `position` is where it is asked."""
        limit = self.limit
        return None if limit is None or position < limit else self._questions[self._next]

    @property
    def prediction(self) -> Answer:
        """What was said to the question that is open."""
        return self._prediction

    def predict(self, run: Any, answer: Answer) -> None:
        """Say what will happen; may be said anew until it is revealed.

        Raises
        ------
        ConfigError
            No question is open, or no such answer can be.
        """
        question = self._open(run)
        self._prediction = _checked(question, answer, run.channel)
        self._shown = None

    def point(self, run: Any, cpu: int, subbuf: int) -> bool:
        """A cell of the map was chosen; whether that answers the question that is open."""
        question = self.open_at(run.position)
        if question is None or self._shown is not None or question.kind not in (CELL, CPU):
            return False
        self.predict(run, (cpu, subbuf) if question.kind == CELL else cpu)
        return True

    def reveal(self, run: Any) -> Outcome:
        """Let the run go on to where the question is answered, and say how it was.

        Raises
        ------
        ConfigError
            No question is open, or nothing was predicted.
        """
        question = self._open(run)
        if self._prediction is None:
            raise ConfigError(
                "nothing is predicted yet", hint="Answer the question first; a guess will do."
            )
        found = find(run.timeline, question)
        outcome = self._outcome(question, found)
        self._next += 1
        self._prediction = None
        self.outcomes.append(outcome)
        self._shown = outcome
        run.timeline.hold_at = NEVER
        run.stand_at(found.position, found.moves)
        run.hold()
        return outcome

    def text(self, run: Any) -> dict[str, Any] | None:
        """What the page shows; None while there is nothing to be asked or told."""
        question, shown = self.open_at(run.position), self._shown
        if question is None and shown is None:
            return None
        right = sum(outcome.is_right for outcome in self.outcomes)
        told: dict[str, Any] = {
            "number": len(self.outcomes) + (shown is None),
            "of": len(self._questions),
            "right": right,
            "asked": len(self.outcomes),
        }
        if shown is not None:
            return told | {
                "words": shown.question,
                "prediction": self._spoken(len(self.outcomes) - 1, shown.prediction),
                "answer": self._spoken(len(self.outcomes) - 1, shown.answer),
                "is_right": shown.is_right,
                "why": shown.why,
                "given": _place(shown.prediction),
                "at": _place(shown.answer),
                "has_more": question is not None,
            }
        assert question is not None
        return told | {
            "words": question.words,
            "kind": question.kind,
            "given": _place(self._prediction),
            "said": self._spoken(self._next, self._prediction),
        }

    def go_on(self) -> None:
        """The outcome was read."""
        self._shown = None

    # ----------------------------------------------------------------------------------------------

    def _open(self, run: Any) -> Question:
        question = self.open_at(run.position)
        if question is None:
            raise ConfigError(
                "no question is open",
                hint="Play or step on to where one is asked, or choose a preset that asks some.",
            )
        return question

    def _outcome(self, question: Question, found: Finding) -> Outcome:
        is_right = self._prediction == found.answer
        return Outcome(
            question.words, self._prediction, found.answer, is_right, found.why, found.position
        )

    def _spoken(self, index: int, answer: Answer) -> str:
        return spoken(self._questions[index], answer)


def quiz_of(run: Any) -> Quiz:
    """The questions of a run.

    Raises
    ------
    ConfigError
        It has none.
    """
    if run is None or run.quiz is None:
        raise ConfigError(
            "nothing is asked here", hint="Choose a preset that asks something, in virtual time."
        )
    quiz: Quiz = run.quiz
    return quiz


def spoken(question: Question, answer: Answer) -> str:
    """An answer in words."""
    if answer is None:
        return ""
    if question.kind == CELL:
        assert isinstance(answer, tuple)
        return f"CPU {answer[0]}, sub-buffer {answer[1]}"
    if question.kind == CPU:
        return f"CPU {answer}"
    return f"event {answer:,}" if question.ask == "lost_event" else f"{answer:,}"


def _place(answer: Answer) -> list[int] | None:
    """An answer as numbers, for the inputs and the map."""
    if answer is None:
        return None
    return list(answer) if isinstance(answer, tuple) else [answer]


def _checked(question: Question, answer: object, channel: Any) -> Answer:
    if question.kind == CELL:
        parts = strict.items("prediction", answer, 2)
        if len(parts) != 2:
            raise ConfigError("prediction", passed=answer, allowed="(CPU, sub-buffer)")
        cpu = strict.whole("CPU", parts[0], 0, channel.n_cpus - 1)
        return cpu, strict.whole("sub-buffer", parts[1], 0, channel.n_subbufs - 1)
    if question.kind == CPU:
        return strict.whole("CPU", answer, 0, channel.n_cpus - 1)
    return strict.whole("prediction", answer, 0, _MOST)
