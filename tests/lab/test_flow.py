"""No more frames are under way than the views can paint."""

from relaylab.lab.flow import GONE_S, SILENT_S, UNDER_WAY, Flow


def test_nothing_is_sent_to_nobody():
    assert not Flow().may_send(0)


def test_a_view_that_paints_nothing_stops_the_frames():
    flow = Flow()
    flow.hear("a", 0)
    sent = 0
    while flow.may_send(0):
        flow.send(0)
        sent += 1
    assert sent == UNDER_WAY
    flow.painted("a", 1, 0.1)
    assert flow.may_send(0.1)


def test_the_slowest_view_sets_the_pace():
    flow = Flow()
    flow.hear("fast", 0)
    flow.hear("slow", 0)
    for _ in range(UNDER_WAY):
        flow.painted("fast", flow.send(0), 0)
    assert not flow.may_send(0)


def test_a_silent_view_does_not_hold_up_the_others():
    flow = Flow()
    flow.hear("dead", 0)
    flow.hear("alive", 0)
    flow.painted("alive", flow.send(0), 0)
    for _ in range(UNDER_WAY):
        flow.painted("alive", flow.send(SILENT_S + 1), SILENT_S + 1)
    assert flow.may_send(SILENT_S + 1)


def test_after_a_calm_a_view_is_not_taken_for_silent():
    flow = Flow()
    flow.hear("a", 0)
    flow.painted("a", flow.send(0), 0)
    calm = 10 * SILENT_S
    sent = 0
    while flow.may_send(calm):
        flow.send(calm)
        sent += 1
    assert sent == UNDER_WAY


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


def test_a_view_that_asks_again_does_not_get_more_under_way():
    flow = Flow()
    flow.hear("a", 0)
    for _ in range(UNDER_WAY):
        flow.send(0)
    flow.hear("a", 1)
    flow.set_visible("a", True, 1)
    assert not flow.may_send(1)


def test_if_nobody_paints_frames_go_out_ever_more_rarely():
    flow = Flow()
    flow.hear("a", 0)
    sent_at = []
    for tenth in range(1200):
        now = tenth / 10
        flow.hear("a", now)
        if flow.may_send(now):
            flow.send(now)
            sent_at.append(now)
    assert UNDER_WAY < len(sent_at) < UNDER_WAY + 8
    flow.painted("a", flow.sent, 120)
    assert flow.may_send(120)
