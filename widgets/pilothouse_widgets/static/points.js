// The browser's copy of a rolling window; the wire form is told in `window.py`.

/** The newest points of several series. */
export class Points {
  constructor(series, capacity, span) {
    this.capacity = capacity;
    this.span = span;
    this.seq = 0;
    this.rings = Array.from({ length: series }, () => new Ring(capacity));
  }

  /** Take a whole window. */
  load({ seq, blocks }, data) {
    this.seq = seq;
    for (const ring of this.rings) ring.clear();
    this.#take(blocks, data);
  }

  /** Take an append; false when points before it are missing. */
  append({ seq, blocks }, data) {
    this.seq = Math.max(seq, this.seq);
    return this.#take(blocks, data);
  }

  #take(blocks, data) {
    const bytes = data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength);
    let offset = 0;
    let whole = true;
    const next = (Type, length) => {
      const column = new Type(bytes, offset, length);
      offset += Math.ceil(column.byteLength / 8) * 8;
      return column;
    };
    for (const [series, first, length, x0, kind] of blocks) {
      const x = Float64Array.from(next(Float32Array, length), (dx) => x0 + dx);
      series.forEach((index, i) => {
        const y = next(kind === "f" ? Float32Array : Float64Array, length);
        whole = this.rings[index].add(first[i], x, y) && whole;
      });
    }
    return whole;
  }

  get empty() {
    return this.rings.every((ring) => ring.length === 0);
  }

  /** First and last x over all series. */
  extent() {
    let low = Infinity;
    let high = -Infinity;
    for (const ring of this.rings) {
      if (!ring.length) continue;
      low = Math.min(low, ring.x[ring.start]);
      high = Math.max(high, ring.x[ring.end - 1]);
    }
    return [this.span ? Math.max(low, high - this.span) : low, high];
  }
}

class Ring {
  constructor(capacity) {
    this.capacity = capacity;
    this.x = new Float64Array(Math.min(1024, 2 * capacity));
    this.y = new Float64Array(this.x.length);
    this.clear();
  }

  clear() {
    this.end = 0;
    this.total = null;
  }

  get start() {
    return Math.max(this.end - this.capacity, 0);
  }

  get length() {
    return this.end - this.start;
  }

  get last() {
    return this.end ? this.y[this.end - 1] : NaN;
  }

  add(first, x, y) {
    const known = this.total ?? first;
    const skip = Math.min(Math.max(known - first, 0), x.length);
    const fresh = x.length - skip;
    this.#room(fresh);
    this.x.set(x.subarray(skip), this.end);
    this.y.set(y.subarray(skip), this.end);
    this.end += fresh;
    this.total = Math.max(known, first + x.length);
    return first <= known;
  }

  #room(fresh) {
    if (this.end + fresh <= this.x.length) return;
    if (this.x.length < 2 * this.capacity) {
      const length = Math.min(2 * this.capacity, 2 * (this.end + fresh));
      this.x = grown(this.x, length);
      this.y = grown(this.y, length);
      if (this.end + fresh <= length) return;
    }
    const keep = Math.min(this.capacity - fresh, this.end);
    this.x.copyWithin(0, this.end - keep, this.end);
    this.y.copyWithin(0, this.end - keep, this.end);
    this.end = keep;
  }

  /** Index of the first point at or after x. */
  find(x) {
    let low = this.start;
    let high = this.end;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.x[middle] < x) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Index of the point nearest to x, or -1. */
  nearest(x) {
    if (!this.length) return -1;
    const at = this.find(x);
    if (at >= this.end) return this.end - 1;
    if (at > this.start && x - this.x[at - 1] < this.x[at] - x) return at - 1;
    return at;
  }
}

function grown(column, length) {
  const longer = new Float64Array(length);
  longer.set(column);
  return longer;
}
