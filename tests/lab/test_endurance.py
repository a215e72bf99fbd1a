"""The workbench over time, and in a browser that is slow, hidden, or left alone by its kernel.

The long ones, and what is promised of a machine that does nothing else, run in the nightly profile.
"""

import os
import statistics
import time

import pytest
from bench import frames
from lab.driving import Driver
from lab.weighing import heap_bytes, kernels_of, resident_bytes, server_of

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
MINUTES = float(os.environ.get("RELAYLAB_ENDURANCE_MINUTES", "10"))
EVERY_S = 10
RECOVERY_S = 2.0

nightly = pytest.mark.skipif(not NIGHTLY, reason="long, or for a machine that does nothing else")
pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600 + 90 * MINUTES)]


@pytest.fixture
def voila(page, demo):
    page.add_init_script(frames.RECORDER)
    driver = Driver(page)
    driver.open_demo(demo)
    return driver


def wait_for_frames(driver, count):
    driver.page.wait_for_function(
        "n => Number(document.querySelector('.rl-map').dataset.frames) >= n",
        arg=driver.frames() + count,
    )


@nightly
def test_minutes_at_full_speed_leave_browser_heap_and_server_memory_flat(voila):
    voila.choose("rl-preset", "Full speed")
    wait_for_frames(voila, 20)
    devtools, server = voila.page.context.new_cdp_session(voila.page), server_of("demo")
    heap, memory = [], []
    end = time.monotonic() + 60 * MINUTES
    voila.page.wait_for_timeout(20_000)  # the figures hold the last twenty seconds
    while time.monotonic() < end:
        heap.append(heap_bytes(devtools))
        memory.append(resident_bytes(server))
        voila.page.wait_for_timeout(1000 * EVERY_S)
    assert voila.status() == "running"
    third = len(heap) // 3
    for name, weights in (("heap", heap), ("memory", memory)):
        before, after = (statistics.median(part) for part in (weights[:third], weights[-third:]))
        assert after < before * 1.05 + 5e6, f"{name} grew: {weights}"


@nightly
def test_two_seconds_after_a_sixfold_throttle_the_picture_is_current_again(voila):
    voila.choose("rl-preset", "Full speed")
    wait_for_frames(voila, 20)
    watched = frames.Watched(voila.page, frames.NO_LOG, server_of("demo").pid)
    assert statistics.median(watched.recover() for _ in range(3)) <= RECOVERY_S


def test_a_hidden_tab_costs_no_frames_and_shows_the_present_when_it_is_back(voila):
    voila.hide(True)
    voila.page.wait_for_timeout(2000)  # what was under way is painted
    painted, written = voila.frames(), voila.totals()["written"]
    voila.page.wait_for_timeout(3000)
    assert voila.frames() == painted
    assert voila.status() == "running"
    voila.hide(False)
    wait_for_frames(voila, 3)
    assert voila.totals()["written"] > written
    # No crowd of old frames is waiting: the picture is of now.
    voila.page.wait_for_function(
        "Number(document.querySelector('.rl-map').dataset.latencyMs) < 5000"
    )


def test_a_kernel_of_voila_that_dies_shows_as_disconnected(voila):
    (*_, kernel) = kernels_of(server_of("demo"))
    kernel.kill()
    voila.wait_for_status("disconnected")
    assert voila.page.locator(".rl-status").inner_text().startswith("disconnected")
