"""The simulator as plain Python does what its compiled form does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import relaylab
from relaylab import Reader


def outcomes() -> list[Any]:
    load = relaylab.workload.bursts(events=300, every="5 ms", size=(20, 90), duration="20 ms")
    readers = (
        Reader("300 us", "20 us", "1 GB/s"),
        Reader("300 us", "20 us", shared=True, late=True, stall=300),
        Reader.polling("200 us", "30 us"),
        Reader.periodic("1 ms"),
        Reader("1 us", held_by="5 us"),
        Reader.from_reads([1_000_000, 6_000_000], [500, 4000], [1_100_000, 6_300_000]),
    )
    found = []
    for rules in ("relayfs", "linux"):
        for reader in readers:
            for overwrite in (False, True):
                result = relaylab.simulate(
                    load,
                    512,
                    3,
                    reader,
                    overwrite=overwrite,
                    rules=rules,
                    event_overhead=3,
                    subbuf_header=16,
                    flush_every="3 ms",
                )
                found.append([result.lost, result.switches, result.lost_bytes, result.high_water])
                found.append([result.overwritten_unread, result.subbufs_consumed])
                found.append([repr(result.latency_max_ns), int(result.is_lost.sum())])
    return found


def test_both_give_the_same() -> None:
    run = subprocess.run(
        [sys.executable, __file__],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert json.loads(run.stdout) == outcomes()


if __name__ == "__main__":
    print(json.dumps(outcomes()))
