"""What is painted, in a real browser: each view of the workbench through Voila."""

import json
import re
import struct
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from lab.driving import Driver

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

ROWS_OF_HEX = re.compile(r"^([0-9a-f]{4,8})  ?((?:[0-9a-f]{2} ?)+)", re.MULTILINE)
WIDTHS = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
COLOURS = """() => {
  const map = document.querySelector('.rl-map');
  const {data} = map.getContext('2d').getImageData(0, 0, map.width, map.height);
  const seen = new Set();
  for (let i = 0; i < data.length; i += 4) if (data[i + 3]) {
    seen.add((data[i] << 16 | data[i + 1] << 8 | data[i + 2]).toString(16).padStart(6, '0'));
  }
  return [...seen];
}"""
WRITING = "0072b2"
SAID_AFTER_KEY = """(key) => {
  const map = document.querySelector('.rl-map');
  map.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true}));
  return document.querySelector('.rl-spoken').textContent;
}"""


def open_sizes(driver, subbuf_size, n_subbufs, n_cpus):
    driver.type("rl-subbuf-size", subbuf_size)
    driver.type("rl-n-subbufs", str(n_subbufs))
    driver.type("rl-n-cpus", str(n_cpus))
    driver.click("rl-open")
    driver.page.wait_for_function(
        "n => JSON.parse(document.querySelector('.rl-map').dataset.state).produced.length === n",
        arg=n_cpus,
    )


def wait_until_writing(driver):
    """Wait until a cell is seen being written: a small ring is full now and then."""
    driver.page.wait_for_function(f"() => ({COLOURS})().includes('{WRITING}')")


def fits(driver):
    scrolled, shown = driver.page.evaluate(WIDTHS)
    return scrolled <= shown


def test_the_map_goes_from_a_lesson_to_a_machine(voila):
    for n_subbufs, n_cpus in ((2, 1), (256, 64)):
        open_sizes(voila, "4 KiB", n_subbufs, n_cpus)
        before = voila.frames()
        voila.page.wait_for_function(
            "n => Number(document.querySelector('.rl-map').dataset.frames) > n + 5", arg=before
        )
        wait_until_writing(voila)
        assert fits(voila)
        lines = voila.page.locator(".rl-map-text li")
        voila.page.wait_for_function(
            "n => document.querySelectorAll('.rl-map-text li').length === n", arg=n_cpus
        )
        assert f"of {n_subbufs} unread" in lines.last.text_content()
    assert voila.page.locator("button.rl-shape").is_disabled()


def test_few_sub_buffers_are_drawn_as_rings_with_the_same_keys(voila, demo):
    open_sizes(voila, "4 KiB", 8, 2)
    voila.click("rl-shape")
    shape = "document.querySelector('.rl-map').dataset.shape === 'ring'"
    voila.page.wait_for_function(shape)
    wait_until_writing(voila)
    assert fits(voila)
    voila.press("rl-map", "ArrowLeft")
    said = voila.page.evaluate(SAID_AFTER_KEY, "ArrowDown")
    assert said.startswith("CPU 1, sub-buffer 7: ")
    voila.wait_until_done()
    title = voila.page.locator(".rl-inspector header b")
    assert title.inner_text() == "CPU 1, sub-buffer 7"
    voila.page.goto("about:blank")
    voila.open_demo(demo)
    voila.page.wait_for_function(shape)  # it is remembered
    voila.click("rl-shape")


def test_the_inspector_pages_through_the_bytes_and_tells_events_apart(voila):
    open_sizes(voila, "1 KiB", 4, 1)
    voila.choose("rl-time-mode", "virtual")
    voila.press("rl-scrub", *["ArrowRight"] * 12)
    voila.press("rl-map", "ArrowRight")
    hexes = voila.page.locator(".rl-hex")
    first = read_hex(hexes.inner_text())
    number, length = struct.unpack_from("<II", first)
    assert (number, length) == (0, 96)
    assert voila.page.locator(".rl-hex .rl-event-odd").count() > 0
    voila.page.locator(f".rl-hex [data-start='{length}']").first.click()
    event = voila.page.locator(".rl-event")
    assert event.inner_text() == "Event 1: 96 bytes at offset 96."
    assert voila.page.locator(".rl-hex .rl-chosen").count() > 0
    voila.press("rl-hex", "PageDown")
    voila.press("rl-hex", "End")
    assert "bytes 768–1,023" in voila.page.locator(".rl-hex-range").inner_text()
    assert voila.page.locator("button.rl-hex-on").is_disabled()
    assert voila.page.locator(".rl-hex .rl-padding").count() > 0
    assert read_hex(hexes.inner_text()) != first
    voila.press("rl-hex", "Home")
    assert read_hex(hexes.inner_text()) == first


def read_hex(dump):
    return bytes.fromhex("".join(row[1] for row in ROWS_OF_HEX.findall(dump)))


def test_hovering_a_figure_shows_the_moment_in_all_four(voila):
    voila.page.wait_for_timeout(2000)
    plot = voila.page.locator("[data-name=rate] .rl-plot")
    box = plot.bounding_box()
    plot.hover(position={"x": box["width"] - 20, "y": box["height"] / 2})
    for name in ("occupancy", "rate", "loss", "padding"):
        figure = voila.page.locator(f"[data-name={name}]")
        figure.locator(".rl-crosshair").wait_for()
        assert "−" in figure.locator(".rl-readout b").inner_text()
    assert "/s" in voila.page.locator("[data-name=rate] .rl-readout").inner_text()
    voila.page.mouse.move(5, 5)
    voila.page.locator("[data-name=rate] .rl-crosshair").wait_for(state="hidden")


def test_the_map_in_words_follows_each_step(voila):
    voila.choose("rl-preset", "lost at unfull")
    line = voila.page.locator(".rl-map-text li")
    assert "4 of 4 unread, full" in line.text_content()
    voila.press("rl-map", *[","] * 8)
    assert "2 of 4 unread" in line.text_content()
    assert "no loss" in line.text_content()


def test_a_click_in_a_figure_or_a_journal_row_goes_to_that_moment(voila):
    voila.choose("rl-preset", "Bursts, slow reader")
    voila.choose("rl-time-mode", "virtual")
    plot = voila.page.locator("[data-name=occupancy] .rl-plot")
    box = plot.bounding_box()
    middle = voila.count() // 2
    plot.click(position={"x": box["width"] * 0.6, "y": box["height"] / 2})
    voila.wait_until_done()
    assert middle * 0.7 < voila.position() < middle * 1.5
    at = voila.position()
    rows = voila.page.locator(".rl-journal tbody tr[tabindex]")
    rows.first.focus()
    voila.page.keyboard.press("ArrowDown")
    for _ in range(8):
        voila.page.keyboard.press("ArrowDown")
    voila.page.keyboard.press("Enter")
    voila.wait_until_done()
    assert voila.position() < at


def test_the_journal_shows_the_kinds_that_were_chosen_and_holds(voila):
    voila.page.locator(".rl-journal-kind summary").click()
    for kind in ("produced", "consumed"):
        voila.page.locator(".rl-journal-kind").get_by_label(kind, exact=True).check()
    voila.page.keyboard.press("Escape")
    voila.page.wait_for_function(
        "document.querySelectorAll('.rl-journal tr.produced').length > 0"
        " && document.querySelectorAll('.rl-journal tr.subbuf_start').length === 0"
    )
    voila.page.locator("button.rl-journal-hold").click()
    text = "document.querySelector('.rl-journal tbody').innerText"
    held = voila.page.evaluate(text)
    frames = voila.frames()
    voila.page.wait_for_function(
        "n => Number(document.querySelector('.rl-map').dataset.frames) > n + 20", arg=frames
    )
    assert voila.page.evaluate(text) == held
    box = "document.querySelector('.rl-journal-box')"
    assert voila.page.evaluate(f"{box}.scrollHeight > {box}.clientHeight")


def test_pictures_are_saved_as_svg_and_png(voila, tmp_path):
    voila.page.wait_for_function("document.querySelectorAll('.rl-crosshair').length === 4")
    for what, kind in (("map", "svg"), ("map", "png"), ("plots", "svg"), ("plots", "png")):
        voila.page.locator(".rl-export summary").click()
        with voila.page.expect_download() as offered:
            voila.page.locator(f"button.rl-export-{what}-{kind}").click()
        file = tmp_path / f"{what}.{kind}"
        offered.value.save_as(file)
        check_picture(file)


def check_picture(file: Path):
    content = file.read_bytes()
    if file.suffix == ".svg":
        root = ET.fromstring(content.decode())
        assert root.tag.endswith("svg")
        assert len(list(root.iter())) > 20
    else:
        assert content[:8] == b"\x89PNG\r\n\x1a\n"
        assert int.from_bytes(content[16:20], "big") > 1000


@pytest.mark.parametrize(
    ("theme", "query"),
    [
        ("light", "?theme=light"),
        ("dark", ""),
        ("light", "?theme=light&wall=1"),
        ("dark", "?theme=dark&wall=1"),
    ],
)
def test_every_layout_fits_the_width_in_both_themes(page, demo, theme, query):
    wall = "wall" in query
    page.emulate_media(color_scheme="dark")  # the address wins over it
    driver = Driver(page)
    driver.open_demo(demo, query)
    assert page.locator(".rl-workbench").get_attribute("data-theme") == theme
    for width, height in ((1280, 800), (1920, 1080)):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_function(f"(([scrolled, shown]) => scrolled <= shown)({WIDTHS})")
        size = page.evaluate(
            "parseFloat(getComputedStyle(document.querySelector('.rl-caption')).fontSize)"
        )
        assert size >= (24 if wall else 20)
    controls = page.locator(".rl-subbuf-size")
    assert controls.is_visible() == (not wall)
    if wall:
        driver.click("rl-wall-controls-toggle")
        assert controls.is_visible()
        assert fits(driver)
        driver.click("rl-wall-toggle")
        assert not page.locator(".rl-workbench.rl-wall").count()
    state = json.loads(page.locator(".rl-map").get_attribute("data-state"))
    assert len(state["produced"]) == 2
