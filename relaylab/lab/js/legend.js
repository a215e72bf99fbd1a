/**
 * The legend of a figure: a piece of each line and its name.
 */

import { make } from "./dom.js";

/**
 * @param {HTMLElement | undefined} legend
 * @param {[string, string, string][]} lines column, colour and dash
 * @param {string[]} names
 */
export function loadLegend(legend, lines, names) {
  legend?.replaceChildren(...names.map((name, i) => {
    const [, colour, dash] = lines[i];
    const style = dash === "solid" || dash === "dotted" ? dash : "dashed";
    return make("span", {}, [make("i", { style: `border-top: 3px ${style} ${colour}` }), name]);
  }));
}
