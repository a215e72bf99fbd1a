"""The budgets of the workbench, measured beside the usual way to do it; see README.md.

pytest tests/bench/test_frames.py -s

RELAYLAB_FRAMES_SECONDS is how long each of the four is watched, 20 unless told.
"""

import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from bench import frames
from lab.conftest import FLAGS, PATIENCE_MS, jupyter, served
from lab.driving import Driver
from lab.weighing import server_of

from relaylab.cli.bench import heading, row
from relaylab.cli.measure import Figure

SECONDS = float(os.environ.get("RELAYLAB_FRAMES_SECONDS", "20"))
RELAYLAB, PEER = "relaylab", "jupyter_bokeh"
CELLS = {RELAYLAB: frames.OURS, PEER: frames.PEERS}

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the CPU time of threads is in /proc"),
    pytest.mark.timeout(1800),
]


@contextmanager
def new_page(chromium: str) -> Iterator[Any]:
    """A page in a browser of its own: what the one before left must not count."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(PATIENCE_MS)
        page.add_init_script(frames.RECORDER)
        yield page
        browser.close()


def in_voila(chromium: str, directory: Path, way: str) -> frames.Measured:
    path, log = frames.notebook(directory, CELLS[way], way)
    command = (frames.voila_of_ours if way == RELAYLAB else frames.voila_plain)(path)
    with (
        served(command, r"http://localhost:\d+/", directory / f"{way}.log") as (address, process),
        new_page(chromium) as page,
    ):
        page.goto(address)
        return frames.Watched(page, log, process.pid).measure(SECONDS, hides=way == RELAYLAB)


def in_jupyterlab(chromium: str, directory: Path, way: str) -> frames.Measured:
    path, log = frames.notebook(directory, CELLS[way], way)
    with jupyter("jupyterlab", "lab", directory) as (address, _), new_page(chromium) as page:
        server = server_of("jupyterlab").pid
        driver = Driver(page)
        driver.open_notebook(f"{address}/tree/{path.name}?reset")
        driver.run(0)
        return frames.Watched(page, log, server).measure(SECONDS, hides=way == RELAYLAB)


def test_the_budgets_beside_jupyter_bokeh(chromium: str, tmp_path: Path) -> None:
    print(f"\n8 CPUs x 64 sub-buffers at full speed, each way watched for {SECONDS:g} s")
    print(heading())
    for where, measure in (("Voila", in_voila), ("Lab", in_jupyterlab)):
        ours, peer = (measure(chromium, tmp_path, way) for way in (RELAYLAB, PEER))
        for figure in frames.figures(where, ours, peer, Figure):
            print(row(figure), flush=True)
            assert not math.isnan(figure.value)
        assert ours.painted > 0
