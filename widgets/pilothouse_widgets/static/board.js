// What a dashboard shows, kept from the whole and its deltas; `dashboard_board.py` has the form.

const POINTS = 60;
const EVENTS = 200;

export class Board {
  constructor() {
    this.sections = {};
    this.trails = {};
    this.events = [];
    this.now = 0;
    this.skew = 0;
    this.heardAt = 0;
  }

  load({ now, sections, trails, events, kept }) {
    this.sections = {};
    for (const [name, part] of Object.entries(sections)) {
      this.sections[name] = { head: part.head, rows: { ...part.rows }, order: part.order };
    }
    this.trails = Object.fromEntries(
      Object.entries(trails).map(([path, [first, values]]) => [path, { first, values: [...values] }]),
    );
    this.events = [...events];
    if (!kept) this.#hear(now);
    else this.now = now;
  }

  apply({ now, sections = {}, trails = {}, events = [] }) {
    for (const [name, part] of Object.entries(sections)) this.#section(name, part);
    for (const [path, [first, values]] of Object.entries(trails)) this.#trail(path, first, values);
    const known = this.events.at(-1)?.id ?? -1;
    this.events.push(...events.filter((event) => event.id > known));
    this.events.splice(0, this.events.length - EVENTS);
    this.#hear(now);
  }

  pack() {
    const trails = Object.entries(this.trails).map(([path, { first, values }]) => [path, [first, values]]);
    return { now: this.now, sections: this.sections, trails: Object.fromEntries(trails), events: this.events };
  }

  /** The rows of a section in order, each with its key. */
  rows(name) {
    const { rows = {}, order = [] } = this.sections[name] ?? {};
    return order.filter((key) => rows[key]).map((key) => ({ key, ...rows[key] }));
  }

  head(name) {
    return this.sections[name]?.head ?? {};
  }

  trail(section, key) {
    return this.trails[`${section}/${key}`]?.values ?? [];
  }

  /** Seconds since the epoch as the kernel counts them. */
  time() {
    return Date.now() / 1000 - this.skew;
  }

  /** Seconds since the kernel was heard; infinite before that. */
  silence() {
    return this.heardAt ? (Date.now() - this.heardAt) / 1000 : Infinity;
  }

  #hear(now) {
    this.now = now;
    this.skew = Date.now() / 1000 - now;
    this.heardAt = Date.now();
  }

  #section(name, { head = {}, rows = {}, order }) {
    const part = (this.sections[name] ??= { head: {}, rows: {}, order: [] });
    Object.assign(part.head, head);
    for (const [key, fields] of Object.entries(rows)) part.rows[key] = { ...part.rows[key], ...fields };
    if (!order) return;
    part.order = order;
    for (const key of Object.keys(part.rows)) if (!order.includes(key)) delete part.rows[key];
  }

  #trail(path, first, values) {
    const trail = (this.trails[path] ??= { first, values: [] });
    const end = trail.first + trail.values.length;
    if (first > end) Object.assign(trail, { first, values: [...values] });
    else trail.values.push(...values.slice(end - first));
    const over = Math.max(trail.values.length - POINTS, 0);
    trail.values.splice(0, over);
    trail.first += over;
  }
}
