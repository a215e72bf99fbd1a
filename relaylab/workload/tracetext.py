"""Text that tracers print, one event a line: perf, trace-cmd, blkparse, babeltrace2."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from relaylab import units
from relaylab.errors import ConfigError
from relaylab.workload.gather import Gathered
from relaylab.workload.lines import line_blocks
from relaylab.workload.packed import Readable
from relaylab.workload.scan import codes
from relaylab.workload.scan.codes import BY_FIELDS, BY_TEXT, UNKNOWN
from relaylab.workload.trace import MAX_CPU, MAX_SIZE

EventSize = int | Mapping[str, int]
Field = tuple[int, int]  # kind and bits, as codes.codes names them

_LONGEST: Final = 16 << 20  # bytes of one line: an event with a large array in it
_SHOWN: Final = 60  # bytes of a line that an error shows


@dataclass
class Names:
    """The names of events that were met, and how large those events are.

    Parameters
    ----------
    event_size : int or dict, optional
        The size of all, or by name.
    fields : dict of str to list of (kind, bits), optional
        The fields of the events of each name, as the trace's metadata has them; None for an event
        whose size they do not tell.
    by_text : bool
        Where there is neither, tell the size from the text if all it has are strings and bytes.
    """

    event_size: EventSize | None = None
    fields: Mapping[str, list[Field] | None] | None = None
    by_text: bool = False
    _text: bytearray = field(default_factory=bytearray)
    _starts: list[int] = field(default_factory=lambda: [0])
    _sizes: list[int] = field(default_factory=list)
    _templates: list[int] = field(default_factory=lambda: [0])
    _fields: list[Field] = field(default_factory=list)

    def meet(self, name: bytes) -> None:
        """An event of this name comes next."""
        self._text += name
        self._starts.append(len(self._text))
        self._sizes.append(self._size(name.decode("utf-8", "replace")))
        self._templates.append(len(self._fields))

    def tables(self) -> tuple[Any, ...]:
        """What scan.lines.scan takes: names, starts, sizes, templates, kinds, bits."""
        fields = np.array(self._fields, np.int64).reshape(-1, 2)
        return (
            np.frombuffer(bytes(self._text) + b"\0", np.uint8),
            np.array(self._starts, np.int64),
            np.array(self._sizes, np.int64),
            np.array(self._templates, np.int64),
            np.ascontiguousarray(fields[:, 0]),
            np.ascontiguousarray(fields[:, 1]),
        )

    def _size(self, name: str) -> int:
        fields = None if self.fields is None else self.fields.get(name)
        if fields is not None:
            self._fields += fields
            return BY_FIELDS if fields else 0
        if isinstance(self.event_size, Mapping):
            # perf prints `sched:sched_switch` and `cpu-clock:pppH`: the parts will do.
            for key in (name, name.rpartition(":")[2], name.partition(":")[0]):
                if key in self.event_size:
                    return self.event_size[key]
        elif self.event_size is not None:
            return self.event_size
        return BY_TEXT if self.by_text else UNKNOWN


def known_sizes(
    given: units.Quantity | Mapping[str, units.Quantity] | None,
) -> EventSize | None:
    """Bytes, or bytes by event name, each within its range."""
    if given is None:
        return None
    if isinstance(given, Mapping):
        return {str(name): _size(size, f"event_size of {name}") for name, size in given.items()}
    return _size(given, "event_size")


def _size(given: units.Quantity, what: str) -> int:
    size = units.parse_bytes(given, what)
    if size > MAX_SIZE:
        raise ConfigError(what, passed=size, allowed=f"0 .. {MAX_SIZE} bytes")
    return size


def read_text(
    stream: Readable, events: Gathered, shape: int, names: Names, *, default_cpu: int = -1
) -> None:
    """The events of a text.

    Parameters
    ----------
    stream : binary file
        The text, or what unpacks it; read to its end, or to damage.
    events : Gathered
        Where they go.
    shape : int
        What a line looks like: TRACER, BLKPARSE or BABELTRACE of `scan.codes`.
    names : Names
        How large events are.
    default_cpu : int
        The CPU of events that name none; -1 takes that for damage.

    Raises
    ------
    ConfigError
        Damage, with the line and the reason; or an event whose size nobody told.
    """
    told = np.zeros(8, np.int64)
    for number, block in line_blocks(stream, events, _LONGEST):
        _read_block(block, number, events, shape, names, default_cpu, told)


def _read_block(
    block: bytes,
    number: int,
    events: Gathered,
    shape: int,
    names: Names,
    default_cpu: int,
    told: Any,
) -> None:
    from relaylab.workload.scan import lines  # compiles: only when a text is read

    scan: Any = lines.scan
    data = np.frombuffer(block, np.uint8)
    most = block.count(b"\n") + 1
    t_ns, cpu, size = np.empty(most, np.int64), np.empty(most, np.uint16), np.empty(most, np.uint32)
    tables = names.tables()
    told[codes.AT] = 0
    while True:
        why = scan(shape, data, *tables, default_cpu, t_ns, cpu, size, told)
        n = int(told[codes.N])
        events.add(t_ns[:n], cpu[:n], size[:n])
        if why == codes.MORE:
            return
        number += int(told[codes.LINES])
        name = block[told[codes.NAME] : told[codes.NAME_END]]
        if why == codes.NEW_NAME:
            names.meet(name)
            tables = names.tables()
            continue
        if why == codes.NO_SIZE:
            raise _without_size(events.name, number, name.decode("utf-8", "replace"), names)
        start = int(told[codes.AT])
        end = (block.find(b"\n", start) + 1) or len(block)
        line = block[start:end].rstrip(b"\n")
        _damaged(events, number, why, line, told)
        told[codes.AT] = end
        number += 1


def _without_size(file: str, number: int, name: str, names: Names) -> ConfigError:
    given = names.event_size
    known = ", ".join(given) if isinstance(given, Mapping) else ""
    return ConfigError(
        f"{file}, line {number}: the trace does not tell the size of the event {name}",
        allowed=f"event_size for every name; given for: {known}" if known else None,
        hint=f"Say with event_size how many bytes each event has: a number, or {{{name!r}: 64}}; "
        f"on the command line --event-size 64 or {name}=64.",
    )


def _damaged(events: Gathered, number: int, why: int, line: bytes, told: Any) -> None:
    shown = line.strip()[:_SHOWN].decode("utf-8", "replace")
    reasons: dict[int, tuple[str, object, str]] = {
        codes.FOREIGN: ("no event", shown, "an event as the lines before, or a comment"),
        codes.BAD_TIME: ("time of the event", shown, "0 .. 2^63-1 ns"),
        codes.NO_CPU: ("the event names no CPU", shown, "a CPU in every line"),
        codes.BAD_CPU: ("cpu of the event", shown, f"0 .. {MAX_CPU}"),
        codes.BAD_FIELDS: ("fields of the event", shown, "what the trace says that they are"),
        codes.BACKWARDS: (
            "time goes backwards",
            f"{told[codes.NOW]} ns",
            f"{told[codes.LAST_T]} ns or later",
        ),
    }
    hints = {
        codes.NO_CPU: "Record with CPUs: perf record -a or --sample-cpu; the default fields of "
        "babeltrace2 have the CPU of LTTng's traces.",
    }
    reason, passed, allowed = reasons[why]
    hint = {"hint": hints[why]} if why in hints else {}
    events.damaged(f"line {number}", reason, passed=passed, allowed=allowed, **hint)
