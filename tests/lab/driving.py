"""What the browser tests do with a page, in the words of a person."""

import json
import time
from typing import Any

PAINTED = "Number(document.querySelector('.rl-map')?.dataset.frames) > 2"
DONE = "document.querySelector('.rl-status').getAttribute('aria-busy') === 'false'"
PRESS_ALL = """([css, keys]) => {
  const element = document.querySelector(css);
  for (const key of keys) {
    element.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true}));
  }
}"""
HIDE = """(hidden) => {
  Object.defineProperty(document, 'hidden', { get: () => hidden, configurable: true });
  document.dispatchEvent(new Event('visibilitychange'));
}"""
STILL_S = 2.0
STILL_WITHIN_S = 120.0
CONNECTED = """async () => {
  const answer = await fetch('/api/kernels');
  if (!answer.ok) return false; // a kernel that is just starting may not be listed yet
  return (await answer.json()).some((one) => one.connections > 0 && one.execution_state === 'idle');
}"""


class Driver:
    """A workbench in a page."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def open_demo(self, address: str, query: str = "") -> None:
        """Open the page of `relaylab demo` and wait until it paints."""
        self.page.goto(address + query)
        self.page.wait_for_function(PAINTED)
        self.wait_until_done()

    def open_lab(self, address: str) -> None:
        """Open the notebook in JupyterLab or Notebook 7, run its cell, wait until it paints."""
        self.open_notebook(address)
        self.run(0)
        self.page.wait_for_function(PAINTED)
        self.wait_until_done()

    def open_notebook(self, address: str) -> None:
        """Open the notebook in JupyterLab or Notebook 7, and wait until its kernel listens."""
        self.page.goto(address)
        self.page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
        while not self.page.evaluate(CONNECTED):  # what is run before is lost
            self.page.wait_for_timeout(200)

    def run(self, number: int) -> None:
        """Run the code cell of that number."""
        cell = self.page.locator(".jp-Notebook .jp-CodeCell").nth(number)
        prompt = cell.locator(".jp-InputPrompt")
        while not prompt.inner_text().strip("[]: "):  # it shows at once whether the cell was taken
            cell.locator(".cm-content").click()
            self.page.keyboard.press("Control+Enter")
            self.page.wait_for_timeout(2000)

    def click(self, name: str) -> None:
        """Press the button of this class."""
        self.page.locator(f"button.{name}").click()
        self.wait_until_done()

    def type(self, name: str, text: str) -> None:
        """Type into the input of this class, and Enter."""
        field = self.page.locator(f".{name} input, input.{name}")
        field.fill(text)
        field.press("Enter")
        self.wait_until_done()

    def choose(self, name: str, containing: str) -> None:
        """Choose the option whose text contains this."""
        menu = self.page.locator(f".{name} select, select.{name}")
        option = menu.locator("option", has_text=containing)
        option.wait_for(state="attached")
        menu.select_option(label=option.text_content())
        self.wait_until_done()

    def press(self, name: str, *keys: str) -> None:
        """Press keys on the element of this class, each before the first is answered."""
        self.page.locator(f".{name}").focus()
        self.page.evaluate(PRESS_ALL, [f".{name}", list(keys)])
        self.wait_until_done()

    def wait_until_done(self) -> None:
        """Wait until the page shows the state after all that was asked for so far."""
        self.page.wait_for_function(DONE)

    def wait_for_caption(self, containing: str) -> None:
        """Wait until the caption contains this."""
        self.page.wait_for_function(
            "text => document.querySelector('.rl-caption').textContent.includes(text)",
            arg=containing,
        )

    def caption(self) -> str:
        """The caption."""
        return self.page.locator(".rl-caption").inner_text()

    def position(self) -> int:
        """Where the scrub bar is."""
        return int(self.page.locator(".rl-scrub").get_attribute("aria-valuenow"))

    def count(self) -> int:
        """How many events the scrub bar has."""
        return int(self.page.locator(".rl-scrub").get_attribute("aria-valuemax"))

    def seen(self) -> tuple[dict[str, list[int]], dict[str, int]]:
        """State and totals."""
        return self.state(), self.totals()

    def hide(self, hidden: bool) -> None:
        """Let the page believe that its tab is hidden, or shown again."""
        self.page.evaluate(HIDE, hidden)

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
        )

    def still_state(self) -> dict[str, list[int]]:
        """data-state once threads that were told to pause do so, which shows in nothing else."""
        before, since = self.seen(), time.monotonic()
        deadline = since + STILL_WITHIN_S
        while time.monotonic() - since < STILL_S:
            assert time.monotonic() < deadline, f"still moving: {before}"
            self.page.wait_for_timeout(100)
            now = self.seen()
            if now != before:
                before, since = now, time.monotonic()
        return before[0]

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
