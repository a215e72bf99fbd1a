/**
 * What the map knows of the channel: the newest state of every cell.
 */

import { COMMITS, CPU_FULL, UNFULL, WATCHED } from "./frame.js";

export const STATE_LETTERS = ["", "W", "R", "r", "O", "F"];
export const STATE_NAMES = ["empty", "writing", "ready", "being read", "overwritten", "full"];
/** @type {(keyof import("./theme.js").Palette)[]} */
export const STATE_COLOURS = ["empty", "writing", "ready", "reading", "overwritten", "lost"];
export const OVERWRITTEN = 4;

export class Cells {
  constructor() {
    this.nCpus = 0;
    this.nSubbufs = 0;
    this.subbufSize = 0;
    this.hasCommits = false;
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
    this.subbufSize = frame.subbufSize;
    this.hasCommits = (frame.flags & COMMITS) !== 0;
    for (let i = 0; i < frame.index.length; i++) {
      const cell = frame.index[i];
      this.fill[cell] = frame.fill[i];
      this.padding[cell] = frame.padding[i];
      this.commit[cell] = frame.commit[i];
      this.state[cell] = frame.state[i];
    }
  }

  /** A `CellState`. @param {number} cell */
  kind(cell) {
    return this.state[cell] & ~WATCHED;
  }

  /** @param {number} cell */
  isWatched(cell) {
    return (this.state[cell] & WATCHED) !== 0;
  }

  /** What was reserved and is not committed, in 65535ths. @param {number} cell */
  reserved(cell) {
    return this.hasCommits ? Math.max(0, this.fill[cell] - this.commit[cell]) : 0;
  }

  /** Bytes used of a cell. @param {number} cell */
  used(cell) {
    return Math.round((this.fill[cell] / 65535) * this.subbufSize);
  }
}

/** Letters on orange are black, on blue white: each at least 4.5:1. @param {number} kind */
export function letterOn(kind) {
  return kind === 1 ? "#ffffff" : "#000000";
}

/**
 * What stands beside a CPU's row or in the middle of its ring.
 * @param {import("./frame.js").Cpu} cpu @param {number} capacity
 */
export function standing(cpu, capacity) {
  const behind = cpu.produced - cpu.consumed;
  const flag = cpu.flags & UNFULL ? "unfull" : cpu.flags & CPU_FULL ? "FULL" : "";
  return { unread: Math.min(behind, capacity), lapped: Math.max(0, behind - capacity), flag, readers: Math.max(0, cpu.refcount - 1) };
}
