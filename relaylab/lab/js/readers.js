/**
 * The readers that are attached: what each does, how far it has come, and its buttons.
 */

import { grouped, make, setText } from "./dom.js";

/**
 * @typedef {object} ReaderRow
 * @property {number} n
 * @property {number | null} pid
 * @property {boolean} consumes
 * @property {string} pace
 * @property {string} pace_in_full
 * @property {number} read sub-buffers
 * @property {number} skipped sub-buffers
 * @property {boolean} paused
 * @property {boolean} starting
 * @property {string} ended why, or ""
 *
 * @typedef {{row: HTMLElement, mark: HTMLElement, what: HTMLElement, pace: HTMLElement, count: HTMLElement, pause: HTMLButtonElement, detach: HTMLButtonElement}} ReaderLine
 */

export class Readers {
  /** @param {(command: string, values: Record<string, unknown>) => void} command */
  constructor(command) {
    this.command = command;
    /** @type {Map<number, ReaderLine>} */
    this.lines = new Map();
    this.element = make("ul", { class: "rl-reader-list", "aria-label": "Readers that are attached" });
  }

  /** @param {ReaderRow[]} rows */
  paint(rows) {
    const there = new Set(rows.map((row) => row.n));
    for (const [n, line] of this.lines) {
      if (there.has(n)) continue;
      // Whoever removed it with a key goes on with the keyboard at the next one.
      const hadFocus = line.row.contains(document.activeElement);
      const next = /** @type {HTMLElement | null} */ (line.row.nextElementSibling ?? line.row.previousElementSibling);
      line.row.remove();
      this.lines.delete(n);
      if (hadFocus) next?.querySelector("button")?.focus();
    }
    for (const row of rows) this.#paintLine(this.lines.get(row.n) ?? this.#add(row.n), row);
  }

  /** @param {number} n @returns {ReaderLine} */
  #add(n) {
    const line = {
      mark: make("i", { class: "rl-swatch" }),
      what: make("b"),
      pace: make("span"),
      count: make("span", { class: "rl-reader-count" }),
      pause: make("button", { type: "button", class: "rl-pause-reader" }, ["Pause"]),
      detach: make("button", { type: "button", class: "rl-drop-reader" }, ["Detach"]),
    };
    const row = make("li", { "data-reader": String(n) }, [line.mark, line.what, line.pace, line.count, line.pause, line.detach]);
    line.pause.addEventListener("click", () => this.command("pause_reader", { number: n, paused: row.dataset.paused !== "true" }));
    line.detach.addEventListener("click", () => this.command("detach", { number: n }));
    this.element.append(row);
    this.lines.set(n, { row, ...line });
    return { row, ...line };
  }

  /** @param {ReaderLine} line @param {ReaderRow} row */
  #paintLine(line, row) {
    const { dataset } = line.row;
    const state = row.ended ? "ended" : row.starting ? "starting" : row.paused ? "paused" : "reading";
    if (dataset.state !== state) dataset.state = state;
    if (dataset.paused !== String(row.paused)) dataset.paused = String(row.paused);
    dataset.pid = String(row.pid ?? "");
    dataset.read = String(row.read);
    line.mark.className = `rl-swatch ${row.consumes ? "rl-reads" : "rl-watches"}`;
    setText(line.mark, row.consumes ? "r" : "");
    const where = row.pid === null ? "this process" : `process ${row.pid}`;
    setText(line.what, `${row.n}: ${where} ${row.consumes ? "consumes" : "only watches"}`);
    setText(line.pace, row.ended ? "" : row.pace);
    line.pace.title = row.pace_in_full;
    const skipped = row.skipped ? `, ${grouped(row.skipped)} skipped` : "";
    const text = row.ended ? `detached: ${row.ended}` : row.starting ? "starting…" : `${row.paused ? "paused, " : ""}${grouped(row.read)} read${skipped}`;
    setText(line.count, text);
    line.count.title = row.skipped ? "Sub-buffers read; and those that were used again before it came to them." : "Sub-buffers read";
    line.pause.hidden = Boolean(row.ended);
    setText(line.pause, row.paused ? "Resume" : "Pause");
    line.pause.setAttribute("aria-label", `${row.paused ? "Resume" : "Pause"} reader ${row.n}`);
    setText(line.detach, row.ended ? "Remove" : "Detach");
    line.detach.setAttribute("aria-label", `${row.ended ? "Remove from the list: " : "Detach"} reader ${row.n}`);
  }
}
