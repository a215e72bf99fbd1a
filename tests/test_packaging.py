"""The project around the package: set-up commands, dependencies, what a wheel carries."""

import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")

START = "pip install -e . && relaylab demo"
TEST = 'pip install -e ".[test]" && pytest'
PYTHON = re.findall(r"^```python\n(.*?)^```$", README, re.M | re.S)


def tracked_files() -> list[Path]:
    """What git keeps, or would with the next commit."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git clone")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    paths = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def test_the_readme_has_exactly_two_set_up_commands() -> None:
    blocks = re.findall(r"^ *```(\w*)\n(.*?)\n *```$", README, re.M | re.S)
    assert [block.strip() for language, block in blocks if not language] == [START, TEST]


def test_ci_runs_the_test_command_of_the_readme_and_needs_a_browser() -> None:
    assert TEST in CI.splitlines()
    assert "set -euo pipefail" in CI
    assert "export RELAYLAB_REQUIRE_BROWSER=1" in CI
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_the_python_of_the_readme_runs(capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(PYTHON[0], "README.md", "exec"), {})
    assert "['cpu0', 'cpu1']" in capsys.readouterr().out


@pytest.mark.skipif(sys.platform != "linux", reason="mounting needs Linux")
def test_the_second_process_of_the_readme_reads_what_the_first_writes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, owner, reader = PYTHON
    names: dict[str, Any] = {}
    exec(compile(owner, "README.md", "exec"), names)
    directory = capsys.readouterr().out.strip()
    fs, chan = names["fs"], names["chan"]
    with fs:
        assert chan.write(b"an event", cpu=0)
        chan.flush()
        code = re.sub(r'".*/cpu0"', repr(f"{directory}/cpu0"), reader)
        command = [sys.executable, "-c", code]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            while chan.buffers[0].subbufs_consumed == 0:
                assert process.poll() is None
                time.sleep(0.01)
            chan.close()
            assert process.stdout is not None
            assert process.stdout.read() == f"0 {np.frombuffer(b'an event', np.uint8)} 4088\n"
        assert process.returncode == 0


def test_every_command_that_the_readme_names_exists() -> None:
    from relaylab.cli.parser import COMMANDS

    named = re.findall(r"^\| `relaylab (\w+)", README, re.M)
    assert sorted(named) == sorted(COMMANDS)


def test_local_links_of_the_readme_lead_somewhere() -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_environment_yml_names_the_set_of_pyproject_with_the_same_bounds() -> None:
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    listed = set(re.findall(r"^ +- ([\w-]+>=[\w.]+)$", text, re.M))
    project = PYPROJECT["project"]
    wanted = {f"python{project['requires-python']}", *project["dependencies"]}
    wanted.update(*project["optional-dependencies"].values())
    assert listed == wanted


def test_every_dependency_has_a_lower_bound_and_nothing_else() -> None:
    project = PYPROJECT["project"]
    for one in sum(project["optional-dependencies"].values(), project["dependencies"]):
        assert re.fullmatch(r"[\w-]+>=[\d.]+", one)


def test_no_file_waits_to_be_finished() -> None:
    marker = b"TO" + b"DO"
    assert [path for path in tracked_files() if marker in path.read_bytes()] == []


def test_no_lock_file_and_no_registry_address_is_kept() -> None:
    addresses = re.compile(rb"https?://[\w.-]*(pypi|npmjs|anaconda|jsdelivr|unpkg|cdnjs)", re.I)
    for path in tracked_files():
        assert path.suffix != ".lock"
        assert path.name not in {"package-lock.json", "pnpm-lock.yaml"}
        assert not addresses.search(path.read_bytes()), path


def test_every_public_name_resolves_and_no_other_does() -> None:
    import relaylab

    assert set(relaylab.__all__) <= set(dir(relaylab))
    for name in relaylab.__all__:
        assert getattr(relaylab, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'relay_opne'"):
        _ = relaylab.relay_opne


def test_a_newcomer_finds_the_licence_and_the_version() -> None:
    import relaylab

    assert "The relaylab developers" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert re.fullmatch(r"\d+\.\d+\.\d+", relaylab.__version__)
    assert sys.version_info >= (3, 11)
