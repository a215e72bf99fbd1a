/**
 * What was asked of the kernel and is not on screen yet.
 *
 * Each request has a number; a frame says up to which number all is done. So neither a person nor a
 * program has to guess from what is painted whether it is before or after a press of a button.
 */

export class Pending {
  /** @param {HTMLElement} status the element that carries aria-busy */
  constructor(status) {
    this.status = status;
    this.asked = 0;
    this.done = 0;
    /** The kernel works on something that takes long: no frame comes before its end. */
    this.isKernelBusy = false;
    this.hasFrame = false;
    this.#show();
  }

  /** The number of a new request. */
  ask() {
    this.asked++;
    this.#show();
    return this.asked;
  }

  /** Nobody is there to answer: nothing is waited for. */
  giveUp() {
    this.done = this.asked;
    this.isKernelBusy = false;
    this.#show();
  }

  /** The kernel has begun something long. */
  begin() {
    this.isKernelBusy = true;
    this.hasFrame = false;
    this.#show();
  }

  /** A frame has come; it is not painted yet. */
  arrived() {
    this.hasFrame = true;
  }

  /** The newest frame was painted; all requests up to `done` are in it. @param {number} done */
  painted(done) {
    this.done = Math.max(this.done, done);
    if (this.hasFrame) this.isKernelBusy = false;
    this.#show();
  }

  #show() {
    const busy = String(this.isKernelBusy || this.done < this.asked);
    if (this.status.getAttribute("aria-busy") !== busy) this.status.setAttribute("aria-busy", busy);
  }
}
