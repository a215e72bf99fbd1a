"""The controls of time in a real browser: steps, slow motion, stop conditions, marks, exports."""

import json

import pytest
from lab.driving import Driver

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

STEPS = ("rl-step", "rl-step-back", "rl-step-transition", "rl-step-transition-back")


@pytest.fixture
def voila(page, demo):
    driver = Driver(page)
    driver.open_demo(demo)
    driver.choose("rl-time-mode", "virtual")
    driver.wait_until_done()
    return driver


def difference(driver):
    return json.loads(driver.page.locator(".rl-marks-ab").get_attribute("data-difference"))


def drive_time(driver):
    """Transitions both ways, by button and key, stop, marks and losses: each does what it says."""
    driver.click("rl-step-transition")
    first, position = driver.seen(), driver.position()
    assert position > 1
    driver.click("rl-step-transition")
    second = driver.seen()
    assert second != first
    driver.press("rl-map", "[")
    assert driver.seen() == first
    driver.press("rl-map", "]")
    assert driver.seen() == second
    driver.click("rl-step-transition-back")
    assert (driver.seen(), driver.position()) == (first, position)
    driver.click("rl-step")
    assert driver.position() == position + 1
    driver.click("rl-step-back")
    assert driver.seen() == first

    driver.press("rl-map", "a")
    driver.press("rl-scrub", ".", ".", "b")
    assert difference(driver)["events"] == 2
    assert "A → B" in driver.page.locator(".rl-marks-ab").inner_text()
    driver.press("rl-map", "A")
    assert driver.position() == position
    driver.click("rl-marks-clear")
    assert driver.page.locator(".rl-marks-ab").is_hidden()


def test_voila_steps_marks_and_goes_back(voila):
    drive_time(voila)


def test_jupyterlab_steps_marks_and_goes_back(page, jupyterlab):
    driver = Driver(page)
    driver.open_lab(jupyterlab)
    driver.choose("rl-time-mode", "virtual")
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    drive_time(driver)
    assert page.locator(".jp-Notebook .jp-Cell").count() == cells, "no key made a cell above, below"


def test_losses_are_gone_to_and_playing_stops_at_them(voila):
    voila.choose("rl-preset", "Bursts, slow")
    voila.press("rl-map", ">")
    loss, lost = voila.position(), voila.totals()["lost_full"]
    assert lost == 1
    voila.press("rl-map", ">", ">")
    assert voila.position() > loss
    voila.press("rl-map", "<", "<")
    assert voila.position() == loss
    voila.press("rl-scrub", "Home")
    voila.choose("rl-stop-at", "first loss")
    voila.type("rl-rate", "max")
    voila.click("rl-play")
    voila.wait_for_status("paused")
    voila.wait_for_caption("Stopped: ")
    assert voila.position() == loss
    assert voila.totals()["lost_full"] == lost
    voila.choose("rl-stop-at", "deliver on CPU 1")
    voila.choose("rl-stop-at", "nothing")


def test_slow_motion_plays_virtual_time_at_its_speed(voila):
    voila.choose("rl-speed", "100× slower")
    voila.click("rl-play")
    voila.wait_for_status("running")
    ms = "Number(document.querySelector('.rl-where').textContent.match(/, ([0-9.]+) ms/)[1])"
    voila.page.wait_for_function(f"{ms} > 0.5")
    rate = voila.page.evaluate(
        f"""async () => {{
          const from = {ms}, began = performance.now();
          await new Promise((resolve) => setTimeout(resolve, 3000));
          return ({ms} - from) / (performance.now() - began);
        }}"""
    )
    voila.click("rl-pause")
    assert 0.001 < rate < 0.02, "virtual milliseconds a real one"


def test_running_in_real_time_stops_at_a_loss(page, demo):
    driver = Driver(page)
    driver.open_demo(demo)
    driver.choose("rl-preset", "Bursts, slow")
    driver.choose("rl-stop-at", "next full")
    driver.wait_for_status("paused")
    driver.wait_for_caption("is full")


def test_files_are_downloaded(voila, tmp_path):
    voila.press("rl-map", "]", "]", "]")
    for table in ("journal", "series"):
        for kind in ("csv", "parquet"):
            voila.page.locator(".rl-export summary").click()
            with voila.page.expect_download() as downloaded:
                voila.page.locator(f".rl-export-{table}-{kind}").click()
            file = tmp_path / downloaded.value.suggested_filename
            downloaded.value.save_as(file)
            check_file(file, table, kind)


def check_file(file, table, kind):
    assert file.name == f"relaylab-{table}.{kind}"
    content = file.read_bytes()
    if kind == "parquet":
        assert content.startswith(b"PAR1")
        assert content.endswith(b"PAR1")
    else:
        assert content.split(b",")[0] == (b"t_ns" if table == "journal" else b"t_s")


def test_a_chosen_speed_and_stop_are_shown_in_a_view_that_opens_late(voila):
    voila.choose("rl-speed", " 10× slower")
    voila.choose("rl-stop-at", "next unfull")
    for name, value in (("rl-speed", "0.1"), ("rl-stop-at", "unfull")):
        assert voila.page.locator(f"select.{name}").input_value() == value
    voila.press("rl-map", "]")
    assert voila.page.locator("select.rl-speed").input_value() == "0.1"


def test_buttons_of_time_are_disabled_after_close(voila):
    voila.click("rl-close")
    for name in STEPS:
        voila.page.locator(f"button.{name}:disabled").wait_for()
    voila.page.locator("select.rl-stop-at:disabled").wait_for()
    voila.click("rl-open")
    for name in STEPS:
        voila.page.locator(f"button.{name}:enabled").wait_for()
