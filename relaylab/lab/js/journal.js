/**
 * The journal: the newest transitions, newest first. Held, it scrolls through all that the page keeps.
 */

import { KindFilter } from "./kindfilter.js";
import { grouped, make, setText, short } from "./dom.js";

const ROWS = 14;
const KEPT_OF_A_KIND = 200;
const MOST_HELD_ROWS = 500;
const PAINT_EVERY_MS = 200;

/** What a record's value is, by kind. @type {Record<string, (value: number) => string>} */
const VALUES = {
  produced: (value) => `padding ${grouped(value)} B`,
  deliver: (value) => `${grouped(value)} B committed`,
  consumed: (value) => `${grouped(value)} consumed`,
  loss: (value) => `${grouped(value)} lost`,
  mapped: (value) => `${grouped(value)} references`,
  unmapped: (value) => `${grouped(value)} references`,
};

/** @typedef {import("./frame.js").JournalRecord & {serial: number}} Kept */

export class Journal {
  /**
   * @param {Record<string, string>} kinds names of transitions by number
   * @param {(record: import("./frame.js").JournalRecord) => void} onGo a row was clicked, or Enter pressed on it
   * @param {(record: import("./frame.js").JournalRecord | null) => void} onHover
   */
  constructor(kinds, onGo, onHover) {
    this.kinds = kinds;
    this.onGo = onGo;
    /** The newest of each kind, so that a crowd of one does not push out another. @type {Map<number, Kept[]>} */
    this.kept = new Map();
    this.serial = 0;
    this.skipped = 0;
    this.paintedAt = -Infinity;
    this.changed = false;
    this.cpu = "";
    this.held = false;
    /** @type {Kept[]} */
    this.shown = [];

    this.note = make("span", { class: "rl-unit" });
    this.cpuChoice = make("select", { "aria-label": "CPU shown in the journal", class: "rl-journal-cpu" });
    this.filter = new KindFilter(Object.values(kinds), () => this.#force());
    this.hold = make("button", { type: "button", class: "rl-journal-hold", "aria-pressed": "false", title: "Hold the list as it is and scroll in it" }, ["Hold"]);
    this.body = make("tbody");
    /** @type {HTMLTableRowElement[]} */
    this.rows = [];
    this.box = make("div", { class: "rl-journal-box" }, [
      make("table", {}, [
        make("thead", {}, [make("tr", {}, ["time, s", "CPU", "what", "sub-buffer", "value"].map((name) => make("th", { scope: "col" }, [name])))]),
        this.body,
      ]),
    ]);
    this.element = make("section", { class: "rl-journal", "aria-label": "Journal" }, [
      make("header", {}, [make("b", {}, ["Journal"]), this.note, make("span", { class: "rl-grow" }), this.cpuChoice, this.filter.element, this.hold]),
      this.box,
    ]);
    this.cpuChoice.addEventListener("change", () => { this.cpu = this.cpuChoice.value; this.#force(); });
    this.hold.addEventListener("click", () => this.#setHeld(!this.held));
    this.body.addEventListener("click", (event) => this.#go(event.target));
    this.body.addEventListener("keydown", (event) => this.#key(event));
    this.body.addEventListener("pointerover", (event) => onHover(this.#recordOf(event.target)));
    this.body.addEventListener("pointerleave", () => onHover(null));
    this.body.addEventListener("focusin", (event) => onHover(this.#recordOf(event.target)));
    this.body.addEventListener("focusout", () => onHover(null));
    this.setCpus(0);
    this.#makeRows(ROWS);
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
    if (everything) {
      this.kept.clear();
      this.skipped = 0;
      this.changed = true;
    }
    if (!frame.records.length && !frame.skipped) return;
    for (const record of frame.records) {
      const ofKind = this.kept.get(record.kind) ?? [];
      this.kept.set(record.kind, ofKind);
      ofKind.push({ ...record, serial: this.serial++ });
    }
    for (const ofKind of this.kept.values()) ofKind.splice(0, ofKind.length - KEPT_OF_A_KIND);
    this.skipped += frame.skipped;
    this.changed = true;
  }

  /** Repaints a few times a second: nobody reads faster. @param {number} now milliseconds */
  paint(now) {
    if (!this.changed || now - this.paintedAt < PAINT_EVERY_MS) return;
    this.paintedAt = now;
    this.changed = false;
    this.shown = this.#newest(this.held ? MOST_HELD_ROWS : ROWS);
    this.#makeRows(Math.max(ROWS, this.shown.length));
    this.rows.forEach((row, i) => this.#fill(row, this.shown[i]));
    this.rows[0].classList.toggle("rl-none", !this.shown.length);
    if (!this.shown.length) setText(/** @type {HTMLElement} */ (this.rows[0].cells[2]), this.kept.size ? "nothing of that kind among the newest" : "nothing happened yet");
    setText(this.note, this.held ? "held" : this.skipped ? `${short(this.skipped)} more` : "newest first");
    this.note.title = "Newest first. When too many come at once, the newest are listed and the others counted here.";
  }

  /** @param {number} most */
  #newest(most) {
    const found = [];
    for (const [kind, records] of this.kept) {
      if (!this.filter.isWanted(this.kinds[kind])) continue;
      found.push(...records.filter((record) => !this.cpu || record.cpu === Number(this.cpu)));
    }
    return found.sort((one, other) => other.serial - one.serial).slice(0, most);
  }

  /** @param {number} count */
  #makeRows(count) {
    while (this.rows.length > count) this.rows.pop()?.remove();
    while (this.rows.length < count) {
      const row = make("tr", {}, Array.from({ length: 5 }, () => make("td")));
      this.rows.push(row);
      this.body.append(row);
    }
  }

  /** @param {HTMLTableRowElement} row @param {Kept | undefined} record */
  #fill(row, record) {
    const kind = record ? this.kinds[record.kind] : "";
    const texts = record
      ? [(record.tNs / 1e9).toFixed(6), String(record.cpu), kind, String(record.subbuf), VALUES[kind]?.(record.value) ?? ""]
      : ["", "", "", "", ""];
    if (row.className !== kind) row.className = kind;
    if (record) row.tabIndex = row === this.rows[0] ? 0 : -1;
    else row.removeAttribute("tabindex");
    texts.forEach((text, i) => setText(row.cells[i], text));
  }

  /** @param {EventTarget | null} target */
  #recordOf(target) {
    const row = /** @type {HTMLTableRowElement | null} */ (/** @type {HTMLElement | null} */ (target)?.closest("tr"));
    return row ? this.shown[this.rows.indexOf(row)] ?? null : null;
  }

  /** @param {EventTarget | null} target */
  #go(target) {
    const record = this.#recordOf(target);
    if (record) this.onGo(record);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = this.rows.indexOf(/** @type {HTMLTableRowElement} */ (event.target));
    /** @type {Record<string, () => number | void>} */
    const keys = {
      Enter: () => this.#go(event.target),
      ArrowDown: () => at + 1, ArrowUp: () => at - 1, Home: () => 0, End: () => this.shown.length - 1,
    };
    if (at < 0 || !(event.key in keys)) return;
    event.preventDefault();
    event.stopPropagation();
    const to = keys[event.key]();
    if (to === undefined) return;
    this.#setHeld(true); // rows that move away could not be gone through
    this.paint(Infinity);
    this.rows[Math.max(0, Math.min(this.shown.length - 1, to))]?.focus();
  }

  /** @param {boolean} held */
  #setHeld(held) {
    if (held === this.held) return;
    this.held = held;
    this.hold.setAttribute("aria-pressed", String(held));
    setText(this.hold, held ? "Follow" : "Hold");
    this.element.classList.toggle("rl-held", held);
    this.box.scrollTop = 0;
    this.#force();
  }

  #force() {
    this.changed = true;
    this.paintedAt = -Infinity;
    this.paint(performance.now());
  }
}
