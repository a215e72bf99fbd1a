/**
 * The menu of what can be saved to a file, and downloading what the kernel made.
 */

import { make } from "./dom.js";

/** Files that the kernel makes. @type {[string, string][]} */
const FILES = [
  ["journal.csv", "Journal as CSV"], ["series.csv", "Series as CSV"],
  ["journal.parquet", "Journal as Parquet"], ["series.parquet", "Series as Parquet"],
  ["session.json", "Session as JSON, to open again"],
];

export class Exports {
  /** @param {(command: string, values?: Record<string, unknown>) => void} command */
  constructor(command) {
    this.menu = make("div", { class: "rl-export-menu" });
    this.element = make("details", { class: "rl-export" }, [
      make("summary", { title: "Save what is on screen to files" }, ["Export"]), this.menu,
    ]);
    for (const [name, label] of FILES) this.add(label, () => command("export", { name }), `rl-export-${name.replace(".", "-")}`);
    this.element.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Escape") this.close();
    });
    this.element.addEventListener("focusout", (event) => {
      const next = /** @type {Node | null} */ (event.relatedTarget);
      if (next && !this.element.contains(next)) this.element.open = false;
    });
  }

  /**
   * One more entry.
   * @param {string} label
   * @param {() => void} act
   * @param {string} css the class of its button
   */
  add(label, act, css) {
    const button = make("button", { type: "button", class: css }, [label]);
    button.addEventListener("click", () => { this.close(); act(); });
    this.menu.append(button);
  }

  close() {
    const isInside = this.element.contains(document.activeElement);
    this.element.open = false;
    if (isInside) /** @type {HTMLElement} */ (this.element.firstElementChild).focus();
  }
}

/** Offers bytes as a download, with no server in between. @param {string} name @param {string} type @param {BlobPart} content */
export function download(name, type, content) {
  const address = URL.createObjectURL(new Blob([content], { type }));
  const link = make("a", { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
