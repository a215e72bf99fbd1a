/**
 * The inspector: the selected sub-buffer's numbers and its bytes.
 */

import { grouped, make, setText } from "./dom.js";
import { STATE_LETTERS } from "./cells.js";

const PER_ROW = 16;

export class Inspector {
  constructor() {
    this.title = make("b", {}, ["Sub-buffer"]);
    this.meaning = make("p");
    this.numbers = make("p", { class: "rl-numbers" });
    this.hex = make("pre", { "aria-label": "First bytes, hexadecimal" });
    this.element = make("section", { class: "rl-inspector", "aria-label": "Inspector" }, [
      make("header", {}, [this.title]), this.meaning, this.numbers, this.hex,
    ]);
    this.shown = "";
  }

  /** @param {import("./frame.js").Frame} frame */
  paint(frame) {
    const at = frame.text.inspector;
    if (!at) {
      setText(this.meaning, "Click a cell of the map, or focus the map and press the arrow keys, to see its numbers and bytes.");
      this.element.classList.add("rl-nothing");
      return;
    }
    this.element.classList.remove("rl-nothing");
    setText(this.title, `CPU ${at.cpu}, sub-buffer ${at.subbuf}`);
    setText(this.meaning, `${STATE_LETTERS[at.state] ? `${STATE_LETTERS[at.state]} · ` : ""}${at.meaning}`);
    const sequence = at.sequence === null ? "never filled" : `sequence ${grouped(at.sequence)}`;
    setText(this.numbers, `${sequence} · ${grouped(at.used)} of ${grouped(at.size)} B used · padding ${grouped(at.padding)} · commit ${grouped(at.commit)}`);
    this.#paintHex(frame.memory, at);
  }

  /** @param {Uint8Array} memory @param {{used: number, size: number}} at */
  #paintHex(memory, at) {
    const rows = [];
    for (let start = 0; start < memory.length; start += PER_ROW) {
      const row = Array.from(memory.subarray(start, start + PER_ROW));
      const digits = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
      rows.push(`${start.toString(16).padStart(4, "0")}  ${digits}`);
    }
    const used = Math.min(memory.length, at.used);
    const text = rows.join("\n");
    const key = `${used}|${text}`;
    if (key === this.shown) return;
    this.shown = key;
    // Where data ends and padding or stale bytes begin, in characters of the dump.
    const row = Math.floor(used / PER_ROW);
    const cut = used >= memory.length ? text.length : rows.slice(0, row).reduce((sum, line) => sum + line.length + 1, 0) + 6 + (used % PER_ROW) * 3;
    this.hex.replaceChildren(text.slice(0, cut), make("span", { class: "rl-padding" }, [text.slice(cut)]));
  }
}
