"""The engine does what the model does, whatever is done to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import model
import numpy as np
import pytest
from engine.observe import CALLBACKS, Recorder, buffer_state, payload, statistics
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

import relaylab
from relaylab import Kind, relayfs

CPUS = st.integers(0, 2)
SIZES = st.one_of(st.integers(1, 40), st.sampled_from([64, 100, 4096]))
COUNTS = st.one_of(st.integers(0, 9), st.sampled_from([100, 2**31 - 1]))
EVENTS = st.integers(0, 255)
FRACTIONS = st.integers(0, 12)  # of a sub-buffer, in tenths; so that events do and don't fit
BASES = st.sampled_from(["a", "b", "", "a1"])
COUNTED_KINDS = (
    "SUBBUF_START",
    "PRODUCED",
    "DELIVER",
    "FULL",
    "UNFULL",
    "CONSUMED",
    "RESET",
    "FLUSH",
    "MAPPED",
    "UNMAPPED",
)


class World:
    """One implementation with everything that was opened in it, by the order of opening."""

    def __init__(self, api: Any, n_cpus: int) -> None:
        self.api = api
        self.fs = api.RelayFS(n_cpus=n_cpus)
        self.channels: list[Any] = []
        self.clients: list[Recorder] = []
        self.directories: list[Any] = [None]
        self.files: list[Any] = []
        self.mappings: list[Any] = []
        self.slots: list[Any] = []

    def buffers(self) -> list[Any]:
        return [buf for chan in self.channels for buf in chan.buffers]

    def observe(self) -> dict[str, Any]:
        """Everything that can be seen."""
        return {
            "states": [buffer_state(buf) for buf in self.buffers()],
            "statistics": [statistics(buf) for buf in self.buffers()],
            "totals": [statistics(chan) for chan in self.channels],
            "files": self.fs.listdir(),
            "calls": [client.calls for client in self.clients],
        }


Outcome = tuple[str, Any]


def outcome(operation: Callable[[World], Any], world: World) -> Outcome:
    """What an operation gave, or the error it raised."""
    try:
        return "returned", operation(world)
    except relaylab.RelayError as error:
        return type(error).__name__, getattr(error, "errno", None)


def check_journal(modelled: model.Channel, chan: relayfs.Channel) -> None:
    """The journal has a record for each transition, and the losses of the statistics."""
    records = chan.journal.read()
    assert chan.journal.dropped == 0
    for buf in modelled.buffers:
        own = records[records["cpu"] == buf.cpu]
        counts = {kind: int((own["kind"] == Kind[kind]).sum()) for kind in COUNTED_KINDS}
        assert counts == {kind: buf.transitions[kind] for kind in COUNTED_KINDS}
        assert own["value"][own["kind"] == Kind.LOSS].sum() == buf.stats.lost
        consumed = own["value"][own["kind"] == Kind.CONSUMED].sum()
        assert modelled.closed or consumed >= buf.subbufs_consumed


class RelayMachine(RuleBasedStateMachine):
    """Does the same to the model and to the engine, and compares everything after each step."""

    channels = Bundle("channels")
    files = Bundle("files")
    mappings = Bundle("mappings")
    directories = Bundle("directories")
    slots = Bundle("slots")

    @initialize(n_cpus=st.integers(1, 3))
    def start(self, n_cpus: int) -> None:
        self.n_cpus = n_cpus
        self.model = World(model, n_cpus)
        self.real = World(relayfs, n_cpus)
        self.agreed = False  # after the last step

    def teardown(self) -> None:
        if not hasattr(self, "real"):
            return
        if self.agreed:
            for modelled, chan in zip(self.model.channels, self.real.channels, strict=True):
                check_journal(modelled, chan)
        self.real.fs.close()

    def both(self, operation: Callable[[World], Any]) -> bool:
        """Do it in both worlds; whether it returned something true. The outcomes must agree."""
        self.agreed = False
        expected = outcome(operation, self.model)
        seen = outcome(operation, self.real)
        assert seen == expected
        kind, result = expected
        return kind == "returned" and result is not None and result is not False

    def length(self, chan: int, tenths: int) -> int:
        size: int = self.model.channels[chan].subbuf_size
        return size * tenths // 10

    # Channels

    @rule(
        target=channels,
        base=BASES,
        parent=directories,
        size=SIZES,
        n=st.integers(1, 6),
        overwrite=st.sampled_from([False, True, 0, 5, -1]),
        reserve=st.integers(0, 12),
        store_padding=st.booleans(),
        form=st.sampled_from(["python", "python", "built-in", "none"]),
        names=st.sets(st.sampled_from(CALLBACKS)),
        fails=st.integers(0, 9),
    )
    def open(
        self,
        base: str,
        parent: int,
        size: int,
        n: int,
        overwrite: int,
        reserve: int,
        store_padding: bool,
        form: str,
        names: set[str],
        fails: int,
    ) -> Any:
        if not self._is_there(parent):
            return multiple()
        reserve = min(reserve, size)
        store_padding = store_padding and reserve >= 4

        def opened(world: World) -> bool:
            client = Recorder(reserve, store_padding)
            client.fail = "subbuf_start" if fails == 0 else None
            callbacks = {
                "python": client.with_only(*names),
                "built-in": world.api.Callbacks.reserving(reserve, store_padding),
                "none": None,
            }[form]
            directory = world.directories[parent]
            chan = world.api.relay_open(base, directory, size, n, overwrite, callbacks, fs=world.fs)
            client.fail = None
            world.channels.append(chan)
            world.clients.append(client)
            return True

        return len(self.model.channels) - 1 if self.both(opened) else multiple()

    @rule(chan=channels, name=st.sampled_from(CALLBACKS[:3]), bad=st.sampled_from([None, -1, 9999]))
    def next_call_of_a_callback_fails(self, chan: int, name: str, bad: int | None) -> None:
        for world in (self.model, self.real):
            world.clients[chan].fail = name
            world.clients[chan].bad_reserve = bad

    @rule(chan=channels, cpu=CPUS, tenths=FRACTIONS, event=EVENTS, locked=st.booleans())
    def write(self, chan: int, cpu: int, tenths: int, event: int, locked: bool) -> None:
        name = "relay_write" if locked else "__relay_write"
        data = payload(event, self.length(chan, tenths))
        cpu %= self.n_cpus
        self.both(lambda w: getattr(w.api, name)(w.channels[chan], data, cpu=cpu))

    @rule(chan=channels, cpu=CPUS, event=EVENTS, extra=st.integers(-13, 2))
    def write_about_a_whole_subbuf(self, chan: int, cpu: int, event: int, extra: int) -> None:
        data = payload(event, max(0, self.model.channels[chan].subbuf_size + extra))
        cpu %= self.n_cpus
        self.both(lambda w: w.api.relay_write(w.channels[chan], data, cpu=cpu))

    @rule(
        chan=channels,
        cpu=CPUS,
        tenths=st.lists(FRACTIONS, max_size=20),
        event=EVENTS,
        lock=st.booleans(),
    )
    def write_events(self, chan: int, cpu: int, tenths: list[int], event: int, lock: bool) -> None:
        cpu %= self.n_cpus
        events = [payload(event + i, self.length(chan, x)) for i, x in enumerate(tenths)]
        offsets = np.cumsum([0, *map(len, events)], dtype=np.int64)
        data = np.frombuffer(b"".join(events), np.uint8)

        def written(world: World) -> int:
            target = world.channels[chan]
            if world is self.model:
                return model.write_many(target, events, cpu)
            return int(target.write_many((data, offsets), cpu=cpu, lock=lock))

        self.both(written)

    @rule(chan=channels, cpu=CPUS, tenths=FRACTIONS, n=st.integers(0, 20), lock=st.booleans())
    def write_equal_events(self, chan: int, cpu: int, tenths: int, n: int, lock: bool) -> None:
        cpu %= self.n_cpus
        events = [payload(i, self.length(chan, tenths)) for i in range(n)]
        data = np.frombuffer(b"".join(events), np.uint8).reshape(n, self.length(chan, tenths))

        def written(world: World) -> int:
            target = world.channels[chan]
            if world is self.model:
                return model.write_many(target, events, cpu)
            return int(target.write_many(data, cpu=cpu, lock=lock))

        self.both(written)

    @rule(target=slots, chan=channels, cpu=CPUS, tenths=FRACTIONS, event=EVENTS)
    def reserve(self, chan: int, cpu: int, tenths: int, event: int) -> Any:
        cpu %= self.n_cpus
        length = self.length(chan, tenths)
        found: list[Any] = []

        def reserved(world: World) -> tuple[int, int] | None:
            slot = world.api.relay_reserve(world.channels[chan], length, cpu=cpu)
            if slot is None:
                return None
            found.append((world, slot))
            return slot.offset, slot.cpu

        if not self.both(reserved):
            return multiple()
        for world, slot in found:
            world.slots.append((chan, slot))
            slot.view[:] = payload(event, length)
        return len(self.model.slots) - 1

    @rule(slot=slots, event=EVENTS)
    def write_into_an_old_slot(self, slot: int, event: int) -> None:
        chan, place = self.model.slots[slot]
        if self.model.channels[chan].buffers[place.cpu].released:
            return
        for world in (self.model, self.real):
            view = world.slots[slot][1].view
            view[:] = payload(event, len(view))

    @rule(slot=slots, count=st.one_of(st.none(), COUNTS))
    def commit_a_slot(self, slot: int, count: int | None) -> None:
        place = self.model.slots[slot][1]
        if place.length == 0 and place.offset == place.buf.chan.subbuf_size * len(
            place.buf.padding
        ):
            return  # the end of the buffer: nothing to commit to
        self.both(lambda w: w.slots[slot][1].commit(count))

    @rule(chan=channels, cpu=CPUS, where=st.integers(0, 300), count=COUNTS)
    def commit_anywhere(self, chan: int, cpu: int, where: int, count: int) -> None:
        cpu %= self.n_cpus
        target = self.model.channels[chan]
        where = where * target.subbuf_size // 50
        if target.closed and where >= target.subbuf_size * target.n_subbufs:
            return  # wrong in two ways: either may be told
        self.both(lambda w: w.api.relay_commit(w.channels[chan].buffers[cpu], where, count))

    @rule(chan=channels, cpu=CPUS)
    def commit_all_of_the_current_subbuf(self, chan: int, cpu: int) -> None:
        """So that the next switch delivers it."""
        cpu %= self.n_cpus
        buf = self.model.channels[chan].buffers[cpu]
        where = buf.data_index * buf.chan.subbuf_size
        missing = max(0, buf.offset - int(buf.commit[buf.data_index]))
        self.both(lambda w: w.api.relay_commit(w.channels[chan].buffers[cpu], where, missing))

    @rule(chan=channels, cpu=CPUS, count=st.one_of(st.integers(0, 3), COUNTS))
    def consumed(self, chan: int, cpu: int, count: int) -> None:
        cpu %= self.n_cpus
        self.both(lambda w: w.api.relay_subbufs_consumed(w.channels[chan], cpu, count))

    @rule(chan=channels)
    def flush(self, chan: int) -> None:
        self.both(lambda w: w.api.relay_flush(w.channels[chan]))

    @rule(chan=channels)
    def reset(self, chan: int) -> None:
        self.both(lambda w: w.api.relay_reset(w.channels[chan]))

    @rule(chan=channels, cpu=CPUS, length=st.integers(0, 1))
    def switch(self, chan: int, cpu: int, length: int) -> None:
        cpu %= self.n_cpus
        buf = self.model.channels[chan].buffers[cpu]
        if length > buf.chan.subbuf_size - buf.start_reserve:
            return
        self.both(lambda w: w.api.relay_switch_subbuf(w.channels[chan].buffers[cpu], length))

    @precondition(lambda self: len(self.model.channels) > 1)
    @rule(chan=channels)
    def close(self, chan: int) -> None:
        self.both(lambda w: w.api.relay_close(w.channels[chan]))

    # Files

    @initialize(target=directories)
    def root(self) -> int:
        return 0

    @rule(target=directories, name=st.sampled_from(["a", "a0", "d"]), parent=directories)
    def create_dir(self, name: str, parent: int) -> Any:
        if not self._is_there(parent):
            return multiple()

        def created(world: World) -> bool:
            made = world.api.relayfs_create_dir(name, parent=world.directories[parent], fs=world.fs)
            world.directories.append(made)
            return True

        return len(self.model.directories) - 1 if self.both(created) else multiple()

    @precondition(lambda self: len(self.model.directories) > 1)
    @rule(directory=directories)
    def remove_empty_dir(self, directory: int) -> None:
        if directory == 0 or not self._is_there(directory):
            return
        self.both(lambda w: w.api.relayfs_remove_dir(w.directories[directory]) is None)

    def _is_there(self, directory: int) -> bool:
        found = self.model.directories[directory]
        while found is not None and found.parent is not None:
            if found not in found.parent.entries.values():
                return False
            found = found.parent
        return True

    @rule(target=files, chan=channels, cpu=CPUS)
    def open_file(self, chan: int, cpu: int) -> Any:
        path = self.model.channels[chan].buffers[cpu % self.n_cpus].path
        return self._open(path)

    @rule(target=files, path=st.sampled_from(["a", "a0", "d", "d/a0", "a0/x", "b0", "0", "none"]))
    def open_path(self, path: str) -> Any:
        return self._open(path)

    def _open(self, path: str) -> Any:
        def opened(world: World) -> bool:
            world.files.append(world.fs.open_file(path))
            return True

        return len(self.model.files) - 1 if self.both(opened) else multiple()

    @rule(file=files)
    def poll(self, file: int) -> None:
        self.both(lambda w: w.files[file].poll())

    @rule(file=files)
    def close_file(self, file: int) -> None:
        self.both(lambda w: w.files[file].close())

    @rule(target=mappings, file=files, pages=st.sampled_from([None, None, 0, 1, 2]))
    def mmap(self, file: int, pages: int | None) -> Any:
        def mapped(world: World) -> bool:
            length = None if pages is None else pages * 4096
            world.mappings.append(world.files[file].mmap(length))
            return True

        return len(self.model.mappings) - 1 if self.both(mapped) else multiple()

    @rule(mapping=mappings)
    def read_mapping(self, mapping: int) -> None:
        if not self.model.mappings[mapping].closed:
            self.both(lambda w: bytes(w.mappings[mapping].view))

    @rule(mapping=mappings)
    def close_mapping(self, mapping: int) -> None:
        self.both(lambda w: w.mappings[mapping].close())

    # What is refused

    @rule(
        chan=channels,
        attempt=st.sampled_from(
            [
                lambda w, c: w.api.relay_write(c, "text", cpu=0),
                lambda w, c: w.api.relay_write(c, b"x", cpu=-1),
                lambda w, c: w.api.relay_write(c, b"x", cpu=99),
                lambda w, c: w.api.relay_reserve(c, -1, cpu=0),
                lambda w, c: w.api.relay_reserve(c, 2**32, cpu=0),
                lambda w, c: w.api.relay_commit(c.buffers[0], -1, 0),
                lambda w, c: w.api.relay_commit(c.buffers[0], 2**40, 0),
                lambda w, c: w.api.relay_commit(c.buffers[0], 0, -1),
                lambda w, c: w.api.relay_subbufs_consumed(c, 99, 0),
                lambda w, c: w.api.relay_subbufs_consumed(c, 0, -1),
                lambda w, c: w.api.relay_switch_subbuf(c.buffers[0], -1),
                lambda w, c: c.write_many(np.zeros(3, np.uint8), cpu=0),
                lambda w, c: c.handle(-1),
            ]
        ),
    )
    def bad_argument(self, chan: int, attempt: Callable[[World, Any], Any]) -> None:
        with pytest.raises((relaylab.ConfigError, relaylab.ClosedError)) as caught:
            attempt(self.real, self.real.channels[chan])
        assert isinstance(caught.value, relaylab.ClosedError) <= self.model.channels[chan].closed

    # What always holds

    @invariant()
    def everything_agrees(self) -> None:
        if not hasattr(self, "real"):
            return
        expected, seen = self.model.observe(), self.real.observe()
        for part, value in expected.items():
            assert seen[part] == value, part
        self.agreed = True


NIGHTLY = settings.default.max_examples > 100
RelayMachine.TestCase.settings = settings()  # of the profile loaded
TestRelayMachine = pytest.mark.timeout(0 if NIGHTLY else 300)(RelayMachine.TestCase)
