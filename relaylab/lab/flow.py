"""How many frames may be under way: back-pressure from the views that paint them."""

from dataclasses import dataclass

UNDER_WAY = 3

SILENT_S = 3.0
"""A view that has painted nothing for so long though frames were sent does not hold up others."""

FIRST_PROBE_S = 2.0
LAST_PROBE_S = 32.0
"""If nobody paints, a frame goes out now and then, ever more rarely: what lies between kernel and
page may be overloaded, and more frames would make that worse."""

GONE_S = 12.0
"""A view answers every beat, hidden or not; one that has said nothing for so long is gone."""


@dataclass
class _View:
    acknowledged: int
    painted_s: float
    heard_s: float
    is_visible: bool = True


class Flow:
    """Sequence numbers sent to views and acknowledged by them after painting."""

    def __init__(self) -> None:
        self.sent = 0
        self._sent_s = 0.0
        self._probe_s = FIRST_PROBE_S
        self._views: dict[str, _View] = {}

    @property
    def has_views(self) -> bool:
        """Whether any view is there, visible or not."""
        return bool(self._views)

    @property
    def is_watched(self) -> bool:
        """Whether any view is there and visible."""
        return any(view.is_visible for view in self._views.values())

    def hear(self, view: str, now_s: float) -> bool:
        """A view said something; whether it was unknown and needs everything."""
        is_new = view not in self._views
        if is_new:
            self._views[view] = _View(self.sent, now_s, now_s)
        self._views[view].heard_s = now_s
        return is_new

    def goodbye(self, view: str) -> None:
        """A view is gone."""
        self._views.pop(view, None)

    def set_visible(self, view: str, is_visible: bool, now_s: float) -> None:
        """A view's tab was hidden, or is shown again."""
        self.hear(view, now_s)
        self._views[view].is_visible = is_visible
        self._views[view].painted_s = now_s

    def painted(self, view: str, seq: int, now_s: float) -> None:
        """A view painted frame `seq` and all before it."""
        known = self._views[view]
        known.acknowledged = max(known.acknowledged, seq)
        known.painted_s = now_s
        self._probe_s = FIRST_PROBE_S

    def forget_gone(self, now_s: float) -> None:
        """Forget views that no longer answer."""
        for name, view in list(self._views.items()):
            if now_s - view.heard_s > GONE_S:
                del self._views[name]

    def may_send(self, now_s: float) -> bool:
        """Whether a frame may go out: somebody looks, and at most `UNDER_WAY` are unpainted."""
        visible = [view for view in self._views.values() if view.is_visible]
        painting = [view for view in visible if not self._is_silent(view, now_s)]
        if not painting:
            return bool(visible) and now_s - self._sent_s >= self._probe_s
        return all(self.sent - view.acknowledged < UNDER_WAY for view in painting)

    def send(self, now_s: float) -> int:
        """The sequence number of the frame that goes out now."""
        if any(self._is_silent(view, now_s) for view in self._views.values()):
            self._probe_s = min(2 * self._probe_s, LAST_PROBE_S)
        for view in self._views.values():
            if view.acknowledged == self.sent:  # it had nothing to paint: from now on it has
                view.painted_s = now_s
        self.sent += 1
        self._sent_s = now_s
        return self.sent

    def _is_silent(self, view: _View, now_s: float) -> bool:
        return self.sent > view.acknowledged and now_s - view.painted_s > SILENT_S
