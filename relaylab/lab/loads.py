"""Where a scenario's events come from, in a form that can be written down and made again."""

import hashlib
from dataclasses import dataclass, field
from errno import ENOENT
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Protocol
from weakref import WeakKeyDictionary

import numpy as np

from relaylab import resources
from relaylab.errors import ConfigError, FileError
from relaylab.lab import strict
from relaylab.lab.spread import spread
from relaylab.workload import Workload, bursts, load
from relaylab.workload.trace import MAX_CPU, MAX_SIZE, MAX_T_NS

MOST_WRITTEN_OUT: Final = 20_000
"""Events that a scenario holds itself; more belong in a file."""

_MOST_BURST_EVENTS: Final = 4_000_000
_MOST_MADE: Final = 16_000_000
_MOST_CPUS: Final = 64
_MOST_SIZE: Final = 2**24
"""Bytes of an event: whoever opens a scenario of somebody else must not run out of memory."""


class Load(Protocol):
    """A recipe for a workload; equal recipes make equal workloads."""

    def __hash__(self) -> int: ...

    def make(self, n_cpus: int) -> Workload:
        """The events, for so many CPUs where the recipe leaves that open."""

    def to_dict(self) -> dict[str, Any]:
        """The recipe as JSON has it."""


@dataclass(frozen=True)
class Bursts:
    """`relaylab.workload.bursts` with these arguments; one event a burst is a steady stream.

    Attributes
    ----------
    events : int
        Of a burst, on each CPU.
    every_ns, gap_ns, duration_ns : int
        From burst to burst; from event to event within one; of all.
    size : tuple of int
        Least and largest payload, bytes.
    seed : int
        For the sizes.
    shares : tuple of float
        By CPU, what part of the events it writes, 0 .. 1; CPUs beyond the last write all.
    """

    events: int = 1
    every_ns: int = 1_000_000
    size: tuple[int, int] = (96, 96)
    gap_ns: int = 0
    duration_ns: int = 1_000_000_000
    seed: int = 0
    shares: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        strict.whole("events", self.events, 1, 1_000_000)
        strict.whole("every_ns", self.every_ns, 1, 10**12, "ns")
        strict.whole("gap_ns", self.gap_ns, 0, 10**9, "ns")
        strict.whole("duration_ns", self.duration_ns, 1, 10**12, "ns")
        strict.whole("seed", self.seed, 0, 2**63 - 1)
        sizes = strict.items("size", self.size, 2)
        if len(sizes) != 2:
            raise ConfigError("size", passed=self.size, allowed="[least, largest]")
        low = strict.whole("size[0]", sizes[0], 0, _MOST_SIZE, "bytes")
        strict.whole("size[1]", sizes[1], low, _MOST_SIZE, "bytes")
        for cpu, share in enumerate(strict.items("shares", self.shares, _MOST_CPUS)):
            strict.number(f"shares[{cpu}]", share, 0, 1)
        strict.whole("events of a CPU in all", self._events_of_a_cpu, 1, _MOST_BURST_EVENTS)
        object.__setattr__(self, "size", tuple(sizes))
        object.__setattr__(self, "shares", tuple(float(share) for share in self.shares))

    @property
    def _events_of_a_cpu(self) -> int:
        return -(-self.duration_ns // self.every_ns) * self.events

    def make(self, n_cpus: int) -> Workload:
        """
        Raises
        ------
        ConfigError
            More events than a page's machine should be asked to hold.
        """
        strict.whole("events in all", self._events_of_a_cpu * n_cpus, 1, _MOST_MADE)
        made = bursts(
            events=self.events,
            every=self.every_ns,
            size=self.size,
            n_cpus=n_cpus,
            duration=self.duration_ns,
            gap=self.gap_ns,
            seed=self.seed,
        )
        return _thinned(made, self.shares) if any(share < 1 for share in self.shares) else made

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": "bursts",
            "events": self.events,
            "every_ns": self.every_ns,
            "size": list(self.size),
            "gap_ns": self.gap_ns,
            "duration_ns": self.duration_ns,
            "seed": self.seed,
            "shares": list(self.shares),
        }


@dataclass(frozen=True)
class Trace:
    """A recorded trace, by its name and what is in it.

    Attributes
    ----------
    name : str
        Of a bundled trace, or of a file without its directory.
    sha256 : str
        Of its events, see `fingerprint`; the file may be packed or not.
    event_size : int or tuple of (str, int), optional
        What a file that tells no sizes was read with, see `relaylab.workload.load`.
    beside : Path, optional
        A directory in which to look for it first; belongs to this machine.
    """

    name: str
    sha256: str
    event_size: int | tuple[tuple[str, int], ...] | None = None
    beside: Path | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        name = strict.text("name", self.name, 255)
        if name in ("", ".", "..") or Path(name).name != name:
            allowed = "the name of a bundled trace, or of a file without its directory"
            raise ConfigError("name of the trace", passed=name, allowed=allowed)
        sha256 = strict.text("sha256", self.sha256, 64)
        if len(sha256) != 64 or set(sha256) - set("0123456789abcdef"):
            raise ConfigError("sha256", passed=sha256, allowed="64 hexadecimal digits, small")
        size = self.event_size
        if size is None:
            return
        if not isinstance(size, tuple):
            strict.whole("event_size", size, 0, MAX_SIZE, "bytes")
            return
        for event, one in size:
            strict.whole(f"event_size of {event}", one, 0, MAX_SIZE, "bytes")

    @classmethod
    def of(cls, path: Path, event_size: int | dict[str, int] | None = None) -> "Trace":
        """The trace in a file; arguments as `relaylab.workload.load`."""
        path, size = path.absolute(), _hashable(event_size)
        workload = _loaded(path, _changed_ns(path), size)
        return cls(path.name, fingerprint(workload), size, path.parent)

    def make(self, n_cpus: int) -> Workload:
        """
        Raises
        ------
        FileError
            It is not here.
        ConfigError
            What is here under this name holds other events.
        """
        path = self._path()
        workload = _loaded(path, _changed_ns(path), self.event_size)
        found = fingerprint(workload)
        if found != self.sha256:
            raise ConfigError(
                f"the trace {self.name!r} here has other events than the scenario's (sha256)",
                passed=found,
                allowed=self.sha256,
                hint=f"Get the file from whoever sent the scenario; the other one is {path}.",
            )
        return workload

    def _path(self) -> Path:
        if self.name in resources.trace_names():
            return resources.trace(self.name)
        here = [self.beside, Path.cwd()] if self.beside is not None else [Path.cwd()]
        for directory in here:
            if (directory / self.name).exists():
                return directory / self.name
        raise FileError(
            "the scenario's trace is not here",
            passed=self.name,
            allowed=f"a file of this name in {' or '.join(str(one) for one in here)}, or one of the"
            f" bundled traces: {', '.join(resources.trace_names())}",
            errno=ENOENT,
            hint="Put the file there and open the scenario again.",
        )

    def to_dict(self) -> dict[str, Any]:
        size = self.event_size
        told = dict(size) if isinstance(size, tuple) else size
        return {"kind": "trace", "name": self.name, "sha256": self.sha256, "event_size": told}


@dataclass(frozen=True, eq=False)
class Events:
    """Events one by one, as a program made them."""

    workload: Workload

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Events) and (
            fingerprint(self.workload) == fingerprint(other.workload)
        )

    def __hash__(self) -> int:
        return hash(fingerprint(self.workload))

    def make(self, n_cpus: int) -> Workload:
        return self.workload

    def to_dict(self) -> dict[str, Any]:
        """
        Raises
        ------
        ConfigError
            Too many to be written out.
        """
        workload = self.workload
        if len(workload) > MOST_WRITTEN_OUT:
            raise ConfigError(
                "a workload that a program made cannot be written into a scenario",
                passed=f"{len(workload):,} events",
                allowed=f"up to {MOST_WRITTEN_OUT:,} events, or a trace in a file",
                hint="Write its columns timestamp_ns, cpu and size to a CSV file and open that.",
            )
        return {
            "kind": "events",
            "name": workload.name,
            "n_cpus": workload.n_cpus,
            "t_ns": np.diff(workload.t_ns, prepend=0).tolist(),  # differences: shorter to write
            "cpu": workload.cpu.tolist(),
            "size": workload.size.tolist(),
        }

    @classmethod
    def of(cls, keys: strict.Keys) -> "Events":
        """From what `to_dict` returned."""
        columns = {}
        for name, high in (("t_ns", MAX_T_NS), ("cpu", MAX_CPU), ("size", _MOST_SIZE)):
            values = strict.items(name, keys.take(name), MOST_WRITTEN_OUT)
            columns[name] = [
                strict.whole(f"{name}[{i}]", one, 0, high) for i, one in enumerate(values)
            ]
        if sum(columns["t_ns"]) > MAX_T_NS:
            raise ConfigError(
                "t_ns in all", passed=sum(columns["t_ns"]), allowed=f"0 .. {MAX_T_NS}"
            )
        times = np.cumsum(np.array(columns["t_ns"], np.int64))
        name = strict.text("name", keys.take("name", "workload"), 255)
        n_cpus = strict.whole("n_cpus", keys.take("n_cpus", 0), 0, MAX_CPU + 1)
        cpu, size = np.array(columns["cpu"], np.uint16), np.array(columns["size"], np.uint32)
        return cls(Workload(times, cpu, size, n_cpus, name))


def read_load(value: object) -> Load:
    """The recipe in a piece of JSON.

    Raises
    ------
    ConfigError
        It is none: says the key, what it is and what is allowed.
    """
    keys = strict.Keys("workload", value)
    kind = strict.choice("kind of workload", keys.take("kind"), ("bursts", "trace", "events"))
    made: Load
    if kind == "trace":
        size = keys.take("event_size", None)
        made = Trace(keys.take("name"), keys.take("sha256"), _hashable(size))
    elif kind == "events":
        made = Events.of(keys)
    else:
        plain = Bursts()
        given = {
            name: keys.take(name, getattr(plain, name))
            for name in ("events", "every_ns", "size", "gap_ns", "duration_ns", "seed", "shares")
        }
        made = Bursts(**given)
    keys.end()
    return made


def workload_of(recipe: Load, n_cpus: int) -> Workload:
    """The workload of a recipe, laid out on `n_cpus` CPUs (0: on its own); see `load_of`."""
    made = _made(recipe, n_cpus or recipe.make(0).n_cpus)
    if not (isinstance(recipe, Events) and recipe.workload is made):
        _RECIPES[made] = recipe
    return made


def load_of(workload: Workload) -> Load:
    """How to make this workload again."""
    return _RECIPES.get(workload) or Events(workload)


def fingerprint(workload: Workload) -> str:
    """SHA-256 of the events, little endian: t_ns int64, cpu uint16, size uint32, then n_cpus."""
    known = _FINGERPRINTS.get(workload)
    if known is None:
        digest = hashlib.sha256()
        for column, dtype in (
            (workload.t_ns, "<i8"),
            (workload.cpu, "<u2"),
            (workload.size, "<u4"),
        ):
            digest.update(np.ascontiguousarray(column, dtype).tobytes())
        digest.update(workload.n_cpus.to_bytes(8, "little"))
        known = _FINGERPRINTS[workload] = digest.hexdigest()
    return known


_RECIPES: WeakKeyDictionary[Workload, Load] = WeakKeyDictionary()
_FINGERPRINTS: WeakKeyDictionary[Workload, str] = WeakKeyDictionary()


@lru_cache(maxsize=8)
def _made(recipe: Load, n_cpus: int) -> Workload:
    return spread(recipe.make(n_cpus), n_cpus)


@lru_cache(maxsize=4)
def _loaded(
    path: Path, changed_ns: int, size: int | tuple[tuple[str, int], ...] | None
) -> Workload:
    return load(path, event_size=dict(size) if isinstance(size, tuple) else size)


def _hashable(size: Any) -> Any:
    return tuple(sorted(size.items())) if isinstance(size, dict) else size


def _changed_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:  # loading it says what is wrong
        return 0


def _thinned(workload: Workload, shares: tuple[float, ...]) -> Workload:
    """Each CPU keeps its share of the events, evenly spaced."""
    keep = np.ones(len(workload), bool)
    for cpu, share in enumerate(shares):
        mine = np.flatnonzero(workload.cpu == cpu)
        steps = np.floor(np.arange(len(mine) + 1) * share + 1e-9)
        keep[mine] = np.diff(steps) > 0
    t_ns, cpus, size = workload.t_ns[keep], workload.cpu[keep], workload.size[keep]
    return Workload(t_ns, cpus, size, workload.n_cpus, workload.name)
