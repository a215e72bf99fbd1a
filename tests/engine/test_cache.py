"""Compiled code is kept on disk, in the user's cache, and never outlives the code it came from."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import relaylab

WRITE_UNTIL_FULL = """
from relaylab import relayfs
with relayfs.RelayFS(n_cpus=1) as fs:
    chan = relayfs.relay_open("t", None, 16, 4, False, None, fs=fs)
    print("from", relayfs.__file__)
    print("written", sum(chan.write(bytes(16), cpu=0) for _ in range(9)))
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of relaylab's code, as an installation somewhere else."""
    source = Path(relaylab.__file__).parent
    copied = tmp_path / "site" / "relaylab"
    shutil.copytree(source, copied, ignore=shutil.ignore_patterns("__pycache__"))
    return copied


def run(package: Path, **environment: str) -> str:
    """What a fresh process prints that writes with the copied package."""
    own = {"PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    inherited = {key: os.environ[key] for key in os.environ if not key.startswith("NUMBA_")}
    done = subprocess.run(
        [sys.executable, "-c", WRITE_UNTIL_FULL],
        cwd=package.parent,  # python -c looks for modules here first
        env=inherited | own | {"NUMBA_DEBUG_CACHE": "1"} | environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"from {package}" in done.stdout
    return done.stdout


def test_a_fresh_process_uses_the_disk_cache(package: Path, tmp_path: Path) -> None:
    first = run(package, NUMBA_CACHE_DIR=str(tmp_path / "cache"))
    second = run(package, NUMBA_CACHE_DIR=str(tmp_path / "cache"))
    assert "data saved to" in first
    assert "data loaded from" in second
    assert "data saved to" not in second
    assert "written 4" in first
    assert "written 4" in second


def test_a_changed_callee_in_another_file_changes_its_cached_caller(
    package: Path, tmp_path: Path
) -> None:
    cache = str(tmp_path / "cache")
    assert "written 4" in run(package, NUMBA_CACHE_DIR=cache)
    callee = package / "core" / "readers.py"  # its is_full is called by core/ring.py
    code = callee.read_text(encoding="utf-8")
    assert code.count("> buf.n_subbufs - 1") == 1
    callee.write_text(code.replace("> buf.n_subbufs - 1", "> buf.n_subbufs"), encoding="utf-8")
    assert "written 5" in run(package, NUMBA_CACHE_DIR=cache)


def test_an_installed_package_caches_in_the_users_directory_and_leaves_itself_alone(
    package: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    before = sorted(package.rglob("*"))
    for path in (package, *before):
        path.chmod(0o555 if path.is_dir() else 0o444)
    places = {"HOME": str(home), "XDG_CACHE_HOME": "", "LOCALAPPDATA": str(home)}
    first, second = run(package, **places), run(package, **places)
    assert sorted(package.rglob("*")) == before
    assert list(home.rglob("*.nbi"))
    assert "data saved to" in first
    assert "data saved to" not in second
    for path in (package, *before):
        path.chmod(0o755)


def test_without_a_usable_cache_directory_everything_still_works(
    package: Path, tmp_path: Path
) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("not a directory")
    assert "written 4" in run(package, NUMBA_CACHE_DIR=str(blocked))
