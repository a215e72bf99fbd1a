"""What a program may pass by mistake: a typed error, and what was open stays open."""

import math
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from relaylab import ClosedError, ConfigError
from relaylab.lab import Bursts, ReaderModel, Scenario, Settings, Tuning, Workbench
from relaylab.lab.tuner import Tuner


@pytest.fixture(scope="module")
def shared():
    wb = Workbench(virtual=True)
    yield wb
    wb.close()


@pytest.fixture
def wb(shared):
    channel = shared.channel
    yield shared
    assert shared.channel is channel, "a mistake opens nothing"
    assert not channel.closed, "a mistake closes nothing"
    assert shared.state["status"] != "error"


@pytest.mark.parametrize(
    "mistake",
    [
        lambda wb: wb.open(n_subbufs="4"),
        lambda wb: wb.open(n_subbufs=2.5),
        lambda wb: wb.open(n_cpus=True),
        lambda wb: wb.open(speed="fast"),
        lambda wb: wb.open(speed=math.nan),
        lambda wb: wb.tune("all"),
        lambda wb: wb.tune(Tuning((4096,), (2,)), "trace.csv"),
        lambda wb: wb.attach_reader("slow"),
        lambda wb: wb.detach_reader("first"),
        lambda wb: wb.run_until(""),
        lambda wb: wb.run_until("deliver:99"),
        lambda wb: wb.show(5),
    ],
)
def test_a_mistake_is_a_config_error_and_changes_nothing(wb, mistake):
    with pytest.raises(ConfigError):
        mistake(wb)


@pytest.mark.parametrize(
    "arguments",
    [{"workload": 5}, {"channel": 5}, {"reader": "slow"}, {"n_subbufs": "4"}, {"speed": "fast"}],
)
def test_a_workbench_of_wrong_arguments_is_refused(arguments):
    before = threading.active_count()
    with pytest.raises(ConfigError):
        Workbench(**arguments)
    assert threading.active_count() == before


@pytest.mark.parametrize(
    "make",
    [
        lambda: ReaderModel(latency_ns="1 ms"),
        lambda: ReaderModel(bytes_per_s=0),
        lambda: Settings(subbuf_size=4096.0),
        lambda: Settings(reader=None),
        lambda: Scenario("x", source="trace.csv"),
        lambda: Scenario("x", Bursts(), settings=None),
        lambda: Scenario("x", Bursts(), questions=("what?",)),
        lambda: Scenario.from_json(b"{}"),
        lambda: Scenario.from_link(None),
    ],
)
def test_what_cannot_be_is_refused_where_it_is_made(make):
    with pytest.raises(ConfigError):
        make()


def test_numbers_of_numpy_are_numbers():
    reader = ReaderModel(latency_ns=np.int64(5), bytes_per_s=np.float32(1e6))
    settings = Settings(np.int64(4096), np.uint32(4), reader=reader)
    made = Scenario("x", Bursts(), settings)
    assert Scenario.from_json(made.to_json()) == made


def test_a_link_cannot_ask_for_more_events_than_a_machine_holds():
    bursts = Bursts(events=1_000_000, every_ns=1_000_000, duration_ns=4_000_000)
    with pytest.raises(ConfigError, match="events in all"):
        Scenario("x", bursts, Settings(n_cpus=64)).workload(64)


@pytest.mark.parametrize(
    "call",
    [
        lambda wb: wb.open(),
        lambda wb: wb.code(),
        lambda wb: wb.step(),
        lambda wb: wb.show(Scenario("x", Bursts())),
        lambda wb: wb.tune(Tuning((4096,), (2,))),
    ],
)
def test_a_closed_workbench_says_so_at_once(call):
    wb = Workbench(virtual=True)
    wb.close()
    with pytest.raises(ClosedError):
        call(wb)


TOO_LARGE = """
import resource
from pathlib import Path
from relaylab import ResourceError
from relaylab.lab import Workbench

wb = Workbench()
channel = wb.channel
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), resource.RLIM_INFINITY))
try:
    wb.open(subbuf_size="16 MiB", n_subbufs=16, n_cpus=2, virtual=True)
except ResourceError:
    state = wb.state
    print("refused", wb.channel is channel, channel.closed, state["status"], state["mode"])
    print(wb._controls.time_mode.value)
wb.close()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="takes its memory from /proc")
def test_a_channel_that_memory_is_refused_for_leaves_the_one_before_at_work():
    done = subprocess.run(
        [sys.executable, "-c", TOO_LARGE], capture_output=True, text=True, timeout=120
    )
    told = ["refused", "True", "False", "running", "live", "live"]
    assert done.stdout.split() == told, done.stderr


# The tuner's queue ---------------------------------------------------------------------------


@pytest.fixture
def tuner():
    told = []
    made = Tuner(told.append, lambda: (None, None), lambda *_: None)
    made.told = told
    yield made
    made.end()


def drop(tuner, name, at, piece, last=True):
    content = {"name": name, "at": at, "last": last}
    tuner.take("tuner_drop", content, [memoryview(piece)])
    done = threading.Event()
    tuner._queue(done.set)
    assert done.wait(30)
    return tuner.told


@pytest.mark.parametrize("name", ["../x.csv", "/tmp/x.csv", "..", ".", "", "a\0b", "on screen"])
def test_a_dropped_file_cannot_choose_its_directory(tuner, name):
    assert drop(tuner, name, 0, b"piece")[-1]["status"] == "refused"


def test_pieces_that_do_not_follow_each_other_are_refused(tuner):
    drop(tuner, "x.csv", 0, b"12345", last=False)
    assert drop(tuner, "x.csv", 4, b"678")[-1]["status"] == "refused"
    assert "x.csv" not in tuner.told[-1].get("traces", ())


def test_a_question_that_was_stopped_before_its_turn_is_not_answered(tuner):
    wait, begun = threading.Event(), threading.Event()
    tuner._queue(lambda: (begun.set(), wait.wait(30)))
    assert begun.wait(30)
    answers = []
    workload = Bursts(events=100).make(1)
    asking = threading.Thread(
        target=lambda: answers.append(tuner.sweep(Tuning((4096,), (2, 4)), workload))
    )
    asking.start()
    while tuner._jobs.qsize() == 0:
        time.sleep(0.001)
    tuner.take("tuner_stop", {}, [])
    wait.set()
    asking.join(60)
    assert answers[0].advice is None
