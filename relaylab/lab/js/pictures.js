/**
 * Map and figures as files: SVG and PNG, drawn by the same strokes.
 */

import { make } from "./dom.js";
import { CanvasPen, SvgPen } from "./pen.js";
import { PLOTS_HEIGHT, PLOTS_WIDTH, drawPlots } from "./plotpicture.js";
import { paletteOf } from "./theme.js";

const PNG_SCALE = 2;

/** @typedef {{width: number, height: number, draw: (pen: import("./pen.js").Pen) => void}} Drawing */

/** What can be saved, in the words of a menu. @type {[string, "map" | "plots", "svg" | "png", string][]} */
export const PICTURES = [
  ["Map as SVG", "map", "svg", "rl-export-map-svg"], ["Map as PNG", "map", "png", "rl-export-map-png"],
  ["Plots as SVG", "plots", "svg", "rl-export-plots-svg"], ["Plots as PNG", "plots", "png", "rl-export-plots-png"],
];

/** @param {import("./map.js").RingMap} map @param {import("./series.js").Series} series @param {"map" | "plots"} what @returns {Drawing} */
function drawingOf(map, series, what) {
  return what === "map" ? map.drawing() : { width: PLOTS_WIDTH, height: PLOTS_HEIGHT, draw: (pen) => drawPlots(pen, series) };
}

/**
 * A picture as it is on screen; on a light ground, as paper wants it, whatever the theme.
 * @param {import("./map.js").RingMap} map @param {import("./series.js").Series} series
 * @param {"map" | "plots"} what @param {"svg" | "png"} as @returns {Promise<Blob>}
 */
export async function pictureOf(map, series, what, as) {
  const palette = lightPalette();
  const drawing = drawingOf(map, series, what);
  if (as === "svg") {
    const pen = new SvgPen(palette);
    drawing.draw(pen);
    return new Blob([pen.document(drawing.width, drawing.height)], { type: "image/svg+xml" });
  }
  const canvas = make("canvas");
  canvas.width = drawing.width * PNG_SCALE;
  canvas.height = drawing.height * PNG_SCALE;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.scale(PNG_SCALE, PNG_SCALE);
  context.fillStyle = palette.page;
  context.fillRect(0, 0, drawing.width, drawing.height);
  drawing.draw(new CanvasPen(context, palette, PNG_SCALE, false));
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("the picture is too large"))), "image/png");
  });
}

/** The colours that the style sheet has for the light theme. */
function lightPalette() {
  const probe = make("div", { class: "rl-workbench", "data-theme": "light", hidden: "" });
  document.body.append(probe);
  const palette = paletteOf(probe);
  probe.remove();
  return palette;
}
