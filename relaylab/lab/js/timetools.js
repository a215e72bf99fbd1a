/**
 * How fast virtual time plays, what it stops at, and the marks A and B.
 */

import { VIRTUAL } from "./frame.js";
import { make, setText } from "./dom.js";

/** @type {[string, string][]} */
const SPEEDS = [
  ["", "by rate"], ["1", "real time"],
  ...[2, 5, 10, 20, 50, 100, 200, 500, 1000].map((slower) => /** @type {[string, string]} */ ([String(1 / slower), `${slower}× slower`])),
];

/** @type {[string, string][]} */
const STOPS = [
  ["", "nothing"], ["loss", "first loss"], ["full", "next full"], ["unfull", "next unfull"], ["deliver", "next deliver"],
];

const MARK_NAMES = ["a", "b"];

export class TimeTools {
  /** @param {(command: string, values?: Record<string, unknown>) => void} command */
  constructor(command) {
    this.nCpus = 0;
    this.speed = make("select", { class: "rl-speed", "aria-label": "Speed of virtual time", title: "How fast virtual time plays: so many events a second as the rate says, or slowed down from real time" },
      SPEEDS.map(([value, name]) => make("option", { value }, [`speed: ${name}`])));
    this.stop = make("select", { class: "rl-stop-at", "aria-label": "What playing stops at", title: "Playing pauses there, in virtual time exactly, in real time as soon as the journal tells of it" });
    this.buttons = MARK_NAMES.map((name) => {
      const label = name.toUpperCase();
      const button = make("button", { type: "button", class: `rl-mark-${name}`, "aria-pressed": "false", title: `Mark this moment as ${label} (${name}); ${label} goes there` }, [label]);
      button.addEventListener("click", () => command("set_mark", { name }));
      return button;
    });
    this.clear = make("button", { type: "button", class: "rl-marks-clear", title: "Take both marks away", hidden: "" }, ["Clear"]);
    this.clear.addEventListener("click", () => command("clear_marks"));
    this.speed.addEventListener("change", () => command("set_speed", { speed: this.speed.value ? Number(this.speed.value) : null }));
    this.stop.addEventListener("change", () => command("stop_at", { condition: this.stop.value }));
    this.controls = [this.speed, this.stop, make("span", { class: "rl-mark-buttons" }, [make("span", { class: "rl-unit" }, ["mark"]), ...this.buttons, this.clear])];
    /** On the scrub bar. */
    this.flags = MARK_NAMES.map((name) => make("i", { class: `rl-flag rl-flag-${name}`, hidden: "" }, [name.toUpperCase()]));
    this.line = make("p", { class: "rl-marks-ab", role: "status", hidden: "" });
    this.#setCpus(1);
  }

  /** @param {import("./frame.js").Frame} frame @param {boolean} isOpen */
  paint(frame, isOpen) {
    this.#setCpus(frame.nCpus);
    choose(this.speed, frame.text.speed === null || frame.text.speed === undefined ? "" : String(frame.text.speed), "speed: ×");
    choose(this.stop, frame.text.stop_at ?? "", "stop at: ");
    this.speed.disabled = !isOpen || (frame.flags & VIRTUAL) === 0;
    this.stop.disabled = !isOpen || !frame.text.n_events; // writers that are your program's stop for nobody here
    const ab = frame.text.ab ?? {};
    MARK_NAMES.forEach((name, i) => {
      const mark = ab[name];
      this.buttons[i].disabled = !isOpen;
      this.buttons[i].setAttribute("aria-pressed", String(Boolean(mark)));
      const share = mark?.share ?? null;
      this.flags[i].hidden = share === null;
      if (share !== null) this.flags[i].style.left = `${(100 * share).toFixed(2)}%`;
    });
    this.clear.hidden = this.line.hidden = !ab.line;
    setText(this.line, ab.line ?? "");
    this.line.dataset.difference = JSON.stringify(ab.difference ?? null);
  }

  /** @param {number} count */
  #setCpus(count) {
    if (count === this.nCpus) return;
    this.nCpus = count;
    const each = Array.from({ length: count }, (_, cpu) => /** @type {[string, string]} */ ([`deliver:${cpu}`, `deliver on CPU ${cpu}`]));
    this.stop.replaceChildren(...[...STOPS, ...each].map(([value, name]) => make("option", { value }, [`stop at: ${name}`])));
  }
}

/** Shows a choice, also one that a program made and the menu does not have. @param {HTMLSelectElement} menu @param {string} value @param {string} prefix */
function choose(menu, value, prefix) {
  if (document.activeElement === menu && menu.value !== value && menu.dataset.shown === value) return; // a person is choosing
  if (![...menu.options].some((option) => option.value === value)) menu.append(make("option", { value }, [`${prefix}${value}`]));
  if (menu.value !== value) menu.value = value;
  menu.dataset.shown = value;
}
