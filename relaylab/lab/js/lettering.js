/**
 * The map's letters: their fonts, how wide they are, and which of several wordings fits.
 */

const MONO = "ui-monospace, 'DejaVu Sans Mono', monospace";
const SANS = "system-ui, sans-serif";
/** Of a letter, as a share of its size, where nothing can measure it. */
const USUAL_WIDTH = 0.62;

/** @typedef {{size: number, weight?: number, isMono?: boolean}} Letters */

/** @param {boolean} [isMono] */
export function fontFamily(isMono = false) {
  return isMono ? MONO : SANS;
}

/** As CSS writes it. @param {Letters} letters */
export function fontOf({ size, weight = 400, isMono = false }) {
  return `${weight} ${size}px ${fontFamily(isMono)}`;
}

/** @type {CanvasRenderingContext2D | null | undefined} */
let ruler;

/** In pixels. @param {string} text @param {Letters} letters */
export function letterWidth(text, letters) {
  if (ruler === undefined) ruler = typeof document === "undefined" ? null : document.createElement("canvas").getContext("2d");
  if (!ruler) return text.length * letters.size * USUAL_WIDTH;
  ruler.font = fontOf(letters);
  return ruler.measureText(text).width;
}

/**
 * The first that has room, longest first; "" if none has.
 * @param {string[]} wordings @param {number} room pixels @param {Letters} letters
 */
export function firstFitting(wordings, room, letters) {
  return wordings.find((text) => letterWidth(text, letters) <= room) ?? "";
}
