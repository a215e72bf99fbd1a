"""Where the events in a sub-buffer begin, by the number and length each of them begins with."""

import bisect
import struct
from typing import Any, Final

HEAD: Final = struct.Struct("<II")
"""What the workbench's writers begin an event with: its number on its CPU, and its length."""

STEPS_A_LOOK: Final = 4096
MOST_EVENTS: Final = 1 << 20


class Events:
    """Follows the lengths from event to event, as far as they make sense.

    Events of another program, or shorter than their head, cannot be told apart: then there are
    none. A long sub-buffer is gone through a part at a time, at each look.
    """

    def __init__(self) -> None:
        self._of: Any = None
        self._starts: list[int] = []
        self._at = 0
        self._is_lost = False

    def within(
        self, of: Any, memory: memoryview, header: int, used: int, window: tuple[int, int]
    ) -> list[tuple[int, int, int]]:
        """The events that reach into a window.

        Parameters
        ----------
        of : hashable
            What the bytes are; while it is the same, events found before stay.
        memory : memoryview
            The whole sub-buffer.
        header : int
            Bytes reserved at its start.
        used : int
            Bytes used of it.
        window : (int, int)
            First byte, and the one after the last.

        Returns
        -------
        list of (start, length, number)
            In order, all within `used`.
        """
        if of != self._of or not self._still_holds(memory, used, window):
            self._of, self._starts = of, []
            self._at, self._is_lost = header, False
        self._go_on(memory, used)
        first = max(0, bisect.bisect_right(self._starts, window[0]) - 1)
        found = []
        for start in self._starts[first:]:
            if start >= window[1]:
                break
            number, length = HEAD.unpack_from(memory, start)
            if window[0] < start + length <= used:
                found.append((start, length, number))
        return found

    def _still_holds(self, memory: memoryview, used: int, window: tuple[int, int]) -> bool:
        """Whether the bytes in the window still are what was found."""
        first = max(0, bisect.bisect_right(self._starts, window[0]) - 1)
        last = bisect.bisect_left(self._starts, min(window[1], used))
        return all(
            HEAD.unpack_from(memory, start)[1] == following - start
            for start, following in zip(
                self._starts[first:last], self._starts[first + 1 : last + 1], strict=False
            )
        )

    def _go_on(self, memory: memoryview, used: int) -> None:
        for _ in range(STEPS_A_LOOK):
            if self._is_lost or self._at + HEAD.size > used or len(self._starts) >= MOST_EVENTS:
                return
            _, length = HEAD.unpack_from(memory, self._at)
            if not HEAD.size <= length <= used - self._at:
                self._is_lost = self._at + length <= len(memory) or length < HEAD.size
                return
            self._starts.append(self._at)
            self._at += length
