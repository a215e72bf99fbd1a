"""A buffer drawn as text says what the engine counts."""

import pytest

from relaylab import relayfs
from relaylab.errors import ConfigError
from relaylab.lab import draw


@pytest.fixture
def channel():
    with relayfs.RelayFS(n_cpus=2) as fs:
        yield relayfs.relay_open("cpu", None, 64, 2, False, None, fs=fs)


def write(channel, count, size=24):
    for _ in range(count):
        channel.write(bytes(size), cpu=1)


def body(channel):
    return [line.split()[1:] for line in draw(channel, 1).splitlines()[1:]]


def test_a_new_buffer_is_written_from_its_first_sub_buffer_on(channel):
    assert draw(channel, 1).splitlines() == [
        "CPU 1: 0 produced, 0 consumed",
        f"  0  writing  |{' ' * 32}|  0 of 64 bytes",
        "  1  empty",
    ]


def test_data_padding_and_free_room_are_told_apart(channel):
    write(channel, 3)
    assert draw(channel, 1).splitlines() == [
        "CPU 1: 1 produced, 0 consumed",
        f"  0  ready    |{'#' * 24}{'.' * 8}|  48 of 64 bytes, padding 16",
        f"  1  writing  |{'#' * 12}{' ' * 20}|  24 of 64 bytes",
    ]
    assert "0 of 64" in draw(channel), "the other CPU's buffer is another one"


def test_a_full_buffer_and_one_that_waits_for_the_event_that_reopens_it(channel):
    write(channel, 5)
    assert [line[0] for line in body(channel)] == ["ready", "full"]
    channel.subbufs_consumed(1, 1)
    assert draw(channel, 1).startswith("CPU 1: 2 produced, 1 consumed, unfull\n")
    assert [line[0] for line in body(channel)] == ["empty", "ready"]
    write(channel, 1)
    assert [line[0] for line in body(channel)] == ["writing", "ready"]


def test_a_sub_buffer_that_todays_kernel_closed_is_no_fuller_than_it_is():
    with relayfs.RelayFS(n_cpus=2) as fs:
        channel = relayfs.relay_open("cpu", None, 64, 2, False, None, fs=fs, rules="linux")
        write(channel, 5)
        assert channel.buffers[1].offset == 65
        assert [line[0] for line in body(channel)] == ["ready", "full"]
        channel.subbufs_consumed(1, 1)
        assert [line[0] for line in body(channel)] == ["empty", "ready"]
        assert "48 of 64 bytes, padding 16" in draw(channel, 1)


def test_a_sub_buffer_that_is_written_though_the_buffer_counts_as_full_is_written(channel):
    write(channel, 5)
    channel.subbufs_consumed(1, 0)
    write(channel, 2)
    assert channel.buffers[1].is_full
    assert body(channel)[0][0] == "writing"
    assert "24 of 64 bytes" in draw(channel, 1)


def test_what_was_overwritten_unread_is_named():
    with relayfs.RelayFS(n_cpus=1) as fs:
        channel = relayfs.relay_open("cpu", None, 64, 4, True, None, fs=fs)
        for _ in range(13):
            channel.write(bytes(24), cpu=0)
        assert "overwritten unread" in draw(channel)


def test_commit_counts_are_named(channel):
    channel.reserve(24, cpu=1).commit()
    assert draw(channel, 1).splitlines()[1].endswith("24 of 64 bytes, commit 24")


def test_a_cpu_that_is_not_there_is_told(channel):
    with pytest.raises(ConfigError, match="cpu"):
        draw(channel, 2)
