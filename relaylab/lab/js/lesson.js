/**
 * What the preset that is open teaches, until it is dismissed.
 */

import { make, setText } from "./dom.js";

export class Lesson {
  constructor() {
    this.text = make("p");
    this.close = make("button", { type: "button", title: "Hide what this preset teaches" }, ["Dismiss"]);
    this.element = make("section", { class: "rl-lesson", "aria-label": "What there is to learn", hidden: "" }, [this.text, this.close]);
    /** The open whose lesson was dismissed. */
    this.dismissed = -1;
    this.generation = 0;
    this.close.addEventListener("click", () => {
      this.dismissed = this.generation;
      this.element.hidden = true;
    });
  }

  /** @param {import("./frame.js").Frame} frame */
  paint(frame) {
    this.generation = frame.generation;
    const lesson = frame.text.lesson ?? "";
    setText(this.text, lesson);
    const isHidden = !lesson || this.dismissed === frame.generation;
    if (this.element.hidden !== isHidden) this.element.hidden = isHidden;
  }
}
