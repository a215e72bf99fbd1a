"""A buffer's memory is its whole state: a checkpoint brings it back byte for byte."""

from __future__ import annotations

from typing import Any

import pytest
from engine.observe import channel_state

from relaylab.channel.channel import memories


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_restored_channel_is_what_it_was_and_goes_on_the_same_way(
    overwrite: bool, open_channel: Any
) -> None:
    chan = open_channel(overwrite=overwrite)

    def some_events() -> None:
        for number in range(12):
            chan.write(bytes([number] * 6), cpu=number % 2)
        chan.subbufs_consumed(0, 1)

    some_events()
    kept = [memory.checkpoint() for memory in memories(chan)]
    before = channel_state(chan)
    some_events()
    after = channel_state(chan)
    assert after != before
    for memory, checkpoint in zip(memories(chan), kept, strict=True):
        memory.restore(checkpoint)
    assert channel_state(chan) == before
    some_events()
    assert channel_state(chan) == after


def test_a_checkpoint_takes_as_many_bytes_as_it_says(open_channel: Any) -> None:
    for memory in memories(open_channel()):
        assert sum(len(part) for part in memory.checkpoint()) == memory.checkpoint_size
