"""LTTng's traces load through babeltrace2 as their CSV says, and damage is named."""

import io
import os
import random
import shutil
import stat
import tarfile
from pathlib import Path

import numpy as np
import pytest
from ctfsample import BARE, VARIANT, kinds, plain, write_ctf
from damage import damaged, loads_or_raises
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relaylab import ConfigError, resources, workload
from relaylab.workload import ctf

DATA = Path(__file__).parent / "data" / "traces"

# Where RELAYLAB_REQUIRE_BABELTRACE2 is set, as in .ci/run, they fail without it.
needs_babeltrace2 = pytest.mark.skipif(
    shutil.which("babeltrace2") is None and "RELAYLAB_REQUIRE_BABELTRACE2" not in os.environ,
    reason="needs babeltrace2 (Debian: apt-get install babeltrace2)",
)

EVENTS = [
    [(100, kinds(b'h\xc3\xa4"\\\n\x01, {x', 3)), (300, BARE), (300, plain(b"ab", b"xyz"))],
    [(200, kinds(b"", 0)), (500, plain(b"", b""))],
]


@pytest.fixture(scope="module")
def lttng(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a piece of a real trace."""
    directory = tmp_path_factory.mktemp("lttng")
    with tarfile.open(DATA / "lttng.tar.gz") as tar:
        # Python 3.11.2 knows no filters; later ones want one
        tar.extraction_filter = getattr(tarfile, "data_filter", None)
        tar.extractall(directory)
    return directory / "w6_twocpu"


@needs_babeltrace2
def test_a_real_trace_has_the_events_of_the_csv_of_the_same_run(lttng: Path) -> None:
    load = workload.load(lttng)
    csv = workload.load(resources.trace("w6_twocpu"))
    assert len(load) == 19_782
    assert load.name == "w6_twocpu"
    for cpu in (0, 1):  # the piece has the first packet of each CPU
        mine, theirs = load.cpu == cpu, csv.cpu == cpu
        n = int(mine.sum())
        assert np.array_equal(load.t_ns[mine], csv.t_ns[theirs][:n])
        assert np.array_equal(load.size[mine], csv.size[theirs][:n])


@needs_babeltrace2
def test_a_tar_a_directory_above_and_the_metadata_file_are_the_same_trace(lttng: Path) -> None:
    seen: list[float] = []
    one = workload.load(DATA / "lttng.tar.gz", progress=seen.append)
    assert one.name == "lttng"
    assert seen[-1] == 1.0
    for path in (lttng.parent, lttng / "metadata"):
        load = workload.load(path)
        assert np.array_equal(load.t_ns, one.t_ns)
    with pytest.raises(ConfigError, match=r"one stream of a CTF trace.*w6_twocpu"):
        workload.load(lttng / "ch_0")


@needs_babeltrace2
def test_every_kind_of_field_counts_with_its_size(tmp_path: Path) -> None:
    load = workload.load(write_ctf(tmp_path / "t", EVENTS))
    expected = sorted((t, cpu, size) for cpu, each in enumerate(EVENTS) for t, (_, _, size) in each)
    assert load.t_ns.tolist() == [t for t, _, _ in expected]
    assert load.cpu.tolist() == [cpu for _, cpu, _ in expected]
    assert sorted(load.size.tolist()) == sorted(size for _, _, size in expected)
    assert load.size.tolist()[0] == expected[0][2]


@needs_babeltrace2
def test_a_field_that_varies_asks_for_event_size(tmp_path: Path) -> None:
    path = write_ctf(tmp_path / "t", [[(1, VARIANT), (2, plain(b"", b"x"))]])
    with pytest.raises(ConfigError, match=r"size of the event variant.*event_size"):
        workload.load(path)
    assert workload.load(path, event_size={"variant": 5}).size.tolist() == [5, 2]


@needs_babeltrace2
def test_a_trace_that_names_no_cpu_is_of_cpu_0(tmp_path: Path) -> None:
    load = workload.load(write_ctf(tmp_path / "t", EVENTS, with_cpu=False))
    assert set(load.cpu.tolist()) == {0}


@needs_babeltrace2
@pytest.mark.parametrize(
    ("file", "at", "reason"),
    [("ch_0", 500_000, "ch_0.*offset"), ("metadata", 100, "metadata"), ("metadata", 0, "")],
)
def test_a_cut_trace_is_named_with_the_reason(
    file: str, at: int, reason: str, lttng: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copytree(lttng, tmp_path / "cut"))
    with (path / file).open("r+b") as opened:
        opened.truncate(at)
    with pytest.raises(ConfigError, match=rf"cut.*{reason}"):
        workload.load(path)
    with pytest.raises(ConfigError, match="cut"):
        workload.load(path, errors="skip")


@needs_babeltrace2
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(chance=st.randoms(use_true_random=False), file=st.sampled_from(["metadata", "stream_0"]))
def test_any_damage_to_a_trace_loads_or_raises_a_relay_error(
    tmp_path: Path, chance: random.Random, file: str
) -> None:
    path = write_ctf(tmp_path / "damaged", EVENTS)
    (path / file).write_bytes(damaged((path / file).read_bytes(), chance, packed=False))
    loads_or_raises(path, event_size=8)


@needs_babeltrace2
def test_damage_to_the_real_trace_loads_or_raises_a_relay_error(
    lttng: Path, tmp_path: Path
) -> None:
    chance = random.Random(5)
    path = Path(shutil.copytree(lttng, tmp_path / "damaged"))
    for file in ("ch_0", "ch_1", "metadata"):
        whole = (path / file).read_bytes()
        for _ in range(2):
            (path / file).write_bytes(damaged(whole, chance, packed=False))
            loads_or_raises(path)
        (path / file).write_bytes(whole)


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    whole = (DATA / "lttng.tar.gz").read_bytes()
    path = tmp_path / "cut.tar.gz"
    path.write_bytes(whole[:50_000])
    with pytest.raises(ConfigError, match=r"cut\.tar\.gz, in the archive"):
        workload.load(path)


def test_an_archive_cannot_write_outside_and_without_a_trace_says_so(tmp_path: Path) -> None:
    path = tmp_path / "odd.tar"
    escaped = tmp_path / "escaped"
    for name in ("../escaped", f"inner/../../{tmp_path.name}/escaped", str(escaped)):
        with tarfile.open(path, "w") as tar:
            made = tarfile.TarInfo(name)
            made.size = 4
            tar.addfile(made, io.BytesIO(b"data"))
        with pytest.raises(ConfigError, match=r"odd\.tar.*outside"):
            workload.load(path)
        assert not escaped.exists()
    with tarfile.open(path, "w") as tar:
        tar.add(DATA / "README.md", "README.md")
    with pytest.raises(ConfigError, match=r"odd\.tar holds no trace"):
        workload.load(path)


def test_without_babeltrace2_the_error_says_how_to_get_it(
    lttng: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ConfigError, match=r"not installed.*apt install babeltrace2"):
        workload.load(lttng)


def test_a_babeltrace2_that_says_nothing_is_given_up(
    lttng: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "babeltrace2"
    program.write_text("#!/bin/sh\nexec sleep 100\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(ctf, "_PATIENCE_S", 0.1)
    with pytest.raises(ConfigError, match="no sign"):
        workload.load(lttng)


@needs_babeltrace2
def test_an_interrupt_ends_babeltrace2_too(lttng: Path) -> None:
    class Stop(BaseException):
        pass

    def stop(share: float) -> None:
        raise Stop

    with pytest.raises(Stop):
        workload.load(lttng, progress=stop)


@needs_babeltrace2
def test_a_directory_whose_name_begins_with_a_dash_is_no_option(
    lttng: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(lttng, tmp_path / "--version")
    monkeypatch.chdir(tmp_path)
    assert len(workload.load("--version")) == 19_782
