/**
 * The ring map in words, for those who do not see the canvas.
 */

import { STATE_NAMES, standing } from "./cells.js";
import { grouped, make, setText } from "./dom.js";

const EVERY_MS = 2000;

export class MapText {
  constructor() {
    this.element = make("ul", { class: "rl-map-text rl-unseen", "aria-label": "Ring map in words, one line per CPU" });
    this.paintedAt = -Infinity;
    /** There is news that was not said yet. */
    this.isStale = false;
  }

  /** While it runs a few words now and then are enough; who steps reads each step. @param {import("./cells.js").Cells} cells @param {import("./frame.js").Frame} frame @param {number} now milliseconds */
  paint(cells, frame, now) {
    const isSame = this.element.children.length === frame.nCpus;
    if (!this.isStale || (isSame && frame.status === "running" && now - this.paintedAt < EVERY_MS)) return;
    this.isStale = false;
    this.paintedAt = now;
    while (this.element.children.length > frame.nCpus) this.element.lastChild?.remove();
    while (this.element.children.length < frame.nCpus) this.element.append(make("li"));
    frame.cpus.forEach((cpu, i) => {
      setText(/** @type {HTMLElement} */ (this.element.children[i]), rowInWords(cells, cpu, i));
    });
  }
}

/** @param {import("./cells.js").Cells} cells @param {import("./frame.js").Cpu} counters @param {number} cpu */
export function rowInWords(cells, counters, cpu) {
  const n = cells.nSubbufs;
  const { unread, flag, lapped } = standing(counters, n);
  const parts = [`CPU ${cpu}: ${unread} of ${n} unread${flag ? `, ${flag.toLowerCase()}` : ""}`];
  if (lapped) parts.push(`lapped by ${grouped(lapped)}`);
  parts.push(counters.lost ? `${grouped(counters.lost)} ${counters.lost === 1 ? "event" : "events"} lost` : "no loss");
  for (let i = 0; i < n;) {
    const kind = cells.kind(cpu * n + i);
    let end = i + 1;
    while (end < n && cells.kind(cpu * n + end) === kind) end++;
    const which = end - i > 1 ? `sub-buffers ${i} to ${end - 1}` : `sub-buffer ${i}`;
    parts.push(`${which} ${STATE_NAMES[kind]}${kind === 1 ? `, ${percentOf(cells.fill[cpu * n + i])} filled` : ""}`);
    i = end;
  }
  return `${parts.join("; ")}.`;
}

/** The selected cell. @param {import("./cells.js").Cells} cells @param {import("./map.js").Place} place */
export function cellInWords(cells, { cpu, subbuf }) {
  const cell = cpu * cells.nSubbufs + subbuf;
  const kind = cells.kind(cell);
  const watched = cells.isWatched(cell) ? ", a reader looks at it" : "";
  const reserved = cells.reserved(cell) ? `, ${percentOf(cells.reserved(cell))} reserved and not committed` : "";
  const used = kind ? `, ${percentOf(cells.fill[cell])} used` : "";
  return `CPU ${cpu}, sub-buffer ${subbuf}: ${STATE_NAMES[kind]}${used}${reserved}${watched}.`;
}

/** @param {number} part in 65535ths */
function percentOf(part) {
  return `${Math.round((100 * part) / 65535)} %`;
}
