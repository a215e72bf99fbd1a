"""Synthetic workloads: seeded, within their ranges, with the rates and shapes that they promise."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relaylab import ConfigError, workload
from relaylab.workload import Workload

Kind = Callable[..., Workload]

KINDS: dict[str, Kind] = {
    "constant": workload.constant,
    "poisson": workload.poisson,
    "on_off": workload.on_off,
}

arguments = st.fixed_dictionaries(
    {
        "rate": st.floats(1e3, 1e6),
        "duration": st.integers(1, 10**8),
        "n_cpus": st.integers(1, 9),
        "skew": st.floats(0, 3),
        "size": st.one_of(
            st.integers(0, 2**31 - 1),
            st.tuples(st.integers(0, 100), st.integers(100, 200)),
            st.lists(st.integers(0, 2**31 - 1), min_size=1),
        ),
        "seed": st.integers(0, 2**63 - 1),
    }
)
on_off = st.fixed_dictionaries(
    {
        "on": st.integers(10**4, 10**7),
        "off": st.integers(0, 10**7),
        "lengths": st.sampled_from(["fixed", "exponential", "pareto"]),
        "shape": st.floats(1.1, 3),
        "arrivals": st.sampled_from(["constant", "poisson"]),
    }
)


@given(st.sampled_from(sorted(KINDS)), arguments, on_off)
def test_the_same_seed_gives_the_same_events_all_within_their_ranges(
    kind: str, given: dict[str, Any], more: dict[str, Any]
) -> None:
    given = given | (more if kind == "on_off" else {})
    first, again = KINDS[kind](**given), KINDS[kind](**given)
    for column in ("t_ns", "cpu", "size"):
        assert np.array_equal(getattr(first, column), getattr(again, column))
    assert np.all(np.diff(first.t_ns) >= 0)
    assert first.n_cpus == given["n_cpus"]
    if len(first):
        assert 0 <= first.t_ns.min() <= first.t_ns.max() < given["duration"]
        assert first.cpu.max() < given["n_cpus"]
        size = given["size"]
        if isinstance(size, list):
            assert set(first.size.tolist()) <= set(size)
        else:
            low, high = size if isinstance(size, tuple) else (size, size)
            assert low <= first.size.min() <= first.size.max() <= high


def test_constant_is_evenly_spaced_over_all_cpus() -> None:
    load = workload.constant(rate="1 M/s", n_cpus=4, duration="10 ms")
    assert len(load) == 10_000
    assert np.all(np.diff(load.t_ns) == 1000)
    assert load.cpu[:8].tolist() == [0, 1, 2, 3, 0, 1, 2, 3]


def test_a_rate_that_does_not_divide_a_second_does_not_drift() -> None:
    load = workload.constant(rate=3, duration="1000 s")
    assert len(load) == 3000
    assert np.abs(load.t_ns - np.arange(3000) * 10**9 // 3).max() <= 1


def test_poisson_has_its_rate_and_exponential_distances() -> None:
    load = workload.poisson(rate=100_000, duration="2 s", seed=1)
    assert abs(len(load) - 200_000) < 5 * 200_000**0.5
    gaps = np.diff(load.t_ns)
    assert gaps.mean() == pytest.approx(10_000, rel=0.02)
    assert gaps.std() == pytest.approx(10_000, rel=0.03)
    for part in (0.5, 1, 2):
        assert np.mean(gaps > 10_000 * part) == pytest.approx(np.exp(-part), abs=0.01)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_skew_shares_the_rate_between_the_cpus(kind: str) -> None:
    more = {"on": "1 ms", "off": "1 ms"} if kind == "on_off" else {}
    even, zipf, parts = (
        np.bincount(
            KINDS[kind](rate=400_000, n_cpus=4, skew=skew, duration="1 s", **more).cpu, minlength=4
        )
        for skew in (0, 1, [5, 0, 0, 5])
    )
    assert even / even.sum() == pytest.approx([0.25] * 4, abs=0.01)
    zipfs = np.array([1, 1 / 2, 1 / 3, 1 / 4])
    assert zipf / zipf.sum() == pytest.approx(zipfs / zipfs.sum(), abs=0.01)
    assert parts / parts.sum() == pytest.approx([0.5, 0, 0, 0.5], abs=0.01)


def test_fixed_on_and_off_times_alternate_exactly() -> None:
    load = workload.on_off(rate="1 M/s", on="2 us", off="8 us", duration="25 us")
    assert load.t_ns.tolist() == [0, 1000, 10_000, 11_000, 20_000, 21_000]


@pytest.mark.parametrize("lengths", ["fixed", "exponential", "pareto"])
@pytest.mark.parametrize("arrivals", ["constant", "poisson"])
def test_on_off_has_its_mean_rate_and_its_pauses(lengths: Any, arrivals: Any) -> None:
    load = workload.on_off(
        rate="1 M/s",
        on="100 us",
        off="300 us",
        lengths=lengths,
        shape=3,
        arrivals=arrivals,
        duration="1 s",
        seed=3,
    )
    assert len(load) == pytest.approx(250_000, rel=0.06)
    gaps = np.diff(load.t_ns)
    pauses = gaps[gaps > 20_000]  # e^-20 of Poisson's own distances are longer
    assert len(pauses) == pytest.approx(
        {"fixed": 2500, "exponential": 2350}.get(lengths, 2500), rel=0.1
    )
    spread = pauses.std() / pauses.mean()
    if lengths == "fixed":
        assert spread < 0.05
    else:
        assert spread > 0.4


def test_pareto_is_heavier_tailed_than_exponential_at_the_same_mean() -> None:
    longest = {
        lengths: np.diff(
            workload.on_off(
                rate=10**5, on="1 ms", off="1 ms", lengths=lengths, shape=1.2, duration="20 s"
            ).t_ns
        ).max()
        for lengths in ("exponential", "pareto")
    }
    assert longest["pareto"] > 5 * longest["exponential"]


def test_sizes_may_be_those_of_another_workload() -> None:
    other = Workload([0, 1, 2, 3], [0] * 4, [10, 10, 10, 500])  # type: ignore[arg-type]
    for load in (
        workload.poisson(rate=100_000, size=other),
        workload.bursts(events=1000, size=np.array([10, 10, 10, 500])),
    ):
        assert set(load.size.tolist()) == {10, 500}
        assert np.mean(load.size == 500) == pytest.approx(0.25, abs=0.02)


def test_the_size_does_not_change_the_times() -> None:
    one, other = (workload.poisson(size=size, seed=5) for size in (96, (10, 2000)))
    assert np.array_equal(one.t_ns, other.t_ns)


def test_a_mix_has_all_events_of_all_in_order_and_keeps_the_cpus() -> None:
    one = workload.constant(rate="10 k/s", size=1, duration="10 ms", n_cpus=2)
    other = workload.bursts(events=3, every="5 ms", size=2, duration="10 ms", n_cpus=3)
    load = workload.mix(one, other)
    assert len(load) == len(one) + len(other)
    assert load.n_cpus == 3
    assert np.all(np.diff(load.t_ns) >= 0)
    for size, part in ((1, one), (2, other)):
        mine = load.size == size
        assert np.array_equal(load.t_ns[mine], part.t_ns)
        assert np.array_equal(load.cpu[mine], part.cpu)
    assert workload.mix([one, other]).t_ns.tolist() == load.t_ns.tolist()  # type: ignore[arg-type]
    assert workload.mix(one, other, name="both").name == "both"
    for wrong in ((), (one, 5), ([],)):
        with pytest.raises(ConfigError, match="mix"):
            workload.mix(*wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize(
    "wrong",
    [
        {"rate": 0},
        {"rate": "fast"},
        {"duration": "1 parsec"},
        {"duration": 0},
        {"rate": 1e12},
        {"n_cpus": 0},
        {"n_cpus": 1.5},
        {"skew": -1},
        {"skew": float("nan")},
        {"skew": [1.0, 2.0]},
        {"skew": [0.0]},
        {"skew": "even"},
        {"size": (3, 2)},
        {"size": (1, 2, 3)},
        {"size": []},
        {"size": [2**31]},
        {"size": np.array([1.5])},
        {"seed": -1},
    ],
)
def test_arguments_out_of_range_are_refused(kind: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        KINDS[kind](**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"on": 0},
        {"off": "-1 ms"},
        {"lengths": "uniform"},
        {"arrivals": "bursty"},
        {"shape": 1},
        {"shape": "heavy"},
        {"on": 1, "off": 0, "duration": "1 s"},
    ],
)
def test_on_and_off_times_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        workload.on_off(**wrong)
