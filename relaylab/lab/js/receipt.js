/**
 * Telling the kernel what was painted: no more often than keeps frames coming.
 *
 * Each message makes the kernel busy and idle again, which costs it a fraction of a frame, and
 * JupyterLab, which shows that, a look at all of its page. Where kernel and page are near each
 * other it is enough to tell when the kernel would wait; across a slow line that would leave the
 * line empty half of the time.
 */

/** Frames end: then too, and soon, the last one must be told. */
const LAST_AFTER_MS = 150;
/** From a receipt to the first frame that waited for it: longer than this is far. */
const FAR_MS = 120;
const VERY_FAR_MS = 200;
const NEWER = 0.3;

export class Receipt {
  /**
   * @param {number} most frames that may be unacknowledged; the kernel waits when so many are
   * @param {(seq: number) => void} tell
   * @param {() => number} clock milliseconds
   */
  constructor(most, tell, clock = () => performance.now()) {
    this.most = most;
    this.tell = tell;
    this.clock = clock;
    this.seq = 0;
    this.told = 0;
    this.toldAt = 0;
    /** The first frame that could not be sent before the last receipt had come. */
    this.waits = Infinity;
    this.wayMs = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.last = undefined;
  }

  /** Every so many frames one is told; by number, so that all views tell the same ones. */
  get every() {
    return this.wayMs < FAR_MS ? this.most : this.wayMs < VERY_FAR_MS ? Math.max(1, this.most - 1) : 1;
  }

  /** A frame has come. @param {number} seq */
  arrived(seq) {
    if (seq < this.waits) return;
    this.waits = Infinity;
    const way = Math.min(this.clock() - this.toldAt, 2 * VERY_FAR_MS); // nothing was to be shown
    this.wayMs += NEWER * (way - this.wayMs);
  }

  /** @param {number} seq of the frame that was painted, and all before it */
  painted(seq) {
    this.seq = seq;
    clearTimeout(this.last);
    const { every } = this;
    if (Math.floor(seq / every) !== Math.floor(this.told / every)) this.#tell();
    else this.last = setTimeout(() => this.#tell(), LAST_AFTER_MS);
  }

  #tell() {
    if (this.waits === Infinity) {
      this.waits = this.told + this.most + 1;
      this.toldAt = this.clock();
    }
    this.told = this.seq;
    this.tell(this.seq);
  }

  end() {
    clearTimeout(this.last);
  }
}
