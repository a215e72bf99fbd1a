"""A program drives a workbench without a browser; what it gets can be kept."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
from lab.test_workbench import LOAD, Watcher, asks, wait_for

from relaylab.core.journal import Kind
from relaylab.errors import ClosedError, ConfigError, RelayError
from relaylab.lab import ReaderModel, Workbench

SLOW = ReaderModel(latency_ns=2_000_000, per_subbuf_ns=3_000_000)


@pytest.fixture
def workbench():
    made = []

    def make(**keywords):
        keywords = {
            "workload": LOAD,
            "subbuf_size": 512,
            "n_subbufs": 3,
            "reader": SLOW,
        } | keywords
        made.append(Workbench(**keywords))
        return made[-1]

    yield make
    for wb in made:
        wb.close()


@pytest.fixture
def wb(workbench):
    wb = workbench()
    wb.open(virtual=True)
    return wb


def test_virtual_time_is_opened_and_left_again(workbench):
    wb = workbench()
    assert wb.state["mode"] == "live"
    wb.open(virtual=True)
    assert (wb.state["mode"], wb.state["position"], wb.state["t_ns"]) == ("virtual", 0, 0)
    assert wb.channel.stats.offered == 0
    wb.open(n_subbufs=5)
    assert (wb.state["mode"], wb.channel.n_subbufs) == ("virtual", 5)
    wb.open(virtual=False)
    assert wb.state["mode"] == "live"


def test_every_call_is_done_when_it_returns(wb):
    assert wb.step().startswith("Event 1: ")
    assert wb.state["position"] == wb.channel.stats.offered == 1
    wb.step(4)
    assert wb.state["position"] == 5
    wb.step(-2)
    assert wb.state["position"] == 3
    wb.seek(100)
    assert wb.state["position"] == wb.channel.stats.offered == 100
    told = wb.step(by="transition")
    assert wb.state["caption"] == told
    wb.step(-1, by="transition")
    wb.flush()
    assert wb.channel.stats.switches > 0
    wb.reset()
    assert not wb.channel.snapshot().subbufs_produced.any()
    wb.play()
    wait_for(lambda: wb.state["position"] > 101)
    wb.pause()
    assert wb.state["status"] == "paused"


def test_a_time_is_sought(wb):
    wb.seek(t="30 ms")
    after = LOAD.t_ns - LOAD.t_ns[0] <= 30_000_000
    assert wb.state["position"] == after.sum()


def test_stepping_a_live_workbench_takes_it_to_virtual_time(workbench):
    wb = workbench()
    wb.step(3)
    assert (wb.state["mode"], wb.state["position"]) == ("virtual", 3)
    other = workbench()
    other.seek(t="10 ms")
    assert other.state["mode"] == "virtual"


def test_the_reader_of_virtual_time_comes_and_goes(wb):
    wb.seek(10)
    wb.detach_reader()
    wb.seek(len(LOAD))
    assert wb.channel.snapshot().is_full.all()
    wb.seek(10)
    wb.attach_reader()
    wb.step(10**6, by="transition")
    assert wb.channel.snapshot().is_empty.all()


def test_live_readers_come_and_go(workbench):
    wb = workbench()
    references = wb.channel.buffers[0].refcount
    wb.attach_reader(ReaderModel(latency_ns=1000), consumes=False)
    assert wb.channel.buffers[0].refcount == references + 1
    wb.detach_reader()
    assert wb.channel.buffers[0].refcount == references


def test_it_runs_until_what_is_waited_for(wb):
    assert wb.run_until("loss")
    assert wb.channel.stats.lost == 1
    assert wb.state["caption"].startswith("Stopped: ")
    assert not wb.run_until("deliver")


def test_a_question_of_a_preset_comes_first():
    wb = Workbench(preset="Late commit", virtual=True)
    assert not wb.run_until("deliver")
    assert wb.state["caption"].startswith("A question waits")
    wb.close()


def test_playing_stops_at_what_was_chosen(wb):
    wb.open(rate="max", virtual=True)
    wb.stop_at("full:1")
    assert wb.state["stop_at"] == "full:1"
    wb.play()
    wait_for(lambda: wb.state["status"] == "paused")
    assert wb.channel.snapshot().is_full[1]
    wb.stop_at()
    assert wb.state["stop_at"] == ""


def test_a_live_run_pauses_once_the_journal_tells_of_it(workbench):
    wb = workbench()
    wb.stop_at("loss")
    wait_for(lambda: wb.state["status"] == "paused")
    assert wb.channel.stats.lost > 0
    assert wb.state["caption"].startswith("Stopped: ")


def test_marks_tell_what_lies_between(wb):
    assert wb.mark("a") is None
    wb.seek(500)
    between = wb.mark("b")
    assert between["events"] == 500
    assert wb.state["marks"]["a"]["position"] == 0
    wb.clear_marks()
    assert wb.state["marks"]["difference"] is None
    wb.mark("a")
    wb.open()
    assert "a" not in wb.state["marks"]


def test_marks_work_in_live_time(workbench):
    wb = workbench()
    wb.mark("A")
    offered = wb.channel.stats.offered
    wait_for(lambda: wb.channel.stats.offered > offered + 100)
    assert wb.mark("b")["events"] >= 100
    assert wb.mark("b")["t_s"] > 0


@pytest.mark.parametrize(
    "wrong",
    [
        lambda wb: wb.step(1.5),
        lambda wb: wb.step(by="hour"),
        lambda wb: wb.seek(10**9),
        lambda wb: wb.seek(-1),
        lambda wb: wb.seek(),
        lambda wb: wb.seek(1, t="2 ms"),
        lambda wb: wb.stop_at("deliver:77"),
        lambda wb: wb.run_until("forever"),
        lambda wb: wb.set_speed(3),
        lambda wb: wb.mark("c"),
    ],
)
def test_what_is_not_allowed_is_refused_and_changes_nothing(wb, wrong):
    wb.seek(7)
    before = wb.state
    with pytest.raises(ConfigError):
        wrong(wb)
    after = wb.state
    for name in ("position", "t_ns", "status", "speed", "stop_at", "marks", "totals"):
        assert after[name] == before[name]


def test_without_a_channel_or_workbench_it_says_so(workbench):
    wb = workbench()
    wb._session.do("close").result(60)
    with pytest.raises(RelayError, match="no channel is open"):
        wb.step()
    wb.close()
    with pytest.raises(ClosedError):
        wb.step()


def test_many_workbenches_are_driven_at_once(workbench):
    all_of_them = [workbench(n_subbufs=n) for n in (2, 3, 4)]
    for wb in all_of_them:
        wb.open(virtual=True)
    for position, wb in enumerate(all_of_them, 10):
        wb.seek(position)
    assert [wb.state["position"] for wb in all_of_them] == [10, 11, 12]


# Records -----------------------------------------------------------------------------------------


def test_a_virtual_record_has_the_whole_way(wb):
    wb.seek(400)
    record = wb.record()
    assert wb.state["position"] == record.position == 400
    assert record.dropped == 0
    kinds = record.journal["kind"]
    assert list(kinds[:1]) == ["open"]
    assert (kinds == "produced").sum() == record.totals["switches"]
    lost = record.journal["value"][kinds == "loss"].sum()
    assert lost == record.totals["lost"] == wb.channel.stats.lost > 0
    assert record.journal["t_ns"].is_monotonic_increasing
    assert record.journal["t_ns"].max() <= record.t_ns
    assert record.series["t_s"].max() <= record.t_ns / 1e9
    assert {"occupancy_0", "occupancy_1", "written", "lost_full"} <= set(record.series)
    assert record.settings["subbuf_size"] == 512
    wb.seek(0)
    assert wb.record().totals["offered"] == 0


def test_a_live_record_has_what_the_journal_still_holds(workbench):
    wb = workbench()
    wait_for(lambda: wb.channel.stats.switches > 20)
    wb.pause()
    record = wb.record()
    assert record.mode == "live"
    assert (record.journal["kind"] == "produced").sum() >= 20
    assert wb.record().dropped == 0


def test_its_repr_is_worth_reading(wb):
    wb.seek(400)
    text = repr(wb.record())
    for part in ("2 CPUs × 3 sub-buffers of 512 B", "400 offered", "transitions", "samples"):
        assert part in text


def test_csv_and_json_hold_the_same(wb, tmp_path):
    wb.seek(400)
    record = wb.record()
    written = record.to_csv(tmp_path / "new" / "directory")
    assert sorted(path.name for path in written) == ["about.json", "journal.csv", "series.csv"]
    journal = pd.read_csv(tmp_path / "new" / "directory" / "journal.csv")
    assert journal.to_dict("list") == record.journal.astype({"kind": str}).to_dict("list")
    told = json.loads(record.to_json(tmp_path / "record.json").read_text())
    assert told["journal"]["kind"] == record.journal["kind"].tolist()
    assert told["totals"]["lost"] == record.totals["lost"]
    about = json.loads((tmp_path / "new" / "directory" / "about.json").read_text())
    assert about["settings"]["n_subbufs"] == 3


def test_parquet_holds_the_same(wb, tmp_path):
    wb.seek(400)
    record = wb.record()
    record.to_parquet(tmp_path)
    read = pd.read_parquet(tmp_path / "journal.parquet")
    pd.testing.assert_frame_equal(read, record.journal)
    series = pd.read_parquet(tmp_path / "series.parquet")
    np.testing.assert_array_equal(series.to_numpy(), record.series.to_numpy())


def test_without_pyarrow_it_says_how_to_get_it(wb, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigError, match=r"relaylab\[parquet\]"):
        wb.record().to_parquet(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["journal.csv", "series.csv", "journal.parquet"])
def test_a_page_is_sent_the_file_it_asks_for(wb, name):
    wb.seek(400)
    sent = []
    wb._session._send = lambda content, buffers: sent.append((content, buffers))
    wb._session.do("export", view="v", name=name).result(60)
    (content, buffers), *_ = [one for one in sent if one[0]["kind"] == "file"]
    assert (content["view"], content["name"]) == ("v", f"relaylab-{name}")
    if name == "journal.csv":
        assert buffers[0].decode() == wb.record().journal.to_csv(index=False)


def test_a_file_that_is_not_offered_is_refused(wb):
    with pytest.raises(ConfigError):
        wb._session.do("export", view="v", name="secrets.txt").result(60)


# Frames ------------------------------------------------------------------------------------------


def test_a_frame_tells_marks_speed_and_stop(workbench):
    wb = workbench()
    watcher = Watcher(wb)
    frame = asks(
        watcher,
        ("step", {"count": 2, "by": "transition"}),
        ("set_mark", {"name": "a"}),
        ("step", {"count": 5, "by": "transition"}),
        ("set_mark", {"name": "b"}),
        ("set_speed", {"speed": 0.1}),
        ("stop_at", {"condition": "full"}),
    )
    assert frame.text["speed"] == 0.1
    assert frame.text["stop_at"] == "full"
    assert frame.text["ab"]["difference"]["events"] > 0
    assert "A → B" in frame.text["ab"]["line"]


def test_a_click_in_the_journal_of_live_time_pauses_and_points_into_the_plots(workbench):
    wb = workbench()
    watcher = Watcher(wb)
    frame = watcher.until(lambda frame: len(frame.records) > 3 and len(frame.samples) > 0)
    record = frame.records[0]
    frame = asks(watcher, ("goto", {"t_ns": int(record["t_ns"]), "kind": int(record["kind"])}))
    assert frame.status == "paused"
    assert 0 <= frame.text["pointed_s"] <= frame.t_s


def test_going_to_a_record_in_virtual_time_shows_it(wb):
    watcher = Watcher(wb)
    wb.seek(400)
    loss = wb.record().journal.query("kind == 'loss'").iloc[-1]
    frame = asks(watcher, ("goto", {"t_ns": int(loss.t_ns), "kind": int(Kind.LOSS)}))
    assert round(frame.t_s * 1e9) == loss.t_ns
    assert "lost" in frame.text["caption"]
