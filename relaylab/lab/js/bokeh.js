/**
 * BokehJS: the page has it, or the kernel sends it, once.
 */

import { make } from "./dom.js";

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

/**
 * Colours and letters of a figure's axes and grid.
 * @param {any} plot @param {import("./theme.js").Palette} palette @param {number} px
 */
export function dressPlot(plot, palette, px) {
  for (const axis of [...plot.left, ...plot.below]) {
    axis.setv?.({
      major_label_text_color: palette.muted, axis_line_color: palette.line, major_tick_line_color: palette.line,
      major_label_text_font_size: `${px}px`, major_label_text_font: "system-ui, sans-serif",
    });
  }
  for (const grid of plot.center) if ("grid_line_color" in grid) grid.setv({ grid_line_color: palette.line, grid_line_alpha: 0.6 });
}
