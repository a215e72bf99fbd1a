"""The workbench as a Python program sees it; the views are played by the tests."""

import threading
import time

import numpy as np
import pytest

from relaylab import relayfs
from relaylab.core.journal import Kind
from relaylab.errors import ConfigError
from relaylab.lab import Workbench
from relaylab.lab.caption import describe
from relaylab.lab.frame import RECORD, FrameFlag, decode
from relaylab.lab.options import from_environment, to_environment
from relaylab.lab.peaks import Peaks
from relaylab.workload import bursts

LOAD = bursts(events=50, every="10 ms", size=64, n_cpus=2, duration="200 ms", seed=1)


@pytest.fixture
def workbench():
    made = []

    def make(*arguments, **keywords):
        keywords.setdefault("workload", LOAD)
        made.append(Workbench(*arguments, **keywords))
        return made[-1]

    yield make
    for wb in made:
        wb.close()


class Watcher:
    """A view: takes what the session sends and acknowledges it when told."""

    def __init__(self, wb):
        self.wb = wb
        self.frames = []
        self.asked = 0
        self.session = wb._session
        self.session._send = self.take
        self.say("hello")

    def take(self, content, buffers):
        if content["kind"] == "frame":
            self.frames.append(decode(buffers[0]))

    def say(self, what, **values):
        self.wb._take_message(None, {"do": what, "view": "v", **values}, [])

    def painted(self):
        self.say("painted", seq=self.frames[-1].seq)

    def until(self, condition):
        """Paint until a frame, the newest or a later one, fulfils the condition."""
        deadline = time.monotonic() + 120
        seen = max(0, len(self.frames) - 1)
        while time.monotonic() < deadline:
            while len(self.frames) > seen:  # each of them: several may have come at once
                frame = self.frames[seen]
                seen += 1
                self.painted()
                if condition(frame):
                    return frame
            time.sleep(0.005)
        raise AssertionError("no such frame came")


def wait_for(condition):
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def wait_until_done(wb):
    """What was asked for so far is done."""
    wb._session.do("say", text="").result(120)


def wait_until_still(wb):
    """Threads that were told to pause do so."""
    before, since = wb.state, time.monotonic()
    while time.monotonic() - since < 1.5:
        time.sleep(0.05)
        if (now := wb.state) != before:
            before, since = now, time.monotonic()


def lab_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("relaylab")]


def test_a_new_workbench_runs(workbench):
    wb = workbench()
    assert wb.state["status"] == "running"
    assert wb.state["mode"] == "live"
    assert wb.channel.n_cpus == 2


def test_it_opens_what_it_is_asked_for(workbench):
    wb = workbench(subbuf_size="1 KiB", n_subbufs=3, n_cpus=5, overwrite=True)
    chan = wb.channel
    assert (chan.subbuf_size, chan.n_subbufs, chan.n_cpus) == (1024, 3, 5)
    assert chan.overwrite
    wb.open(n_subbufs=7)
    assert (wb.channel.subbuf_size, wb.channel.n_subbufs) == (1024, 7)
    assert chan.closed


def test_a_size_that_is_not_allowed_leaves_the_channel_open(workbench):
    wb = workbench()
    chan = wb.channel
    with pytest.raises(ConfigError):
        wb.open(n_subbufs=0)
    assert wb.channel is chan
    assert not chan.closed


def test_closing_ends_all_threads_and_the_channel(workbench):
    wb = workbench()
    chan = wb.channel
    assert lab_threads()
    wb.close()
    assert chan.closed
    assert lab_threads() == []
    assert wb.state["status"] == "closed"


def test_several_workbenches_live_in_one_process(workbench):
    one, two = workbench(n_subbufs=3), workbench(n_subbufs=5)
    one.close()
    assert two.state["status"] == "running"
    assert not two.channel.closed


def test_it_watches_a_channel_of_the_users_own(workbench):
    fs = relayfs.RelayFS(n_cpus=3)
    chan = relayfs.relay_open("mine", None, 100, 4, False, None, fs=fs)
    wb = workbench(chan, workload=None)
    assert wb.channel is chan
    assert wb.state["status"] == "idle"
    watcher = Watcher(wb)
    for _ in range(3):
        chan.write(bytes(60), 1)
    frame = watcher.until(lambda frame: frame.totals[0] == 3)
    assert frame.cpus["produced"].tolist() == [0, 2, 0]
    wb.close()
    assert not chan.closed, "what the user opened is the user's to close"
    chan.close()


def test_a_first_frame_holds_everything_and_the_next_only_changes(workbench):
    wb = workbench(subbuf_size=4096, n_subbufs=8)
    watcher = Watcher(wb)
    first = watcher.until(lambda frame: True)
    assert first.flags & FrameFlag.FULL
    assert len(first.cells.index) == 16
    later = watcher.until(lambda frame: not frame.flags & FrameFlag.FULL)
    assert len(later.cells.index) < 16


def test_changes_put_together_are_the_whole(workbench):
    wb = workbench(subbuf_size=512, n_subbufs=8)
    watcher = Watcher(wb)
    watcher.until(lambda frame: frame.seq > 30)
    state = {}
    for frame in watcher.frames:
        state.update(zip(frame.cells.index.tolist(), frame.cells.state.tolist(), strict=True))
    watcher.say("pause")
    watcher.until(lambda frame: frame.status == "paused")
    wait_until_still(wb)
    count = len(watcher.frames)
    watcher.say("hello")
    whole = watcher.until(
        lambda frame: len(watcher.frames) > count and frame.flags & FrameFlag.FULL
    )
    for frame in watcher.frames:
        if frame is whole:
            break
        state.update(zip(frame.cells.index.tolist(), frame.cells.state.tolist(), strict=True))
    assert state == dict(zip(whole.cells.index.tolist(), whole.cells.state.tolist(), strict=True))


def test_a_view_that_does_not_paint_gets_three_frames_at_most(workbench):
    watcher = Watcher(workbench())
    wait_for(lambda: len(watcher.frames) == 3)
    time.sleep(0.5)
    assert len(watcher.frames) == 3
    watcher.painted()
    wait_for(lambda: len(watcher.frames) > 3)


def test_a_hidden_view_gets_nothing_until_it_is_shown(workbench):
    watcher = Watcher(workbench())
    watcher.until(lambda frame: True)
    watcher.say("visible", visible=False)
    wait_until_done(watcher.wb)
    count = len(watcher.frames)
    time.sleep(0.5)
    assert len(watcher.frames) == count
    watcher.say("visible", visible=True)
    assert watcher.until(lambda frame: len(watcher.frames) > count).flags & FrameFlag.FULL


def test_paused_flush_reset_and_close_are_painted(workbench):
    wb = workbench(subbuf_size=4096, n_subbufs=8)
    watcher = Watcher(wb)
    watcher.until(lambda frame: frame.totals[0] > 100)
    watcher.say("pause")
    watcher.until(lambda frame: frame.status == "paused")
    wait_until_still(wb)
    wb._controls.flush.click()
    watcher.until(lambda frame: "Flush" in frame.text["caption"])
    wb._controls.reset.click()
    frame = watcher.until(lambda frame: not frame.cpus["produced"].any())
    assert not frame.cpus["offset"].any()
    wb._controls.close_channel.click()
    frame = watcher.until(lambda frame: frame.status == "closed")
    assert wb.state["status"] == "closed"
    assert frame.totals[0] == wb.state["totals"]["written"] == wb.channel.stats.written
    wb._controls.open_channel.click()
    watcher.until(lambda frame: frame.status == "running")


def test_readers_come_and_go(workbench):
    wb = workbench(subbuf_size=512, n_subbufs=4)
    buf = wb.channel.buffers[0]
    with_one = buf.refcount
    assert with_one > 1, "the channel's own, and the reader's open file"
    wb._controls.detach.click()
    wait_until_done(wb)
    assert buf.refcount == 1
    watcher = Watcher(wb)
    watcher.until(lambda frame: (frame.cpus["produced"] - frame.cpus["consumed"] == 4).all())
    wb._controls.attach.click()
    wb._controls.attach.click()
    watcher.until(lambda frame: frame.cpus["refcount"][0] > with_one)


def test_stepping_in_live_time_goes_to_virtual_time(workbench):
    wb = workbench()
    watcher = Watcher(wb)
    watcher.say("move", by=1)
    watcher.until(lambda frame: bool(frame.flags & FrameFlag.VIRTUAL) and frame.totals[0] == 1)
    assert wb.state["mode"] == "virtual"
    assert wb.state["position"] == 1
    assert wb.state["status"] == "paused"
    watcher.say("move", by=-1)
    watcher.until(lambda frame: frame.totals[0] == 0)
    assert wb.state["position"] == 0


def test_the_rate_is_the_offered_events_a_second(workbench):
    wb = workbench(subbuf_size=4096, n_subbufs=64)
    assert wb._controls.rate.value == "10.5 k/s"
    wb._controls.rate.value = "2 k/s"
    wait_until_done(wb)
    assert wb._session.run.writers.speed == pytest.approx(2000 / LOAD.rate)
    wb._controls.rate.value = "max"
    wait_until_done(wb)
    assert wb._session.run.writers.speed == float("inf")
    offered = wb.channel.stats.offered
    wait_for(lambda: wb.channel.stats.offered > offered + 50_000)


def test_the_rate_shown_is_that_of_as_many_cpus(workbench):
    wb = workbench()
    wb._controls.n_cpus.value = 4
    wb._controls.open_channel.click()
    wait_until_done(wb)
    assert wb._controls.rate.value == "21.1 k/s"
    assert wb.channel.n_cpus == 4


def test_a_failure_is_shown_and_ends_the_writers(workbench):
    wb = workbench()
    watcher = Watcher(wb)
    watcher.until(lambda frame: True)
    run = wb._session.run

    def broken():
        raise ZeroDivisionError("look at this")

    run.records = broken
    frame = watcher.until(lambda frame: frame.status == "error")
    assert "look at this" in frame.text["caption"]
    assert wb.state["status"] == "error"
    assert run.writers is None
    wb.open()
    watcher.until(lambda frame: frame.status == "running")


def test_what_was_selected_is_read_through_a_mapping(workbench):
    wb = workbench(subbuf_size=4096, n_subbufs=4)
    watcher = Watcher(wb)
    watcher.until(lambda frame: frame.totals[0] > 100)
    watcher.say("pause")
    watcher.say("select", cpu=1, subbuf=0)
    frame = watcher.until(lambda frame: frame.status == "paused" and bool(frame.memory))
    assert frame.memory == bytes(wb.channel.buffers[1].memory[: len(frame.memory)])
    assert frame.text["inspector"]["cpu"] == 1
    wb._controls.close_channel.click()
    watcher.until(lambda frame: frame.status == "closed" and bool(frame.memory))


def asks(watcher, *commands):
    """Ask for all of this, answered or not, and wait for the frame after the last."""
    for n, (what, values) in enumerate(commands, watcher.asked + 1):
        watcher.say(what, n=n, **values)
    watcher.asked += len(commands)
    return watcher.until(lambda frame: frame.text["done"].get("v") == watcher.asked)


def test_moves_add_up_in_their_order_and_stop_at_both_ends(workbench):
    wb = workbench()
    watcher = Watcher(wb)
    asks(watcher, ("move", {"pages": 1}), ("move", {"by": 1}), ("move", {"by": 1}))
    n_events = wb._session.run.n_events
    page = round(n_events / 20)
    assert wb.state["position"] == page + 2
    asks(watcher, ("move", {"pages": -3}), ("move", {"by": 5}), ("move", {"by": -1}))
    assert wb.state["position"] == 4
    asks(watcher, ("scrub", {"share": 1.0}), ("move", {"pages": 1}), ("move", {"pages": -1}))
    frame = asks(watcher, ("move", {"by": 1}))
    assert wb.state["position"] == frame.text["position"] == n_events - page + 1
    asks(watcher, ("scrub", {"share": 0.0}), ("move", {"by": 3}), ("play", {}), ("pause", {}))
    assert wb.state["position"] >= 3


def test_a_frame_that_says_done_shows_the_state_after_it(workbench):
    watcher = Watcher(workbench())
    for by in (1, 5, -2, 700, -3):
        before = watcher.wb.state["position"] if watcher.asked else 0
        frame = asks(watcher, ("move", {"by": by}))
        totals = frame.totals
        assert frame.text["position"] == before + by
        assert totals[0] + totals[2] + totals[3] + totals[4] == before + by


def test_stepping_takes_no_notice_of_what_was_only_typed(workbench):
    wb = workbench(n_subbufs=6)
    wb._controls.n_subbufs.value = 9
    wb._controls.subbuf_size.value = "many"
    frame = asks(Watcher(wb), ("move", {"by": 1}))
    assert frame.flags & FrameFlag.VIRTUAL
    assert wb.channel.n_subbufs == 6
    assert frame.text["caption"].startswith("Virtual time now")
    assert wb._controls.n_subbufs.value == 9
    wb._controls.time_mode.value = "live"
    wait_until_done(wb)
    assert wb.state["mode"] == "live"
    assert wb.channel.n_subbufs == 6


def test_a_channel_closed_in_virtual_time_keeps_its_numbers_on_screen(workbench):
    wb = workbench()
    watcher = Watcher(wb)
    wb._session.do("set_time", virtual=True).result(60)
    wb._session.do("scrub", share=1.0).result(60)
    before = watcher.until(lambda frame: frame.text["position"] == len(LOAD))
    wb._controls.close_channel.click()
    frame = watcher.until(lambda frame: frame.status == "closed")
    assert frame.text["read"] == before.text["read"] > 0
    assert frame.totals.tolist() == before.totals.tolist()
    wb.open()
    assert wb.state["error"] == ""


def test_a_step_asked_for_after_close_opens_nothing(workbench):
    wb = workbench()
    watcher = Watcher(wb)
    wb._controls.close_channel.click()
    frame = asks(watcher, ("move", {"by": 1}), ("toggle", {}), ("scrub", {"share": 0.5}))
    assert frame.status == wb.state["status"] == "closed"
    assert wb._controls.time_mode.value == "live"


def test_a_channel_of_the_users_own_cannot_be_stepped_and_stays(workbench):
    fs = relayfs.RelayFS(n_cpus=1)
    chan = relayfs.relay_open("mine", None, 100, 4, False, None, fs=fs)
    wb = workbench(chan, workload=None)
    frame = asks(Watcher(wb), ("move", {"by": 1}))
    assert "workload" in frame.text["caption"]
    assert wb.state["status"] == "idle"
    assert wb.channel is chan
    wb.close()
    chan.close()


def test_selecting_a_cell_that_is_no_longer_there_is_no_failure(workbench):
    wb = workbench(n_subbufs=3)
    frame = asks(Watcher(wb), ("select", {"cpu": 7, "subbuf": 200}))
    assert frame.status == "running"
    assert frame.text["inspector"] is None


TYPED = {
    "subbuf_size": "4 KiB",
    "n_subbufs": "8",
    "n_cpus": "2",
    "rate": "2 k/s",
    "latency": "200 us",
    "speed": "max",
}


def test_open_takes_what_the_page_shows(workbench):
    wb = workbench()
    asks(Watcher(wb), ("open", {**TYPED, "overwrite": True}))
    assert (wb.channel.subbuf_size, wb.channel.n_subbufs) == (4096, 8)
    assert wb.channel.overwrite
    assert wb._controls.n_subbufs.value == 8


@pytest.mark.parametrize(
    ("typed", "wrong"),
    [
        ({"n_subbufs": "0"}, ["rl-n-subbufs"]),
        ({"n_cpus": "0", "rate": "often"}, ["rl-n-cpus", "rl-rate"]),
        ({"latency": "5", "speed": "0"}, ["rl-reader-latency", "rl-reader-speed"]),
        ({"n_subbufs": "1.5", "subbuf_size": "0"}, ["rl-n-subbufs", "rl-subbuf-size"]),
        ({"subbuf_size": "1 GiB"}, ["rl-n-cpus", "rl-n-subbufs", "rl-subbuf-size"]),
    ],
)
def test_open_marks_every_wrong_input_and_changes_nothing(workbench, typed, wrong):
    wb = workbench()
    chan = wb.channel
    watcher = Watcher(wb)
    frame = asks(watcher, ("open", {**TYPED, **typed, "overwrite": False}))
    assert sorted(frame.text["wrong"]) == wrong
    assert all(text in frame.text["caption"] for text in frame.text["wrong"].values())
    assert wb.channel is chan
    assert not chan.closed
    frame = asks(watcher, ("open", {**TYPED, "overwrite": False}))
    assert frame.text["wrong"] == {}
    assert chan.closed


def test_buttons_that_need_a_channel_are_disabled_without_one(workbench):
    wb = workbench()
    needing = wb._controls.needing_a_channel
    wait_for(lambda: not any(button.disabled for button in needing))
    wb._controls.close_channel.click()
    wait_for(lambda: all(button.disabled for button in needing))
    assert not wb._controls.open_channel.disabled
    wb._controls.open_channel.click()
    wait_for(lambda: not any(button.disabled for button in needing))


def test_the_options_of_the_demo_arrive(monkeypatch):
    options = to_environment(trace=None, subbuf_size=8192, n_subbufs=5, overwrite=True, speed=0.5)
    for name, value in options.items():
        monkeypatch.setenv(name, value)
    assert from_environment() == {
        "subbuf_size": 8192,
        "n_subbufs": 5,
        "overwrite": True,
        "speed": 0.5,
    }


def test_an_option_that_is_not_allowed_is_told_before_the_page_is_served():
    with pytest.raises(ConfigError, match="n_subbufs"):
        to_environment(trace=None, subbuf_size=None, n_subbufs=0, overwrite=False, speed=1.0)


def test_history_keeps_peaks_between_looks():
    peaks = Peaks(np.array([0, 0]))
    records = np.zeros(4, RECORD)
    records["kind"] = [Kind.PRODUCED, Kind.PRODUCED, Kind.CONSUMED, Kind.CONSUMED]
    records["produced"] = [1, 2, 2, 2]
    records["value"] = [0, 0, 1, 1]
    nothing = np.array([0, 0])
    assert peaks.take(records, nothing, np.array([2, 0])).tolist() == [2, 0]
    assert peaks.take(records[:0], nothing, np.array([2, 0])).tolist() == [0, 0]


def test_a_workbench_in_a_list_is_a_line(workbench):
    wb = workbench(subbuf_size=512, n_subbufs=3)
    wb.open(virtual=True)
    assert repr(wb).startswith("<Workbench idle, virtual time, on <Channel 'cpu': 2 CPUs x 3 sub-")
    wb.close()
    assert repr(wb).startswith("<Workbench closed, ")


@pytest.mark.parametrize("channel", [3, "cpu0", object])
def test_what_is_no_channel_is_refused(channel):
    with pytest.raises(ConfigError, match="relay_open returns"):
        Workbench(channel)


def test_what_a_cpu_had_consumed_in_a_row_is_told_as_one():
    with relayfs.RelayFS(n_cpus=2) as fs:
        chan = relayfs.relay_open("cpu", None, 16, 4, False, None, fs=fs)
        for cpu in (0, 1):
            for _ in range(4):
                chan.write(b"16 bytes, all of", cpu=cpu)
        chan.journal.read()
        for cpu, count in ((0, 1), (0, 1), (1, 2)):
            chan.subbufs_consumed(cpu, count)
        told = describe(chan.journal.read())
    assert told == "CPU 0 had 2 sub-buffers consumed, CPU 1 had 2 sub-buffers consumed."
