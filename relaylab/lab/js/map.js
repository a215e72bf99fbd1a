/**
 * The ring map on a canvas: as rows of cells or, of few sub-buffers, as rings.
 */

import { Cells } from "./cells.js";
import { make, setText } from "./dom.js";
import { Grid } from "./grid.js";
import { CanvasPen } from "./pen.js";
import { Rings } from "./rings.js";

const SHAPE_KEY = "relaylab.shape";

/**
 * @typedef {{cpu: number, subbuf: number}} Place
 * @typedef {{cells: Cells, cpus: import("./frame.js").Cpu[], selected: Place | null, hinted: Place | null}} Picture
 */

export class RingMap {
  /**
   * @param {(cpu: number, subbuf: number) => void} onSelect
   * @param {(place: Place | null) => void} onHover told the cell that the pointer is on
   * @param {() => void} onChange the picture is to be painted again
   */
  constructor(onSelect, onHover, onChange) {
    this.onSelect = onSelect;
    this.onChange = onChange;
    this.cells = new Cells();
    /** @type {Place | null} */
    this.selected = null;
    /** The cell that something else on the page tells of. @type {Place | null} */
    this.hinted = null;
    /** @type {import("./theme.js").Palette | null} */
    this.palette = null;
    /** @type {CanvasPen | null} */
    this.pen = null;
    this.grid = new Grid();
    this.rings = new Rings();
    this.wantsRings = remembered() === "ring";
    /** @type {import("./frame.js").Cpu[]} */
    this.cpus = [];
    this.element = document.createElement("canvas");
    this.element.className = "rl-map";
    this.element.tabIndex = 0;
    this.element.setAttribute("role", "img");
    this.element.setAttribute("aria-label", "Ring map: one row per CPU, one cell per sub-buffer. Arrow keys select a cell.");
    this.element.addEventListener("pointerdown", (event) => {
      const place = this.#shape.at(this.cells, event.offsetX, event.offsetY);
      if (place) this.select(place.cpu, place.subbuf);
    });
    this.element.addEventListener("pointermove", (event) => onHover(this.#shape.at(this.cells, event.offsetX, event.offsetY)));
    this.element.addEventListener("pointerleave", () => onHover(null));
    this.toggle = make("button", { type: "button", class: "rl-shape", title: "The same as rings, one per CPU: up to 32 sub-buffers and 8 CPUs" }, ["As rings"]);
    this.toggle.addEventListener("click", () => this.#reshape());
    this.room = 0;
    /** Letters and rows are so much larger. */
    this.scale = 1;
    this.width = 0;
    this.height = 0;
    this.isValid = false;
  }

  get isRings() {
    return this.wantsRings && Rings.suits(this.cells);
  }

  get #shape() {
    return this.isRings ? this.rings : this.grid;
  }

  #reshape() {
    this.wantsRings = !this.wantsRings;
    remember(this.wantsRings ? "ring" : "cells");
    this.invalidate();
    this.onChange();
  }

  /** @param {import("./theme.js").Palette} palette */
  setPalette(palette) {
    this.palette = palette;
    this.pen = null;
    this.invalidate();
  }

  /** @param {number} scale */
  setScale(scale) {
    this.scale = scale;
    this.invalidate();
  }

  /** @param {number} width CSS pixels to fill */
  setRoom(width) {
    this.room = width;
  }

  /** Another cell, or none, is told of elsewhere on the page. @param {Place | null} place */
  hint(place) {
    const isInside = place && place.cpu < this.cells.nCpus && place.subbuf < this.cells.nSubbufs;
    this.hinted = isInside ? place : null;
    this.onChange();
  }

  /** The next paint starts from an empty canvas. */
  invalidate() {
    this.isValid = false;
  }

  /** @returns {Picture} */
  get #picture() {
    const { nCpus, nSubbufs } = this.cells;
    const isThere = this.selected && this.selected.cpu < nCpus && this.selected.subbuf < nSubbufs;
    return { cells: this.cells, cpus: this.cpus, selected: isThere ? this.selected : null, hinted: this.hinted };
  }

  /** @param {import("./frame.js").Frame} frame the newest frame; cells are applied already */
  paint(frame) {
    this.cpus = frame.cpus;
    const context = this.element.getContext("2d");
    if (!context || !this.palette || !this.room || !this.cells.nCpus) return;
    const shape = this.#shape;
    const ratio = window.devicePixelRatio || 1;
    shape.layout(this.cells, this.room, this.scale);
    this.#fit(shape.height, ratio);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.pen ??= new CanvasPen(context, this.palette, ratio);
    if (this.grid.painted.length !== this.cells.state.length) this.invalidate();
    if (!this.isValid) {
      context.clearRect(0, 0, this.width, this.height);
      this.grid.forget(this.cells);
      this.rings.forget();
      this.isValid = true;
      this.#tellShape();
    }
    shape.draw(this.pen, this.#picture);
  }

  /** @param {number} height @param {number} ratio */
  #fit(height, ratio) {
    const [width, h] = [Math.round(this.room * ratio), Math.round(height * ratio)];
    if (this.room === this.width && height === this.height && this.element.width === width && this.element.height === h) return;
    this.width = this.room;
    this.height = height;
    this.element.style.height = `${height}px`;
    this.element.width = width;
    this.element.height = h;
    this.pen = null; // a canvas that was resized has forgotten its patterns' scale
    this.invalidate();
  }

  #tellShape() {
    setText(this.toggle, this.isRings ? "As cells" : "As rings");
    this.toggle.disabled = !Rings.suits(this.cells);
    this.element.dataset.shape = this.isRings ? "ring" : "cells";
    this.element.closest(".rl-view")?.classList.toggle("rl-rings", this.isRings);
  }

  /** The picture as it is, for any pen. @returns {import("./pictures.js").Drawing} */
  drawing() {
    const shape = this.isRings ? new Rings() : new Grid();
    shape.layout(this.cells, this.room, this.scale);
    shape.forget(this.cells);
    return { width: this.room, height: shape.height, draw: (pen) => shape.draw(pen, this.#picture) };
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

/** The shape that was chosen last, in any workbench; a page may be forbidden to remember. */
function remembered() {
  try {
    return localStorage.getItem(SHAPE_KEY);
  } catch {
    return null;
  }
}

/** @param {string} shape */
function remember(shape) {
  try {
    localStorage.setItem(SHAPE_KEY, shape);
  } catch {
    // then the next page begins with cells
  }
}
