"""How many frames may be under way: back-pressure from the views that paint them."""

from dataclasses import dataclass

UNDER_WAY = 3
SILENT_S = 3.0
"""A view that has not acknowledged for so long while frames were under way does not hold up others."""


@dataclass
class _View:
    acknowledged: int
    heard_s: float
    visible: bool = True


class Flow:
    """Sequence numbers sent to views and acknowledged by them after painting."""

    def __init__(self) -> None:
        self.sent = 0
        self._views: dict[str, _View] = {}

    @property
    def known(self) -> bool:
        """Whether any view is there, visible or not."""
        return bool(self._views)

    @property
    def has_views(self) -> bool:
        """Whether any view said that it is there and visible."""
        return any(view.visible for view in self._views.values())

    def hello(self, view: str, now_s: float) -> None:
        """A view is there; it has seen nothing yet and wants all."""
        self._views[view] = _View(self.sent, now_s)

    def goodbye(self, view: str) -> None:
        """A view is gone."""
        self._views.pop(view, None)

    def set_visible(self, view: str, visible: bool, now_s: float) -> None:
        """A view's tab was hidden or shown again."""
        if view in self._views:
            self._views[view] = _View(self.sent, now_s, visible)

    def acknowledge(self, view: str, seq: int, now_s: float) -> None:
        """A view painted frame `seq` and all before it."""
        known = self._views.setdefault(view, _View(seq, now_s))
        known.acknowledged = max(known.acknowledged, seq)
        known.heard_s = now_s

    def may_send(self, now_s: float) -> bool:
        """Whether a frame may go out: somebody looks, and at most `UNDER_WAY` are unpainted."""
        watching = [view for view in self._views.values() if view.visible]
        behind = [
            self.sent - view.acknowledged for view in watching if not self._silent(view, now_s)
        ]
        return bool(watching) and bool(behind) and max(behind) < UNDER_WAY

    def send(self) -> int:
        """The sequence number of the frame that goes out now."""
        self.sent += 1
        return self.sent

    def _silent(self, view: _View, now_s: float) -> bool:
        return self.sent > view.acknowledged and now_s - view.heard_s > SILENT_S
