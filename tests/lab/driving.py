"""What the browser tests do with a page, in the words of a person."""

import json
from typing import Any

PAINTED = "Number(document.querySelector('.rl-map')?.dataset.frames) > 2"
READY_MS = 90_000


class Driver:
    """A workbench in a page."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def open_demo(self, address: str, query: str = "") -> None:
        """Open the page of `relaylab demo` and wait until it paints."""
        self.page.goto(address + query)
        self.page.wait_for_function(PAINTED, timeout=READY_MS)

    def open_lab(self, address: str) -> None:
        """Open the notebook in JupyterLab, run its cell and wait until it paints."""
        self.page.goto(address)
        cell = self.page.locator(".jp-Notebook .jp-CodeCell").first
        cell.wait_for(timeout=READY_MS)
        prompt = cell.locator(".jp-InputPrompt")
        for _ in range(30):  # until a kernel is there, what is run is lost
            cell.locator(".cm-content").click()
            self.page.keyboard.press("Control+Enter")
            self.page.wait_for_timeout(1000)
            if prompt.inner_text().strip("[]: "):
                break
        self.page.wait_for_function(PAINTED, timeout=READY_MS)

    def click(self, name: str) -> None:
        """Press the button of this class."""
        self.page.locator(f"button.{name}").click()

    def type(self, name: str, text: str) -> None:
        """Type into the input of this class, and Enter."""
        field = self.page.locator(f".{name} input, input.{name}")
        field.fill(text)
        field.press("Enter")

    def choose(self, name: str, containing: str) -> None:
        """Choose the option whose text contains this."""
        menu = self.page.locator(f".{name} select, select.{name}")
        option = menu.locator("option", has_text=containing)
        option.wait_for(state="attached")
        menu.select_option(label=option.text_content())

    def status(self) -> str:
        """data-status."""
        return self.page.locator(".rl-status").get_attribute("data-status")

    def state(self) -> dict[str, list[int]]:
        """data-state."""
        return json.loads(self.page.locator(".rl-map").get_attribute("data-state"))

    def totals(self) -> dict[str, int]:
        """data-totals."""
        return json.loads(self.page.locator(".rl-totals").get_attribute("data-totals"))

    def frames(self) -> int:
        """data-frames."""
        return int(self.page.locator(".rl-map").get_attribute("data-frames"))

    def wait_for_status(self, *wanted: str) -> None:
        """Wait until the status is one of these."""
        self.page.wait_for_function(
            "wanted => wanted.includes(document.querySelector('.rl-status').dataset.status)",
            arg=list(wanted),
            timeout=20_000,
        )

    def settled_state(self) -> dict[str, list[int]]:
        """data-state once it no longer changes."""
        before: dict[str, list[int]] = {}
        for _ in range(50):
            self.page.wait_for_timeout(200)
            now = self.state()
            if now == before:
                return now
            before = now
        raise AssertionError(f"still moving: {before}")

    def frames_a_second(self, seconds: int) -> list[float]:
        """Painted frames, second by second."""
        script = """async (n) => {
          const map = document.querySelector('.rl-map'), rates = [];
          for (let i = 0; i < n; i++) {
            const from = Number(map.dataset.frames), t = performance.now();
            await new Promise((resolve) => setTimeout(resolve, 1000));
            rates.push((Number(map.dataset.frames) - from) / ((performance.now() - t) / 1000));
          }
          return rates;
        }"""
        return self.page.evaluate(script, seconds)
