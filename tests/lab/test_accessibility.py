"""No serious violation of the accessibility rules, by axe-core, in either theme."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from lab.driving import Driver

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

THEMES = ("light", "dark")
WORKBENCH = ".rl-workbench"


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


@pytest.mark.parametrize("theme", THEMES)
def test_the_page_of_the_demo_has_no_serious_violation(page, demo, theme):
    driver = Driver(page)
    driver.open_demo(demo, f"?theme={theme}")
    assert violations(page) == []
    driver.click("rl-help-button")
    assert violations(page) == []
