"""Presets, questions, links and saved presets as a person meets them in the page."""

import json
import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from lab.conftest import served
from lab.driving import Driver

from relaylab.lab import presets
from relaylab.lab.scenario import Scenario

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(900)]

SHIPPED = {one.name: one for one in presets.shipped()}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """The directory of the presets that the demo saves."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def own_demo(home, tmp_path_factory):
    """The address of a demo with settings of its own."""
    command = [sys.executable, "-m", "relaylab", "demo", "--no-browser"]
    log = tmp_path_factory.mktemp("demo") / "log"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(home))
        with served(command, r"http://localhost:\d+/", log) as (address, _):
            yield address


@pytest.fixture
def driver(page, own_demo):
    driver = Driver(page)
    driver.open_demo(own_demo)
    return driver


def text_of(driver, css):
    return driver.page.locator(css).inner_text()


def test_each_preset_opens_where_it_teaches_and_says_what(driver):
    menu = driver.page.locator(".rl-preset select")
    groups = menu.locator("optgroup").evaluate_all(
        "groups => groups.map((g) => [g.label, g.children.length])"
    )
    assert sum(length for _, length in groups) == menu.locator("option").count() >= len(SHIPPED)
    assert "" not in [title for title, _ in groups]
    for name, scenario in SHIPPED.items():
        driver.choose("rl-preset", name)
        driver.page.wait_for_function(
            "text => document.querySelector('.rl-lesson p').textContent === text",
            arg=scenario.lesson,
        )
        assert driver.page.locator(".rl-lesson").is_visible()
        assert len(driver.state()["produced"]) == scenario.settings.n_cpus
        if scenario.time == "virtual":
            assert driver.position() == scenario.start
        else:
            driver.wait_for_status("running")
        assert driver.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    driver.page.locator(".rl-lesson button").click()
    assert driver.page.locator(".rl-lesson").is_hidden()


def plain(text):
    """ipywidgets makes every space of an option one that does not break."""
    return text.replace("\xa0", " ")


def test_a_question_about_a_cell_is_answered_on_the_map_and_hides_what_comes(driver):
    page = driver.page
    driver.choose("rl-preset", "Overwrite wraps")
    driver.press("rl-map", *["."] * 30)
    assert driver.position() == 56
    driver.press("rl-scrub", "End")
    assert driver.position() == 56
    driver.click("rl-play")
    assert "question waits" in driver.caption()
    assert driver.totals()["overwritten_unread_subbufs"] == 0
    driver.press("rl-map", "ArrowRight", "ArrowRight")
    assert "Your answer: CPU 0, sub-buffer 1" in text_of(driver, ".rl-predict-said")
    driver.press("rl-map", "ArrowDown")
    assert "Your answer: CPU 1, sub-buffer 1" in text_of(driver, ".rl-predict-said")
    driver.press("rl-map", "ArrowUp")
    driver.click("rl-reveal")
    assert "Right: CPU 0, sub-buffer 1" in text_of(driver, ".rl-verdict")
    assert driver.totals()["overwritten_unread_subbufs"] == 1
    assert page.locator(".rl-predict .rl-spoken").text_content().startswith("✓ Right")


def share(driver):
    driver.page.locator("button.rl-share-button").click()
    driver.page.wait_for_function("document.querySelector('.rl-link').value !== ''")


def test_a_link_opens_the_same_run_at_the_same_place_elsewhere(driver, own_demo, browser):
    driver.choose("rl-preset", "Late commit")
    driver.press("rl-map", ".", ".")
    share(driver)
    link = driver.page.locator(".rl-link").input_value()
    assert link.startswith(own_demo)
    assert len(link) < 2000
    seen = driver.seen(), driver.position()
    driver.page.locator(".rl-copy-link").click()
    driver.page.wait_for_function(
        "document.querySelector('.rl-share').textContent.includes('in the clipboard')"
    )
    other = browser.new_page()
    other.set_default_timeout(240_000)
    elsewhere = Driver(other)
    elsewhere.open_demo(own_demo, "?" + urlsplit(link).query + "&theme=dark")
    assert (elsewhere.seen(), elsewhere.position()) == seen
    assert other.locator(".rl-workbench").get_attribute("data-theme") == "dark"
    other.close()


def test_no_text_of_a_dialog_is_cut_off_and_what_was_said_before_is_not_in_it(driver):
    width = """() => {
        const dialog = document.querySelector('dialog[open]');
        return dialog.scrollWidth - dialog.clientWidth;
    }"""
    driver.choose("rl-preset", "Late commit")
    share(driver)
    assert driver.page.evaluate(width) <= 0
    driver.page.wait_for_timeout(500)  # frames go on to be painted
    assert text_of(driver, ".rl-share [role=status]") == ""
    driver.page.locator(".rl-share > button").click()
    driver.click("rl-help-button")
    assert driver.page.evaluate(width) <= 0
    assert driver.page.evaluate("document.querySelector('dialog[open]').scrollTop") == 0


def test_a_damaged_link_shows_the_workbench_and_says_so(page, own_demo):
    driver = Driver(page)
    driver.open_demo(own_demo, "?scenario=eNpNUe1ugzA")
    driver.wait_for_caption("The scenario of this link cannot be opened: the link is damaged")


def test_a_preset_is_saved_by_name_downloaded_and_loaded_again(driver, own_demo, home, tmp_path):
    page = driver.page
    driver.choose("rl-preset", "Padding")
    driver.press("rl-scrub", "PageUp")
    position = driver.position()
    share(driver)
    page.locator(".rl-preset-name").fill("Mine, one")
    page.locator(".rl-preset-lesson").fill("What I saw.")
    page.locator(".rl-save-preset").click()
    driver.wait_for_caption("is saved as")
    kept = Scenario.load(home / "relaylab" / "presets" / "mine-one.json")
    assert (kept.name, kept.lesson, kept.start) == ("Mine, one", "What I saw.", position)
    with page.expect_download() as downloading:
        page.locator(".rl-download-preset").click()
    file = Path(downloading.value.path())
    assert Scenario.from_json(file.read_text()) == kept
    page.locator(".rl-share > button").click()
    mine = page.locator(".rl-preset optgroup[label=Yours] option")
    mine.wait_for(state="attached")
    assert [plain(text) for text in mine.all_text_contents()] == ["Mine, one"]
    value = json.loads(file.read_text()) | {"name": "Loaded", "start": 1, "questions": []}
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(value))
    page.locator("button.rl-share-button").click()
    page.locator(".rl-load-preset").set_input_files(changed)
    page.wait_for_function("document.querySelector('.rl-scrub').ariaValueNow === '1'")
    (tmp_path / "wrong.json").write_text(json.dumps(value | {"start": -4}))
    page.locator(".rl-load-preset").set_input_files(tmp_path / "wrong.json")
    driver.wait_for_caption("start: got -4; allowed: a whole number, 0 ..")
    assert driver.position() == 1
    again = Driver(page)
    again.open_demo(own_demo)
    again.choose("rl-preset", "Mine, one")
    assert again.position() == position
    assert re.search("What I saw", text_of(again, ".rl-lesson"))
