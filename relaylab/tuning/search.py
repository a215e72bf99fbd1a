"""The search for the shape with the least memory that loses nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from relaylab import units
from relaylab.errors import ConfigError
from relaylab.tuning.demand import Demand
from relaylab.tuning.tools import RELAY, Shape, Tool

_NEARLY: Final = 1.04  # as little memory as the least, when it saves wake-ups
_MOST_SIZE: Final = 64 << 20
_FEW: Final = 24  # sizes that are all tried at once


@dataclass(frozen=True)
class Choice:
    """A shape, and the one beside it that just suffices.

    Attributes
    ----------
    shape : Shape
        What is advised.
    enough : Shape
        What loses nothing, when one sub-buffer less (or, where their number is given, one that is a
        little smaller) does; not rounded to the tool's rules.
    memory : int
        Bytes per CPU of `shape`.
    """

    shape: Shape
    enough: Shape
    memory: int

    @property
    def margin(self) -> float:
        """How many times what just suffices."""
        return self.shape.memory / self.enough.memory


@dataclass(frozen=True, eq=False)
class Search:
    """What is sought, and where.

    Attributes
    ----------
    demand : Demand
        The events, their reader and the ring.
    tool : Tool
        What shapes there are.
    margin : float
        How many times the least number of sub-buffers.
    limit : float
        Bytes per CPU at most; infinity for any.
    progress : callable or None
        Called with (sizes done, sizes in all) of a round.
    """

    demand: Demand
    tool: Tool
    margin: float
    limit: float
    progress: Callable[[int, int], Any] | None = None

    def sizes(self) -> list[int]:
        """All sizes that the tool has for these events and that the reader can keep up with.

        Raises
        ------
        ConfigError
            The tool has none for the largest event.
        """
        smallest = self.demand.smallest_size
        most = max(smallest, min(_MOST_SIZE, 2 * self.demand.largest_size))
        further = max(_MOST_SIZE, 4 * smallest)
        sizes = self.tool.sizes(smallest, most) or self.tool.sizes(smallest, further)[:1]
        if not sizes:
            raise ConfigError(
                f"the largest event does not fit into a sub-buffer of {self.tool.name}",
                passed=units.format_bytes(smallest, exact=True),
                allowed=f"{self.tool.name} has {self.tool.rule}",
                hint="Record smaller events, or use another tool.",
            )
        return sizes

    def bearable(self, sizes: Iterable[int]) -> list[int]:
        """Those with which the reader is faster than the writers."""
        return [size for size in sizes if self.demand.steady(size).is_possible]

    def choices(self) -> list[Choice]:
        """The least shape with the margin for each size tried; empty if no number suffices.

        All sizes are tried when they are few; else every power of two, and then those around the
        best.
        """
        return [choice for e in self._enough() for choice in self.at_least(e, self.margin)]

    def at_least(self, enough: Shape, margin: float) -> list[Choice]:
        """The smallest shape of the tool with this margin; none if it has none."""
        size, n = enough
        if self.tool.count is None:
            shape = self.tool.round_up(size, math.ceil(n * margin))
        else:
            shape = self.tool.round_up(math.ceil(size * margin), n)
        return [] if shape is None else [Choice(shape, enough, self.tool.memory(shape))]

    def _enough(self) -> list[Shape]:
        """What just suffices, by size."""
        if self.tool.count is not None:
            return self._enough_of(self.tool.count)
        sizes = self.bearable(self.sizes())
        coarse = sizes if len(sizes) <= _FEW else [s for s in sizes if s & (s - 1) == 0]
        found = self._least(coarse or sizes)
        if len(sizes) > _FEW and found:
            best = min(found, key=lambda shape: shape.memory).subbuf_size
            around = [size for size in sizes if best // 2 < size < 2 * best]
            found = self._least({*coarse, *around})
        return found

    def _enough_of(self, n: int) -> list[Shape]:
        """The smallest sub-buffers of which `n` suffice: the ones above it do all, too."""
        allowed = self.sizes()
        powers = self.bearable([max(self.demand.smallest_size, allowed[0] // 2), *allowed])
        enough = self._smallest(powers, n)
        if enough is None:
            return []
        between = RELAY.sizes(enough // 2 + 1, enough)
        finer = self.bearable(s for s in between if s >= self.demand.smallest_size)
        return [Shape(self._smallest([*finer, enough], n) or enough, n)]

    def _smallest(self, sizes: Iterable[int], n: int) -> int | None:
        smallest = None
        for shape in sorted(self._least(sizes), reverse=True):
            if shape.n_subbufs > n:
                break
            smallest = shape.subbuf_size
        return smallest

    def _least(self, sizes: Iterable[int]) -> list[Shape]:
        least = self.demand.least(sizes, self.progress)
        return [Shape(size, n) for size, n in least.items() if n]

    def within_limit(self, choices: Iterable[Choice]) -> Choice | None:
        """The shape within the limit that loses the fewest events; None if none is so small."""
        best, fewest = None, math.inf
        for choice in sorted(choices, key=lambda choice: -choice.shape.subbuf_size):
            shape = self._largest_within_limit(choice.shape.subbuf_size)
            if shape is not None:
                lost = self.demand.lost(shape)
                if lost < fewest:
                    best, fewest = Choice(shape, choice.enough, self.tool.memory(shape)), lost
        return best

    def _largest_within_limit(self, size: int) -> Shape | None:
        n = int(self.limit // size)
        while n >= 1:
            shape = self.tool.round_up(size, n)
            if shape is not None and self.tool.memory(shape) <= self.limit:
                return shape
            n -= max(1, n // 8)
        return None


def best_of(choices: Iterable[Choice], least: Shape) -> Choice:
    """The least memory; of those nearly as good, the largest sub-buffers.

    Nearly as good are those of which a fifth could not be saved: `least` just suffices.
    """
    found = list(choices)
    smallest = min(choice.memory for choice in found)
    most = max(smallest, min(_NEARLY * smallest, 1.2499 * least.memory))
    good = [choice for choice in found if choice.memory <= most]
    return max(good, key=lambda choice: (choice.shape.subbuf_size, -choice.memory))
