"""What `relaylab demo` was asked for reaches the page's kernel."""

from pathlib import Path

import pytest

from relaylab.lab.options import from_environment, to_environment
from relaylab.workload import Workload

PERF = Path(__file__).parents[1] / "data" / "traces" / "perf.txt"


@pytest.mark.parametrize("size", [64, {"cpu-clock": 64, "page-faults": 8, "context-switches": 16}])
def test_a_trace_without_sizes_arrives_with_them(
    size: int | dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in to_environment(trace=str(PERF), event_size=size).items():
        monkeypatch.setenv(name, value)
    load = from_environment()["workload"]
    assert isinstance(load, Workload)
    assert set(load.size.tolist()) <= ({64} if isinstance(size, int) else set(size.values()))
