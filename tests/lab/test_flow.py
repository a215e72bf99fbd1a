"""No more frames are under way than the views can paint."""

from relaylab.lab.flow import GONE_S, SILENT_S, UNDER_WAY, Flow


def test_nothing_is_sent_to_nobody():
    assert not Flow().may_send(0)


def test_a_view_that_paints_nothing_stops_the_frames():
    flow = Flow()
    flow.hear("a", 0)
    sent = 0
    while flow.may_send(0):
        flow.send()
        sent += 1
    assert sent == UNDER_WAY
    flow.painted("a", 1, 0.1)
    assert flow.may_send(0.1)


def test_the_slowest_view_sets_the_pace():
    flow = Flow()
    flow.hear("fast", 0)
    flow.hear("slow", 0)
    for _ in range(UNDER_WAY):
        flow.painted("fast", flow.send(), 0)
    assert not flow.may_send(0)


def test_a_silent_view_does_not_hold_up_the_others():
    flow = Flow()
    flow.hear("dead", 0)
    flow.hear("alive", 0)
    for _ in range(UNDER_WAY):
        flow.painted("alive", flow.send(), SILENT_S + 1)
    assert flow.may_send(SILENT_S + 1)


def test_a_hidden_view_stops_the_frames_and_starts_them_again():
    flow = Flow()
    flow.hear("a", 0)
    flow.set_visible("a", False, 0)
    assert not flow.may_send(0)
    assert flow.has_views
    assert not flow.is_watched
    flow.set_visible("a", True, 1)
    assert flow.may_send(1)


def test_a_view_that_no_longer_answers_is_gone():
    flow = Flow()
    assert flow.hear("a", 0)
    assert not flow.hear("a", 5)
    flow.forget_gone(5 + GONE_S / 2)
    assert flow.has_views
    flow.forget_gone(5 + GONE_S + 1)
    assert not flow.has_views
    assert flow.hear("a", 30), "it is new again and wants everything"
