"""The shapes of buffers that tracing tools can have, and how their options spell them.

A shape is a size and a number of sub-buffers per CPU. Where a tool has no sub-buffers of its own
(perf), it is the shape whose losses are no fewer than the tool's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar, Final, NamedTuple

from relaylab.core.layout import alloc_size
from relaylab.errors import ConfigError

PAGE: Final = 4096
KIB: Final = 1 << 10
MIB: Final = 1 << 20
_LARGEST_CHANNEL = 2**32 - 1  # bytes per CPU: relay_open multiplies in 32 bits


class Shape(NamedTuple):
    """A buffer of one CPU.

    Attributes
    ----------
    subbuf_size : int
        Bytes.
    n_subbufs : int
        How many.
    """

    subbuf_size: int
    n_subbufs: int

    @property
    def memory(self) -> int:
        """Bytes per CPU."""
        return self.subbuf_size * self.n_subbufs


class Tool(ABC):
    """What a tool's options allow.

    Attributes
    ----------
    name : str
        As it is called.
    command : str
        Behind what its options go.
    event_overhead : int
        Bytes that its ring adds to the payload of an event.
    subbuf_header : int
        Bytes at the beginning of each of its sub-buffers.
    is_late : bool
        Whether its reader gets a sub-buffer only when the next one is begun.
    count : int or None
        How many sub-buffers it always has; None: any number.
    rule : str
        What shapes it allows, in a phrase.
    """

    name: ClassVar[str]
    command: ClassVar[str]
    event_overhead: ClassVar[int] = 0
    subbuf_header: ClassVar[int] = 0
    is_late: ClassVar[bool] = False
    count: ClassVar[int | None] = None
    rule: ClassVar[str]

    @abstractmethod
    def sizes(self, least: int, most: int) -> list[int]:
        """The sub-buffer sizes from `least` to `most` bytes that are worth trying."""

    @abstractmethod
    def round_up(self, size: int, n: int) -> Shape | None:
        """The smallest shape it allows with sub-buffers of at least `size` and at least `n`.

        None when there is none; :meth:`as_large_as` then says what holds as much.
        """

    @abstractmethod
    def spell(self, shape: Shape, overwrite: bool = False) -> str:
        """The options for a shape that it allows."""

    def memory(self, shape: Shape) -> int:
        """Bytes per CPU that it allocates for the shape: whole pages."""
        return alloc_size(shape.subbuf_size, shape.n_subbufs)

    def as_large_as(self, size: int, n: int, largest_event: int | None = None) -> Shape | None:
        """The smallest shape it allows that loses nothing where `n` sub-buffers of `size` do not.

        None when the tool's largest buffer is smaller, or the largest event has no room in it.
        """
        return self.round_up(size, n)

    def _split(self, size: int, n: int, piece: int, largest_event: int | None) -> int:
        """How many sub-buffers of `piece` bytes hold what `n` of `size` do; 0 when none can.

        Each may stay empty at its end by almost the largest event; any two that follow each other
        are half full at least. One more than that, for the one that is being filled.
        """
        room = piece - self.subbuf_header
        if largest_event is None:
            filled = room // 2
        else:
            filled = room - largest_event - self.event_overhead + 1
        return -(-size * n // filled) + 1 if filled > 0 else 0


class Blktrace(Tool):
    """`-b` KiB, 1 .. 16384, and `-n`, at least 1; per CPU and device less than 4 GiB.

    Sources: blktrace(8), the checks of blktrace 1.2.0 and 2.0.0, relay_open in kernel/relay.c.
    """

    name = "blktrace"
    command = "blktrace"
    rule = "whole KiB up to 16 MiB a sub-buffer"
    _most = 16384 * KIB

    def sizes(self, least: int, most: int) -> list[int]:
        return [size for size in _steps(max(least, KIB), min(most, self._most)) if not size % KIB]

    def round_up(self, size: int, n: int) -> Shape | None:
        shape = Shape(_multiple(size, KIB), n)
        is_allowed = shape.subbuf_size <= self._most and shape.memory <= _LARGEST_CHANNEL
        return shape if is_allowed else None

    def as_large_as(self, size: int, n: int, largest_event: int | None = None) -> Shape | None:
        pieces = self._split(size, n, self._most, largest_event)
        return self.round_up(size, n) or (self.round_up(self._most, pieces) if pieces else None)

    def spell(self, shape: Shape, overwrite: bool = False) -> str:
        return f"-b {shape.subbuf_size // KIB} -n {shape.n_subbufs}"


class PageTool(Tool):
    """A tool whose sub-buffers are one page each."""

    def sizes(self, least: int, most: int) -> list[int]:
        return [PAGE] if least <= PAGE else []

    def as_large_as(self, size: int, n: int, largest_event: int | None = None) -> Shape | None:
        pieces = self._split(size, n, PAGE, largest_event)
        if size == PAGE:
            return self.round_up(size, n)
        return self.round_up(PAGE, max(n, pieces)) if pieces else None


class Stap(PageTool):
    """`-s` MB per CPU, 1 .. 4095; the sub-buffers are one page each and no option changes that.

    Sources: stap(1), and runtime/transport/transport.c of SystemTap 4.8.
    """

    name = "stap"
    command = "stap"
    rule = "sub-buffers of one page, whole MB per CPU"
    _most = 4095

    def round_up(self, size: int, n: int) -> Shape | None:
        megabytes = -(-n * PAGE // MIB)
        if size > PAGE or megabytes > self._most:
            return None
        return Shape(PAGE, megabytes * MIB // PAGE)

    def spell(self, shape: Shape, overwrite: bool = False) -> str:
        return f"-s {shape.memory // MIB}"


class Lttng(Tool):
    """`--subbuf-size` and `--num-subbuf`: powers of two, a page and 2 at least.

    The ring adds about 10 bytes to an event and begins each sub-buffer with a header of 84 bytes
    (LTTng-UST 2.13, no context fields; measured). The consumer daemon gets a sub-buffer when the
    next one is begun.

    Sources: lttng-enable-channel(1) of lttng-tools 2.13, lib/ringbuffer of LTTng-UST.
    """

    name = "lttng"
    command = "lttng enable-channel"
    event_overhead = 10
    subbuf_header = 84
    is_late = True
    rule = "powers of two, sub-buffers of a page at least"
    _most = 1 << 30

    def sizes(self, least: int, most: int) -> list[int]:
        return [1 << i for i in range(12, 31) if least <= 1 << i <= most]

    def round_up(self, size: int, n: int) -> Shape | None:
        shape = Shape(max(PAGE, _power(size)), max(2, _power(n)))
        is_allowed = shape.subbuf_size <= self._most and shape.memory <= _LARGEST_CHANNEL
        return shape if is_allowed else None

    def spell(self, shape: Shape, overwrite: bool = False) -> str:
        mode = "--overwrite" if overwrite else "--discard"
        return f"{mode} --subbuf-size={shape.subbuf_size} --num-subbuf={shape.n_subbufs}"


class Perf(Tool):
    """`-m` pages, a power of two: one ring without sub-buffers, plus one page of control data.

    The kernel wakes perf when half of the ring is full, so it loses no more than two sub-buffers of
    half the ring each; records cross borders, so that it pads nothing.

    Sources: perf-record(1), tools/perf/util/evlist.c of Linux 6.1 (rounding), and
    kernel/events/ring_buffer.c (default watermark, largest size).
    """

    name = "perf"
    command = "perf record"
    count = 2
    rule = "one ring of a power of two of pages that wakes its reader when half full"
    _most_pages = 1 << 19

    def sizes(self, least: int, most: int) -> list[int]:
        return [PAGE << i for i in range(19) if least <= PAGE << i <= most]

    def round_up(self, size: int, n: int) -> Shape | None:
        half = max(PAGE, _power(size))
        is_allowed = n <= 2 and 2 * half <= self._most_pages * PAGE
        return Shape(half, 2) if is_allowed else None

    def as_large_as(self, size: int, n: int, largest_event: int | None = None) -> Shape | None:
        # After the wake-up n - 1 sub-buffers are left there, and half of the ring is here.
        return self.round_up(max(size * (n - 1), -(-size * n // 2)), 2)

    def memory(self, shape: Shape) -> int:
        return shape.memory + PAGE

    def spell(self, shape: Shape, overwrite: bool = False) -> str:
        return f"-m {shape.memory // PAGE}" + (" --overwrite" if overwrite else "")


class TraceCmd(PageTool):
    """`-b` KB per CPU: a ring of pages, each with a head of 16 bytes; 2 pages at least.

    An event has 4 bytes of head. The kernel makes as many pages as the KB need when each holds 4080
    bytes. By default ftrace overwrites the oldest page; `-O nooverwrite` makes it refuse new ones.

    Sources: trace-cmd-record(1), kernel/trace/ring_buffer.c of Linux 6.1.
    """

    name = "trace-cmd"
    command = "trace-cmd record"
    event_overhead = 4
    subbuf_header = 16
    rule = "sub-buffers of one page"
    _usable = PAGE - 16
    _most_pages = 1 << 19

    def round_up(self, size: int, n: int) -> Shape | None:
        return Shape(PAGE, max(n, 2)) if size <= PAGE and n <= self._most_pages else None

    def spell(self, shape: Shape, overwrite: bool = False) -> str:
        # The least KB that give this many pages; a page is more than a KB, so some always do.
        kib = (shape.n_subbufs - 1) * self._usable // KIB + 1
        return f"-b {kib}" + ("" if overwrite else " -O nooverwrite")


class Relay(Tool):
    """A channel of your own: any size and number whose product fits into 32 bits.

    Source: relay_open in kernel/relay.c. The sizes tried are whole multiples of 8 bytes.
    """

    name = "relay"
    command = "relay"
    rule = "any"

    def sizes(self, least: int, most: int) -> list[int]:
        return list(_steps(least, most))

    def round_up(self, size: int, n: int) -> Shape | None:
        shape = Shape(size, n)
        return shape if shape.memory <= _LARGEST_CHANNEL else None

    def spell(self, shape: Shape, overwrite: bool = False) -> str:
        return f"subbuf_size={shape.subbuf_size}, n_subbufs={shape.n_subbufs}"


RELAY: Final = Relay()
TOOLS: Final[dict[str, Tool]] = {
    tool.name: tool for tool in (Blktrace(), Stap(), Lttng(), Perf(), TraceCmd())
}


def tool_named(name: str) -> Tool:
    """The tool of this name.

    Raises
    ------
    ConfigError
        There is none.
    """
    if name not in TOOLS:
        raise ConfigError("tool", passed=name, allowed=", ".join(TOOLS))
    return TOOLS[name]


def _steps(least: int, most: int) -> Iterator[int]:
    """Eight sizes from each power of two to the next, as far as they are multiples of 8."""
    power = 1 << max(6, least.bit_length() - 1)
    while power <= most:
        for eighth in range(8, 16):
            size = power * eighth // 8
            if least <= size <= most:
                yield size
        power *= 2


def _multiple(value: int, unit: int) -> int:
    return -(-value // unit) * unit


def _power(value: int) -> int:
    """The smallest power of two that is at least `value`."""
    return 1 << (max(1, value) - 1).bit_length()
