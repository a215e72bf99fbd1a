/**
 * The view: takes frames, paints once per animation frame, acknowledges what it painted.
 */

import { loadBokeh } from "./bokeh.js";
import { STATE_COLOURS, STATE_LETTERS, STATE_NAMES } from "./cells.js";
import { CodePanel } from "./code.js";
import { Crosshair } from "./crosshair.js";
import { make, setText } from "./dom.js";
import { ATTACHED, FULL, VIRTUAL, decodeFrame } from "./frame.js";
import { Exports, download } from "./exports.js";
import { Help } from "./help.js";
import { Inputs } from "./inputs.js";
import { Inspector } from "./inspector.js";
import { Journal } from "./journal.js";
import { Lesson } from "./lesson.js";
import { RingMap } from "./map.js";
import { MapText, cellInWords } from "./maptext.js";
import { Pending } from "./pending.js";
import { PICTURES, pictureOf } from "./pictures.js";
import { Predict } from "./predict.js";
import { PresetMenu } from "./presetmenu.js";
import { Readers } from "./readers.js";
import { Receipt } from "./receipt.js";
import { Series } from "./series.js";
import { Share } from "./share.js";
import { paletteOf, watchTheme } from "./theme.js";
import { Totals } from "./totals.js";
import { Transport, isChord } from "./transport.js";
import { Tuner } from "./tuner.js";
import { Wall } from "./wall.js";

const SILENT_MS = 4000;
const CAPTION_READ_EVERY_MS = 2000;
const PING_AFTER_MS = 2000;
/** What only tells of the view: there is nothing to wait for. */
const UNANSWERED = ["hear", "goodbye", "visible", "painted", "bokeh", "ping", "show_code"];
/** Digits that change faster than this can't be read, and each change costs a layout. */
const WORDS_EVERY_MS = 150;
const LATER_MS = 70;
const CALM_EVERY_MS = 250;
const WALL_SCALE = 1.6;
const AXIS_PX = 11;
const WALL_AXIS_PX = 15;

/** @type {Record<string, string>} */
const STATUS_WORDS = {
  idle: "idle", running: "running", paused: "paused", closed: "closed",
  disconnected: "disconnected: its process is gone", error: "error",
};
const SILENT = "disconnected: the kernel does not answer";

/**
 * @param {{model: any, el: HTMLElement}} context
 * @returns {() => void}
 */
export function render({ model, el }) {
  const view = new View(model, el);
  return () => view.end();
}

class View {
  /** @param {any} model @param {HTMLElement} el */
  constructor(model, el) {
    this.model = model;
    this.name = crypto.randomUUID?.() ?? String(Math.random());
    this.stop = new AbortController();
    this.frames = 0;
    /** @type {import("./frame.js").Frame | null} */
    this.frame = null;
    this.isDirty = false;
    this.isMoved = false;
    this.isStale = false;
    this.isComplete = false;
    /** The kernel itself has not been heard for long. */
    this.isLost = false;
    this.wordsAt = this.paintedAt = -Infinity;
    /** Whoever wants less motion gets a few pictures a second. */
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    this.heardAt = performance.now();
    this.frameAt = performance.now();
    this.readAt = -Infinity;
    /** @type {((script: DataView) => void) | null} */
    this.gotScript = null;

    this.map = new RingMap(
      (cpu, subbuf) => {
        this.command("select", { cpu, subbuf });
        setText(this.spoken, cellInWords(this.map.cells, { cpu, subbuf }));
        this.readAt = performance.now();
        this.#repaint();
      },
      (place) => this.series.embolden(place ? place.cpu : -1),
      () => this.#repaint());
    this.mapText = new MapText();
    this.transport = new Transport((what, values) => this.command(what, values));
    this.exports = new Exports((what, values) => this.command(what, values));
    this.series = new Series();
    this.crosshair = new Crosshair(this.series, (seconds) => this.goTo(seconds * 1e9));
    this.journal = new Journal(
      model.get("kinds"),
      ({ tNs, kind, cpu, produced }) => this.command("goto", { t_ns: tNs, kind, cpu, produced }),
      (record) => this.map.hint(record));
    this.totals = new Totals();
    this.inspector = new Inspector((offset) => { if (this.map.selected) this.command("select", { ...this.map.selected, offset }); });
    this.code = new CodePanel((shown) => this.command("show_code", { shown }), this.transport.keys);
    this.help = new Help();
    this.share = new Share((what, values) => this.command(what, values));
    this.lesson = new Lesson();
    this.predict = new Predict((what, values) => this.command(what, values), this.map);
    this.wall = new Wall(() => this.#look());
    this.caption = make("p", { class: "rl-caption" }, ["Waiting for the kernel."]);
    this.captionOf = { generation: -1, width: 0 };
    this.spoken = make("p", { class: "rl-spoken", "aria-live": "polite" });
    this.status = make("span", { class: "rl-status", "data-status": "idle", role: "status" }, ["idle"]);
    this.busy = make("span", { class: "rl-busy" }, ["working…"]);
    this.pending = new Pending(this.status);
    /** @type {Inputs | undefined} */
    this.inputs = undefined;
    this.pingedAt = -Infinity;
    this.receipt = new Receipt(model.get("under_way"), (seq) => this.command("painted", { seq }));
    this.channel = make("span", { class: "rl-channel" });
    this.readers = make("span", { class: "rl-readers" });
    this.readerList = new Readers((what, values) => this.command(what, values));
    this.mapBox = make("div", { class: "rl-map-box" }, [this.map.element, this.mapText.element]);
    this.parts = make("div", { class: "rl-view" });
    /** Homes of what is added to the page: each is hidden while it is empty. */
    this.places = {
      lesson: make("div", { class: "rl-place-lesson" }),
      tools: make("div", { class: "rl-place-tools" }),
      menu: make("div", { class: "rl-place-menu" }),
    };
    /** @type {number | undefined} */
    this.request = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.later = undefined;
    /** The open before the run that the tuner is asked to play. @type {number | null} */
    this.playedAfter = null;
    this.tuner = new Tuner((what, values, buffers) => {
      if (what === "tuner_play") this.playedAfter = this.frame?.generation ?? 0;
      this.command(what, values, buffers);
    });
    this.places.tools.append(this.tuner.element);
    this.places.menu.append(this.tuner.button, this.wall.controls, this.wall.toggle);
    this.#build(el);
    this.#listen();
    this.command("hello");
  }

  /** @param {HTMLElement} el */
  #build(el) {
    const keys = STATE_NAMES.map((name, i) => make("span", { class: i === 3 ? "rl-of-readers" : "" }, [
      make("i", { class: `rl-swatch${i === 1 ? " rl-white" : i === 4 ? " rl-crossed" : ""}`, style: `background-color: var(--rl-${String(STATE_COLOURS[i])})` }, [STATE_LETTERS[i]]), name]));
    const padding = make("span", {}, [make("i", { class: "rl-swatch rl-hatched" }), "padding"]);
    const reserved = make("span", { title: "Reserved and not yet committed: shown where writers commit" }, [make("i", { class: "rl-swatch rl-dotted" }), "reserved"]);
    const watched = make("span", { class: "rl-of-readers rl-of-watchers" }, [make("i", { class: "rl-swatch rl-watches" }), "watched by a reader"]);
    const ringKeys = [["rl-write-mark", "▼", "write position (W)"], ["rl-consumed-mark", "▼", "consumed (C)"], ["rl-unread-arc", "◠", "not read yet"]].map(
      ([css, sign, name]) => make("span", { class: "rl-of-rings" }, [make("i", { class: css }, [sign]), name]));
    const legend = make("p", { class: "rl-legend" }, [...keys, padding, reserved, watched, ...ringKeys, make("span", { class: "rl-grow" }), this.map.toggle, this.code.show]);
    this.places.lesson.append(this.lesson.element, this.predict.element);
    for (const [label, what, as, css] of PICTURES) this.exports.add(label, () => this.#save(what, as), css);
    this.places.menu.append(this.exports.element, this.share.button, this.share.dialog, this.help.button);
    this.parts.append(
      make("header", { class: "rl-head" }, [make("h1", {}, ["relaylab"]), this.status, this.channel, this.readers, this.busy, this.places.menu, this.help.dialog]),
      this.caption, this.spoken,
      this.places.lesson,
      this.readerList.element,
      this.transport.element,
      this.places.tools,
      make("section", { class: "rl-ring", "aria-label": "Ring map" }, [legend, this.mapBox]),
      this.code.element,
      this.series.element,
      make("div", { class: "rl-below" }, [this.totals.element, this.journal.element, this.inspector.element]),
    );
    el.append(this.parts);
    this.map.element.dataset.frames = "0";
    this.map.element.dataset.state = "{}";
    this.map.element.dataset.latencyMs = "0";
  }

  /** @param {"map" | "plots"} what @param {"svg" | "png"} as */
  async #save(what, as) {
    const picture = await pictureOf(this.map, this.series, what, as);
    download(`relaylab-${what}.${as}`, picture.type, picture);
  }

  #listen() {
    const { signal } = this.stop;
    this.onMessage = (/** @type {any} */ message, /** @type {DataView[]} */ buffers) => this.#message(message, buffers);
    this.model.on("msg:custom", this.onMessage);
    document.addEventListener("visibilitychange", () => {
      this.heardAt = this.frameAt = performance.now();
      this.command("visible", { visible: !document.hidden });
    }, { signal });
    this.map.element.addEventListener("keydown", (event) => this.#key(event), { signal });
    this.resizing = new ResizeObserver(([entry]) => {
      this.map.setRoom(Math.floor(entry.contentRect.width));
      this.#repaint();
    });
    this.resizing.observe(this.mapBox);
    this.growing = new ResizeObserver(() => this.#keepCaptionHeight());
    this.growing.observe(this.caption);
    this.transport.watchRoom(signal);
    this.watch = setInterval(() => this.#checkAlive(), 500);
    this.#findRoot();
    this.#loadSeries();
  }

  /** What is below must not jump with every caption: until the next open it stays as high as it was. */
  #keepCaptionHeight() {
    const { clientWidth: width, clientHeight: height } = this.caption;
    this.caption.style.minHeight = width === this.captionOf.width && height ? `${height}px` : "";
    this.captionOf.width = width;
  }

  /** The parent widget puts the view into its own element only after the view was made. */
  #findRoot() {
    if (this.stop.signal.aborted) return;
    const root = /** @type {HTMLElement | null} */ (this.parts.closest(".rl-workbench"));
    if (!root) {
      requestAnimationFrame(() => this.#findRoot());
      return;
    }
    // JupyterLab's command mode must not see keys that were meant for any part of the workbench.
    root.addEventListener("keydown", (event) => {
      if (!isChord(event)) event.stopPropagation();
    }, { signal: this.stop.signal });
    this.inputs = new Inputs(root, (what, values) => this.command(what, values), this.stop.signal);
    new PresetMenu(root, this.model, this.stop.signal);
    watchTheme((theme) => {
      root.dataset.theme = theme;
      this.palette = paletteOf(root);
      this.#look();
    }, this.stop.signal);
    this.wall.attach(root);
  }

  /** Colours, and sizes of letters. */
  #look() {
    if (!this.palette) return;
    this.map.setScale(this.wall.isOn ? WALL_SCALE : 1);
    this.map.setPalette(this.palette);
    this.series.setPalette(this.palette, this.wall.isOn ? WALL_AXIS_PX : AXIS_PX);
    this.tuner.setPalette(this.palette, this.wall.isOn ? WALL_AXIS_PX : AXIS_PX);
    this.#repaint();
  }

  async #loadSeries() {
    const version = this.model.get("bokeh_version");
    const fetchScript = () => new Promise((resolve) => {
      this.gotScript = resolve;
      this.command("bokeh");
    });
    const Bokeh = await loadBokeh(version, /** @type {() => Promise<DataView>} */ (fetchScript));
    if (this.stop.signal.aborted) return;
    await this.series.build(Bokeh, this.model.get("series"));
    this.crosshair.attach(this.stop.signal);
    await this.tuner.build(Bokeh, this.model.get("tuner"));
    this.#look();
    this.command("hello");
  }

  /** Virtual time goes to a moment; real time cannot, so it stands still for a closer look. @param {number} tNs of the session */
  goTo(tNs) {
    if (((this.frame?.flags ?? 0) & VIRTUAL) !== 0) {
      this.command("goto", { t_ns: Math.round(tNs) });
      return;
    }
    this.series.pointAt(tNs / 1e9);
    if (this.frame?.status === "running") this.command("pause");
    this.#repaint();
  }

  /** @param {string} what @param {Record<string, unknown>} [values] @param {ArrayBuffer[]} [buffers] */
  command(what, values = {}, buffers = []) {
    // A hello asks for nothing to be done, but wants to know what is.
    const n = what === "hello" ? this.pending.asked : UNANSWERED.includes(what) ? 0 : this.pending.ask();
    try {
      this.model.send({ do: what, view: this.name, n, ...values }, undefined, buffers);
    } catch {
      this.#setStatus("disconnected"); // it throws where the connection is known to be gone
    }
    if (this.status.dataset.status === "disconnected") this.pending.giveUp();
  }

  /** @param {any} message @param {DataView[]} buffers */
  #message(message, buffers) {
    this.heardAt = performance.now();
    if (message.kind === "frame") this.#take(decodeFrame(buffers[0]));
    else if (message.kind === "beat") this.#beat(message.status);
    else if (message.kind === "busy") this.#begin(message.caption);
    else if (message.kind === "file") { if (message.view === this.name) download(message.name, message.type, /** @type {any} */ (buffers[0])); }
    else if (message.kind === "tuner") this.tuner.take(message);
    else if (message.kind === "bokeh") this.gotScript?.(buffers[0]);
    else if (message.kind === "link" && message.view === this.name) this.share.takeLink(message.link);
    else if (message.kind === "preset" && message.view === this.name) this.share.takeFile(message.name, message.text);
  }

  /** The kernel begins something long. @param {string} caption */
  #begin(caption) {
    this.pending.begin();
    setText(this.caption, caption);
    setText(this.spoken, caption);
    if (this.frame) this.frame.text.caption = caption;
  }

  /** @param {import("./frame.js").Frame} frame */
  #take(frame) {
    this.pending.arrived();
    this.receipt.arrived(frame.seq);
    this.frameAt = performance.now();
    const everything = (frame.flags & FULL) !== 0;
    if (!everything && !this.isComplete) return;
    this.isComplete = true;
    this.map.cells.apply(frame);
    this.series.take(frame, everything);
    this.journal.take(frame, everything);
    this.transport.take(frame);
    this.frame = frame;
    this.isDirty = this.isStale = this.mapText.isStale = true;
    this.#schedule();
  }

  #repaint() {
    this.isMoved = true;
    this.#schedule();
  }

  /** What is painted less often than frames come must still show the last one. */
  #scheduleLater() {
    clearTimeout(this.later);
    this.later = setTimeout(() => this.#schedule(), LATER_MS);
  }

  #schedule() {
    this.request ??= requestAnimationFrame((now) => {
      this.request = undefined;
      this.#paint(now);
    });
  }

  /** @param {number} now */
  #paint(now) {
    const frame = this.frame;
    if (!frame || this.stop.signal.aborted) return;
    if (this.calm.matches && frame.status === "running" && now - this.paintedAt < CALM_EVERY_MS) {
      this.#scheduleLater();
      return;
    }
    this.paintedAt = now;
    if (this.isDirty || this.isMoved) this.map.paint(frame);
    if (this.playedAfter !== null && frame.generation !== this.playedAfter) {
      this.playedAfter = null;
      this.mapBox.scrollIntoView({ block: "nearest" }); // below the tuner it may be off the screen
    }
    this.mapText.paint(this.map.cells, frame, now);
    this.isMoved = false;
    this.totals.tell(frame);
    this.series.paint(frame, now);
    this.journal.paint(now);
    const isWordy = this.isStale && (frame.status !== "running" || now - this.wordsAt > WORDS_EVERY_MS);
    if (isWordy) {
      this.wordsAt = now;
      this.isStale = false;
      this.transport.paint(frame);
      if (this.crosshair.at !== null) this.crosshair.paint();
      this.totals.paint(frame);
      this.inspector.paint(frame);
      this.isStale = this.inspector.isLate;
      this.code.paint(frame);
      this.#paintWords(frame, now);
    }
    if (this.isDirty) {
      this.isDirty = false;
      this.#tellPainted(frame);
    }
    if (isWordy) this.pending.painted(frame.text.done?.[this.name] ?? 0);
    if (this.journal.changed || this.series.stale || this.isStale || this.mapText.isStale) this.#scheduleLater();
  }

  /** @param {import("./frame.js").Frame} frame @param {number} now */
  #paintWords(frame, now) {
    this.isLost = false;
    this.#setStatus(frame.status);
    this.inputs?.mark(frame.text.wrong ?? {});
    setText(this.channel, frame.text.channel ?? "");
    setText(this.readers, frame.text.readers ?? "");
    this.readers.title = frame.text.readers ?? "";
    this.lesson.paint(frame);
    this.predict.paint(frame);
    this.share.paint(frame);
    this.readerList.paint(frame.text.reader_rows ?? []);
    this.parts.classList.toggle("rl-attached", (frame.flags & ATTACHED) !== 0);
    if (frame.generation !== this.captionOf.generation) {
      this.captionOf.generation = frame.generation;
      this.caption.style.minHeight = "";
    }
    const caption = frame.text.caption ?? "";
    setText(this.caption, caption);
    // A screen reader gets it at a pace that can be listened to.
    if (now - this.readAt > CAPTION_READ_EVERY_MS) {
      this.readAt = now;
      setText(this.spoken, caption);
    }
  }

  /** @param {import("./frame.js").Frame} frame */
  #tellPainted(frame) {
    this.frames++;
    const data = this.map.element.dataset;
    data.frames = String(this.frames);
    data.state = JSON.stringify({
      produced: frame.cpus.map((cpu) => cpu.produced),
      consumed: frame.cpus.map((cpu) => cpu.consumed),
      offset: frame.cpus.map((cpu) => cpu.offset),
      unfull: frame.cpus.map((cpu) => cpu.flags & 1),
    });
    const latency = performance.timeOrigin + performance.now() - frame.sentMs;
    data.latencyMs = Math.max(0, latency).toFixed(1);
    this.receipt.painted(frame.seq);
  }

  /** @param {string} status @param {string} [words] */
  #setStatus(status, words = STATUS_WORDS[status]) {
    this.status.dataset.status = status;
    if (status === "disconnected") this.pending.giveUp();
    setText(this.status, words);
  }

  /** @param {string} status */
  #beat(status) {
    this.command("hear");
    if (this.isLost) this.command("hello");
    else if (!document.hidden && status === "running" && performance.now() - this.frameAt > SILENT_MS) this.command("hello");
  }

  /** A kernel that died cannot say so: its beat is missing. */
  #checkAlive() {
    if (document.hidden) return;
    const now = performance.now();
    if (now - this.heardAt > SILENT_MS) {
      this.isLost = true;
      this.#setStatus("disconnected", SILENT);
    }
    // The session may be long at one thing; that the kernel lives, its main thread says too.
    if (now - this.heardAt > PING_AFTER_MS && now - this.pingedAt > PING_AFTER_MS) {
      this.pingedAt = now;
      this.command("ping");
    }
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    /** @type {Record<string, () => void>} */
    const keys = {
      ...this.transport.keys,
      "?": () => this.help.show(),
      Enter: () => this.map.move(0, 0),
      ArrowLeft: () => this.map.move(0, -1),
      ArrowRight: () => this.map.move(0, 1),
      ArrowUp: () => this.map.move(-1, 0),
      ArrowDown: () => this.map.move(1, 0),
    };
    if (!(event.key in keys) || isChord(event)) return;
    event.preventDefault();
    keys[event.key]();
  }

  end() {
    this.command("goodbye");
    this.stop.abort();
    this.resizing?.disconnect();
    this.growing?.disconnect();
    clearInterval(this.watch);
    clearTimeout(this.later);
    this.receipt.end();
    this.model.off("msg:custom", this.onMessage);
  }
}
