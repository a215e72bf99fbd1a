/**
 * Play, pause, step and the scrub bar.
 */

import { VIRTUAL } from "./frame.js";
import { grouped, make, setText } from "./dom.js";

const PAGE = 0.05;

export class Transport {
  /** @param {(command: string, values?: Record<string, unknown>) => void} command */
  constructor(command) {
    this.command = command;
    this.position = 0;
    this.count = 0;
    this.isVirtual = false;
    this.room = 0;
    /** @type {number[]} */
    this.marks = [];
    const button = (/** @type {string} */ name, /** @type {string} */ label, /** @type {string} */ title, /** @type {string} */ what) => {
      const element = make("button", { type: "button", class: name, title }, [label]);
      element.addEventListener("click", () => command(what));
      return element;
    };
    this.play = button("rl-play", "Play", "Let time run (Space)", "play");
    this.pause = button("rl-pause", "Pause", "Hold writers and readers (Space)", "pause");
    this.back = button("rl-step-back", "‹ Step back", "One event back, in virtual time (,)", "step_back");
    this.step = button("rl-step", "Step ›", "One event on, in virtual time (.)", "step");
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
    this.play.disabled = !isOpen || frame.status === "running" || !count;
    this.pause.disabled = !isOpen || frame.status === "paused" || !count;
    this.step.disabled = this.back.disabled = !isOpen || !count;
    if (marks || count !== this.count) {
      this.marks = marks ?? this.marks;
      this.count = count;
      this.#paintMarks();
    }
    this.position = position;
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
    this.#go(((event.clientX - box.left) / box.width) * this.count);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const page = Math.max(1, Math.round(this.count * PAGE));
    /** @type {Record<string, number>} */
    const target = {
      Home: 0, End: this.count,
      ArrowLeft: this.position - 1, ArrowDown: this.position - 1,
      ArrowRight: this.position + 1, ArrowUp: this.position + 1,
      PageDown: this.position - page, PageUp: this.position + page,
    };
    if (!(event.key in target)) return;
    event.preventDefault();
    event.stopPropagation();
    this.#go(target[event.key]);
  }

  /** @param {number} position */
  #go(position) {
    this.command("scrub", { position: Math.max(0, Math.min(this.count, Math.round(position))) });
  }
}
