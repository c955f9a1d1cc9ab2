// The tiles of a dashboard: what each kind of row says at a glance.

import { h, say, show, uniqueId } from "./dom.js";
import { count, duration, number, plural, quantity } from "./format.js";
import { makeSpark } from "./spark.js";

const ENGINE = { RUNNING: "ok", PAUSED: "warn", INIT: "idle", FINISHING: "done", FINISHED: "done", ERROR: "bad" };
const SERVICE = { up: "ok", down: "bad", refused: "warn", none: "idle", asking: "idle" };
const WORDS = { up: "up", down: "down", refused: "refused", none: "not known", asking: "asking" };
const WORK = {
  running: "run", scheduled: "idle", sent: "idle", done: "ok", finished: "ok", complete: "ok", failed: "bad",
  lost: "bad", cancelled: "warn", interrupted: "warn", detached: "warn",
};
const LATE = 5;

/** A word with its shape and colour. */
function makeState() {
  const word = h("span");
  const el = h("span", { class: "ph-state" }, h("i", { class: "ph-dot", "aria-hidden": "true" }), word);
  return { el, draw: (tone, text) => { el.dataset.tone = tone; say(word, text); } };
}

/** Two lines: what it is, and what there is to know of it. */
function makeWho() {
  const name = h("b", { class: "ph-row-name" });
  const state = makeState();
  const more = h("span", { class: "ph-row-more" });
  const el = h("span", { class: "ph-row-who" }, h("span", { class: "ph-row-first" }, name, state.el), more);
  return { el, name, state, more };
}

/** A number that counts, and a quieter line below it. */
function makeFigure() {
  const value = h("b", { class: "ph-row-value" });
  const below = h("span", { class: "ph-row-more" });
  return { el: h("span", { class: "ph-row-figure" }, value, below), value, below };
}

function makeTrack() {
  const fill = h("span", { class: "ph-fill" });
  const el = h("span", { class: "ph-track", "aria-hidden": "true" }, fill);
  const draw = (fraction, busy) => {
    el.classList.toggle("ph-unknown", busy && fraction === null);
    fill.style.width = fraction === null ? "" : `${Math.min(fraction, 1) * 100}%`;
  };
  return { el, draw };
}

/** A row of a tile that opens on a click or Enter. */
function makeRow(parts, open) {
  const button = h("button", { type: "button", class: "ph-row" }, ...parts);
  button.addEventListener("click", () => open(button));
  return { el: h("li", {}, button), button };
}

export function serviceCard(open) {
  const title = h("b", { class: "ph-row-name" });
  const state = makeState();
  const value = h("b", { class: "ph-card-value" });
  const unit = h("span", { class: "ph-card-unit" });
  const where = h("span", { class: "ph-row-more" });
  const spark = makeSpark();
  const { el, button } = makeRow([
    h("span", { class: "ph-row-first" }, title, state.el),
    h("span", { class: "ph-card-figure" }, h("span", {}, value, unit), spark.el),
    where,
  ], open);
  const draw = (row, { board, time }) => {
    const age = row.at ? Math.max(time - row.at, 0) : null;
    const late = row.state === "up" && age !== null && age > LATE;
    const up = row.state === "up" && !late;
    button.dataset.state = late ? "late" : row.state;
    button.classList.toggle("ph-stale", !up);
    state.draw(late ? "warn" : SERVICE[row.state] ?? "idle", late ? "slow" : WORDS[row.state] ?? row.state);
    say(title, row.title ?? row.name);
    const known = row.ms !== undefined && row.ms !== null;
    say(value, known && row.state !== "none" ? (row.ms < 10 ? row.ms.toFixed(1) : row.ms.toFixed(0)) : "–");
    say(unit, known && row.state !== "none" ? " ms" : "");
    spark.draw(board.trail("services", row.key));
    say(where, whereOf(row, up, age));
    button.title = [row.url, row.origin, row.why, row.hint].filter(Boolean).join("\n");
    button.disabled = row.state !== "up";
  };
  return { el, button, draw };
}

function whereOf(row, up, age) {
  if (row.state === "none") return "no place known: %pilot up";
  if (row.state === "asking") return hostOf(row.url) || "looking for it";
  if (up) return [hostOf(row.url), row.version].filter(Boolean).join(" · ");
  if (row.state === "refused") return row.why;
  return age === null ? "no answer yet, retrying" : `seen ${ago(age)}, retrying`;
}

/** An age in whole seconds. */
export function ago(seconds) {
  return `${seconds < 60 ? `${Math.floor(seconds)} s` : duration(Math.floor(seconds))} ago`;
}

function hostOf(url) {
  try {
    return new URL(url).host;
  } catch {
    return url ?? "";
  }
}

export function engineRow(open) {
  const who = makeWho();
  const spark = makeSpark();
  const rate = makeFigure();
  const { el, button } = makeRow([who.el, spark.el, rate.el], open);
  const draw = (row, { board }) => {
    const known = row.state !== "";
    say(who.name, row.name);
    const lost = row.link === "lost";
    who.state.draw(lost ? "bad" : ENGINE[row.state] ?? "idle", known ? row.state.toLowerCase() : lost ? "no answer" : "asking");
    say(who.more, !known ? "" : row.error || (row.model
      ? [row.model, row.mtype, plural(row.jets, "jet")].filter(Boolean).join(" · ")
      : `%%model NAME --deploy ${row.name}`));
    who.more.classList.toggle("ph-mono", known && !row.error && !row.model);
    who.more.classList.toggle("ph-bad", Boolean(row.error));
    spark.draw(board.trail("engines", row.key));
    say(rate.value, known ? `${number(row.rate)} rec/s` : "–");
    const rejected = row.rejected ? `${count(row.rejected)} rejected` : "";
    say(rate.below, known ? rejected || `${count(row.total)} seen` : "");
    rate.below.classList.toggle("ph-bad", Boolean(rejected));
  };
  return { el, button, draw };
}

export function instanceRow(open) {
  const who = makeWho();
  const track = makeTrack();
  const figure = makeFigure();
  const { el, button } = makeRow([who.el, track.el, figure.el], open);
  const draw = (row) => {
    say(who.name, `${row.id} · ${row.type}`);
    const word = row.progress.replaceAll("_", " ");
    const tone = WORK[row.progress] ?? (row.runs ? "run" : "idle");
    who.state.draw(tone, row.call ? `${row.call} ${word}` : "idle");
    const bytes = row.size === null ? "" : quantity(row.size, "B");
    const waiting = row.waiting ? `${count(row.waiting)} more waiting` : "";
    say(who.more, row.error || [row.runs ? "" : bytes, row.words, waiting].filter(Boolean).join(" · "));
    who.more.classList.toggle("ph-bad", Boolean(row.error));
    const fraction = row.total ? Math.min(row.done / row.total, 1) : null;
    show(track.el, row.runs);
    button.dataset.tone = row.runs ? "run" : "";
    track.draw(fraction, row.runs);
    const part = row.total === 1 || !row.total ? "" : `${count(row.done)} of ${count(row.total)}`;
    say(figure.value, row.runs ? (fraction === null ? "" : `${Math.floor(fraction * 100)} %`) : "");
    say(figure.below, row.runs ? part : "");
  };
  return { el, button, draw };
}

export function runRow(open) {
  const who = makeWho();
  const track = makeTrack();
  const spark = makeSpark();
  const figure = makeFigure();
  const middle = h("span", { class: "ph-row-middle" }, track.el, spark.el);
  const { el, button } = makeRow([who.el, middle, figure.el], open);
  const draw = (row, { board }) => {
    const fraction = row.total ? row.done / row.total : null;
    say(who.name, row.label);
    who.state.draw(WORK[row.state] ?? "idle", row.state);
    const failed = row.failed ? `${count(row.failed)} failed` : "";
    const items = row.total ? `${count(row.done)} of ${plural(row.total, "item")}` : plural(row.done, "item");
    const workers = row.busy && row.workers ? plural(row.workers, "worker") : "";
    say(who.more, [items, failed, workers, row.text].filter(Boolean).join(" · "));
    button.dataset.tone = row.busy ? "run" : WORK[row.state] ?? "";
    show(track.el, row.busy || fraction !== null);
    track.draw(row.state === "done" ? 1 : fraction, row.busy);
    show(spark.el, row.busy);
    spark.draw(board.trail("runs", row.key));
    const took = row.seconds === null ? "" : duration(row.seconds);
    say(figure.value, row.busy
      ? fraction === null ? `${number(row.rate)}/s` : `${Math.floor(fraction * 100)} %`
      : took);
    say(figure.below, !row.busy ? took && "in all" : [fraction === null ? "" : `${number(row.rate)}/s`,
      row.eta === null ? "" : `${duration(row.eta)} left`].filter(Boolean).join(", "));
  };
  return { el, button, draw };
}

export function measurementRow(open) {
  const who = makeWho();
  const spark = makeSpark();
  const figure = makeFigure();
  const { el, button } = makeRow([who.el, spark.el, figure.el], open);
  const draw = (row, { board, time }) => {
    say(who.name, row.label);
    const tone = row.state === "running" ? "run" : WORK[row.state] ?? "idle";
    who.state.draw(tone, row.state);
    const rows = row.rows === null ? "" : plural(row.rows, "row");
    say(who.more, [left(row, time), rows, row.busy ? row.scope : "", row.mine && row.busy ? "" : row.text].filter(Boolean).join(" · "));
    spark.draw(board.trail("measurements", row.key));
    const [first, ...others] = row.latest;
    say(figure.value, first ? shown(first[1], first[2]) : row.mine ? "–" : "");
    say(figure.below, first ? first[0] : row.mine ? `no value${row.busy ? " yet" : ""}` : "");
    button.title = [first, ...others].filter(Boolean).map(([name, value, unit]) => `${name} ${shown(value, unit)}`).join("\n");
    button.disabled = !row.mine;
  };
  return { el, button, draw };
}

function left(row, time) {
  if (!row.busy) return "";
  if (row.starts && row.starts > time) return `begins in ${duration(Math.ceil(row.starts - time))}`;
  if (!row.ends) return "";
  return row.ends > time ? `${duration(Math.ceil(row.ends - time))} left` : "waits for its result";
}

function shown(value, unit) {
  if (typeof value !== "number") return `${value}`;
  return unit === "us" || unit === "ms" ? duration(value / (unit === "us" ? 1e6 : 1e3)) : quantity(value, unit);
}

/** A list of rows by key; elements stay, so that focus does. */
export class Rows {
  constructor(el, make) {
    this.el = el;
    this.make = make;
    this.items = new Map();
  }

  draw(rows, context) {
    const wanted = new Set(rows.map((row) => row.key));
    for (const [key, item] of this.items) {
      if (wanted.has(key)) continue;
      item.el.remove();
      this.items.delete(key);
    }
    const focused = this.el.getRootNode().activeElement;
    rows.forEach((row, i) => {
      let item = this.items.get(row.key);
      if (!item) {
        item = this.make(row.key);
        item.el.dataset.key = row.key;
        this.items.set(row.key, item);
      }
      item.draw(row, context);
      if (this.el.children[i] !== item.el) this.el.insertBefore(item.el, this.el.children[i] ?? null);
    });
    if (this.el.contains(focused)) focused.focus({ preventScroll: true });
  }
}

/** One tile: a heading, a few words, rows, or what to type when there are none. */
export class Tile {
  constructor({ name, title, make, empty, action, shown = 6 }) {
    Object.assign(this, { name, shown, empty });
    this.id = uniqueId("tile");
    this.words = h("span", { class: "ph-tile-words" });
    this.list = h("ul", { class: "ph-rows-list" });
    this.rows = new Rows(this.list, make);
    this.none = h("p", { class: "ph-tile-none" });
    this.skeleton = h("div", { class: "ph-skeleton", "aria-hidden": "true" }, h("i"), h("i"), h("i"));
    this.more = h("button", { type: "button", class: "ph-button ph-quiet ph-tile-more", onclick: () => this.#toggle() });
    this.el = h("section", { class: `ph-panel-tile ph-at-${name}`, "aria-labelledby": this.id, "data-tile": name },
      h("header", { class: "ph-tile-head" }, h("h4", { id: this.id, text: title }), this.words, action ?? null),
      this.list, this.none, this.skeleton, this.more);
  }

  draw(rows, { words, empty, asking, stale, total }, context) {
    this.last = [rows, { words, empty, asking, stale, total }, context];
    say(this.words, words);
    const some = this.all ? rows : rows.slice(0, this.shown);
    this.rows.draw(some, context);
    show(this.list, some.length > 0);
    show(this.skeleton, asking && !rows.length);
    show(this.none, !asking && !rows.length);
    if (!rows.length) this.#say(empty);
    this.el.classList.toggle("ph-stale", stale);
    const hidden = rows.length - some.length;
    const beyond = Math.max((total ?? rows.length) - rows.length, 0);
    show(this.more, rows.length > this.shown || beyond > 0);
    this.more.disabled = rows.length <= this.shown;
    say(this.more, this.all ? `Show fewer${beyond ? ` (${count(beyond)} more are not listed)` : ""}` : `${count(hidden + beyond)} more`);
  }

  #toggle() {
    this.all = !this.all;
    this.draw(...this.last);
  }

  /** Words with what to type in a fixed font: `parts` alternate. */
  #say(parts) {
    const key = parts.join("|");
    if (this.none.dataset.key === key) return;
    this.none.dataset.key = key;
    this.none.replaceChildren(...parts.map((part, i) => (i % 2 ? h("code", { text: part }) : h("span", { text: part }))));
  }
}

