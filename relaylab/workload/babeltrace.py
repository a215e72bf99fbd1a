"""Running the program babeltrace2, which reads CTF."""

import os
import re
import select
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from relaylab.errors import ConfigError

PROGRAM: Final = "babeltrace2"

_LOGGED: Final = re.compile(r"[-0-9]+ [0-9:.]+ +\d+ +\d+ (?P<level>[WEF]) \S+ \S+ (?P<text>.*)")
_PLACE: Final = re.compile(r"offset|At line \d+|At \d+ bits")


class Babeltrace:
    """A babeltrace2 that runs: a binary file of what it prints.

    Attributes
    ----------
    stalled : bool
        It printed nothing for longer than there was patience for.
    """

    def __init__(
        self, process: "subprocess.Popen[bytes]", messages: IO[bytes], patience_s: float
    ) -> None:
        self._process = process
        self._messages = messages
        self._patience_s = patience_s
        self.stalled = False

    def read(self, size: int, /) -> bytes:
        """The next bytes, none at its end."""
        pipe = self._process.stdout
        assert pipe is not None
        parts, missing = [], size
        while missing:
            ready, _, _ = select.select([pipe], [], [], self._patience_s)
            if not ready:
                self.stalled = True
                break
            part = os.read(pipe.fileno(), min(missing, 1 << 16))
            if not part:
                break
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def lines(self) -> Iterator[str]:
        """What it prints, line by line."""
        rest = b""
        while chunk := self.read(1 << 14):
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                yield line.decode("utf-8", "replace")

    def failure(self) -> str | None:
        """Why it failed, in its own words; None if all went well. To be asked after its end."""
        if self.stalled:
            return f"{PROGRAM} gave no sign for {self._patience_s:.0f} s"
        code = self._process.wait()
        if code == 0:
            return None
        self._messages.seek(0)
        logged = [
            _LOGGED.match(line)
            for line in self._messages.read(1 << 20).decode("utf-8", "replace").splitlines()
        ]
        told = [match for match in logged if match]
        placed = [match["text"] for match in told if _PLACE.search(match["text"])]
        errors = [match["text"] for match in told if match["level"] != "W"]
        return (placed or errors or [f"{PROGRAM} ended with code {code}"])[0][:400]


@contextmanager
def babeltrace(*arguments: str | Path, patience_s: float) -> Iterator[Babeltrace]:
    """Run it; whatever happens, it has ended afterwards.

    Parameters
    ----------
    *arguments : str or path
        Its command line.
    patience_s : float
        How long it may print nothing: damage can make it go round in circles.

    Raises
    ------
    ConfigError
        It is not installed.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise ConfigError(
            f"CTF is read through the program {PROGRAM}, which is not installed",
            hint="Install it (Debian, Ubuntu: apt install babeltrace2; Fedora: dnf install "
            "babeltrace2), or load the text that `babeltrace2 DIRECTORY > trace.txt` prints "
            "where it is.",
        )
    environment = os.environ | {"LC_ALL": "C", "BABELTRACE_TERM_COLOR": "NEVER"}
    with tempfile.TemporaryFile() as messages:
        process = subprocess.Popen(
            [program, *(str(each) for each in arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=messages,
            env=environment,
        )
        try:
            yield Babeltrace(process, messages, patience_s)
        finally:
            process.kill()
            if process.stdout is not None:
                process.stdout.close()
            process.wait()
