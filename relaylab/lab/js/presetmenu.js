/**
 * Puts the options of the preset menu, which ipywidgets made, into groups.
 */

import { make } from "./dom.js";

export class PresetMenu {
  /**
   * @param {HTMLElement} root
   * @param {any} model has `preset_groups`: title and length of each group
   * @param {AbortSignal} signal
   */
  constructor(root, model, signal) {
    this.root = root;
    this.model = model;
    this.watch = new MutationObserver(() => this.group());
    this.group();
    const regroup = () => this.group();
    model.on("change:preset_groups", regroup);
    signal.addEventListener("abort", () => {
      this.watch.disconnect();
      model.off("change:preset_groups", regroup);
    });
  }

  /** ipywidgets makes the options anew whenever they change; it counts them, so groups do not disturb it. */
  group() {
    const menu = /** @type {HTMLSelectElement | null} */ (this.root.querySelector(".rl-preset select"));
    this.watch.disconnect();
    if (!menu) {
      this.watch.observe(this.root, { childList: true, subtree: true });
      return;
    }
    const options = [...menu.options];
    /** @type {[string, number][]} */
    const groups = this.model.get("preset_groups");
    const isWhole = groups.reduce((sum, [, length]) => sum + length, 0) === options.length;
    if (isWhole && menu.querySelectorAll("option").length && !menu.querySelector("optgroup")) {
      const chosen = menu.selectedIndex;
      let at = 0;
      for (const [title, length] of groups) {
        const group = make("optgroup", { label: title || "Other" });
        menu.insertBefore(group, options[at]);
        group.append(...options.slice(at, at + length));
        at += length;
      }
      menu.selectedIndex = chosen;
    }
    this.watch.observe(menu, { childList: true });
  }
}
