// A live table: rows in sight only, cell deltas, sort, filter, keyboard.

import { button, h, icon, perFrame, say, show, uniqueId } from "./dom.js";
import { clock, count, duration, number, plural, size } from "./format.js";
import { openRows, rowsOf } from "./rows.js";
import { makeRoot } from "./theme.js";

const ROW = 26;
const SPARE = 6;
const FORMS = { number, count, size, duration, time: clock };

class Cells {
  constructor() {
    this.rows = new Map();
  }

  load({ rows }) {
    this.rows = new Map(rows.map(([id, ...values]) => [id, values]));
  }

  apply({ cells = [], rows = [], gone = [] }) {
    for (const [id, ...values] of rows) this.rows.set(id, values);
    for (const [id, ...pairs] of cells) {
      const row = this.rows.get(id);
      for (let i = 0; row && i < pairs.length; i += 2) row[pairs[i]] = pairs[i + 1];
    }
    for (const id of gone) this.rows.delete(id);
  }

  pack() {
    return { rows: [...this.rows].map(([id, values]) => [id, ...values]) };
  }
}

function initialize({ model }) {
  return openRows(model, new Cells());
}

function render({ model, el, signal }) {
  const grid = new Grid(model, el, signal);
  return () => grid.close();
}

class Grid {
  constructor(model, el, signal) {
    this.columns = model.get("columns");
    this.rows = rowsOf(model);
    this.sort = null; // {column, down}
    this.filter = "";
    this.order = [];
    this.active = { row: 0, column: 0 };
    this.flashes = new Map();
    this.tr = new Map();
    const title = model.get("title");
    this.root = makeRoot(el, { model, kind: "table", label: title || "table", signal });
    this.#build(title, model.get("height"));
    this.paint = perFrame(() => this.#draw());
    this.stop = this.rows.listen((delta) => this.#changed(delta));
    const words = () => {
      say(this.trouble, model.get("trouble"));
      show(this.trouble, Boolean(model.get("trouble")));
    };
    model.on("change:trouble", words);
    words();
    this.resized = new ResizeObserver(() => this.paint());
    this.resized.observe(this.scroll);
    this.#arrange();
  }

  close() {
    this.stop();
    this.paint.cancel();
    this.resized.disconnect();
  }

  #build(title, height) {
    this.search = h("input", {
      type: "search", class: "ph-input", placeholder: "Filter rows", "aria-label": "Filter rows",
      oninput: () => {
        this.filter = this.search.value.trim().toLowerCase();
        this.scroll.scrollTop = 0;
        this.#arrange();
      },
    });
    this.counted = h("span", { class: "ph-muted", role: "status", "aria-live": "polite" });
    this.heads = this.columns.map((column, i) => this.#head(column, i));
    this.body = h("tbody");
    this.above = h("tr", { class: "ph-pad", "aria-hidden": "true" }, h("td", { colspan: this.columns.length }));
    this.below = h("tr", { class: "ph-pad", "aria-hidden": "true" }, h("td", { colspan: this.columns.length }));
    this.grid = h(
      "table",
      {
        class: "ph-grid ph-virtual", role: "grid", tabindex: "0",
        "aria-label": title || "table", "aria-colcount": this.columns.length,
        onkeydown: (event) => this.#key(event), onclick: (event) => this.#clicked(event),
      },
      h("thead", {}, h("tr", { role: "row", "aria-rowindex": 1 }, ...this.heads.map((head) => head.el))),
      this.body,
    );
    this.scroll = h("div", { class: "ph-grid-scroll", onscroll: () => this.paint() }, this.grid);
    this.scroll.style.maxHeight = `${height}px`;
    this.trouble = h("p", { class: "ph-trouble", role: "status" });
    this.root.append(
      ...(title ? [h("h3", { class: "ph-title", text: title })] : []),
      h("div", { class: "ph-bar" }, h("span", { class: "ph-search" }, icon("search"), this.search), this.counted),
      this.scroll,
      this.trouble,
    );
  }

  #head(column, i) {
    const mark = h("span", { class: "ph-sort", "aria-hidden": "true" });
    const text = column.unit ? `${column.label} (${column.unit})` : column.label;
    const sorter = button({ text, label: `Sort by ${column.label}`, kind: "ph-quiet", onclick: () => this.#sortBy(i) });
    sorter.append(mark);
    const el = h("th", { role: "columnheader", scope: "col", "aria-sort": "none" }, sorter);
    el.classList.toggle("ph-left", column.kind === "text");
    return { el, mark };
  }

  // -- what is shown, and in which order ---------------------------------------------

  #sortBy(column) {
    if (this.sort?.column !== column) this.sort = { column, down: false };
    else if (!this.sort.down) this.sort = { column, down: true };
    else this.sort = null;
    this.heads.forEach(({ el, mark }, i) => {
      const mine = this.sort?.column === i;
      el.setAttribute("aria-sort", !mine ? "none" : this.sort.down ? "descending" : "ascending");
      say(mark, !mine ? "" : this.sort.down ? "▼" : "▲");
    });
    this.#arrange();
  }

  #changed(delta) {
    const now = performance.now();
    for (const [id, ...pairs] of delta?.cells ?? []) {
      for (let i = 0; i < pairs.length; i += 2) this.flashes.set(`${id}:${pairs[i]}`, now);
    }
    const reorders = !delta || delta.rows || delta.gone || this.filter || this.sort;
    if (reorders) this.#arrange();
    else this.paint();
  }

  #arrange() {
    const { rows } = this.rows.store;
    let ids = [...rows.keys()];
    if (this.filter) ids = ids.filter((id) => this.#matches(rows.get(id)));
    if (this.sort) ids.sort((a, b) => this.#compare(rows.get(a), rows.get(b)));
    this.order = ids;
    this.active.row = Math.min(this.active.row, Math.max(ids.length - 1, 0));
    const all = plural(rows.size, "row");
    say(this.counted, this.filter ? `${count(ids.length)} of ${all}` : all);
    this.grid.setAttribute("aria-rowcount", String(ids.length + 1));
    this.paint();
  }

  #matches(values) {
    return this.columns.some((column, i) => text(column, values[i]).toLowerCase().includes(this.filter));
  }

  #compare(a, b) {
    const { column, down } = this.sort;
    const [x, y] = [a[column], b[column]];
    if (x === null || y === null) return (x === null) - (y === null);
    const order = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y));
    return down ? -order : order;
  }

  // -- drawing -------------------------------------------------------------------------

  #draw() {
    const view = this.scroll.clientHeight || 360;
    const first = Math.max(0, Math.floor(this.scroll.scrollTop / ROW) - SPARE);
    const last = Math.min(this.order.length, first + Math.ceil(view / ROW) + 2 * SPARE);
    this.above.firstChild.style.height = `${first * ROW}px`;
    this.below.firstChild.style.height = `${(this.order.length - last) * ROW}px`;
    const shown = this.order.slice(first, last);
    const wanted = new Set(shown);
    for (const [id, row] of this.tr) {
      if (!wanted.has(id)) {
        row.remove();
        this.tr.delete(id);
      }
    }
    const elements = shown.map((id, i) => this.#row(id, first + i));
    this.body.replaceChildren(this.above, ...elements, this.below);
    this.flashes.clear();
    this.root.dataset.seq = this.rows.seq;
    this.rows.seen();
  }

  #row(id, at) {
    const values = this.rows.store.rows.get(id);
    let row = this.tr.get(id);
    if (!row) {
      row = h("tr", { role: "row" }, ...this.columns.map((column) => {
        const cell = h("td", { role: "gridcell" });
        cell.classList.toggle("ph-left", column.kind === "text");
        return cell;
      }));
      this.tr.set(id, row);
    }
    row.setAttribute("aria-rowindex", String(at + 2));
    this.columns.forEach((column, i) => {
      const cell = row.children[i];
      say(cell, text(column, values[i]));
      if (this.flashes.has(`${id}:${i}`)) flash(cell);
      const active = at === this.active.row && i === this.active.column;
      cell.classList.toggle("ph-active", active);
      if (active) this.#point(cell);
    });
    return row;
  }

  #point(cell) {
    cell.id ||= uniqueId("cell");
    this.grid.setAttribute("aria-activedescendant", cell.id);
  }

  // -- keyboard and mouse ----------------------------------------------------------------

  #key(event) {
    if (event.target !== this.grid || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(this.scroll.clientHeight / ROW) - 2);
    const last = this.order.length - 1;
    const { row, column } = this.active;
    const to = {
      ArrowUp: [row - 1, column], ArrowDown: [row + 1, column],
      ArrowLeft: [row, column - 1], ArrowRight: [row, column + 1],
      PageUp: [row - page, column], PageDown: [row + page, column],
      Home: event.ctrlKey ? [0, column] : [row, 0],
      End: event.ctrlKey ? [last, column] : [row, this.columns.length - 1],
    }[event.key];
    if (event.key === "Enter") this.#sortBy(column);
    else if (to) this.#go(...to);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #go(row, column) {
    this.active = {
      row: Math.min(Math.max(row, 0), Math.max(this.order.length - 1, 0)),
      column: Math.min(Math.max(column, 0), this.columns.length - 1),
    };
    const head = this.heads[0].el.offsetHeight;
    const top = this.active.row * ROW;
    const room = this.scroll.clientHeight - head - ROW;
    if (top < this.scroll.scrollTop) this.scroll.scrollTop = top;
    if (top > this.scroll.scrollTop + room) this.scroll.scrollTop = top - room;
    this.paint();
  }

  #clicked(event) {
    const cell = event.target.closest("td[role=gridcell]");
    if (!cell) return;
    const row = Number(cell.parentElement.getAttribute("aria-rowindex")) - 2;
    this.#go(row, [...cell.parentElement.children].indexOf(cell));
  }
}

function text(column, value) {
  if (value === null || value === undefined) return "";
  const form = typeof value === "number" ? FORMS[column.kind] : null;
  return form ? form(value) : String(value);
}

function flash(cell) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  cell.getAnimations().forEach((one) => one.cancel());
  const colour = getComputedStyle(cell).getPropertyValue("--ph-flash");
  cell.animate([{ backgroundColor: colour }, { backgroundColor: "transparent" }], 900);
}

export default { initialize, render };
