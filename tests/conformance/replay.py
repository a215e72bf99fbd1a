"""Replay golden vectors against the installed relaylab, through its public contract only.

FORMAT.md describes the vectors, README.md says where they come from and where relaylab
deliberately differs from the code that recorded them. After every step everything the
contract shows is read again, so a change that the vectors do not mention is found as well.
The first difference is printed and ends its scenario.

Exit status: 0 if every scenario agrees, 1 if one differs, 2 if there was nothing to replay.
"""

from __future__ import annotations

import argparse
import gzip
import json
import struct
import sys
import traceback
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from errno import ENOTEMPTY, errorcode
from itertools import islice, zip_longest
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, NotRequired, Self, TypedDict

import numpy as np

import relaylab
from relaylab import relayfs

CALLBACKS = {
    "S": "subbuf_start",
    "D": "deliver",
    "F": "buf_full",
    "M": "buf_mapped",
    "U": "buf_unmapped",
}

# The log entries that the contract can show; "b" is `released` becoming true. The vectors'
# Q and K (deferred wake-ups) and c (the end of the channel structure) have no counterpart.
LOG_FIELDS = {
    "S": ("slot", "cpu", "subbuf", "prev_idx", "prev_subbuf", "produced", "offset"),
    "D": ("slot", "cpu", "subbuf_idx", "subbuf", "produced", "offset"),
    "F": ("slot", "cpu", "subbuf_idx", "subbuf", "produced", "offset"),
    "M": ("slot", "cpu", "fd"),
    "U": ("slot", "cpu", "fd"),
    "b": ("slot", "cpu"),
}

SKIPPED_TAGS = {
    "neg": "because it consumes a negative count, which the contract refuses",
    "leak": "because it depends on a leak that the contract rules out",
}
REMOVES_FULL_DIRECTORY = "up to where it removes a directory in use, which the contract refuses"

unlocked_write = relayfs.__relay_write  # inside a class Python would mangle this name

Operation = list[Any]
LogEntry = dict[str, Any]


class Step(TypedDict):
    """One step of a scenario."""

    op: Operation
    r: NotRequired[Any]
    log: NotRequired[list[list[Any]]]
    st: NotRequired[list[list[Any]]]
    fs: NotRequired[list[str]]


class Scenario(TypedDict):
    """One line of a vectors file."""

    id: str
    n_cpus: int
    steps: list[Step]
    tags: NotRequired[list[str]]


class BufferId(NamedTuple):
    """The vectors' name for one channel buffer."""

    slot: int
    cpu: int

    def __str__(self) -> str:
        return f"slot {self.slot} cpu {self.cpu}"


class BufferState(NamedTuple):
    """What `st` records of one buffer."""

    offset: int
    data: int
    produced: int
    consumed: int
    unfull: int
    finalized: int
    ref: int
    poll: int
    padding: list[int]
    commit: list[int]
    crc32: int


class Observation(NamedTuple):
    """All that can be seen of one step: its result, its callbacks, and what is there after it."""

    result: Any
    log: list[LogEntry]
    buffers: dict[BufferId, BufferState]  # those not released
    files: list[str]


class Disagreement(Exception):  # noqa: N818
    """A step at which relaylab does something else than the vectors say."""

    def __init__(self, number: int, op: Operation, problems: list[str]) -> None:
        super().__init__("\n    ".join([f"at step {number} {json.dumps(op)}", *problems]))


class Refusal(NamedTuple):
    """The error that the contract demands of an operation, standing in for its result."""

    kind: type[Exception]
    errno: int | None = None

    def __str__(self) -> str:
        return self.kind.__name__ + (f" ({errorcode[self.errno]})" if self.errno else "")

    def covers(self, error: Exception) -> bool:
        return isinstance(error, self.kind) and self.errno in (None, getattr(error, "errno", None))


def payload(event: int, length: int) -> bytes:
    """The bytes of event number `event`."""
    j = np.arange(length)
    return (37 * event + 11 * j + 5 * (j >> 8) + 1).astype(np.uint8).tobytes()


def log_entry(kind: str, *values: Any) -> LogEntry:
    """A log entry with its values under their names."""
    return {"kind": kind, **dict(zip(LOG_FIELDS[kind], values, strict=True))}


@dataclass
class Client:
    """The client of one channel: its callbacks do and log what FORMAT.md says."""

    port: Port
    slot: int
    subbuf_size: int
    start_reserve: int
    header: int

    def callbacks(self, letters: str | None) -> SimpleNamespace | None:
        """An object with the callbacks that `letters` names, and no others."""
        if letters is None:
            return None
        return SimpleNamespace(**{CALLBACKS[x]: getattr(self, CALLBACKS[x]) for x in letters})

    def subbuf_start(
        self,
        buf: relayfs.ChannelBuffer,
        subbuf: memoryview,
        prev_subbuf_idx: int,
        prev_subbuf: memoryview | None,
    ) -> int:
        current = self._index(buf, subbuf)
        previous = -1 if prev_subbuf is None else self._index(buf, prev_subbuf)
        self._log("S", buf, current, prev_subbuf_idx, previous, buf.subbufs_produced, buf.offset)
        if self.header and self.start_reserve >= 4 and prev_subbuf is not None:
            struct.pack_into("<I", prev_subbuf, 0, buf.padding[prev_subbuf_idx])
        return self.start_reserve

    def deliver(self, buf: relayfs.ChannelBuffer, subbuf_idx: int, subbuf: memoryview) -> None:
        index = self._index(buf, subbuf)
        self._log("D", buf, subbuf_idx, index, buf.subbufs_produced, buf.offset)

    def buf_full(self, buf: relayfs.ChannelBuffer, subbuf_idx: int, subbuf: memoryview) -> None:
        index = self._index(buf, subbuf)
        self._log("F", buf, subbuf_idx, index, buf.subbufs_produced, buf.offset)

    def buf_mapped(self, buf: relayfs.ChannelBuffer, file: relayfs.RelayFile) -> None:
        self._log("M", buf, self.port.fd_of(file))

    def buf_unmapped(self, buf: relayfs.ChannelBuffer, file: relayfs.RelayFile) -> None:
        self._log("U", buf, self.port.fd_of(file))

    def _log(self, kind: str, buf: relayfs.ChannelBuffer, *values: int | None) -> None:
        self.port.log.append(log_entry(kind, self.slot, buf.cpu, *values))

    def _index(self, buf: relayfs.ChannelBuffer, subbuf: memoryview) -> int:
        """Which sub-buffer of `buf` the memoryview is, by its address."""
        start = np.frombuffer(subbuf, np.uint8).ctypes.data - buf.memory.ctypes.data
        index, rest = divmod(start, self.subbuf_size)
        if rest or subbuf.nbytes != self.subbuf_size or subbuf.readonly:
            raise ValueError(f"not a writable view of one sub-buffer: {subbuf} at byte {start}")
        return index


class Port:
    """One file system under test: vector operations go in, the vectors' terms come out."""

    def __init__(self, n_cpus: int) -> None:
        self.n_cpus = n_cpus
        self.fs = relayfs.RelayFS(n_cpus=n_cpus)
        self.log: list[LogEntry] = []
        self.channels: dict[int, relayfs.Channel] = {}
        self.buffers: dict[BufferId, relayfs.ChannelBuffer] = {}
        self.released: set[BufferId] = set()
        self.reserved: dict[tuple[int, int, int, int], relayfs.Slot] = {}
        self.directories: dict[int, relayfs.Directory | None] = {-1: None}
        self.open_files: dict[int, relayfs.RelayFile] = {}
        self.mappings: dict[int, relayfs.Mapping] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        try:
            self.fs.close()
        except Exception:
            if error is None:  # the first error is the one to see
                raise

    def fd_of(self, file: relayfs.RelayFile) -> int | None:
        """The vectors' number of an open file; None if it was never opened here."""
        return next((fd for fd, known in self.open_files.items() if known is file), None)

    def perform(self, op: Operation) -> Any:
        """Do one operation; what the vectors would call its result."""
        self.log = []
        match op:
            case ["waiter" | "tick", *_]:
                pass  # the contract has real sleepers and wakes them by itself
            case ["consumed" | "flush" | "reset" | "close", -1, *_]:
                pass  # the contract has no NULL channel
            case ["open", slot, base, parent, size, n, overwrite, start_reserve, header, letters]:
                callbacks = Client(self, slot, size, start_reserve, header).callbacks(letters)
                chan = relayfs.relay_open(
                    base, self.directories[parent], size, n, overwrite, callbacks, fs=self.fs
                )
                self.channels[slot] = chan
                for cpu in range(self.n_cpus):
                    self.buffers[BufferId(slot, cpu)] = chan.buffers[cpu]
            case ["write", slot, cpu, length, event]:
                return relayfs.relay_write(self.channels[slot], payload(event, length), cpu=cpu)
            case ["__write", slot, cpu, length, event]:
                return unlocked_write(self.channels[slot], payload(event, length), cpu=cpu)
            case ["reserve", slot, cpu, length, event]:
                reserved = relayfs.relay_reserve(self.channels[slot], length, cpu=cpu)
                if reserved is None:
                    return -1
                reserved.view[:] = payload(event, length)
                self.reserved[slot, cpu, reserved.offset, length] = reserved
                return reserved.offset
            case ["poke", slot, cpu, offset, length, event]:
                self.reserved[slot, cpu, offset, length].view[:] = payload(event, length)
            case ["commit", slot, cpu, offset, count]:
                relayfs.relay_commit(self.channels[slot].buffers[cpu], offset, count)
            case ["consumed", slot, cpu, count]:
                relayfs.relay_subbufs_consumed(self.channels[slot], cpu, count)
            case ["flush", slot]:
                relayfs.relay_flush(self.channels[slot])
            case ["reset", slot]:
                relayfs.relay_reset(self.channels[slot])
            case ["close", slot]:
                relayfs.relay_close(self.channels[slot])
            case ["mkdir", number, name, parent]:
                self.directories[number] = relayfs.relayfs_create_dir(
                    name, parent=self.directories[parent], fs=self.fs
                )
            case ["rmdir", number]:
                relayfs.relayfs_remove_dir(self.directories[number])
            case ["fopen", fd, path, _mode]:  # the contract opens for reading only
                self.open_files[fd] = self.fs.open_file(path)
            case ["fclose", fd]:
                self.open_files[fd].close()
            case ["poll", fd]:
                return self.open_files[fd].poll()
            case ["mmap", number, fd, length]:
                self.mappings[number] = self.open_files[fd].mmap(length)
            case ["munmap", number]:
                self.mappings[number].close()
            case ["mread", number]:
                with self.mappings[number].view as view:
                    return [view.nbytes, zlib.crc32(view)]
            case _:
                raise ValueError(f"unknown operation {op}")
        return None

    def observe(self, result: Any) -> Observation:
        """Read back everything after an operation with this `result`."""
        released = {key for key, buf in self.buffers.items() if buf.released}
        self.log += [log_entry("b", *key) for key in sorted(released - self.released)]
        self.released = released
        states = {key: self._state(key) for key in self.buffers.keys() - released}
        return Observation(result, self.log, states, self.fs.listdir())

    def _state(self, key: BufferId) -> BufferState:
        buf, chan = self.buffers[key], self.channels[key.slot]
        refcount = buf.refcount  # before the reader below adds itself
        with self.fs.open_file(buf.path) as reader:
            poll = reader.poll()
        return BufferState(
            offset=buf.offset,
            data=buf.data_index,
            produced=buf.subbufs_produced,
            consumed=buf.subbufs_consumed,
            unfull=buf.unfull,
            finalized=buf.finalized,
            ref=refcount,
            poll=poll,
            padding=buf.padding.tolist(),
            commit=buf.commit.tolist(),
            crc32=zlib.crc32(buf.memory[: chan.subbuf_size * chan.n_subbufs].data),
        )


class Golden:
    """What must be seen after each step: what the vectors name, and the rest as it was."""

    def __init__(self, n_cpus: int) -> None:
        self.n_cpus = n_cpus
        self.buffers: dict[BufferId, BufferState] = {}
        self.files: list[str] = []
        self.overwrite: dict[int, bool] = {}
        self.directories = {-1: ""}  # paths, ending in "/"
        self.write_only: set[int] = set()  # files whose poll mask the contract cannot show

    def after(self, step: Step) -> Observation:
        """What must be seen after `step`. An operation that is refused changes nothing."""
        refusal = self._refusal(step)
        if refusal:
            return Observation(refusal, [], self.buffers, self.files)
        before, self.buffers = self.buffers, dict(self.buffers)
        for slot, cpu, *state in step.get("st", []):
            if state == [None]:
                del self.buffers[BufferId(slot, cpu)]
            else:
                self.buffers[BufferId(slot, cpu)] = BufferState(*state)
        self.files = step.get("fs", self.files)
        match step["op"]:
            case ["open", slot, _, _, _, _, overwrite, *_]:
                self.overwrite[slot] = overwrite != 0
            case ["mkdir", number, name, parent]:
                self.directories[number] = f"{self.directories[parent]}{name}/"
            case ["fopen", fd, _, "w"]:
                self.write_only.add(fd)
        return Observation(self._result(step, before), self._log(step), self.buffers, self.files)

    def _refusal(self, step: Step) -> Refusal | None:
        match step["op"]:
            case ["open", *_] if step["r"] == 0:
                return Refusal(relaylab.RelayError)
            case ["mkdir", *_] if step["r"] == 0:
                return Refusal(relaylab.EntryExistsError)
            case ["rmdir", -1]:
                return Refusal(relaylab.RelayError)
            case ["rmdir", number] if self._holds_entries(self.directories[number]):
                return Refusal(relaylab.FileError, ENOTEMPTY)
            case ["fopen" | "mmap", *_] if step["r"] < 0:
                return Refusal(relaylab.FileError, -step["r"])
            case ["consumed", slot, cpu, _] if slot >= 0 and cpu >= self.n_cpus:
                return Refusal(relaylab.ConfigError)
        return None

    def _holds_entries(self, directory: str) -> bool:
        return any(path.startswith(directory) and path != directory for path in self.files)

    def _result(self, step: Step, before: dict[BufferId, BufferState]) -> Any:
        match step["op"]:
            case ["write" | "__write", slot, cpu, length, _]:
                key = BufferId(slot, cpu)
                return was_stored(before[key], self.buffers[key], length, self.overwrite[slot])
            case ["reserve" | "mread", *_]:
                return step["r"]
            case ["poll", fd] if fd not in self.write_only:
                mask, _wait_queues = step["r"]
                return mask
        return None

    def _log(self, step: Step) -> list[LogEntry]:
        entries = []
        for kind, *values in step.get("log", []):
            if kind in "DF":  # the contract passes the sub-buffer as an index and as a view
                slot, cpu, subbuf, *seen = values
                entries.append(log_entry(kind, slot, cpu, subbuf, subbuf, *seen))
            elif kind in LOG_FIELDS:
                entries.append(log_entry(kind, *values))
        return entries


def was_stored(before: BufferState, after: BufferState, length: int, overwrite: bool) -> bool:
    """Whether a write kept its event: it fitted, or its switch led to another sub-buffer.

    A switch that fills the buffer, or one that only ends the full state, loses the event.
    """
    fitted = after.offset == before.offset + length
    switched = after.produced != before.produced
    full = not overwrite and after.produced - after.consumed >= len(after.padding)
    return fitted or (switched and not full)


def differences(name: str, expected: Any, seen: Any) -> Iterator[str]:
    """The smallest named parts in which two observations differ."""
    if expected == seen:
        return
    match expected, seen:
        case BufferState(), BufferState():
            for part, value in expected._asdict().items():
                yield from differences(f"{name}.{part}", value, getattr(seen, part))
        case dict(), dict():
            for key in expected | seen:
                yield from differences(f"{name}[{key}]", expected.get(key), seen.get(key))
        case list(), list():
            for i, (value, other) in enumerate(zip_longest(expected, seen)):
                yield from differences(f"{name}[{i}]", value, other)
        case _:
            yield f"{name}: expected {expected}, seen {seen}"


def one_line(error: BaseException) -> str:
    """An error and its causes in one line."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return f"{text}, caused by {one_line(error.__cause__)}" if error.__cause__ else text


def replay(scenario: Scenario) -> str | None:
    """Replay one scenario; returns why it had to be left early, if it had to."""
    golden = Golden(scenario["n_cpus"])
    with Port(scenario["n_cpus"]) as port:
        for number, step in enumerate(scenario["steps"]):
            op = step["op"]
            expected = golden.after(step)
            check_step(port, number, op, expected)
            if op[0] == "rmdir" and step["r"] == 0 and isinstance(expected.result, Refusal):
                return REMOVES_FULL_DIRECTORY
    return None


def check_step(port: Port, number: int, op: Operation, expected: Observation) -> None:
    """Perform one step. Raises Disagreement unless exactly the expected is seen."""
    result: Any
    try:
        result = port.perform(op)
    except Exception as error:
        result = expected.result
        if not (isinstance(result, Refusal) and result.covers(error)):
            problem = f"result: expected {result}, seen {one_line(error)}"
            raise Disagreement(number, op, [problem]) from error
    unseen = op[0] == "poll" and expected.result is None
    problems = [] if unseen else list(differences("result", expected.result, result))
    try:
        seen = port.observe(result)
    except Exception as error:
        problems.append(f"cannot be read back: {one_line(error)}")
        raise Disagreement(number, op, problems) from error
    problems += differences("log", expected.log, seen.log)
    problems += differences("buffers", expected.buffers, seen.buffers)
    problems += differences("files", expected.files, seen.files)
    if problems:
        raise Disagreement(number, op, problems)


def judge(scenario: Scenario, verbose: bool) -> tuple[str, str]:
    """The verdict on one scenario, and a remark: what failed, or why not all of it was replayed."""
    for tag in scenario.get("tags", []):
        if tag in SKIPPED_TAGS:
            return "skipped", SKIPPED_TAGS[tag]
    try:
        return "passed", replay(scenario) or ""
    except Exception as error:
        known = isinstance(error, Disagreement)
        crash = error.__cause__ if known else error
        if verbose and crash:
            traceback.print_exception(crash, file=sys.stdout)
        return "failed", str(error) if known else f"outside its steps: {one_line(error)}"


def read_scenarios(path: Path) -> Iterator[Scenario]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="Replay golden vectors against relaylab.")
    parser.add_argument("vectors", type=Path, metavar="VECTORS.jsonl.gz")
    parser.add_argument("--only", metavar="ID", help="replay only this scenario")
    parser.add_argument("--first", type=int, metavar="N", help="replay only the first N scenarios")
    parser.add_argument("--verbose", action="store_true", help="report every scenario; tracebacks")
    options = parser.parse_args()
    if not options.vectors.is_file():
        parser.error(f"there is no file {options.vectors}")

    verdicts: Counter[str] = Counter()
    incomplete: Counter[tuple[str, str]] = Counter()
    for scenario in islice(read_scenarios(options.vectors), options.first):
        if options.only not in (None, scenario["id"]):
            continue
        verdict, remark = judge(scenario, options.verbose)
        verdicts[verdict] += 1
        if verdict == "failed" or options.verbose:
            print(f"{verdict} {scenario['id']} {remark}".rstrip())
        if verdict != "failed" and remark:
            incomplete[verdict, remark] += 1
    if not verdicts:
        parser.error("there is no such scenario")

    for (verdict, remark), count in incomplete.items():
        print(f"{count} x {verdict} {remark}")
    print(
        ", ".join(f"{verdicts[verdict]} {verdict}" for verdict in ("passed", "failed", "skipped"))
    )
    return 1 if verdicts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
