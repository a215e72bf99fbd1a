/**
 * The four figures drawn by a pen from the same arrays that Bokeh shows: for pictures to keep.
 */

import { short } from "./dom.js";
import { FIGURES, roundTicks } from "./series.js";

const WIDE = 620;
const HIGH = 250;
const EDGE = { left: 64, right: 16, top: 48, bottom: 28 };
/** @type {Record<string, number[]>} */
const DASHES = { dashed: [6, 4], dotted: [2, 3], dotdash: [6, 3, 2, 3] };
/** @type {[string, string][]} */
const SHADES = [["full", "rgb(213 94 0 / 22%)"], ["unfull", "rgb(230 159 0 / 22%)"]];

export const PLOTS_WIDTH = 2 * WIDE;
export const PLOTS_HEIGHT = 2 * HIGH;

/** @param {import("./pen.js").Pen} pen @param {import("./series.js").Series} series */
export function drawPlots(pen, series) {
  FIGURES.forEach(([name, title, unit], i) => {
    const figure = series.figures.get(name);
    if (figure) drawPlot(pen, series, figure, { name, title: `${title}, ${unit}`, x: (i % 2) * WIDE, y: Math.floor(i / 2) * HIGH });
  });
}

/**
 * @param {import("./pen.js").Pen} pen @param {import("./series.js").Series} series
 * @param {import("./series.js").Figure} figure @param {{name: string, title: string, x: number, y: number}} place
 */
function drawPlot(pen, series, figure, { name, title, x, y }) {
  const box = { left: x + EDGE.left, top: y + EDGE.top, width: WIDE - EDGE.left - EDGE.right, height: HIGH - EDGE.top - EDGE.bottom };
  const { start, end } = figure.xRange;
  const top = figure.yRange.end;
  const atX = (/** @type {number} */ t) => box.left + ((t - start) / (end - start)) * box.width;
  const atY = (/** @type {number} */ value) => box.top + box.height * (1 - value / top);
  const times = series.data.t_s;

  pen.letters(title, x + 8, y + 14, { size: 13, weight: 600, fill: "ink" });
  for (const tick of roundTicks(top)) {
    pen.rect(box.left, atY(tick), box.width, 1, "line");
    const text = name === "padding" ? `${+(tick * 100).toPrecision(3)} %` : tick < 1000 ? String(+tick.toPrecision(3)) : short(tick);
    pen.letters(text, box.left - 6, atY(tick), { size: 11, anchor: "end", fill: "muted" });
  }
  for (const tick of figure.ticker.ticks) {
    pen.rect(atX(tick), box.top + box.height, 1, 4, "line");
    pen.letters(timeInWords(tick), atX(tick), box.top + box.height + 14, { size: 11, anchor: "middle", fill: "muted" });
  }
  if (name === "occupancy") {
    for (const [what, fill] of SHADES) {
      const { left, right } = series.happened[what].columns;
      left.forEach((from, i) => {
        if (right[i] > start) pen.rect(atX(Math.max(start, from)), box.top, atX(right[i]) - atX(Math.max(start, from)), box.height, fill);
      });
    }
    const capacity = atY(figure.capacity.location);
    pen.stroke(`M${box.left} ${capacity}H${box.left + box.width}`, "lost", 1.2, DASHES.dashed);
  }
  const values = series.valuesAt(name, times.length - 1);
  let legend = box.left;
  values.forEach(([label, , colour], i) => {
    const [column, , dash] = series.legend[name][i];
    pen.stroke(pathOf(times, series.data[column], start, atX, atY), colour, 1.5, DASHES[dash] ?? []);
    pen.stroke(`M${legend} ${y + 34}h18`, colour, 2.5, DASHES[dash] ?? []);
    pen.letters(label, legend + 22, y + 34, { size: 11, fill: "muted" });
    legend += 34 + label.length * 6.2;
  });
  for (const [mark, label] of /** @type {[string, string][]} */ ([["now", ""], ["a", "A"], ["b", "B"]])) {
    const { visible, location } = figure.marks[mark];
    if (!visible || location < start || location > end) continue;
    pen.stroke(`M${atX(location)} ${box.top}v${box.height}`, "ink", 1);
    if (label) pen.letters(label, atX(location) + 4, box.top + 8, { size: 11, weight: 600, fill: "ink" });
  }
}

/**
 * @param {Float64Array} times @param {Float64Array} values @param {number} start
 * @param {(t: number) => number} atX @param {(value: number) => number} atY
 */
export function pathOf(times, values, start, atX, atY) {
  let d = "";
  let isDown = false;
  for (let i = 0; i < times.length; i++) {
    const isShown = times[i] >= start && !Number.isNaN(values[i]);
    if (isShown) d += `${isDown ? "L" : "M"}${atX(times[i]).toFixed(1)} ${atY(values[i]).toFixed(1)}`;
    isDown = isShown;
  }
  return d || "M0 0";
}

/** @param {number} seconds */
function timeInWords(seconds) {
  if (seconds < 0) return seconds > -0.001 ? "now" : `−${-seconds} s`;
  return seconds < 1 ? `${+(seconds * 1000).toPrecision(3)} ms` : `${+seconds.toPrecision(3)} s`;
}
