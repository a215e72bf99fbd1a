"""The same ring in virtual time, without copying payload.

Between two switches nothing happens that anybody could see, so the simulator leaps from one to the
next: it finds how many events fit, places them at once, and offers the one that does not fit to the
ring itself. In the same way it leaps over the losses of a full buffer to the instant at which its
reader frees something. All transitions are `ring`'s and `readers`'.

What a reader does at an instant comes before the events of that instant.
"""

from __future__ import annotations

from typing import Any

from relaylab.core import lanes, ring, virtual
from relaylab.core.addresses import control_at, own_at, scene_at
from relaylab.core.jit import njit
from relaylab.core.lanes import NEVER, lane_of


@njit(nogil=True)
def simulate(address: int) -> None:
    """Run a scene from its begin to its end, and the reader until nothing is left to read.

    Parameters
    ----------
    address
        Of the SCENE.
    """
    scene = scene_at(address)
    for k in range(scene.n_lanes):
        lane = lane_of(scene, k)
        own = own_at(lane.handle)
        ring.restart(control_at(own.control), own)
        lanes.promise(scene, lane)
    virtual.begin(scene)
    while _step(scene):
        pass
    for k in range(scene.n_lanes):
        lane = lane_of(scene, k)
        if lane.blocked != 0:
            lanes.lose_until(scene, k, lane, NEVER)
        else:
            lanes.settle(scene, lane, NEVER)


@njit()
def _step(scene: Any) -> bool:
    """The next thing that happens; whether there was one."""
    k = 0
    when = lane_of(scene, 0).when
    for other in range(1, scene.n_lanes):
        its = lane_of(scene, other).when
        if its < when:
            k = other
            when = its
    if scene.due <= when and scene.due <= scene.next_flush:
        if scene.due == NEVER:
            return False
        virtual.act(scene)
        return True
    if scene.next_flush <= when:
        _flush(scene)
        return True
    lane = lane_of(scene, k)
    lanes.offer(scene, k, lane)
    virtual.notice(scene, k, lane, when)
    return True


@njit()
def _flush(scene: Any) -> None:
    instant = scene.next_flush
    for k in range(scene.n_lanes):
        lane = lane_of(scene, k)
        lanes.flush(scene, lane, instant)
        virtual.notice(scene, k, lane, instant)
    scene.next_flush = instant + scene.flush_every
    if scene.next_flush > scene.last_ns:
        scene.next_flush = NEVER
