"""An installed wheel works away from the clone."""

import json
import os
import re
import signal
import subprocess
import sys
import sysconfig
import urllib.request
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment with relaylab's wheel in it.

    What relaylab depends on comes from this environment, so that nothing is downloaded; relaylab
    itself does not, because the fresh environment's own packages come first.
    """
    away = tmp_path_factory.mktemp("away")
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run([*build, "--wheel-dir", away, ROOT], check=True)
    (wheel,) = away.glob("relaylab-*.whl")
    venv.create(away / "env", with_pip=False, symlinks=os.name != "nt")
    scripts = away / "env" / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / Path("python").with_suffix(".exe" if os.name == "nt" else "")
    asked = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(subprocess.check_output([python, "-c", asked], text=True).strip())
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--quiet"]
    subprocess.run([*install, wheel], check=True)
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    return python


def away_from_the_clone() -> dict[str, str]:
    """The environment of a process that must not find the clone.

    What Jupyter keeps outside of site-packages is borrowed like the packages themselves.
    """
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return env | {"JUPYTER_PATH": str(Path(sysconfig.get_path("data")) / "share" / "jupyter")}


def ask(python: Path, code: str, cwd: Path) -> str:
    """What `code` prints, run far from the clone."""
    command = [python, "-c", code]
    return subprocess.check_output(command, cwd=cwd, env=away_from_the_clone(), text=True)


def run(python: Path, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The installed command `relaylab`."""
    command = [python.with_name("relaylab"), *words]
    return subprocess.run(
        command, cwd=cwd, env=away_from_the_clone(), capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_the_wheel_brings_assets_and_notebooks_and_not_the_clone(
    installed: Path, tmp_path: Path
) -> None:
    code = (
        "import json, relaylab; from relaylab import resources, workload;"
        "print(json.dumps([relaylab.__file__, str(resources.trace()), str(resources.notebooks()),"
        "len(workload.load(resources.trace())),"
        "sorted(p.name for p in resources.notebooks().glob('*.ipynb'))]))"
    )
    home, trace, notebooks, events, names = json.loads(ask(installed, code, tmp_path))
    package = Path(home).parent
    assert package.is_relative_to(installed.parents[1])
    assert Path(trace).is_relative_to(package)
    assert Path(notebooks).is_relative_to(package)
    assert events == 200_000
    assert names == sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
    assert "workbench.ipynb" in names


@pytest.mark.slow
def test_the_wheel_has_types_licence_and_the_workbench_s_scripts(
    installed: Path, tmp_path: Path
) -> None:
    code = "import relaylab; print(relaylab.__file__)"
    package = Path(ask(installed, code, tmp_path).strip()).parent
    here = {p.relative_to(ROOT / "relaylab") for p in (ROOT / "relaylab").rglob("*") if p.is_file()}
    kept = {path for path in here if "__pycache__" not in path.parts and path.suffix != ".pyc"}
    there = {path.relative_to(package) for path in package.rglob("*") if path.is_file()}
    assert Path("py.typed") in there
    assert kept - there == set()
    assert list(package.parent.glob("relaylab-*.dist-info/licenses/LICENSE"))
    assert not [path for path in there if "screenshots" in path.parts]


@pytest.mark.slow
def test_the_installed_command_answers_version_help_and_replay(
    installed: Path, tmp_path: Path
) -> None:
    import relaylab

    version = run(installed, "--version", cwd=tmp_path)
    assert (version.returncode, version.stdout) == (0, f"relaylab {relaylab.__version__}\n")
    assert "examples:" in run(installed, "--help", cwd=tmp_path).stdout
    replayed = run(installed, "replay", "--full-speed", "--json", cwd=tmp_path)
    assert replayed.returncode == 0, replayed.stderr
    assert json.loads(replayed.stdout)["events"] == 200_000


@pytest.mark.slow
def test_the_installed_demo_serves_the_workbench_and_ends_on_ctrl_c(
    installed: Path, tmp_path: Path
) -> None:
    with subprocess.Popen(
        [installed.with_name("relaylab"), "demo", "--no-browser"],
        cwd=tmp_path,
        env=away_from_the_clone(),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            told = next((line for line in process.stdout if "http://" in line), "")
            (address,) = re.findall(r"http://localhost:\d+/", told)
            with urllib.request.urlopen(address, timeout=240) as answer:
                page = answer.read().decode()
            assert answer.status == 200
            text = re.sub(r"<[^>]*>", "", page)  # a traceback is full of tags
            assert "application/vnd.jupyter.widget-view+json" in text, text[-2000:]
            assert re.search(r"Workbench \w+, live time, on ", page), text[-2000:]
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(timeout=120) in (0, 130)
