"""The rules of today's kernel lose what it lost, event by event, given when its reader consumed."""

from __future__ import annotations

import numpy as np
import pytest
from tuning import kernel_data

import relaylab
from relaylab import Reader, relayfs

RUNS = kernel_data.RUNS.items()


@pytest.mark.parametrize(("name", "shape"), RUNS)
def test_the_same_events_are_lost(name: str, shape: tuple[int, int]) -> None:
    rows = kernel_data.attempts(name)
    reader = Reader.from_schedule(rows["t_ns"], rows["consumed"])
    result = relaylab.simulate(kernel_data.workload(rows), *shape, reader, rules="linux")
    assert result.lost > 400
    assert np.array_equal(result.is_lost, rows["ok"] == 0)


def test_the_engine_has_the_same_counters_before_every_event() -> None:
    rows = kernel_data.attempts("C2_b2_n2")
    with relayfs.RelayFS(n_cpus=1) as fs:
        chan = relayfs.relay_open("x", None, 2048, 2, False, None, fs=fs, rules="linux")
        buf = chan.buffers[0]
        for _, produced, consumed, offset, length, ok in rows.tolist():
            if consumed > buf.subbufs_consumed:
                chan.subbufs_consumed(0, consumed - buf.subbufs_consumed)
            assert (buf.subbufs_produced, buf.offset) == (produced, offset)
            assert chan.write(bytes(length), 0) == bool(ok)


@pytest.mark.parametrize(("name", "shape"), RUNS)
def test_from_the_reads_alone_as_many_are_lost(name: str, shape: tuple[int, int]) -> None:
    """But for when within a read() bytes were copied, which nobody recorded."""
    rows, calls = kernel_data.attempts(name), kernel_data.reads(name)
    reader = Reader.from_reads(calls["t_before_ns"], calls["bytes"], calls["t_after_ns"])
    result = relaylab.simulate(kernel_data.workload(rows), *shape, reader, rules="linux")
    assert abs(result.lost - (rows["ok"] == 0).sum()) <= 1
    assert (result.is_lost != (rows["ok"] == 0)).mean() < 0.005


@pytest.mark.parametrize(("name", "lost"), [("C1_b4_n4", 6000), ("C2_b2_n2", 12502)])
def test_a_model_of_the_reader_loses_about_as_many(name: str, lost: int) -> None:
    rows = kernel_data.attempts(name)
    models = {
        "C1_b4_n4": Reader.periodic("20 ms", phase="1.3 ms"),
        "C2_b2_n2": Reader.polling("2 ms", per_read="112 us"),
    }
    load = kernel_data.workload(rows)
    result = relaylab.simulate(load, *kernel_data.RUNS[name], models[name], rules="linux")
    assert abs(result.lost - lost) <= 0.005 * len(load)
