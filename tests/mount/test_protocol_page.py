"""PROTOCOL.md and the C client say what the code does: byte offsets, sizes, numbers and limits."""

import os
import re
import socket
import struct
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relaylab import relayfs
from relaylab.core import desk, layout
from relaylab.core.journal import CAPACITY, Kind
from relaylab.core.memory import JOURNAL_SIZE
from relaylab.relayfs import connection, protocol, server

fcntl = pytest.importorskip("fcntl", reason="mounting needs Linux")

CLIENTS = Path(__file__).parents[2] / "assets" / "clients"
PAGE = (CLIENTS / "PROTOCOL.md").read_text(encoding="utf-8")
CLIENT = (CLIENTS / "relaycat.c").read_text(encoding="utf-8")


def table(name: str) -> list[list[str]]:
    """The cells of the rows of a table of the page, without backquotes."""
    found = re.findall(rf"<!-- table: {name} -->\n\|.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE)
    assert len(found) == 1
    rows = [[cell.strip() for cell in line.strip("|").split(" |")] for line in found[0].split("\n")]
    return [[cell.replace("`", "").strip() for cell in row] for row in rows if row != [""]]


def offsets_of(record: np.dtype[Any]) -> list[tuple[str, str]]:
    return [(str(layout.offset_of(record, name)), name) for name in record.names or ()]


def rows_of(name: str) -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in table(name)]


def numbers_in(message: bytes, name: str) -> dict[str, int]:
    """What the page finds in a message; its fields must cover it without holes."""
    found, end = {}, 0
    for offset, size, field, *_ in table(name):
        assert int(offset) == end
        end += int(size)
        raw = message[int(offset) : end]
        found[field] = int.from_bytes(raw, "little", signed=field == "error")
    assert end == len(message)
    return found


def test_the_constants_and_versions_are_those_of_the_code() -> None:
    stated = dict(re.findall(r"^\| `([A-Z_]+)` \| (\w+) \|", PAGE, re.M))
    assert {name: int(value, 0) for name, value in stated.items()} == {
        "MAGIC": layout.MAGIC,
        "VERSION": protocol.VERSION,
        "ABI_VERSION": layout.ABI_VERSION,
        "PAGE": layout.PAGE,
    }
    assert f"Protocol {protocol.VERSION}, layout {layout.ABI_VERSION}." in PAGE


def test_a_welcome_holds_each_field_where_the_page_says() -> None:
    names = [field.name for field in fields(protocol.Welcome)]
    values = {name: (i + 1) << 33 for i, name in enumerate(names)}
    found = numbers_in(protocol.Welcome(**values).packed(), "welcome")
    assert found == values | {
        "magic": layout.MAGIC,
        "version": protocol.VERSION,
        "error": 0,
        "abi": layout.ABI_VERSION,
    }
    assert f"One message of {protocol.WELCOME_BYTES} bytes." in PAGE


def test_a_refusal_holds_its_errno_and_else_zeros() -> None:
    found = numbers_in(protocol.refusal(13), "welcome")
    assert found.pop("error") == 13
    head = found.pop("magic"), found.pop("version"), found.pop("abi")
    assert head == (layout.MAGIC, protocol.VERSION, layout.ABI_VERSION)
    assert set(found.values()) == {0}


def test_requests_and_replies_hold_each_field_where_the_page_says() -> None:
    kinds = {name: int(n) for n, name in re.findall(r"(\d) (MAP|UNMAP):", PAGE)}
    assert kinds == {"MAP": protocol.MAP, "UNMAP": protocol.UNMAP}
    asked = numbers_in(protocol.request(protocol.MAP, 12345678901), "request")
    assert asked == {"kind": protocol.MAP, "zero": 0, "length": 12345678901}
    answer = numbers_in(protocol.reply(protocol.UNMAP, 24), "reply")
    assert answer == {"kind": protocol.UNMAP, "error": 24, "reserved": 0}


@pytest.mark.parametrize("record", ["journal", "record", "letterbox"])
def test_a_record_has_its_fields_where_the_page_says(record: str) -> None:
    assert rows_of(record) == offsets_of(getattr(layout, record.upper()))


def test_the_control_block_has_its_fields_and_arrays_where_the_page_says() -> None:
    arrays = layout.CONTROL.itemsize
    behind = [(f"{arrays}", "padding"), (f"{arrays} + 4 n", "commit")]
    assert rows_of("control") == offsets_of(layout.CONTROL) + behind
    assert all(layout.CONTROL.fields[name][0] == np.int64 for name in layout.CONTROL.names)


def test_the_journal_lies_where_the_page_says() -> None:
    size = layout.RECORD.itemsize
    assert f"`{layout.PAGE} + (i mod capacity) * {size}`" in PAGE
    assert layout.PAGE + CAPACITY * size == JOURNAL_SIZE
    assert f"a power of two: {CAPACITY}" in PAGE
    assert rows_of("kinds") == [(str(int(kind)), kind.name) for kind in Kind]


def test_letters_ask_for_what_the_page_says() -> None:
    names = ["CONSUME", "CONSUME_THROUGH", "ARM", "WATCH"]
    assert rows_of("asks") == [(str(getattr(desk, name)), name) for name in names]


def test_the_limits_are_those_of_the_code() -> None:
    stated = {row[0]: row[1] for row in table("limits")}
    assert stated == {
        "readers of one buffer": str(layout.MAX_LISTENERS),
        "readers of one mount": "1024, and a tenth of the owner's descriptor limit",
        "mappings of one reader": str(connection._MOST_MAPPINGS),
        "requests of one reader": f"{server._ASKED_A_TICK} a tick of {server._TICK_S} s",
    }


@pytest.mark.parametrize(("soft", "most"), [(60, 6), (1 << 20, 1024)])
def test_a_mount_serves_as_many_readers_as_the_page_says(
    monkeypatch: pytest.MonkeyPatch, soft: int, most: int
) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (soft, soft))
    assert server.most_connections() == most


def test_the_descriptors_come_in_the_order_of_the_page() -> None:
    names = [name for _, name in rows_of("descriptors")]
    assert len(names) == protocol.DESCRIPTORS
    assert [number for number, _ in rows_of("descriptors")] == ["0", "1", "2", "3", "4"]
    (order,) = re.findall(r"enum \{ (DATA, .*), DESCRIPTORS \}", CLIENT)
    assert order.lower().split(", ") == names


def test_the_c_client_has_the_numbers_of_the_page() -> None:
    places = {"CONTROL": "control", "LETTERBOX": "letterbox"}
    page = {
        f"{prefix}_{field.upper()}": int(offset)
        for prefix, name in places.items()
        for offset, field in rows_of(name)
        if offset.isdigit()
    }
    page |= {name: int(value) for value, name in rows_of("asks")}
    page |= {
        "MAP": protocol.MAP,
        "UNMAP": protocol.UNMAP,
        "PROTOCOL": protocol.VERSION,
        "LAYOUT": layout.ABI_VERSION,
        "LETTERBOX_SIZE": layout.PAGE,
    }
    client = {
        name: int(value)
        for block in re.findall(r"enum \{(.*?)\}", CLIENT, re.S)
        for name, value in re.findall(r"(\w+) = (\d+)", block)
    }
    assert len(client) > 15
    assert client == {name: page[name] for name in client}
    assert f"#define MAGIC {layout.MAGIC:#X}u".replace("0X", "0x") in CLIENT


def test_a_welcome_is_one_struct_of_the_c_client() -> None:
    (body,) = re.findall(r"struct welcome \{\n(.*?)\};", CLIENT, re.S)
    sizes = {"uint32_t": 4, "int32_t": 4, "uint64_t": 8}
    members = [
        (str(sizes[kind]), name)
        for kind, names in re.findall(r"(u?int\d\d_t) ([^;]+);", body)
        for name in names.split(", ")
    ]
    assert members == [(row[1], row[2]) for row in table("welcome")]


@pytest.mark.skipif(sys.platform != "linux", reason="mounting needs Linux")
def test_what_an_owner_really_hands_over_is_what_the_page_says(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with relayfs.RelayFS(n_cpus=2) as fs:
        fs.mount(tmp_path)
        chan = relayfs.relay_open("t", None, 5000, 3, True, None, fs=fs)
        for _ in range(5):
            chan.write(b"x", 1)
            chan.flush()
        message, descriptors = first_message(tmp_path / "t1")
        try:
            welcome = numbers_in(message, "welcome")
            blocks = [control_block(descriptors[1], welcome, cpu) for cpu in range(2)]
            sealed = [fcntl.fcntl(descriptor, GET_SEALS) for descriptor in descriptors[:3]]
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
    assert len(descriptors) == len(table("descriptors"))
    assert (welcome["subbuf_size"], welcome["n_subbufs"], welcome["alloc_size"]) == (5000, 3, 16384)
    assert (welcome["cpu"], welcome["n_cpus"], welcome["overwrite"]) == (1, 2, 1)
    assert welcome["data_offset"] == 16384
    assert welcome["control_offset"] == welcome["first_control"] + welcome["control_size"]
    assert welcome["pid"] == os.getpid()
    for cpu, block in enumerate(blocks):
        assert (block["magic"], block["cpu"]) == (layout.MAGIC, cpu)
        assert (block["produced"], block["opened"], block["epoch"]) == (5, 5, 0)
    assert blocks[1]["written"] == 5
    assert sealed == [0x17, 0x17, 0x07]  # of include/uapi/linux/fcntl.h, as named on the page


GET_SEALS = 1034


def first_message(path: Path) -> tuple[bytes, list[int]]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
        peer.settimeout(120)
        peer.connect(str(path))
        message, descriptors, _, _ = socket.recv_fds(peer, 4096, 16)
        return message, descriptors


def control_block(control: int, welcome: dict[str, int], cpu: int) -> dict[str, int]:
    """The fields of a CPU's control block, by the page alone."""
    block = os.pread(
        control, welcome["control_size"], welcome["first_control"] + cpu * welcome["control_size"]
    )
    at = [(int(offset), field) for offset, field in rows_of("control") if offset.isdigit()]
    return {field: struct.unpack_from("<q", block, offset)[0] for offset, field in at}
