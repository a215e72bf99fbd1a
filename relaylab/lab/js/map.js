/**
 * The ring map: one row per CPU, one cell per sub-buffer, on a canvas.
 */

import { grouped } from "./dom.js";
import { CPU_FULL, UNFULL, WATCHED } from "./frame.js";

export const STATE_LETTERS = ["", "W", "R", "r", "O", "F"];
export const STATE_NAMES = ["empty", "writing", "ready", "being read", "overwritten unread", "full"];
/** @type {(keyof import("./theme.js").Palette)[]} */
export const STATE_COLOURS = ["empty", "writing", "ready", "reading", "overwritten", "lost"];

const OVERWRITTEN = 4;
const LETTER_FROM_PX = 14;
const LABEL_PX = 62;
const SUMMARY_PX = 190;

/** What the map knows of the channel: the newest state of every cell. */
export class Cells {
  constructor() {
    this.nCpus = 0;
    this.nSubbufs = 0;
    this.fill = new Uint16Array(0);
    this.padding = new Uint16Array(0);
    this.commit = new Uint16Array(0);
    this.state = new Uint8Array(0);
  }

  /** @param {number} nCpus @param {number} nSubbufs */
  resize(nCpus, nSubbufs) {
    this.nCpus = nCpus;
    this.nSubbufs = nSubbufs;
    const count = nCpus * nSubbufs;
    this.fill = new Uint16Array(count);
    this.padding = new Uint16Array(count);
    this.commit = new Uint16Array(count);
    this.state = new Uint8Array(count);
  }

  /** @param {import("./frame.js").Frame} frame */
  apply(frame) {
    if (frame.nCpus !== this.nCpus || frame.nSubbufs !== this.nSubbufs) this.resize(frame.nCpus, frame.nSubbufs);
    for (let i = 0; i < frame.index.length; i++) {
      const cell = frame.index[i];
      this.fill[cell] = frame.fill[i];
      this.padding[cell] = frame.padding[i];
      this.commit[cell] = frame.commit[i];
      this.state[cell] = frame.state[i];
    }
  }
}

export class RingMap {
  /**
   * @param {(cpu: number, subbuf: number) => void} onSelect
   */
  constructor(onSelect) {
    this.onSelect = onSelect;
    this.cells = new Cells();
    /** @type {{cpu: number, subbuf: number} | null} */
    this.selected = null;
    /** @type {import("./theme.js").Palette | null} */
    this.palette = null;
    this.element = document.createElement("canvas");
    this.element.className = "rl-map";
    this.element.tabIndex = 0;
    this.element.setAttribute("role", "img");
    this.element.setAttribute("aria-label", "Ring map: one row per CPU, one cell per sub-buffer. Arrow keys select a cell.");
    this.element.addEventListener("pointerdown", (event) => this.#pick(event));
    /** @type {CanvasPattern | null} */
    this.hatch = null;
    /** @type {CanvasPattern | null} */
    this.crossing = null;
    this.room = 0;
    this.width = 0;
    this.height = 0;
    this.isValid = false;
    /** How each cell looks on the canvas. */
    this.painted = new Float64Array(0);
    /** @type {string[]} */
    this.labels = [];
    this.geometry = { cellW: 0, cellH: 0, rowH: 0, left: LABEL_PX, gap: 0 };
  }

  /** @param {import("./theme.js").Palette} palette */
  setPalette(palette) {
    this.palette = palette;
    this.hatch = null;
    this.invalidate();
  }

  /** @param {number} width CSS pixels to fill */
  setRoom(width) {
    this.room = width;
  }

  /** Recomputes sizes for the room there is; the height follows from the number of CPUs. */
  layout() {
    const width = this.room;
    const { nCpus, nSubbufs } = this.cells;
    if (!width || !nCpus) return false;
    const cellW = (width - LABEL_PX - SUMMARY_PX) / nSubbufs;
    const tallest = nCpus > 2 || width < 1600 ? 56 : 120;
    const rowH = Math.max(9, Math.min(tallest, Math.floor((width < 1600 ? 340 : 420) / nCpus)));
    const gap = rowH >= 24 ? 6 : rowH >= 14 ? 3 : 1;
    const height = rowH * nCpus + gap;
    const ratio = window.devicePixelRatio || 1;
    if (width !== this.width || height !== this.height || this.element.width !== Math.round(width * ratio)) {
      this.width = width;
      this.height = height;
      this.element.style.height = `${height}px`;
      this.element.width = Math.round(width * ratio);
      this.element.height = Math.round(height * ratio);
      this.hatch = this.crossing = null;
      this.invalidate();
    }
    this.geometry = { cellW, cellH: rowH - gap, rowH, left: LABEL_PX, gap };
    return true;
  }

  /**
   * Paints what differs from what is on the canvas: most cells stay as they are from frame to frame.
   * @param {import("./frame.js").Frame} frame the newest frame; cells are applied already
   */
  paint(frame) {
    const context = this.element.getContext("2d");
    if (!context || !this.palette || !this.layout()) return;
    const ratio = window.devicePixelRatio || 1;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.hatch ??= makeHatch(context, this.palette.hatch, ratio);
    this.crossing ??= makeHatch(context, "rgb(0 0 0 / 45%)", ratio, -1);
    if (this.painted.length !== this.cells.state.length) this.invalidate();
    if (!this.isValid) {
      context.clearRect(0, 0, this.width, this.height);
      this.painted = new Float64Array(this.cells.state.length).fill(-1);
      this.labels = [];
      this.isValid = true;
    }
    for (let cpu = 0; cpu < this.cells.nCpus; cpu++) {
      this.#paintRow(context, cpu);
      this.#paintLabels(context, frame, cpu);
    }
  }

  /** The next paint starts from an empty canvas. */
  invalidate() {
    this.isValid = false;
  }

  /** @param {CanvasRenderingContext2D} context @param {number} cpu */
  #paintRow(context, cpu) {
    const { cellW, cellH } = this.geometry;
    const { nSubbufs, fill, padding, state } = this.cells;
    const chosen = this.selected?.cpu === cpu ? this.selected.subbuf : -1;
    const px = Math.min(15, Math.max(10, Math.min(cellW, cellH) * 0.45));
    context.font = `600 ${px}px ui-monospace, monospace`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (let i = 0; i < nSubbufs; i++) {
      const cell = cpu * nSubbufs + i;
      const used = Math.round((fill[cell] / 65535) * cellH);
      const padded = Math.round((padding[cell] / 65535) * cellH);
      const look = ((state[cell] * 2 + Number(i === chosen)) * 4096 + used) * 4096 + padded;
      if (this.painted[cell] === look) continue;
      this.painted[cell] = look;
      this.#paintCell(context, cpu, i, used, padded);
    }
  }

  /**
   * @param {CanvasRenderingContext2D} context @param {number} cpu @param {number} subbuf
   * @param {number} used pixels @param {number} padded pixels
   */
  #paintCell(context, cpu, subbuf, used, padded) {
    const { cellW, cellH, rowH, left, gap } = this.geometry;
    const palette = /** @type {import("./theme.js").Palette} */ (this.palette);
    const state = this.cells.state[cpu * this.cells.nSubbufs + subbuf];
    const kind = state & ~WATCHED;
    const inset = cellW >= 8 ? 1 : cellW >= 4 ? 0.5 : 0;
    const top = cpu * rowH + gap / 2;
    const x = left + subbuf * cellW + inset;
    const w = cellW - 2 * inset;
    context.clearRect(x - inset, top, cellW, cellH);
    context.fillStyle = palette.empty;
    context.fillRect(x, top, w, cellH);
    if (kind !== 0) {
      context.fillStyle = palette[STATE_COLOURS[kind]];
      context.fillRect(x, top + cellH - used, w, used);
      if (kind === OVERWRITTEN && this.crossing) {
        context.fillStyle = this.crossing;
        context.fillRect(x, top + cellH - used, w, used);
      }
      if (padded > 0 && this.hatch) {
        context.fillStyle = this.hatch;
        context.fillRect(x, top, w, padded);
      }
      if (kind === 1) {
        context.fillStyle = palette.ink;
        context.fillRect(x, Math.max(top, top + cellH - Math.max(2, used + 1)), w, 2); // within the cell
      }
      if (cellW >= LETTER_FROM_PX && cellH >= LETTER_FROM_PX) {
        // Within the larger part, so that no letter lies across the fill's edge.
        const isMostlyFull = used > cellH / 2;
        const middle = isMostlyFull ? top + cellH - used / 2 : top + (cellH - used) / 2;
        if (kind === OVERWRITTEN && isMostlyFull) {
          context.fillStyle = palette.overwritten;
          context.fillRect(x + w / 2 - 7, middle - 8, 14, 16);
        }
        context.fillStyle = isMostlyFull ? letterOn(kind) : palette.ink;
        context.fillText(STATE_LETTERS[kind], x + w / 2, middle + 0.5);
      }
    }
    if (state & WATCHED) paintWatched(context, palette, x, top, w, cellH);
    if (this.selected?.cpu === cpu && this.selected.subbuf === subbuf) {
      context.strokeStyle = palette.ink;
      context.lineWidth = 3;
      context.strokeRect(x + 1.5, top + 1.5, w - 3, cellH - 3);
    }
  }

  /** @param {CanvasRenderingContext2D} context @param {import("./frame.js").Frame} frame @param {number} cpu */
  #paintLabels(context, frame, cpu) {
    const { cellH, rowH, gap, left, cellW } = this.geometry;
    const palette = /** @type {import("./theme.js").Palette} */ (this.palette);
    const counters = frame.cpus[cpu];
    if (!counters) return;
    const capacity = this.cells.nSubbufs;
    const waiting = Math.min(counters.produced - counters.consumed, capacity);
    const flag = counters.flags & UNFULL ? "unfull" : counters.flags & CPU_FULL ? "FULL" : "";
    const loss = counters.lost ? `${grouped(counters.lost)} lost` : "no loss";
    const key = `${waiting} ${flag} ${loss}`;
    if (this.labels[cpu] === key) return;
    this.labels[cpu] = key;
    const top = cpu * rowH + gap / 2;
    const middle = top + cellH / 2 + 0.5;
    const px = Math.max(8, Math.min(13, cellH));
    const x = left + cellW * capacity + 12;
    context.clearRect(0, top, left - 4, cellH);
    context.clearRect(x - 4, top, this.width - x + 4, cellH);
    context.textBaseline = "middle";
    context.textAlign = "left";
    context.fillStyle = palette.ink;
    context.font = `600 ${px}px system-ui, sans-serif`;
    context.fillText(`CPU ${cpu}`, 0, middle);
    context.font = `${px}px ui-monospace, monospace`;
    const isTall = cellH >= 32;
    if (isTall) context.fillText(`${waiting} of ${capacity} unread ${flag}`, x, middle - 9);
    context.fillStyle = counters.lost ? palette.lostText : palette.muted;
    context.fillText(isTall ? loss : `${waiting}/${capacity} ${loss}`, x, isTall ? middle + 9 : middle);
  }

  /** @param {PointerEvent} event */
  #pick(event) {
    const { cellW, rowH, left } = this.geometry;
    const subbuf = Math.floor((event.offsetX - left) / cellW);
    const cpu = Math.floor(event.offsetY / rowH);
    if (subbuf < 0 || subbuf >= this.cells.nSubbufs || cpu < 0 || cpu >= this.cells.nCpus) return;
    this.select(cpu, subbuf);
  }

  /** @param {number} cpu @param {number} subbuf */
  select(cpu, subbuf) {
    this.selected = { cpu, subbuf };
    this.onSelect(cpu, subbuf);
  }

  /** Moves the selection; the rings wrap. @param {number} rows @param {number} columns */
  move(rows, columns) {
    const { nCpus, nSubbufs } = this.cells;
    if (!nCpus) return;
    const from = this.selected ?? { cpu: 0, subbuf: rows || columns < 0 ? 0 : -1 };
    const cpu = Math.max(0, Math.min(nCpus - 1, from.cpu + rows));
    this.select(cpu, (from.subbuf + columns + nSubbufs) % nSubbufs);
  }
}

/**
 * Diagonal lines: rising for padding, falling for what was overwritten unread.
 * @param {CanvasRenderingContext2D} context @param {string} colour @param {number} ratio @param {1 | -1} slope
 */
function makeHatch(context, colour, ratio, slope = 1) {
  const tile = document.createElement("canvas");
  const size = 6 * Math.max(1, Math.round(ratio));
  tile.width = tile.height = size;
  const pen = tile.getContext("2d");
  if (!pen) return null;
  pen.strokeStyle = colour;
  pen.lineWidth = size / 5;
  pen.beginPath();
  for (const shift of [-size, 0, size]) {
    pen.moveTo(shift, slope > 0 ? size : 0);
    pen.lineTo(shift + size, slope > 0 ? 0 : size);
  }
  pen.stroke();
  const pattern = context.createPattern(tile, "repeat");
  pattern?.setTransform(new DOMMatrix().scale(1 / ratio));
  return pattern;
}

/**
 * A reader that only watches is here: a green frame, and an eye where there is room.
 * @param {CanvasRenderingContext2D} context @param {import("./theme.js").Palette} palette
 * @param {number} x @param {number} top @param {number} w @param {number} h
 */
function paintWatched(context, palette, x, top, w, h) {
  const line = Math.min(4, w / 3, h / 3);
  context.strokeStyle = palette.reading;
  context.lineWidth = line;
  context.strokeRect(x + line / 2, top + line / 2, w - line, h - line);
  if (w < 30 || h < 24) return;
  const unit = h < 60 ? 1 : 1.5;
  context.fillStyle = palette.reading;
  context.fillRect(x, top, 22 * unit, 16 * unit);
  context.strokeStyle = context.fillStyle = "#000000";
  context.lineWidth = 1.5 * unit;
  context.beginPath();
  context.ellipse(x + 11 * unit, top + 8 * unit, 7 * unit, 4 * unit, 0, 0, 2 * Math.PI);
  context.stroke();
  context.beginPath();
  context.arc(x + 11 * unit, top + 8 * unit, 2.2 * unit, 0, 2 * Math.PI);
  context.fill();
}

/** Letters on orange are black, on blue and red white: each at least 4.5:1. @param {number} kind */
function letterOn(kind) {
  return kind === 1 ? "#ffffff" : "#000000";
}
