"""The code beside the ring in a real browser."""

import pytest
from lab.driving import Driver

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]


def ran(driver):
    """The source lines in the panel that are marked as run."""
    return driver.page.locator(".rl-code-line[data-ran=true] code").all_inner_texts()


def test_the_code_of_a_step_shows_beside_the_ring_in_virtual_time_and_c_hides_it(page, demo):
    driver = Driver(page)
    driver.open_demo(demo)
    panel, show = page.locator(".rl-code"), page.locator(".rl-code-show")
    assert not panel.is_visible()
    assert not show.is_visible()

    driver.choose("rl-time-mode", "virtual")
    panel.wait_for()
    driver.press("rl-map", ".")
    page.locator(".rl-code h3", has_text="write of").wait_for()
    assert any(line.startswith("if buf.offset + length > buf.subbuf_size") for line in ran(driver))
    assert page.locator(".rl-code-value", has_text="offset 0 →").count() == 1
    assert page.locator(".rl-code-taken").first.inner_text() == "no"

    selected = """() => {
      const text = document.querySelector('.rl-code-line[data-ran=true] code');
      getSelection().selectAllChildren(text);
      return getSelection().toString() === text.textContent;
    }"""
    assert page.evaluate(selected)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

    driver.press("rl-map", "c")
    panel.wait_for(state="hidden")
    driver.press("rl-map", ".")
    show.click()
    driver.wait_until_done()
    page.locator(".rl-code h3", has_text="write of").wait_for()

    # The keys of map and bar are at hand while one reads.
    page.locator(".rl-code-body").focus()
    page.keyboard.press(".")
    driver.wait_until_done()
    assert driver.position() == 3
    page.keyboard.press("c")
    panel.wait_for(state="hidden")
    driver.choose("rl-time-mode", "live")
    show.wait_for(state="hidden")
