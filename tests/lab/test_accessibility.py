"""No serious violation of the accessibility rules, by axe-core, in either theme."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from lab.conftest import in_jupyterlab
from lab.driving import Driver

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

WORKBENCH = ".rl-workbench"
LESSON = "Slow reader fills the buffer"

in_either_theme = pytest.mark.parametrize("theme", ["light", "dark"])


def violations(page, inside=None):
    """What axe-core calls serious or critical: the rule, and each element with what is wrong."""
    results = Axe().run(page, context=inside).response
    return [
        f"{found['id']}: {node['target']} {node['failureSummary']}"
        for found in results["violations"]
        if found["impact"] in ("serious", "critical")
        for node in found["nodes"]
    ]


def test_axe_finds_what_is_wrong(page):
    page.set_content("<html lang='en'><title>a</title><main><input><canvas></canvas></main></html>")
    assert any(line.startswith("label: ") for line in violations(page))


@in_either_theme
def test_the_page_of_the_demo_has_no_serious_violation(page, demo, theme):
    driver = Driver(page)
    driver.open_demo(demo, f"?theme={theme}")
    assert violations(page) == []
    driver.click("rl-help-button")
    assert violations(page) == []


@in_either_theme
def test_a_lesson_in_virtual_time_has_no_serious_violation(page, demo, theme):
    driver = Driver(page)
    driver.open_demo(demo, f"?theme={theme}")
    driver.choose("rl-preset", LESSON)
    assert violations(page) == []
    driver.click("rl-step")
    driver.press("rl-map", "ArrowRight")
    assert violations(page) == []
    driver.type("rl-n-subbufs", "0")
    assert page.locator("[aria-invalid=true]").count() == 1
    assert violations(page) == []
    driver.click("rl-close")
    assert violations(page) == []


@in_either_theme
def test_the_layout_for_a_wall_has_no_serious_violation(page, demo, theme):
    driver = Driver(page)
    driver.open_demo(demo, f"?theme={theme}&wall=1")
    assert page.locator(".rl-workbench.rl-wall").count() == 1
    assert violations(page) == []
    driver.click("rl-wall-controls-toggle")
    assert violations(page) == []


@in_either_theme
def test_in_jupyterlab_the_workbench_has_no_serious_violation(page, jupyterlab_server, theme):
    _, root = jupyterlab_server
    chosen = root / "settings/@jupyterlab/apputils-extension/themes.jupyterlab-settings"
    chosen.write_text(f'{{"theme": "JupyterLab {theme.title()}"}}')
    cells = [f"from relaylab.lab import Workbench\nWorkbench(preset={LESSON!r})"]
    driver = Driver(page)
    driver.open_lab(in_jupyterlab(jupyterlab_server, *cells))
    page.locator(f"{WORKBENCH}[data-theme={theme}]").wait_for()
    assert violations(page, WORKBENCH) == []
