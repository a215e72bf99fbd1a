"""Each preset shows on the engine's counters what its lesson says."""

import dataclasses
from functools import cache

import pytest

from relaylab.core.journal import Kind
from relaylab.errors import FileError
from relaylab.lab import Workbench, presets
from relaylab.lab.beginning import begin
from relaylab.lab.library import Library
from relaylab.lab.scenario import LIVE, VIRTUAL, Scenario
from relaylab.lab.timeline import Timeline
from relaylab.lab.virtual import MOST_EVENTS
from relaylab.workload import Workload

SHIPPED = {one.name: one for one in presets.shipped()}


@cache
def played(name, most=MOST_EVENTS, **changes):
    """The statistics after a preset's first events, and all that the journal told of them."""
    scenario = SHIPPED[name]
    settings = dataclasses.replace(scenario.settings, **changes)
    whole = scenario.workload(settings.n_cpus)
    part = [column[:most] for column in (whole.t_ns, whole.cpu, whole.size)]
    timeline = Timeline(settings, Workload(*part, whole.n_cpus))
    cursor = timeline.channel.journal.cursor()
    records = []

    def note(t_ns):
        new = cursor.read()
        new["t_ns"] = t_ns
        records.extend(new)

    timeline.forward(len(timeline), note)
    stats = timeline.channel.stats
    timeline.close()
    return stats, records


def of_kind(records, kind):
    return [record for record in records if record["kind"] == kind]


def test_the_first_preset_is_the_recorded_trace_and_loses_nothing():
    assert presets.shipped()[0].name == "LTTng trace, 2 CPUs"
    stats, _ = played("LTTng trace, 2 CPUs", 20_000)
    assert stats.written == 20_000
    assert stats.high_water > 8


def test_balanced_loses_nothing_and_little_waits():
    stats, _ = played("Balanced")
    assert stats.lost == 0
    assert stats.high_water <= 3


def test_bursts_lose_for_every_cause_but_size():
    stats, _ = played("Bursts, slow reader")
    assert stats.lost_full > 0
    assert stats.lost_unfull > 0
    assert stats.lost_too_large == 0


def test_a_slow_reader_fills_the_one_buffer_that_is_written_faster_than_read():
    _, records = played("Slow reader fills the buffer")
    assert {int(record["cpu"]) for record in of_kind(records, Kind.FULL)} == {0}
    assert {int(record["cpu"]) for record in of_kind(records, Kind.LOSS)} == {0}


def test_lost_at_unfull_loses_one_event_more_each_time():
    stats, records = played("The event lost at unfull")
    times_full = len(of_kind(records, Kind.UNFULL))
    assert times_full > 5
    assert stats.lost_full == times_full
    assert stats.lost_unfull == times_full


def test_overwrite_loses_no_event_but_what_nobody_read():
    stats, _ = played("Overwrite wraps over unread data")
    assert stats.lost == 0
    assert stats.overwritten_unread_subbufs > 0


def test_odd_sizes_leave_padding_and_even_ones_none():
    _, records = played("Padding with odd sizes")
    padding = {int(record["value"]) for record in of_kind(records, Kind.PRODUCED)}
    assert padding == {256 - 3 * 77}
    scenario = SHIPPED["Padding with odd sizes"]
    even = dataclasses.replace(scenario, source=dataclasses.replace(scenario.source, size=(64, 64)))
    run = begin(even)
    run.scrub(run.n_events)
    assert run.channel.snapshot().padding.sum() == 0
    run.close()


def test_late_commit_delivers_each_sub_buffer_after_its_switch():
    stats, records = played("Late commit")
    produced, delivered = (
        {
            (int(one["cpu"]), int(one["produced"])): int(one["t_ns"])
            for one in of_kind(records, kind)
        }
        for kind in (Kind.PRODUCED, Kind.DELIVER)
    )
    assert stats.delivered > 100
    assert len(of_kind(records, Kind.DELIVER)) == stats.delivered
    assert min(delivered.values()) > min(produced.values())
    assert played("Late commit", commit_delay=0)[0].delivered == 0


def test_late_commit_opens_where_much_is_produced_and_nothing_delivered():
    run = begin(SHIPPED["Late commit"])
    run.scrub(20)
    assert run.channel.stats.switches == 4
    assert run.channel.stats.delivered == 0
    run.close()


def test_one_sub_buffer_loses_at_every_switch_what_four_of_the_same_memory_do_not():
    stats, _ = played("n_subbufs = 1 is a bad idea")
    assert stats.lost_full >= stats.switches
    assert stats.lost_unfull >= stats.switches - 1
    apart = played("n_subbufs = 1 is a bad idea", subbuf_size=256, n_subbufs=4)[0]
    assert apart.lost == 0


def test_two_large_sub_buffers_lose_where_eight_small_ones_of_the_same_memory_do_not():
    few, many = SHIPPED["Bursts: 64 KiB × 2 loses"], SHIPPED["Bursts: 16 KiB × 8 does not"]
    sizes = "subbuf_size", "n_subbufs"
    assert dataclasses.replace(
        few.settings, **{name: getattr(many.settings, name) for name in sizes}
    ) == (many.settings)
    memory = {one.settings.subbuf_size * one.settings.n_subbufs for one in (few, many)}
    assert memory == {128 * 1024}
    assert few.source == many.source
    lost = played(few.name, 60_000)[0].lost
    assert 0.05 < lost / 60_000 < 0.4
    assert played(many.name, 60_000)[0].lost == 0


def test_at_full_speed_no_reader_can_follow():
    scenario = SHIPPED["Full speed"]
    run = begin(scenario)
    try:
        run.start()
        while run.channel.stats.lost < 1000:
            assert run.error is None
    finally:
        run.close()


@pytest.mark.parametrize("scenario", presets.shipped(), ids=lambda one: one.name)
def test_a_preset_has_a_lesson_and_opens_where_it_teaches(scenario):
    assert 1 <= scenario.lesson.count(". ") <= 2
    assert scenario.lesson.endswith(".")
    assert scenario.group
    assert scenario.start <= len(scenario.workload(scenario.settings.n_cpus))
    if scenario.questions:
        assert scenario.time == VIRTUAL
        assert scenario.start <= scenario.questions[0].at
    if scenario.time == LIVE:
        assert (scenario.start, scenario.moves, scenario.actions) == (0, 0, ())


def test_at_least_four_presets_ask():
    assert sum(bool(scenario.questions) for scenario in presets.shipped()) >= 4


def test_names_differ_and_groups_hang_together():
    names = [scenario.name for scenario in presets.shipped()]
    assert len(set(names)) == len(names)
    titles = [title for title, _ in Library([]).groups]
    assert len(set(titles)) == len(titles)


# The user's own --------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path / "relaylab" / "presets"


def test_a_preset_that_was_saved_is_in_the_menu_of_the_next_workbench(home):
    kept = dataclasses.replace(SHIPPED["Balanced"], name="Mine", group=presets.YOURS)
    path = presets.save(kept)
    assert path.parent == home
    library = Library([])
    assert library.scenarios[-1] == kept
    assert library.groups[-1] == (presets.YOURS, 1)
    wb = Workbench()
    try:
        assert wb._controls.preset.options[-1][0] == "Mine"
    finally:
        wb.close()


def test_saving_under_the_same_name_replaces(home):
    kept = dataclasses.replace(SHIPPED["Balanced"], name="Mine", group=presets.YOURS)
    presets.save(kept)
    presets.save(dataclasses.replace(kept, lesson="Another lesson."))
    (one,), wrong = presets.saved()
    assert (one.lesson, wrong) == ("Another lesson.", [])


def test_a_file_that_is_no_preset_is_told_and_hides_no_other(home):
    presets.save(dataclasses.replace(SHIPPED["Balanced"], name="Mine", group=presets.YOURS))
    (home / "broken.json").write_text("{")
    found, wrong = presets.saved()
    assert [one.name for one in found] == ["Mine"]
    assert "broken.json" in wrong[0]


@pytest.mark.parametrize("name", ["../../etc/passwd", "/", "ä ö ü", "☃", "a" * 80, "CON: 1"])
def test_no_name_leads_out_of_the_directory(home, name):
    path = presets.save(dataclasses.replace(SHIPPED["Balanced"], name=name))
    assert path.parent == home
    assert Scenario.load(path).name == name


def test_where_nothing_can_be_written_saving_says_so(home):
    home.parent.parent.mkdir(exist_ok=True)
    home.parent.write_text("a file where the directory would be")
    with pytest.raises(FileError, match="directory for presets"):
        presets.save(SHIPPED["Balanced"])
