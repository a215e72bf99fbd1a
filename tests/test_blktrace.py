"""blktrace's files load as blkparse reads them, and damage is named or left out."""

import gzip
import random
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from damage import damaged, loads_or_raises
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relaylab import ConfigError, FileError, resources, workload
from relaylab.workload import blktrace

MAGIC = 0x65617407
NOTIFY = 1 << 26


def record(
    t_ns: int,
    cpu: int = 0,
    pdu: bytes = b"",
    *,
    order: str = "<",
    action: int = 1,
    magic: int = MAGIC,
) -> bytes:
    fields = (magic, 1, t_ns, 8, 4096, action, 120, 0xFD00000, cpu, 0, len(pdu))
    return struct.pack(order + "IIQQIIIIIHH", *fields) + pdu


@pytest.fixture(scope="module")
def bursts() -> bytes:
    """The bundled trace, unpacked."""
    return gzip.decompress(resources.trace("gen_wburst500").read_bytes())


def test_the_bundled_trace_loads_whole() -> None:
    load = workload.load(resources.trace("gen_wburst500"))
    assert load.name == "gen_wburst500"
    assert len(load) == 49_672
    assert load.n_cpus == 1
    assert load.size.tolist() == [48] * len(load)
    assert load.t_ns[-1] - load.t_ns[0] == 981_098_544


@pytest.mark.skipif(shutil.which("blkparse") is None, reason="needs blkparse")
def test_events_are_those_that_blkparse_prints(bursts: bytes, tmp_path: Path) -> None:
    path = tmp_path / "t.blktrace.0"
    path.write_bytes(bursts)
    form = ["-f", "%T %t %c\n", "-q", "-i", str(path)]
    shown = subprocess.run(["blkparse", *form], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in shown.splitlines() if line[:1].isdigit()]
    theirs = np.array([(int(s) * 10**9 + int(ns), int(cpu)) for s, ns, cpu in rows])
    ours = workload.load(path)
    assert len(theirs) == 49_672
    assert np.array_equal(ours.t_ns - ours.t_ns[0], theirs[:, 0])
    assert np.array_equal(ours.cpu, theirs[:, 1])


def test_a_payload_counts_and_a_notify_record_does_not(tmp_path: Path) -> None:
    path = tmp_path / "t.blktrace.0"
    path.write_bytes(
        record(99, pdu=b"name0000", action=NOTIFY)
        + record(5, pdu=b"12345")
        + record(7)
        + record(6, action=NOTIFY | 2)
        + record(7, pdu=bytes(65535))
    )
    load = workload.load(path)
    assert load.t_ns.tolist() == [5, 7, 7]
    assert load.size.tolist() == [53, 48, 65583]


def swapped(data: bytes) -> bytes:
    """The same records as a machine of the other byte order writes them."""
    out, at = [], 0
    while at < len(data):
        fields = struct.unpack_from("<IIQQIIIIIHH", data, at)
        end = at + 48 + fields[-1]
        out += [struct.pack(">IIQQIIIIIHH", *fields), data[at + 48 : end]]
        at = end
    return b"".join(out)


def test_both_byte_orders_give_the_same_events(bursts: bytes, tmp_path: Path) -> None:
    (tmp_path / "l.blktrace.0").write_bytes(bursts)
    (tmp_path / "b.blktrace.0").write_bytes(swapped(bursts))
    little, big = (workload.load(tmp_path / f"{name}.blktrace.0") for name in "lb")
    assert np.array_equal(little.t_ns, big.t_ns)
    assert np.array_equal(little.size, big.size)


@pytest.mark.parametrize("name", ["", "sda", "sda.", "sda.blktrace"])
def test_a_directory_or_the_common_name_is_all_cpus_by_time(name: str, tmp_path: Path) -> None:
    (tmp_path / "sda.blktrace.0").write_bytes(record(1) + record(5) + record(9))
    (tmp_path / "sda.blktrace.1").write_bytes(b"")  # nothing happened there
    (tmp_path / "sda.blktrace.2.gz").write_bytes(
        gzip.compress(record(0, 2) + record(5, 2, b"ab") + record(5, 2))
    )
    seen: list[float] = []
    load = workload.load(tmp_path / name, progress=seen.append)
    assert load.name == "sda"
    assert load.n_cpus == 3
    assert load.t_ns.tolist() == [0, 1, 5, 5, 5, 9]
    assert load.cpu.tolist() == [2, 0, 0, 2, 2, 0]
    assert load.size.tolist() == [48, 48, 48, 50, 48, 48]
    assert seen == sorted(seen)
    assert workload.load(tmp_path / "sda.blktrace.0").cpu.tolist() == [0, 0, 0]


def test_two_traces_in_a_directory_are_not_mixed(tmp_path: Path) -> None:
    for name in ("sda.blktrace.0", "sdb.blktrace.0"):
        (tmp_path / name).write_bytes(record(1))
    with pytest.raises(ConfigError, match=r"2 blktrace traces.*sda\.blktrace.*sdb\.blktrace"):
        workload.load(tmp_path)
    assert len(workload.load(tmp_path / "sdb")) == 1
    with pytest.raises(FileError, match="sdc"):
        workload.load(tmp_path / "sdc")


@pytest.mark.parametrize(
    ("data", "offset", "reason"),
    [
        (b"", 0, "no event"),
        (record(5)[:47], 0, "cut"),
        (record(5) + record(6, pdu=b"abcd")[:-1], 48, "cut"),
        (record(5) + b"x" * 48, 48, "no blktrace record.*0x78787878"),
        (record(5) + record(6, magic=0x65617406), 48, "version.*got 6"),
        (record(5) + record(4), 48, "backwards.*got 4.*5 ns or later"),
        (record(2**63), 0, "time of the record.*9223372036854775808"),
        (record(5, pdu=b"ab") + record(5, 65535), 50, "cpu of the record.*65535"),
        (b"tcpdump" * 9, 0, "no blktrace record"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_damage_is_named_with_its_offset_or_left_out_on_request(
    data: bytes, offset: int, reason: str, packed: bool, tmp_path: Path
) -> None:
    path = tmp_path / "bad.blktrace.0"
    path.write_bytes(gzip.compress(data) if packed else data)
    named = f", offset {offset}: " if data else " has "
    with pytest.raises(ConfigError, match=rf"bad\.blktrace\.0{named}.*{reason}"):
        workload.load(path)
    data = record(0) + data + record(7)
    path.write_bytes(gzip.compress(data) if packed else data)
    load = workload.load(path, errors="skip")
    assert load.t_ns.tolist()[0] == 0
    assert load.skipped == bool(len(data) > 96)


def test_reading_goes_on_after_what_is_no_record(tmp_path: Path) -> None:
    path = tmp_path / "t.blktrace.0"
    path.write_bytes(record(1) + bytes(100_000) + record(2) + b"\x07ta" + record(3))
    load = workload.load(path, errors="skip")
    assert load.t_ns.tolist() == [1, 2, 3]
    assert load.skipped == 2


def test_events_are_the_same_however_the_file_is_chunked(
    bursts: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.blktrace.0"
    path.write_bytes(bursts[:50_000])
    whole = workload.load(path, errors="skip")
    monkeypatch.setattr(blktrace, "_CHUNK", 61)
    pieces = workload.load(path, errors="skip")
    assert np.array_equal(whole.t_ns, pieces.t_ns)
    assert whole.skipped == pieces.skipped == 1


@pytest.mark.parametrize("errors", ["raise", "skip"])
@pytest.mark.parametrize("first", [b"", record(1)])
def test_a_file_of_ten_gigabytes_of_zeros_ends_at_once_and_in_little_memory(
    errors: str, first: bytes, tmp_path: Path
) -> None:
    resource = pytest.importorskip("resource")
    path = tmp_path / "zeros.blktrace.0"
    with path.open("wb") as file:
        file.write(first)
        file.truncate(10 << 30)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if first and errors == "skip":
        assert len(workload.load(path, errors="skip")) == 1
    else:
        with pytest.raises(ConfigError, match="zeros"):
            workload.load(path, errors=errors)  # type: ignore[arg-type]
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < (50_000 if sys.platform == "linux" else 50_000_000)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.randoms(use_true_random=False))
def test_any_damage_to_the_real_file_loads_or_raises_a_relay_error(
    bursts: bytes, tmp_path: Path, chance: random.Random
) -> None:
    path = tmp_path / "damaged.blktrace.0"
    path.write_bytes(damaged(bursts[:20_000], chance))
    loads_or_raises(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(), st.sampled_from([blktrace.LITTLE, blktrace.BIG, b""]))
def test_any_bytes_load_or_raise_a_relay_error(tmp_path: Path, data: bytes, magic: bytes) -> None:
    path = tmp_path / "any.blktrace.0"
    path.write_bytes(magic + data)
    loads_or_raises(path)


def test_every_cut_of_the_real_file_gives_all_events_before_it(
    bursts: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "cut.blktrace.0"
    path.write_bytes(bursts)
    whole = workload.load(path)
    for cut in range(200, 3000, 37):
        path.write_bytes(bursts[:cut])
        load = workload.load(path, errors="skip")
        assert np.array_equal(load.t_ns, whole.t_ns[: len(load)])
        n_records, left = divmod(cut - 120, 48)  # two notify records of 56 and 64 bytes come first
        assert (len(load), load.skipped) == (n_records, bool(left))
