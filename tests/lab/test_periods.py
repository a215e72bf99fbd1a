"""How long buffers were full and unfull is told by the journal, whatever the looks fall upon."""

import numpy as np
import pytest

from relaylab.channel.observing import Stats
from relaylab.core.journal import Kind
from relaylab.core.layout import RECORD
from relaylab.lab.frame import COLUMNS
from relaylab.lab.history import History, PaddingShare
from relaylab.lab.periods import Periods

MS = 1_000_000


def journal(*told):
    records = np.zeros(len(told), RECORD)
    for record, (t_ms, kind, cpu, value) in zip(records, told, strict=True):
        record["t_ns"], record["kind"], record["cpu"], record["value"] = t_ms * MS, kind, cpu, value
    return records


def periods(n_cpus=1, full=False):
    return Periods(np.full(n_cpus, full), np.zeros(n_cpus, np.int64), 0)


def test_full_lasts_until_unfull_and_unfull_until_the_next_sub_buffer_begins():
    happened = periods().take(
        journal((2, Kind.FULL, 0, 4), (5, Kind.UNFULL, 0, 4), (9, Kind.SUBBUF_START, 0, 0)), 10 * MS
    )
    assert (happened.full, happened.unfull) == pytest.approx((0.3, 0.4))


def test_what_is_full_stays_so_over_looks_without_records():
    follows = periods()
    follows.take(journal((5, Kind.FULL, 0, 4)), 10 * MS)
    assert follows.take(journal(), 20 * MS).full == 1
    assert follows.take(journal((25, Kind.RESET, 0, 1)), 30 * MS).full == pytest.approx(0.5)
    assert follows.take(journal(), 40 * MS).full == 0


def test_shares_are_means_over_the_cpus():
    happened = periods(4).take(journal((0, Kind.FULL, 2, 4), (5, Kind.FULL, 3, 4)), 10 * MS)
    assert happened.full == pytest.approx((1 + 0.5) / 4)


def test_what_the_journal_left_out_is_corrected():
    follows = periods(full=True)
    follows.correct(np.array([False]), np.array([1]))
    assert follows.take(journal(), MS).unfull == 1


def test_padding_is_a_share_of_what_was_produced_and_stays_while_nothing_is():
    share = PaddingShare()
    follows = periods()
    assert np.isnan(share.after(follows.take(journal(), MS), 100))
    produced = journal((1, Kind.PRODUCED, 0, 30), (1, Kind.PRODUCED, 0, 10))
    assert share.after(follows.take(produced, 2 * MS), 100) == pytest.approx(0.2)
    assert share.after(follows.take(journal(), 3 * MS), 100) == pytest.approx(0.2)


def test_the_read_rate_is_of_events_in_what_was_consumed_but_not_overwritten():
    history, follows = History(), periods()
    history.sample(0.0, np.zeros(1, np.int64), Stats(), follows.take(journal(), 0), 100)
    consumed = journal((500, Kind.CONSUMED, 0, 6))
    stats = Stats(written=100, switches=10, overwritten_unread_subbufs=2)
    happened = follows.take(consumed, 1000 * MS)
    history.sample(1.0, np.zeros(1, np.int64), stats, happened, 100)
    assert history.all()[-1, COLUMNS.index("read")] == pytest.approx((6 - 2) * 10)
    assert history.all()[-1, COLUMNS.index("written")] == pytest.approx(100)
