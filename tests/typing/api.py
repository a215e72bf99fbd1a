"""What the public names are, for type checkers: mypy reads this file, nothing runs it."""

from concurrent.futures import Executor
from pathlib import Path
from typing import assert_type

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

import relaylab
from relaylab import Kind, jit, relayfs, tuning, units, workload
from relaylab.channel import Snapshot, Stats


def the_engine(data: bytes, batch: NDArray[np.uint8]) -> None:
    with relayfs.RelayFS(n_cpus=2) as fs:
        assert_type(fs, relayfs.RelayFS)
        directory = relayfs.relayfs_create_dir("name", fs=fs)
        assert_type(directory, relayfs.Directory)
        chan = relayfs.relay_open("base", directory, 4096, 4, False, None, fs=fs)
        assert_type(chan, relayfs.Channel)
        assert_type(chan.write(data, cpu=0), bool)
        assert_type(chan.write_many(batch), int)
        assert_type(chan.reserve(8), relayfs.Slot | None)
        assert_type(chan.buffers[0].padding, NDArray[np.uint32])
        assert_type(chan.buffers[0].memory, NDArray[np.uint8])
        assert_type(chan.buffers[0].is_full, bool)
        assert_type(chan.stats, Stats)
        assert_type(chan.stats.written, int)
        assert_type(chan.snapshot(), Snapshot)
        assert_type(jit.write(chan.handle(0), batch[0]), int)
        assert_type(fs.listdir(), list[str])
        with fs.open_file("name/base0") as file:
            assert_type(file, relayfs.RelayFile)
            assert_type(file.poll(), int)
            with file.mmap() as mapping:
                assert_type(mapping.view, memoryview)
                assert_type(mapping.array, NDArray[np.uint8])


def workloads(path: Path) -> None:
    load = workload.load(path)
    assert_type(load, workload.Workload)
    assert_type(load.t_ns, NDArray[np.int64])
    assert_type(load.cpu, NDArray[np.uint16])
    assert_type(load.size, NDArray[np.uint32])
    assert_type(workload.bursts(events=5, every="20 ms", seed=7), workload.Workload)


def simulations(load: workload.Workload, measured: pd.DataFrame, pool: Executor) -> None:
    reader = relaylab.Reader(latency="200 us", per_subbuf="15 us", rate="2 GB/s")
    assert_type(relaylab.Reader.polling("2 ms"), relaylab.Reader)
    result = relaylab.simulate(load, subbuf_size="64 KiB", n_subbufs=4, reader=reader)
    assert_type(result, relaylab.Simulation)
    assert_type(result.lost, int)
    assert_type(result.loss_fraction, float)
    assert_type(result.lost_by_cpu, NDArray[np.int64])
    grid = relaylab.sweep(load, ["4 KiB", 65536], [2, 4], reader, executor=pool)
    assert_type(grid, xr.Dataset)
    front = relaylab.frontier(load, subbuf_sizes=["4 KiB"], reader=reader)
    assert_type(front.n_subbufs, NDArray[np.int64])
    found = relaylab.calibrate(load, measured, rules="linux", event_overhead=10, subbuf_header=84)
    explains: relaylab.Reader = found
    assert_type(found.fit.mean_error, float)
    print(explains)


def quantities() -> None:
    assert_type(units.parse_bytes("64 KiB"), units.Bytes)
    assert_type(units.parse_duration("2 ms"), units.Nanoseconds)
    assert_type(units.parse_rate(1e6), float)


def choosing_sizes(load: workload.Workload) -> None:
    best = relaylab.advise(load, reader=relaylab.Reader(latency="2 ms"), memory_limit="1 GiB")
    assert_type(best, relaylab.Advice)
    assert_type(best.subbuf_size, int)
    assert_type(best.n_subbufs, int)
    assert_type(best.memory, int)
    assert_type(best.reason, str)
    assert_type(best.flags("lttng"), str)
    assert_type(best.within("lttng"), relaylab.Advice)
    assert_type(tuning.flags("lttng", "64 KiB", 4), tuning.Flags)


def the_doctor() -> None:
    found = relaylab.doctor("Lost 24 events")
    assert_type(found, tuning.Diagnosis)
    assert_type(found.lost, int | None)
    assert_type(found.share, float | None)
    assert_type(found.knobs, tuple[tuning.Knob, ...])
    assert_type(found.findings[0].kind, tuning.Loss)


def errors(error: relaylab.FileError, full: relaylab.EntryExistsError) -> None:
    assert_type(error.hint, str | None)
    base: relaylab.RelayError = error
    system: OSError = error
    exists: FileExistsError = full
    value: ValueError = relaylab.ConfigError("n_subbufs", passed=0, allowed="1 .. 2^31-1")
    print(base, system, exists, value, Kind.DELIVER.name, relaylab.__version__)
