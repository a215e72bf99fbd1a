"""`relaylab demo` serves a page that asks no other host, and leaves nothing behind."""

import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil
import pytest
from lab.conftest import served

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

COMMAND = [sys.executable, "-m", "relaylab", "demo", "--no-browser"]
ADDRESS = r"http://localhost:\d+/"


def fetch(address):
    with urllib.request.urlopen(address, timeout=240) as response:
        return response.read().decode()


def family_of(process):
    return psutil.Process(process.pid).children(recursive=True)


def wait_until(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is another thing there")
def test_ctrl_c_ends_the_server_and_every_kernel(tmp_path):
    with served(COMMAND, ADDRESS, tmp_path / "log") as (address, process):
        page = fetch(address)
        assert "Traceback" not in page
        linked = re.findall(r"""(?:href|src|url\()\s*=?\s*["'(]?(https?:)?//[^"')]*""", page)
        assert linked == []
        family = family_of(process)
        assert family, "the page runs in a kernel of its own"
        connections = set(Path(tempfile.gettempdir()).glob("voila_*"))

        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 0
        wait_until(lambda: not any(member.is_running() for member in family))
        left = {path for path in connections if path.exists()}
        assert len(left) < len(connections)
    log = (tmp_path / "log").read_text()
    assert "Traceback" not in log


def test_a_port_that_is_taken_is_told(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [*COMMAND, f"--port={port}"], capture_output=True, text=True, timeout=300
        )
    assert done.returncode == 2
    assert str(port) in done.stderr
    assert "Leave --port out" in done.stderr


def test_a_trace_that_is_not_there_is_told_before_anything_starts():
    done = subprocess.run([*COMMAND, "nowhere.csv"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 2
    assert "nowhere.csv" in done.stderr
