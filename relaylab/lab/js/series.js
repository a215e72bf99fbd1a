/**
 * The time series: Bokeh figures whose typed arrays are written in place.
 *
 * BokehJS comes from the kernel, once a page. The figures are built once; after that a sample is
 * shifted into their columns and one figure a paint is told that its data changed.
 */

import { dressPlot } from "./bokeh.js";
import { loadLegend } from "./legend.js";
import { make, short } from "./dom.js";
import { VIRTUAL } from "./frame.js";

const FIGURE_NAMES = ["occupancy", "rate", "loss", "padding"];
const FIGURE_EVERY_MS = 60;
const SLOW_MS = 50;
const SLOW_FIGURE_EVERY_MS = 200;
const SECONDS = 20;
const LIVE_TICKS = [-20, -15, -10, -5, -1e-6];

/** Name, title, unit, how a value reads. @type {[string, string, string, (value: number) => string][]} */
export const FIGURES = [
  ["occupancy", "Unread sub-buffers", "peaks, by CPU", (value) => String(+value.toFixed(1))],
  ["rate", "Events", "a second, over all CPUs", (value) => `${short(value)}/s`],
  ["loss", "Lost", "a second, by cause", (value) => `${short(value)}/s`],
  ["padding", "Padding", "share of what is produced", (value) => `${(100 * value).toPrecision(3)} %`],
];

/**
 * @typedef {object} Figure
 * @property {any} plot
 * @property {any} view
 * @property {any} source
 * @property {any} yRange
 * @property {any} capacity
 * @property {any} xRange
 * @property {any} ticker
 * @property {Record<string, any>} marks now, mark_a, mark_b
 * @property {Record<string, any>} lines renderers by column
 * @property {Record<string, Float64Array>} columns
 * @property {HTMLElement} host
 */

export class Series {
  constructor() {
    /** @type {Map<string, Figure>} */
    this.figures = new Map();
    /** @type {Map<string, HTMLElement>} */
    this.legends = new Map();
    this.length = 0;
    /** @type {Record<string, Float64Array>} */
    this.data = {};
    /** Absolute times of the samples; the figures get seconds before the newest. */
    this.times = new Float64Array(0);
    /** @type {string[]} */
    this.columns = [];
    this.turn = 0;
    /** Another channel or another time: what the figures show is of the one before. */
    this.isNew = false;
    this.of = "";
    this.isVirtual = false;
    /** Seconds of a virtual run; 0 while live. */
    this.span = 0;
    this.stale = 0;
    this.paintedAt = -Infinity;
    this.calledAt = -Infinity;
    /** @type {string[]} */
    this.lineNames = [];
    /** The moment of real time that a click has pointed at, seconds of the session. @type {number | null} */
    this.pointed = null;
    /** Sources of what happened, by name. @type {Record<string, {source: any, columns: Record<string, Float64Array>}>} */
    this.happened = {};
    /** @type {Record<string, [string, string, string][]>} */
    this.legend = {};
    this.bold = -1;
    this.element = make("section", { class: "rl-series", "aria-label": "Time series" });
    for (const [name, title, unit] of FIGURES) {
      const legend = make("span", { class: "rl-legend" });
      this.legends.set(name, legend);
      this.element.append(make("figure", { "data-name": name }, [
        make("figcaption", {}, [make("b", {}, [title]), make("span", { class: "rl-unit" }, [` ${unit}`]), legend]),
        make("div", { class: "rl-plot" }),
      ]));
    }
  }

  /**
   * @param {any} Bokeh
   * @param {{items: Record<string, string>, columns: string[], length: number, legend: Record<string, [string, string, string][]>}} spec
   */
  async build(Bokeh, spec) {
    this.columns = spec.columns;
    this.length = spec.length;
    this.legend = spec.legend;
    this.times = new Float64Array(spec.length).fill(NaN);
    for (const column of spec.columns) this.data[column] = new Float64Array(spec.length).fill(NaN);
    for (const name of FIGURE_NAMES) {
      const host = /** @type {HTMLElement} */ (this.element.querySelector(`[data-name=${name}] .rl-plot`));
      const views = await Bokeh.embed.embed_item(JSON.parse(spec.items[name]), host);
      this.#adopt(name, views.roots ? views.roots[0] : [...views][0], host);
    }
    loadLegend(this.legends.get("rate"), this.legend.rate, ["offered", "written", "read"]);
    this.legends.get("rate")?.setAttribute("title", "Read: sub-buffers consumed a second, times the events that one holds in the mean.");
    loadLegend(this.legends.get("loss"), this.legend.loss, ["full", "at unfull", "too large", "overwritten"]);
    this.legends.get("loss")?.setAttribute("title", "Overwritten: sub-buffers a second that nobody had read.");
    this.legends.get("loss")?.classList.add("rl-dense");
    loadLegend(this.legends.get("padding"), this.legend.padding, ["padding"]);
  }

  /** @param {string} name @param {any} view @param {HTMLElement} host */
  #adopt(name, view, host) {
    const plot = view.model;
    const model = (/** @type {string} */ one) => plot.document.get_model_by_name(one);
    const source = model("source");
    /** @type {Record<string, Float64Array>} */
    const columns = {};
    for (const column of Object.keys(toObject(source.data))) columns[column] = this.data[column];
    adopt(source, columns);
    if (name === "occupancy") {
      for (const what of ["full", "unfull", "delivered", "flushed"]) {
        const own = model(what);
        /** @type {Record<string, Float64Array>} */
        const held = Object.fromEntries(Object.entries(toObject(own.data)).map(([key, value]) => [key, new Float64Array(value.length).fill(NaN)]));
        adopt(own, held);
        this.happened[what] = { source: own, columns: held };
      }
    }
    this.figures.set(name, {
      plot, view, source, columns, host,
      yRange: model("y_range"), capacity: model("capacity"), xRange: model("x_range"), ticker: model("x_ticker"),
      marks: { now: model("now"), a: model("mark_a"), b: model("mark_b") },
      lines: Object.fromEntries(plot.renderers.filter((/** @type {any} */ one) => one.name in columns).map((/** @type {any} */ one) => [one.name, one])),
    });
  }

  /** Colours of axes, grid and text, and how large that is. @param {import("./theme.js").Palette} palette @param {number} [px] */
  setPalette(palette, px = 11) {
    for (const { plot, marks } of this.figures.values()) {
      dressPlot(plot, palette, px);
      for (const mark of Object.values(marks)) mark.line_color = palette.ink;
    }
  }

  clear() {
    for (const column of this.columns) this.data[column].fill(NaN);
    this.times.fill(NaN);
    this.stale = FIGURE_NAMES.length;
  }

  /** @param {import("./frame.js").Frame} frame @param {boolean} everything */
  take(frame, everything) {
    if (!this.columns.length) return;
    if (everything) this.clear();
    const of = `${frame.generation} ${frame.flags & VIRTUAL}`;
    this.isNew ||= of !== this.of;
    this.of = of;
    this.isVirtual = (frame.flags & VIRTUAL) !== 0;
    if (frame.text.duration_s !== undefined) this.span = this.isVirtual ? frame.text.duration_s : 0;
    if (this.isVirtual) this.stale = FIGURE_NAMES.length;
    const count = Math.min(this.length, frame.samples.length / frame.nColumns);
    if (!count) return;
    const first = frame.samples.length / frame.nColumns - count;
    for (let c = 0; c < this.columns.length; c++) {
      const column = this.columns[c] === "t_s" ? this.times : this.data[this.columns[c]];
      column.copyWithin(0, count);
      for (let i = 0; i < count; i++) column[this.length - count + i] = frame.samples[(first + i) * frame.nColumns + c];
    }
    // Live: seconds before now, so that the axis stands still and only the data moves.
    for (let i = 0; i < this.length; i++) this.data.t_s[i] = this.times[i] - this.origin;
    this.stale = FIGURE_NAMES.length;
  }

  /** Shows a moment of real time, until time goes on. @param {number} seconds of the session */
  pointAt(seconds) {
    this.pointed = seconds;
    this.stale = FIGURE_NAMES.length;
  }

  /** The time of the newest sample, seconds of the session; NaN while there is none. */
  get newest() {
    return this.times[this.length - 1];
  }

  /** The moment that is 0 in the figures. */
  get origin() {
    return this.isVirtual || Number.isNaN(this.newest) ? 0 : this.newest;
  }

  /**
   * Repaints one figure: series in turn, each a few times a second. All at once when they are of
   * another channel or time: nobody should point at a moment of the old one.
   * @param {import("./frame.js").Frame} frame
   * @param {number} now milliseconds
   */
  paint(frame, now) {
    if (this.figures.size < FIGURE_NAMES.length) return;
    this.#nameLines(frame.text.lines ?? []);
    // On a busy machine the map goes first.
    const isSlow = now - this.calledAt > SLOW_MS;
    this.calledAt = now;
    if (this.isNew) {
      this.isNew = false;
      this.stale = 0;
      this.paintedAt = now;
      for (const [name, figure] of this.figures) this.#paintOne(name, figure, frame);
    }
    if (!this.stale || now - this.paintedAt < (isSlow ? SLOW_FIGURE_EVERY_MS : FIGURE_EVERY_MS)) return;
    this.paintedAt = now;
    this.stale--;
    const name = FIGURE_NAMES[this.turn++ % FIGURE_NAMES.length];
    this.#paintOne(name, /** @type {Figure} */ (this.figures.get(name)), frame);
  }

  /** @param {string} name @param {Figure} figure @param {import("./frame.js").Frame} frame */
  #paintOne(name, figure, frame) {
    this.#scale(name, figure, frame);
    this.#place(figure, frame);
    if (name === "occupancy") this.#shade(frame);
    figure.source.change.emit();
  }

  /** @param {string} name @param {Figure} figure @param {import("./frame.js").Frame} frame */
  #scale(name, figure, frame) {
    let top = frame.nSubbufs * 1.12;
    if (name === "occupancy") {
      if (figure.capacity.location !== frame.nSubbufs) figure.capacity.location = frame.nSubbufs;
    } else {
      let most = 0;
      for (const [column, values] of Object.entries(figure.columns)) {
        if (column !== "t_s") for (const value of values) if (value > most) most = value;
      }
      top = niceTop(most, figure.yRange.end);
      if (name === "padding") top = most > 0 ? Math.min(1, top) : 0.1;
    }
    if (figure.yRange.end !== top) figure.yRange.end = top;
  }

  /** Live: the last seconds. Virtual: the whole workload, and a line where one is. @param {Figure} figure @param {import("./frame.js").Frame} frame */
  #place(figure, frame) {
    const [start, end] = this.span ? [0, this.span] : [-SECONDS, 0];
    if (figure.xRange.start !== start || figure.xRange.end !== end) {
      figure.ticker.ticks = this.span ? roundTicks(this.span) : LIVE_TICKS;
      figure.xRange.setv({ start, end });
    }
    const { ab, pointed_s: pointed } = frame.text;
    if (frame.status === "running") this.pointed = null;
    const places = { now: this.span ? frame.tS : pointed ?? this.pointed, a: ab?.a?.t_s ?? null, b: ab?.b?.t_s ?? null };
    for (const [name, at] of Object.entries(places)) {
      const mark = figure.marks[name];
      const location = at === null ? 0 : at - this.origin;
      if (mark.visible !== (at !== null)) mark.visible = at !== null;
      if (mark.location !== location) mark.location = location;
    }
  }

  /** Full and unfull periods, deliver and flush. @param {import("./frame.js").Frame} frame */
  #shade(frame) {
    const times = this.data.t_s;
    for (const what of ["full", "unfull"]) {
      const { source, columns } = this.happened[what];
      fillPeriods(times, this.data[what], columns.left, columns.right);
      source.change.emit();
    }
    const span = this.span || SECONDS;
    for (const what of ["delivered", "flushed"]) {
      const { source, columns } = this.happened[what];
      fillOccurrences(times, this.data[what], span, columns.x);
      columns.y.fill(frame.nSubbufs * 1.06);
      source.change.emit();
    }
  }

  /** @param {string[]} names */
  #nameLines(names) {
    if (names.join() === this.lineNames.join()) return;
    this.lineNames = names;
    const legend = this.legends.get("occupancy");
    // Eight names and the capacity fit one line only if "CPU" is said once.
    loadLegend(legend, this.legend.occupancy, names.map((name, i) => (names.length > 2 && i ? name.replace("CPU ", "") : name)));
    legend?.classList.toggle("rl-dense", names.length > 2);
    legend?.classList.toggle("rl-denser", names.length > 6);
    const key = (/** @type {string} */ style, /** @type {string} */ name) => make("span", {}, [make("i", { style }), name]);
    legend?.append(
      key("height: 10px; background: rgb(213 94 0 / 35%)", "full"),
      key("height: 10px; background: rgb(230 159 0 / 35%)", "unfull"),
    );
    legend?.setAttribute("title", "Dashed: the capacity. Shaded: a buffer is full, or unfull: consumed after it was full, and the next event will be lost. ▼ delivered, ◆ flushed.");
  }

  /** Makes one CPU's line stand out; -1: none. @param {number} cpu */
  embolden(cpu) {
    const occupancy = this.figures.get("occupancy");
    if (!occupancy || cpu === this.bold) return;
    this.bold = cpu;
    const isKnown = this.lineNames[cpu]?.startsWith("CPU") ?? false;
    Object.values(occupancy.lines).forEach((line, i) => {
      line.glyph.setv({ line_width: isKnown && i === cpu ? 3 : 1.5, line_alpha: isKnown && i !== cpu ? 0.3 : 1 });
    });
  }

  /** The names and values of a figure's lines at a moment, with their colours. @param {string} name @param {number} at index of a sample @returns {[string, string, string][]} */
  valuesAt(name, at) {
    const format = /** @type {(typeof FIGURES)[number]} */ (FIGURES.find(([one]) => one === name))[3];
    const names = name === "occupancy" ? this.lineNames : [...(this.legends.get(name)?.querySelectorAll("span") ?? [])].map((one) => one.textContent ?? "");
    return names.map((label, i) => {
      const [column, colour] = this.legend[name][i];
      const value = this.data[column][at];
      return [label, Number.isNaN(value) ? "–" : format(value), colour];
    });
  }
}

/**
 * Stretches in which a share is above 0, joined where they touch; the newest, as many as there is room for.
 * @param {Float64Array} times @param {Float64Array} share @param {Float64Array} left @param {Float64Array} right
 */
export function fillPeriods(times, share, left, right) {
  left.fill(NaN);
  right.fill(NaN);
  let at = left.length;
  for (let i = times.length - 1; i > 0 && at >= 0; i--) {
    if (!(share[i] > 0) || Number.isNaN(times[i - 1])) continue;
    if (at < left.length && left[at] === times[i]) left[at] = times[i - 1];
    else if (at > 0) {
      at--;
      right[at] = times[i];
      left[at] = times[i - 1];
    } else return;
  }
}

/**
 * Where something happened, newest last; of those that would lie upon each other only one.
 * @param {Float64Array} times @param {Float64Array} count @param {number} span seconds shown @param {Float64Array} x
 */
export function fillOccurrences(times, count, span, x) {
  x.fill(NaN);
  let at = x.length;
  for (let i = times.length - 1; i >= 0 && at > 0; i--) {
    if (!(count[i] > 0) || (at < x.length && x[at] - times[i] < span / x.length)) continue;
    x[--at] = times[i];
  }
}

/**
 * Our arrays become the source's own, so that later writes need no copy.
 * @param {any} source @param {Record<string, Float64Array>} columns
 */
function adopt(source, columns) {
  // BokehJS ignores data that equals what it has, and all are empty at first.
  const first = Object.values(columns).map((column) => column[0]);
  for (const column of Object.values(columns)) column[0] = 0;
  source.data = columns;
  Object.values(columns).forEach((column, i) => { column[0] = first[i]; });
}

/** @param {any} data a Map in newer BokehJS, an object in older @returns {Record<string, any>} */
function toObject(data) {
  return data instanceof Map ? Object.fromEntries(data) : data;
}

/**
 * The next 1, 2 or 5 above the data; keeps the old top while it is not far too large, so that the axis does not jump.
 * @param {number} most @param {number} before
 */
export function niceTop(most, before) {
  if (most <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  const top = [1, 2, 5, 10].map((step) => step * power).find((step) => step >= most * 1.05) ?? 20 * power;
  return top < before && most > before * 0.15 ? before : top;
}

/**
 * Round numbers from 0 on, about four, none above the end.
 * @param {number} end
 */
export function roundTicks(end) {
  const step = niceTop(end / 5, 0);
  return Array.from({ length: Math.floor(end / step) + 1 }, (_, i) => i * step);
}
