"""Where a run begins: its channel, and in virtual time the position that there is to look at."""

from typing import Any

from relaylab.errors import ConfigError
from relaylab.lab.live import LiveRun
from relaylab.lab.loads import load_of
from relaylab.lab.marks import NAMES, Begun, Mark
from relaylab.lab.moment import look
from relaylab.lab.presets import YOURS
from relaylab.lab.scenario import LIVE, VIRTUAL, Scenario
from relaylab.lab.settings import Settings
from relaylab.lab.stops import StopAt
from relaylab.lab.virtual import VirtualRun
from relaylab.workload import Workload


def begin(
    scenario: Scenario,
    settings: Settings | None = None,
    workload: Workload | None = None,
    virtual: bool | None = None,
) -> Any:
    """The run of a scenario.

    Parameters
    ----------
    scenario : Scenario
        What to run.
    settings, workload, virtual : optional
        What a person has changed; None: as the scenario says.

    Returns
    -------
    LiveRun or VirtualRun
        Not started.
    """
    settings = scenario.settings if settings is None else settings
    workload = scenario.workload(settings.n_cpus) if workload is None else workload
    is_virtual = scenario.time == VIRTUAL if virtual is None else virtual
    if not is_virtual:
        live = LiveRun(settings, workload, scenario.name)
        live.lesson = scenario.lesson
        live.begun = Begun(scenario, StopAt.parse(scenario.stop_at), scenario.speed, {})
        return live
    run = VirtualRun(settings, workload, scenario.name, scenario.actions)
    run.lesson = scenario.lesson
    marks = {}
    for name, moves in zip(NAMES, scenario.marks, strict=True):
        if moves is not None:
            run.go_to_move(moves)
            marks[name] = Mark.of(run, look(run))
    run.begun = Begun(scenario, StopAt.parse(scenario.stop_at), scenario.speed, marks)
    run.go_to_move(0)
    run.ask(scenario.questions)
    run.stand_at(scenario.start, scenario.moves)
    run.paused = False
    return run


def as_scenario(
    run: Any,
    name: str | None = None,
    lesson: str | None = None,
    begun: Begun | None = None,
) -> Scenario:
    """What a run is and where it stands, as a scenario that begins there.

    Parameters
    ----------
    run : LiveRun, VirtualRun, AttachedRun or None
        What is on screen.
    name, lesson : str, optional
        What to call it and what there is to learn; None: as it was.
    begun : Begun, optional
        Stop condition, speed and marks; None: none.

    Raises
    ------
    ConfigError
        Nothing is open, its events are another program's, or a name or lesson that is not allowed.
    """
    if run is None or run.workload is None:
        raise ConfigError(
            "only a run with a workload of the workbench can be played again",
            hint="Press Open for a channel of the workbench's own.",
        )
    is_virtual = run.is_virtual
    return Scenario(
        name=(run.workload_name if name is None else name),
        source=load_of(run.workload),
        settings=run.settings,
        lesson=run.lesson if lesson is None else lesson,
        group=YOURS,
        time=VIRTUAL if is_virtual else LIVE,
        start=run.position if is_virtual else 0,
        moves=run.timeline.since_event if is_virtual else 0,
        actions=run.timeline.actions if is_virtual else (),
        stop_at="" if begun is None else str(begun.stop_at),
        speed=None if begun is None else begun.speed,
        marks=_moves_of({} if begun is None else begun.marks),
        questions=() if run.quiz is None else run.quiz.left,
    )


def _moves_of(marks: dict[str, Mark]) -> tuple[int | None, int | None]:
    a, b = (marks[name].moves if name in marks else None for name in NAMES)
    return a, b
