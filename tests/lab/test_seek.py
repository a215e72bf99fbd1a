"""Moves add up in their order, whether or not they were gone to in between."""

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from relaylab.lab.seek import Seek

MOVES = st.lists(st.tuples(st.integers(-9, 9), st.integers(-3, 3), st.booleans()), max_size=30)


class Run(SimpleNamespace):
    def scrub(self, position):
        self.position = position


def test_a_page_is_a_twentieth_and_at_least_one_event():
    for n_events, page in ((200, 10), (3, 1), (1, 1)):
        run, seek = Run(position=0, n_events=n_events), Seek()
        seek.by(run, 0, pages=1)
        seek.go(run)
        assert run.position == page


def test_nothing_wanted_moves_nothing():
    run = Run(position=7, n_events=9)
    assert not Seek().go(run)
    assert run.position == 7


@given(start=st.integers(0, 100), moves=MOVES)
def test_moves_end_where_each_one_by_itself_would(start, moves):
    run, seek, expected = Run(position=start, n_events=100), Seek(), start
    for events, pages, looks in moves:
        seek.by(run, events, pages)
        expected = max(0, min(100, expected + events + 5 * pages))
        if looks:
            seek.go(run)
            assert run.position == expected
    seek.go(run)
    assert run.position == expected
