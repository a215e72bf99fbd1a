"""Virtual time: a workload and a reader applied to a channel by the engine, event after event.

Nothing here happens at a time of its own: the same position always has the same state, so going
back is going to an earlier checkpoint and on from there.
"""

import bisect
import struct
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from relaylab.errors import EventTooLargeError
from relaylab.lab.checkpoint import Checkpoint, checkpoint_bytes
from relaylab.lab.opening import open_own
from relaylab.lab.settings import FULL_SPEED, Settings
from relaylab.workload import Workload

NEVER: Final = 2**63 - 1
CHECKPOINT_EVERY: Final = 2048
CHECKPOINT_MEMORY: Final = 128 * 2**20

Changed = Callable[[int], None]
"""Told the virtual time, ns, whenever the journal may have grown."""


def _ignore(_t_ns: int) -> None: ...


class Timeline:
    """A channel of its own with a position in a workload.

    Parameters
    ----------
    settings : Settings
        What to open, and the reader that drains it in virtual time: `latency_ns` after a sub-buffer
        became ready it runs, takes `work_ns` for each, and sleeps when none is left.
    workload : Workload
        What is written.

    Attributes
    ----------
    position : int
        Events applied so far.
    now_ns : int
        Virtual time since the first event.
    was_lost : bool
        Whether the last event was lost.
    """

    def __init__(self, settings: Settings, workload: Workload) -> None:
        self.settings = settings
        self.fs, self.channel = open_own(settings)
        origin = int(workload.t_ns[0]) if len(workload) else 0
        self.t_ns: list[int] = (workload.t_ns - origin).tolist()
        self.cpu: list[int] = workload.cpu.tolist()
        self.size: list[int] = workload.size.tolist()
        self._number = _numbers(workload.cpu).tolist()
        longest = max(self.size, default=0) + 8
        self._payload = bytearray((np.arange(longest) % 251).astype(np.uint8).tobytes())
        self._view = memoryview(self._payload)
        self.position = 0
        self.now_ns = 0
        self.was_lost = False
        self.has_reader = True
        self._done_ns = [NEVER] * settings.n_cpus
        self._next_done_ns = NEVER
        self._produced = [0] * settings.n_cpus
        self._actions: dict[int, list[str]] = {}
        self._kept: list[tuple[int, Any]] = []
        per_checkpoint = checkpoint_bytes(self.channel)
        affordable = max(2, CHECKPOINT_MEMORY // per_checkpoint)
        self._every = max(CHECKPOINT_EVERY, -(-len(self.t_ns) // affordable))
        self._keep()

    def __len__(self) -> int:
        return len(self.t_ns)

    # Moving ------------------------------------------------------------------------------------

    def forward(self, to: int, changed: Changed = _ignore) -> None:
        """Apply events until `to` of them are applied.

        Parameters
        ----------
        to : int
            position .. number of events.
        changed : callable, optional
            Told whenever the journal may have grown.
        """
        buffers, payload = self.channel.buffers, self._payload
        while self.position < to:
            i = self.position
            t, cpu, size = self.t_ns[i], self.cpu[i], self.size[i]
            if t >= self._next_done_ns:
                self.read_until(t, changed)
            self.now_ns = t
            if size >= 8:
                struct.pack_into("<II", payload, 0, self._number[i], size)
            # bytes, because that is the engine's quick way
            self.was_lost = not self._write(bytes(self._view[:size]), cpu)
            produced = buffers[cpu].subbufs_produced
            if produced != self._produced[cpu] or self.was_lost:
                self._produced[cpu] = produced
                self._wake_reader(cpu)
                changed(t)
            self.position = i + 1
            self._act_here(changed)
            if self.position % self._every == 0:
                self._keep()

    def read_until(self, t_ns: int, changed: Changed = _ignore) -> None:
        """What the reader finishes up to `t_ns`, in order; before an event this happens anyway."""
        while (done := self._next_done_ns) <= t_ns:
            cpu = self._done_ns.index(done)
            self.now_ns = done
            self._consume(cpu)
            is_idle = self.channel.buffers[cpu].is_empty
            self._done_ns[cpu] = NEVER if is_idle else done + self._work_ns(cpu)
            self._next_done_ns = min(self._done_ns)
            changed(done)

    def go(self, to: int, context: int, changed: Changed = _ignore) -> None:
        """Be exactly where position `to` was before, or will be, by the nearest checkpoint.

        Parameters
        ----------
        to : int
            0 .. number of events.
        context : int
            At least so many of the events before are gone through, for their journal.
        changed : callable, optional
            Told whenever the journal may have grown.
        """
        wanted = max(0, to - context)
        at = bisect.bisect_right(self._kept, wanted, key=lambda kept: kept[0]) - 1
        self.position, (memory, self._done_ns, self.now_ns, self.was_lost, self.has_reader) = (
            self._kept[at]
        )
        memory.restore(self.channel)
        self._set_done(list(self._done_ns))
        self._produced = [buf.subbufs_produced for buf in self.channel.buffers]
        if self.position == 0:  # that checkpoint is from before anything was done
            self._act_here(_ignore)
        self.forward(to, changed)

    def act(self, action: str, changed: Changed = _ignore) -> None:
        """Do "flush", "reset", "attach" or "detach" here, and whenever this position is passed."""
        self._actions.setdefault(self.position, []).append(action)
        self._forget_after(self.position)
        self._do(action, changed)

    def reading(self) -> NDArray[np.int64]:
        """The sub-buffer that the reader works on, by CPU; -1 for none."""
        n = self.settings.n_subbufs
        reading = np.full(self.settings.n_cpus, -1, np.int64)
        for cpu, (buf, done) in enumerate(zip(self.channel.buffers, self._done_ns, strict=True)):
            if done != NEVER and done - self._work_ns(cpu) <= self.now_ns:
                reading[cpu] = buf.subbufs_consumed % n
        return reading

    def close(self) -> None:
        """Close the channel and forget the checkpoints."""
        self._kept.clear()
        if not self.channel.closed:
            self.channel.close()

    # ---------------------------------------------------------------------------------------------

    def _write(self, event: bytes, cpu: int) -> bool:
        try:
            return bool(self.channel.write(event, cpu))
        except EventTooLargeError:
            return False  # the engine counted it

    def _set_done(self, done_ns: list[int]) -> None:
        self._done_ns = done_ns
        self._next_done_ns = min(done_ns)

    def _consume(self, cpu: int) -> None:
        """The oldest sub-buffer that is still whole, and with it those that were overwritten."""
        buf = self.channel.buffers[cpu]
        unconsumed = buf.subbufs_produced - buf.subbufs_consumed
        overwritten = max(0, unconsumed - self.settings.n_subbufs)
        self.channel.subbufs_consumed(cpu, overwritten + 1)

    def _wake_reader(self, cpu: int) -> None:
        buf = self.channel.buffers[cpu]
        if self.has_reader and self._done_ns[cpu] == NEVER and not buf.is_empty:
            # A reader that costs nothing would never let time go on.
            cost = max(1, self.settings.reader.latency_ns + self._work_ns(cpu))
            self._done_ns[cpu] = self.now_ns + cost
            self._next_done_ns = min(self._done_ns)

    def _work_ns(self, cpu: int) -> int:
        """How long the reader takes for the oldest sub-buffer of a CPU."""
        buf, settings = self.channel.buffers[cpu], self.settings
        if settings.reader.bytes_per_s == FULL_SPEED:
            return settings.reader.per_subbuf_ns
        subbuf = buf.subbufs_consumed % settings.n_subbufs
        return settings.reader.work_ns(settings.subbuf_size - int(buf.padding[subbuf]))

    def _act_here(self, changed: Changed) -> None:
        for action in self._actions.get(self.position, ()):
            self._do(action, changed)

    def _do(self, action: str, changed: Changed) -> None:
        if action == "flush":
            self.channel.flush()
        elif action == "reset":
            self.channel.reset()
        else:
            self.has_reader = action == "attach"
        if action in ("reset", "detach"):
            self._set_done([NEVER] * self.settings.n_cpus)
        self._produced = [buf.subbufs_produced for buf in self.channel.buffers]
        for cpu in range(self.settings.n_cpus):
            self._wake_reader(cpu)
        changed(self.now_ns)

    def _keep(self) -> None:
        if self._kept and self._kept[-1][0] >= self.position:
            return
        state = list(self._done_ns), self.now_ns, self.was_lost, self.has_reader
        self._kept.append((self.position, (Checkpoint.of(self.channel), *state)))

    def _forget_after(self, position: int) -> None:
        """An action at `position` changes all that comes after it."""
        kept = [entry for entry in self._kept if entry[0] < position]
        self._kept = kept or self._kept[:1]


def _numbers(cpu: NDArray[np.uint16]) -> NDArray[np.int64]:
    """The number of each event on its CPU, from 0."""
    numbers = np.zeros(len(cpu), np.int64)
    for one in np.unique(cpu):
        mine = cpu == one
        numbers[mine] = np.arange(int(mine.sum()))
    return numbers
