"""A frame is read back as it was written, by Python and by the page's JavaScript."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from relaylab import lab
from relaylab.core.journal import Kind
from relaylab.lab.frame import (
    COLUMNS,
    CPU,
    RECORD,
    STATUSES,
    TOTALS,
    Cells,
    Frame,
    FrameFlag,
    decode,
    encode,
)
from relaylab.lab.newest import Newest

JS = Path(lab.__file__).parent / "js"


def frame_of_everything(n_cpus=3, n_subbufs=5):
    random = np.random.default_rng(1)
    cpus = np.zeros(n_cpus, CPU)
    cpus["produced"] = 2**40 + np.arange(n_cpus)
    cpus["consumed"] = 7
    cpus["reading"] = -1
    cpus["offset"] = [11, 12, 13]
    cpus["lost"] = 123_456_789_012
    records = np.zeros(2, RECORD)
    records["t_ns"] = [1, 2**45]
    records["kind"] = [2, 14]
    records["value"] = [-1, 9]
    count = n_cpus * n_subbufs
    return Frame(
        seq=41,
        sent_ms=1.75e12,
        t_s=2.5,
        generation=3,
        flags=FrameFlag.FULL | FrameFlag.VIRTUAL,
        status="paused",
        n_subbufs=n_subbufs,
        subbuf_size=4096,
        skipped=17,
        cpus=cpus,
        totals=np.arange(len(TOTALS)) + 2**33,
        samples=random.random((4, len(COLUMNS))),
        records=records,
        cells=Cells(
            np.arange(count, dtype=np.uint32),
            random.integers(0, 65536, count).astype(np.uint16),
            random.integers(0, 65536, count).astype(np.uint16),
            random.integers(0, 65536, count).astype(np.uint16),
            random.integers(0, 6, count).astype(np.uint8),
        ),
        text={"caption": "23 bytes of padding — deliver"},
        memory=bytes(range(33)),
    )


def same(one, other):
    for name, value in vars(one).items():
        theirs = getattr(other, name)
        if name == "cells":
            same(value, theirs)
        elif isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, theirs)
        else:
            assert value == theirs, name


def test_a_frame_is_read_back_as_it_was_written():
    same(frame_of_everything(), decode(encode(frame_of_everything())))


def test_an_empty_frame_is_read_back():
    same(Frame(), decode(encode(Frame())))


def test_each_section_starts_at_a_multiple_of_8():
    assert len(encode(frame_of_everything(3, 5))) % 8 == 0


def test_what_is_no_frame_is_refused():
    with pytest.raises(ValueError, match="not a frame"):
        decode(bytes(200))


@pytest.fixture
def node():
    found = shutil.which("node")
    if found is None:
        pytest.skip("no node on this machine: install one (Debian: apt-get install nodejs)")
    return found


def run_module(node, script, tmp_path):
    file = tmp_path / "script.mjs"
    file.write_text(script)
    done = subprocess.run([node, str(file)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_javascript_reads_what_python_wrote(node, tmp_path):
    frame = frame_of_everything()
    # One byte in front: the page gets its messages at any place of a larger buffer.
    (tmp_path / "frame").write_bytes(b"x" + encode(frame))
    (tmp_path / "frame.mjs").write_text((JS / "frame.js").read_text())
    script = """
      import { readFileSync } from "node:fs";
      import { decodeFrame } from "./frame.mjs";
      const bytes = readFileSync(new URL("./frame", import.meta.url));
      const whole = new Uint8Array(bytes);
      const frame = decodeFrame(new DataView(whole.buffer, 1, whole.length - 1));
      const plain = (key, value) => ArrayBuffer.isView(value) ? Array.from(value) : value;
      console.log(JSON.stringify(frame, plain));
    """
    read = json.loads(run_module(node, script, tmp_path))
    assert read["seq"] == 41
    assert read["sentMs"] == 1.75e12
    assert read["tS"] == 2.5
    assert read["generation"] == 3
    assert read["flags"] == int(frame.flags)
    assert read["status"] == "paused"
    assert (read["nCpus"], read["nSubbufs"], read["subbufSize"]) == (3, 5, 4096)
    assert read["skipped"] == 17
    assert read["totals"] == dict(zip(TOTALS, frame.totals.tolist(), strict=True))
    assert read["samples"] == frame.samples.ravel().tolist()
    assert read["text"] == frame.text
    assert bytes(read["memory"]) == frame.memory
    for name in ("index", "fill", "padding", "commit", "state"):
        assert read[name] == getattr(frame.cells, name).tolist()
    named = {"offset": "offset", "lost": "lost", "produced": "produced", "reading": "reading"}
    for theirs, ours in named.items():
        assert [cpu[theirs] for cpu in read["cpus"]] == frame.cpus[ours].tolist()
    for theirs, ours in {"tNs": "t_ns", "kind": "kind", "value": "value"}.items():
        assert [record[theirs] for record in read["records"]] == frame.records[ours].tolist()


def test_javascript_knows_the_same_names(node, tmp_path):
    (tmp_path / "frame.mjs").write_text((JS / "frame.js").read_text())
    script = """
      import { STATUSES, TOTALS } from "./frame.mjs";
      console.log(JSON.stringify([STATUSES, TOTALS]));
    """
    statuses, totals = json.loads(run_module(node, script, tmp_path))
    assert tuple(statuses) == STATUSES
    assert tuple(totals) == TOTALS


def test_the_view_is_one_module_without_imports(node, tmp_path):
    from relaylab.lab.esm import view_module

    module = view_module()
    assert "\nimport " not in module
    script = module + '\nconsole.log("parsed");'
    assert "parsed" in run_module(node, script, tmp_path)


def test_rare_records_are_kept_in_order_however_many_others_come():
    newest = Newest(5)
    crowd = np.zeros(1000, RECORD)
    crowd["t_ns"] = np.arange(1000)
    crowd["kind"] = Kind.PRODUCED
    crowd["kind"][[100, 998]] = Kind.MAPPED
    assert newest.add(crowd[:500]) + newest.add(crowd[500:]) == 1000 - 7
    assert newest.records["t_ns"].tolist() == [100, 994, 995, 996, 997, 998, 999]
    newest.clear()
    assert len(newest.records) == 0
