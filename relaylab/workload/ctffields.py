"""What CTF's metadata says of clocks, CPUs and the fields of events, as babeltrace2 tells it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from relaylab.workload.scan.codes import ARRAY, FIXED, LENGTH, STRING

Field = tuple[int, int]

_EVENT_CLASS: Final = re.compile(r" +Event class `(?P<name>.*)` \(ID \d+\):")
_BITS: Final = re.compile(r"(?:Unsigned|Signed) (?:integer|enumeration) \((\d+)-bit")
_LENGTH: Final = re.compile(r"\(Length ([\d,]+)\)")
_LENGTH_FIELD: Final = re.compile(r"Length field path \[Event payload: (\d+)\]")
_REALS: Final = {"Single-precision real": 32, "Double-precision real": 64, "Boolean": 8}


@dataclass
class Metadata:
    """What is needed to read a trace.

    Attributes
    ----------
    fields : dict of str to list of (kind, bits)
        By event name, as `scan.codes` names the kinds; None where they do not tell the size.
    has_cpu : bool
        Packets say which CPU they are from.
    clocks : set of (int, str)
        Frequency in Hz and offset of each clock.
    """

    fields: dict[str, list[Field] | None] = field(default_factory=dict)
    has_cpu: bool = False
    clocks: set[tuple[str, str, str]] = field(default_factory=set)

    @property
    def counts_ns(self) -> bool:
        """All clocks count nanoseconds from one origin, so that cycles can be taken as they are."""
        return len(self.clocks) == 1 and next(iter(self.clocks))[0] == "1000000000"


@dataclass
class _Node:
    """A line and the lines that are indented below it."""

    text: str
    children: list["_Node"] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """`Unsigned integer (8-bit, ...)` of `name: Unsigned integer (8-bit, ...)`."""
        return self.text.partition(": ")[2]


def read_metadata(lines: Iterable[str]) -> Metadata:
    """What the lines of babeltrace2's sink.text.details say, up to the first event."""
    found = Metadata()
    clock = ["", "", ""]
    for node in _walk(_trees(lines)):
        text = node.text.strip()
        name = _EVENT_CLASS.fullmatch(node.text)
        if name:
            fields = _fields_of_event(node)
            known = found.fields.setdefault(name["name"], fields)
            if known != fields:  # two sessions with different events of one name
                found.fields[name["name"]] = None
        elif text.startswith("Frequency (Hz):"):
            clock = [_digits(text), "", ""]
        elif text.startswith("Offset (s):"):
            clock[1] = text
        elif text.startswith("Offset (cycles):"):
            clock[2] = text
            found.clocks.add((clock[0], clock[1], clock[2]))
        elif text.startswith("cpu_id: "):
            found.has_cpu = True
    return found


def _trees(lines: Iterable[str]) -> list[_Node]:
    root = _Node("")
    path = [(-1, root)]
    for line in lines:
        if line.startswith(("Event `", "Packet beginning")):
            break
        if not line.strip():
            continue
        indent = len(line) - len(line.lstrip())
        while path[-1][0] >= indent:
            path.pop()
        node = _Node(line)
        path[-1][1].children.append(node)
        path.append((indent, node))
    return root.children


def _walk(nodes: list[_Node]) -> Iterable[_Node]:
    for node in nodes:
        yield node
        if not _EVENT_CLASS.fullmatch(node.text):
            yield from _walk(node.children)


def _fields_of_event(node: _Node) -> list[Field] | None:
    payload = [each for each in node.children if "Payload field class: " in each.text]
    if not payload:
        return []
    fields: list[Field] = []
    for member in payload[0].children:
        path = _LENGTH_FIELD.search(member.text)
        bits = _bits(member.kind, member.children)
        if member.kind == "String":
            fields.append((STRING, 0))
        elif bits is not None:
            fields.append((FIXED, bits))
        elif path and int(path[1]) < len(fields) and len(member.children) == 1:
            element = _bits(member.children[0].kind, member.children[0].children)
            at = int(path[1])
            if element is None or fields[at][0] not in (FIXED, LENGTH):
                return None
            before = fields[at][1] if fields[at][0] == LENGTH else 0
            fields[at] = (LENGTH, before + element)
            fields.append((ARRAY, 0))
        else:
            return None
    return fields


def _bits(kind: str, children: list[_Node]) -> int | None:
    """The bits of a field that always has as many; else None."""
    integer = _BITS.match(kind)
    if integer:
        return int(integer[1])
    if kind.rstrip(":") in _REALS:
        return _REALS[kind.rstrip(":")]
    if kind.startswith("Structure ("):
        members = [_bits(each.kind, each.children) for each in children]
        return None if None in members else sum(each or 0 for each in members)
    length = _LENGTH.search(kind)
    if kind.startswith("Bit array") and length:
        return int(_digits(length[1]))
    if kind.startswith("Static array") and length and len(children) == 1:
        element = _bits(children[0].kind, children[0].children)
        return None if element is None else element * int(_digits(length[1]))
    return None


def _digits(text: str) -> str:
    return re.sub(r"[^0-9]", "", text.partition(":")[2] or text)
