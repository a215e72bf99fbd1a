/**
 * The inputs and buttons that ipywidgets made: what the inputs show, and which are wrong.
 */

/** By what the kernel calls them. */
const INPUTS = {
  subbuf_size: "rl-subbuf-size", n_subbufs: "rl-n-subbufs", n_cpus: "rl-n-cpus", rate: "rl-rate",
  latency: "rl-reader-latency", speed: "rl-reader-speed",
};

export class Inputs {
  /**
   * @param {HTMLElement} root
   * @param {(command: string, values?: Record<string, unknown>) => void} command
   * @param {AbortSignal} signal
   */
  constructor(root, command, signal) {
    this.root = root;
    this.command = command;
    this.marked = "{}";
    root.addEventListener("click", (event) => this.#take(event), { capture: true, signal });
    root.addEventListener("click", (event) => this.#follow(event, "button"), { signal });
    root.addEventListener("change", (event) => this.#follow(event, "input, select"), { signal });
  }

  /**
   * Open and Attach take what the inputs show. ipywidgets may still hold back what was typed, until an answer
   * to what was typed before has come, so this is told before ipywidgets hears of the press.
   * @param {MouseEvent} event
   */
  #take(event) {
    const button = /** @type {HTMLElement} */ (event.target).closest("button");
    const command = button?.closest(".rl-open") ? "open" : button?.closest(".rl-attach-reader") ? "attach" : "";
    if (!command) return;
    event.stopImmediatePropagation();
    /** @type {Record<string, unknown>} */
    const shown = { overwrite: this.#input("rl-overwrite")?.checked };
    for (const [name, css] of Object.entries(INPUTS)) shown[name] = this.#input(css)?.value;
    if (command === "attach") {
      shown.where = this.#choice("rl-reader-where");
      shown.does = this.#choice("rl-reader-does");
    }
    this.command(command, shown);
  }

  /** What ipywidgets has just sent is done when this, sent after it, is. @param {Event} event @param {string} from */
  #follow(event, from) {
    if (/** @type {HTMLElement} */ (event.target).closest(`.rl-controls :is(${from})`)) this.command("after");
  }

  /** @param {string} css @returns {HTMLInputElement | null} */
  #input(css) {
    return this.root.querySelector(`.${css} input, input.${css}`);
  }

  /** @param {string} css @returns {number | undefined} the number of the option that is chosen */
  #choice(css) {
    return /** @type {HTMLSelectElement | null} */ (this.root.querySelector(`.${css} select`))?.selectedIndex;
  }

  /** Marks the inputs that are wrong and says why. @param {Record<string, string>} wrong by CSS class */
  mark(wrong) {
    const key = JSON.stringify(wrong);
    if (key === this.marked) return;
    this.marked = key;
    for (const css of Object.values(INPUTS)) {
      const input = this.#input(css);
      if (!input) continue;
      if (css in wrong) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
      input.title = wrong[css] ?? "";
    }
  }
}
