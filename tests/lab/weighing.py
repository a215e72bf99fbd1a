"""What a page and the processes behind it weigh, seen from outside."""

import contextlib
from typing import Any

import psutil


def server_of(word: str) -> psutil.Process:
    """The server that this process has started with `word` in its command."""
    (server,) = (child for child in psutil.Process().children() if word in child.cmdline())
    return server


def kernels_of(server: psutil.Process) -> list[psutil.Process]:
    """Its kernels, the oldest first."""
    kernels = [one for one in server.children(recursive=True) if _is_kernel(one)]
    return sorted(kernels, key=lambda one: float(one.create_time()))


def _is_kernel(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return any("ipykernel" in word for word in process.cmdline())
    return False


def resident_bytes(server: psutil.Process) -> int:
    """Resident memory of a server and all its kernels."""
    total = 0
    for process in (server, *server.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += process.memory_info().rss
    return total


def heap_bytes(devtools: Any) -> int:
    """The JavaScript heap of a page in use, garbage collected before."""
    devtools.send("HeapProfiler.collectGarbage")
    return int(devtools.send("Runtime.getHeapUsage")["usedSize"])
