"""One line on stderr that says how far a long call is."""

import sys
import time
from types import TracebackType
from typing import Self, TextIO

_WIDTH = 24
_EVERY_S = 0.1
_PATIENCE_S = 0.5


class ProgressLine:
    """A line that is rewritten in place; silent where stderr is no terminal, unless told otherwise.

    Parameters
    ----------
    title : str
        What is going on.
    show : bool, optional
        Whether to show it; by default when `stream` is a terminal.
    stream : text file
        Standard error by default.
    """

    def __init__(self, title: str, show: bool | None = None, stream: TextIO | None = None) -> None:
        self._title = title
        self._stream = sys.stderr if stream is None else stream
        self._shown = self._stream.isatty() if show is None else show
        # A call that is over at once needs no line.
        self._next = time.monotonic() + (_PATIENCE_S if show is None else 0.0)
        self._length = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._length:
            print(file=self._stream, flush=True)

    @property
    def is_due(self) -> bool:
        """Whether `update` would show something now: a line that is costly to make need not be."""
        return self._shown and time.monotonic() >= self._next

    @property
    def shown(self) -> bool:
        """Whether there is somebody to show it to."""
        return self._shown

    def update(self, share: float | None, note: str = "") -> None:
        """Show that `share` (0 .. 1) is done, with a note, at most ten times a second.

        None for what has no end that is known.
        """
        now = time.monotonic()
        last = share is not None and share >= 1 and self._length > 0
        if not self._shown or (now < self._next and not last):
            return
        self._next = now + _EVERY_S
        line = f"{self._title} {_bar(share)}{note}".rstrip()
        print(f"\r{line:<{self._length}}", end="", file=self._stream, flush=True)
        self._length = len(line)


def _bar(share: float | None) -> str:
    if share is None:
        return " "
    full = round(_WIDTH * min(1.0, max(0.0, share)))
    return f"[{'#' * full}{'.' * (_WIDTH - full)}] {share:4.0%}  "
