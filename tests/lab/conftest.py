"""Pages to drive: the workbench in Voila through `relaylab demo`, and in JupyterLab."""

import re
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlparse

import nbformat
import pytest
from lab.driving import Driver

from relaylab import resources

START_S = 240  # the first start compiles
PATIENCE_MS = 240_000
"""A condition that must come true has so long; a machine that is busy is slow."""

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def served(command: list[str], pattern: str, log: Path) -> Iterator[tuple[str, subprocess.Popen]]:
    """A server as a process of its own; the address is what `pattern` finds in its output."""
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + START_S
        while not (found := re.search(pattern, log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield found[0], process
    finally:
        process.terminate()
        try:
            process.wait(120)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running `relaylab demo`."""
    command = [sys.executable, "-m", "relaylab", "demo", "--no-browser"]
    log = tmp_path_factory.mktemp("demo") / "log"
    with served(command, r"http://localhost:\d+/", log) as (address, _):
        yield address


@contextmanager
def jupyter(application: str, page: str, root: Path) -> Iterator[tuple[str, Path]]:
    """The address of a page of a Jupyter application that serves a folder, and the folder."""
    command = [
        sys.executable,
        "-m",
        application,
        "--no-browser",
        "--allow-root",
        "--port=0",
        "--ServerApp.ip=localhost",
        f"--ServerApp.root_dir={root}",
        "--IdentityProvider.token=",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    for name in ("LabApp", "JupyterNotebookApp"):
        command += [f"--{name}.workspaces_dir={root}/workspaces"]
        command += [f"--{name}.user_settings_dir={root}/settings"]
    with served(command, rf"http://localhost:[1-9]\d*/{page}", root / "log") as (address, _):
        yield address, root


@pytest.fixture(scope="module")
def jupyterlab_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of a running JupyterLab, and its folder."""
    root = tmp_path_factory.mktemp("lab")
    answered = root / "settings/@jupyterlab/apputils-extension/notification.jupyterlab-settings"
    answered.parent.mkdir(parents=True)
    answered.write_text('{"fetchNews": "false"}')
    with jupyter("jupyterlab", "lab", root) as server:
        yield server


@pytest.fixture(scope="module")
def notebook_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of a running Notebook 7, and its folder."""
    with jupyter("notebook", "tree", tmp_path_factory.mktemp("notebook")) as server:
        yield server


def in_jupyterlab(server: tuple[str, Path], *cells: str) -> str:
    """The address of a new notebook in JupyterLab; without cells it is the workbench's.

    Each test has a notebook, and so a kernel, of its own: JupyterLab would restore in the new page
    whatever widgets the tests before have left in a kernel.
    """
    address, root = server
    return f"{address}/tree/{_new_notebook(root, cells)}?reset"  # without the tabs of tests before


def in_notebook_7(server: tuple[str, Path], *cells: str) -> str:
    """The address of a new notebook in Notebook 7; without cells it is the workbench's."""
    address, root = server
    return f"{address.removesuffix('tree')}notebooks/{_new_notebook(root, cells)}"


def _new_notebook(root: Path, cells: tuple[str, ...]) -> str:
    notebook = nbformat.read(resources.notebooks() / "workbench.ipynb", as_version=4)
    if cells:
        notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in cells]
    name = f"workbench-{uuid.uuid4().hex}.ipynb"
    nbformat.write(notebook, root / name)
    return name


@pytest.fixture
def jupyterlab(jupyterlab_server: tuple[str, Path]) -> str:
    """The address of a copy of the workbench's notebook in JupyterLab."""
    return in_jupyterlab(jupyterlab_server)


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator["Browser"]:  # noqa: F821
    """This machine's Chromium, headless."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: "Browser") -> Iterator["Page"]:  # noqa: F821
    """A page that must not ask any other host, nor throw."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.set_default_timeout(PATIENCE_MS)
    foreign: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: foreign.extend(_foreign(request.url)))
    page.on("pageerror", lambda error: errors.extend(_ours(str(error))))
    yield page
    page.goto("about:blank")
    page.close()
    assert foreign == []
    assert errors == []


@pytest.fixture
def voila(page: "Page", demo: str) -> Driver:  # noqa: F821
    """The page of `relaylab demo`, painting."""
    driver = Driver(page)
    driver.open_demo(demo)
    return driver


def _foreign(url: str) -> list[str]:
    at = urlparse(url)
    local = at.scheme in ("data", "blob", "about") or at.hostname in ("localhost", "127.0.0.1")
    return [] if local else [url]


_THEIRS = (
    "Canceled future",  # JupyterLab leaves it uncaught that a kernel which dies answers no more
    "(reading 'schema')",  # Notebook 7 opens any notebook with this one
)


def _ours(error: str) -> list[str]:
    return [] if any(theirs in error for theirs in _THEIRS) else [error]
