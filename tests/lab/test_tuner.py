"""What a person types into the tuner, and what it answers."""

import math

import pytest

from relaylab import ConfigError
from relaylab.lab.shapes import read_tuning

TYPED = {
    "size_from": "4 KiB",
    "size_to": "32 KiB",
    "count_from": "2",
    "count_to": "16",
    "latency": "500 us",
    "per_subbuf": "10 us",
    "speed": "6.3 MB/s",
    "overhead": "10",
    "header": "84",
    "event_size": "",
    "rules": "linux",
}


def test_a_grid_doubles_from_the_smallest_to_the_largest():
    tuning = read_tuning(TYPED)
    assert tuning.subbuf_sizes == (4096, 8192, 16384, 32768)
    assert tuning.n_subbufs == (2, 4, 8, 16)
    assert (tuning.latency_ns, tuning.per_subbuf_ns) == (500_000, 10_000)
    assert tuning.bytes_per_s == pytest.approx(6.3e6)
    assert (tuning.event_overhead, tuning.subbuf_header, tuning.rules) == (10, 84, "linux")
    assert tuning.event_size is None


def test_full_speed_and_event_size_are_understood():
    tuning = read_tuning(TYPED | {"speed": "max", "event_size": "128"})
    assert math.isinf(tuning.bytes_per_s)
    assert tuning.event_size == 128


@pytest.mark.parametrize(
    ("key", "text", "named"),
    [
        ("size_from", "12", "smallest sub-buffer size"),
        ("size_to", "2 KiB", "largest sub-buffer size"),
        ("size_to", "many", "largest sub-buffer size"),
        ("count_from", "0", "fewest sub-buffers"),
        ("count_to", "1.5", "most sub-buffers"),
        ("count_to", "1", "most sub-buffers"),
        ("latency", "soon", "latency"),
        ("speed", "0", "speed"),
        ("overhead", "-1", "bytes added to an event"),
        ("rules", "bsd", "rules"),
        ("event_size", "x", "event size"),
    ],
)
def test_a_wrong_input_is_named_with_what_was_typed(key, text, named):
    with pytest.raises(ConfigError) as error:
        read_tuning(TYPED | {key: text})
    assert named in str(error.value)
    assert text in str(error.value)


def test_a_range_too_wide_to_be_looked_at_is_refused():
    with pytest.raises(ConfigError, match="doublings"):
        read_tuning(TYPED | {"size_from": "64", "size_to": "1 GiB"})
