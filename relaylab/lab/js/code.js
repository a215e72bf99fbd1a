/**
 * The code beside the ring: what the state machine ran in the last step of virtual time.
 *
 * A line that ran has a mark in the gutter and a tint; the result of a test and what a line changed
 * stand behind it. Numbers and marks are drawn, not text: what is copied is the code.
 */

import { make, setText } from "./dom.js";
import { VIRTUAL } from "./frame.js";

/**
 * @typedef {{line?: number, source?: string, ran: boolean, taken?: boolean | null, values?: string[], folded?: number}} CodeRow
 * @typedef {{title: string, summary: string, rows: CodeRow[], decisive: boolean}} CodeCall
 * @typedef {{skipped: number, error: string, operations: {told: string, calls: CodeCall[]}[]}} StepCode
 */

const NOTHING_YET = "Step (.) and see here which lines of the engine run, and why its state changes.";
const HEADING_PX = 26;
const PLAYING = "Playing. Pause or step, and the lines of the last step show here.";

export class CodePanel {
  /**
   * @param {(shown: boolean) => void} tell told when it is shown or hidden
   * @param {Record<string, () => void>} keys what keys do on map and bar; here too, and one more
   */
  constructor(tell, keys) {
    this.tell = tell;
    keys.c = () => this.toggle();
    this.isWanted = true;
    this.isVirtual = false;
    this.isTold = false;
    this.shown = "";
    this.hide = make("button", { type: "button", class: "rl-code-hide", title: "Hide the code (c)" }, ["Hide"]);
    this.show = make("button", { type: "button", class: "rl-code-show", title: "Show the code that ran in the last step (c)" }, ["Show code"]);
    this.body = make("div", { class: "rl-code-body", tabindex: "0", role: "region", "aria-label": "Code of the last step" });
    this.element = make("section", { class: "rl-code", "aria-label": "Code", hidden: "" }, [
      make("header", {}, [make("b", {}, ["Code"]), make("span", { class: "rl-unit" }, ["what the engine ran in this step"]), this.hide]),
      this.body,
    ]);
    this.show.hidden = true;
    this.hide.addEventListener("click", () => this.toggle());
    this.show.addEventListener("click", () => this.toggle());
    this.body.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === " " || !(event.key in keys)) return; // the space bar scrolls
      event.preventDefault();
      keys[event.key]();
    });
  }

  toggle() {
    if (!this.isVirtual) return;
    const hadFocus = this.element.contains(document.activeElement) || document.activeElement === this.show;
    this.isWanted = !this.isWanted;
    this.#arrange();
    if (hadFocus) (this.isWanted ? this.body : this.show).focus();
  }

  /** @param {import("./frame.js").Frame} frame */
  paint(frame) {
    this.isVirtual = (frame.flags & VIRTUAL) !== 0;
    this.#arrange();
    if (this.element.hidden) return;
    /** @type {StepCode | undefined} */
    const code = frame.text.code;
    const key = code ? JSON.stringify(code) : frame.status === "running" ? PLAYING : NOTHING_YET;
    if (key === this.shown) return; // what a person has marked with the mouse stays so
    this.shown = key;
    this.body.replaceChildren(...(code ? stepOf(code) : [make("p", { class: "rl-code-note" }, [key])]));
    const decisive = /** @type {HTMLElement | null} */ (this.body.querySelector(".rl-code-decisive"));
    this.body.scrollTop = decisive ? decisive.offsetTop - HEADING_PX : 0;
  }

  /** Show or hide it; the kernel makes the code only for those who see it. */
  #arrange() {
    const isShown = this.isVirtual && this.isWanted;
    this.element.hidden = !isShown;
    this.show.hidden = !this.isVirtual || this.isWanted;
    if (isShown === this.isTold) return;
    this.isTold = isShown;
    this.tell(isShown);
  }
}

/** @param {StepCode} code @returns {HTMLElement[]} */
function stepOf(code) {
  const parts = [];
  if (code.error) parts.push(make("p", { class: "rl-code-error", role: "alert" }, [code.error]));
  if (code.skipped) parts.push(make("p", { class: "rl-code-note" }, [`${code.skipped} operations before these are not shown.`]));
  for (const { told, calls } of code.operations) {
    parts.push(make("h3", {}, [told]), ...calls.map(callOf));
  }
  return parts;
}

/** @param {CodeCall} call */
function callOf({ title, summary, rows, decisive }) {
  const name = make("h4", { title: summary }, [title]);
  return make("div", { class: decisive ? "rl-code-call rl-code-decisive" : "rl-code-call" }, [name, ...rows.map(rowOf)]);
}

/** @param {CodeRow} row */
function rowOf({ line, source = "", ran, taken, values = [], folded }) {
  if (folded) return make("div", { class: "rl-code-folded", "data-mark": "⋯" }, [`${folded} lines did not run`]);
  const text = make("code");
  setText(text, source);
  const indent = source.length - source.trimStart().length;
  const element = make("div", { class: "rl-code-line", "data-line": String(line), "data-ran": String(ran), style: `--rl-indent: ${indent}` }, [text]);
  if (typeof taken === "boolean") element.append(make("span", { class: "rl-code-taken", "data-taken": String(taken) }, [taken ? "yes" : "no"]));
  for (const value of values) element.append(make("span", { class: "rl-code-value" }, [value]));
  return element;
}
