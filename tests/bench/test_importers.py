"""How quickly traces load, each format beside a named peer; see README.md."""

import gzip
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relaylab import resources, workload

DATA = Path(__file__).parents[1] / "data" / "traces"
GOAL = 50.0  # MB/s
ROUNDS = 5

Peer = tuple[str, Callable[[], Any]]


def repeated(times: int) -> tuple[Any, Any, Any]:
    """The bundled LTTng run, so many times after itself."""
    load = workload.load(resources.trace())
    step = load.duration_ns + 1
    t_ns = (load.t_ns + step * np.arange(times)[:, None]).ravel()
    return t_ns, np.tile(load.cpu, times), np.tile(load.size, times)


def csv(path: Path) -> Peer:
    import pandas as pd

    t_ns, cpu, size = repeated(10)
    pd.DataFrame({"timestamp_ns": t_ns, "cpu": cpu, "size": size}).to_csv(path, index=False)
    return "numpy.loadtxt", lambda: np.loadtxt(path, np.int64, delimiter=",", skiprows=1)


def csv_beside_pandas(path: Path) -> Peer:
    import pandas as pd

    csv(path)
    return "pandas.read_csv", lambda: pd.read_csv(path)


def packed_csv(path: Path) -> Peer:
    import pandas as pd

    plain = path.with_suffix("")
    csv(plain)
    path.write_bytes(gzip.compress(plain.read_bytes(), 6))
    return "pandas.read_csv", lambda: pd.read_csv(path, compression="gzip")


def parquet(path: Path) -> Peer:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    t_ns, cpu, size = repeated(20)
    table = pa.table({"timestamp_ns": t_ns, "cpu": cpu, "size": size})
    pq.write_table(table, path, compression="none", use_dictionary=False)
    return "pyarrow.parquet.read_table", lambda: pq.read_table(path, use_threads=False)


def blktrace(path: Path) -> Peer:
    """Records of one size, so that numpy can read them as an array at all."""
    record = np.dtype([("head", "V8"), ("t", "<u8"), ("rest", "V32")])
    data = gzip.decompress(resources.trace("gen_wburst500").read_bytes())
    one = np.frombuffer(data[120:], record)
    many = np.tile(one, 20)
    step = one["t"][-1] - one["t"][0] + np.uint64(1)
    many["t"] += np.repeat(np.arange(20, dtype=np.uint64) * step, len(one))
    path.write_bytes(many.tobytes())
    if shutil.which("blkparse") is None:
        return "numpy.fromfile", lambda: np.fromfile(path, record)["t"].copy()
    command = ["blkparse", "-q", "-f", "%T.%t %c\n", "-i", str(path)]
    return "blkparse", lambda: subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


def blkparse_text(path: Path) -> Peer:
    t_ns, cpu, _ = repeated(2)
    rows = zip((t_ns // 10**9).tolist(), (t_ns % 10**9).tolist(), cpu.tolist(), strict=True)
    with path.open("w") as file:
        for n, (seconds, ns, on) in enumerate(rows):
            line = f"  8,0   {on:2} {n:8} {seconds:5}.{ns:09} {120:5}  Q  RS {8 * n} + 8 [fio]\n"
            file.write(line)
    return by_lines(path, 3)


def perf_text(path: Path) -> Peer:
    t_ns, cpu, _ = repeated(2)
    rows = zip((t_ns // 10**9).tolist(), (t_ns % 10**9).tolist(), cpu.tolist(), strict=True)
    more = "prev_comm=perl prev_pid=77 prev_prio=120 prev_state=S ==> next_comm=swapper next_pid=0"
    with path.open("w") as file:
        for seconds, ns, on in rows:
            file.write(f"perl 77 [{on:03}] {seconds}.{ns:09}: sched:sched_switch: {more}\n")
    return by_lines(path, 3)


def by_lines(path: Path, field: int) -> Peer:
    """The few lines of Python that one writes for such a text."""

    def read() -> list[float]:
        with path.open() as file:
            return [float(line.split()[field].rstrip(":")) for line in file]

    return "split and float", read


def lttng(directory: Path) -> Path:
    if shutil.which("babeltrace2") is None:
        pytest.skip("needs babeltrace2")
    with tarfile.open(DATA / "lttng.tar.gz") as tar:
        # Python 3.11.2 knows no filters; later ones want one
        tar.extraction_filter = getattr(tarfile, "data_filter", None)
        tar.extractall(directory)
    return directory / "w6_twocpu"


def babeltrace_text(path: Path) -> Peer:
    command = ["babeltrace2", str(lttng(path.parent))]
    with path.open("wb") as file:
        subprocess.run(command, stdout=file, check=True)
    return "babeltrace2 > /dev/null", lambda: subprocess.run(
        command, stdout=subprocess.DEVNULL, check=True
    )


def ctf(path: Path) -> Peer:
    """The metadata stands for its directory."""
    directory = lttng(path.parent)
    path.symlink_to(directory)
    command = ["babeltrace2", str(directory)]
    return "babeltrace2 > /dev/null", lambda: subprocess.run(
        command, stdout=subprocess.DEVNULL, check=True
    )


FORMATS: dict[str, tuple[Callable[[Path], Peer], str]] = {
    "CSV": (csv, "t.csv"),
    "CSV, pandas": (csv_beside_pandas, "t.csv"),
    "CSV.gz": (packed_csv, "t.csv.gz"),
    "Parquet": (parquet, "t.parquet"),
    "blktrace": (blktrace, "t.blktrace.0"),
    "blkparse text": (blkparse_text, "t.txt"),
    "perf script text": (perf_text, "t.txt"),
    "babeltrace2 text": (babeltrace_text, "t.txt"),
    "CTF": (ctf, "trace"),
}


def size_of(path: Path) -> int:
    if path.is_dir():
        return sum(each.stat().st_size for each in path.iterdir())
    if path.suffix == ".gz":
        return len(gzip.decompress(path.read_bytes()))
    return path.stat().st_size


def seconds(call: Callable[[], Any]) -> float:
    """Processor time, that of children included: what else the machine does hardly counts."""
    before = os.times()
    call()
    return sum(os.times()[:4]) - sum(before[:4])


@pytest.mark.parametrize("name", FORMATS)
def test_megabytes_a_second(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make, file = FORMATS[name]
    path = tmp_path / file
    peer, read = make(path)

    def ours() -> None:
        workload.load(path, event_size=64)

    ours()  # compiles
    # In turns, so that what else the machine does falls on both.
    pairs = [(seconds(ours), seconds(read)) for _ in range(ROUNDS)]
    mine, theirs = (
        size_of(path) / max(min(times), 0.01) / 1e6 for times in zip(*pairs, strict=True)
    )
    with capsys.disabled():
        print(
            f"\n{name:18} {size_of(path) / 1e6:6.1f} MB  {mine:7.1f} MB/s (goal {GOAL:.0f})  "
            f"{peer}: {theirs:.1f} MB/s, ratio {mine / theirs:.2f}",
            end="",
        )
    assert mine > 0
