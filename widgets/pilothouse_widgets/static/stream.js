// One window for each model, shared by its views; tells the kernel what was painted.

import { Points } from "./points.js";

const streams = new Map();
const ACK_MS = 1000;
const KEEP_MS = 2000;

/** Begin to listen, before any view exists; returns what ends it. */
export function openStream(model, series) {
  const stream = new Stream(model, series);
  streams.set(model.get("_key"), stream);
  return () => {
    stream.close();
    streams.delete(model.get("_key"));
  };
}

/** The window of a model. */
export function streamOf(model) {
  return streams.get(model.get("_key"));
}

class Stream {
  #model;
  #listeners = new Set();
  #acked = -1;
  #ackTimer = 0;
  #keepTimer = 0;
  #asked = 0;

  constructor(model, series) {
    this.#model = model;
    this.points = new Points(series, model.get("points"), model.get("span"));
    this.heard = 0;
    this.#load(model.get("_window"));
    model.on("change:_window", () => this.#reload());
    model.on("change:series", () => this.#resize());
    model.on("msg:custom", (content, buffers) => this.#take(content, buffers));
  }

  listen(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close() {
    clearTimeout(this.#ackTimer);
    clearTimeout(this.#keepTimer);
  }

  /** Tell the kernel, at most once a second, what is on the screen. */
  painted(seq) {
    if (seq <= this.#acked || this.#ackTimer) return;
    const tell = () => {
      this.#ackTimer = 0;
      this.#acked = this.points.seq;
      this.#model.send({ ask: "painted", seq: this.#acked });
    };
    if (this.#acked < 0) tell();
    else this.#ackTimer = setTimeout(tell, ACK_MS);
  }

  #resize() {
    const series = this.#model.get("series").length;
    this.points = new Points(series, this.#model.get("points"), this.#model.get("span"));
  }

  #load(window) {
    if (window?.data) this.points.load(window, window.data);
  }

  #reload() {
    const window = this.#model.get("_window");
    if (window?.kept) return;
    this.#load(window);
    this.#tell();
  }

  #take(content, buffers) {
    if (content.window) this.points.load(content.window, buffers[0]);
    else if (!content.append) return;
    else if (!this.points.append(content.append, buffers[0])) this.#askForWindow();
    this.heard = Date.now();
    this.#tell();
    this.#keep();
  }

  #askForWindow() {
    if (Date.now() - this.#asked < 1000) return;
    this.#asked = Date.now();
    this.#model.send({ ask: "window" });
  }

  #tell() {
    for (const listener of this.#listeners) listener();
  }

  // A notebook that is saved now holds the window as it is now. Nothing is sent.
  #keep() {
    if (this.#keepTimer) return;
    this.#keepTimer = setTimeout(() => {
      this.#keepTimer = 0;
      this.#model.set("_window", { ...packed(this.points), kept: true });
    }, KEEP_MS);
  }
}

function packed(points) {
  const blocks = [];
  const parts = [];
  points.rings.forEach((ring, index) => {
    if (!ring.length) return;
    const x = ring.x.subarray(ring.start, ring.end);
    blocks.push([[index], [ring.total - ring.length], ring.length, x[0], "d"]);
    const pairs = Math.ceil(ring.length / 2) * 2;
    const narrow = new Float32Array(pairs);
    x.forEach((value, i) => (narrow[i] = value - x[0]));
    parts.push(new Uint8Array(narrow.buffer));
    parts.push(new Uint8Array(ring.y.slice(ring.start, ring.end).buffer));
  });
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return { seq: points.seq, blocks, data: new DataView(bytes.buffer) };
}
