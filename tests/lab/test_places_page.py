"""The workbench is the same wherever it is shown: any Jupyter, several of them, late or twice."""

import json

import pytest
from lab.conftest import in_jupyterlab, in_notebook_7
from lab.driving import Driver
from lab.test_page import drive_a_channel

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

MAKE = "from relaylab.lab import Workbench\none = Workbench()"
RESTART = """async () => {
  const headers = {'X-XSRFToken': document.cookie.replace(/.*_xsrf=([^;]*).*/, '$1')};
  let answer = await fetch('/api/kernels');
  while (!answer.ok) answer = await fetch('/api/kernels');
  for (const kernel of (await answer.json()).filter((kernel) => kernel.connections)) {
    await fetch(`/api/kernels/${kernel.id}/restart`, {method: 'POST', headers});
  }
}"""
PAINTING = """count => {
  const maps = [...document.querySelectorAll('.rl-map')];
  return maps.length === count && maps.every((map) => Number(map.dataset.frames) > 2);
}"""


@pytest.fixture(params=["jupyterlab", "notebook_7"])
def open_cells(request, page):
    """Opens a new notebook of these cells, in JupyterLab and in Notebook 7."""
    name, address_of = {
        "jupyterlab": ("jupyterlab_server", in_jupyterlab),
        "notebook_7": ("notebook_server", in_notebook_7),
    }[request.param]
    server = request.getfixturevalue(name)
    driver = Driver(page)

    def open_cells(*cells):
        driver.open_notebook(address_of(server, *cells))
        return driver

    return open_cells


def all_of(driver, name):
    """A JSON attribute of every view of the page: `totals`, `state`."""
    css = {"totals": ".rl-totals", "state": ".rl-map"}[name]
    texts = driver.page.evaluate(
        "([css, name]) => [...document.querySelectorAll(css)].map((part) => part.dataset[name])",
        [css, name],
    )
    return [json.loads(text) for text in texts]


def statuses(driver):
    return driver.page.evaluate(
        "() => [...document.querySelectorAll('.rl-status')].map((status) => status.dataset.status)"
    )


def wait_for_statuses(driver, *wanted):
    driver.page.wait_for_function(
        "wanted => [...document.querySelectorAll('.rl-status')]"
        ".map((status) => status.dataset.status).join() === wanted",
        arg=",".join(wanted),
    )


def test_notebook_7_drives_open_pause_flush_reset_close(page, notebook_server):
    driver = Driver(page)
    driver.open_lab(in_notebook_7(notebook_server))
    drive_a_channel(driver)


def test_a_kernel_that_is_restarted_leaves_no_frozen_picture(open_cells):
    driver = open_cells(MAKE + "\none")
    driver.run(0)
    driver.page.wait_for_function(PAINTING, arg=1)
    driver.page.keyboard.press("Escape")
    driver.page.evaluate(RESTART)
    driver.page.wait_for_function(
        "[...document.querySelectorAll('.rl-status')]"
        ".every((status) => status.dataset.status === 'disconnected')"
    )
    if statuses(driver):
        driver.press("rl-map", ".", " ")
        assert statuses(driver) == ["disconnected"]


def test_a_view_that_opens_late_shows_everything_at_once(open_cells):
    late = "import time; time.sleep(2); one"
    driver = open_cells(MAKE, late)
    driver.run(0)
    driver.run(1)
    driver.page.wait_for_function(PAINTING, arg=1)
    driver.click("rl-pause")
    driver.still_state()
    assert driver.totals()["written"] > 0
    assert driver.page.locator(".rl-journal tbody tr td").first.inner_text()


def test_two_views_of_one_workbench_show_the_same_and_either_drives_it(open_cells):
    driver = open_cells(MAKE + "\none", "one")
    driver.run(0)
    driver.run(1)
    driver.page.wait_for_function(PAINTING, arg=2)
    driver.page.locator("button.rl-pause").nth(1).click()
    wait_for_statuses(driver, "paused", "paused")
    driver.page.wait_for_function(
        "() => { const [one, other] = [...document.querySelectorAll('.rl-map')];"
        " return one.dataset.state === other.dataset.state; }"
    )
    driver.page.wait_for_timeout(1000)  # what is paused must not change by itself
    first, second = all_of(driver, "totals")
    assert first == second
    assert first["written"] > 0
    states = all_of(driver, "state")
    assert states[0] == states[1]
    driver.page.locator("button.rl-play").nth(0).click()
    wait_for_statuses(driver, "running", "running")


def test_workbenches_of_one_kernel_know_nothing_of_each_other(open_cells):
    driver = open_cells(MAKE + "\none", "two = Workbench(n_subbufs=5)\ntwo")
    driver.run(0)
    driver.run(1)
    driver.page.wait_for_function(PAINTING, arg=2)
    driver.page.locator("button.rl-close").nth(0).click()
    wait_for_statuses(driver, "closed", "running")
    frames = "Number(document.querySelectorAll('.rl-map')[1].dataset.frames)"
    before = driver.page.evaluate(frames)
    driver.page.wait_for_function(f"{frames} > {before} + 5")
    channels = driver.page.locator(".rl-channel").all_inner_texts()
    assert "× 16 sub-buffers" in channels[0]
    assert "× 5 sub-buffers" in channels[1]
    driver.page.locator("button.rl-open").nth(0).click()
    wait_for_statuses(driver, "running", "running")


def test_a_lesson_uses_all_the_width_of_a_narrow_cell_and_cuts_nothing_off(page, jupyterlab_server):
    cell = "from relaylab.lab import Workbench\nWorkbench(preset='at unfull')"
    driver = Driver(page)
    driver.open_lab(in_jupyterlab(jupyterlab_server, cell))
    widths = driver.page.evaluate(
        "() => ['.rl-workbench', '.rl-ring', '.rl-series', '.rl-code', '.rl-totals'].map("
        "(css) => document.querySelector(css).getBoundingClientRect().width)"
    )
    assert widths[0] < 1000
    assert widths[1:4] == pytest.approx([widths[0]] * 3, abs=1)
    names = driver.page.locator(".rl-totals dt:visible").all()
    assert names
    assert max(name.bounding_box()["height"] for name in names) < 30, "one line each"
    outside = driver.page.evaluate(
        "() => { const root = document.querySelector('.rl-workbench');"
        " const right = root.getBoundingClientRect().right;"
        " return [...root.querySelectorAll('button, select, input, p, dt, dd')].filter((part) =>"
        " part.getBoundingClientRect().width > 1 && part.getBoundingClientRect().right > right + 1)"
        ".map((part) => part.className || part.textContent); }"
    )
    assert outside == []
