/**
 * The ring map as rings: one per CPU, side by side; writing goes round clockwise from the top.
 */

import { OVERWRITTEN, STATE_COLOURS, STATE_LETTERS, letterOn, standing } from "./cells.js";
import { grouped } from "./dom.js";

export const MOST_RING_SUBBUFS = 32;
export const MOST_RING_CPUS = 8;
const GAP_PX = 16;
/** Room for the marks around a ring, and how large one is that has letters at its marks. */
const MARK_PX = 30;
const SMALL_MARK_PX = 16;
const LETTERED_PX = 200;

export class Rings {
  constructor() {
    this.height = 0;
    this.geometry = { side: 0, radius: 0, isLettered: false, scale: 1, hole: 0, left: 0, middle: 0 };
    /** @type {string[]} */
    this.painted = [];
  }

  /** @param {import("./cells.js").Cells} cells */
  static suits(cells) {
    return cells.nSubbufs <= MOST_RING_SUBBUFS && cells.nCpus <= MOST_RING_CPUS;
  }

  /** @param {import("./cells.js").Cells} cells @param {number} width CSS pixels @param {number} [scale] of letters and rings */
  layout(cells, width, scale = 1) {
    const most = (width >= 1400 ? 440 : 320) * Math.min(scale, 1.3);
    const side = Math.floor(Math.min(most, (width - GAP_PX * (cells.nCpus - 1)) / cells.nCpus));
    const isLettered = side >= LETTERED_PX;
    const radius = side / 2 - (isLettered ? MARK_PX : SMALL_MARK_PX);
    this.height = side;
    this.geometry = { side, radius, isLettered, scale, hole: radius * (isLettered ? 0.6 : 0.68), left: (width - cells.nCpus * side - (cells.nCpus - 1) * GAP_PX) / 2, middle: side / 2 };
  }

  forget() {
    this.painted = [];
  }

  /** Draws the rings that differ from what is on the canvas. @param {import("./pen.js").Pen} pen @param {import("./map.js").Picture} picture */
  draw(pen, picture) {
    const { cells, cpus, selected, hinted } = picture;
    for (let cpu = 0; cpu < cells.nCpus; cpu++) {
      const from = cpu * cells.nSubbufs;
      const to = from + cells.nSubbufs;
      const chosen = selected?.cpu === cpu ? selected.subbuf : -1;
      const pointed = hinted?.cpu === cpu ? hinted.subbuf : -1;
      const parts = [cells.fill, cells.padding, cells.commit, cells.state].map((part) => part.subarray(from, to).join());
      const look = `${parts.join(";")} ${chosen} ${pointed} ${cells.hasCommits} ${JSON.stringify(cpus[cpu])}`;
      if (this.painted[cpu] === look || !cpus[cpu]) continue;
      this.painted[cpu] = look;
      this.#ring(pen, picture, cpu, chosen, pointed);
    }
  }

  /** @param {number} cpu */
  #centre(cpu) {
    const { left, side, middle } = this.geometry;
    return { cx: left + cpu * (side + GAP_PX) + side / 2, cy: middle };
  }

  /** @param {import("./pen.js").Pen} pen @param {import("./map.js").Picture} picture @param {number} cpu @param {number} chosen @param {number} pointed */
  #ring(pen, { cells, cpus }, cpu, chosen, pointed) {
    const { side, radius, hole } = this.geometry;
    const { cx, cy } = this.#centre(cpu);
    const n = cells.nSubbufs;
    const step = (2 * Math.PI) / n;
    const gap = n > 1 ? Math.min(0.02, step / 12) : 0;
    pen.erase(cx - side / 2, cy - side / 2, side, side);
    for (let i = 0; i < n; i++) this.#sector(pen, cells, cpu * n + i, i * step + gap, (i + 1) * step - gap);
    for (const [subbuf, dash, width] of /** @type {[number, number[], number][]} */ ([[pointed, [4, 3], 2], [chosen, [], 3]])) {
      if (subbuf >= 0) pen.stroke(sector(cx, cy, hole + 1.5, radius - 1.5, subbuf * step + gap, (subbuf + 1) * step - gap), "ink", width, dash);
    }
    this.#marks(pen, cells, cpus[cpu], cx, cy);
    this.#middle(pen, cpus[cpu], cells, cpu, cx, cy);
  }

  /** @param {import("./pen.js").Pen} pen @param {import("./cells.js").Cells} cells @param {number} cell @param {number} from @param {number} to */
  #sector(pen, cells, cell, from, to) {
    const { radius, hole, isLettered } = this.geometry;
    const { cx, cy } = this.#centre(Math.floor(cell / cells.nSubbufs));
    const kind = cells.kind(cell);
    const share = (/** @type {number} */ part) => (part / 65535) * (to - from);
    const part = (/** @type {number} */ begin, /** @type {number} */ end, /** @type {string} */ fill) => {
      if (end - begin > 1e-4) pen.shape(sector(cx, cy, hole, radius, begin, end), fill);
    };
    part(from, to, "empty");
    const used = from + share(cells.fill[cell]);
    if (kind !== 0) {
      part(from, used, STATE_COLOURS[kind]);
      if (kind === OVERWRITTEN) part(from, used, "crossed");
      const reserved = used - share(cells.reserved(cell));
      part(reserved, used, "rgb(255 255 255 / 55%)");
      part(reserved, used, "dotted");
      part(to - share(cells.padding[cell]), to, "hatched");
    }
    if (cells.isWatched(cell)) pen.stroke(sector(cx, cy, hole + 2, radius - 2, from, to), "reading", 4);
    const middle = (from + to) / 2;
    const arc = (to - from) * (radius + hole) * 0.5;
    const size = Math.min(18, arc * 0.6, (radius - hole) * 0.45);
    if (size >= 9) {
      const isOnFill = used > middle;
      // Clear of the line at the write position.
      const angle = kind !== 1 ? middle : isOnFill ? (from + used) / 2 : (used + to) / 2;
      const [x, y] = polar(cx, cy, (radius + hole) / 2, angle);
      if (kind === OVERWRITTEN && isOnFill) pen.rect(x - size / 2, y - size * 0.6, size, size * 1.2, "overwritten");
      pen.letters(STATE_LETTERS[kind], x, y, { size, weight: 600, anchor: "middle", isMono: true, fill: isOnFill ? letterOn(kind) : "ink" });
    }
    if (arc >= 20 && isLettered) {
      const [x, y] = polar(cx, cy, hole - 9, middle);
      pen.letters(String(cell % cells.nSubbufs), x, y, { size: 11, anchor: "middle", fill: "muted" });
    }
  }

  /** Where the writer is, and between which marks lies what nobody has read. @param {import("./pen.js").Pen} pen @param {import("./cells.js").Cells} cells @param {import("./frame.js").Cpu} cpu @param {number} cx @param {number} cy */
  #marks(pen, cells, cpu, cx, cy) {
    const { radius, isLettered } = this.geometry;
    const n = cells.nSubbufs;
    const step = (2 * Math.PI) / n;
    const { unread, lapped } = standing(cpu, n);
    const end = (cpu.produced % n) * step;
    const arc = radius + 5;
    if (unread) {
      const d = unread >= n ? circle(cx, cy, arc) : arcOf(cx, cy, arc, end - unread * step, end);
      pen.stroke(d, lapped ? "lost" : "ready", 4);
    }
    const consumed = (cpu.consumed % n) * step;
    if (!lapped) {
      pen.shape(pointer(cx, cy, radius + 3, consumed, 11), "reading");
      if (isLettered) markLabel(pen, cx, cy, radius + 22, consumed, "C", "ink");
    }
    const write = (cpu.dataIndex + Math.min(1, cpu.offset / Math.max(1, cells.subbufSize))) * step;
    const [x, y] = polar(cx, cy, this.geometry.hole, write);
    const [toX, toY] = polar(cx, cy, radius + 4, write);
    pen.stroke(`M${fixed(x)} ${fixed(y)}L${fixed(toX)} ${fixed(toY)}`, "ink", 2.5);
    pen.shape(pointer(cx, cy, radius + 2, write, 13), "ink");
    if (isLettered) markLabel(pen, cx, cy, radius + 22, write, !lapped && Math.abs(write - consumed) < 0.2 ? "" : "W", "ink");
    // Which way it goes round.
    const inner = this.geometry.hole - 20;
    if (inner < 36) return;
    pen.stroke(arcOf(cx, cy, inner, -0.5, 0.4), "muted", 1.5);
    pen.shape(arrow(cx, cy, inner, 0.4, 7), "muted");
  }

  /** @param {import("./pen.js").Pen} pen @param {import("./frame.js").Cpu} counters @param {import("./cells.js").Cells} cells @param {number} cpu @param {number} cx @param {number} cy */
  #middle(pen, counters, cells, cpu, cx, cy) {
    const { hole, scale } = this.geometry;
    const { unread, lapped, flag } = standing(counters, cells.nSubbufs);
    const size = Math.max(10, Math.min(14 * scale, hole / 5.5));
    const line = size * 1.4;
    /** @type {[string, string, number][]} */
    const lines = [
      [`CPU ${cpu}`, "ink", 650],
      [`${unread} of ${cells.nSubbufs} unread`, "ink", 400],
      [counters.lost ? `${grouped(counters.lost)} lost` : "no loss", counters.lost ? "lostText" : "muted", 400],
    ];
    if (flag) lines.push([flag, "lostText", 650]);
    if (lapped) lines.push([`lapped by ${grouped(lapped)}`, "lostText", 650]);
    if (hole >= 84) lines.push([`produced ${grouped(counters.produced)}`, "muted", 400], [`consumed ${grouped(counters.consumed)}`, "muted", 400]);
    lines.forEach(([text, fill, weight], i) => {
      pen.letters(text, cx, cy + (i - (lines.length - 1) / 2) * line, { size, fill, weight, anchor: "middle" });
    });
  }

  /** Which cell is there. @param {import("./cells.js").Cells} cells @param {number} x @param {number} y */
  at(cells, x, y) {
    const { side, hole, radius, left } = this.geometry;
    const cpu = Math.floor((x - left) / (side + GAP_PX));
    if (cpu < 0 || cpu >= cells.nCpus) return null;
    const { cx, cy } = this.#centre(cpu);
    const far = Math.hypot(x - cx, y - cy);
    if (far < hole || far > radius + MARK_PX) return null;
    const angle = (Math.atan2(x - cx, cy - y) + 2 * Math.PI) % (2 * Math.PI);
    return { cpu, subbuf: Math.min(cells.nSubbufs - 1, Math.floor((angle / (2 * Math.PI)) * cells.nSubbufs)) };
  }
}

/** @param {number} value */
function fixed(value) {
  return value.toFixed(2);
}

/** A point; angles go clockwise from the top. @param {number} cx @param {number} cy @param {number} r @param {number} angle */
function polar(cx, cy, r, angle) {
  return [cx + r * Math.sin(angle), cy - r * Math.cos(angle)];
}

/** @param {number} cx @param {number} cy @param {number} r */
function circle(cx, cy, r) {
  return `M${fixed(cx)} ${fixed(cy - r)}A${fixed(r)} ${fixed(r)} 0 1 1 ${fixed(cx)} ${fixed(cy + r)}A${fixed(r)} ${fixed(r)} 0 1 1 ${fixed(cx)} ${fixed(cy - r)}Z`;
}

/** @param {number} cx @param {number} cy @param {number} r @param {number} from @param {number} to */
function arcOf(cx, cy, r, from, to) {
  const [x0, y0] = polar(cx, cy, r, from);
  const [x1, y1] = polar(cx, cy, r, to);
  return `M${fixed(x0)} ${fixed(y0)}A${fixed(r)} ${fixed(r)} 0 ${to - from > Math.PI ? 1 : 0} 1 ${fixed(x1)} ${fixed(y1)}`;
}

/** A piece of a ring. @param {number} cx @param {number} cy @param {number} r0 @param {number} r1 @param {number} from @param {number} to */
export function sector(cx, cy, r0, r1, from, to) {
  if (to - from > 2 * Math.PI - 1e-3) {
    const [bx, by] = polar(cx, cy, r0, 0);
    const [ex, ey] = polar(cx, cy, r0, Math.PI);
    const hole = `M${fixed(bx)} ${fixed(by)}A${fixed(r0)} ${fixed(r0)} 0 1 0 ${fixed(ex)} ${fixed(ey)}A${fixed(r0)} ${fixed(r0)} 0 1 0 ${fixed(bx)} ${fixed(by)}Z`;
    return circle(cx, cy, r1) + hole;
  }
  const [x0, y0] = polar(cx, cy, r1, from);
  const [x1, y1] = polar(cx, cy, r1, to);
  const [x2, y2] = polar(cx, cy, r0, to);
  const [x3, y3] = polar(cx, cy, r0, from);
  const isLong = to - from > Math.PI ? 1 : 0;
  return `M${fixed(x0)} ${fixed(y0)}A${fixed(r1)} ${fixed(r1)} 0 ${isLong} 1 ${fixed(x1)} ${fixed(y1)}L${fixed(x2)} ${fixed(y2)}A${fixed(r0)} ${fixed(r0)} 0 ${isLong} 0 ${fixed(x3)} ${fixed(y3)}Z`;
}

/** A triangle outside the ring that points at it. @param {number} cx @param {number} cy @param {number} r @param {number} angle @param {number} size */
function pointer(cx, cy, r, angle, size) {
  const [x, y] = polar(cx, cy, r, angle);
  const [ox, oy] = polar(cx, cy, r + size, angle);
  const [dx, dy] = [(Math.cos(angle) * size) / 2, (Math.sin(angle) * size) / 2];
  return `M${fixed(x)} ${fixed(y)}L${fixed(ox + dx)} ${fixed(oy + dy)}L${fixed(ox - dx)} ${fixed(oy - dy)}Z`;
}

/** The head of an arrow along the ring. @param {number} cx @param {number} cy @param {number} r @param {number} angle @param {number} size */
function arrow(cx, cy, r, angle, size) {
  const [x0, y0] = polar(cx, cy, r - size / 2, angle);
  const [x1, y1] = polar(cx, cy, r + size / 2, angle);
  const [x2, y2] = polar(cx, cy, r, angle + size / r);
  return `M${fixed(x0)} ${fixed(y0)}L${fixed(x1)} ${fixed(y1)}L${fixed(x2)} ${fixed(y2)}Z`;
}

/** @param {import("./pen.js").Pen} pen @param {number} cx @param {number} cy @param {number} r @param {number} angle @param {string} text @param {string} fill */
function markLabel(pen, cx, cy, r, angle, text, fill) {
  const [x, y] = polar(cx, cy, r, angle);
  if (text) pen.letters(text, x, y, { size: 11, weight: 600, anchor: "middle", fill });
}
