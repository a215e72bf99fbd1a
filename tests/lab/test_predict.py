"""Questions are answered by the engine, and give nothing away before."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaylab.errors import ConfigError, RelayError
from relaylab.lab import Workbench, presets
from relaylab.lab.beginning import begin
from relaylab.lab.compose import Composer
from relaylab.lab.inspector import Inspector
from relaylab.lab.loads import Bursts
from relaylab.lab.moment import look
from relaylab.lab.questions import ASKS, CELL, CPU, Question, read_question
from relaylab.lab.scenario import VIRTUAL, Scenario
from relaylab.lab.settings import ReaderModel, Settings
from relaylab.lab.timeline import Timeline

SHIPPED = {one.name: one for one in presets.shipped()}
ASKING = [one for one in presets.shipped() if one.questions]


@pytest.fixture
def opened():
    runs = []

    def make(scenario):
        runs.append(begin(scenario))
        return runs[-1]

    yield make
    for run in runs:
        run.close()


def guess(question, channel):
    return {CELL: (channel.n_cpus - 1, channel.n_subbufs - 1), CPU: channel.n_cpus - 1}.get(
        question.kind, 987_654
    )


def reveal_all(run):
    """What happened to each question, all of them guessed."""
    quiz = run.quiz
    while quiz.is_hiding:
        run.scrub(run.n_events)
        assert run.position >= quiz.limit
        quiz.predict(run, guess(quiz.open_at(run.position), run.channel))
        quiz.reveal(run)
        quiz.go_on()
    return [outcome.answer for outcome in quiz.outcomes]


ANSWERS = {
    "Slow reader fills the buffer": [(1, 2), 0],
    "The event lost at unfull": [1, 43],
    "Overwrite wraps over unread data": [(0, 1), (1, 2)],
    "Padding with odd sizes": [256 - 3 * 77, (0, 3)],
    "Late commit": [(0, 0)],
    "n_subbufs = 1 is a bad idea": [3],
}


def test_every_question_of_the_presets_is_checked_here():
    assert {one.name for one in ASKING} == set(ANSWERS)


@pytest.mark.parametrize("scenario", ASKING, ids=lambda one: one.name)
def test_the_presets_questions_have_the_answers_that_one_finds_by_hand(opened, scenario):
    assert reveal_all(opened(scenario)) == ANSWERS[scenario.name]


def test_the_answer_comes_from_the_engine_not_from_the_preset(opened):
    scenario = SHIPPED["Padding with odd sizes"]
    other = dataclasses.replace(scenario.source, size=(60, 60))
    assert reveal_all(opened(dataclasses.replace(scenario, source=other)))[0] == 256 - 4 * 60


def test_what_a_person_did_on_the_way_counts(opened):
    run = opened(SHIPPED["The event lost at unfull"])
    run.reset()
    run.quiz.predict(run, 5)
    outcome = run.quiz.reveal(run)
    assert outcome.answer != 1


def test_time_stops_at_a_question_until_it_is_revealed(opened):
    run = opened(SHIPPED["Slow reader fills the buffer"])
    run.scrub(run.n_events)
    assert run.position == 30
    with pytest.raises(RelayError, match="question"):
        run.resume()
    run.scrub(10)
    assert run.quiz.open_at(run.position) is None
    run.resume()
    run.set_rate(float("inf"))
    while run.is_running:
        run.advance()
    assert run.position == 30


def test_the_code_beside_the_ring_is_of_where_time_was_stopped(opened):
    run = opened(SHIPPED["Overwrite wraps over unread data"])
    run.beside.is_shown = True
    run.scrub(51)
    size = int(run.timeline.size[50])
    assert f"write of {size} bytes" in str(run.code())
    run.scrub(run.n_events)
    assert run.position == 56
    size = int(run.timeline.size[55])
    assert f"write of {size} bytes" in str(run.code())
    assert f"Event 56: {size} bytes" in run.caption


def test_the_event_lost_at_unfull_is_told_as_lost(opened):
    run = opened(dataclasses.replace(SHIPPED["The event lost at unfull"], questions=()))
    while run.channel.stats.lost_unfull == 0:
        run.scrub(run.position + 1)
    assert "lost: it only opens a sub-buffer" in run.caption


def test_nothing_ahead_is_shown_while_something_is_asked(opened):
    run = opened(SHIPPED["Overwrite wraps over unread data"])
    run.scrub(10**9)
    assert run.position == 56
    run.observe(None, None)
    assert run.history.all()[:, 0].max() <= run.clock_s
    run = opened(SHIPPED["The event lost at unfull"])
    assert max(run.loss_marks()) <= run.position
    reveal_all(run)
    assert max(run.loss_marks()) > 150
    run.observe(None, None)
    assert run.history.all()[-1, 0] == pytest.approx(run.duration_s)


def test_marks_of_losses_are_told_to_the_page_as_they_come_into_sight(opened):
    run = opened(SHIPPED["The event lost at unfull"])
    composer, inspector = Composer(), Inspector()
    composer.start_run(True)

    def told():
        frame = composer.compose(run, look(run), inspector, {}, "paused")
        return None if frame is None else frame.text.get("marks")

    run.scrub(0)
    assert told() == []
    run.scrub(10)
    assert told() is None, "nothing new"
    reveal_all(run)
    assert told() == run.loss_marks() != []


@pytest.mark.parametrize("name", ["Slow reader fills the buffer", "The event lost at unfull"])
def test_each_run_of_losses_has_one_mark_where_it_begins(opened, name):
    run = opened(dataclasses.replace(SHIPPED[name], questions=()))
    cpus, losing, begins = run.workload.cpu, set(), []
    run.scrub(0)
    lost = run.channel.stats.lost
    for position in range(1, run.n_events + 1):
        run.scrub(position)
        cpu = int(cpus[position - 1])
        if run.channel.stats.lost == lost:
            losing.discard(cpu)
        elif cpu not in losing:
            begins.append(position)
            losing.add(cpu)
        lost = run.channel.stats.lost
    assert len(begins) > 5
    assert run.loss_marks() == begins


def test_a_prediction_may_be_changed_and_only_the_last_counts(opened):
    run = opened(SHIPPED["The event lost at unfull"])
    quiz = run.quiz
    quiz.predict(run, 0)
    quiz.predict(run, 1)
    outcome = quiz.reveal(run)
    assert (outcome.prediction, outcome.answer, outcome.is_right) == (1, 1, True)
    assert "unfull" in outcome.why
    assert run.position == outcome.position == 23
    told = quiz.text(run)
    assert (told["right"], told["asked"], told["is_right"]) == (1, 1, True)


def test_a_click_on_the_map_answers_only_where_cells_or_cpus_are_asked(opened):
    run = opened(SHIPPED["Slow reader fills the buffer"])
    assert not run.quiz.point(run, 0, 1)
    run.scrub(30)
    assert run.quiz.point(run, 1, 2)
    assert run.quiz.prediction == (1, 2)
    run.quiz.reveal(run)
    run.quiz.go_on()
    run.scrub(47)
    assert run.quiz.point(run, 1, 2)
    assert run.quiz.prediction == 1
    run = opened(SHIPPED["The event lost at unfull"])
    assert not run.quiz.point(run, 0, 0)


@pytest.mark.parametrize("answer", [(0, 6), (2, 0), (0,), 3, "x", None, (True, 0), (0, 1, 2), -1])
def test_an_answer_that_cannot_be_is_refused_and_changes_nothing(opened, answer):
    run = opened(SHIPPED["Slow reader fills the buffer"])
    run.scrub(30)
    run.quiz.predict(run, (1, 1))
    with pytest.raises(ConfigError):
        run.quiz.predict(run, answer)
    assert run.quiz.prediction == (1, 1)


def test_nothing_is_revealed_before_something_is_predicted(opened):
    run = opened(SHIPPED["The event lost at unfull"])
    with pytest.raises(ConfigError, match="nothing is predicted"):
        run.quiz.reveal(run)
    assert run.quiz.outcomes == []


def test_what_never_happens_is_said_so(opened):
    calm = Scenario(
        "Calm",
        Bursts(1, 1000, (10, 10), 0, 20_000),
        Settings(4096, 4, 1),
        time=VIRTUAL,
        questions=tuple(Question(3, ask) for ask in ASKS),
    )
    run = opened(calm)
    assert reveal_all(run) == [None] * len(ASKS)
    assert all("until the end" in outcome.why.lower() for outcome in run.quiz.outcomes)


def naive_next_loss(scenario, at):
    """The number of the next event that is lost, from the counters alone."""
    timeline = Timeline(scenario.settings, scenario.workload(scenario.settings.n_cpus))
    timeline.forward(at)
    before = timeline.channel.stats.lost
    while timeline.position < len(timeline):
        timeline.forward(timeline.position + 1)
        if timeline.channel.stats.lost > before:
            return timeline.position
    return None


@settings(deadline=None, max_examples=25)
@given(
    st.integers(1, 3),
    st.integers(1, 5),
    st.integers(64, 300),
    st.integers(0, 120),
    st.integers(0, 400_000),
    st.integers(0, 5),
)
def test_any_scenario_s_next_loss_is_where_the_counters_have_it(
    n_cpus, n_subbufs, size, at, latency_ns, seed
):
    scenario = Scenario(
        "Any",
        Bursts(1, 50_000, (1, 80), 0, 3_000_000, seed),
        Settings(size, n_subbufs, n_cpus, reader=ReaderModel(latency_ns, 100_000)),
        time=VIRTUAL,
        questions=tuple(Question(at, ask) for ask in ASKS),
    )
    at = min(at, len(scenario.workload(n_cpus)))
    run = begin(scenario)
    answers = dict(zip(ASKS, reveal_all_at_once(run), strict=True))
    wanted = naive_next_loss(scenario, at)
    assert answers["lost_event"] == wanted
    if wanted is not None:
        assert answers["lost_cpu"] == int(scenario.workload(n_cpus).cpu[wanted - 1])
        assert answers["losses"] is None or answers["losses"] >= 1
    run.close()


def reveal_all_at_once(run):
    quiz = run.quiz
    run.scrub(run.n_events)
    while (question := quiz.open_at(run.position)) is not None:
        quiz.predict(run, guess(question, run.channel))
        quiz.reveal(run)
        quiz.go_on()
        run.scrub(run.n_events)
    assert not quiz.is_hiding
    return [outcome.answer for outcome in quiz.outcomes]


@given(st.integers(0, 2**53), st.sampled_from(list(ASKS)), st.text(max_size=20))
def test_a_question_comes_back_from_json(at, ask, text):
    try:
        question = Question(at, ask, text)
    except ConfigError:
        return  # a text that cannot be written
    assert read_question(question.to_dict()) == question


def test_a_program_can_take_part(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    wb = Workbench(scenario=SHIPPED["The event lost at unfull"])
    try:
        assert wb.question == SHIPPED["The event lost at unfull"].questions[0]
        with pytest.raises(ConfigError):
            wb.reveal()
        wb.predict(1)
        outcome = wb.reveal()
        assert outcome.is_right
        assert wb.state["position"] == outcome.position
        assert wb.question is None
    finally:
        wb.close()


def test_where_nothing_is_asked_that_is_said():
    wb = Workbench()
    try:
        assert wb.question is None
        with pytest.raises(ConfigError, match="nothing is asked"):
            wb.predict(3)
    finally:
        wb.close()
