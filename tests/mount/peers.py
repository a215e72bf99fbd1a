"""Other processes that do as they are told: owners of channels, readers, and worse.

They are forked from a server that has relaylab loaded and compiled, and nothing open.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from multiprocessing.forkserver import ensure_running
from pathlib import Path
from typing import Any

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
SECONDS = 60.0  # after which a test has failed, also on a busy machine

_KNOWN = """
import asyncio, errno, os, select, selectors, signal, socket, sys, threading, time
import numpy as np
import relaylab
from relaylab import relayfs
from mount import loops
"""

_context: Any = None


def context() -> Any:
    """The multiprocessing context with that server."""
    global _context
    if _context is None:
        _context = multiprocessing.get_context("forkserver")
        _context.set_forkserver_preload(["mount.preloaded"])
        before = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        ensure_running()
        os.environ["PYTHONPATH"] = before or ""
    return _context


class PeerError(AssertionError):
    """What went wrong in the other process."""


class Peer:
    """Another process, with names of its own, in which statements are run."""

    def __init__(self, **names: Any) -> None:
        self._pipe, theirs = context().Pipe()
        environment = {"XDG_RUNTIME_DIR": os.environ["XDG_RUNTIME_DIR"]}
        self.process = context().Process(
            target=_obey, args=(theirs, environment, names), daemon=True
        )
        self.process.start()
        theirs.close()
        self.pid = int(self.process.pid or 0)

    def run(self, statements: str, **names: Any) -> None:
        """Run statements there to their end."""
        self.begin(statements, **names)
        self.end()

    def value(self, expression: str, **names: Any) -> Any:
        """The value that an expression has there."""
        self._pipe.send(("value", expression, names))
        return self.end()

    def error(self, statements: str, **names: Any) -> Any:
        """The exception that statements raise there."""
        self._pipe.send(("error", statements, names))
        return self.end()

    def begin(self, statements: str, **names: Any) -> None:
        """Run statements there while this process goes on."""
        self._pipe.send(("run", statements, names))

    def end(self, timeout: float = SECONDS) -> Any:
        """Wait for what was begun."""
        assert self._pipe.poll(timeout), "the other process does not answer"
        good, answer = self._pipe.recv()
        if not good:
            raise PeerError(answer)
        return answer

    @property
    def is_busy(self) -> bool:
        """Whether what was begun has not ended."""
        return not self._pipe.poll(0)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        os.kill(self.pid, signal.SIGKILL)
        self.process.join(SECONDS)
        assert self.process.exitcode == -signal.SIGKILL

    def signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def leave(self) -> int:
        """Let it end as programs do; its exit code."""
        self._pipe.send(("leave", "", {}))
        self.process.join(SECONDS)
        assert self.process.exitcode is not None
        return int(self.process.exitcode)

    def dispose(self) -> None:
        """End it whatever it does."""
        if self.process.is_alive():
            os.kill(self.pid, signal.SIGKILL)
            self.process.join(SECONDS)
        self._pipe.close()


def _obey(pipe: Any, environment: dict[str, str], names: dict[str, Any]) -> None:
    os.environ.update(environment)
    namespace: dict[str, Any] = {"__name__": "peer", **names}
    exec(_KNOWN, namespace)
    while True:
        try:
            kind, text, more = pipe.recv()
        except EOFError:
            return
        if kind == "leave":
            return
        namespace.update(more)
        pipe.send(_done(kind, text, namespace))


def _done(kind: str, text: str, namespace: dict[str, Any]) -> tuple[bool, Any]:
    try:
        if kind == "value":
            return True, eval(text, namespace)
        exec(text, namespace)
    except Exception as error:
        if kind == "error":
            return True, error.with_traceback(None)
        return False, traceback.format_exc()
    return kind != "error", None if kind != "error" else "it raised nothing"


def wait_until(condition: Callable[[], Any], seconds: float = SECONDS) -> float:
    """Wait until a condition holds; how many seconds that took."""
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < seconds, "it never came to that"
        time.sleep(0.0005)
    return time.monotonic() - begin


def descriptors() -> list[str]:
    """The open descriptors of this process."""
    return listed("/proc/self/fd")


def listed(directory: Path | str) -> list[str]:
    """The names in a directory, sorted."""
    return sorted(path.name for path in Path(directory).iterdir())
