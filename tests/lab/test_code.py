"""The code beside the ring: plain Python on a copy of the state ends where the engine did."""

import dataclasses
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core import config

from relaylab import core, relayfs
from relaylab.channel.channel import memories
from relaylab.core import operations, ring
from relaylab.errors import EventTooLargeError, RelayError
from relaylab.lab import Workbench
from relaylab.lab.settings import ReaderModel, Settings
from relaylab.lab.stepcode import StepCode
from relaylab.lab.timeline import Timeline
from relaylab.lab.twin import plain_operations
from relaylab.lab.virtual import VirtualRun
from relaylab.lab.witness import Beside, Witness
from relaylab.workload import Workload

SMALL = Settings(
    subbuf_size=64,
    n_subbufs=2,
    n_cpus=1,
    reader=ReaderModel(latency_ns=1_000_000_000),
)


def load_of(*sizes, cpus=None, gap_ns=1000):
    count = len(sizes)
    cpu = np.zeros(count, np.uint16) if cpus is None else np.array(cpus, np.uint16)
    n_cpus = int(cpu.max(initial=0)) + 1
    return Workload(np.arange(count) * gap_ns, cpu, np.array(sizes, np.uint32), n_cpus)


def steps_of(shape, load):
    """The code of each step of a whole run."""
    timeline, beside = Timeline(shape, load), Beside()
    codes = []
    with beside.shown():
        for position in range(1, len(timeline) + 1):
            with beside.step(timeline):
                timeline.forward(position)
            codes.append(beside.code)
    timeline.close()
    return codes


def taken(code, function, line_text):
    """Whether the test in the line that begins like this was found true."""
    for operation in code.operations:
        for call in operation.calls:
            for line, text in call.source.lines.items():
                if call.source.name == function and text.strip().startswith(line_text):
                    return call.taken(line)
    raise AssertionError(f"{function} did not run:\n{code}")


def values(code):
    """All that was told to have changed."""
    return [
        value
        for operation in code.operations
        for call in operation.calls
        for told in call.ran.values()
        for value in told
    ]


@settings(deadline=None)
@given(data=st.data())
def test_the_plain_code_ends_where_the_engine_did_in_random_scenarios(data):
    shape = Settings(
        subbuf_size=data.draw(st.integers(16, 80)),
        n_subbufs=data.draw(st.integers(1, 4)),
        n_cpus=data.draw(st.integers(1, 3)),
        overwrite=data.draw(st.booleans()),
        reader=ReaderModel(
            latency_ns=data.draw(st.integers(0, 5000)),
            per_subbuf_ns=data.draw(st.integers(0, 5000)),
        ),
        header=data.draw(st.integers(0, 8)),
        store_padding=data.draw(st.booleans()),
        commit_delay=data.draw(st.sampled_from([0, 0, 500, 3000])),
    )
    sizes = data.draw(st.lists(st.integers(0, 90), min_size=1, max_size=25))
    cpus = data.draw(
        st.lists(st.integers(0, shape.n_cpus - 1), min_size=len(sizes), max_size=len(sizes))
    )
    load = load_of(*sizes, cpus=cpus)
    witnessed, plain, beside = Timeline(shape, load), Timeline(shape, load), Beside()
    with beside.shown():
        for position in range(1, len(sizes) + 1):
            with beside.step(witnessed):
                witnessed.forward(position)
            plain.forward(position)
            assert beside.code.error == ""
            assert len(beside.code) > 3
            action = data.draw(st.sampled_from(["", "", "", "flush", "reset", "detach", "attach"]))
            if action:
                with beside.step(witnessed):
                    witnessed.act(action)
                plain.act(action)
                assert beside.code.error == ""
                told = {operation.told for operation in beside.code.operations}
                assert any(action in one for one in told) == (action in ("flush", "reset"))
    for one, other in zip(memories(witnessed.channel), memories(plain.channel), strict=True):
        assert one.control.tobytes() == other.control.tobytes()
        assert one.data.bytes.tobytes() == other.data.bytes.tobytes()
    witnessed.close()
    plain.close()


def test_reserve_and_commit_are_told_too_and_bytes_of_the_writer_are_no_difference():
    with relayfs.RelayFS(n_cpus=1) as fs:
        client = relayfs.Callbacks.reserving(8, store_padding=True)
        chan = relayfs.relay_open("cpu", None, 64, 4, True, client, fs=fs)
        for _ in range(12):
            witness = Witness(chan, 0)
            slot = witness.reserve(20, 0)
            slot.view[:] = b"x" * 20
            code = witness.code()
            assert code.error == ""
            assert "reserve" in {line.function for line in code}
            witness = Witness(chan, 0)
            witness.commit(0, slot.offset, 20)
            code = witness.code()
            assert code.error == ""
            assert any(value.startswith("commit[") for value in values(code))
        assert chan.stats.delivered > 0


@settings(deadline=None)
@given(
    sizes=st.lists(st.integers(0, 70), max_size=30),
    overwrite=st.booleans(),
    consumed=st.lists(st.integers(0, 2), min_size=30, max_size=30),
)
def test_the_rules_of_todays_kernel_run_as_plain_code_too(sizes, overwrite, consumed):
    with relayfs.RelayFS(n_cpus=1) as fs:
        chan = relayfs.relay_open("cpu", None, 64, 3, overwrite, None, fs=fs, rules="linux")
        for size, count in zip(sizes, consumed, strict=False):
            witness = Witness(chan, 0)
            with suppress(EventTooLargeError):
                witness.write(bytes(size), 0)
            witness.subbufs_consumed(0, count)
            assert witness.code().error == ""


def test_another_end_than_the_engines_is_told():
    timeline = Timeline(SMALL, load_of(10))
    witness = Witness(timeline.channel, 0)
    witness.write(bytes(10), 0)
    memories(timeline.channel)[0].control["written"] += 5
    memories(timeline.channel)[0].data.bytes[3] = 77
    error = witness.code().error
    assert "written is 1, in the engine 6" in error
    assert "byte[3] is 0, in the engine 77" in error
    timeline.close()


def test_an_event_that_fits_runs_no_switch():
    (code,) = steps_of(SMALL, load_of(10))
    assert [line.function for line in code][:1] == ["write"]
    assert "switch" not in {line.function for line in code}
    assert "offset 0 → 10" in values(code)
    assert code[0].source.startswith("if buf.offset + length > buf.subbuf_size")
    assert code.operations[0].told == "CPU 0: write of 10 bytes: written"


def test_a_switch_shows_padding_produced_and_the_next_sub_buffer():
    *_, code = steps_of(SMALL, load_of(40, 40))
    assert taken(code, "switch", "if unfull:") is False
    assert taken(code, "switch", "if full") is False
    assert taken(code, "_produce", "if not full:") is True
    assert {"padding[0] 0 → 24", "produced 0 → 1", "offset 64 → 0", "offset 0 → 40"} <= {
        *values(code)
    }


def test_the_branch_says_why_an_event_is_lost():
    """Two sub-buffers, a reader that comes after the fourth event: full, then unfull."""
    reader = ReaderModel(latency_ns=2500)
    codes = steps_of(dataclasses.replace(SMALL, reader=reader), load_of(40, 40, 40, 40, 40, 40))
    full, unfull, written = codes[2], codes[4], codes[5]
    assert taken(full, "_produce", "if not full:") is False
    assert "lost_full 0 → 1" in values(full)
    assert taken(unfull, "switch", "if unfull:") is True
    assert "lost_unfull 0 → 1" in values(unfull)
    assert unfull.operations[0].told == "CPU 0: the reader has consumed 1 sub-buffer"
    assert "_consume" in {line.function for line in unfull}
    assert written.operations[-1].told.endswith("written")


def test_too_large_events_are_refused_in_sight():
    (code,) = steps_of(SMALL, load_of(65))
    assert "lost_too_large 0 → 1" in values(code)
    assert code.operations[0].told.endswith("too large")


def test_lines_are_those_of_the_file_and_rows_fold_what_did_not_run():
    *_, code = steps_of(SMALL, load_of(40, 40))
    for operation in code.operations:
        for call in operation.calls:
            path = Path(core.__file__).with_name(f"{call.source.module}.py")
            lines = path.read_text(encoding="utf-8").splitlines()
            for number, text in call.source.lines.items():
                assert lines[number - 1].strip() == text.strip()
    rows = [row for call in code.message["operations"][0]["calls"] for row in call["rows"]]
    assert any("folded" in row for row in rows)
    assert any(row.get("taken") is False for row in rows)


def test_the_repr_reads_as_code_with_marks():
    *_, code = steps_of(SMALL, load_of(40, 40))
    text = repr(code)
    assert "▶" in text
    assert "padding[old] = buf.subbuf_size - buf.offset   # padding[0] 0 → 24" in text
    assert "lines did not run" in text
    assert repr(StepCode([])) == "Nothing ran: no step was made yet."


def test_the_engine_itself_stays_compiled():
    plain = plain_operations()
    assert plain.ring.write is not ring.write
    assert plain.write.__globals__["ring"] is plain.ring
    assert not hasattr(plain.write, "py_func")
    if not config.DISABLE_JIT:
        assert hasattr(operations.write, "py_func")
        assert hasattr(ring.write, "py_func")


def test_a_step_nobody_looks_at_is_not_witnessed_and_told_all_the_same_when_asked():
    run = VirtualRun(SMALL, load_of(40, 40, 40, 40))
    run.scrub(2)
    assert run.beside.code is None
    code = run.code()
    assert "produced 0 → 1" in values(code)
    assert run.position == 2
    assert run.code() is code
    run.scrub(1)
    assert "offset 0 → 40" in values(run.code())
    run.scrub(0)
    assert run.code() == []
    run.close()


def test_a_tracer_that_was_set_is_set_again():
    before = sys.gettrace()
    seen = []
    sys.settrace(lambda *event: seen.append(event))
    try:
        tracer = sys.gettrace()
        steps_of(SMALL, load_of(10))
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before)


def test_the_workbench_tells_the_code_in_virtual_time_only():
    wb = Workbench(workload=load_of(40, 40, 40), subbuf_size=64, n_subbufs=2, n_cpus=1)
    try:
        with pytest.raises(RelayError, match="virtual time"):
            wb.code()
        wb._session.do("move", by=2).result(60)
        code = wb.code()
        assert code.operations[0].told.startswith("CPU 0: write of 40 bytes")
        assert taken(code, "switch", "if unfull:") is False
    finally:
        wb.close()
