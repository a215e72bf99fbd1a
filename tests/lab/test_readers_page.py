"""Readers and the attached mode in a real browser."""

import os
import re
import signal
import sys

import psutil
import pytest
from lab.conftest import served
from lab.driving import Driver
from lab.test_attached import Owner

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform != "linux", reason="second processes need Linux"),
]

SEES_WATCHER = """() => {
  const canvas = document.querySelector('.rl-map');
  const context = canvas.getContext('2d');
  const {data} = context.getImageData(0, 0, canvas.width, canvas.height);
  let green = 0;
  for (let i = 0; i < data.length; i += 4) {
    if (data[i] === 0 && data[i + 1] === 0x9e && data[i + 2] === 0x73) green++;
  }
  return green > 100;
}"""


def line(driver, number):
    return driver.page.locator(f".rl-reader-list li[data-reader='{number}']")


def wait_until_reading(driver, number, more_than=0):
    driver.page.wait_for_function(
        "([n, least]) => { const li = document.querySelector("
        " `.rl-reader-list li[data-reader='${n}'][data-state=reading]`);"
        " return li && Number(li.dataset.read) > least; }",
        arg=[number, more_than],
    )


def pid_of(driver, number):
    return int(line(driver, number).get_attribute("data-pid"))


def is_gone(pid):
    return not psutil.pid_exists(pid)


def test_a_second_process_is_attached_and_detached_with_the_mouse(voila):
    voila.click("rl-detach-reader")
    assert voila.page.locator(".rl-reader-list li").count() == 0
    voila.choose("rl-reader-where", "second process")
    voila.choose("rl-reader-does", "watches")
    voila.type("rl-reader-speed", "40 kB/s")
    voila.click("rl-attach-reader")
    assert "starts as process" in voila.caption()
    wait_until_reading(voila, 2)
    assert "only watches" in line(voila, 2).inner_text()
    voila.page.wait_for_function(SEES_WATCHER)
    pid = pid_of(voila, 2)
    assert psutil.pid_exists(pid)
    line(voila, 2).locator(".rl-drop-reader").click()
    voila.wait_until_done()
    assert "detached" in voila.caption()
    line(voila, 2).wait_for(state="detached")
    assert is_gone(pid)


def test_a_reader_is_attached_paused_and_detached_by_keyboard(voila):
    voila.page.locator(".rl-reader-where select").focus()
    voila.page.keyboard.press("s")  # second process
    voila.page.keyboard.press("Tab")
    voila.page.keyboard.press("Tab")
    assert "latency" in voila.page.evaluate(
        "document.activeElement.closest('.widget-text').textContent"
    )
    voila.page.keyboard.press("Tab")
    voila.page.keyboard.press("Tab")
    assert voila.page.evaluate("document.activeElement.textContent") == "Attach"
    voila.page.keyboard.press("Enter")
    voila.wait_until_done()
    wait_until_reading(voila, 2)
    pid = pid_of(voila, 2)
    pause = line(voila, 2).locator(".rl-pause-reader")
    pause.focus()
    voila.page.keyboard.press("Enter")
    voila.page.locator(".rl-reader-list li[data-reader='2'][data-state=paused]").wait_for()
    assert pause.inner_text() == "Resume"
    voila.page.keyboard.press("Enter")
    wait_until_reading(voila, 2, int(line(voila, 2).get_attribute("data-read")))
    voila.page.keyboard.press("Tab")
    voila.page.keyboard.press("Enter")
    line(voila, 2).wait_for(state="detached")
    assert is_gone(pid)


def test_a_killed_reader_stays_in_the_list_with_its_reason_until_it_is_removed(voila):
    voila.choose("rl-reader-where", "second process")
    voila.click("rl-attach-reader")
    wait_until_reading(voila, 2)
    os.kill(pid_of(voila, 2), signal.SIGKILL)
    ended = voila.page.locator(".rl-reader-list li[data-reader='2'][data-state=ended]")
    ended.wait_for()
    assert "killed by SIGKILL" in ended.inner_text()
    assert voila.status() == "running"
    ended.locator(".rl-drop-reader").click()
    ended.wait_for(state="detached")


def test_a_wrong_latency_is_marked_and_nobody_is_attached(voila):
    voila.type("rl-reader-latency", "soon")
    field = voila.page.locator(".rl-reader-latency input")
    assert field.get_attribute("aria-invalid") == "true"
    voila.click("rl-attach-reader")
    assert "soon" in voila.caption()
    assert voila.page.locator(".rl-reader-list li").count() == 1
    voila.type("rl-reader-latency", "1 ms")
    assert field.get_attribute("aria-invalid") is None
    assert "from now on" in voila.caption() or "allowed again" in voila.caption()


def test_mappings_are_found_in_the_journal_however_much_else_happens(voila):
    voila.choose("rl-reader-where", "this process")
    voila.click("rl-attach-reader")
    voila.page.wait_for_timeout(1000)
    voila.page.locator(".rl-journal-kind summary").click()
    voila.page.locator(".rl-journal-kind").get_by_label("mapped", exact=True).check()
    rows = voila.page.locator(".rl-journal tbody tr.mapped")
    rows.first.wait_for()
    assert re.search(r"\d references", rows.first.inner_text())


def test_a_page_that_is_attached_watches_and_says_when_its_owner_is_gone(page, tmp_path):
    owner = Owner()
    try:
        command = [sys.executable, "-m", "relaylab", "lab", "--no-browser"]
        command += ["--attach", f"{owner.top}/cpu1"]
        with served(command, r"http://localhost:\d+/", tmp_path / "log") as (address, _):
            driver = Driver(page)
            driver.page.goto(address)
            driver.page.wait_for_function("document.querySelector('.rl-map')?.dataset.frames > 0")
            owner.tell("write 2 3")
            page.wait_for_function(
                "JSON.parse(document.querySelector('.rl-map').dataset.state).produced?.[2] === 2"
            )
            assert driver.totals()["written"] == 3
            assert "read-only" in page.locator(".rl-attached-to").inner_text()
            for name in ("rl-open", "rl-flush", "rl-reset", "rl-attach-reader", "rl-play"):
                assert not page.locator(f"button.{name}").is_visible()
            page.locator(".rl-map").focus()
            page.keyboard.press("ArrowRight")
            page.wait_for_function(
                "document.querySelector('.rl-inspector pre').textContent.startsWith('0000  00')"
            )
            driver.press("rl-map", " ")
            assert "only watched" in driver.caption()
            owner.process.kill()
            driver.wait_for_status("disconnected")
            assert "gone without closing" in driver.caption()
    finally:
        owner.end()
