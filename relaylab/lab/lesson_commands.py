"""The session's commands about scenarios and their questions: predict, reveal, go on."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from relaylab.lab.beginning import as_scenario
from relaylab.lab.compose import Composer
from relaylab.lab.marks import Begun, Marks
from relaylab.lab.predict import Outcome, quiz_of
from relaylab.lab.scenario import Scenario
from relaylab.lab.stops import StopAt


class LessonCommands:
    """What a session does with lessons; the rest of it is `session.Session`."""

    _run: Any | None
    _composer: Composer
    _stop_at: StopAt
    _speed: float | None
    _marks: Marks

    if TYPE_CHECKING:

        def _open_run(self) -> Any: ...
        def _shown(self, run: Any) -> str: ...
        def _do_play(self) -> None: ...

    def _point(self, run: Any, cpu: int, subbuf: int) -> None:
        """A cell of the map was chosen, which may be an answer."""
        if run.quiz is not None:
            run.quiz.point(run, cpu, subbuf)

    def _do_predict(self, answer: Any) -> None:
        run = self._open_run()
        quiz_of(run).predict(run, answer)

    def _do_reveal(self) -> Outcome:
        """Go on to where the question is answered."""
        run = self._open_run()
        outcome = quiz_of(run).reveal(run)
        self._composer.want_all()
        self._shown(run)
        return outcome

    def scenario(self, name: str | None = None, lesson: str | None = None) -> Scenario:
        """What is on screen and where it stands; on the session's thread."""
        begun = Begun(None, self._stop_at, self._speed, self._marks.kept)
        return as_scenario(self._run, name, lesson, begun)

    def _do_scenario(self, name: str | None = None, lesson: str | None = None) -> Scenario:
        return self.scenario(name, lesson)

    def _do_call(self, function: Callable[[Any], Any]) -> Any:
        """What `function` makes of the run; nothing else happens to it meanwhile."""
        return function(self._run)

    def _do_go_on(self) -> None:
        """The outcome was read: on to the next question, if there is one."""
        run = self._open_run()
        quiz = quiz_of(run)
        quiz.go_on()
        if quiz.is_hiding and not run.timeline.is_held:
            self._do_play()
