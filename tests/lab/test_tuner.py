"""What a person types into the tuner, and what it answers."""

import dataclasses
import json
import math
import queue
import tempfile
import threading
from pathlib import Path

import numpy as np
import pytest
from lab.test_workbench import wait_for

import relaylab
from relaylab import ClosedError, ConfigError
from relaylab.lab import Settings, Tuning, Workbench
from relaylab.lab.shapes import read_tuning, typed_for
from relaylab.lab.tuner import Tuner
from relaylab.workload import bursts, load

TYPED = {
    "size_from": "4 KiB",
    "size_to": "32 KiB",
    "count_from": "2",
    "count_to": "16",
    "latency": "500 us",
    "per_subbuf": "10 us",
    "speed": "6.3 MB/s",
    "overhead": "10",
    "header": "84",
    "event_size": "",
    "rules": "linux",
}


def test_a_grid_doubles_from_the_smallest_to_the_largest():
    tuning = read_tuning(TYPED)
    assert tuning.subbuf_sizes == (4096, 8192, 16384, 32768)
    assert tuning.n_subbufs == (2, 4, 8, 16)
    assert (tuning.latency_ns, tuning.per_subbuf_ns) == (500_000, 10_000)
    assert tuning.bytes_per_s == pytest.approx(6.3e6)
    assert (tuning.event_overhead, tuning.subbuf_header, tuning.rules) == (10, 84, "linux")
    assert tuning.event_size is None


def test_full_speed_and_event_size_are_understood():
    tuning = read_tuning(TYPED | {"speed": "max", "event_size": "128"})
    assert math.isinf(tuning.bytes_per_s)
    assert tuning.event_size == 128


@pytest.mark.parametrize(
    ("key", "text", "named"),
    [
        ("size_from", "12", "smallest sub-buffer size"),
        ("size_to", "2 KiB", "largest sub-buffer size"),
        ("size_to", "many", "largest sub-buffer size"),
        ("count_from", "0", "fewest sub-buffers"),
        ("count_to", "1.5", "most sub-buffers"),
        ("count_to", "1", "most sub-buffers"),
        ("latency", "soon", "latency"),
        ("speed", "0", "speed"),
        ("overhead", "-1", "bytes added to an event"),
        ("rules", "bsd", "rules"),
        ("event_size", "x", "event size"),
    ],
)
def test_a_wrong_input_is_named_with_what_was_typed(key, text, named):
    with pytest.raises(ConfigError) as error:
        read_tuning(TYPED | {key: text})
    assert named in str(error.value)
    assert text in str(error.value)


def test_a_range_too_wide_to_be_looked_at_is_refused():
    with pytest.raises(ConfigError, match="doublings"):
        read_tuning(TYPED | {"size_from": "64", "size_to": "1 GiB"})


LOAD = bursts(events=100, every="1 ms", size=100, n_cpus=2, duration="50 ms", seed=3)
TUNING = Tuning((512, 1024, 2048), (2, 4, 8), latency_ns=300_000, event_overhead=10)
ASKED = TYPED | {
    "trace": "on screen",
    "size_from": "512",
    "size_to": "2 KiB",
    "count_to": "8",
    "latency": "300 us",
}


class Page:
    """A tuner, what it tells, and what is played."""

    def __init__(self, shown=LOAD):
        self.told, self.played = queue.SimpleQueue(), queue.SimpleQueue()
        self.tuner = Tuner(
            self.told.put,
            lambda: (shown, Settings(rules="linux", header=16)),
            lambda *run: self.played.put(run),
        )

    def say(self, what, *buffers, **content):
        self.tuner.take(f"tuner_{what}", content, list(buffers))

    def until(self, condition):
        while not condition(told := self.told.get(timeout=120)):
            pass
        return told

    def until_status(self, *wanted):
        return self.until(lambda told: told["status"] in wanted)

    def drop(self, path, piece=1 << 20):
        content = path.read_bytes()
        for at in range(0, len(content), piece):
            last = at + piece >= len(content)
            self.say("drop", memoryview(content[at : at + piece]), name=path.name, at=at, last=last)


@pytest.fixture
def page():
    page = Page()
    yield page
    page.tuner.end()


@pytest.fixture
def slow(monkeypatch):
    """Sweeps whose cells wait until a semaphore is released, each."""
    gate, begun = threading.Semaphore(0), threading.Semaphore(0)

    def cells(workload, sizes, counts, *, stop, **options):
        for cell in relaylab.tuning.sweeping.sweep_cells(workload, sizes, counts, **options):
            begun.release()
            while not gate.acquire(timeout=0.01):
                if stop.is_set():
                    return
            yield cell

    monkeypatch.setattr("relaylab.lab.shapes.sweep_cells", cells)
    return gate, begun


def test_the_workbench_answers_as_relaylab_sweep_does_and_keeps_the_run_on_screen():
    wb = Workbench(workload=LOAD, virtual=True)
    try:
        before = wb.state
        answer = wb.tune(TUNING)
        grid = relaylab.sweep(
            LOAD, TUNING.subbuf_sizes, TUNING.n_subbufs, TUNING.reader, event_overhead=10
        )
        found = [[answer.loss[size, n] for n in TUNING.n_subbufs] for size in TUNING.subbuf_sizes]
        assert np.array_equal(found, grid.loss_fraction)
        assert grid.loss_fraction.max() > 0
        assert grid.loss_fraction.min() == 0
        least = relaylab.frontier(LOAD, TUNING.subbuf_sizes, TUNING.reader, event_overhead=10)
        assert list(answer.least.values()) == list(least.n_subbufs)
        assert repr(answer.advice) == repr(relaylab.advise(LOAD, **TUNING.options))
        assert (
            wb.tune(dataclasses.replace(TUNING, n_subbufs=(2,)), LOAD).loss[512, 2] == found[0][0]
        )
        assert wb.state == before
        with pytest.raises(ConfigError):
            wb.tune(Tuning((0,), (2,)))
    finally:
        wb.close()
    with pytest.raises(ClosedError):
        wb.tune(TUNING)


def test_what_is_told_of_a_sweep_is_json_and_complete_at_its_end(page):
    page.say("sweep", **ASKED)
    told = page.until_status("done")
    assert json.loads(json.dumps(told)) == told
    assert (told["done"], told["of"]) == (9, 9)
    one = relaylab.simulate(
        LOAD,
        1024,
        4,
        read_tuning(ASKED).reader,
        rules="linux",
        event_overhead=10,
        subbuf_header=84,
    )
    assert told["loss"][1][1] == one.loss_fraction


def test_a_view_that_opens_late_gets_the_answer_the_traces_and_the_inputs_for_the_run(page):
    page.say("sweep", **ASKED)
    done = page.until_status("done")
    page.say("hello")
    told = page.until(lambda told: "traces" in told)
    assert told["loss"] == done["loss"]
    assert told["traces"][0] == "on screen"
    assert told["shown"] == typed_for(Settings(rules="linux", header=16))


def test_a_sweep_is_stopped_and_keeps_what_it_found(page, slow):
    gate, begun = slow
    page.say("sweep", **ASKED)
    gate.release()
    begun.acquire(timeout=120)
    begun.acquire(timeout=120)  # the first is done
    page.say("stop")
    told = page.until_status("stopped", "done")
    assert told["status"] == "stopped"
    assert told["done"] == 1
    assert "advice" not in told


def test_of_several_sweeps_only_the_newest_is_answered_in_full(page, slow):
    gate, _ = slow
    for fewest in ("2", "4", "8"):
        page.say("sweep", **ASKED | {"count_from": fewest})
    told = page.until(lambda told: told.get("counts") == [8])
    assert told["status"] == "running"
    gate.release(3)
    assert page.until_status("done")["counts"] == [8]


def test_a_sweep_that_was_stopped_before_it_began_does_not_begin(page, slow):
    _, begun = slow
    page.say("sweep", **ASKED)
    begun.acquire(timeout=120)
    page.say("sweep", **ASKED | {"count_from": "4"})
    page.say("stop")
    told = page.until(lambda told: told.get("counts") == [4, 8] and told["status"] != "running")
    assert (told["status"], told["done"]) == ("stopped", 0)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [({"count_from": "0"}, "fewest"), ({"trace": "nowhere.csv"}, "nowhere.csv")],
)
def test_what_is_refused_leaves_the_answer_before(page, wrong, named):
    page.say("sweep", **ASKED)
    before = page.until_status("done")
    page.say("sweep", **ASKED | wrong)
    told = page.until_status("refused")
    assert named in told["said"]
    assert told["loss"] == before["loss"]
    page.say("play", subbuf_size=512, n_subbufs=2)
    tuning, workload, *shape = page.played.get(timeout=120)
    assert (tuning, workload, shape) == (read_tuning(ASKED), LOAD, [512, 2])


def test_without_a_workload_on_screen_a_trace_is_asked_for():
    page = Page(shown=None)
    page.say("sweep", **ASKED)
    assert "Choose a recorded trace" in page.until_status("refused")["said"]
    page.tuner.end()


def test_a_trace_is_dropped_in_pieces_swept_and_removed_at_the_end(page, tmp_path):
    file = tmp_path / "mine.csv"
    rows = "".join(f"{100 * i},{i % 2},{32 + i % 64}\n" for i in range(3000))
    file.write_text("t_ns,cpu,size\n" + rows)
    page.drop(file, piece=10_000)
    told = page.until(lambda told: told.get("chosen") == "mine.csv")
    assert "mine.csv" in told["traces"]
    (kept,) = Path(tempfile.gettempdir()).glob("relaylab-trace-*/mine.csv")
    assert kept.read_bytes() == file.read_bytes()
    page.say("sweep", **ASKED | {"trace": "mine.csv", "rules": "relayfs", "header": "0"})
    told = page.until_status("done", "refused")
    expected = relaylab.simulate(load(file), 512, 2, read_tuning(ASKED).reader, event_overhead=10)
    assert told["loss"][0][0] == expected.loss_fraction > 0
    page.tuner.end()
    assert not kept.parent.exists()
    page.say("sweep", **ASKED)  # nobody answers any more, and nobody waits


def test_a_played_shape_loses_what_was_simulated():
    wb = Workbench(workload=LOAD, virtual=True)
    try:
        answer = wb.tune(TUNING)
        wb._tuner.take("tuner_play", {"subbuf_size": 512, "n_subbufs": 4}, [])
        wb._tuner.sweep(Tuning((512,), (4,)), LOAD)  # it waits its turn
        wb._session.do("scrub", share=1)
        wait_for(lambda: wb.state["position"] == len(LOAD))
        lost = wb.state["totals"]["lost_full"] + wb.state["totals"]["lost_unfull"]
        assert lost == round(answer.loss[512, 4] * len(LOAD)) > 0
        assert (wb.channel.subbuf_size, wb.channel.n_subbufs) == (512, 4)
    finally:
        wb.close()
