"""Virtual time: a workload and a reader applied to a channel by the engine, move after move.

A move is an event, a late commit, or a sub-buffer that the reader is through with, whichever comes
first. Nothing here happens at a time of its own: after as many moves the state is always the same,
so going back is going to an earlier checkpoint and on from there.
"""

import bisect
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from relaylab.channel.channel import memories
from relaylab.core.layout import JOURNAL
from relaylab.errors import EventTooLargeError
from relaylab.lab.checkpoint import Checkpoint, checkpoint_bytes
from relaylab.lab.moves import NEVER, LateCommit, LateCommits, Move, MoveKind
from relaylab.lab.opening import open_own
from relaylab.lab.settings import FULL_SPEED, Settings
from relaylab.workload import Workload

CHECKPOINT_EVERY: Final = 2048
CHECKPOINT_MEMORY: Final = 128 * 2**20
_STAMP: Final = 8  # bytes: number and length, uint32 each

Changed = Callable[[int], object]
"""Told the virtual time, ns, whenever the journal may have grown. True: go no further for now."""


def _ignore(_t_ns: int) -> None: ...


@dataclass(frozen=True)
class _Kept:
    """All there is to a timeline right after an event."""

    position: int
    moves: int
    memory: Checkpoint
    done_ns: tuple[int, ...]
    late: tuple[LateCommit, ...]
    now_ns: int
    was_lost: bool
    has_reader: bool
    last: Move | None


class Timeline:
    """A channel of its own with a position in a workload.

    Parameters
    ----------
    settings : Settings
        What to open, and the reader that drains it in virtual time: `latency_ns` after a sub-buffer
        became ready it runs, takes `work_ns` for each, and sleeps when none is left. With a
        `commit_delay` events are reserved, and committed so much later.
    workload : Workload
        What is written.
    actions : sequence of (int, int, str)
        What is done, as `actions` tells.

    Attributes
    ----------
    position : int
        Events applied so far.
    moves : int
        Moves made so far: events, late commits and sub-buffers consumed.
    now_ns : int
        Virtual time of the last move, since the first event.
    last : Move or None
        The last move.
    opened : structured ndarray
        The journal records of the open.
    was_lost : bool
        Whether the last event was lost.
    hold_at : int
        No move is made beyond so many; NEVER lets all be made.
    was_transition : bool
        Whether the last move changed more than the fill level: a late commit, a sub-buffer
        consumed, or an event that the journal tells of.
    """

    def __init__(
        self, settings: Settings, workload: Workload, actions: Sequence[tuple[int, int, str]] = ()
    ) -> None:
        self.settings = settings
        self.workload = workload
        self.fs, self.channel = open_own(settings)
        self.opened: NDArray[np.void] = self.channel.journal.read()
        origin = int(workload.t_ns[0]) if len(workload) else 0
        self.t_ns: list[int] = (workload.t_ns - origin).tolist()
        self.cpu: list[int] = workload.cpu.tolist()
        self.size: list[int] = workload.size.tolist()
        self._number = _numbers(workload.cpu).tolist()
        longest = max(self.size, default=0) + _STAMP
        self._payload = bytearray((np.arange(longest) % 251).astype(np.uint8).tobytes())
        self._view = memoryview(self._payload)
        self._unstamped = bytes(self._payload[:_STAMP])
        self.position = self.moves = self.now_ns = 0
        self._since_event = 0  # moves since the last event
        self.hold_at: int = NEVER
        self.last: Move | None = None
        self.was_lost = self.was_transition = False
        self.has_reader = True
        self._late = LateCommits()
        self._done_ns = [NEVER] * settings.n_cpus
        self._due_ns = NEVER  # of the next move that is no event
        self._produced = [0] * settings.n_cpus
        journal = memories(self.channel)[0].journal.pages.bytes[: JOURNAL.itemsize].view(JOURNAL)
        self._journal_head = journal["head"]
        self._told = 0  # its value before this move
        self._actions: dict[int, list[tuple[int, str]]] = {}
        self._belated_at = -1  # the position whose actions are all done
        self._kept: list[_Kept] = []
        per_checkpoint = checkpoint_bytes(self.channel)
        affordable = max(2, CHECKPOINT_MEMORY // per_checkpoint)
        self._every = max(CHECKPOINT_EVERY, -(-len(self.t_ns) // affordable))
        for position, since, action in actions:
            self._actions.setdefault(position, []).append((since, action))
        self._keep()
        self._act_here(_ignore)

    def __len__(self) -> int:
        return len(self.t_ns)

    @property
    def actions(self) -> tuple[tuple[int, int, str], ...]:
        """What was done, in order: the position, the moves after that event, and what."""
        return tuple(
            (position, since, action)
            for position, done in sorted(self._actions.items())
            for since, action in sorted(done, key=lambda one: one[0])
        )

    @property
    def since_event(self) -> int:
        """Moves since the last event."""
        return self._since_event

    # Moving ------------------------------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        """Whether no move is left: all events are applied, and nothing is left to read."""
        return self.is_held or (self.position == len(self.t_ns) and self._due_ns == NEVER)

    @property
    def is_held(self) -> bool:
        """Whether the next move is beyond `hold_at`."""
        return self.moves >= self.hold_at

    @property
    def is_between(self) -> bool:
        """Whether other moves were made since the last event."""
        return self._since_event > 0

    @property
    def next_ns(self) -> int:
        """Virtual time of the next move; NEVER if none is left."""
        event_ns = self.t_ns[self.position] if self.position < len(self.t_ns) else NEVER
        return min(event_ns, self._due_ns)

    def move(self, changed: Changed = _ignore) -> bool:
        """Make the next move; there must be one.

        Parameters
        ----------
        changed : callable, optional
            Told whenever the journal may have grown.

        Returns
        -------
        bool
            Whether `changed` wants to go no further for now.
        """
        is_stop = self._act_belated(changed) if self._actions else False
        self._told = int(self._journal_head[0])
        self.was_transition = False
        is_told = self._follow_up() if self._follows_up else self._apply(self.position)
        self.moves += 1
        if is_told:
            is_stop = self._tell(changed) or is_stop
        if self._actions:
            is_stop = self._act_here(changed) or is_stop
        if self._since_event == 0 and self.position % self._every == 0:
            self._keep()
        return is_stop

    def forward(self, to: int, changed: Changed = _ignore) -> bool:
        """Move on until `to` events are applied.

        Parameters
        ----------
        to : int
            position .. number of events.
        changed : callable, optional
            Told whenever the journal may have grown.

        Returns
        -------
        bool
            Whether `changed` wanted to go no further.
        """
        while self.position < to and not self.is_held:
            if self.move(changed):
                return True
        return False

    def forward_until(self, t_ns: int, changed: Changed = _ignore, most: int = NEVER) -> bool:
        """Make the moves up to virtual time `t_ns`, `most` of them at most; as `forward`."""
        last = self.moves + most
        while self.next_ns <= t_ns and self.moves < last and not self.is_over:
            if self.move(changed):
                return True
        return False

    def read_until(self, t_ns: int, changed: Changed = _ignore) -> None:
        """What the reader and late commits do up to `t_ns`, as they do before a later event."""
        while self._due_ns <= t_ns and self._due_ns != NEVER and not self.is_held:
            self.move(changed)

    def go(self, to: int, context: int, changed: Changed = _ignore) -> None:
        """Be exactly where position `to` was before, or will be, by the nearest checkpoint.

        Parameters
        ----------
        to : int
            0 .. number of events; right after the last of them.
        context : int
            At least so many of the events before are gone through, for their journal.
        changed : callable, optional
            Told whenever the journal may have grown.
        """
        wanted = max(0, to - context)
        at = bisect.bisect_right(self._kept, wanted, key=lambda kept: kept.position) - 1
        self._restore(at, changed)
        while self.position < to and not self.is_held:
            self.move(changed)

    def go_to_move(self, to: int, changed: Changed = _ignore) -> None:
        """Be exactly where one was, or will be, after `to` moves.

        Parameters
        ----------
        to : int
            0 .. the number of all moves.
        changed : callable, optional
            Told whenever the journal may have grown, from an earlier checkpoint on.
        """
        at = bisect.bisect_right(self._kept, to, key=lambda kept: kept.moves) - 1
        self._restore(max(0, at - 1), changed)
        while self.moves < to and not self.is_held:
            self.move(changed)

    def act(self, action: str, changed: Changed = _ignore) -> None:
        """Do "flush", "reset", "attach" or "detach" here, and whenever this moment is passed."""
        self._actions.setdefault(self.position, []).append((self._since_event, action))
        self._forget_from(self.moves)
        self._do(action, changed)

    def reading(self, at_ns: int = 0) -> NDArray[np.int64]:
        """The sub-buffer that the reader works on, by CPU; -1 for none.

        Parameters
        ----------
        at_ns : int, optional
            When, virtual time: between the last move and the next one. 0: right after the last.
        """
        n, now_ns = self.settings.n_subbufs, max(self.now_ns, at_ns)
        reading = np.full(self.settings.n_cpus, -1, np.int64)
        for cpu, (buf, done) in enumerate(zip(self.channel.buffers, self._done_ns, strict=True)):
            if done != NEVER and done - self._work_ns(cpu) <= now_ns:
                reading[cpu] = buf.subbufs_consumed % n
        return reading

    def close(self) -> None:
        """Close the channel and forget the checkpoints."""
        self._kept.clear()
        if not self.channel.closed:
            self.channel.close()

    # An event --------------------------------------------------------------------------------

    def _apply(self, i: int) -> bool:
        """Write event `i`; whether the journal may have grown."""
        t, cpu, size = self.t_ns[i], self.cpu[i], self.size[i]
        self.now_ns = t
        event = self._event(self._number[i], size)
        try:
            if self.settings.commit_delay and size:
                self.was_lost = not self._reserve(event, cpu, i)
            else:
                self.was_lost = not self.channel.write(event, cpu)
        except EventTooLargeError:
            self.was_lost = True  # the engine counted it
        self.last = Move(MoveKind.EVENT, t, cpu, i)
        self.position = i + 1
        self._since_event = 0
        produced = self.channel.buffers[cpu].subbufs_produced
        if produced == self._produced[cpu] and not self.was_lost:
            return False
        self._produced[cpu] = produced
        self._wake_reader(cpu)
        return True

    def _event(self, number: int, size: int) -> bytes:
        """An event as live writers make it: stamped with its number and length if it has room."""
        if size < _STAMP:
            return self._unstamped[:size]
        struct.pack_into("<II", self._payload, 0, number, size)
        return bytes(self._view[:size])  # bytes, because that is the engine's quick way

    def _reserve(self, event: bytes, cpu: int, i: int) -> bool:
        """Reserve room for an event that is committed later; whether there was any."""
        slot = self.channel.reserve(len(event), cpu)
        if slot is None:
            return False
        slot.view[:] = event
        self._late.add(slot, self.now_ns + self.settings.commit_delay, i)
        self._due_ns = min(self._due_ns, self._late.due_ns)
        return True

    # What follows from events ------------------------------------------------------------------

    @property
    def _follows_up(self) -> bool:
        """Whether the next move is no event."""
        i = self.position
        return self._due_ns != NEVER and (i == len(self.t_ns) or self._due_ns <= self.t_ns[i])

    def _follow_up(self) -> bool:
        """The next late commit, or what the reader is through with next; the journal may grow."""
        self._since_event += 1
        self.was_transition = True
        due = self._due_ns
        self.now_ns = due
        if self._late.due_ns == due:
            late = self._late.take()
            self.channel.commit(late.cpu, late.offset, late.size)
            subbuf = late.offset // self.settings.subbuf_size
            self.last = Move(MoveKind.COMMIT, due, late.cpu, late.event, subbuf)
        else:
            cpu = self._done_ns.index(due)
            self.last = Move(MoveKind.CONSUME, due, cpu, subbuf=self._consume(cpu))
            is_idle = self.channel.buffers[cpu].is_empty
            self._done_ns[cpu] = NEVER if is_idle else due + self._work_ns(cpu)
        self._find_due()
        return True

    def _find_due(self) -> None:
        self._due_ns = min(self._late.due_ns, *self._done_ns)

    def _consume(self, cpu: int) -> int:
        """The oldest sub-buffer that is still whole, and with it those that were overwritten."""
        buf, n = self.channel.buffers[cpu], self.settings.n_subbufs
        unconsumed = buf.subbufs_produced - buf.subbufs_consumed
        overwritten = max(0, unconsumed - n)
        subbuf = (buf.subbufs_consumed + overwritten) % n
        self.channel.subbufs_consumed(cpu, overwritten + 1)
        return int(subbuf)

    def _wake_reader(self, cpu: int) -> None:
        buf = self.channel.buffers[cpu]
        if self.has_reader and self._done_ns[cpu] == NEVER and not buf.is_empty:
            # A reader that costs nothing would never let time go on.
            cost = max(1, self.settings.reader.latency_ns + self._work_ns(cpu))
            self._done_ns[cpu] = self.now_ns + cost
            self._find_due()

    def _work_ns(self, cpu: int) -> int:
        """How long the reader takes for the oldest sub-buffer of a CPU."""
        buf, settings = self.channel.buffers[cpu], self.settings
        if settings.reader.bytes_per_s == FULL_SPEED:
            return settings.reader.per_subbuf_ns
        subbuf = buf.subbufs_consumed % settings.n_subbufs
        return settings.reader.work_ns(settings.subbuf_size - int(buf.padding[subbuf]))

    def _tell(self, changed: Changed) -> bool:
        self.was_transition = self.was_transition or self._told != int(self._journal_head[0])
        return changed(self.now_ns) is True

    # What a person did -------------------------------------------------------------------------

    def _act_here(self, changed: Changed) -> bool:
        """What was done right after this move."""
        if self._belated_at == self.position:
            return False
        return self._do_all(changed, lambda since: since == self._since_event)

    def _act_belated(self, changed: Changed) -> bool:
        """What was done after more moves than there are now before the next event.

        Something that was done earlier since then has changed what happens here.
        """
        i = self.position
        if i == self._belated_at or i not in self._actions or self._follows_up:
            return False
        is_stop = self._do_all(changed, lambda since: since > self._since_event)
        self._belated_at = i
        return is_stop

    def _do_all(self, changed: Changed, is_now: Callable[[int], bool]) -> bool:
        wanted = [action for since, action in self._actions.get(self.position, ()) if is_now(since)]
        stops = [self._do(action, changed) for action in wanted]  # all of them, whoever stops
        return any(stops)

    def _do(self, action: str, changed: Changed) -> bool:
        self._told = int(self._journal_head[0])
        if action == "flush":
            self.channel.flush()
        elif action == "reset":
            self.channel.reset()
            self._late.forget()
        else:
            self.has_reader = action == "attach"
        if action in ("reset", "detach"):
            self._done_ns = [NEVER] * self.settings.n_cpus
        self._produced = [buf.subbufs_produced for buf in self.channel.buffers]
        self._find_due()
        for cpu in range(self.settings.n_cpus):
            self._wake_reader(cpu)
        return self._tell(changed)

    # Checkpoints -------------------------------------------------------------------------------

    def _keep(self) -> None:
        if self._kept and self._kept[-1].moves >= self.moves:
            return
        self._kept.append(
            _Kept(
                self.position,
                self.moves,
                Checkpoint.of(self.channel),
                tuple(self._done_ns),
                self._late.kept(),
                self.now_ns,
                self.was_lost,
                self.has_reader,
                self.last,
            )
        )

    def _restore(self, at: int, changed: Changed) -> None:
        kept = self._kept[at]
        kept.memory.restore(self.channel)
        self.position, self.moves, self.now_ns = kept.position, kept.moves, kept.now_ns
        self.was_lost, self.has_reader, self.last = kept.was_lost, kept.has_reader, kept.last
        self._since_event, self._belated_at = 0, -1
        self.was_transition = False
        self._late.restore(kept.late)
        self._done_ns = list(kept.done_ns)
        self._find_due()
        self._produced = [buf.subbufs_produced for buf in self.channel.buffers]
        if self.moves == 0:  # that checkpoint is from before anything was done
            self._act_here(changed)

    def _forget_from(self, moves: int) -> None:
        """What a person does after so many moves changes all that comes after."""
        kept = [entry for entry in self._kept if entry.moves < moves]
        self._kept = kept or self._kept[:1]


def _numbers(cpu: NDArray[np.uint16]) -> NDArray[np.int64]:
    """The number of each event on its CPU, from 0."""
    numbers = np.zeros(len(cpu), np.int64)
    for one in np.unique(cpu):
        mine = cpu == one
        numbers[mine] = np.arange(int(mine.sum()))
    return numbers
