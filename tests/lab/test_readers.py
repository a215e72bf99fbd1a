"""Readers of the workbench: in this process and as real second processes."""

import math
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from lab.test_workbench import Watcher, asks, wait_for, wait_until_done
from lab.test_workbench import workbench as workbench  # a fixture

from relaylab import relayfs
from relaylab.core.journal import Kind
from relaylab.errors import ConfigError, RelayError
from relaylab.lab.frame import WATCHED, CellState
from relaylab.lab.readers import MOST_READERS, Wish
from relaylab.lab.settings import ReaderModel
from relaylab.workload.process import ReaderProcess
from relaylab.workload.reader import Pace
from relaylab.workload.watch import Watch

pytestmark = pytest.mark.timeout(300)

linux = pytest.mark.skipif(sys.platform != "linux", reason="second processes need Linux")


def attach(wb, **wish):
    """Attach a reader and wait until it reads; its row in the list."""
    wb._session.do("attach", wish=Wish(**wish)).result(120)
    number = rows(wb)[-1]["n"]
    wait_for(lambda: not row(wb, number)["starting"])
    return row(wb, number)


def rows(wb):
    return wb._session.run.reader_rows()


def row(wb, number):
    return next(one for one in rows(wb) if one["n"] == number)


def alone(workbench, **settings):
    """A workbench without the reader that it begins with."""
    wb = workbench(**settings)
    wb._session.do("detach").result(120)
    assert rows(wb) == []
    return wb


def is_gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@linux
def test_a_second_process_maps_consumes_and_is_detached(workbench):
    wb = alone(workbench, subbuf_size=512, n_subbufs=4)
    buf = wb.channel.buffers[0]
    wait_for(lambda: buf.is_full)
    reader = attach(wb, is_process=True)
    assert psutil.Process(reader["pid"]).ppid() == os.getpid()
    assert buf.refcount == 2
    wait_for(lambda: row(wb, reader["n"])["read"] > 20)
    wait_for(lambda: buf.subbufs_consumed > 4)
    wb._controls.detach.click()
    wait_until_done(wb)
    assert rows(wb) == []
    assert is_gone(reader["pid"])
    wait_for(lambda: buf.refcount == 1)
    assert wb._session.run.subbufs_read >= 20


@linux
def test_a_second_process_that_only_watches_reads_but_never_consumes(workbench):
    wb = alone(workbench, subbuf_size=512, n_subbufs=4)
    wait_for(lambda: all(buf.is_full for buf in wb.channel.buffers))
    before = [buf.subbufs_consumed for buf in wb.channel.buffers]
    reader = attach(wb, is_process=True, consumes=False)
    wait_for(lambda: row(wb, reader["n"])["read"] == 8)
    assert [buf.subbufs_consumed for buf in wb.channel.buffers] == before
    assert all(buf.is_full for buf in wb.channel.buffers)


def test_a_reader_in_this_process_that_only_watches_reads_but_never_consumes(workbench):
    wb = alone(workbench, subbuf_size=512, n_subbufs=4)
    wait_for(lambda: all(buf.is_full for buf in wb.channel.buffers))
    before = [buf.subbufs_consumed for buf in wb.channel.buffers]
    reader = attach(wb, consumes=False)
    wait_for(lambda: row(wb, reader["n"])["read"] == 8)
    assert [buf.subbufs_consumed for buf in wb.channel.buffers] == before
    assert wb.channel.buffers[0].refcount == 2


@linux
def test_mapping_and_unmapping_are_in_the_journal_and_the_page(workbench):
    wb = alone(workbench, subbuf_size=4096, n_subbufs=8)
    watcher = Watcher(wb)
    seen = []

    def sees(kind):
        def look(frame):
            seen.extend(int(one) for one in frame.records["kind"])
            return kind in seen

        return look

    attach(wb, is_process=True, consumes=False)
    watcher.until(sees(Kind.MAPPED))
    frame = watcher.until(lambda frame: frame.cpus["refcount"][0] == 2)
    assert frame.text["reader_rows"][0]["consumes"] is False
    wb._session.do("detach").result(120)
    watcher.until(sees(Kind.UNMAPPED))
    watcher.until(lambda frame: frame.text["reader_rows"] == [])


@linux
def test_the_map_tells_where_it_is_read_and_where_it_is_looked_at(workbench):
    wb = alone(workbench, subbuf_size=512, n_subbufs=8)
    watcher = Watcher(wb)
    slow = ReaderModel(bytes_per_s=2000.0)
    attach(wb, is_process=True, model=slow)
    attach(wb, is_process=True, consumes=False, model=slow)
    watcher.until(lambda frame: (frame.cpus["reading"] >= 0).any())

    def all_cells(frame):
        watcher.say("hello")  # a frame with all cells
        state = frame.cells.state
        is_read = (state & (WATCHED - 1)) == CellState.READING
        return is_read.any() and (state & WATCHED).any()

    watcher.until(all_cells)


@linux
def test_a_killed_reader_is_told_and_leaves_no_reference(workbench):
    wb = alone(workbench, subbuf_size=4096, n_subbufs=8)
    watcher = Watcher(wb)
    reader = attach(wb, is_process=True)
    os.kill(reader["pid"], signal.SIGKILL)
    frame = watcher.until(lambda frame: "SIGKILL" in frame.text["caption"])
    assert "detached" in frame.text["caption"]
    assert row(wb, reader["n"])["ended"] == "killed by SIGKILL"
    wait_for(lambda: wb.channel.buffers[0].refcount == 1)
    assert wb._session.run.attached.attached == []
    asks(watcher, ("detach", {"number": reader["n"]}))
    assert rows(wb) == []
    assert wb.state["status"] == "running"


@linux
def test_closing_the_workbench_leaves_no_process_and_no_mount(workbench):
    wb = workbench()
    pids = [attach(wb, is_process=True, consumes=flag)["pid"] for flag in (True, False)]
    mountpoint = wb._session.run.fs.mountpoint
    wb.close()
    assert all(is_gone(pid) for pid in pids)
    assert not Path(mountpoint).exists()


@linux
def test_another_open_ends_the_readers_of_the_channel_before(workbench):
    wb = workbench()
    pid = attach(wb, is_process=True)["pid"]
    wb.open(n_subbufs=3)
    assert is_gone(pid)
    assert [one["pid"] for one in rows(wb)] == [None]


@linux
def test_a_channel_that_the_program_closes_lets_go_of_reader_processes(workbench):
    wb = workbench()
    pid = attach(wb, is_process=True)["pid"]
    wb.channel.close()
    wait_for(lambda: is_gone(pid))
    wb.open()
    assert wb.state["status"] == "running"


@linux
def test_a_stopped_process_is_detached_all_the_same(workbench):
    wb = workbench()
    pid = attach(wb, is_process=True)["pid"]
    os.kill(pid, signal.SIGSTOP)
    wb._session.do("detach").result(120)
    assert is_gone(pid)


@linux
def test_readers_end_with_the_process_that_attached_them(tmp_path):
    script = (
        "import os, time\n"
        "from relaylab.lab import Workbench\n"
        "from relaylab.lab.readers import Wish\n"
        "wb = Workbench()\n"
        "wb._session.do('attach', wish=Wish(is_process=True)).result(120)\n"
        "while wb._session.run.reader_rows()[-1]['starting']: time.sleep(0.05)\n"
        "print(wb._session.run.reader_rows()[-1]['pid'], flush=True)\n"
        "time.sleep(600)\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    pid = int(owner.stdout.readline())
    assert not is_gone(pid)
    owner.kill()
    owner.wait()
    owner.stdout.close()
    wait_for(lambda: is_gone(pid))


@linux
def test_one_reader_is_paused_while_the_others_go_on(workbench):
    wb = alone(workbench, subbuf_size=512, n_subbufs=8)
    first, second = attach(wb, is_process=True), attach(wb, is_process=True, consumes=False)
    wait_for(lambda: row(wb, second["n"])["read"] > 0)
    wb._session.do("pause_reader", number=second["n"], paused=True).result(120)
    time.sleep(0.5)  # what it had begun it finishes
    stands, goes = row(wb, second["n"])["read"], row(wb, first["n"])["read"]
    wait_for(lambda: row(wb, first["n"])["read"] > goes + 20)
    assert row(wb, second["n"])["read"] <= stands + 1
    wb._session.do("pause").result(120)
    wb._session.do("play").result(120)
    assert row(wb, second["n"])["paused"], "the run's pause does not end its own"
    wb._session.do("pause_reader", number=second["n"], paused=False).result(120)
    wait_for(lambda: row(wb, second["n"])["read"] > stands + 20)


@linux
def test_a_slow_watcher_skips_and_counts_what_it_missed(workbench):
    wb = workbench(subbuf_size=512, n_subbufs=4, reader=ReaderModel())
    reader = attach(
        wb, is_process=True, consumes=False, model=ReaderModel(per_subbuf_ns=50_000_000)
    )
    wait_for(lambda: row(wb, reader["n"])["skipped"] > 20)
    assert row(wb, reader["n"])["read"] > 0


def test_a_watcher_in_this_process_counts_what_it_missed():
    chan = relayfs.relay_open("c", None, 100, 4, True, None, fs=relayfs.RelayFS(n_cpus=1))
    watch = Watch(chan, Pace(per_subbuf_ns=200_000_000))
    watch.start()
    try:
        wait_for(lambda: [chan.write(bytes(60), 0), time.sleep(0.001), watch.skipped][2] > 20)
    finally:
        watch.stop()
        assert watch.join(60)
        chan.close()
    assert watch.error is None
    assert chan.stats.overwritten_unread_subbufs > 0, "it consumed nothing"


def test_as_many_readers_as_may_be(workbench):
    wb = workbench()
    for _ in range(MOST_READERS - 1):
        attach(wb)
    with pytest.raises(ConfigError, match="Detach one first"):
        wb._session.do("attach").result(120)
    assert len(rows(wb)) == MOST_READERS


def test_a_channel_of_the_users_own_has_readers_in_this_process_only(workbench):
    fs = relayfs.RelayFS(n_cpus=1)
    chan = relayfs.relay_open("mine", None, 100, 4, False, None, fs=fs)
    wb = workbench(chan, workload=None)
    with pytest.raises(RelayError, match="second process"):
        wb._session.do("attach", wish=Wish(is_process=True)).result(120)
    attach(wb, consumes=False)
    attach(wb)
    chan.write(bytes(60), 0)
    chan.write(bytes(60), 0)
    wait_for(lambda: chan.buffers[0].subbufs_consumed == 1)
    wb.close()
    chan.close()


@linux
def test_a_process_that_cannot_open_the_files_says_why(tmp_path):
    process = ReaderProcess([str(tmp_path / "cpu0")], True, Pace())
    try:
        wait_for(process.why_ended)
        assert "no such file" in process.why_ended()
        assert "no such file" in process.why_ended(), "also when asked again"
    finally:
        process.stop()


def test_attach_takes_what_the_page_shows(workbench):
    wb = workbench()
    typed = {"latency": "3 ms", "speed": "5 MB/s", "where": 0, "does": 1}
    asks(Watcher(wb), ("attach", typed))
    assert rows(wb)[-1]["pace_in_full"] == "3 ms latency, 5 MB/s"
    assert rows(wb)[-1]["consumes"] is False
    assert rows(wb)[0]["pace_in_full"] != "3 ms latency, 5 MB/s", "the others keep theirs"


@pytest.mark.parametrize(("latency", "speed"), [("soon", "max"), ("1 ms", "0"), ("1 h", "max")])
def test_a_wrong_latency_or_speed_is_marked_and_attaches_nobody(workbench, latency, speed):
    wb = workbench()
    typed = {"latency": latency, "speed": speed, "where": 0, "does": 0}
    frame = asks(Watcher(wb), ("attach", typed))
    assert len(frame.text["wrong"]) == 1
    assert next(iter(frame.text["wrong"].values())) in frame.text["caption"]
    assert len(rows(wb)) == 1


def test_open_begins_with_a_reader_of_the_latency_and_speed_shown(workbench):
    wb = workbench()
    wb._controls.latency.value, wb._controls.speed.value = "2 ms", "max"
    wb._controls.open_channel.click()
    wait_until_done(wb)
    assert rows(wb)[0]["pace_in_full"] == "2 ms latency, max"


@linux
@pytest.mark.parametrize("begins_at_full_speed", [True, False])
def test_readers_let_others_go_first_while_writers_are_at_full_speed(
    workbench, begins_at_full_speed
):
    wb = workbench(n_cpus=1)
    wb.open(rate="max" if begins_at_full_speed else "1000")
    attach(wb, model=ReaderModel())
    for is_full_speed in (begins_at_full_speed, not begins_at_full_speed):
        wb._session.do("set_rate", rate=math.inf if is_full_speed else 1000.0).result(120)
        wait_for(lambda expected=is_full_speed: policies() == {expected})


def policies():
    """Whether the writers and readers of this process let others go first."""
    return {
        os.sched_getscheduler(thread.native_id) == os.SCHED_BATCH
        for thread in threading.enumerate()
        if thread.name.startswith("relaylab ")
    }
