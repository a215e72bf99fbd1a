/**
 * Sharing what is on screen: a link, a preset saved by name, a file; and opening one.
 */

import { make, setText } from "./dom.js";
import { download } from "./exports.js";

export class Share {
  /** @param {(command: string, values?: Record<string, unknown>) => void} command */
  constructor(command) {
    this.command = command;
    this.link = make("input", { type: "text", class: "rl-link", readonly: "", "aria-label": "Link to what is on screen" });
    this.copy = make("button", { type: "button", class: "rl-copy-link" }, ["Copy link"]);
    this.name = make("input", { type: "text", class: "rl-preset-name", maxlength: "80", "aria-label": "Name of the preset" });
    this.lesson = make("textarea", { class: "rl-preset-lesson", maxlength: "600", rows: "3", "aria-label": "What there is to learn" });
    this.save = make("button", { type: "button", class: "rl-save-preset", title: "Keep it in your own directory and in the menu" }, ["Save preset"]);
    this.download = make("button", { type: "button", class: "rl-download-preset" }, ["Download file"]);
    this.file = make("input", { type: "file", class: "rl-load-preset", accept: ".json,application/json", "aria-label": "Preset file to load" });
    this.told = make("p", { class: "rl-unit", role: "status" });
    const close = make("button", { type: "button" }, ["Close"]);
    this.dialog = make("dialog", { class: "rl-share", "aria-label": "Presets and links" }, [
      make("h2", {}, ["Link"]),
      make("p", {}, ["Whoever opens it sees the same run at the same place; on another machine with relaylab demo --scenario LINK, in a notebook with Workbench(scenario=LINK)."]),
      make("div", { class: "rl-share-row" }, [this.link, this.copy]),
      make("h2", {}, ["Save what is on screen as a preset"]),
      make("label", {}, ["Name", this.name]),
      make("label", {}, ["What there is to learn", this.lesson]),
      make("div", { class: "rl-share-row" }, [this.save, this.download]),
      make("h2", {}, ["Load a preset"]),
      make("div", { class: "rl-share-row" }, [this.file]),
      this.told, close,
    ]);
    this.button = make("button", { type: "button", class: "rl-share-button", title: "Copy a link, save or load a preset" }, ["Share"]);
    this.button.addEventListener("click", () => this.show());
    close.addEventListener("click", () => this.dialog.close());
    this.copy.addEventListener("click", () => this.#copy());
    this.save.addEventListener("click", () => this.#send("save_preset"));
    this.download.addEventListener("click", () => this.#send("download_preset"));
    this.file.addEventListener("change", () => this.#load());
    this.dialog.addEventListener("keydown", (event) => event.stopPropagation());
    this.suggested = { name: "", lesson: "" };
    this.isNamed = false;
    this.caption = "";
    this.captionBefore = "";
    this.name.addEventListener("input", () => { this.isNamed = true; });
    this.lesson.addEventListener("input", () => { this.isNamed = true; });
  }

  /** @param {import("./frame.js").Frame} frame */
  paint(frame) {
    this.suggested = { name: frame.text.workload ?? "", lesson: frame.text.lesson ?? "" };
    this.caption = frame.text.caption ?? "";
    if (this.dialog.open && this.caption !== this.captionBefore) setText(this.told, this.caption);
  }

  show() {
    this.link.value = "";
    this.copy.disabled = true;
    setText(this.told, "");
    this.captionBefore = this.caption; // what was said before is not about sharing
    if (!this.isNamed) {
      this.name.value = this.suggested.name;
      this.lesson.value = this.suggested.lesson;
    }
    this.dialog.showModal();
    this.command("link");
  }

  /** The link that was asked for has come. @param {string} query `?scenario=...` */
  takeLink(query) {
    const here = new URL(location.href);
    // A notebook's own address opens no scenario.
    this.link.value = document.body.dataset.voila ? `${here.origin}${here.pathname}${query}` : query;
    this.copy.disabled = false;
    this.copy.focus();
  }

  /** A file that was asked for has come. @param {string} name @param {string} text */
  takeFile(name, text) {
    download(name, "application/json", text);
  }

  async #copy() {
    this.link.select();
    let isCopied = true;
    try {
      await navigator.clipboard.writeText(this.link.value);
    } catch {
      isCopied = document.execCommand("copy"); // a page that may not use the clipboard can still copy what is selected
    }
    setText(this.told, isCopied ? "The link is in the clipboard." : "The browser does not let the page copy. The link is selected: copy it with Ctrl-C.");
  }

  /** @param {string} what */
  #send(what) {
    this.isNamed = false;
    this.command(what, { name: this.name.value, lesson: this.lesson.value });
  }

  async #load() {
    const [file] = this.file.files ?? [];
    if (!file) return;
    const text = await file.text();
    this.file.value = ""; // the same file may be chosen again
    this.command("load_preset", { text });
  }
}
