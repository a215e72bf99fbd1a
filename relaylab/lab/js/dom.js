/**
 * Building and changing elements.
 */

const TEXT = 3;

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string>} [attributes]
 * @param {(Node | string)[]} [children]
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, attributes = {}, children = []) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/**
 * Changes the text, in its own node and only if it differs. A node that comes or goes makes the
 * browser look again at all that has rules with :has() above it, in JupyterLab the whole page;
 * characters that change do not.
 * @param {HTMLElement} element @param {string} text
 */
export function setText(element, text) {
  const node = /** @type {CharacterData | null} */ (element.firstChild);
  if (node?.nodeType === TEXT && !node.nextSibling) {
    if (node.data !== text) node.data = text;
  } else if (node || text) element.textContent = text;
}

/** @param {number} n */
export function grouped(n) {
  return n.toLocaleString("en");
}

/** Three significant digits and a prefix: 98.7 k. @param {number} n */
export function short(n) {
  for (const [step, prefix] of /** @type {[number, string][]} */ ([[1e9, " G"], [1e6, " M"], [1e3, " k"]])) {
    if (Math.abs(n) >= step) return `${(n / step).toPrecision(3)}${prefix}`;
  }
  return String(Math.round(n));
}

/** @param {number} bytes */
export function shortBytes(bytes) {
  for (const [step, unit] of /** @type {[number, string][]} */ ([[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]])) {
    if (bytes >= step) return `${(bytes / step).toPrecision(3)} ${unit}`;
  }
  return `${bytes} B`;
}
