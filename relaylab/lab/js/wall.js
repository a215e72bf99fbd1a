/**
 * The layout for a projector: caption and map large, controls behind a button.
 */

import { make, setText } from "./dom.js";

export class Wall {
  /** @param {(isWall: boolean) => void} onChange */
  constructor(onChange) {
    this.onChange = onChange;
    /** @type {HTMLElement | null} */
    this.root = null;
    this.toggle = make("button", { type: "button", class: "rl-wall-toggle", title: "Large, for a projector; ?wall=1 begins so" }, ["Wall"]);
    this.controls = make("button", { type: "button", class: "rl-wall-controls-toggle", "aria-expanded": "false" }, ["Controls"]);
    this.toggle.addEventListener("click", () => this.#set(!this.isOn));
    this.controls.addEventListener("click", () => this.#show(this.controls.getAttribute("aria-expanded") === "false"));
  }

  get isOn() {
    return this.root?.classList.contains("rl-wall") ?? false;
  }

  /** @param {HTMLElement} root */
  attach(root) {
    this.root = root;
    const asked = new URLSearchParams(location.search).get("wall");
    this.#set(this.isOn || (asked !== null && asked !== "0"));
  }

  /** @param {boolean} isOn */
  #set(isOn) {
    this.root?.classList.toggle("rl-wall", isOn);
    this.toggle.setAttribute("aria-pressed", String(isOn));
    setText(this.toggle, isOn ? "Leave wall" : "Wall");
    this.#show(false);
    this.onChange(isOn);
  }

  /** @param {boolean} isShown */
  #show(isShown) {
    this.root?.classList.toggle("rl-wall-controls", isShown);
    this.controls.setAttribute("aria-expanded", String(isShown));
  }
}
