"""A scenario determines a run, and comes back from files and links exactly as it went."""

import base64
import dataclasses
import json
import subprocess
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relaylab.errors import ConfigError, FileError, RelayError
from relaylab.lab import Workbench, presets
from relaylab.lab.beginning import as_scenario, begin
from relaylab.lab.loads import Bursts, Events, Trace, fingerprint, load_of, workload_of
from relaylab.lab.questions import ASKS, Question
from relaylab.lab.scenario import ACTIONS, Scenario, scenario_of
from relaylab.lab.settings import FULL_SPEED, ReaderModel, Settings
from relaylab.workload import Workload

PLAIN = Scenario("Plain", Bursts(3, 1000, (10, 20)))

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)
NAMES = TEXTS.filter(lambda text: text.strip())
POSITIONS = st.integers(0, 2**53)
SPEEDS = st.floats(1, 1e15) | st.just(FULL_SPEED)


@st.composite
def bursts(draw):
    low = draw(st.integers(0, 5000))
    return Bursts(
        draw(st.integers(1, 40)),
        draw(st.integers(10_000, 10**9)),
        (low, draw(st.integers(low, 2**24))),
        draw(st.integers(0, 10**9)),
        draw(st.integers(1, 10**8)),
        draw(st.integers(0, 2**63 - 1)),
        tuple(draw(st.lists(st.floats(0, 1), max_size=4))),
    )


@st.composite
def events(draw):
    n = draw(st.integers(0, 20))
    times = sorted(draw(st.lists(st.integers(0, 2**63 - 1), min_size=n, max_size=n)))
    cpus = draw(st.lists(st.integers(0, 63), min_size=n, max_size=n))
    sizes = draw(st.lists(st.integers(0, 2**24), min_size=n, max_size=n))
    columns = np.array(times, np.int64), np.array(cpus, np.uint16), np.array(sizes, np.uint32)
    return Events(Workload(*columns, name=draw(NAMES)))


def traces():
    return st.builds(
        Trace,
        st.from_regex(r"[a-z0-9_]{1,20}(\.csv\.gz)?", fullmatch=True),
        st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
    )


@st.composite
def scenarios(draw):
    size, n_subbufs, n_cpus = (draw(st.integers(1, most)) for most in (2**12, 2**9, 64))
    reader = ReaderModel(
        draw(st.integers(0, 10**10)), draw(st.integers(0, 10**10)), float(draw(SPEEDS))
    )
    opened = Settings(
        size,
        n_subbufs,
        n_cpus,
        draw(st.booleans()),
        float(draw(SPEEDS | st.just(0.0))),
        reader,
        draw(st.integers(0, size)),
        draw(st.booleans()),
        draw(st.integers(0, 10**10)),
    )
    action = st.tuples(POSITIONS, st.integers(0, 9), st.sampled_from(ACTIONS))
    asked = sorted(draw(st.lists(POSITIONS, max_size=4)))
    return Scenario(
        draw(NAMES),
        draw(bursts() | events() | traces()),
        opened,
        draw(TEXTS),
        draw(TEXTS),
        draw(st.sampled_from(["live", "virtual"])),
        draw(POSITIONS),
        draw(st.integers(0, 9)),
        tuple(draw(st.lists(action, max_size=4))),
        draw(st.sampled_from(["", "loss", "full:3", "deliver"])),
        draw(st.none() | st.floats(0.001, 1)),
        (draw(st.none() | POSITIONS), draw(st.none() | POSITIONS)),
        tuple(Question(at, draw(st.sampled_from(list(ASKS))), draw(TEXTS)) for at in asked),
    )


@given(scenarios())
def test_json_and_links_bring_back_what_was_written(scenario):
    assert Scenario.from_json(scenario.to_json()) == scenario
    assert Scenario.from_link(scenario.to_link()) == scenario
    address = f"http://localhost:8866/voila/render/x.ipynb{scenario.to_link()}&theme=dark#top"
    assert Scenario.from_link(address) == scenario


@settings(deadline=None)
@given(scenarios(), st.data())
def test_what_is_changed_anywhere_in_a_file_is_refused_with_a_reason_or_still_a_scenario(
    scenario, data
):
    value = json.loads(scenario.to_json())
    at = value
    while True:
        key = data.draw(st.sampled_from(list(at) if isinstance(at, dict) else range(len(at))))
        inside = at[key]
        if not (isinstance(inside, dict | list) and inside and data.draw(st.booleans())):
            break
        at = inside
    at[key] = data.draw(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=5)
        | st.lists(st.integers(), max_size=3)
        | st.dictionaries(st.text(max_size=3), st.none())
    )
    try:
        made = Scenario.from_json(json.dumps(value))
    except ConfigError:
        return
    assert Scenario.from_json(made.to_json()) == made


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_nothing_that_is_no_scenario_does_more_than_raise(junk):
    for read, text in (
        (Scenario.from_json, junk.decode("latin-1")),
        (Scenario.from_link, "?scenario=" + base64.urlsafe_b64encode(junk).decode().rstrip("=")),
        (
            Scenario.from_link,
            "?scenario=" + base64.urlsafe_b64encode(zlib.compress(junk)).decode().rstrip("="),
        ),
    ):
        with pytest.raises(ConfigError):
            read(text)


def changed(**changes):
    return json.dumps(json.loads(PLAIN.to_json()) | changes)


@pytest.mark.parametrize(
    ("text", "named", "allowed"),
    [
        (changed(colour="red"), "'colour'", "name, lesson"),
        (changed(version=2), "version: got 2", "1 .. 1"),
        (changed(start=-1), "start: got -1", "0 .. "),
        (changed(start=True), "start: got True", "a whole number"),
        (changed(start=1.0), "start: got 1.0", "a whole number"),
        (changed(time="later"), "time: got 'later'", '"live", "virtual"'),
        (changed(name=" "), "name: got ' '", "not empty"),
        (changed(channel={"n_subbufs": 0}), "n_subbufs: got 0", "1 .. 4096 sub-buffers"),
        (changed(channel={"n_subbuf": 3}), "key of channel: got 'n_subbuf'", "n_subbufs"),
        (changed(channel={"overwrite": 1}), "overwrite: got 1", "true or false"),
        (changed(channel={"header": 5000}), "header: got 5000", "0 .. 4096 bytes"),
        (changed(reader={"bytes_per_s": "fast"}), "bytes_per_s: got 'fast'", '"max"'),
        (changed(workload={"kind": "poisson"}), "kind of workload: got 'poisson'", '"bursts"'),
        (changed(workload={"kind": "bursts", "events": 0}), "events: got 0", "1 .. "),
        (changed(actions=[[1, 0, "jump"]]), "actions[0]: got 'jump'", '"flush"'),
        (changed(questions=[{"at": 1, "ask": "why"}]), "ask: got 'why'", '"lost_event"'),
        (changed(questions=[{"ask": "opened"}]), "question has no 'at'", "a value for 'at'"),
        ('{"a": 1, "a": 2}', "the key 'a' is there twice", "what Save wrote"),
        ("[1]", "scenario: got [1]", "an object"),
        ("NaN", "NaN is no number", "what Save wrote"),
    ],
)
def test_an_error_names_the_key_the_value_and_what_is_allowed(text, named, allowed):
    with pytest.raises(ConfigError) as caught:
        Scenario.from_json(text)
    assert named in str(caught.value)
    assert allowed in str(caught.value)


def test_a_link_that_would_unpack_without_end_is_refused():
    bomb = base64.urlsafe_b64encode(zlib.compress(b" " * 50_000_000)).decode().rstrip("=")
    with pytest.raises(ConfigError, match="damaged"):
        Scenario.from_link(f"?scenario={bomb}")


def test_a_link_that_was_cut_short_is_refused():
    link = PLAIN.to_link()
    for length in range(len("?scenario="), len(link) - 1, 7):
        with pytest.raises(ConfigError):
            Scenario.from_link(link[:length])


def test_files_keep_what_is_saved_and_are_replaced_whole(tmp_path):
    path = tmp_path / "one.json"
    PLAIN.save(path)
    assert Scenario.load(path) == PLAIN
    other = dataclasses.replace(PLAIN, name="Other")
    other.save(path)
    assert Scenario.load(path) == other
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(FileError):
        Scenario.load(tmp_path / "none.json")
    with pytest.raises(FileError):
        PLAIN.save(tmp_path / "none" / "one.json")


# Workloads ----------------------------------------------------------------------------------------


def test_shares_thin_out_each_cpu_evenly():
    made = workload_of(Bursts(1, 1000, duration_ns=1_000_000, shares=(0.25, 1.0)), 2)
    assert np.bincount(made.cpu).tolist() == [250, 1000]
    assert set(np.diff(made.t_ns[made.cpu == 0])) == {4000}


def test_a_workload_knows_how_it_was_made():
    recipe = Bursts(2, 5000)
    assert load_of(workload_of(recipe, 3)) == recipe
    own = Workload(np.array([1, 2]), np.array([0, 1], np.uint16), np.array([3, 4], np.uint32))
    assert load_of(own) == Events(own)
    assert load_of(workload_of(Events(own), 5)) == Events(own)


def csv(path, times):
    path.write_text("timestamp_ns,cpu,size\n" + "".join(f"{t},0,32\n" for t in times))
    return path


def test_a_trace_is_found_beside_its_scenario_and_known_by_its_events(tmp_path):
    trace = csv(tmp_path / "mine.csv", range(100))
    scenario = Scenario("Mine", Trace.of(trace))
    scenario.save(tmp_path / "mine.json")
    text = (tmp_path / "mine.json").read_text()
    assert str(tmp_path) not in text
    assert len(Scenario.load(tmp_path / "mine.json").workload(1)) == 100


def test_a_trace_that_is_not_there_or_another_is_told(tmp_path):
    trace = csv(tmp_path / "yours.csv", range(100))
    Scenario("Yours", Trace.of(trace)).save(tmp_path / "yours.json")
    csv(trace, range(101))
    with pytest.raises(ConfigError, match="other events"):
        Scenario.load(tmp_path / "yours.json").workload(1)
    trace.unlink()
    with pytest.raises(FileError, match=r"not here: got 'yours.csv'"):
        Scenario.load(tmp_path / "yours.json").workload(1)


@pytest.mark.parametrize("name", ["../secret.csv", "/etc/passwd", "", ".."])
def test_a_trace_of_a_link_cannot_name_files_elsewhere(name):
    with pytest.raises(RelayError):
        Trace(name, "0" * 64).make(1)


def test_a_program_s_own_large_workload_is_refused_with_a_way_out():
    many = np.arange(20_001)
    own = Workload(many, np.zeros(20_001, np.uint16), np.ones(20_001, np.uint32))
    with pytest.raises(ConfigError, match="CSV"):
        Scenario("Own", Events(own)).to_json()


# The same frames elsewhere ------------------------------------------------------------------------

SHOW = """
import hashlib, sys
from relaylab.lab.beginning import begin
from relaylab.lab.compose import Composer
from relaylab.lab.frame import encode
from relaylab.lab.inspector import Inspector
from relaylab.lab.moment import look
from relaylab.lab.scenario import scenario_of

run = begin(scenario_of(sys.argv[1]))
looked, composer = Inspector(), Composer()
looked.select(0, 1, run)
for position in (None, 0, 57, 400, 13, 399):
    if position is not None:
        run.scrub(position)
    composer.start_run(True)
    composer.take_records(run.records())
    frame = composer.compose(run, look(run), looked, {"caption": run.caption}, "paused")
    print(run.position, hashlib.sha256(encode(frame)).hexdigest())
"""


def test_two_fresh_processes_show_the_same_frames_byte_for_byte(tmp_path):
    scenario = dataclasses.replace(
        next(one for one in presets.shipped() if one.name == "Late commit"),
        start=30,
        moves=2,
        actions=((20, 0, "flush"), (40, 1, "detach"), (200, 0, "attach"), (300, 0, "reset")),
        questions=(),
    )
    scenario.save(tmp_path / "one.json")
    told = [
        subprocess.run(
            [sys.executable, "-c", SHOW, given], capture_output=True, text=True, check=True
        ).stdout
        for given in (str(tmp_path / "one.json"), scenario.to_link())
    ]
    assert told[0] == told[1]
    assert [line.split()[0] for line in told[0].splitlines()] == [
        "30",
        "0",
        "57",
        "400",
        "13",
        "399",
    ]


def test_a_run_is_remembered_with_position_and_actions():
    shipped = next(one for one in presets.shipped() if one.name == "Late commit")
    run = begin(dataclasses.replace(shipped, questions=()))
    run.scrub(50)
    run.flush()
    run.scrub(120)
    kept = as_scenario(run, "Kept", "What was done.")
    again = begin(Scenario.from_json(kept.to_json()))
    assert (again.position, again.timeline.moves) == (run.position, run.timeline.moves)
    assert again.timeline.actions == ((50, 0, "flush"),)
    for mine, other in zip(run.channel.buffers, again.channel.buffers, strict=True):
        assert bytes(mine.memory) == bytes(other.memory)
        assert mine.stats == other.stats
    assert as_scenario(again) == kept
    run.close()
    again.close()


# The workbench ------------------------------------------------------------------------------------


@pytest.fixture
def workbench():
    made = []

    def make(**keywords):
        made.append(Workbench(**keywords))
        return made[-1]

    yield make
    for wb in made:
        wb.close()


def test_a_workbench_opens_a_scenario_and_gives_it_back(workbench, tmp_path):
    asked = next(one for one in presets.shipped() if one.name == "The event lost at unfull")
    asked.save(tmp_path / "one.json")
    for way in (asked, asked.to_link(), tmp_path / "one.json"):
        wb = workbench(scenario=way)
        assert wb.state["mode"] == "virtual"
        assert wb.state["position"] == asked.start
        assert dataclasses.replace(wb.scenario(), group=asked.group) == asked


def test_another_scenario_is_shown_in_the_same_workbench(workbench):
    wb = workbench()
    assert wb.state["mode"] == "live"
    wb.show(dataclasses.replace(presets.shipped()[5], name="Mine"))
    assert wb.state["mode"] == "virtual"
    assert wb._controls.chosen.name == "Mine"
    with pytest.raises(ConfigError):
        wb.show("?scenario=nothing")
    assert wb.state["mode"] == "virtual"


def test_a_scenario_whose_trace_is_not_here_leaves_what_was_open(workbench):
    wb = workbench()
    channel = wb.channel
    with pytest.raises(FileError, match="not here"):
        wb.show(Scenario("Gone", Trace("gone.csv", "0" * 64)))
    assert wb.channel is channel
    assert not channel.closed
    assert fingerprint(wb._session.run.workload)


def test_stop_condition_and_speed_are_the_scenario_s_until_a_person_chooses(workbench):
    slow = dataclasses.replace(PLAIN, time="virtual", stop_at="loss", speed=0.01)
    wb = workbench(scenario=slow)
    assert (wb.state["stop_at"], wb.state["speed"]) == ("loss", 0.01)
    wb.stop_at("full")
    wb.open(n_subbufs=3)
    assert (wb.state["stop_at"], wb.state["speed"]) == ("full", 0.01)
    wb.show(dataclasses.replace(PLAIN, name="Another", time="virtual"))
    assert (wb.state["stop_at"], wb.state["speed"]) == ("", None)


def test_marks_are_where_they_were(workbench):
    wb = workbench(scenario=dataclasses.replace(PLAIN, time="virtual"))
    for name, position in (("a", 3), ("b", 9)):
        wb.seek(position)
        wb.mark(name)
    again = workbench(scenario=wb.scenario().to_link())
    assert again.state["position"] == 9
    assert again.state["marks"] == wb.state["marks"]


def test_the_session_as_json_is_a_scenario(workbench):
    wb = workbench(scenario=dataclasses.replace(PLAIN, time="virtual"))
    wb.seek(7)
    wb.flush()
    sent = []
    wb._session._send = lambda content, buffers: sent.append((content, buffers))
    wb._session.do("export", view="v", name="session.json").result(60)
    (buffers,) = [buffers for content, buffers in sent if content["kind"] == "file"]
    assert Scenario.from_json(bytes(buffers[0]).decode()) == wb.scenario()
    assert wb.scenario().actions == ((7, 0, "flush"),)


def test_an_address_without_a_scenario_is_no_path():
    for address in ("http://localhost:8866/", "http://localhost:8866/?wall=1"):
        with pytest.raises(ConfigError, match="no scenario in this link"):
            scenario_of(address)
