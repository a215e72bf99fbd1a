/**
 * Totals: offered = written + lost, by cause.
 */

import { grouped, make, setText, shortBytes } from "./dom.js";

const COMMITTED =
  "A sub-buffer is delivered when its commit count equals the bytes it holds. Writers that use relay_write never commit, " +
  "so theirs are produced and consumed but never delivered.";

const CONSUMED = "What readers are done with; a reset begins this count again. In overwrite mode it counts those that were overwritten before they were read, too.";

const REFERENCES =
  "Open files of the buffers, of readers in any process; the inspector's own is one of them. Each is a reference that keeps its buffer.";

const READ = "By the readers attached here, consuming or watching, also those that are gone. What two of them read counts twice.";

/** The class of what is not known of a channel of another process. */
const OF_READERS = "rl-of-readers";

/** Name, words, class, explanation. @type {[string, string, string, string?][]} */
const TOTAL_ROWS = [
  ["offered", "offered", ""],
  ["written", "written", ""],
  ["lost_full", "lost: buffer full", "lost"],
  ["lost_unfull", "lost: at unfull", "lost"],
  ["lost_too_large", "lost: too large", "lost"],
  ["overwritten_unread_subbufs", "overwritten unread", "lost"],
  ["switches", "produced", ""],
  ["consumed", "consumed", "", CONSUMED],
  ["read", "read by readers", OF_READERS, READ],
  ["references", "open files", OF_READERS, REFERENCES],
  ["delivered", "delivered", "", COMMITTED],
  ["written_bytes", "bytes written", ""],
  ["high_water", "high-water mark", ""],
];

export class Totals {
  constructor() {
    /** @type {Map<string, HTMLElement>} */
    this.values = new Map();
    const list = make("dl");
    for (const [name, label, kind, title = ""] of TOTAL_ROWS) {
      const value = make("dd", { class: kind, "data-name": name, title });
      this.values.set(name, value);
      list.append(make("dt", { class: kind === OF_READERS ? kind : "", title }, [label]), value);
    }
    this.element = make("section", { class: "rl-totals", "aria-label": "Totals", "data-totals": "{}" }, [
      make("header", {}, [make("b", {}, ["Totals"]), make("span", { class: "rl-unit" }, [" offered = written + lost"])]),
      list,
    ]);
  }

  /** What programs read, with every paint. @param {import("./frame.js").Frame} frame */
  tell(frame) {
    this.element.dataset.totals = JSON.stringify(frame.totals);
  }

  /** What people read. @param {import("./frame.js").Frame} frame */
  paint(frame) {
    const totals = frame.totals;
    const lost = totals.lost_full + totals.lost_unfull + totals.lost_too_large;
    const offered = totals.written + lost;
    const consumed = frame.cpus.reduce((sum, cpu) => sum + cpu.consumed, 0);
    /** @type {Record<string, number>} */
    const numbers = { ...totals, offered, consumed, read: frame.text.read ?? 0 };
    const since = frame.text.resets ? "consumed since the reset" : "consumed";
    setText(/** @type {HTMLElement} */ (this.values.get("consumed")?.previousElementSibling), since);
    numbers.references = frame.cpus.reduce((sum, cpu) => sum + Math.max(0, cpu.refcount - 1), 0);
    for (const [name, element] of this.values) {
      const value = numbers[name];
      const share = element.classList.contains("lost") && value && name.startsWith("lost_") ? ` (${percent(value / offered)})` : "";
      setText(element, (name === "written_bytes" ? shortBytes(value) : grouped(value)) + share);
      element.classList.toggle("rl-zero", value === 0);
    }
  }
}

/** @param {number} share */
function percent(share) {
  return share < 0.001 ? "< 0.1 %" : `${(100 * share).toFixed(1)} %`;
}
