"""What the objects of a channel show is what programs may rely on."""

from __future__ import annotations

from typing import Any


def public(thing: Any) -> set[str]:
    return {name for name in dir(thing) if not name.startswith("_")}


def test_a_buffer_shows_its_fields_and_nothing_of_the_engine(open_channel: Any) -> None:
    assert public(open_channel().buffers[0]) == {
        *("cpu", "path", "data_index", "offset", "subbufs_produced", "subbufs_consumed"),
        *("unfull", "finalized", "refcount", "released", "padding", "commit", "memory"),
        *("is_full", "is_empty", "poll", "stats"),
    }


def test_a_channel_shows_its_fields_and_the_functions_of_relayfs(open_channel: Any) -> None:
    assert public(open_channel()) == {
        *("name", "version", "subbuf_size", "n_subbufs", "alloc_size", "overwrite", "n_cpus"),
        *("buffers", "callbacks", "closed", "stats", "journal", "snapshot", "handle"),
        *("write", "write_unlocked", "write_many", "reserve", "commit", "subbufs_consumed"),
        *("switch_subbuf", "flush", "reset", "close"),
    }


def test_a_slot_shows_where_it_is_and_how_to_commit_it(open_channel: Any) -> None:
    slot = open_channel().reserve(4, cpu=0)
    assert public(slot) == {"offset", "length", "cpu", "view", "commit"}
