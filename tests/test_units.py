"""Texts with units and numbers mean the same, both ways."""

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relaylab import ConfigError, units

SIZES = st.integers(0, 2**63 - 1)


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("64 KiB", 65536),
        ("64k", 65536),
        ("64K", 65536),
        ("1.5 MB", 1_500_000),
        ("1.5 MiB", 1_572_864),
        ("4096", 4096),
        ("1_000 B", 1000),
        (".5k", 512),
        ("1e3", 1000),
        ("2 GiB", 2**31),
        (4096, 4096),
        (np.uint32(7), 7),
        (4096.0, 4096),
        (Decimal(12), 12),
    ],
)
def test_a_size_is_bytes_with_binary_or_decimal_prefix(text: units.Quantity, n: int) -> None:
    assert units.parse_bytes(text) == n
    assert type(units.parse_bytes(text)) is int


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("2 ms", 2_000_000),
        ("200us", 200_000),
        ("200 µs", 200_000),
        ("200 μs", 200_000),
        ("1.5 s", 1_500_000_000),
        ("1 min", 60_000_000_000),
        ("0 s", 0),
        (17, 17),
        (0.1 + 0.2, 0),
    ],
)
def test_a_duration_is_whole_nanoseconds(text: units.Quantity, ns: int) -> None:
    assert units.parse_duration(text) == ns


@pytest.mark.parametrize(
    ("text", "rate"),
    [("1.5 M/s", 1.5e6), ("200k/s", 2e5), ("5k", 5e3), ("3 /ms", 3e3), ("50 events/s", 50), (7, 7)],
)
def test_a_rate_is_events_a_second_with_decimal_prefix(text: units.Quantity, rate: float) -> None:
    assert units.parse_rate(text) == rate


@pytest.mark.parametrize(
    ("text", "rate"),
    [("2 GB/s", 2e9), ("64 KiB/ms", 65_536_000), ("2k/s", 2000), ("5 B/s", 5), (1e9, 1e9)],
)
def test_a_bandwidth_is_bytes_a_second(text: units.Quantity, rate: float) -> None:
    assert units.parse_bandwidth(text) == rate


@pytest.mark.parametrize(
    "wrong",
    [
        *("", "x", "64 QB", "-1", "1.5", "1e999k", "9" * 5000, "1 2", "٣"),
        *(-1, 1.5, math.nan, math.inf, True, None, [1], b"1", 2**63, 1 + 2j),
    ],
)
def test_what_is_no_size_is_a_config_error_that_shows_it(wrong: units.Quantity) -> None:
    with pytest.raises(ConfigError, match="subbuf_size") as caught:
        units.parse_bytes(wrong, "subbuf_size")
    assert "got" in str(caught.value)
    assert "allowed" in str(caught.value)


def test_a_duration_as_text_without_unit_is_refused() -> None:
    with pytest.raises(ConfigError, match="unit"):
        units.parse_duration("5")


@pytest.mark.parametrize("wrong", ["1/", "1 M/fortnight", "/s", "1/2/s", "5 s"])
def test_a_rate_is_per_a_known_time(wrong: str) -> None:
    with pytest.raises(ConfigError, match="rate"):
        units.parse_rate(wrong)


@given(SIZES)
def test_exact_bytes_survive_the_way_through_text(n: int) -> None:
    assert units.parse_bytes(units.format_bytes(n, exact=True)) == n


@given(SIZES)
def test_exact_durations_survive_the_way_through_text(ns: int) -> None:
    assert units.parse_duration(units.format_duration(ns, exact=True)) == ns


@given(st.floats(0.01, 2**62))
def test_shown_quantities_keep_three_digits(x: float) -> None:
    assert units.parse_rate(units.format_rate(x)) == pytest.approx(x, rel=5.1e-3)
    assert units.parse_bandwidth(units.format_bandwidth(x)) == pytest.approx(x, rel=5.1e-3)


@given(st.text())
def test_any_text_is_a_number_or_a_config_error(text: str) -> None:
    for parse in (
        units.parse_bytes,
        units.parse_duration,
        units.parse_rate,
        units.parse_bandwidth,
    ):
        try:
            value = parse(text)
        except ConfigError:
            continue
        assert 0 <= value < 2**63


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (units.format_bytes(0), "0 B"),
        (units.format_bytes(65536), "64 KiB"),
        (units.format_bytes(1536 * 1024), "1.5 MiB"),
        (units.format_bytes(1024 * 1024 - 1), "1 MiB"),
        (units.format_bytes(-2048), "-2 KiB"),
        (units.format_duration(200_000), "200 us"),
        (units.format_duration(999_999_999), "1 s"),
        (units.format_duration(125e9), "2 min 5 s"),
        (units.format_duration(3600e9), "1 h"),
        (units.format_count(950), "950"),
        (units.format_count(1_500_000), "1.5 M"),
        (units.format_rate(50), "50 /s"),
        (units.format_rate(1.5e6), "1.5 M/s"),
        (units.format_bandwidth(2e9), "2 GB/s"),
    ],
)
def test_quantities_are_shown_with_their_unit(shown: str, text: str) -> None:
    assert shown == text
