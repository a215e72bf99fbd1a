/**
 * A question: what will happen next? Answered on the map or in its inputs, then revealed.
 */

import { make, setText } from "./dom.js";

/**
 * @typedef {object} Asked what the kernel tells of a question
 * @property {string} words
 * @property {number} number
 * @property {number} of
 * @property {number} right
 * @property {number} asked
 * @property {"cell" | "cpu" | "number"} [kind] absent once it is revealed
 * @property {number[] | null} [given]
 * @property {string} [said]
 * @property {number[] | null} [at] what is right, as numbers
 * @property {string} [prediction]
 * @property {string} [answer]
 * @property {boolean} [is_right]
 * @property {string} [why]
 * @property {boolean} [has_more] the next question is asked right here
 */

/** By the kind of answer: what its inputs are called. @type {Record<string, string[]>} */
const INPUTS_OF = { cell: ["CPU", "sub-buffer"], cpu: ["CPU"], number: ["answer"] };
/** @type {Record<string, string>} */
const HOW = {
  cell: "Click a cell of the map, choose one with its arrow keys, or type.",
  cpu: "Click a row of the map, choose one with its arrow keys, or type.",
  number: "Type a number.",
};

/** @param {number[]} answer @returns {import("./map.js").Place} */
const placeOf = ([cpu, subbuf]) => ({ cpu, subbuf });

export class Predict {
  /**
   * @param {(command: string, values?: Record<string, unknown>) => void} command
   * @param {import("./map.js").RingMap} map gets the focus, and shows answers that are cells
   */
  constructor(command, map) {
    this.command = command;
    this.map = map;
    this.count = make("b");
    this.words = make("p", { class: "rl-predict-words" });
    this.how = make("span", { class: "rl-unit" });
    this.fields = make("span", { class: "rl-predict-fields" });
    this.reveal = make("button", { type: "button", class: "rl-reveal", title: "Let time go on to the answer (Enter in an input)" }, ["Reveal"]);
    this.said = make("span", { class: "rl-predict-said" });
    this.verdict = make("b", { class: "rl-verdict" });
    this.why = make("span");
    this.result = make("p", { class: "rl-predict-result" }, [this.verdict, " ", this.why]);
    this.next = make("button", { type: "button", class: "rl-go-on" }, ["Go on"]);
    this.spoken = make("p", { class: "rl-spoken", role: "status", "aria-live": "polite" });
    this.answering = make("div", { class: "rl-predict-row" }, [this.fields, this.reveal, this.said, this.how]);
    this.element = make("section", { class: "rl-predict", "aria-label": "Question", hidden: "" }, [
      make("header", {}, [this.count]), this.words, this.answering, this.result, this.next, this.spoken,
    ]);
    /** @type {HTMLInputElement[]} */
    this.inputs = [];
    this.key = "";
    this.given = "";
    this.reveal.addEventListener("click", () => this.#reveal());
    this.next.addEventListener("click", () => {
      this.command("go_on");
      this.map.hint(null);
      this.map.element.focus();
    });
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target instanceof HTMLInputElement) this.#reveal();
    });
  }

  /** @param {import("./frame.js").Frame} frame */
  paint(frame) {
    const asked = /** @type {Asked | null} */ (frame.text.question ?? null);
    const isHidden = !asked;
    if (this.element.hidden !== isHidden) this.element.hidden = isHidden;
    if (!asked) {
      this.key = "";
      return;
    }
    const key = `${frame.generation} ${asked.number} ${asked.kind ?? ""}`;
    const isNew = key !== this.key;
    this.key = key;
    const score = asked.asked ? `, ${asked.right} of ${asked.asked} right so far` : "";
    setText(this.count, `Question ${asked.number} of ${asked.of}${score}`);
    setText(this.words, asked.words);
    const isOpen = asked.kind !== undefined;
    this.answering.hidden = !isOpen;
    this.result.hidden = this.next.hidden = isOpen;
    if (isOpen) this.#ask(asked, isNew);
    else this.#tell(asked, isNew);
  }

  /** @param {Asked} asked @param {boolean} isNew */
  #ask(asked, isNew) {
    const kind = /** @type {string} */ (asked.kind);
    if (isNew) {
      this.given = "";
      this.inputs = INPUTS_OF[kind].map((name) => {
        const input = make("input", { type: "number", min: "0", step: "1", inputmode: "numeric", "aria-label": name });
        input.addEventListener("input", () => this.#typed());
        return input;
      });
      this.fields.replaceChildren(...INPUTS_OF[kind].map((name, i) => make("label", {}, [name, this.inputs[i]])));
      setText(this.how, HOW[kind]);
      setText(this.spoken, `Question: ${asked.words} ${HOW[kind]}`);
      const at = document.activeElement;
      const isFree = !at || at === document.body || this.element.contains(at) || at.classList.contains("rl-map");
      if (kind === "number" && isFree) this.inputs[0].focus();
    }
    const given = asked.given ? asked.given.join(" ") : "";
    if (given !== this.given) {
      this.given = given;
      if (!this.inputs.some((input) => input === document.activeElement)) {
        this.inputs.forEach((input, i) => { input.value = String(asked.given?.[i] ?? ""); });
      }
      if (kind === "cell" && asked.given) this.map.hint(placeOf(asked.given));
      if (asked.said) setText(this.spoken, `Your answer: ${asked.said}.`);
    }
    setText(this.said, asked.said ? `Your answer: ${asked.said}` : "");
    // Not by what was painted last: what was just typed is told before the press.
    this.reveal.disabled = !asked.given && !this.#answer();
  }

  /** @param {Asked} asked @param {boolean} isNew */
  #tell(asked, isNew) {
    const right = asked.answer || "it does not happen";
    setText(this.verdict, asked.is_right ? `✓ Right: ${right}.` : `✗ You said ${asked.prediction}; right is ${right}.`);
    this.verdict.classList.toggle("rl-wrong", !asked.is_right);
    const isOnMap = asked.at?.length === 2;
    setText(this.why, `${asked.why ?? ""}${isOnMap && !asked.is_right ? " On the map yours is dashed, the right one framed." : ""}`);
    const isLast = asked.number === asked.of;
    setText(this.next, isLast ? "Done" : asked.has_more ? "Next question" : "Go on to the next question");
    if (!isNew) return;
    setText(this.spoken, `${this.verdict.textContent} ${asked.why} ${asked.right} of ${asked.asked} right.`);
    if (isOnMap && asked.at) {
      this.map.hint(asked.given ? placeOf(asked.given) : null);
      this.map.select(asked.at[0], asked.at[1]);
    }
    const at = document.activeElement;
    if (!at || at === document.body || this.element.contains(at)) this.next.focus();
  }

  /** What the inputs say; null while something is missing. @returns {number | number[] | null} */
  #answer() {
    const numbers = this.inputs.map((input) => (/^\d+$/.test(input.value) ? Number(input.value) : NaN));
    if (numbers.some(Number.isNaN) || !numbers.length) return null;
    return numbers.length === 1 ? numbers[0] : numbers;
  }

  #typed() {
    const answer = this.#answer();
    this.reveal.disabled = answer === null;
    if (answer !== null) this.command("predict", { answer });
  }

  #reveal() {
    if (!this.reveal.disabled) this.command("reveal");
  }
}
