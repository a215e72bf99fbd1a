"""The code beside the ring: what the state machine runs in a step of virtual time.

During a step a witness stands in for the timeline's channel. It copies each buffer before the
first operation on it and notes all of them; then the same operations run on the copies as plain
Python, line by line, and must end where the engine did.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np

from relaylab.channel.channel import memories
from relaylab.core import ring
from relaylab.lab.stepcode import Operation, StepCode
from relaylab.lab.tracing import Tracer
from relaylab.lab.twin import TwinBuffer

_MOST: Final = 6  # operations of one step that are shown, its last ones

_ANSWERS: Final = {ring.WRITTEN: "written", ring.LOST: "lost", ring.TOO_LARGE: "too large"}


class Witness:
    """Passes everything on to a channel, and notes what is done to it.

    Parameters
    ----------
    channel : Channel
        Nobody else may use it meanwhile.
    cpu : int
        Whose buffer is followed through what is done to all of them.
    """

    def __init__(self, channel: Any, cpu: int) -> None:
        self._channel = channel
        self._cpu = cpu
        self._twins: dict[int, TwinBuffer] = {}
        self._slots: list[Any] = []
        self._noted: list[tuple[int, str, tuple[Any, ...], str]] = []

    def write(self, event: bytes, cpu: int) -> bool:
        """As of the channel."""
        data = np.frombuffer(event, np.uint8)
        self._note(cpu, "write_event", (data,), f"CPU {cpu}: write of {len(event)} bytes")
        return bool(self._channel.write(event, cpu))

    def reserve(self, length: int, cpu: int) -> Any:
        """As of the channel."""
        self._note(cpu, "reserve", (length,), f"CPU {cpu}: a slot of {length} bytes is reserved")
        slot = self._channel.reserve(length, cpu)
        if slot is not None:
            self._slots.append(slot)
        return slot

    def commit(self, cpu: int, offset: int, count: int) -> None:
        """As of the channel."""
        told = f"CPU {cpu}: commit of {count} bytes at {offset}"
        self._note(cpu, "commit", (offset, count), told)
        self._channel.commit(cpu, offset, count)

    def subbufs_consumed(self, cpu: int, count: int) -> None:
        """As of the channel."""
        told = f"CPU {cpu}: the reader has consumed {count} sub-buffer{'s' * (count != 1)}"
        self._note(cpu, "subbufs_consumed", (count,), told)
        self._channel.subbufs_consumed(cpu, count)

    def flush(self) -> None:
        """As of the channel."""
        self._note_all("flush")
        self._channel.flush()

    def reset(self) -> None:
        """As of the channel."""
        self._note_all("reset")
        self._channel.reset()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)

    @property
    def has_seen(self) -> bool:
        """Whether anything was done to a buffer."""
        return bool(self._noted)

    def code(self) -> StepCode:
        """What was run, once all is done and before anything else is."""
        skipped = max(0, len(self._noted) - _MOST)
        operations = []
        try:
            for number, (cpu, name, arguments, told) in enumerate(self._noted):
                twin = self._twins[cpu]
                if number < skipped:
                    twin.perform(name, *arguments)
                else:
                    operations.append(_traced(twin, name, arguments, told))
            return StepCode(operations, skipped, self._difference())
        finally:
            for twin in self._twins.values():
                twin.close()

    def _note_all(self, name: str) -> None:
        """Of the buffers that are all flushed or reset, follow one, and those already begun."""
        for cpu in sorted({self._cpu, *self._twins}):
            self._note(cpu, name, (), f"CPU {cpu}: {name}; the other CPUs likewise")

    def _note(self, cpu: int, name: str, arguments: tuple[Any, ...], told: str) -> None:
        if cpu not in self._twins:
            self._twins[cpu] = TwinBuffer(memories(self._channel)[cpu])
        self._noted.append((cpu, name, arguments, told))

    def _difference(self) -> str:
        for slot in self._slots:  # their bytes are the writer's own doing, not the engine's
            begin, end = slot.offset, slot.offset + len(slot.view)
            self._twins[slot.cpu].bytes[begin:end] = np.frombuffer(slot.view, np.uint8)
        for cpu, twin in sorted(self._twins.items()):
            found = "; ".join(twin.differences())
            if found:
                return f"This code ended elsewhere than the engine. CPU {cpu}: {found}."
        return ""


def _traced(twin: TwinBuffer, name: str, arguments: tuple[Any, ...], told: str) -> Operation:
    tracer = Tracer(twin)
    answer = tracer.run(lambda: twin.perform(name, *arguments))
    if name == "write_event":
        told += f": {_ANSWERS.get(answer, answer)}"
    return Operation(told, tracer.calls)


class Beside:
    """The code of a timeline's last step, looked at only while somebody wants to see it.

    Attributes
    ----------
    is_shown : bool
        Whether the next steps are to be witnessed.
    code : StepCode or None
        What the last step ran; None if it was not witnessed.
    """

    def __init__(self) -> None:
        self.is_shown = False
        self.code: StepCode | None = None

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Steps within are witnessed in any case."""
        before, self.is_shown = self.is_shown, True
        try:
            yield
        finally:
            self.is_shown = before

    @contextmanager
    def step(self, timeline: Any, is_one: bool = True) -> Iterator[None]:
        """What is done to the timeline within; whether that is one step.

        If nothing is done to a buffer, what was run last stays.
        """
        before, self.code = self.code, None
        if not (self.is_shown and is_one):
            yield
            return
        channel = timeline.channel
        timeline.channel = witness = Witness(channel, _next_cpu(timeline))
        try:
            yield
        finally:
            timeline.channel = channel
        self.code = witness.code() if witness.has_seen else before


def _next_cpu(timeline: Any) -> int:
    """Whose event comes next; at the end, whose came last."""
    return int(timeline.cpu[min(timeline.position, len(timeline) - 1)]) if len(timeline) else 0
