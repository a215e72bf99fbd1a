/**
 * The inspector: the selected sub-buffer's numbers and its bytes, a page at a time.
 */

import { STATE_LETTERS } from "./cells.js";
import { grouped, make, setText } from "./dom.js";
import { COMMITS } from "./frame.js";

const PER_ROW = 16;
const HEX_EVERY_MS = 400;
export const PAGE_BYTES = 256;

/** What a byte is: the class of its piece of the dump, and words for the legend. @type {[string, string][]} */
const BYTE_KINDS = [
  ["rl-event-even", "events, in turn"], ["rl-event-odd", ""], ["rl-data", "data"], ["rl-header-bytes", "header"],
  ["rl-padding", "padding"], ["rl-stale", "old bytes"],
];
const [EVEN, ODD, DATA, HEADER_BYTES, PADDING, STALE] = BYTE_KINDS.keys();
/** Added to what a byte is if it is reserved and not committed. */
const RESERVED = 16;

/**
 * @typedef {object} Inspected what the kernel tells of the selected sub-buffer
 * @property {number} cpu
 * @property {number} subbuf
 * @property {number} state
 * @property {string} meaning
 * @property {number | null} sequence
 * @property {number} used
 * @property {number} padding
 * @property {number} header
 * @property {number} offset
 * @property {number} commit
 * @property {number} size
 * @property {[number, number, number][]} events start, length, number
 */

export class Inspector {
  /** @param {(offset: number) => void} turn asks for the page at an offset */
  constructor(turn) {
    this.turn = turn;
    this.title = make("b", {}, ["Sub-buffer"]);
    this.meaning = make("p");
    this.numbers = make("p", { class: "rl-numbers" });
    this.event = make("p", { class: "rl-event", role: "status" });
    this.hex = make("pre", { class: "rl-hex", tabindex: "0", role: "region", "aria-label": "Bytes, hexadecimal and as text. Page keys turn the page, Home and End go to the ends, N and P to the next and previous event." });
    this.back = make("button", { type: "button", class: "rl-hex-back", "aria-label": "Bytes before" }, ["‹"]);
    this.on = make("button", { type: "button", class: "rl-hex-on", "aria-label": "Bytes after" }, ["›"]);
    this.range = make("span", { class: "rl-hex-range" });
    this.legend = make("p", { class: "rl-legend" });
    this.element = make("section", { class: "rl-inspector", "aria-label": "Inspector" }, [
      make("header", {}, [this.title, make("span", { class: "rl-grow" }), this.range, this.back, this.on]),
      this.meaning, this.numbers, this.hex, this.legend, this.event,
    ]);
    this.shown = "";
    this.hexAt = -Infinity;
    this.hexOf = "";
    this.generation = -1;
    /** The bytes are older than what was given to paint: they are made anew, which costs more than a number. */
    this.isLate = false;
    this.hasCommits = false;
    /** @type {Uint8Array} */
    this.memory = new Uint8Array(0);
    /** @type {Inspected | null} */
    this.at = null;
    /** The event looked at, by its place. */
    this.chosen = { cell: "", start: -1 };
    this.back.addEventListener("click", () => this.#turnBy(-PAGE_BYTES));
    this.on.addEventListener("click", () => this.#turnBy(PAGE_BYTES));
    this.hex.addEventListener("keydown", (event) => this.#key(event));
    this.hex.addEventListener("wheel", (event) => {
      if (!this.at || this.at.size <= PAGE_BYTES || !event.deltaY) return;
      event.preventDefault();
      this.#turnBy(Math.sign(event.deltaY) * PAGE_BYTES);
    }, { passive: false });
    this.hex.addEventListener("click", (event) => {
      const piece = /** @type {HTMLElement} */ (event.target).closest("[data-start]");
      if (piece) this.#choose(Number(/** @type {HTMLElement} */ (piece).dataset.start));
    });
  }

  /** @param {number} by bytes */
  #turnBy(by) {
    if (this.at) this.#turnTo(this.at.offset + by);
  }

  /** @param {number} offset */
  #turnTo(offset) {
    if (!this.at) return;
    const last = Math.floor((this.at.size - 1) / PAGE_BYTES) * PAGE_BYTES;
    const to = Math.max(0, Math.min(last, Math.floor(offset / PAGE_BYTES) * PAGE_BYTES));
    if (to === this.at.offset) return;
    this.at.offset = to; // the next press counts from here, before this page has come
    this.turn(to);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation();
    /** @type {Record<string, () => void>} */
    const keys = {
      PageUp: () => this.#turnBy(-PAGE_BYTES), PageDown: () => this.#turnBy(PAGE_BYTES),
      ArrowUp: () => this.#turnBy(-PAGE_BYTES), ArrowDown: () => this.#turnBy(PAGE_BYTES),
      Home: () => this.#turnTo(0), End: () => this.#turnTo(this.at?.size ?? 0),
      n: () => this.#chooseBy(1), p: () => this.#chooseBy(-1),
    };
    if (!(event.key in keys)) return;
    event.preventDefault();
    keys[event.key]();
  }

  /** @param {1 | -1} by */
  #chooseBy(by) {
    const events = this.at?.events ?? [];
    if (!events.length) return;
    const now = events.findIndex(([start]) => start === this.chosen.start);
    const next = now < 0 ? (by > 0 ? 0 : events.length - 1) : now + by;
    if (events[next]) this.#choose(events[next][0]);
    else this.#turnBy(by * PAGE_BYTES);
  }

  /** @param {number} start */
  #choose(start) {
    if (!this.at) return;
    this.chosen = { cell: `${this.at.cpu}/${this.at.subbuf}`, start };
    this.shown = "";
    this.#paintHex(this.memory, this.at, false);
  }

  /** @param {import("./frame.js").Frame} frame */
  paint(frame) {
    this.isLate = false;
    /** @type {Inspected | null} */
    const at = frame.text.inspector ?? null;
    this.element.classList.toggle("rl-nothing", !at);
    this.at = at;
    this.memory = frame.memory;
    if (!at) {
      setText(this.title, "Sub-buffer");
      setText(this.meaning, "Click a cell of the map, or focus the map and press the arrow keys, to see its numbers and bytes.");
      return;
    }
    setText(this.title, `CPU ${at.cpu}, sub-buffer ${at.subbuf}`);
    setText(this.meaning, `${STATE_LETTERS[at.state] ? `${STATE_LETTERS[at.state]} · ` : ""}${at.meaning}`);
    const sequence = at.sequence === null ? "never filled" : `sequence ${grouped(at.sequence)}`;
    const header = at.header ? ` · header ${grouped(at.header)}` : "";
    setText(this.numbers, `${sequence} · ${grouped(at.used)} of ${grouped(at.size)} B used${header} · padding ${grouped(at.padding)} · commit ${grouped(at.commit)}`);
    const end = Math.min(at.size, at.offset + PAGE_BYTES);
    setText(this.range, `bytes ${grouped(at.offset)}–${grouped(end - 1)}`);
    this.back.disabled = at.offset === 0;
    this.on.disabled = end >= at.size;
    this.hasCommits = (frame.flags & COMMITS) !== 0;
    this.#paintHex(frame.memory, at, frame.status === "running" && frame.generation === this.generation);
    this.generation = frame.generation;
  }

  /** @param {Uint8Array} memory @param {Inspected} at @param {boolean} isOften the next is soon to come */
  #paintHex(memory, at, isOften) {
    const chosen = this.chosen.cell === `${at.cpu}/${at.subbuf}` ? at.events.find(([start]) => start === this.chosen.start) : undefined;
    const key = `${memory.join()} ${JSON.stringify(at)} ${chosen?.[0]} ${this.hasCommits}`;
    if (key === this.shown) return;
    const now = performance.now();
    const of = `${at.cpu}/${at.subbuf}/${at.offset}`;
    this.isLate = isOften && of === this.hexOf && now - this.hexAt < HEX_EVERY_MS;
    if (this.isLate) return;
    this.hexAt = now;
    this.hexOf = of;
    this.shown = key;
    const kinds = kindsOf(memory.length, at, this.hasCommits);
    const owners = ownersOf(memory.length, at);
    /** @type {(Node | string)[]} */
    const parts = [];
    const digits = at.size > 0x10000 ? 8 : 4;
    for (let row = 0; row < memory.length; row += PER_ROW) {
      const end = Math.min(memory.length, row + PER_ROW);
      parts.push(`${row ? "\n" : ""}${(at.offset + row).toString(16).padStart(digits, "0")} `);
      parts.push(...pieces(row, end, kinds, owners, chosen?.[0], (i) => ` ${memory[i].toString(16).padStart(2, "0")}`));
      parts.push("   ".repeat(PER_ROW - (end - row)), "  ");
      parts.push(...pieces(row, end, kinds, owners, chosen?.[0], (i) => (memory[i] >= 32 && memory[i] < 127 ? String.fromCharCode(memory[i]) : "·")));
    }
    this.hex.replaceChildren(...parts);
    const plain = kinds.map((kind) => kind % RESERVED);
    this.legend.replaceChildren(
      ...BYTE_KINDS.flatMap(([css, name], kind) => (name && (plain.includes(kind) || (kind === EVEN && plain.includes(ODD))) ? [keyOf(css, name)] : [])),
      ...(kinds.some((kind) => kind >= RESERVED) ? [keyOf("rl-reserved-bytes", "not committed: as many bytes, relayfs does not know which")] : []));
    const last = at.events[at.events.length - 1];
    setText(this.event, chosen
      ? `Event ${grouped(chosen[2])}: ${grouped(chosen[1])} bytes at offset ${grouped(chosen[0])}.`
      : last ? `${at.events.length} events on this page; click one, or n and p, for its number.` : "");
  }
}

/** What each byte of a page is. @param {number} length @param {Inspected} at @param {boolean} hasCommits */
export function kindsOf(length, at, hasCommits) {
  const isEmpty = at.state === 0;
  const isOpen = at.state === 1;
  const kinds = new Array(length).fill(isEmpty ? STALE : DATA);
  at.events.forEach(([start, size, number]) => {
    if (isEmpty) return;
    const colour = number % 2 ? ODD : EVEN; // so that turning the page changes no colour
    for (let i = Math.max(0, start - at.offset); i < Math.min(length, start + size - at.offset); i++) kinds[i] = colour;
  });
  // Only how much is committed is counted, not what: as much of the end is shown so.
  const committed = hasCommits && !isEmpty ? Math.max(at.header, Math.min(at.used, at.commit)) : at.used;
  for (let i = 0; i < length; i++) {
    const byte = at.offset + i;
    if (byte >= at.used) kinds[i] = isOpen || isEmpty ? STALE : PADDING;
    else if (!isEmpty && byte < at.header) kinds[i] = HEADER_BYTES;
    else if (byte >= committed) kinds[i] += RESERVED;
  }
  return kinds;
}

/** @param {string} css @param {string} name */
function keyOf(css, name) {
  return make("span", {}, [make("i", { class: `rl-swatch ${css}` }), name]);
}

/** The start of the event that each byte belongs to, or -1. @param {number} length @param {Inspected} at */
function ownersOf(length, at) {
  const owners = new Array(length).fill(-1);
  for (const [start, size] of at.events) owners.fill(start, Math.max(0, start - at.offset), Math.max(0, Math.min(length, start + size - at.offset)));
  return owners;
}

/**
 * One row's bytes as text, a piece for each stretch of one look.
 * @param {number} from @param {number} to @param {number[]} kinds @param {number[]} owners
 * @param {number | undefined} chosen @param {(i: number) => string} text
 */
function pieces(from, to, kinds, owners, chosen, text) {
  const parts = [];
  for (let i = from; i < to;) {
    let end = i;
    let said = "";
    while (end < to && kinds[end] === kinds[i] && owners[end] === owners[i]) said += text(end++);
    const reserved = kinds[i] >= RESERVED ? " rl-reserved-bytes" : "";
    const css = `${BYTE_KINDS[kinds[i] % RESERVED][0]}${reserved}${owners[i] >= 0 && owners[i] === chosen ? " rl-chosen" : ""}`;
    parts.push(make("span", owners[i] >= 0 ? { class: css, "data-start": String(owners[i]) } : { class: css }, [said]));
    i = end;
  }
  return parts;
}
