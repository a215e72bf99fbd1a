/**
 * The tuner: a trace against many shapes. Loss by size and count as a table that is a heat map,
 * memory against loss as a Bokeh figure; a cell plays that very run in the ring map.
 */

import { dressPlot } from "./bokeh.js";
import { make, setText, shortBytes } from "./dom.js";

const DROP_PIECE = 1 << 20;
/** The upper end of each class of loss, and its look: light enough for black text in both themes. */
const LOSS_CLASSES = [0, 0.001, 0.01, 0.05, 0.2, 0.5, 1];
const ON_SCREEN_NAME = "on screen";
const BEGIN_WORDS = "Choose a trace and press Sweep.";

/**
 * @typedef {object} TunerState
 * @property {string} status
 * @property {string} said
 * @property {number} done
 * @property {number} of
 * @property {string[]} [traces]
 * @property {string} [chosen]
 * @property {number[]} [sizes]
 * @property {number[]} [counts]
 * @property {(number | null)[][]} [loss]
 * @property {number[][]} [memory]
 * @property {number[]} [least] least count without loss by size, 0 for none
 * @property {(number | null)[]} [formula] what the formula says, by size
 * @property {number | null} [formula_memory] the formula's least memory, bytes
 * @property {string} [advice]
 * @property {Record<string, string>} [shown] the inputs for what is on screen
 * @property {Record<string, string>} [flags]
 */

/** @type {[string, string, string, string][]} */
const TUNER_FIELDS = [
  ["size_from", "sizes", "4 KiB", "Smallest sub-buffer size; it is doubled up to the largest"],
  ["size_to", "to", "256 KiB", "Largest sub-buffer size"],
  ["count_from", "numbers", "2", "Fewest sub-buffers; doubled up to the most"],
  ["count_to", "to", "64", "Most sub-buffers"],
  ["latency", "latency", "500 us", "From a sub-buffer being ready to the reader running"],
  ["per_subbuf", "per sub-buffer", "0 us", "Time the reader needs for each sub-buffer"],
  ["speed", "speed", "max", "How fast the reader reads: 6.3 MB/s, or max"],
  ["overhead", "added to each", "0", "Bytes that the tracer adds to each event: 10 for LTTng"],
  ["header", "sub-buffer header", "0", "Bytes at the head of each sub-buffer: 84 for LTTng"],
  ["event_size", "event size", "", "Of every event, for traces that tell no sizes"],
];

export class Tuner {
  /** @param {(command: string, values?: Record<string, unknown>, buffers?: ArrayBuffer[]) => void} command */
  constructor(command) {
    this.command = command;
    /** @type {TunerState} */
    this.state = { status: "idle", said: "", done: 0, of: 0 };
    /** @type {Map<string, HTMLInputElement>} */
    this.inputs = new Map();
    this.hasSwept = false;
    /** @type {any} */
    this.plot = null;
    this.at = { row: 0, column: 0 };
    this.button = make("button", { type: "button", class: "rl-tune", "aria-expanded": "false", title: "Try this workload, or a trace of your own, against many shapes" }, ["Tune"]);
    this.trace = make("select", { class: "rl-tuner-trace", "aria-label": "Trace to tune for" });
    this.rules = make("select", { class: "rl-tuner-rules", "aria-label": "Rules of the ring" }, [
      make("option", { value: "relayfs" }, ["relayfs, 2005"]), make("option", { value: "linux" }, ["Linux today"])]);
    this.file = make("input", { type: "file", class: "rl-tuner-file", "aria-label": "A trace of your own" });
    this.run = make("button", { type: "button", class: "rl-tuner-sweep" }, ["Sweep"]);
    this.stop = make("button", { type: "button", class: "rl-tuner-stop", disabled: "" }, ["Stop"]);
    this.bar = make("progress", { class: "rl-tuner-progress", max: "1", value: "0", "aria-label": "Sweep" });
    this.said = make("p", { class: "rl-tuner-said", role: "status" }, [BEGIN_WORDS]);
    this.table = make("table", { class: "rl-heat", role: "grid", "aria-label": "Loss by sub-buffer size and number of sub-buffers; Enter plays a cell" });
    this.host = make("div", { class: "rl-plot rl-tuner-plot" });
    this.views = make("div", { class: "rl-tuner-views", hidden: "" });
    this.advice = make("p", { class: "rl-tuner-advice" });
    this.tool = make("select", { class: "rl-tuner-tool", "aria-label": "Tool whose flags are shown" });
    this.flags = make("code", { class: "rl-tuner-flags" });
    this.element = this.#layOut();
    this.element.hidden = true;
    this.#listen();
  }

  #layOut() {
    const field = (/** @type {string} */ wanted) => {
      const [key, label, value, title] = /** @type {[string, string, string, string]} */ (TUNER_FIELDS.find(([one]) => one === wanted));
      const input = make("input", { type: "text", class: `rl-tuner-${key.replace("_", "-")}`, value, title });
      this.inputs.set(key, input);
      return make("label", {}, [make("span", {}, [label]), input]);
    };
    const group = (/** @type {string} */ name, /** @type {(Node | string)[]} */ children) =>
      make("div", { class: "rl-group", role: "group", "aria-label": name }, [make("span", { class: "rl-group-name" }, [name]), ...children]);
    this.views.append(
      make("figure", {}, [
        make("figcaption", {}, [make("b", {}, ["Loss"]), make("span", { class: "rl-unit" }, [" by size and number; ◆ fewest that lose nothing, △ by the formula"])]),
        this.table,
        make("p", { class: "rl-unit" }, ["Click a cell, or Enter: the ring map plays that very run from its first loss on."]),
      ]),
      make("figure", {}, [
        make("figcaption", {}, [make("b", {}, ["Memory against loss"]), make("span", { class: "rl-unit" }, [" all CPUs; ◆ least loss for the memory, △ by the formula, dashed its least"])]),
        this.host,
      ]),
    );
    return make("section", { class: "rl-tuner", "aria-label": "Tuner" }, [
      make("div", { class: "rl-tuner-controls" }, [
        group("Trace", [this.trace, make("label", { class: "rl-tuner-drop" }, [make("span", {}, ["or drop one here"]), this.file])]),
        group("Events", [field("event_size"), field("overhead")]),
        group("Reader", [field("latency"), field("per_subbuf"), field("speed")]),
        group("Shapes", [field("size_from"), field("size_to"), field("count_from"), field("count_to"), field("header"), this.rules]),
        this.run, this.stop, this.bar,
      ]),
      this.said,
      this.views,
      this.advice,
      make("p", { class: "rl-tuner-tools" }, [this.tool, this.flags]),
    ]);
  }

  #listen() {
    this.button.addEventListener("click", () => this.toggle());
    this.run.addEventListener("click", () => this.sweep());
    this.stop.addEventListener("click", () => this.command("tuner_stop"));
    this.tool.addEventListener("change", () => this.#showFlags());
    this.table.addEventListener("keydown", (event) => this.#key(event));
    this.table.addEventListener("click", (event) => {
      const cell = /** @type {HTMLElement} */ (event.target).closest("td");
      if (cell) this.#play(cell);
    });
    this.file.addEventListener("change", () => {
      if (this.file.files?.[0]) this.#send(this.file.files[0]);
    });
    this.element.addEventListener("dragover", (event) => {
      event.preventDefault();
      this.element.classList.add("rl-over");
    });
    this.element.addEventListener("dragleave", () => this.element.classList.remove("rl-over"));
    this.element.addEventListener("drop", (event) => {
      event.preventDefault();
      this.element.classList.remove("rl-over");
      const file = event.dataTransfer?.files[0];
      if (file) this.#send(file);
    });
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && /** @type {HTMLElement} */ (event.target).matches("input[type=text]")) this.sweep();
    });
  }

  toggle() {
    this.element.hidden = !this.element.hidden;
    this.button.setAttribute("aria-expanded", String(!this.element.hidden));
    if (!this.element.hidden) this.command("tuner_hello");
  }

  sweep() {
    this.hasSwept = true;
    /** @type {Record<string, unknown>} */
    const typed = { trace: this.trace.value || ON_SCREEN_NAME, rules: this.rules.value };
    for (const [key, input] of this.inputs) typed[key] = input.value;
    this.command("tuner_sweep", typed);
  }

  /** The reader and ring on screen are those to tune for, until a person has swept. @param {Record<string, string>} shown */
  #fill(shown) {
    if (this.hasSwept) return;
    for (const [key, value] of Object.entries(shown)) {
      const input = this.inputs.get(key);
      if (input) input.value = value;
    }
    if (shown.rules) this.rules.value = shown.rules;
  }

  /** @param {File} file */
  async #send(file) {
    setText(this.said, `Sending ${file.name}, ${shortBytes(file.size)} …`);
    for (let at = 0; at === 0 || at < file.size; at += DROP_PIECE) {
      const piece = await file.slice(at, at + DROP_PIECE).arrayBuffer();
      this.command("tuner_drop", { name: file.name, at, last: at + DROP_PIECE >= file.size }, [piece]);
    }
  }

  // What the kernel tells ----------------------------------------------------------------------

  /** @param {TunerState} state */
  take(state) {
    const before = this.state;
    this.state = state;
    this.element.dataset.status = state.status;
    this.stop.disabled = state.status !== "running";
    this.bar.hidden = state.status !== "running";
    if (state.of) this.bar.value = state.done / state.of;
    else this.bar.removeAttribute("value");
    setText(this.said, this.#words(state));
    this.said.classList.toggle("rl-refused", state.status === "refused");
    if (state.traces && state.traces.join("\n") !== before.traces?.join("\n")) this.#list(state.traces, state.chosen);
    if (state.shown) this.#fill(state.shown);
    this.views.hidden = !state.sizes;
    if (state.sizes) this.#paintTable();
    this.#paintPlot();
    setText(this.advice, state.advice ?? "");
    this.#listTools();
  }

  /** @param {TunerState} state */
  #words(state) {
    const progress = { running: state.of ? `, ${state.done} of ${state.of} shapes` : "", stopped: `. Stopped after ${state.done} of ${state.of} shapes.`, done: `, against ${state.of} shapes.` }[state.status] ?? "";
    return `${state.said || BEGIN_WORDS}${progress}`;
  }

  /** @param {string[]} traces @param {string} [chosen] */
  #list(traces, chosen) {
    const before = chosen ?? this.trace.value;
    this.trace.replaceChildren(...traces.map((name) =>
      make("option", { value: name }, [name === ON_SCREEN_NAME ? "the workload on screen" : name])));
    if (traces.includes(before)) this.trace.value = before;
  }

  #paintTable() {
    const { sizes = [], counts = [], loss = [], memory = [], least = [], formula = [] } = this.state;
    this.at = { row: Math.min(this.at.row, counts.length - 1), column: Math.min(this.at.column, sizes.length - 1) };
    const head = make("tr", {}, [make("th", { scope: "col" }, ["number"]), ...sizes.map((size) => make("th", { scope: "col" }, [exactBytes(size)]))]);
    const rows = counts.map((count, row) => make("tr", {}, [
      make("th", { scope: "row" }, [String(count)]),
      ...sizes.map((size, column) => {
        const share = loss[column][row];
        const isLeast = least[column] > 0 && count >= least[column] && (row === 0 || counts[row - 1] < least[column]);
        const said = formula[column];
        const isFormula = said !== null && said !== undefined && count >= said && (row === 0 || counts[row - 1] < said);
        const marks = `${isLeast ? "◆" : ""}${isFormula ? "△" : ""}`;
        const cell = make("td", {
          role: "gridcell", tabindex: row === this.at.row && column === this.at.column ? "0" : "-1",
          "data-row": String(row), "data-column": String(column), "data-class": share === null ? "" : String(lossClass(share)),
          title: `${exactBytes(size)} × ${count}, ${exactBytes(memory[column]?.[row] ?? 0)} in all`,
        }, [`${share === null ? "·" : lossText(share)}${marks && ` ${marks}`}`]);
        if (isLeast) cell.classList.add("rl-least");
        if (share !== null) cell.dataset.loss = String(share);
        return cell;
      }),
    ]));
    const had = this.table.contains(document.activeElement);
    this.table.replaceChildren(make("thead", {}, [head]), make("tbody", {}, rows));
    if (had) this.#cell(this.at.row, this.at.column)?.focus();
  }

  // The cells ----------------------------------------------------------------------------------

  /** @param {number} row @param {number} column @returns {HTMLElement | null} */
  #cell(row, column) {
    return this.table.querySelector(`td[data-row="${row}"][data-column="${column}"]`);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    /** @type {Record<string, [number, number]>} */
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    const cell = /** @type {HTMLElement} */ (event.target).closest("td");
    if (!cell) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.#play(cell);
    }
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    const next = this.#cell(this.at.row + move[0], this.at.column + move[1]);
    if (!next) return;
    this.#goTo(next);
    next.focus();
  }

  /** @param {HTMLElement} cell */
  #goTo(cell) {
    this.#cell(this.at.row, this.at.column)?.setAttribute("tabindex", "-1");
    this.at = { row: Number(cell.dataset.row), column: Number(cell.dataset.column) };
    cell.setAttribute("tabindex", "0");
    this.#paintPlot();
  }

  /** @param {HTMLElement} cell */
  #play(cell) {
    this.#goTo(cell);
    const { sizes = [], counts = [] } = this.state;
    this.command("tuner_play", { subbuf_size: sizes[this.at.column], n_subbufs: counts[this.at.row] });
  }

  // The figure ---------------------------------------------------------------------------------

  /** @param {any} Bokeh @param {string} item */
  async build(Bokeh, item) {
    const views = await Bokeh.embed.embed_item(JSON.parse(item), this.host);
    this.plot = (views.roots ? views.roots[0] : [...views][0]).model;
    this.#paintPlot();
  }

  #paintPlot() {
    if (!this.plot || !this.state.sizes) return;
    const { counts = [], loss = [], memory = [], formula = [], formula_memory: least } = this.state;
    const model = (/** @type {string} */ name) => this.plot.document.get_model_by_name(name);
    /** @type {[number, number][]} */
    const points = [];
    loss.forEach((row, column) => row.forEach((share, i) => { if (share !== null) points.push([memory[column][i], share]); }));
    feed(model("shapes"), points);
    feed(model("best"), pareto(points));
    /** @type {[number, number][]} */
    const said = [];
    formula.forEach((count, column) => {
      const i = counts.findIndex((one) => count !== null && one >= count);
      const share = i < 0 ? null : loss[column][i];
      if (share !== null) said.push([memory[column][i], share]);
    });
    feed(model("formula"), said);
    const share = loss[this.at.column]?.[this.at.row];
    feed(model("chosen"), share === null ? [] : [[memory[this.at.column][this.at.row], share]]);
    const all = memory.flat();
    if (all.length) model("x_range").setv({ start: Math.min(...all) / 1.5, end: Math.max(...all) * 1.5 });
    const most = Math.max(0.01, ...points.map(([, one]) => one));
    model("y_range").setv({ start: -most * 0.05, end: most * 1.08 });
    const span = model("least");
    span.visible = Boolean(least);
    if (least) span.location = least;
  }

  // The advice ---------------------------------------------------------------------------------

  #listTools() {
    const tools = Object.keys(this.state.flags ?? {});
    this.tool.hidden = !tools.length;
    if (this.tool.options.length !== tools.length) this.tool.replaceChildren(...tools.map((name) => make("option", { value: name }, [name])));
    this.#showFlags();
  }

  #showFlags() {
    setText(this.flags, this.state.flags?.[this.tool.value] ?? "");
  }

  /** @param {import("./theme.js").Palette} palette @param {number} px */
  setPalette(palette, px) {
    if (this.plot) dressPlot(this.plot, palette, px);
  }
}

/** @param {any} source @param {[number, number][]} points */
function feed(source, points) {
  source.data = { memory: points.map(([memory]) => memory), loss: points.map(([, loss]) => loss) };
}

/** For each memory that buys less loss than any smaller one: the least loss. @param {[number, number][]} points */
function pareto(points) {
  /** @type {[number, number][]} */
  const best = [];
  for (const [memory, loss] of [...points].sort((a, b) => a[0] - b[0] || a[1] - b[1])) {
    if (!best.length || loss < best[best.length - 1][1]) best.push([memory, loss]);
  }
  return best;
}

/** As few digits as say it. @param {number} bytes */
function exactBytes(bytes) {
  return shortBytes(bytes).replace(/\.0+ /, " ");
}

/** @param {number} share */
function lossClass(share) {
  return LOSS_CLASSES.findIndex((top) => share <= top);
}

/** @param {number} share */
function lossText(share) {
  if (share === 0) return "0";
  return share < 0.001 ? "<0.1 %" : `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
}
