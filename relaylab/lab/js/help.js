/**
 * What one sees, and the keys.
 */

import { make } from "./dom.js";

/** @type {[string, string][]} */
const VIEWS = [
  ["Ring map", "One row per CPU, one cell per sub-buffer. A cell fills from below as events are written; the line is the write position. The rest of a produced sub-buffer is padding, hatched from the top."],
  ["Full", "All sub-buffers wait to be read: events are lost until the reader consumes one. By the rules of 2005 the first event after that is lost, too (at unfull)."],
  ["Overwrite", "A flight recorder loses nothing new, but writes over what nobody read (O, crossed)."],
  ["Readers", "In this process or as processes of their own, which open, map and read the files like any other program. One that consumes makes room for the writers; where it reads, a cell is green with an r. One that only watches leaves everything as it is; where it looks, a cell has a green frame and an eye. What it was too slow for is counted as skipped."],
  ["Virtual time", "The same engine, one event or one transition at a time, in both directions. A transition is an event that changes more than the fill level, a late commit, or a sub-buffer that the reader is through with. Each line on the bar is a place where losses begin."],
  ["Code", "In virtual time: the lines of the engine that the last step ran are tinted and marked ▶. Yes or no is how a test came out, green what a line changed. They ran as plain Python on a copy of the buffer, which must end like the buffer."],
  ["Questions", "Some presets stop time and ask what happens next. Answer on the map or in the input, change your mind, then Reveal: the engine goes on to the answer and says why. What lies ahead is hidden until then."],
  ["Tune", "What this workload, or a trace of your own, loses with many sizes and numbers of sub-buffers; a click on one plays that very run in the map."],
  ["Share", "A link or a file with all that determines what is on screen: whoever opens it sees the same. What you save by name is in the menu of presets from then on."],
];

/** @type {[string, string][]} */
const KEYS = [
  ["Arrow keys", "on the map: select a sub-buffer; on the bar: one event back or on"],
  [". and ,", "on the map or the bar: step one event on, one back"],
  ["] and [", "on the map or the bar: to the next transition, to the one before"],
  ["> and <", "on the map or the bar: to where losses begin next, where they began before"],
  ["a and b", "on the map or the bar: mark this moment as A or B; A and B go there"],
  ["Space", "on the map or the bar: play or pause"],
  ["Enter", "on the map: answer a question with the selected sub-buffer; in its input: reveal"],
  ["Home, End, Page keys", "on the bar: begin, end, a twentieth of all events"],
  ["c", "on the map or the bar: show or hide the code that ran in the last step of virtual time"],
  ["?", "on the map: this help"],
];

export class Help {
  constructor() {
    const list = (/** @type {[string, string][]} */ rows) => make("dl", {}, rows.flatMap(
      ([name, text]) => [make("dt", {}, [name]), make("dd", {}, [text])]));
    const close = make("button", { type: "button" }, ["Close"]);
    this.dialog = make("dialog", { class: "rl-help", "aria-label": "Help" }, [
      make("h2", {}, ["What you see"]), list(VIEWS), make("h2", {}, ["Keys"]), list(KEYS), close,
    ]);
    this.button = make("button", { type: "button", class: "rl-help-button", title: "What you see, and the keys (?)" }, ["Help"]);
    this.button.addEventListener("click", () => this.show());
    close.addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("keydown", (event) => event.stopPropagation());
  }

  show() {
    this.dialog.showModal();
    this.dialog.scrollTop = 0; // the focus is on Close, at the end
  }
}
