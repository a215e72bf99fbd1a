"""What the engine's speed is compared with: a memcpy loop in C, a pipe, a bare Numba program."""

import ctypes
import multiprocessing
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from relaylab import resources

SUBBUF_SIZE = 256 * 1024
N_SUBBUFS = 8


class MemcpyLoop:
    """A plain C memcpy loop that walks the same ring, compiled with the system's compiler.

    Raises
    ------
    OSError, subprocess.CalledProcessError
        There is no compiler, or it fails.
    """

    def __init__(self) -> None:
        compiler = shutil.which("gcc") or shutil.which("cc")
        if compiler is None:
            raise FileNotFoundError("no C compiler: neither gcc nor cc is on the PATH")
        with tempfile.TemporaryDirectory() as directory:
            library = Path(directory) / "memcpy_loop.so"
            source = resources.peer("memcpy_loop.c")
            flags = ("-O3", "-march=native", "-shared", "-fPIC", "-o")
            subprocess.run([compiler, *flags, library, source], check=True)
            self._walk = ctypes.CDLL(str(library)).memcpy_loop
        size = ctypes.c_size_t
        self._walk.argtypes = [size, size, size, size, size, size, size]
        self._ring = np.zeros(SUBBUF_SIZE * N_SUBBUFS, np.uint8)
        self._place = np.zeros(2, np.uint64)

    def write(self, events: NDArray[np.uint8]) -> None:
        """Copy a batch of events, uint8[n_events, length]."""
        count, length = events.shape
        self._walk(
            self._ring.ctypes.data,
            SUBBUF_SIZE,
            N_SUBBUFS,
            events.ctypes.data,
            length,
            count,
            self._place.ctypes.data,
        )


class Pipe:
    """multiprocessing.Pipe with another process at its end that reads and forgets."""

    def __enter__(self) -> Self:
        context = multiprocessing.get_context("spawn")
        receiver, self._sender = context.Pipe(duplex=False)
        self._reader = context.Process(target=_forget, args=(receiver,), daemon=True)
        self._reader.start()
        receiver.close()
        self._sender.send_bytes(b"wait until it runs")
        return self

    def write(self, data: bytes) -> None:
        """Send one event."""
        self._sender.send_bytes(data)

    def __exit__(
        self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        self._sender.close()
        self._reader.join()


def _forget(receiver: Any) -> None:
    try:
        while True:
            receiver.recv_bytes()
    except EOFError:
        pass


NUMBA_IMPORT = "import numba"
NUMBA_TRIVIAL = """
from pathlib import Path
import sys
sys.path.insert(0, {directory!r})
from relaylab_trivial import add
add(1, 2)
"""
NUMBA_TRIVIAL_MODULE = """
import numba

@numba.njit(cache=True)
def add(a, b):
    return a + b
"""
RELAYLAB_IMPORT = "import relaylab"
RELAYLAB_WRITE = """
from relaylab import relayfs
with relayfs.RelayFS(n_cpus=1) as fs:
    relayfs.relay_open("trace", None, 65536, 4, 0, None, fs=fs).write(b"an event", 0)
"""
RELAYLAB_HELP = "from relaylab.cli import main; main(['--help'])"


def seconds(program: str) -> float:
    """What a fresh Python needs for `program`, from start to end."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin
