// Many rows of a model: the whole, then deltas; the wire form is told in `delta.py`.

const stores = new Map();

/** Begin to listen, before any view exists. `store` has `load`, `apply` and `pack`. */
export function openRows(model, store) {
  const rows = new Rows(model, store);
  stores.set(model.get("_key"), rows);
  return () => {
    clearTimeout(rows.timer);
    stores.delete(model.get("_key"));
  };
}

/** The rows of a model: `.store`, `.seq`, `.listen`. */
export function rowsOf(model) {
  return stores.get(model.get("_key"));
}

class Rows {
  #listeners = new Set();
  #asked = 0;
  #seen = false;

  constructor(model, store) {
    this.model = model;
    this.store = store;
    this.seq = 0;
    this.#load(model.get("_whole"));
    model.on("change:_whole", () => {
      if (!model.get("_whole")?.kept) this.#load(model.get("_whole"));
    });
    model.on("msg:custom", (content) => this.#take(content));
  }

  listen(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Tell the kernel, once, that a view is there. */
  seen() {
    if (this.#seen) return;
    this.#seen = true;
    this.model.send({ ask: "seen" });
  }

  #load(whole) {
    if (!whole) return;
    this.seq = whole.seq;
    this.store.load(whole);
    this.#tell(null);
  }

  #take({ whole, delta }) {
    if (whole) this.#load(whole);
    if (!delta) return;
    if (delta.seq > this.seq + 1) this.#askForWhole();
    this.seq = Math.max(this.seq, delta.seq);
    this.store.apply(delta);
    this.#tell(delta);
    this.#keep();
  }

  #askForWhole() {
    if (Date.now() - this.#asked < 1000) return;
    this.#asked = Date.now();
    this.model.send({ ask: "whole" });
  }

  #tell(delta) {
    for (const listener of this.#listeners) listener(delta);
  }

  // A notebook that is saved now holds the rows as they are now. Nothing is sent.
  #keep() {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.model.set("_whole", { seq: this.seq, ...this.store.pack(), kept: true });
    }, 2000);
  }
}
