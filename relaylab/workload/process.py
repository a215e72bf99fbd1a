"""Starts, watches and ends a reader that is a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from relaylab.errors import ResourceError
from relaylab.workload import reader
from relaylab.workload.reader import Pace

_END_S: Final = 1.0


class ReaderProcess:
    """A process that maps and reads the files of a mounted channel.

    Parameters
    ----------
    paths : sequence of str
        The file of each CPU's buffer.
    consume : bool
        Whether it consumes what it reads, or only watches.
    pace : Pace
        How fast it is.

    Attributes
    ----------
    pid : int
        Which process it is.

    Raises
    ------
    ResourceError
        The system has no process, memory or descriptor left.
    """

    def __init__(self, paths: Sequence[str], consume: bool, pace: Pace) -> None:
        orders = asdict(pace) | {"paths": list(paths), "consume": consume}
        try:
            descriptor = os.memfd_create("relaylab reader", os.MFD_CLOEXEC)
        except (AttributeError, OSError) as error:
            raise _refused(error) from error
        try:
            os.ftruncate(descriptor, 8 * reader.WORDS * (1 + len(paths)))
            self._page = reader.shared_page(descriptor, len(paths))
            self._page[1:, reader.READING] = -1
            self._process = subprocess.Popen(
                [sys.executable, "-m", reader.__name__, json.dumps(orders | {"page": descriptor})],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=[descriptor],
                env=_environment(),
            )
        except OSError as error:
            raise _refused(error) from error
        finally:
            os.close(descriptor)
        self.pid = self._process.pid
        self._why = ""

    @property
    def is_ready(self) -> bool:
        """Whether it has mapped every buffer."""
        return bool(self._page[0, reader.READY])

    @property
    def reading(self) -> NDArray[np.int64]:
        """The sub-buffer being read now, by CPU; -1 for none."""
        return self._page[1:, reader.READING].copy()

    @property
    def subbufs_read(self) -> int:
        """Sub-buffers read so far."""
        return int(self._page[1:, reader.READ_SUBBUFS].sum())

    @property
    def skipped(self) -> int:
        """Sub-buffers that were overwritten before they could be read."""
        return int(self._page[1:, reader.SKIPPED].sum())

    def pause(self) -> None:
        """Have it stand still; returns at once."""
        self._page[0, reader.PAUSED] = 1

    def resume(self) -> None:
        """Let it go on."""
        self._page[0, reader.PAUSED] = 0

    def why_ended(self) -> str:
        """What ended it; "" while it is there."""
        code = self._process.poll()
        if code is not None and not self._why:
            self._page[1:, reader.READING] = -1
            self._why = self._reason(code)
        return self._why

    def stop(self) -> None:
        """End it and wait for its end; again is fine."""
        process = self._process
        for end in (process.terminate, process.kill):  # one that is stopped hears only the second
            if process.poll() is None:
                end()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_END_S)
        process.wait()
        self._page[1:, reader.READING] = -1
        for pipe in (process.stdin, process.stderr):
            if pipe is not None and not pipe.closed:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _reason(self, code: int) -> str:
        if code < 0:
            names = {one.value: one.name for one in signal.Signals}
            return f"killed by {names.get(-code, f'signal {-code}')}"
        if code == 0:
            return "the channel was closed"
        assert self._process.stderr is not None
        lines = self._process.stderr.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"it ended with code {code}"


def _environment() -> dict[str, str]:
    """Ours, such that the package is found where this process has it."""
    package = str(Path(reader.__file__).parents[2])
    given = os.environ.get("PYTHONPATH", "")
    if package in given.split(os.pathsep) or Path(package).name == "site-packages":
        return dict(os.environ)
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [given, package]))}


def _refused(error: Exception) -> ResourceError:
    return ResourceError(
        f"no reader process can be started: {getattr(error, 'strerror', None) or error}",
        errno=getattr(error, "errno", None) or 0,
        hint="Attach a reader in this process.",
    )
