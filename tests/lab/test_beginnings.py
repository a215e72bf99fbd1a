"""What a workbench begins with: a preset, a scenario, virtual time, the layout for a wall."""

import pytest

from relaylab.errors import ConfigError, FileError
from relaylab.lab import Workbench
from relaylab.lab.options import from_environment, to_environment
from relaylab.lab.presets import shipped

UNFULL = "The event lost at unfull"


@pytest.fixture
def begun(monkeypatch):
    """Makes the workbench that the page of `relaylab demo` has with these options."""
    made = []

    def begin(**options):
        for name, value in to_environment(**options).items():
            monkeypatch.setenv(name, value)
        made.append(Workbench(**from_environment()))
        return made[-1]

    yield begin
    for wb in made:
        wb.close()


def test_a_preset_is_chosen_in_the_menu_and_opened(begun):
    wb = begun(preset="at UNFULL", wall=True)
    assert wb._controls.preset.label == UNFULL
    assert (wb.state["mode"], wb.channel.n_subbufs) == ("virtual", 4)
    assert wb.question is not None
    assert "rl-wall" in wb._dom_classes


def test_sizes_that_are_given_win_over_those_of_the_preset(begun):
    assert begun(preset=UNFULL, n_subbufs=7).channel.n_subbufs == 7


def test_a_scenario_comes_from_a_file_or_a_link(begun, tmp_path):
    wb = Workbench(preset=UNFULL)
    scenario = wb.scenario("Mine")
    wb.close()
    path = tmp_path / "mine.json"
    scenario.save(path)
    for text in (str(path), scenario.to_link()):
        wb = begun(scenario=text)
        assert wb._controls.preset.label == "Mine"
        assert wb.state["mode"] == "virtual"
        assert wb.state["position"] == scenario.start
        wb.close()


def test_virtual_time_begins_before_the_first_event(begun):
    state = begun(virtual=True).state
    assert (state["mode"], state["position"], state["status"]) == ("virtual", 0, "idle")


def test_the_usual_layout_is_not_that_of_a_wall(begun):
    assert "rl-wall" not in begun(virtual=True)._dom_classes


def test_what_is_not_there_is_told_before_the_page_is_served(tmp_path):
    with pytest.raises(ConfigError, match=UNFULL):
        to_environment(preset="nothing of that kind")
    with pytest.raises(ConfigError, match="several"):
        to_environment(preset="e")
    with pytest.raises(FileError):
        to_environment(scenario=str(tmp_path / "nowhere.json"))


def test_only_one_workload_can_be_asked_for():
    with pytest.raises(ConfigError, match="only"):
        Workbench(scenario=shipped()[0], preset=UNFULL)
