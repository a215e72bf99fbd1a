/**
 * Play, pause, the steps and the scrub bar.
 */

import { VIRTUAL } from "./frame.js";
import { grouped, make, setText } from "./dom.js";
import { TimeTools } from "./timetools.js";

/** @typedef {[string, Record<string, unknown>?]} Command */

/** @type {Record<string, Command>} */
const MOVES = {
  step: ["move", { by: 1 }],
  back: ["move", { by: -1 }],
  stepTransition: ["step", { by: "transition", count: 1 }],
  backTransition: ["step", { by: "transition", count: -1 }],
  nextLoss: ["go_to_loss", { by: 1 }],
  lossBefore: ["go_to_loss", { by: -1 }],
};

/** What the keys do on the map and on the bar. @type {Record<string, Command>} */
const TIME_KEYS = {
  ".": MOVES.step, ",": MOVES.back,
  "]": MOVES.stepTransition, "[": MOVES.backTransition,
  ">": MOVES.nextLoss, "<": MOVES.lossBefore,
  " ": ["toggle"],
  a: ["set_mark", { name: "a" }], b: ["set_mark", { name: "b" }],
  A: ["go_to_mark", { name: "a" }], B: ["go_to_mark", { name: "b" }],
};

export class Transport {
  /** @param {(command: string, values?: Record<string, unknown>) => void} command */
  constructor(command) {
    this.command = command;
    this.count = 0;
    this.isVirtual = false;
    this.room = 0;
    this.share = 0;
    this.isMarked = true;
    /** @type {number[]} */
    this.marks = [];
    /** For whoever else has the focus. @type {Record<string, () => void>} */
    this.keys = Object.fromEntries(Object.entries(TIME_KEYS).map(([key, what]) => [key, () => command(...what)]));
    const button = (/** @type {string} */ name, /** @type {string} */ label, /** @type {string} */ title, /** @type {Command} */ what) => {
      const element = make("button", { type: "button", class: name, title }, [label]);
      element.addEventListener("click", () => command(...what));
      return element;
    };
    this.play = button("rl-play", "Play", "Let time run (Space)", ["play"]);
    this.pause = button("rl-pause", "Pause", "Hold writers and readers, or virtual time (Space)", ["pause"]);
    this.moves = [
      button("rl-step-transition-back", "« Transition", "To the transition before, in virtual time ([)", MOVES.backTransition),
      button("rl-step-back", "‹ Event", "One event back, in virtual time (,)", MOVES.back),
      button("rl-step", "Event ›", "One event on, in virtual time (.)", MOVES.step),
      button("rl-step-transition", "Transition »", "To the next transition, in virtual time (])", MOVES.stepTransition),
      button("rl-loss-back", "‹ Loss", "To where losses began before this, in virtual time (<)", MOVES.lossBefore),
      button("rl-loss-next", "Loss ›", "To where losses begin next, in virtual time (>)", MOVES.nextLoss),
    ];
    this.tools = new TimeTools(command);
    this.handle = make("i", { class: "rl-handle" });
    this.ticks = make("canvas", { class: "rl-marks" });
    this.scrub = make("div", {
      class: "rl-scrub", role: "slider", tabindex: "0", "aria-label": "Position in the workload, events",
      "aria-valuemin": "0", "aria-valuemax": "0", "aria-valuenow": "0",
    }, [this.ticks, ...this.tools.flags, this.handle]);
    this.where = make("span", { class: "rl-where" });
    this.element = make("div", { class: "rl-transport", role: "group", "aria-label": "Time" }, [
      make("div", { class: "rl-time-row" }, [this.play, this.pause, ...this.moves, make("span", { class: "rl-grow" }), ...this.tools.controls]),
      make("div", { class: "rl-time-row" }, [this.scrub, this.where]),
      this.tools.line,
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

  /** Not every frame is painted, and few tell the marks. @param {import("./frame.js").Frame} frame */
  take(frame) {
    if (!frame.text.marks) return;
    this.marks = frame.text.marks;
    this.isMarked = false;
  }

  /** @param {import("./frame.js").Frame} frame */
  paint(frame) {
    const { position = 0, n_events: count = 0 } = frame.text;
    this.isVirtual = (frame.flags & VIRTUAL) !== 0;
    const isOpen = frame.status !== "closed" && frame.status !== "error";
    // Not by what was painted last: Pause must be there the moment Play was pressed.
    for (const button of [this.play, this.pause, ...this.moves]) button.disabled = !isOpen || !count;
    this.play.setAttribute("aria-pressed", String(frame.status === "running"));
    this.pause.setAttribute("aria-pressed", String(frame.status === "paused"));
    this.scrub.setAttribute("aria-disabled", String(!isOpen || !count));
    this.tools.paint(frame, isOpen);
    if (!this.isMarked || count !== this.count) {
      this.count = count;
      this.#paintMarks();
    }
    this.share = count ? position / count : 0;
    this.#placeHandle();
    this.scrub.setAttribute("aria-valuemax", String(count));
    this.scrub.setAttribute("aria-valuenow", String(position));
    const after = frame.text.between ? "after event" : "event";
    const text = count ? `${after} ${grouped(position)} of ${grouped(count)}` : "no workload";
    this.scrub.setAttribute("aria-valuetext", text);
    setText(this.where, this.isVirtual ? `${text}, ${(frame.tS * 1000).toFixed(3)} ms` : text);
  }

  /** The bar is as wide as what stands beside it lets it be. @param {AbortSignal} signal */
  watchRoom(signal) {
    const resizing = new ResizeObserver(([entry]) => {
      this.room = entry.contentRect.width;
      this.#placeHandle();
      this.#paintMarks();
    });
    resizing.observe(this.scrub);
    signal.addEventListener("abort", () => resizing.disconnect());
  }

  #placeHandle() {
    this.handle.style.transform = `translateX(${(this.share * this.room).toFixed(1)}px)`;
  }

  /** One line where a run of losses began. */
  #paintMarks() {
    this.isMarked = true;
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
    if (isChord(event)) return;
    // Relative to where the session is: what is painted here may be older than the key before.
    /** @type {Record<string, () => void>} */
    const keys = {
      ...this.keys,
      Home: () => this.#go(0), End: () => this.#go(1),
      ArrowLeft: this.keys[","], ArrowDown: this.keys[","],
      ArrowRight: this.keys["."], ArrowUp: this.keys["."],
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

/** Whether a key is pressed together with Ctrl, Alt or Meta: then it is the browser's. AltGr only makes a character. @param {KeyboardEvent} event */
export function isChord(event) {
  return (event.ctrlKey || event.metaKey || event.altKey) && !event.getModifierState("AltGraph");
}
