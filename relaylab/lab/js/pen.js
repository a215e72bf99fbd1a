/**
 * Two pens with the same strokes: one draws on a canvas, the other writes SVG.
 *
 * A fill is the name of a colour of the palette, of a pattern, or a CSS colour.
 */

import { fontFamily, fontOf } from "./lettering.js";

/** @typedef {{size: number, fill: string, weight?: number, anchor?: "start" | "middle" | "end", isMono?: boolean}} Lettering */
/** @typedef {CanvasPen | SvgPen} Pen */

const TILE = 6;
/** Lines of a pattern's tile, and dots: padding rises, overwritten falls, reserved is dotted. @type {Record<string, {d: string, isDots?: boolean}>} */
const PATTERNS = {
  hatched: { d: "M-6 6L0 0M0 6L6 0M6 6L12 0" },
  crossed: { d: "M-6 0L0 6M0 0L6 6M6 0L12 6" },
  dotted: { d: "M1.5 0.5a1 1 0 1 0 0.01 0M4.5 3.5a1 1 0 1 0 0.01 0", isDots: true },
};

/** @param {import("./theme.js").Palette} palette @param {string} name */
function inkOf(palette, name) {
  return name === "hatched" ? palette.hatch : name === "crossed" ? "rgb(0 0 0 / 45%)" : "rgb(0 0 0 / 85%)";
}

export class CanvasPen {
  /**
   * @param {CanvasRenderingContext2D} context @param {import("./theme.js").Palette} palette @param {number} ratio
   * @param {boolean} [isErasing] false: the canvas has a ground of its own that must stay
   */
  constructor(context, palette, ratio, isErasing = true) {
    this.context = context;
    this.isErasing = isErasing;
    this.palette = palette;
    /** @type {Record<string, CanvasPattern | null>} */
    this.patterns = Object.fromEntries(Object.keys(PATTERNS).map((name) => [name, patternOf(context, name, inkOf(palette, name), ratio)]));
  }

  /** @param {string} fill */
  #use(fill) {
    return this.patterns[fill] ?? /** @type {Record<string, string>} */ (this.palette)[fill] ?? fill;
  }

  /** @param {number} x @param {number} y @param {number} w @param {number} h */
  erase(x, y, w, h) {
    if (this.isErasing) this.context.clearRect(x, y, w, h);
  }

  /** @param {number} x @param {number} y @param {number} w @param {number} h @param {string} fill */
  rect(x, y, w, h, fill) {
    if (w <= 0 || h <= 0) return;
    this.context.fillStyle = this.#use(fill);
    this.context.fillRect(x, y, w, h);
  }

  /** @param {number} x @param {number} y @param {number} w @param {number} h @param {string} stroke @param {number} width @param {number[]} [dash] */
  frame(x, y, w, h, stroke, width, dash = []) {
    this.context.strokeStyle = this.#use(stroke);
    this.context.lineWidth = width;
    this.context.setLineDash(dash);
    this.context.strokeRect(x + width / 2, y + width / 2, w - width, h - width);
    this.context.setLineDash([]);
  }

  /** @param {string} d an SVG path @param {string} fill */
  shape(d, fill) {
    this.context.fillStyle = this.#use(fill);
    this.context.fill(new Path2D(d));
  }

  /** @param {string} d an SVG path @param {string} stroke @param {number} width @param {number[]} [dash] */
  stroke(d, stroke, width, dash = []) {
    this.context.strokeStyle = this.#use(stroke);
    this.context.lineWidth = width;
    this.context.setLineDash(dash);
    this.context.stroke(new Path2D(d));
    this.context.setLineDash([]);
  }

  /** @param {string} text @param {number} x @param {number} middle @param {Lettering} look */
  letters(text, x, middle, { size, fill, weight = 400, anchor = "start", isMono = false }) {
    const context = this.context;
    context.font = fontOf({ size, weight, isMono });
    context.textAlign = anchor === "middle" ? "center" : anchor;
    context.textBaseline = "middle";
    context.fillStyle = this.#use(fill);
    context.fillText(text, x, middle + 0.5);
  }
}

export class SvgPen {
  /** @param {import("./theme.js").Palette} palette */
  constructor(palette) {
    this.palette = palette;
    /** @type {string[]} */
    this.parts = [];
    /** @type {Set<string>} */
    this.used = new Set();
  }

  /** @param {string} fill */
  #use(fill) {
    if (fill in PATTERNS) {
      this.used.add(fill);
      return `url(#${fill})`;
    }
    return /** @type {Record<string, string>} */ (this.palette)[fill] ?? fill;
  }

  erase() {}

  /** @param {number} x @param {number} y @param {number} w @param {number} h @param {string} fill */
  rect(x, y, w, h, fill) {
    if (w > 0 && h > 0) this.parts.push(`<rect x="${rounded(x)}" y="${rounded(y)}" width="${rounded(w)}" height="${rounded(h)}" fill="${this.#use(fill)}"/>`);
  }

  /** @param {number} x @param {number} y @param {number} w @param {number} h @param {string} stroke @param {number} width @param {number[]} [dash] */
  frame(x, y, w, h, stroke, width, dash = []) {
    const place = `x="${rounded(x + width / 2)}" y="${rounded(y + width / 2)}" width="${rounded(w - width)}" height="${rounded(h - width)}"`;
    this.parts.push(`<rect ${place} fill="none" stroke="${this.#use(stroke)}" stroke-width="${width}"${dashed(dash)}/>`);
  }

  /** @param {string} d @param {string} fill */
  shape(d, fill) {
    this.parts.push(`<path d="${d}" fill="${this.#use(fill)}"/>`);
  }

  /** @param {string} d @param {string} stroke @param {number} width @param {number[]} [dash] */
  stroke(d, stroke, width, dash = []) {
    this.parts.push(`<path d="${d}" fill="none" stroke="${this.#use(stroke)}" stroke-width="${width}"${dashed(dash)}/>`);
  }

  /** @param {string} text @param {number} x @param {number} middle @param {Lettering} look */
  letters(text, x, middle, { size, fill, weight = 400, anchor = "start", isMono = false }) {
    const font = `font-family="${fontFamily(isMono)}" font-size="${rounded(size)}" font-weight="${weight}" text-anchor="${anchor}"`;
    this.parts.push(`<text x="${rounded(x)}" y="${rounded(middle)}" dy="0.35em" ${font} fill="${this.#use(fill)}">${escaped(text)}</text>`);
  }

  /** The whole picture. @param {number} width @param {number} height */
  document(width, height) {
    const patterns = [...this.used].map((name) => {
      const { d, isDots } = PATTERNS[name];
      const ink = inkOf(this.palette, name);
      const look = isDots ? `fill="${ink}"` : `fill="none" stroke="${ink}" stroke-width="1.2"`;
      return `<pattern id="${name}" width="${TILE}" height="${TILE}" patternUnits="userSpaceOnUse"><path d="${d}" ${look}/></pattern>`;
    });
    const size = `width="${rounded(width)}" height="${rounded(height)}" viewBox="0 0 ${rounded(width)} ${rounded(height)}"`;
    return [
      `<svg xmlns="http://www.w3.org/2000/svg" ${size}>`, `<defs>${patterns.join("")}</defs>`,
      `<rect width="100%" height="100%" fill="${this.palette.page}"/>`, ...this.parts, "</svg>",
    ].join("\n");
  }
}

/** @param {number} value */
function rounded(value) {
  return String(Math.round(value * 100) / 100);
}

/** @param {number[]} dash */
function dashed(dash) {
  return dash.length ? ` stroke-dasharray="${dash.join(" ")}"` : "";
}

/** @param {string} text */
function escaped(text) {
  return text.replace(/[&<>]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[sign] ?? sign);
}

/** @param {CanvasRenderingContext2D} context @param {string} name @param {string} ink @param {number} ratio */
function patternOf(context, name, ink, ratio) {
  const tile = document.createElement("canvas");
  const scale = Math.max(1, Math.round(ratio));
  tile.width = tile.height = TILE * scale;
  const pen = tile.getContext("2d");
  if (!pen) return null;
  pen.scale(scale, scale);
  pen.strokeStyle = pen.fillStyle = ink;
  pen.lineWidth = 1.2;
  const path = new Path2D(PATTERNS[name].d);
  if (PATTERNS[name].isDots) pen.fill(path);
  else pen.stroke(path);
  const pattern = context.createPattern(tile, "repeat");
  pattern?.setTransform(new DOMMatrix().scale(1 / ratio));
  return pattern;
}
