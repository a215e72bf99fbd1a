"""What a kernel costs, told once a second by a thread inside it: CPU time by kind of thread."""

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

EVERY_S = 0.5
_TICKS = os.sysconf("SC_CLK_TCK")
_KINDS = {"relaylab writer": "writers", "relaylab reader": "readers"}


class Probe:
    """Appends a JSON object to a file: time, CPU seconds of threads, events, memory.

    Parameters
    ----------
    path : str
        The file.
    stats : callable
        Answers ``chan.stats``.
    """

    def __init__(self, path: str, stats: Callable[[], Any]) -> None:
        self._path = Path(path)
        self._stats = stats
        self._thread = threading.Thread(target=self._work, name="probe", daemon=True)
        self._thread.start()

    def tell(self, **what: Any) -> None:
        """Append something else that happened, with the time."""
        with self._path.open("a") as file:
            file.write(json.dumps({"at": time.time()} | what) + "\n")

    def _work(self) -> None:
        while True:
            stats = self._stats()
            self.tell(cpu=cpu_seconds(), offered=stats.offered, rss=rss_bytes(), pid=os.getpid())
            time.sleep(EVERY_S)


def cpu_seconds() -> dict[str, float]:
    """CPU seconds so far of this process's threads: writers, readers, and the rest but this one."""
    kinds = {
        thread.native_id: _kind(thread.name)
        for thread in threading.enumerate()
        if thread.native_id is not None
    }
    seconds = {"writers": 0.0, "readers": 0.0, "rest": 0.0}
    for task in Path("/proc/self/task").iterdir():
        kind = kinds.get(int(task.name), "rest")
        if kind in seconds:
            try:
                fields = (task / "stat").read_text().rpartition(")")[2].split()
                # to the nanosecond, where the kernel has it
                exact = int((task / "schedstat").read_text().split()[0]) / 1e9
            except (FileNotFoundError, ProcessLookupError):
                continue
            seconds[kind] += exact or (int(fields[11]) + int(fields[12])) / _TICKS
    return seconds


def _kind(name: str) -> str:
    if name == "probe":
        return "probe"
    return next((kind for start, kind in _KINDS.items() if name.startswith(start)), "rest")


def rss_bytes() -> int:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def read(path: Path) -> list[dict[str, Any]]:
    """All that was told so far."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]
