"""What the tests of the mount share: a mounted file system here, and other processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fcntl", reason="mounting needs Linux")

from mount import loops
from mount.peers import Peer
from opening import OpenChannel, opener

from relaylab import relayfs


@pytest.fixture(scope="session", autouse=True)
def runtime_directory(tmp_path_factory: Any) -> Iterator[Path]:
    """A runtime directory for these tests alone."""
    directory = tmp_path_factory.mktemp("run", numbered=True)
    directory.chmod(0o700)
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = str(directory)
    yield directory
    if before is None:
        del os.environ["XDG_RUNTIME_DIR"]
    else:
        os.environ["XDG_RUNTIME_DIR"] = before


@pytest.fixture(scope="session")
def compiled() -> None:
    """The writer of checked events, compiled in this process too."""
    loops.prepare()


@pytest.fixture
def fs() -> Iterator[relayfs.RelayFS]:
    """A file system of one CPU."""
    with relayfs.RelayFS(n_cpus=1) as made:
        yield made


@pytest.fixture
def point(tmp_path: Path) -> Path:
    """A directory to mount on."""
    directory = tmp_path / "point"
    directory.mkdir()
    return directory


@pytest.fixture
def mounted(fs: relayfs.RelayFS) -> relayfs.RelayFS:
    """The file system, mounted on a directory of its own."""
    fs.mount()
    return fs


@pytest.fixture
def open_channel(mounted: relayfs.RelayFS) -> OpenChannel:
    """Opens channels: 4 sub-buffers of 64 bytes in `mounted`, no-overwrite, unless told."""

    return opener(mounted, 64)


@pytest.fixture
def peer() -> Iterator[Callable[..., Peer]]:
    """Makes other processes, which are gone after the test."""
    made: list[Peer] = []

    def make(**names: Any) -> Peer:
        made.append(Peer(**names))
        return made[-1]

    yield make
    for one in made:
        one.dispose()


@pytest.fixture
def reader(peer: Callable[..., Peer]) -> Peer:
    """Another process."""
    return peer()


@pytest.fixture
def path(mounted: relayfs.RelayFS) -> str:
    """Of the file of CPU 0 of a channel "t"."""
    return f"{mounted.mountpoint}/t0"
