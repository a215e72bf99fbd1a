/**
 * Play, pause, step and the scrub bar.
 */

import { VIRTUAL } from "./frame.js";
import { grouped, make, setText } from "./dom.js";

/** @type {[string, Record<string, unknown>]} */
export const STEP_ON = ["move", { by: 1 }];
/** @type {[string, Record<string, unknown>]} */
export const STEP_BACK = ["move", { by: -1 }];

export class Transport {
  /** @param {(command: string, values?: Record<string, unknown>) => void} command */
  constructor(command) {
    this.command = command;
    this.count = 0;
    this.isVirtual = false;
    this.room = 0;
    /** @type {number[]} */
    this.marks = [];
    const button = (/** @type {string} */ name, /** @type {string} */ label, /** @type {string} */ title, /** @type {[string, Record<string, unknown>?]} */ what) => {
      const element = make("button", { type: "button", class: name, title }, [label]);
      element.addEventListener("click", () => command(...what));
      return element;
    };
    this.play = button("rl-play", "Play", "Let time run (Space)", ["play"]);
    this.pause = button("rl-pause", "Pause", "Hold writers and readers (Space)", ["pause"]);
    this.back = button("rl-step-back", "‹ Step back", "One event back, in virtual time (,)", STEP_BACK);
    this.step = button("rl-step", "Step ›", "One event on, in virtual time (.)", STEP_ON);
    this.handle = make("i", { class: "rl-handle" });
    this.ticks = make("canvas", { class: "rl-marks" });
    this.scrub = make("div", {
      class: "rl-scrub", role: "slider", tabindex: "0", "aria-label": "Position in the workload, events",
      "aria-valuemin": "0", "aria-valuemax": "0", "aria-valuenow": "0",
    }, [this.ticks, this.handle]);
    this.where = make("span", { class: "rl-where" });
    this.element = make("div", { class: "rl-transport", role: "group", "aria-label": "Time" }, [
      this.play, this.pause, this.back, this.step, this.scrub, this.where,
    ]);
    this.scrub.addEventListener("keydown", (event) => this.#key(event));
    this.scrub.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || this.scrub.getAttribute("aria-disabled") === "true") return;
      this.scrub.setPointerCapture(event.pointerId);
      this.#drag(event);
    });
    this.scrub.addEventListener("pointermove", (event) => {
      if (this.scrub.hasPointerCapture(event.pointerId)) this.#drag(event);
    });
  }

  /** @param {import("./frame.js").Frame} frame */
  paint(frame) {
    const { position = 0, n_events: count = 0, marks } = frame.text;
    this.isVirtual = (frame.flags & VIRTUAL) !== 0;
    const isOpen = frame.status !== "closed" && frame.status !== "error";
    // Not by what was painted last: Pause must be there the moment Play was pressed.
    for (const button of [this.play, this.pause, this.step, this.back]) button.disabled = !isOpen || !count;
    this.play.setAttribute("aria-pressed", String(frame.status === "running"));
    this.pause.setAttribute("aria-pressed", String(frame.status === "paused"));
    this.scrub.setAttribute("aria-disabled", String(!isOpen || !count));
    if (marks || count !== this.count) {
      this.marks = marks ?? this.marks;
      this.count = count;
      this.#paintMarks();
    }
    const share = count ? position / count : 0;
    this.handle.style.transform = `translateX(${(share * this.room).toFixed(1)}px)`;
    this.scrub.setAttribute("aria-valuemax", String(count));
    this.scrub.setAttribute("aria-valuenow", String(position));
    const text = count ? `event ${grouped(position)} of ${grouped(count)}` : "no workload";
    this.scrub.setAttribute("aria-valuetext", text);
    setText(this.where, this.isVirtual ? `${text}, ${(frame.tS * 1000).toFixed(3)} ms` : text);
  }

  /** Measures the bar again. */
  setRoom() {
    this.room = this.scrub.clientWidth;
    this.#paintMarks();
  }

  /** One line where a run of losses began. */
  #paintMarks() {
    const width = (this.ticks.width = Math.max(1, this.ticks.clientWidth));
    const height = (this.ticks.height = Math.max(1, this.ticks.clientHeight));
    const pen = this.ticks.getContext("2d");
    if (!pen || !this.count) return;
    pen.fillStyle = getComputedStyle(this.ticks).color;
    for (const mark of this.marks) pen.fillRect((mark / this.count) * (width - 1), 0, 1, height);
  }

  /** @param {PointerEvent} event */
  #drag(event) {
    const box = this.scrub.getBoundingClientRect();
    // A share, because how many events there are may be other than what was painted last.
    this.#go(Math.max(0, Math.min(1, (event.clientX - box.left) / Math.max(1, box.width))));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    // Relative to where the session is: what is painted here may be older than the key before.
    /** @type {Record<string, () => void>} */
    const keys = {
      Home: () => this.#go(0), End: () => this.#go(1),
      ArrowLeft: () => this.command(...STEP_BACK), ArrowDown: () => this.command(...STEP_BACK),
      ArrowRight: () => this.command(...STEP_ON), ArrowUp: () => this.command(...STEP_ON),
      PageDown: () => this.command("move", { pages: -1 }), PageUp: () => this.command("move", { pages: 1 }),
    };
    if (!(event.key in keys)) return;
    event.preventDefault();
    event.stopPropagation();
    if (this.scrub.getAttribute("aria-disabled") !== "true") keys[event.key]();
  }

  /** @param {number} share of all events, 0 .. 1 */
  #go(share) {
    this.command("scrub", { share });
  }
}
