"""What the tests of the engine share: a file system of their own, and channels in it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # model, conformance, engine

from engine.observe import channel_state
from opening import OpenChannel, opener

from relaylab import relayfs


@pytest.fixture
def fs() -> Iterator[relayfs.RelayFS]:
    """A file system of two CPUs."""
    with relayfs.RelayFS(n_cpus=2) as made:
        yield made


@pytest.fixture
def open_channel(fs: relayfs.RelayFS) -> OpenChannel:
    """Opens channels: 4 sub-buffers of 16 bytes in `fs`, no-overwrite, unless told otherwise."""

    return opener(fs, 16)


Unchanged = Callable[..., AbstractContextManager[None]]


@pytest.fixture
def unchanged(fs: relayfs.RelayFS) -> Unchanged:
    """A block in which no byte, field, statistic, journal or path may change."""

    @contextmanager
    def guard(*channels: relayfs.Channel) -> Iterator[None]:
        cursors = [chan.journal.cursor() for chan in channels]
        for cursor in cursors:
            cursor.read()
        before = [channel_state(chan) for chan in channels], fs.listdir()
        yield
        assert ([channel_state(chan) for chan in channels], fs.listdir()) == before
        assert [len(cursor.read()) for cursor in cursors] == [0] * len(channels)

    return guard
