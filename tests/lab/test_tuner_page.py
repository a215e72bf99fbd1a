"""The tuner in a real browser: sweeps, refusals, dropped traces, and a cell that is played."""

import pytest

import relaylab
from relaylab.lab import presets
from relaylab.workload import load

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

LESSON = "Slow reader fills the buffer"
STATUS = "document.querySelector('.rl-tuner').dataset.status"
PROGRESS = "document.querySelector('.rl-tuner-progress').value"
LOSSES = ("lost_full", "lost_unfull", "lost_too_large")


def fill(driver, **texts):
    for name, text in texts.items():
        driver.page.locator(f".rl-tuner-{name.replace('_', '-')}").fill(text)


def wait_for(driver, *statuses):
    driver.page.wait_for_function(f"wanted => wanted.includes({STATUS})", arg=list(statuses))


def sweep(driver):
    driver.click("rl-tuner-sweep")
    wait_for(driver, "done", "refused")
    assert driver.page.locator(".rl-tuner").get_attribute("data-status") == "done", said(driver)


def cell(driver, size, count):
    """The cell of a sub-buffer size as the head of the table says it, and a number."""
    heads = driver.page.locator(".rl-heat thead th").all_inner_texts()
    row = driver.page.locator(".rl-heat tbody tr").filter(
        has=driver.page.get_by_role("rowheader", name=str(count), exact=True)
    )
    return row.locator("td").nth(heads.index(size) - 1)


def loss(driver, size, count):
    return float(cell(driver, size, count).get_attribute("data-loss"))


def said(driver):
    return driver.page.locator(".rl-tuner-said").inner_text()


def lost(driver):
    totals = driver.totals()
    return sum(totals[cause] for cause in LOSSES)


def test_the_run_on_screen_is_swept_and_a_cell_that_loses_is_played_from_loss_to_loss(voila):
    (lesson,) = (one for one in presets.shipped() if one.name == LESSON)
    workload = lesson.workload(2)
    reader = relaylab.Reader(latency="500 us", per_subbuf="1 ms")
    small, large = (relaylab.simulate(workload, size, 4, reader=reader) for size in (512, 2048))
    assert 0 <= large.loss_fraction < small.loss_fraction
    assert len(small.loss_runs) > 1

    voila.choose("rl-preset", LESSON)
    voila.click("rl-tune")
    voila.page.wait_for_function("document.querySelector('.rl-tuner-per-subbuf').value === '1 ms'")
    fill(voila, size_from="512", size_to="2 KiB", count_from="2", count_to="8")
    sweep(voila)
    assert voila.page.locator(".rl-heat td[data-loss]").count() == 9
    assert loss(voila, "512 B", 4) == small.loss_fraction
    assert loss(voila, "2 KiB", 4) == large.loss_fraction
    assert voila.page.locator(".rl-tuner-advice").inner_text()
    assert voila.page.locator(".rl-tuner-flags").inner_text()

    fill(voila, count_from="0")
    voila.page.locator(".rl-tuner-count-from").press("Enter")
    wait_for(voila, "refused")
    assert "fewest sub-buffers: got '0'" in said(voila)
    assert loss(voila, "512 B", 4) == small.loss_fraction
    assert voila.position() == lesson.start, "nothing else has changed"

    cell(voila, "512 B", 4).click()
    voila.wait_for_caption("is full")
    voila.wait_until_done()
    first = int(small.is_lost.argmax())
    assert voila.position() == first + 1
    assert lost(voila) == 1
    assert "512 B × 4" in voila.page.locator(".rl-channel").inner_text()
    voila.click("rl-loss-next")
    assert first + 1 < voila.position() < len(workload)
    voila.press("rl-scrub", "End")
    assert voila.position() == len(workload)
    assert lost(voila) == small.lost


def test_a_cell_is_reached_and_played_by_keyboard(voila):
    voila.choose("rl-preset", LESSON)
    voila.click("rl-tune")
    fill(voila, size_from="512", size_to="1 KiB", count_from="2", count_to="4")
    voila.page.locator(".rl-tuner-count-to").press("Enter")
    wait_for(voila, "done")
    voila.page.locator(".rl-heat td[tabindex='0']").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "ArrowLeft"):  # the second leads nowhere
        voila.page.keyboard.press(key)
    place = "(({row, column}) => [row, column].join())(document.activeElement.dataset)"
    assert voila.page.evaluate(place) == "1,0"
    voila.page.keyboard.press("Enter")
    voila.page.wait_for_function(
        "document.querySelector('.rl-channel').textContent.includes('512 B × 4')"
    )
    # A smaller grid has no such cell; one of its own takes the focus.
    fill(voila, size_to="512", count_to="2")
    sweep(voila)
    assert voila.page.locator(".rl-heat td").count() == 1
    assert voila.page.locator(".rl-heat td[tabindex='0']").count() == 1


def test_a_dropped_trace_is_swept(voila, tmp_path):
    file = tmp_path / "mine.csv"
    rows = (f"{10_000 * i},{i % 2},{32 + i % 64}\n" for i in range(80_000))
    file.write_text("t_ns,cpu,size\n" + "".join(rows))
    assert file.stat().st_size > 2**20, "more than one piece"
    voila.click("rl-tune")
    voila.page.locator(".rl-tuner-file").set_input_files(file)
    voila.page.wait_for_function("document.querySelector('.rl-tuner-trace').value === 'mine.csv'")
    fill(voila, size_from="4 KiB", size_to="8 KiB", count_from="2", count_to="4")
    fill(voila, latency="30 ms", per_subbuf="0 us", speed="max", overhead="0", header="0")
    sweep(voila)
    expected = relaylab.simulate(load(file), 4096, 2, reader=relaylab.Reader(latency="30 ms"))
    assert loss(voila, "4 KiB", 2) == expected.loss_fraction > 0
    assert voila.status() == "running", "what is on screen goes on"


def test_a_long_sweep_leaves_the_page_alive_and_is_stopped(voila):
    voila.click("rl-tune")
    fill(voila, size_from="64", size_to="32 MiB", count_from="1", count_to="524288")
    voila.page.evaluate(
        f"""() => {{
          const frames = () => Number(document.querySelector('.rl-map').dataset.frames);
          const before = frames();
          document.querySelector('.rl-tuner-sweep').click();
          const watch = setInterval(() => {{
            if ({STATUS} !== 'running' || !({PROGRESS} > 0) || frames() < before + 3) return;
            clearInterval(watch);
            document.querySelector('.rl-tuner-stop').click();
          }}, 20);
        }}"""
    )
    wait_for(voila, "stopped", "done")
    assert "Stopped after" in said(voila)
    done = voila.page.locator(".rl-heat td[data-loss]").count()
    assert 0 < done < voila.page.locator(".rl-heat td").count()
    voila.page.wait_for_function(
        "n => Number(document.querySelector('.rl-map').dataset.frames) > n", arg=voila.frames() + 3
    )
    assert voila.status() == "running"
