"""The closed formula is the least of its own curve, and says when nothing is enough."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relaylab.tuning import formula
from relaylab.tuning.steady import Steady


@given(
    rate=st.floats(1e3, 1e9),
    latency=st.floats(1e-6, 1),
    load=st.floats(0, 0.99),
    waste=st.floats(1, 1000),
)
def test_the_best_number_is_where_the_memory_is_least(
    rate: float, latency: float, load: float, waste: float
) -> None:
    steady = Steady(rate, latency, load, waste)
    assert steady.memory_at(steady.n_subbufs) == pytest.approx(steady.memory, rel=1e-6)
    for factor in (0.9, 1.1):
        assert steady.memory_at(steady.n_subbufs * factor) >= steady.memory * (1 - 1e-9)


def test_the_number_that_a_size_needs_is_the_inverse_of_the_memory_of_a_number() -> None:
    steady = Steady(rate=4.8e6, latency=500e-6, load=0.76, waste=132)
    number = steady.n_subbufs_of(4096)
    assert steady.memory_at(number) == pytest.approx(4096 * number)
    assert steady.n_subbufs_of(132) == math.inf


def test_a_reader_slower_than_the_writer_has_no_memory_that_is_enough() -> None:
    steady = Steady(rate=2e6, latency=0.01, load=1.0, waste=50)
    assert not steady.is_possible
    assert steady.memory == steady.n_subbufs == steady.memory_at(1000) == math.inf


def test_two_sub_buffers_need_a_reader_much_faster_than_the_writer() -> None:
    assert Steady(1e6, 0.01, load=0.0, waste=0).memory_at(2) == 2e4
    assert Steady(1e6, 0.01, load=0.5, waste=0).memory_at(2) == 4e4
    assert Steady(1e6, 0.01, load=0.0, waste=0).memory_at(1) == math.inf


def test_the_function_formula_says_the_same() -> None:
    steady = Steady(rate=5e6, latency=0.002, load=0.1, waste=48)
    said = formula("5 MB/s", "2 ms", "50 MB/s", 48)
    assert said.n_subbufs == pytest.approx(steady.n_subbufs)
    assert said.subbuf_size * said.n_subbufs == pytest.approx(said.memory) == steady.memory
    assert formula(0, 0, "1 MB/s", 48).subbuf_size == 48
