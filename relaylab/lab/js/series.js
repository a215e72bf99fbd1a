/**
 * The time series: Bokeh figures whose typed arrays are written in place.
 *
 * BokehJS comes from the kernel, once a page. The figures are built once; after that a sample is
 * shifted into their columns and one figure a paint is told that its data changed.
 */

import { make } from "./dom.js";
import { VIRTUAL } from "./frame.js";

const NAMES = ["occupancy", "loss", "rate"];
const FIGURE_EVERY_MS = 60;
const SLOW_MS = 50;
const SLOW_FIGURE_EVERY_MS = 200;
const SECONDS = 20;
const LIVE_TICKS = [-20, -15, -10, -5, -1e-6];

/**
 * @typedef {object} Figure
 * @property {any} plot
 * @property {any} source
 * @property {any} yRange
 * @property {any} capacity
 * @property {any} xRange
 * @property {any} ticker
 * @property {any} now
 * @property {Record<string, Float64Array>} columns
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
    this.isVirtual = false;
    /** Seconds of a virtual run; 0 while live. */
    this.span = 0;
    this.stale = 0;
    this.paintedAt = -Infinity;
    this.calledAt = -Infinity;
    this.lineNames = "";
    /** @type {Record<string, [string, string, string][]>} */
    this.legend = {};
    this.element = make("section", { class: "rl-series", "aria-label": "Time series" });
    for (const [name, title, unit] of [
      ["occupancy", "Unread sub-buffers", "peaks, by CPU"],
      ["loss", "Lost", "events a second, by cause"],
      ["rate", "Events", "a second, over all CPUs"],
    ]) {
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
    for (const name of NAMES) {
      const host = this.element.querySelector(`[data-name=${name}] .rl-plot`);
      const views = await Bokeh.embed.embed_item(JSON.parse(spec.items[name]), host);
      const plot = (views.roots ? views.roots[0] : [...views][0]).model;
      const document = plot.document;
      const source = document.get_model_by_name("source");
      /** @type {Record<string, Float64Array>} */
      const columns = {};
      for (const column of Object.keys(toObject(source.data))) columns[column] = this.data[column];
      adopt(source, columns);
      this.figures.set(name, {
        plot, source, columns,
        yRange: document.get_model_by_name("y_range"),
        capacity: document.get_model_by_name("capacity"),
        xRange: document.get_model_by_name("x_range"),
        ticker: document.get_model_by_name("x_ticker"),
        now: document.get_model_by_name("now"),
      });
    }
    this.#paintLegend("loss", ["full", "at unfull", "too large", "sub-buffers overwritten"]);
    this.#paintLegend("rate", ["offered", "written"]);
  }

  /** Colours of axes, grid and text. @param {import("./theme.js").Palette} palette */
  setPalette(palette) {
    for (const { plot } of this.figures.values()) {
      for (const axis of [...plot.left, ...plot.below]) {
        axis.setv?.({
          major_label_text_color: palette.muted, axis_line_color: palette.line, major_tick_line_color: palette.line,
          major_label_text_font_size: "11px", major_label_text_font: "system-ui, sans-serif",
        });
      }
      for (const grid of plot.center) if ("grid_line_color" in grid) grid.setv({ grid_line_color: palette.line, grid_line_alpha: 0.6 });
    }
  }

  clear() {
    for (const column of this.columns) this.data[column].fill(NaN);
    this.times.fill(NaN);
    this.stale = NAMES.length;
  }

  /** @param {import("./frame.js").Frame} frame @param {boolean} everything */
  take(frame, everything) {
    if (!this.columns.length) return;
    if (everything) this.clear();
    this.isVirtual = (frame.flags & VIRTUAL) !== 0;
    if (frame.text.duration_s !== undefined) this.span = this.isVirtual ? frame.text.duration_s : 0;
    if (this.isVirtual) this.stale = NAMES.length;
    const count = Math.min(this.length, frame.samples.length / frame.nColumns);
    if (!count) return;
    const first = frame.samples.length / frame.nColumns - count;
    for (let c = 0; c < this.columns.length; c++) {
      const column = this.columns[c] === "t_s" ? this.times : this.data[this.columns[c]];
      column.copyWithin(0, count);
      for (let i = 0; i < count; i++) column[this.length - count + i] = frame.samples[(first + i) * frame.nColumns + c];
    }
    // Live: seconds before now, so that the axis stands still and only the data moves.
    const newest = this.times[this.length - 1];
    for (let i = 0; i < this.length; i++) this.data.t_s[i] = this.times[i] - (this.isVirtual ? 0 : newest);
    this.stale = NAMES.length;
  }

  /**
   * Repaints one figure: series in turn, each a few times a second.
   * @param {import("./frame.js").Frame} frame
   * @param {number} now milliseconds
   */
  paint(frame, now) {
    if (this.figures.size < NAMES.length) return;
    this.#nameLines(frame.text.lines ?? []);
    // On a busy machine the map goes first.
    const isSlow = now - this.calledAt > SLOW_MS;
    this.calledAt = now;
    if (!this.stale || now - this.paintedAt < (isSlow ? SLOW_FIGURE_EVERY_MS : FIGURE_EVERY_MS)) return;
    this.paintedAt = now;
    this.stale--;
    const name = NAMES[this.turn++ % NAMES.length];
    const figure = /** @type {Figure} */ (this.figures.get(name));
    this.#scale(name, figure, frame);
    this.#place(figure, frame);
    figure.source.change.emit();
  }

  /** @param {string} name @param {Figure} figure @param {import("./frame.js").Frame} frame */
  #scale(name, figure, frame) {
    let top = frame.nSubbufs * 1.08;
    if (name === "occupancy") {
      if (figure.capacity.location !== frame.nSubbufs) figure.capacity.location = frame.nSubbufs;
    } else {
      let most = 0;
      for (const [column, values] of Object.entries(figure.columns)) {
        if (column !== "t_s") for (const value of values) if (value > most) most = value;
      }
      top = niceTop(most, figure.yRange.end);
    }
    if (figure.yRange.end !== top) figure.yRange.end = top;
  }

  /** Live: the last seconds. Virtual: the whole workload, and a line where one is. @param {Figure} figure @param {import("./frame.js").Frame} frame */
  #place(figure, frame) {
    const [start, end] = this.span ? [0, this.span] : [-SECONDS, 0];
    if (figure.xRange.start !== start || figure.xRange.end !== end) {
      figure.ticker.ticks = this.span ? roundTicks(this.span) : LIVE_TICKS;
      figure.xRange.setv({ start, end });
      figure.now.visible = this.span > 0;
    }
    if (this.span) figure.now.location = frame.tS;
  }

  /** @param {string[]} names */
  #nameLines(names) {
    const joined = names.join();
    if (joined === this.lineNames) return;
    this.lineNames = joined;
    // Eight names and the capacity fit one line only if "CPU" is said once.
    this.#paintLegend("occupancy", names.map((name, i) => (names.length > 4 && i ? name.replace("CPU ", "") : name)));
    this.legends.get("occupancy")?.classList.toggle("rl-dense", names.length > 4);
    const dashes = make("i", { style: "border-top: 2px dashed #d55e00" });
    this.legends.get("occupancy")?.append(make("span", {}, [dashes, "capacity"]));
  }

  /** @param {string} figure @param {string[]} names */
  #paintLegend(figure, names) {
    const legend = this.legends.get(figure);
    if (!legend) return;
    legend.replaceChildren(...names.map((name, i) => {
      const [, colour, dash] = this.legend[figure][i];
      const key = make("i", { style: `border-top: 3px ${dash === "solid" ? "solid" : dash === "dotted" ? "dotted" : "dashed"} ${colour}` });
      return make("span", {}, [key, name]);
    }));
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
 * Round numbers from 0 on, about five, none above the end.
 * @param {number} end
 */
export function roundTicks(end) {
  const step = niceTop(end / 6, 0);
  return Array.from({ length: Math.floor(end / step) + 1 }, (_, i) => i * step);
}

/** @type {Promise<any> | null} */
let loading = null;

/**
 * BokehJS of this version: the page's own if it has it, else from the bytes the kernel sends.
 * @param {string} version
 * @param {() => Promise<DataView>} fetchScript
 * @returns {Promise<any>}
 */
export function loadBokeh(version, fetchScript) {
  const present = findBokeh(version);
  if (present) return Promise.resolve(present);
  loading ??= fetchScript().then((script) => new Promise((resolve, reject) => {
    const url = URL.createObjectURL(new Blob([/** @type {any} */ (script)], { type: "text/javascript" }));
    const tag = make("script", { src: url });
    tag.onload = () => resolve(findBokeh(version));
    tag.onerror = () => reject(new Error("BokehJS could not be loaded"));
    document.head.append(tag);
  }));
  return loading;
}

/** @param {string} version */
function findBokeh(version) {
  const Bokeh = /** @type {any} */ (window).Bokeh;
  if (!Bokeh) return null;
  if (Bokeh.version === version) return Bokeh;
  return Bokeh.versions?.get?.(version) ?? null;
}
