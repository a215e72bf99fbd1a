"""Parquet loads as the CSV of the same events, or says what is wrong and in which row."""

import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damage import damaged, loads_or_raises
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relaylab import ConfigError, resources, workload

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def write(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    pq.write_table(pa.table(columns), path, **options)
    return path


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled recording as Parquet."""
    load = workload.load(resources.trace())
    columns = {"timestamp_ns": load.t_ns, "cpu": load.cpu, "size": load.size}
    return write(tmp_path_factory.mktemp("parquet") / "w6.parquet", columns)


def test_the_real_trace_loads_as_its_csv(real: Path) -> None:
    csv, load = workload.load(resources.trace()), workload.load(real)
    for column in ("t_ns", "cpu", "size"):
        assert np.array_equal(getattr(load, column), getattr(csv, column))
    assert load.name == "w6"


def test_columns_are_found_in_any_order_and_size_may_be_given(tmp_path: Path) -> None:
    path = write(tmp_path / "t", {"x": ["a", "b"], "CPU": [0, 3], "t_ns": [5, 7]})
    load = workload.load(path, event_size=64)
    assert (load.t_ns.tolist(), load.cpu.tolist(), load.size.tolist()) == ([5, 7], [0, 3], [64, 64])
    with pytest.raises(ConfigError, match="no column size"):
        workload.load(path)
    stamped = pa.array([5, 7], pa.timestamp("ns"))
    path = write(tmp_path / "t", {"timestamp_ns": stamped, "cpu": [0, 1], "size": [1, 2]})
    assert workload.load(path).t_ns.tolist() == [5, 7]


@pytest.mark.parametrize(
    ("change", "row", "reason"),
    [
        ({"timestamp_ns": [1, 5, 3, 9]}, 2, "backwards.*got 3"),
        ({"timestamp_ns": [1, -1, 3, 9]}, 1, "timestamp_ns"),
        ({"cpu": [0, 0, 0, 65535]}, 3, "cpu"),
        ({"size": [1, 2**31, 1, 1]}, 1, "size"),
        ({"size": [1, None, 1, 1]}, 1, "size"),
    ],
)
def test_a_damaged_row_is_named_or_left_out_on_request(
    change: dict[str, list[int]], row: int, reason: str, tmp_path: Path
) -> None:
    columns = {"timestamp_ns": [1, 2, 3, 9], "cpu": [0] * 4, "size": [1] * 4} | change
    path = write(tmp_path / "bad.parquet", columns)
    with pytest.raises(ConfigError, match=rf"bad\.parquet, row {row}: .*{reason}"):
        workload.load(path)
    load = workload.load(path, errors="skip")
    assert (len(load), load.skipped) == (3, 1)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"a": [1]}, "no column timestamp_ns, cpu, size"),
        ({"timestamp_ns": [1.5], "cpu": [0], "size": [1]}, "timestamp_ns.*double.*whole numbers"),
        ({"timestamp_ns": [], "cpu": [], "size": []}, "no event|whole numbers"),
        ({"t_ns": [1], "time_ns": [2], "cpu": [0], "size": [1]}, "several columns"),
    ],
)
def test_a_table_without_the_columns_is_refused(
    columns: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=reason):
        workload.load(write(tmp_path / "t.parquet", columns))


def test_without_pyarrow_the_error_says_how_to_get_it(
    real: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigError, match=r"relaylab\[parquet\]"):
        workload.load(real)


def test_ten_gigabytes_of_zeros_are_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "zeros.parquet"
    with path.open("wb") as file:
        file.truncate(10 << 30)
    with pytest.raises(ConfigError, match="zeros"):
        workload.load(path)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chance=st.randoms(use_true_random=False))
def test_any_damage_to_a_file_loads_or_raises_a_relay_error(
    tmp_path: Path, chance: random.Random
) -> None:
    path = tmp_path / "damaged.parquet"
    columns = {"timestamp_ns": list(range(300)), "cpu": [1] * 300, "size": list(range(300))}
    write(path, columns, compression=chance.choice(["snappy", "none"]))
    path.write_bytes(damaged(path.read_bytes(), chance))
    loads_or_raises(path)
