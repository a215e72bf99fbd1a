/**
 * Which kinds of transitions are listed: none chosen means all.
 */

import { make, setText } from "./dom.js";

export class KindFilter {
  /** @param {string[]} kinds @param {() => void} onChange */
  constructor(kinds, onChange) {
    /** @type {Set<string>} */
    this.wanted = new Set();
    this.summary = make("summary", { title: "Kinds shown in the journal" }, ["all kinds"]);
    const all = make("button", { type: "button" }, ["All kinds"]);
    const boxes = kinds.map((kind) => {
      const box = make("input", { type: "checkbox", value: kind });
      box.addEventListener("change", () => {
        if (box.checked) this.wanted.add(kind);
        else this.wanted.delete(kind);
        this.#tell();
        onChange();
      });
      return { box, line: make("label", {}, [box, kind]) };
    });
    all.addEventListener("click", () => {
      this.wanted.clear();
      for (const { box } of boxes) box.checked = false;
      this.#tell();
      onChange();
    });
    this.element = make("details", { class: "rl-journal-kind" }, [
      this.summary,
      make("fieldset", { "aria-label": "Kinds shown in the journal" }, [...boxes.map(({ line }) => line), all]),
    ]);
    this.element.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key !== "Escape") return;
      this.element.open = false;
      this.summary.focus();
    });
    this.element.addEventListener("focusout", (event) => {
      const next = /** @type {Node | null} */ (event.relatedTarget);
      if (next && !this.element.contains(next)) this.element.open = false;
    });
  }

  /** @param {string} kind */
  isWanted(kind) {
    return !this.wanted.size || this.wanted.has(kind);
  }

  #tell() {
    const [first] = this.wanted;
    setText(this.summary, this.wanted.size === 0 ? "all kinds" : this.wanted.size === 1 ? first : `${this.wanted.size} kinds`);
  }
}
