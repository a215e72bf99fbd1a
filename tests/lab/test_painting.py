"""What the page's JavaScript makes of numbers, without a browser."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from relaylab import lab

JS = Path(lab.__file__).parent / "js"


@pytest.fixture
def told(tmp_path):
    """The JSON that a script with the page's modules prints."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on this machine: install one (Debian: apt-get install nodejs)")
    for module in JS.glob("*.js"):
        shutil.copy(module, tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')

    def run(script):
        file = tmp_path / "script.js"
        file.write_text(script)
        done = subprocess.run([node, str(file)], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_shares_above_zero_are_joined_to_periods(told):
    periods = told("""
      import { fillPeriods } from "./series.js";
      const left = new Float64Array(3), right = new Float64Array(3);
      const times = [NaN, 1, 2, 3, 4, 5, 6, 7, 8, 9];
      const share = [0, 1, 1, 0.5, 0, 1, 0, 0, 1, 1];
      fillPeriods(Float64Array.from(times), Float64Array.from(share), left, right);
      console.log(JSON.stringify([[...left], [...right]]));
    """)
    assert periods == [[1, 4, 7], [3, 5, 9]]


def test_of_too_many_periods_the_newest_are_shown(told):
    periods = told("""
      import { fillPeriods } from "./series.js";
      const left = new Float64Array(2), right = new Float64Array(2);
      const times = Float64Array.from({ length: 20 }, (_, i) => i);
      fillPeriods(times, times.map((t) => t % 2), left, right);
      console.log(JSON.stringify([[...left], [...right]]));
    """)
    assert periods == [[16, 18], [17, 19]]


def test_the_sample_under_the_pointer_is_the_one_that_covers_the_moment(told):
    found = told("""
      import { nearest } from "./crosshair.js";
      const times = Float64Array.from([NaN, NaN, -3, -2, -1, 0]);
      const none = Float64Array.from([NaN, NaN]);
      console.log(JSON.stringify([
        nearest(times, -2.5), nearest(times, -2), nearest(times, 0), nearest(times, 1),
        nearest(times, -9), nearest(none, 0),
      ]));
    """)
    assert found == [3, 3, 5, 5, -1, -1]


def inspected(**changes):
    at = {"state": 2, "used": 24, "header": 4, "offset": 0, "commit": 24, "size": 32}
    return at | {"events": [[4, 8, 7], [12, 8, 8]]} | changes


def kinds_of(told, at, commits=False):
    return told(f"""
      import {{ kindsOf }} from "./inspector.js";
      console.log(JSON.stringify(kindsOf(32, {json.dumps(at)}, {json.dumps(commits)})));
    """)


EVEN, ODD, DATA, HEADER, PADDING, STALE = range(6)
RESERVED = 16


def test_each_byte_of_a_produced_sub_buffer_is_told_apart(told):
    kinds = kinds_of(told, inspected())
    assert kinds == [HEADER] * 4 + [ODD] * 8 + [EVEN] * 8 + [DATA] * 4 + [PADDING] * 8


def test_bytes_behind_the_write_position_are_old_ones(told):
    assert kinds_of(told, inspected(state=1))[24:] == [STALE] * 8


def test_all_bytes_of_a_consumed_sub_buffer_are_old_ones(told):
    assert kinds_of(told, inspected(state=0)) == [STALE] * 32


def test_what_is_not_committed_is_marked_only_where_writers_commit(told):
    late = inspected(commit=16)
    assert kinds_of(told, late) == kinds_of(told, inspected())
    marked = [kind >= RESERVED for kind in kinds_of(told, late, commits=True)]
    assert marked == [False] * 16 + [True] * 8 + [False] * 8


def test_the_map_is_told_in_words(told):
    words = told("""
      import { Cells } from "./cells.js";
      import { cellInWords, rowInWords } from "./maptext.js";
      const cells = new Cells();
      cells.resize(1, 4);
      cells.state.set([2, 2, 1 | 0x80, 0]);
      cells.fill.set([65535, 65535, 32768, 0]);
      cells.commit.set([65535, 65535, 16384, 0]);
      cells.hasCommits = true;
      const cpu = { produced: 2, consumed: 0, lost: 1234, flags: 1, refcount: 1 };
      const told = [rowInWords(cells, cpu, 0), cellInWords(cells, { cpu: 0, subbuf: 2 })];
      told.push(rowInWords(cells, { ...cpu, lost: 1 }, 0).split("; ")[1]);
      console.log(JSON.stringify(told));
    """)
    assert words == [
        "CPU 0: 2 of 4 unread, unfull; 1,234 events lost; sub-buffers 0 to 1 ready; "
        "sub-buffer 2 writing, 50 % filled; sub-buffer 3 empty.",
        "CPU 0, sub-buffer 2: writing, 50 % used, 25 % reserved and not committed, "
        "a reader looks at it.",
        "1 event lost",
    ]


def test_a_place_in_a_row_and_in_a_ring_is_the_cell_drawn_there(told):
    places = told("""
      import { Cells } from "./cells.js";
      import { Grid } from "./grid.js";
      import { Rings } from "./rings.js";
      const cells = new Cells();
      cells.resize(2, 8);
      const grid = new Grid(), rings = new Rings();
      grid.layout(cells, 1000);
      rings.layout(cells, 1000);
      const { left, cellW, rowH } = grid.geometry;
      const ring = rings.geometry;
      const r = (ring.radius + ring.hole) / 2, cx = ring.left + ring.side / 2, cy = ring.middle;
      const [dx, dy] = [Math.sin(0.3) * r, Math.cos(0.3) * r];
      console.log(JSON.stringify([
        grid.at(cells, left + 3.5 * cellW, rowH * 1.5), grid.at(cells, 5, 5),
        rings.at(cells, cx + dx, cy - dy), rings.at(cells, cx - dx, cy - dy),
        rings.at(cells, cx, cy),
      ]));
    """)
    assert places == [
        {"cpu": 1, "subbuf": 3},
        None,
        {"cpu": 0, "subbuf": 0},
        {"cpu": 0, "subbuf": 7},
        None,
    ]


@pytest.mark.parametrize("shape", ["Grid", "Rings"])
def test_the_map_is_drawn_as_svg_by_the_same_strokes(told, shape):
    import xml.etree.ElementTree as ET

    document = told(f"""
      import {{ Cells }} from "./cells.js";
      import {{ Grid }} from "./grid.js";
      import {{ Rings }} from "./rings.js";
      import {{ SvgPen }} from "./pen.js";
      const cells = new Cells();
      cells.resize(1, 4);
      cells.state.set([2, 4, 1, 0]);
      cells.fill.set([60000, 65535, 32768, 0]);
      cells.padding.set([5535, 0, 0, 0]);
      const colours = {{ ready: "#e69f00", writing: "#0072b2", page: "#ffffff" }};
      const palette = new Proxy(colours, {{
        has: () => true, get: (all, name) => all[name] ?? "#123456",
      }});
      const cpu = {{
        produced: 2, consumed: 0, lost: 5, flags: 0, refcount: 1, offset: 5, dataIndex: 2,
      }};
      const drawn = new {shape}();
      drawn.layout(cells, 600);
      drawn.forget(cells);
      const pen = new SvgPen(palette);
      drawn.draw(pen, {{ cells, cpus: [cpu], selected: {{ cpu: 0, subbuf: 0 }}, hinted: null }});
      console.log(JSON.stringify(pen.document(600, drawn.height)));
    """)
    root = ET.fromstring(document)
    fills = {element.get("fill") for element in root.iter()}
    assert {"#e69f00", "#0072b2", "url(#hatched)", "url(#crossed)"} <= fills
    patterns = {element.get("id") for element in root.iter() if element.tag.endswith("pattern")}
    assert patterns == {"hatched", "crossed"}
    texts = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert {"R", "W", "O", "CPU 0", "5 lost"} <= {text.split(" · ")[0] for text in texts if text}


def test_words_of_a_cell_shorten_until_they_fit_into_it(told):
    drawn = told("""
      import { Cells } from "./cells.js";
      import { Grid, cellWordings } from "./grid.js";
      import { letterWidth } from "./lettering.js";
      const cells = new Cells();
      cells.resize(1, 6);
      cells.subbufSize = 65536;
      cells.state.set([3, 2, 2, 1, 0, 4]);
      cells.fill.fill(65000);
      const cpu = {
        produced: 2, consumed: 0, lost: 2556828, flags: 4, refcount: 2, offset: 5, dataIndex: 2,
      };
      const found = { words: new Set(), over: [] };
      const nothing = () => {};
      for (let width = 900; width <= 2400; width += 50) {
        const grid = new Grid();
        grid.layout(cells, width);
        grid.forget(cells);
        const { left, cellW } = grid.geometry;
        const letters = (text, x, middle, look) => {
          if (look.anchor === "middle" || x < left) return;
          const column = Math.floor((x - left) / cellW);
          const edge = column < 6 ? left + (column + 1) * cellW : width;
          if (x + letterWidth(text, look) > edge) found.over.push([text, width]);
          if (column === 0) found.words.add(text);
        };
        const pen = { erase: nothing, rect: nothing, frame: nothing, letters };
        grid.draw(pen, { cells, cpus: [cpu], selected: null, hinted: null });
      }
      const words = cellWordings(cells, 0).filter((one) => found.words.has(one));
      console.log(JSON.stringify({ over: found.over, words }));
    """)
    assert drawn["over"] == []
    assert len(drawn["words"]) > 1
    assert drawn["words"][0] == "sub-buffer 0 · being read · 65,001 B"


def test_marks_of_losses_are_shown_though_the_frame_that_told_them_was_not(told):
    marks = told("""
      const rects = [];
      const pen = { fillRect: (x) => rects.push(Math.round(x)) };
      const element = () => ({
        style: {}, dataset: {}, options: [], clientWidth: 101, clientHeight: 20,
        setAttribute() {}, getAttribute() {}, append() {}, replaceChildren() {},
        addEventListener() {}, getContext: () => pen,
      });
      globalThis.document = { createElement: element, activeElement: null };
      globalThis.getComputedStyle = () => ({ color: "red" });
      const { Transport } = await import("./transport.js");
      const transport = new Transport(() => {});
      const frame = (text) => ({ status: "paused", flags: 4, nCpus: 1, tS: 0, text });
      transport.take(frame({ n_events: 100, position: 0, marks: [10, 50] }));
      const next = frame({ n_events: 100, position: 20 });
      transport.take(next);
      transport.paint(next);
      console.log(JSON.stringify(rects));
    """)
    assert marks == [10, 50]


def test_the_kernel_is_told_what_was_painted_when_it_would_wait_and_when_frames_end(told):
    heard = told("""
      import { Receipt } from "./receipt.js";
      const heard = [];
      const receipt = new Receipt(3, (seq) => heard.push(seq));
      for (const seq of [7, 8, 9, 10, 13, 14, 15, 16]) receipt.painted(seq);
      heard.push("waits");
      setTimeout(() => console.log(JSON.stringify(heard)), 400);
    """)
    assert heard == [7, 9, 13, 15, "waits", 16]


@pytest.mark.parametrize(("way_ms", "receipts"), [(20, 10), (150, 15), (300, 30)])
def test_a_kernel_far_away_is_told_more_often(told, way_ms, receipts):
    heard = told(f"""
      import {{ Receipt }} from "./receipt.js";
      let now = 0, receipts = 0;
      const granted = [0, 0, 0, 0]; // when the kernel heard that it may send frame number i
      const receipt = new Receipt(3, (seq) => {{
        receipts++;
        while (granted.length <= seq + 3) granted.push(now + {way_ms});
      }}, () => now);
      for (let seq = 1; seq <= 90; seq++) {{
        now = Math.max(now + 33, granted[seq]);
        if (seq === 61) receipts = 0;
        receipt.arrived(seq);
        receipt.painted(seq);
      }}
      receipt.end();
      console.log(JSON.stringify(receipts));
    """)
    assert heard == receipts


def test_text_changes_in_its_own_node(told):
    changed = told("""
      import { setText } from "./dom.js";
      const node = { nodeType: 3, nextSibling: null, data: "1" };
      const element = { firstChild: node, set textContent(text) { this.replaced = text; } };
      setText(element, "2");
      const empty = { firstChild: null, set textContent(text) { this.replaced = text; } };
      setText(empty, "");
      setText(empty, "3");
      console.log(JSON.stringify([node.data, element.replaced ?? null, empty.replaced]));
    """)
    assert changed == ["2", None, "3"]
