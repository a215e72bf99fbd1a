/**
 * Telling the kernel what was painted: no more often than it needs to know.
 *
 * Each message makes the kernel busy and idle again, which costs it a fraction of a frame and
 * JupyterLab, which shows that, a look at all of its page.
 */

/** Frames end: then too, and soon, the last one must be told. */
const LAST_AFTER_MS = 150;

export class Receipt {
  /**
   * @param {number} most frames that may be unacknowledged; the kernel waits when so many are
   * @param {(seq: number) => void} tell
   */
  constructor(most, tell) {
    this.most = most;
    this.tell = tell;
    this.seq = 0;
    this.told = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.last = undefined;
  }

  /** @param {number} seq of the frame that was painted, and all before it */
  painted(seq) {
    this.seq = seq;
    clearTimeout(this.last);
    if (seq - this.told >= this.most) this.#tell();
    else this.last = setTimeout(() => this.#tell(), LAST_AFTER_MS);
  }

  #tell() {
    this.told = this.seq;
    this.tell(this.seq);
  }

  end() {
    clearTimeout(this.last);
  }
}
