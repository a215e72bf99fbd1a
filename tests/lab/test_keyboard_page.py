"""The keyboard alone: it suffices for a lesson, and nothing but the workbench hears it."""

import json

import pytest
from lab.driving import Driver

from relaylab.lab import presets

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

LESSON = "The event lost at unfull"
EDITS_OF_CELLS = "ddabxmyvz"
"""What these do in JupyterLab's command mode: delete, insert, cut, change, paste and undo."""


def press_until(page, key, css, most=150):
    """Press a key until the focus is on an element that matches."""
    for _ in range(most):
        if page.evaluate("css => document.activeElement?.matches(css)", css):
            return
        page.keyboard.press(key)
    raise AssertionError(f"{key} does not lead to {css}")


def text_of(page, css):
    return page.locator(css).inner_text()


def chosen(page):
    """The preset that is; ipywidgets makes every space of an option one that does not break."""
    text = page.locator(".rl-preset select").evaluate("menu => menu.selectedOptions[0].text")
    return text.replace("\xa0", " ")


def answer_all_questions(driver):
    """Both questions of the lesson, one wrong; the focus is in the first one's input."""
    page = driver.page
    page.keyboard.type("0")
    page.wait_for_function(
        "document.querySelector('.rl-predict-said').textContent === 'Your answer: 0'"
    )
    page.keyboard.press("Backspace")
    page.keyboard.type("1")
    page.keyboard.press("Enter")
    driver.wait_until_done()
    assert "Right: 1" in text_of(page, ".rl-verdict")
    assert "unfull" in text_of(page, ".rl-predict-result")
    assert "Question 1 of 2, 1 of 1 right" in text_of(page, ".rl-predict header")
    assert driver.totals()["lost_unfull"] == 1
    assert page.evaluate("document.activeElement.matches('.rl-go-on')")
    page.keyboard.press("Enter")
    page.wait_for_function(
        "document.querySelector('.rl-predict header').textContent.includes('2 of 2')"
    )
    driver.wait_for_status("paused")
    driver.wait_until_done()
    assert driver.position() == 33
    page.wait_for_function("document.activeElement.matches('.rl-predict input')")
    page.keyboard.type("50")
    page.keyboard.press("Enter")
    driver.wait_until_done()
    assert "You said event 50; right is event 43" in text_of(page, ".rl-verdict")
    assert driver.position() == 43
    page.keyboard.press("Enter")
    driver.wait_until_done()
    assert page.locator(".rl-predict").is_hidden()


def test_the_keyboard_alone_suffices_for_a_whole_lesson(page, demo):
    driver = Driver(page)
    driver.open_demo(demo)
    page.locator("body").press("Tab")
    press_until(page, "Tab", ".rl-preset select")
    for _ in presets.shipped():
        if chosen(page) == LESSON:
            break
        page.keyboard.press("ArrowDown")
    assert chosen(page) == LESSON
    driver.wait_until_done()
    page.wait_for_function("!document.querySelector('.rl-predict').hidden")
    assert page.locator(".rl-reveal").is_disabled()
    press_until(page, "Shift+Tab", ".rl-predict input")
    answer_all_questions(driver)

    assert page.evaluate("document.activeElement.matches('.rl-map')")
    for key in (".", "a", ".", ".", "b"):
        page.keyboard.press(key)
        driver.wait_until_done()
    assert driver.position() == 46
    marks = json.loads(page.locator(".rl-marks-ab").get_attribute("data-difference"))
    assert marks["events"] == 2
    page.keyboard.press(",")
    driver.wait_until_done()
    assert driver.position() == 45
    page.keyboard.press("ArrowRight")
    driver.wait_until_done()
    assert text_of(page, ".rl-inspector header b").startswith("CPU 0, sub-buffer")

    press_until(page, "Shift+Tab", ".rl-flush")
    page.keyboard.press("Enter")
    driver.wait_for_caption("Flush")
    press_until(page, "Tab", ".rl-close")
    page.keyboard.press("Enter")
    driver.wait_for_status("closed")


def cells_of(page):
    """Kind and text of each cell of the notebook."""
    return page.locator(".jp-Notebook .jp-Cell").evaluate_all(
        "cells => cells.map((cell) => [cell.className.includes('jp-CodeCell'),"
        " cell.querySelector('.cm-content, .jp-RenderedMarkdown').textContent])"
    )


def test_no_key_reaches_jupyterlabs_command_mode(page, jupyterlab):
    driver = Driver(page)
    driver.open_lab(jupyterlab)
    driver.choose("rl-preset", "Slow reader fills")
    page.locator(".rl-code").wait_for()
    driver.click("rl-tune")
    driver.click("rl-tuner-sweep")
    page.locator(".rl-tuner[data-status=done]").wait_for()
    driver.press("rl-map", "ArrowRight")
    page.locator(".rl-hex").wait_for()
    before = cells_of(page)
    for css in (
        ".rl-map",
        ".rl-scrub",
        ".rl-code-body",
        ".rl-journal tbody tr[tabindex]",
        ".rl-hex",
        ".rl-heat td[tabindex='0']",
        ".rl-tuner-sweep",
        ".rl-reader-where select",
        ".rl-overwrite input",
        "button.rl-flush",
    ):
        page.locator(f".rl-workbench {css}").first.focus()
        assert page.evaluate("css => document.activeElement.matches(css)", css), css
        page.keyboard.type(EDITS_OF_CELLS)
        assert cells_of(page) == before, css
    # Its keys are at hand where the workbench has not the focus.
    page.locator(".jp-Notebook").first.click(position={"x": 5, "y": 5})
    page.keyboard.press("b")
    page.wait_for_function(
        "n => document.querySelectorAll('.jp-Notebook .jp-Cell').length > n", arg=len(before)
    )
