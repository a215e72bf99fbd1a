/**
 * The journal: the newest transitions, newest first.
 */

import { grouped, make, setText, short } from "./dom.js";

const ROWS = 14;
const KEPT = 60;
/** What people and readers do, not events: it stays in the list of its kind however much else happens. */
const RARE = ["open", "close", "flush", "reset", "mapped", "unmapped"];
const PAINT_EVERY_MS = 200;

/** What a record's value is, by kind. @type {Record<string, (value: number) => string>} */
const VALUES = {
  produced: (value) => `padding ${grouped(value)} B`,
  consumed: (value) => `${grouped(value)} consumed`,
  loss: (value) => `${grouped(value)} lost`,
  mapped: (value) => `${grouped(value)} references`,
  unmapped: (value) => `${grouped(value)} references`,
};

export class Journal {
  /** @param {Record<string, string>} kinds names of transitions by number */
  constructor(kinds) {
    this.kinds = kinds;
    /** @type {import("./frame.js").JournalRecord[]} */
    this.records = [];
    /** @type {import("./frame.js").JournalRecord[]} */
    this.rare = [];
    this.skipped = 0;
    this.paintedAt = -Infinity;
    this.changed = false;
    this.cpu = "";
    this.kind = "";
    this.held = false;

    this.note = make("span", { class: "rl-unit" });
    this.cpuChoice = make("select", { "aria-label": "CPU shown in the journal", class: "rl-journal-cpu" });
    this.kindChoice = make("select", { "aria-label": "Kind shown in the journal", class: "rl-journal-kind" }, [
      make("option", { value: "" }, ["all kinds"]),
      ...Object.values(kinds).map((kind) => make("option", { value: kind }, [kind])),
    ]);
    this.hold = make("button", { type: "button", class: "rl-journal-hold", "aria-pressed": "false" }, ["Hold"]);
    this.body = make("tbody");
    this.rows = Array.from({ length: ROWS }, () => {
      const row = make("tr", {}, Array.from({ length: 5 }, () => make("td")));
      this.body.append(row);
      return row;
    });
    this.element = make("section", { class: "rl-journal", "aria-label": "Journal" }, [
      make("header", {}, [make("b", {}, ["Journal"]), this.note, make("span", { class: "rl-grow" }), this.cpuChoice, this.kindChoice, this.hold]),
      make("table", {}, [
        make("thead", {}, [make("tr", {}, ["time, s", "CPU", "what", "sub-buffer", "value"].map((name) => make("th", { scope: "col" }, [name])))]),
        this.body,
      ]),
    ]);
    this.cpuChoice.addEventListener("change", () => { this.cpu = this.cpuChoice.value; this.#force(); });
    this.kindChoice.addEventListener("change", () => { this.kind = this.kindChoice.value; this.#force(); });
    this.hold.addEventListener("click", () => {
      this.held = !this.held;
      this.hold.setAttribute("aria-pressed", String(this.held));
      setText(this.hold, this.held ? "Follow" : "Hold");
      this.#force();
    });
    this.setCpus(0);
  }

  /** @param {number} count */
  setCpus(count) {
    if (this.cpuChoice.options.length === count + 1) return;
    this.cpuChoice.replaceChildren(
      make("option", { value: "" }, ["all CPUs"]),
      ...Array.from({ length: count }, (_, cpu) => make("option", { value: String(cpu) }, [`CPU ${cpu}`])));
    this.cpu = "";
  }

  /** @param {import("./frame.js").Frame} frame @param {boolean} everything */
  take(frame, everything) {
    this.setCpus(frame.nCpus);
    if (this.held && !everything) return;
    if (everything) { this.records = []; this.rare = []; this.skipped = 0; this.changed = true; }
    if (!frame.records.length && !frame.skipped) return;
    this.records.push(...frame.records);
    this.records.splice(0, this.records.length - KEPT);
    this.rare.push(...frame.records.filter((record) => RARE.includes(this.kinds[record.kind])));
    this.rare.splice(0, this.rare.length - KEPT);
    this.skipped += frame.skipped;
    this.changed = true;
  }

  /** Repaints a few times a second: nobody reads faster. @param {number} now milliseconds */
  paint(now) {
    if (!this.changed || now - this.paintedAt < PAINT_EVERY_MS) return;
    this.paintedAt = now;
    this.changed = false;
    const shown = (RARE.includes(this.kind) ? this.rare : this.records).filter((record) =>
      (!this.cpu || record.cpu === Number(this.cpu)) && (!this.kind || this.kinds[record.kind] === this.kind));
    const newest = shown.slice(-ROWS).reverse();
    this.rows.forEach((row, i) => this.#fill(row, newest[i]));
    this.rows[0].classList.toggle("rl-none", !newest.length);
    if (!newest.length) setText(/** @type {HTMLElement} */ (this.rows[0].cells[2]), this.records.length ? "nothing of that kind among the newest" : "nothing happened yet");
    setText(this.note, this.skipped ? `${short(this.skipped)} more` : "newest first");
    this.note.title = "Newest first. When too many come at once, the newest are listed and the others counted here.";
  }

  /** @param {HTMLTableRowElement} row @param {import("./frame.js").JournalRecord | undefined} record */
  #fill(row, record) {
    const kind = record ? this.kinds[record.kind] : "";
    const texts = record
      ? [(record.tNs / 1e9).toFixed(6), String(record.cpu), kind, String(record.subbuf), VALUES[kind]?.(record.value) ?? ""]
      : ["", "", "", "", ""];
    if (row.className !== kind) row.className = kind;
    texts.forEach((text, i) => setText(row.cells[i], text));
  }

  #force() {
    this.changed = true;
    this.paintedAt = -Infinity;
  }
}
