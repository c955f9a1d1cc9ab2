// A line plot on a canvas: axes, legend, readout, zoom, pause, keyboard, table.

import { byteScale, markWords, roundRange, scaled, ticks } from "./axis.js";
import { button, h, perFrame, relabel, say, show, uniqueId } from "./dom.js";
import { clock, count, duration, number, quantity } from "./format.js";
import { dot, drawGrid, linePath, RIGHT, rule, toX, toY, xMarks } from "./paint.js";
import { tokens } from "./theme.js";

const TOP = 10;
const BOTTOM = 22;
const TABLE_ROWS = 20;
const KEYS =
  "Arrow left and right read the points, plus and minus zoom, shift and arrows pan, " +
  "space pauses, escape follows the newest data again.";

export class Plot {
  /** `stream` has `.points`; `series` is [{label, unit}]; `axis` "time" or "number". */
  constructor({ root, stream, series, axis, unit, xLabel = "", label, signal, height }) {
    Object.assign(this, { root, stream, series, axis, unit, xLabel, label });
    this.hidden = new Set();
    this.view = null; // [low, high] while zoomed or paused; null follows the newest
    this.paused = false;
    this.cursor = null;
    this.drag = null;
    this.seenSeq = 0;
    this.paint = perFrame(() => this.#draw());
    this.#build(height);
    this.#listen(signal);
    this.retheme();
  }

  /** The stylesheet may come after the first frame. */
  #styled() {
    this.tokens = tokens(this.root);
    if (this.tokens.series[0]) this.retheme();
    else setTimeout(this.paint, 50);
  }

  retheme() {
    this.tokens = tokens(this.root);
    this.legend.forEach((entry, i) => {
      entry.swatch.style.background = this.#colour(i);
    });
    this.paint();
  }

  // -- elements ---------------------------------------------------------------------

  #build(height) {
    const id = uniqueId("plot");
    this.legend = this.series.map((line, i) => this.#legendEntry(line, i));
    this.pauseButton = button({
      label: "Pause the chart", icon: "pause", kind: "ph-quiet", onclick: () => this.pause(),
    });
    this.fitButton = button({
      label: "Follow the newest data", icon: "fit", kind: "ph-quiet", onclick: () => this.follow(),
    });
    this.tableButton = button({
      label: "Show the numbers as a table", icon: "table", kind: "ph-quiet",
      pressed: false, onclick: () => this.toggleTable(),
    });
    this.canvas = h("canvas", {
      class: "ph-canvas", tabindex: "0", role: "img", "aria-describedby": `${id}-keys`,
    });
    this.readout = h("div", { class: "ph-readout", hidden: true });
    this.spoken = h("div", { class: "ph-sr", "aria-live": "polite" });
    this.note = h("span", { class: "ph-plot-note" });
    this.stage = h("div", { class: "ph-stage" }, this.canvas, this.readout);
    if (height) this.stage.style.height = `${height}px`;
    this.table = h("div", { class: "ph-plot-table", hidden: true });
    this.el = h(
      "div",
      { class: "ph-plot" },
      h(
        "div",
        { class: "ph-plot-bar" },
        h("span", { class: "ph-unit", text: this.unit }),
        h("div", { class: "ph-legend" }, ...this.legend.map((entry) => entry.el)),
        this.note,
        h("div", { class: "ph-tools" }, this.pauseButton, this.fitButton, this.tableButton),
      ),
      this.stage,
      ...(this.xLabel ? [h("div", { class: "ph-x-label", text: this.xLabel })] : []),
      this.table,
      this.spoken,
      h("div", { class: "ph-sr", id: `${id}-keys`, text: KEYS }),
    );
  }

  #legendEntry(line, i) {
    const swatch = h("i", { class: "ph-swatch" });
    const value = h("b", { class: "ph-value" });
    const el = h(
      "button",
      {
        type: "button", class: "ph-legend-entry", "aria-pressed": "true",
        title: `Show or hide ${line.label}`, onclick: () => this.#toggle(i),
      },
      swatch,
      h("span", { text: line.label }),
      value,
    );
    return { el, swatch, value };
  }

  #toggle(i) {
    if (this.hidden.has(i)) this.hidden.delete(i);
    else this.hidden.add(i);
    this.legend[i].el.setAttribute("aria-pressed", String(!this.hidden.has(i)));
    this.paint();
  }

  #colour(i) {
    return this.tokens.series[i % this.tokens.series.length];
  }

  #shown() {
    return this.series.map((_, i) => i).filter((i) => !this.hidden.has(i));
  }

  // -- what the user does ------------------------------------------------------------

  pause() {
    this.paused = !this.paused;
    this.view = this.paused ? this.#range() : null;
    this.seenSeq = this.stream.points.seq;
    this.paint();
  }

  follow() {
    this.view = null;
    this.paused = false;
    this.#readAt(null);
    this.paint();
  }

  zoom(factor, around) {
    const [low, high] = this.#range();
    const centre = around ?? (this.cursor === null ? high : this.cursor);
    const [first, last] = this.stream.points.extent();
    const next = [centre - (centre - low) * factor, centre + (high - centre) * factor];
    if (next[0] <= first && next[1] >= last) this.follow();
    else if (next[1] - next[0] > 1e-6) this.view = next;
    this.paint();
  }

  pan(fraction) {
    const [low, high] = this.#range();
    const by = (high - low) * fraction;
    this.view = [low + by, high + by];
    this.paint();
  }

  toggleTable() {
    show(this.table, this.table.hidden);
    this.tableButton.setAttribute("aria-pressed", String(!this.table.hidden));
    this.paint();
  }

  #listen(signal) {
    const on = (type, act, options = {}) =>
      this.canvas.addEventListener(type, act, { signal, ...options });
    on("pointermove", (event) => this.#moved(event));
    on("pointerleave", () => this.drag || this.#readAt(null));
    on("pointerdown", (event) => this.#pressed(event));
    on("pointerup", (event) => this.#released(event));
    on("dblclick", () => this.follow());
    on("wheel", (event) => this.#wheeled(event), { passive: false });
    on("keydown", (event) => this.#key(event));
    on("blur", () => this.#readAt(null));
    const resized = new ResizeObserver(() => this.paint());
    resized.observe(this.stage);
    signal.addEventListener("abort", () => {
      resized.disconnect();
      this.paint.cancel();
    });
  }

  #moved(event) {
    const x = this.#xAt(event);
    if (this.drag) {
      this.drag.to = x;
      if (this.drag.pan) {
        const by = this.drag.from - x;
        this.view = [this.view[0] + by, this.view[1] + by];
      }
    }
    this.#readAt(x);
  }

  #pressed(event) {
    if (event.button !== 0 || !this.frame) return;
    this.canvas.setPointerCapture(event.pointerId);
    const x = this.#xAt(event);
    this.drag = { from: x, to: x, pan: event.shiftKey };
    if (event.shiftKey) this.view = this.#range();
  }

  #released() {
    const drag = this.drag;
    this.drag = null;
    if (drag && !drag.pan && this.frame) {
      const [low, high] = [Math.min(drag.from, drag.to), Math.max(drag.from, drag.to)];
      const range = this.#range();
      if (high - low > (range[1] - range[0]) * 0.02) this.view = [low, high];
    }
    this.paint();
  }

  #wheeled(event) {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    this.zoom(event.deltaY > 0 ? 1.25 : 0.8, this.#xAt(event));
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const acts = {
      ArrowLeft: () => (event.shiftKey ? this.pan(-0.2) : this.#step(-1)),
      ArrowRight: () => (event.shiftKey ? this.pan(0.2) : this.#step(1)),
      Home: () => this.#readAt(this.#range()[0], true),
      End: () => this.#readAt(this.#range()[1], true),
      "+": () => this.zoom(0.7),
      "=": () => this.zoom(0.7),
      "-": () => this.zoom(1 / 0.7),
      " ": () => this.pause(),
      Escape: () => this.follow(),
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    acts[event.key]();
  }

  #step(by) {
    const ring = this.#leader();
    if (!ring) return;
    const [low, high] = this.#range();
    const at = ring.nearest(this.cursor ?? high);
    const next = Math.min(Math.max(at + by, ring.find(low)), ring.find(high));
    this.#readAt(ring.x[Math.min(next, ring.end - 1)], true);
  }

  #leader() {
    const rings = this.#shown().map((i) => this.stream.points.rings[i]);
    return rings.reduce((best, ring) => (ring.length > (best?.length ?? 0) ? ring : best), null);
  }

  #readAt(x, aloud = false) {
    this.cursor = x;
    if (aloud) {
      const values = this.#values(x).map(({ label, text }) => `${label} ${text}`);
      say(this.spoken, `${this.#xText(x, true)}: ${values.join(", ")}`);
    }
    this.paint();
  }

  // -- drawing ---------------------------------------------------------------------------

  #range() {
    if (this.view) return this.view;
    const [low, high] = this.stream.points.extent();
    if (!Number.isFinite(low)) return [0, 1];
    const least = this.stream.points.span / 6 || (high - low) * 0.01 || 1;
    return [Math.min(low, high - least), high];
  }

  #xAt(event) {
    if (!this.frame) return null;
    const { left, width, low, high } = this.frame;
    const at = (event.clientX - this.canvas.getBoundingClientRect().left - left) / width;
    return low + Math.min(Math.max(at, 0), 1) * (high - low);
  }

  #draw() {
    const box = this.stage.getBoundingClientRect();
    if (box.width < 10) return;
    if (!this.tokens.series[0]) this.#styled();
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(box.width * ratio), Math.round(box.height * ratio)];
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    const pen = this.canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, box.width, box.height);
    pen.font = `11px ${this.tokens.font}`;
    if (this.stream.points.empty) this.#empty(pen, box);
    else this.#lines(pen, box);
    this.#words();
    if (!this.table.hidden) this.#fillTable();
    const seq = this.stream.points.seq;
    this.el.dataset.seq = seq;
    this.el.dataset.points = this.stream.points.rings.map((ring) => ring.total ?? 0).join(" ");
    this.el.dataset.painted = Number(this.el.dataset.painted ?? 0) + 1;
    this.stream.painted?.(seq);
  }

  #empty(pen, box) {
    this.frame = null;
    pen.fillStyle = this.tokens.muted;
    pen.textAlign = "center";
    pen.fillText("waiting for data", box.width / 2, box.height / 2);
  }

  #lines(pen, box) {
    const [low, high] = this.#range();
    const inner = box.height - TOP - BOTTOM;
    const most = Math.max(2, Math.floor(inner / 34));
    const [least, greatest] = this.#yExtent(low, high);
    const bytes = byteScale(greatest, this.unit);
    const one = bytes?.[0] ?? 1;
    const y = scaled(roundRange(least / one, greatest / one, most, this.unit.endsWith("/s")), one);
    const marks = ticks(y.low, y.high, y.by);
    const words = markWords(marks, y.by, bytes);
    const left = Math.max(...words.map((text) => pen.measureText(text).width), 18) + 12;
    const frame = { left, top: TOP, width: box.width - left - RIGHT, height: inner, low, high, y };
    this.frame = frame;
    drawGrid(pen, frame, marks.map((mark, i) => [mark, words[i]]), xMarks(frame, this.axis), this.tokens);
    pen.save();
    pen.beginPath();
    pen.rect(left, 0, frame.width + RIGHT, box.height - BOTTOM + 2);
    pen.clip();
    for (const i of this.#shown()) this.#line(pen, frame, i);
    pen.restore();
    this.#selection(pen, frame);
    this.#pointer(pen, frame);
  }

  #yExtent(low, high) {
    let least = Infinity;
    let most = -Infinity;
    for (const i of this.#shown()) {
      const ring = this.stream.points.rings[i];
      const end = Math.min(ring.find(high) + 1, ring.end);
      for (let at = Math.max(ring.find(low) - 1, ring.start); at < end; at += 1) {
        const value = ring.y[at];
        if (value - value !== 0) continue; // neither a gap nor an infinity has a place
        if (value < least) least = value;
        if (value > most) most = value;
      }
    }
    return [least, most];
  }

  #line(pen, frame, i) {
    const ring = this.stream.points.rings[i];
    const path = linePath(ring, frame);
    if (!path) return;
    pen.strokeStyle = this.#colour(i);
    pen.lineWidth = i === 0 ? 3 : 1.5; // two lines of the same values stay both visible
    pen.lineJoin = "round";
    pen.lineCap = "round";
    pen.stroke(path);
    this.#tip(pen, frame, ring, i);
  }

  #tip(pen, frame, ring, i) {
    const at = ring.end - 1;
    if (this.view || !(ring.y[at] === ring.y[at])) return;
    pen.fillStyle = this.#colour(i);
    dot(pen, toX(frame, ring.x[at]), toY(frame, ring.y[at]), 2.6);
  }

  #selection(pen, frame) {
    if (!this.drag || this.drag.pan) return;
    const [a, b] = [toX(frame, this.drag.from), toX(frame, this.drag.to)];
    pen.globalAlpha = 0.15;
    pen.fillStyle = this.tokens.accent;
    pen.fillRect(Math.min(a, b), frame.top, Math.abs(b - a), frame.height);
    pen.globalAlpha = 1;
  }

  #pointer(pen, frame) {
    const values = this.cursor === null ? [] : this.#values(this.cursor);
    show(this.readout, values.length > 0);
    if (!values.length) return;
    const x = values[0].x;
    const at = toX(frame, x);
    pen.strokeStyle = this.tokens.muted;
    pen.setLineDash([3, 3]);
    rule(pen, Math.round(at) + 0.5, frame.top, Math.round(at) + 0.5, frame.top + frame.height);
    pen.setLineDash([]);
    for (const { index, value, x: own } of values) {
      if (value !== value) continue;
      pen.fillStyle = this.tokens.surface;
      dot(pen, toX(frame, own), toY(frame, value), 5);
      pen.fillStyle = this.#colour(index);
      dot(pen, toX(frame, own), toY(frame, value), 3.5);
    }
    this.#showReadout(frame, at, x, values);
  }

  #showReadout(frame, at, x, values) {
    const rows = values.map(({ index, label, text }) => {
      const swatch = h("i", { class: "ph-swatch" });
      swatch.style.background = this.#colour(index);
      return h("div", { class: "ph-readout-row" }, swatch, h("span", { text: label }), h("b", { text }));
    });
    this.readout.replaceChildren(h("div", { class: "ph-readout-x", text: this.#xText(x, true) }), ...rows);
    const width = this.readout.offsetWidth;
    const right = at + 12 + width < frame.left + frame.width;
    this.readout.style.left = `${Math.max(0, right ? at + 12 : at - 12 - width)}px`;
  }

  #values(x) {
    const found = [];
    for (const index of this.#shown()) {
      const ring = this.stream.points.rings[index];
      const at = ring.nearest(x);
      if (at < 0) continue;
      const { label, unit } = this.series[index];
      const value = ring.y[at];
      found.push({ index, label, x: ring.x[at], value, text: quantity(value, unit) });
    }
    return found;
  }

  #xText(x, fine) {
    return this.axis === "time" ? clock(x, fine ? 1 : 0) : number(x);
  }

  // -- words ---------------------------------------------------------------------------

  #words() {
    const { points } = this.stream;
    const parts = this.series.map((line, i) => {
      const text = quantity(points.rings[i].last, line.unit);
      say(this.legend[i].value, text);
      return `${line.label} ${text}`;
    });
    const [low, high] = this.#range();
    const span = this.axis === "time" ? `, ${duration(high - low)}` : "";
    const label = `${this.label}${span}: ${parts.join(", ")}`;
    if (document.activeElement !== this.canvas) this.canvas.setAttribute("aria-label", label);
    const missed = points.seq - this.seenSeq;
    const paused = this.paused ? `paused, ${count(missed)} newer` : "";
    say(this.note, paused || (this.view ? "zoomed" : ""));
    relabel(this.pauseButton, this.paused
      ? { icon: "play", label: "Resume the chart" }
      : { icon: "pause", label: "Pause the chart" });
    show(this.fitButton, this.view !== null);
  }

  #fillTable() {
    const ring = this.#leader();
    if (!ring || Date.now() - (this.filled ?? 0) < 900) return;
    this.filled = Date.now();
    const shown = this.#shown();
    const head = shown.map((i) => {
      const { label, unit } = this.series[i];
      return h("th", { scope: "col", text: unit ? `${label} (${unit})` : label });
    });
    const rows = [];
    const high = this.view ? ring.find(this.view[1]) : ring.end;
    for (let at = high - 1; at >= Math.max(ring.start, high - TABLE_ROWS); at -= 1) {
      const values = this.#values(ring.x[at]);
      rows.push(h("tr", {}, h("th", { scope: "row", text: this.#xText(ring.x[at], true) }),
        ...values.map(({ text }) => h("td", { text }))));
    }
    this.table.replaceChildren(h(
      "table",
      { class: "ph-grid" },
      h("caption", { class: "ph-sr", text: `${this.label}, newest first` }),
      h("thead", {}, h("tr", {}, h("th", { scope: "col", text: this.xLabel || (this.axis === "time" ? "time" : "x") }), ...head)),
      h("tbody", {}, ...rows),
    ));
  }
}
