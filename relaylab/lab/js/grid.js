/**
 * The ring map as rows of cells: one row per CPU.
 */

import { OVERWRITTEN, STATE_COLOURS, STATE_LETTERS, STATE_NAMES, letterOn, standing } from "./cells.js";
import { grouped, short } from "./dom.js";
import { firstFitting, letterWidth } from "./lettering.js";

const LETTER_FROM_PX = 14;
const LABEL_PX = 62;
const SUMMARY_PX = 190;
const LEAST_ROW_PX = 13;
const BAR_PX = 48;
/** From this size on a cell says in words what it is. */
const WORDS_W = 150;
const WORDS_H = 80;
const WORDS_PX = 24;
/** How wide the sign of a reader that watches is in such a cell. */
const EYE_PX = 36;

export class Grid {
  constructor() {
    this.height = 0;
    this.geometry = { cellW: 0, cellH: 0, rowH: 0, left: LABEL_PX, gap: 0, width: 0, scale: 1 };
    /** How each cell and row looks on the canvas. */
    this.painted = new Float64Array(0);
    /** @type {string[]} */
    this.labels = [];
  }

  /** @param {import("./cells.js").Cells} cells @param {number} width CSS pixels @param {number} [scale] of letters and rows */
  layout(cells, width, scale = 1) {
    const { nCpus, nSubbufs } = cells;
    const isWide = width >= 1400;
    const left = LABEL_PX * scale;
    const cellW = (width - left - SUMMARY_PX * scale) / nSubbufs;
    const tallest = nCpus <= 2 && nSubbufs <= 8 ? (isWide ? 180 : 104) : nCpus <= 2 && isWide ? 120 : 56;
    const rowH = Math.max(LEAST_ROW_PX, Math.min(tallest * scale, Math.floor(((isWide ? 420 : 340) * scale) / nCpus)));
    const gap = rowH >= 24 ? 6 : rowH >= 16 ? 3 : 2;
    this.height = rowH * nCpus + gap;
    this.geometry = { cellW, cellH: rowH - gap, rowH, left, gap, width, scale };
  }

  /** Nothing is on the canvas. @param {import("./cells.js").Cells} cells */
  forget(cells) {
    this.painted = new Float64Array(cells.state.length).fill(-1);
    this.labels = [];
  }

  /**
   * Draws what differs from what is on the canvas: most cells stay as they are from frame to frame.
   * @param {import("./pen.js").Pen} pen @param {import("./map.js").Picture} picture
   */
  draw(pen, picture) {
    const { cells, selected, hinted } = picture;
    const { cellH } = this.geometry;
    const chosen = selected ? selected.cpu * cells.nSubbufs + selected.subbuf : -1;
    const pointed = hinted ? hinted.cpu * cells.nSubbufs + hinted.subbuf : -1;
    for (let cell = 0; cell < cells.state.length; cell++) {
      const used = Math.round((cells.fill[cell] / 65535) * cellH);
      const padded = Math.round((cells.padding[cell] / 65535) * cellH);
      const reserved = Math.round((cells.reserved(cell) / 65535) * cellH);
      const marks = Number(cell === chosen) + 2 * Number(cell === pointed);
      const look = (((cells.state[cell] * 4 + marks) * 1024 + used) * 1024 + padded) * 1024 + reserved;
      if (this.painted[cell] === look) continue;
      this.painted[cell] = look;
      this.#cell(pen, cells, cell, { used, padded, reserved, marks });
    }
    for (let cpu = 0; cpu < cells.nCpus; cpu++) this.#labels(pen, picture, cpu);
  }

  /**
   * @param {import("./pen.js").Pen} pen @param {import("./cells.js").Cells} cells @param {number} cell
   * @param {{used: number, padded: number, reserved: number, marks: number}} look pixels
   */
  #cell(pen, cells, cell, { used, padded, reserved, marks }) {
    const { cellW, cellH, rowH, left, gap } = this.geometry;
    const kind = cells.kind(cell);
    const subbuf = cell % cells.nSubbufs;
    const inset = cellW >= 8 ? 1 : cellW >= 4 ? 0.5 : 0;
    const top = Math.floor(cell / cells.nSubbufs) * rowH + gap / 2;
    const x = left + subbuf * cellW + inset;
    const w = cellW - 2 * inset;
    pen.erase(x - inset, top, cellW, cellH);
    pen.rect(x, top, w, cellH, "empty");
    if (kind !== 0) {
      const level = top + cellH - used;
      pen.rect(x, level, w, used, STATE_COLOURS[kind]);
      if (kind === OVERWRITTEN) pen.rect(x, level, w, used, "crossed");
      if (reserved > 0) {
        pen.rect(x, level, w, reserved, "rgb(255 255 255 / 55%)");
        pen.rect(x, level, w, reserved, "dotted");
      }
      pen.rect(x, top, w, padded, "hatched");
      if (kind === 1) pen.rect(x, Math.max(top, Math.min(level - 1, top + cellH - 2)), w, Math.min(2, cellH), "ink"); // within the cell
      this.#letter(pen, kind, { x, w, top, level, used, reserved });
    }
    if (this.#isBig(w)) this.#words(pen, cells, cell, x, top, w);
    if (cells.isWatched(cell)) drawWatched(pen, x, top, w, cellH);
    if (marks & 2) pen.frame(x, top, w, cellH, "ink", Math.min(2, w / 3), [4, 3]);
    if (marks & 1) pen.frame(x, top, w, cellH, "ink", Math.min(3, w / 2));
  }

  /** Whether a cell has room for words above its letter. @param {number} w */
  #isBig(w) {
    const { cellH, scale } = this.geometry;
    return w >= WORDS_W && cellH >= WORDS_H * scale;
  }

  /**
   * Within the larger part, so that no letter lies across the fill's edge.
   * @param {import("./pen.js").Pen} pen @param {number} kind
   * @param {{x: number, w: number, top: number, level: number, used: number, reserved: number}} at
   */
  #letter(pen, kind, { x, w, top, level, used, reserved }) {
    const { cellW, cellH, scale } = this.geometry;
    if (cellW < LETTER_FROM_PX || cellH < LETTER_FROM_PX) return;
    const isBig = this.#isBig(w);
    const size = isBig ? 24 * scale : Math.min(15 * scale, Math.max(11, Math.min(cellW, cellH) * 0.45));
    const solid = used - reserved;
    const isOnFill = solid > cellH / 2 || (used > cellH / 2 && solid >= size);
    const middle = isOnFill ? top + cellH - solid / 2 : used > cellH / 2 ? top + cellH - used / 2 : ((isBig ? top + WORDS_PX * scale : top) + level) / 2;
    const isPatterned = (kind === OVERWRITTEN && isOnFill) || (!isOnFill && used > cellH / 2);
    if (isPatterned) pen.rect(x + w / 2 - size / 2, middle - size * 0.6, size, size * 1.2, isOnFill ? "overwritten" : "page");
    const fill = isOnFill ? letterOn(kind) : "ink";
    pen.letters(STATE_LETTERS[kind], x + w / 2, middle, { size, weight: 600, anchor: "middle", isMono: true, fill });
  }

  /** A large cell says what it is, as much of it as has room. @param {import("./pen.js").Pen} pen @param {import("./cells.js").Cells} cells @param {number} cell @param {number} x @param {number} top @param {number} w */
  #words(pen, cells, cell, x, top, w) {
    const { scale } = this.geometry;
    const letters = { size: 12 * scale };
    const begin = cells.isWatched(cell) ? EYE_PX : 4; // behind the eye in the corner
    const text = firstFitting(cellWordings(cells, cell), w - begin - 12, letters);
    if (!text) return;
    pen.rect(x + begin, top + 4, letterWidth(text, letters) + 8, 18 * scale, "page");
    pen.letters(text, x + begin + 4, top + 4 + 9 * scale, { ...letters, fill: "ink" });
  }

  /** @param {import("./pen.js").Pen} pen @param {import("./map.js").Picture} picture @param {number} cpu */
  #labels(pen, { cells, cpus }, cpu) {
    const { cellH, rowH, gap, left, cellW, width, scale } = this.geometry;
    const counters = cpus[cpu];
    if (!counters) return;
    const capacity = cells.nSubbufs;
    const { unread, flag, readers } = standing(counters, capacity);
    const isTall = cellH >= 32 * scale;
    const key = `${unread} ${flag} ${counters.lost} ${readers}`;
    if (this.labels[cpu] === key) return;
    this.labels[cpu] = key;
    const top = cpu * rowH + gap / 2;
    const middle = top + cellH / 2;
    const size = Math.max(11, Math.min(13 * scale, cellH));
    const x = left + cellW * capacity + 12;
    pen.erase(0, top, left - 4, cellH);
    pen.erase(x - 4, top, width - x + 4, cellH);
    pen.letters(`CPU ${cpu}`, 0, middle, { size, weight: 600, fill: "ink" });
    const few = counters.lost ? `${short(counters.lost)} lost` : "no loss";
    const lossLook = { size, fill: counters.lost ? "lostText" : "muted", isMono: true };
    if (isTall) {
      const loss = counters.lost ? `${grouped(counters.lost)} lost` : few;
      const full = readers ? [`${loss} · open ${readers}×`] : [];
      const look = { size, fill: "ink", isMono: true };
      const standings = [`${unread} of ${capacity} unread ${flag}`, `${unread}/${capacity} unread ${flag}`, `${unread}/${capacity} ${flag}`];
      pen.letters(firstFitting(standings, width - x, look), x, middle - 9 * scale, look);
      pen.letters(firstFitting([...full, loss, few], width - x, lossLook), x, middle + 9 * scale, lossLook);
      return;
    }
    const h = Math.min(8, cellH - 2);
    pen.rect(x, middle - h / 2, BAR_PX, h, "empty");
    pen.rect(x, middle - h / 2, (BAR_PX * unread) / capacity, h, flag === "FULL" ? "lost" : "ready");
    pen.letters(`${unread}/${capacity}`, x + BAR_PX + 6, middle, { size, fill: "ink", isMono: true });
    pen.letters(few, x + BAR_PX + 6 + size * 4.6, middle, lossLook);
  }

  /** Which cell is there. @param {import("./cells.js").Cells} cells @param {number} x @param {number} y */
  at(cells, x, y) {
    const { cellW, rowH, left } = this.geometry;
    const subbuf = Math.floor((x - left) / cellW);
    const cpu = Math.floor(y / rowH);
    const isInside = subbuf >= 0 && subbuf < cells.nSubbufs && cpu >= 0 && cpu < cells.nCpus;
    return isInside ? { cpu, subbuf } : null;
  }
}

/** What a cell may say of itself, the longest first. @param {import("./cells.js").Cells} cells @param {number} cell */
export function cellWordings(cells, cell) {
  const kind = cells.kind(cell);
  const number = cell % cells.nSubbufs;
  const bytes = kind ? ` · ${grouped(cells.used(cell))} B` : "";
  return [
    `sub-buffer ${number} · ${STATE_NAMES[kind]}${bytes}`,
    `${number} · ${STATE_NAMES[kind]}${bytes}`,
    `${number} · ${STATE_NAMES[kind]}`,
    `${number}`,
  ];
}

/**
 * A reader that only watches is here: a green frame, and an eye where there is room.
 * @param {import("./pen.js").Pen} pen @param {number} x @param {number} top @param {number} w @param {number} h
 */
function drawWatched(pen, x, top, w, h) {
  pen.frame(x, top, w, h, "reading", Math.min(4, w / 3, h / 3));
  if (w < 30 || h < 24) return;
  const unit = h < 60 ? 1 : 1.5;
  pen.rect(x, top, 22 * unit, 16 * unit, "reading");
  const [cx, cy] = [x + 11 * unit, top + 8 * unit];
  pen.stroke(`M${cx - 7 * unit} ${cy}a${7 * unit} ${4 * unit} 0 1 0 ${14 * unit} 0a${7 * unit} ${4 * unit} 0 1 0 ${-14 * unit} 0Z`, "#000000", 1.5 * unit);
  pen.shape(`M${cx - 2.2 * unit} ${cy}a${2.2 * unit} ${2.2 * unit} 0 1 0 ${4.4 * unit} 0a${2.2 * unit} ${2.2 * unit} 0 1 0 ${-4.4 * unit} 0Z`, "#000000");
}
