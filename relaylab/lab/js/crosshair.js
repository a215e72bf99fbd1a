/**
 * Hovering a figure: the same moment in all of them, and their values then.
 */

import { make, setText } from "./dom.js";

export class Crosshair {
  /**
   * @param {import("./series.js").Series} series
   * @param {(seconds: number) => void} onPick told the moment, seconds of the session, at a click
   */
  constructor(series, onPick) {
    this.series = series;
    this.onPick = onPick;
    /** Where the pointer is, in the figures' own seconds. @type {number | null} */
    this.at = null;
    /** @type {Map<string, {line: HTMLElement, values: HTMLElement}>} */
    this.parts = new Map();
  }

  /** The figures are there. @param {AbortSignal} signal */
  attach(signal) {
    for (const [name, figure] of this.series.figures) {
      const line = make("i", { class: "rl-crosshair", hidden: "" });
      const values = make("div", { class: "rl-readout", hidden: "" });
      figure.host.append(line, values);
      this.parts.set(name, { line, values });
      figure.host.addEventListener("pointermove", (event) => this.#hover(figure, event), { signal });
      figure.host.addEventListener("pointerleave", () => this.#leave(), { signal });
      figure.host.addEventListener("click", (event) => {
        const at = momentAt(figure, event);
        if (at !== null) this.onPick(at + this.series.origin);
      }, { signal });
    }
  }

  /** @param {import("./series.js").Figure} figure @param {PointerEvent} event */
  #hover(figure, event) {
    this.at = momentAt(figure, event);
    this.paint();
  }

  #leave() {
    this.at = null;
    this.paint();
  }

  /** The data moves under a pointer that rests. */
  paint() {
    for (const [name, { line, values }] of this.parts) {
      const figure = /** @type {import("./series.js").Figure} */ (this.series.figures.get(name));
      const isShown = this.at !== null;
      line.hidden = values.hidden = !isShown;
      if (this.at === null) continue;
      const frame = frameOf(figure);
      const x = frame.left + ((this.at - figure.xRange.start) / (figure.xRange.end - figure.xRange.start)) * (frame.right - frame.left);
      line.style.cssText = `left: ${x.toFixed(1)}px; top: ${frame.top}px; height: ${frame.bottom - frame.top}px`;
      values.style.cssText = x > (frame.left + frame.right) / 2 ? `right: ${(frame.width - x + 8).toFixed(1)}px` : `left: ${(x + 8).toFixed(1)}px`;
      this.#fill(values, name, this.at);
    }
  }

  /** @param {HTMLElement} box @param {string} name @param {number} at */
  #fill(box, name, at) {
    const isToCome = this.series.isVirtual && at > this.series.newest;
    const index = isToCome ? -1 : nearest(this.series.data.t_s, at);
    const rows = index < 0 ? [] : this.series.valuesAt(name, index);
    const when = this.series.isVirtual ? `${(at * 1000).toPrecision(4)} ms` : `${at.toFixed(1).replace("-", "−")} s`;
    const shape = rows.map(([label, , colour]) => `${label} ${colour}`).join();
    if (box.dataset.shape !== shape) {
      box.dataset.shape = shape;
      box.classList.toggle("rl-two-columns", rows.length > 4);
      box.replaceChildren(
        make("b"),
        ...rows.map(([label, , colour]) => make("span", {}, [make("i", { style: `background: ${colour}` }), `${label} `, make("em")])));
    }
    setText(/** @type {HTMLElement} */ (box.firstElementChild), index >= 0 ? when : `${when}: ${isToCome ? "not yet" : "no data"}`);
    box.querySelectorAll("em").forEach((value, i) => setText(value, rows[i][1]));
  }
}

/** @param {import("./series.js").Figure} figure where its data is drawn, pixels in its host */
function frameOf(figure) {
  const { left, right, top, bottom } = figure.view.frame.bbox;
  return { left, right, top, bottom, width: figure.host.clientWidth };
}

/** @param {import("./series.js").Figure} figure @param {MouseEvent} event @returns {number | null} */
function momentAt(figure, event) {
  const { left, right } = frameOf(figure);
  const x = event.clientX - figure.host.getBoundingClientRect().left;
  if (right <= left || x < left - 4 || x > right + 4) return null;
  const { start, end } = figure.xRange;
  return Math.max(start, Math.min(end, start + ((x - left) / (right - left)) * (end - start)));
}

/**
 * The first sample at or after a moment; -1: none holds it.
 * @param {Float64Array} times ascending, empty ones first
 * @param {number} at
 */
export function nearest(times, at) {
  let low = 0;
  let high = times.length - 1;
  if (!(times[high] >= at)) return Number.isNaN(times[high]) ? -1 : high;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] >= at) high = middle; // an empty one is not
    else low = middle + 1;
  }
  const isBeforeAll = low === 0 || Number.isNaN(times[low - 1]);
  return isBeforeAll && times[low] - at > 1 ? -1 : low;
}
