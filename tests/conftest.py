"""What all tests share: hypothesis profiles, and the browser of this machine."""

import os
import shutil
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "default",
    max_examples=50,
    stateful_step_count=50,
    deadline=None,  # the first example of many compiles
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "nightly", settings.get_profile("default"), max_examples=2000, stateful_step_count=100
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# Whoever starts the tests in the background may have them ignore Ctrl-C, and with them all that
# they start; some send it.
signal.signal(signal.SIGINT, signal.default_int_handler)

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
CHROME_APPS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Google\Chrome\Application\chrome.exe",
)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium or Chrome.

    Without one the test is skipped, or fails where RELAYLAB_REQUIRE_BROWSER is set, as in .ci/run.
    """
    named = os.environ.get("RELAYLAB_CHROMIUM")
    found = named or next(filter(None, map(shutil.which, CHROMIUMS)), None)
    found = found or next((app for app in CHROME_APPS if Path(app).exists()), None)
    if found is not None:
        return found
    missing = (
        "no Chromium or Chrome on this machine: install one (Debian: apt-get install chromium) "
        "or name it in RELAYLAB_CHROMIUM"
    )
    if os.environ.get("RELAYLAB_REQUIRE_BROWSER"):
        pytest.fail(missing)
    pytest.skip(missing)
