// Instances of an AIMM server: a row each, its buttons, a line for arguments.

import { button, h, icon, perFrame, say, show } from "./dom.js";
import { count, plural, size } from "./format.js";
import { openRows, rowsOf } from "./rows.js";
import { makeRoot } from "./theme.js";

const TONES = { complete: "ok", failed: "bad", cancelled: "warn" };
const WIDTH = 6;
const FEW_ROWS = 8;
const COLUMNS = [
  ["Id", (row) => row.id], ["Model type", (row) => row.type], ["Size", (row) => row.size ?? -1],
  ["Last action", (row) => row.action ?? -1], ["Progress", (row) => row.progress],
];
const SLOW_MS = 1500;
const MOST_OFFERS = 24;
const SHORTCUTS = { fit: "@iris_inputs @iris_outputs epochs=100", predict: "[[5.1, 3.5, 1.4, 0.2]]" };

class Instances {
  constructor() {
    this.rows = new Map();
  }

  load({ rows }) {
    this.rows = new Map(rows.map((row) => [row.id, row]));
  }

  apply({ rows = [], gone = [] }) {
    for (const row of rows) this.rows.set(row.id, { ...this.rows.get(row.id), ...row });
    for (const id of gone) this.rows.delete(id);
  }

  pack() {
    return { rows: [...this.rows.values()] };
  }
}

function initialize({ model }) {
  return openRows(model, new Instances());
}

function render({ model, el, signal }) {
  const table = new Table(model, el, signal);
  return () => table.close();
}

class Table {
  constructor(model, el, signal) {
    this.model = model;
    this.rows = rowsOf(model);
    this.shown = new Map();
    this.sort = null; // {column, down}; by id without
    this.filter = "";
    this.arrange = perFrame(() => this.#arrange());
    this.root = makeRoot(el, { model, kind: "instances", label: model.get("title"), signal });
    this.#build();
    this.stop = this.rows.listen((delta) => this.#place(delta));
    model.on("change", () => this.#draw());
    this.rows.seen();
    this.#place(null);
    this.#draw();
  }

  close() {
    this.stop();
    this.arrange.cancel();
    for (const row of this.shown.values()) clearTimeout(row.slow);
  }

  get(name) {
    return this.model.get(name);
  }

  #build() {
    this.title = h("h3", { class: "ph-title" });
    this.counted = h("span", { class: "ph-muted", role: "status", "aria-live": "polite" });
    this.lost = h("p", { class: "ph-trouble", role: "status" });
    this.trouble = h("p", { class: "ph-trouble", role: "status" });
    this.body = h("tbody");
    this.heads = COLUMNS.map(([text], i) => this.#head(text, i));
    const heads = this.heads.map(({ el }) => el);
    heads.push(h("th", { scope: "col" }, h("span", { class: "ph-sr", text: "Buttons" })));
    this.grid = h("div", { class: "ph-grid-scroll ph-instance-scroll" },
      h("table", { class: "ph-grid" },
        h("caption", { class: "ph-sr", text: "Model instances, with what runs on each" }),
        h("thead", {}, h("tr", {}, ...heads)), this.body));
    this.search = h("input", {
      class: "ph-input", type: "search", "aria-label": "Filter instances", placeholder: "Filter",
      onkeydown: (event) => event.stopPropagation(),
      oninput: () => {
        this.filter = this.search.value.trim().toLowerCase();
        this.arrange();
      },
    });
    this.none = h("p", { class: "ph-empty ph-muted", text: "There are no instances yet." });
    this.making = h("p", { class: "ph-doing", role: "status" });
    this.foot = h("footer", { class: "ph-foot" }, h("i", { class: "ph-dot" }), h("span"));
    this.root.append(
      h("header", { class: "ph-head" }, h("div", { class: "ph-who" }, this.title, this.counted), this.search),
      h("div", { class: "ph-notices" }, this.lost, this.trouble),
      h("div", { class: "ph-instance-body" }, this.grid, this.none, this.making), this.foot,
    );
  }

  #head(text, i) {
    const mark = h("span", { class: "ph-sort", "aria-hidden": "true" });
    const sorter = button({ text, label: `Sort by ${text}`, kind: "ph-quiet", onclick: () => this.#sortBy(i) });
    sorter.append(mark);
    return { mark, el: h("th", { scope: "col", "aria-sort": "none", class: i === 2 ? null : "ph-left" }, sorter) };
  }

  #sortBy(column) {
    if (this.sort?.column !== column) this.sort = { column, down: false };
    else this.sort = this.sort.down ? null : { column, down: true };
    this.heads.forEach(({ el, mark }, i) => {
      const mine = this.sort?.column === i;
      el.setAttribute("aria-sort", !mine ? "none" : this.sort.down ? "descending" : "ascending");
      say(mark, !mine ? "" : this.sort.down ? "▼" : "▲");
    });
    this.arrange();
  }

  #sorted() {
    const { rows } = this.rows.store;
    const ids = [...this.shown.keys()].sort((a, b) => a - b);
    if (!this.sort) return ids;
    const of = COLUMNS[this.sort.column][1];
    const sign = this.sort.down ? -1 : 1;
    return ids.sort((a, b) => {
      const [x, y] = [of(rows.get(a)), of(rows.get(b))];
      return sign * (x < y ? -1 : x > y ? 1 : 0);
    });
  }

  /** Put the rows into their order, and show those that the filter lets pass. */
  #arrange() {
    const { activeElement } = this.body.getRootNode();
    let next = this.body.firstElementChild;
    let passed = 0;
    for (const id of this.#sorted()) {
      const row = this.shown.get(id);
      const passes = row.matches(this.filter);
      passed += passes;
      row.hide(!passes);
      if (row.el === next) next = row.more.nextElementSibling;
      else {
        this.body.insertBefore(row.el, next);
        this.body.insertBefore(row.more, next);
      }
    }
    if (activeElement && this.body.contains(activeElement)) activeElement.focus({ preventScroll: true });
    this.passed = passed;
    this.#count();
  }

  // -- rows ------------------------------------------------------------------------------

  #place(delta) {
    const { rows } = this.rows.store;
    for (const [id, row] of this.shown) {
      if (rows.has(id)) continue;
      const focused = row.hasFocus();
      row.end();
      this.shown.delete(id);
      if (focused) [...this.shown.values()][0]?.fit.focus();
    }
    const changed = delta ? (delta.rows ?? []).map(({ id }) => id) : [...rows.keys()];
    for (const id of changed) this.#row(id).draw(rows.get(id));
    this.root.dataset.rows = rows.size;
    show(this.search, rows.size > FEW_ROWS || this.filter !== "");
    if (this.filter || this.sort || !delta) this.arrange();
    show(this.none, rows.size === 0);
    show(this.grid, rows.size > 0);
    this.#count();
  }

  #row(id) {
    const known = this.shown.get(id);
    if (known) return known;
    const row = new Row(id, this.model);
    // Ids only grow, so a new row is mostly the last one; else it is put into its place.
    if (this.last > id || this.sort || this.filter) this.arrange();
    this.last = Math.max(id, this.last ?? id);
    this.body.append(row.el, row.more);
    this.shown.set(id, row);
    return row;
  }

  #count() {
    const all = [...this.rows.store.rows.values()];
    const running = all.filter(({ runs }) => runs).length;
    const amount = this.filter ? `${count(this.passed ?? 0)} of ${plural(all.length, "instance")}` : plural(all.length, "instance");
    say(this.counted, amount + (running ? `, ${plural(running, "action")} under way` : ""));
  }

  #draw() {
    const connection = this.get("connection");
    const ready = connection === "ready";
    say(this.title, this.get("title"));
    const lost = { lost: "Connection lost, trying again. What is shown is what was known last.",
      closed: "The connection is closed. What is shown is what was known last; %aimm watch shows what is there now." }[connection] ?? "";
    say(this.lost, lost);
    say(this.trouble, this.get("trouble"));
    for (const one of [this.lost, this.trouble]) show(one, one.textContent !== "");
    const making = this.get("making");
    say(this.making, making.length ? `Being made: ${making.join("; ")}` : "");
    show(this.making, making.length > 0);
    this.root.dataset.connection = connection;
    this.foot.dataset.tone = ready ? "ok" : connection === "lost" ? "warn" : "idle";
    say(this.foot.lastChild, [this.get("place"), connection].filter(Boolean).join(", "));
    show(this.foot, this.get("place") !== "");
    for (const row of this.shown.values()) row.draw(row.data);
  }
}

/** One instance: its line, and below it what was opened and what was said. */
class Row {
  constructor(id, model) {
    Object.assign(this, { id, model });
    this.el = h("tr", { "data-id": id });
    this.kind = h("td", { class: "ph-left ph-instance-type" });
    this.size = h("td");
    this.call = h("td", { class: "ph-left" });
    this.fill = h("div", { class: "ph-fill" });
    this.track = h("div", {
      class: "ph-track", role: "progressbar", "aria-label": `progress of instance ${id}`,
      "aria-valuemin": 0, "aria-valuemax": 100,
    }, this.fill);
    this.word = h("span", { class: "ph-instance-word" });
    this.words = h("span", { class: "ph-muted ph-instance-words" });
    const progress = h("td", { class: "ph-left ph-instance-progress" },
      h("div", { class: "ph-instance-told" }, this.word, this.words), this.track);
    this.buttons = h("td", { class: "ph-instance-buttons" });
    this.fit = this.#button("fit", "Fit", () => this.#open("fit"));
    this.predict = this.#button("predict", "Predict", () => this.#open("predict"));
    this.cancel = this.#button("cancel", "Cancel", () => this.#cancel());
    this.remove = this.#button("delete", "Delete", () => this.#confirm(true));
    this.buttons.append(h("div", {}, this.cancel, this.fit, this.predict, this.remove));
    this.el.append(h("th", { scope: "row", text: String(id) }), this.kind, this.size, this.call, progress, this.buttons);
    this.more = h("tr", { class: "ph-instance-more", hidden: true },
      h("td", { colspan: WIDTH, class: "ph-left" }, this.#line(), this.#sure(), this.#told()));
    this.data = null;
    this.opened = "";
  }

  #button(act, text, onclick) {
    const made = button({ text, kind: act === "cancel" ? "" : "ph-quiet", onclick });
    made.setAttribute("aria-label", `${text} instance ${this.id}`);
    made.dataset.act = act;
    return made;
  }

  #line() {
    this.label = h("label", { class: "ph-instance-label", for: `ph-line-${this.model.get("_key")}-${this.id}` });
    this.input = h("input", {
      id: `ph-line-${this.model.get("_key")}-${this.id}`, class: "ph-input ph-mono", type: "text",
      autocomplete: "off", spellcheck: "false",
      onkeydown: (event) => {
        event.stopPropagation();
        if (event.key === "Enter") this.#go();
        if (event.key === "Escape") this.#shut();
      },
    });
    this.go = button({ text: "Fit", kind: "ph-primary", onclick: () => this.#go() });
    this.go.dataset.act = "go";
    this.no = button({ text: "Close", kind: "ph-quiet", onclick: () => this.#shut() });
    this.offers = h("div", { class: "ph-instance-offers", role: "group", "aria-label": "Data of the server" });
    this.form = h("div", { class: "ph-instance-line", hidden: true },
      h("div", { class: "ph-instance-entry" }, this.label, this.input, this.go, this.no), this.offers);
    return this.form;
  }

  #sure() {
    this.yes = button({ text: "Delete it", kind: "ph-danger", onclick: () => { this.#confirm(false); this.#ask("delete"); } });
    this.yes.dataset.act = "confirm";
    this.keep = button({ text: "Keep it", onclick: () => this.#confirm(false) });
    this.question = h("div", {
      class: "ph-sure", role: "alertdialog", "aria-label": `Delete instance ${this.id}?`, hidden: true,
      onkeydown: (event) => event.key === "Escape" && this.#confirm(false),
    }, icon("warn"), h("span", { text: `Instance ${this.id} is removed from the server for good.` }),
    h("span", { class: "ph-sure-buttons" }, this.yes, this.keep));
    return this.question;
  }

  #told() {
    this.said = h("p", { class: "ph-instance-said", role: "status" });
    this.refused = h("p", { class: "ph-trouble ph-refused", role: "alert" });
    return h("div", {}, this.said, this.refused);
  }

  matches(filter) {
    if (!filter) return true;
    const { id, type, call, progress, words, error } = this.data;
    return [id, type, call, progress.replaceAll("_", " "), words, error].join(" ").toLowerCase().includes(filter);
  }

  hide(hidden) {
    if (this.hidden === hidden) return;
    this.hidden = hidden;
    this.el.hidden = hidden;
    this.#arrange();
  }

  hasFocus() {
    const { activeElement } = this.el.getRootNode();
    return this.el.contains(activeElement) || this.more.contains(activeElement);
  }

  end() {
    clearTimeout(this.slow);
    this.el.remove();
    this.more.remove();
  }

  // -- what the user does -----------------------------------------------------------------

  #open(call) {
    if (this.opened === call) return this.#shut();
    this.#confirm(false, false);
    this.opened = call;
    say(this.label, `Arguments of ${call}`);
    say(this.go.lastChild, call === "fit" ? "Fit" : "Predict");
    this.input.placeholder = SHORTCUTS[call];
    this.#drawOffers();
    this.#arrange();
    this.input.focus();
    return undefined;
  }

  #shut() {
    const back = this.opened === "predict" ? this.predict : this.fit;
    this.opened = "";
    this.#arrange();
    back.focus();
  }

  #go() {
    if (this.go.disabled) return;
    const line = this.input.value;
    this.#ask(this.opened, { line });
  }

  #cancel() {
    this.cancel.disabled = true;
    this.#ask("cancel", { action: this.data.action });
  }

  #confirm(asking, focus = true) {
    if (asking) this.opened = "";
    show(this.question, asking);
    this.#arrange();
    if (focus) (asking ? this.keep : this.remove).focus();
  }

  #ask(what, more = {}) {
    this.model.send({ ask: what, id: this.id, ...more });
    this.waiting = true;
    clearTimeout(this.slow);
    this.slow = setTimeout(() => {
      if (!this.waiting) return;
      say(this.said, "The click waits for the running cell to end.");
      this.#arrange();
    }, SLOW_MS);
  }

  // -- drawing ------------------------------------------------------------------------------

  draw(data) {
    if (!data) return;
    const get = (name) => this.model.get(name);
    const told = data.said_as !== this.data?.said_as || data.said !== this.data?.said;
    if (told || data.action !== this.data?.action || data.progress !== this.data?.progress) this.waiting = false;
    this.data = data;
    const can = get("acts") && get("connection") === "ready";
    this.el.dataset.progress = data.progress;
    say(this.kind, data.type);
    this.kind.title = data.type;
    say(this.size, data.size === null ? "–" : size(data.size));
    say(this.call, data.call || "–");
    this.#drawProgress(data);
    for (const one of [this.fit, this.predict, this.remove]) show(one, get("acts"));
    for (const one of [this.fit, this.predict, this.remove, this.go, this.yes]) one.disabled = !can;
    show(this.remove, get("deletes"));
    show(this.cancel, get("cancels") && data.runs);
    this.cancel.disabled = !can || (this.cancel.disabled && this.waiting);
    this.#drawOffers();
    if (!this.waiting) {
      say(this.said, data.said_as === "refused" ? "" : data.said);
      this.said.dataset.as = data.said_as;
      say(this.refused, data.said_as === "refused" ? data.said : "");
    }
    this.#arrange();
  }

  #drawProgress({ progress, runs, done, total, words, error, waiting }) {
    const fraction = progress === "complete" ? 1 : total ? Math.min(done / total, 1) : null;
    const amount = total === 1 && !Number.isInteger(done) ? `${Math.round(done * 100)} %`
      : total ? `${count(done)} of ${count(total)}` : done ? count(done) : "";
    this.el.dataset.tone = TONES[progress] ?? (runs ? "run" : "idle");
    say(this.word, progress.replaceAll("_", " "));
    const more = [runs || progress !== "complete" ? amount : "", error || words, waiting ? `${count(waiting)} more waiting` : ""];
    say(this.words, more.filter(Boolean).join(", "));
    this.words.title = error || words;
    show(this.track, runs);
    this.track.classList.toggle("ph-unknown", runs && fraction === null);
    this.fill.style.width = fraction === null ? "" : `${fraction * 100}%`;
    if (fraction === null) this.track.removeAttribute("aria-valuenow");
    else this.track.setAttribute("aria-valuenow", String(Math.round(fraction * 100)));
  }

  #drawOffers() {
    if (!this.opened) return;
    const offers = this.model.get("offers").slice(0, MOST_OFFERS);
    const key = offers.join(" ");
    if (this.offers.dataset.key === key) return;
    this.offers.dataset.key = key;
    this.offers.replaceChildren(...offers.map((name) => button({
      text: name, kind: "ph-pill ph-mono", onclick: () => this.#insert(name),
    })));
    show(this.offers, offers.length > 0);
  }

  #insert(name) {
    const { input } = this;
    const [start, end] = [input.selectionStart, input.selectionEnd];
    const before = input.value.slice(0, start);
    const text = `${before && !/\s$/.test(before) ? " " : ""}${name} `;
    input.setRangeText(text, start, end, "end");
    input.focus();
  }

  #arrange() {
    show(this.form, this.opened !== "");
    this.fit.setAttribute("aria-expanded", String(this.opened === "fit"));
    this.predict.setAttribute("aria-expanded", String(this.opened === "predict"));
    show(this.said, this.said.textContent !== "");
    show(this.refused, this.refused.textContent !== "");
    show(this.more, !this.hidden && [this.form, this.question, this.said, this.refused].some((one) => !one.hidden));
    this.el.classList.toggle("ph-instance-open", !this.more.hidden);
  }
}

export default { initialize, render };
