// The Pneumo console: a bounded log with filters.

import { button, h, icon, perFrame, relabel, say, show } from "./dom.js";
import { clock, count, duration, plural } from "./format.js";
import { openRows, rowsOf } from "./rows.js";
import { makeRoot } from "./theme.js";

const KIND = { "model-console": "console", "engine-state": "state", "engine-config": "config", "model-error": "error", "sensor-report": "sensor" };
const KINDS = {
  log: "log", "model-console": "console", "engine-state": "state", "engine-config": "config",
  "model-error": "errors", "sensor-report": "sensors", health: "health",
};
const LEVELS = [
  [128, "all levels"], [64, "info and worse"], [32, "notice and worse"],
  [16, "warnings and worse"], [8, "errors only"],
];
const NAMES = { 128: "debug", 64: "info", 32: "notice", 16: "warning", 8: "error", 4: "critical", 2: "alert", 1: "emergency" };
const NEAR = 40;

class Lines {
  constructor(limit) {
    this.limit = limit;
    this.lines = [];
  }

  load({ lines }) {
    this.lines = lines.slice(-this.limit);
  }

  apply({ lines = [] }) {
    const known = this.lines.at(-1)?.id ?? -1;
    this.lines.push(...lines.filter((line) => line.id > known));
    if (this.lines.length > this.limit) this.lines.splice(0, this.lines.length - this.limit);
  }

  pack() {
    return { lines: this.lines };
  }
}

function initialize({ model }) {
  return openRows(model, new Lines(model.get("limit")));
}

function render({ model, el, signal }) {
  const view = new Console(model, el, signal);
  return () => view.close();
}

class Console {
  constructor(model, el, signal) {
    this.model = model;
    this.rows = rowsOf(model);
    this.hidden = new Set(["sensor-report"]);
    this.source = "";
    this.level = model.get("level");
    this.text = model.get("text");
    this.relative = false;
    this.paused = false;
    this.follow = true;
    this.items = new Map();
    this.root = makeRoot(el, { model, kind: "console", label: "Pneumo messages", signal });
    this.#build();
    this.paint = perFrame(() => this.#draw());
    this.stop = this.rows.listen(() => this.paint());
    model.on("change", () => this.#words());
    this.ticking = setInterval(() => this.relative && this.#retime(), 2000);
    this.#words();
    this.paint();
  }

  close() {
    this.stop();
    this.paint.cancel();
    clearInterval(this.ticking);
  }

  // -- elements -------------------------------------------------------------------------

  #build() {
    this.state = h("span", { class: "ph-badge" }, h("i", { class: "ph-dot" }), h("span"));
    this.live = h("div", { class: "ph-sr", role: "status", "aria-live": "polite" });
    this.about = h("span", { class: "ph-muted" });
    this.pause = button({ text: "Pause", icon: "pause", onclick: () => this.#pause() });
    this.times = button({
      text: "Ago", label: "Show times as an age", pressed: false, onclick: () => this.#swapTimes(),
    });
    this.sources = h("select", {
      class: "ph-input", "aria-label": "Source",
      onchange: () => this.#refilter(() => (this.source = this.sources.value)),
    }, h("option", { value: "", text: "all sources" }));
    this.levels = h("select", {
      class: "ph-input", "aria-label": "Level",
      onchange: () => this.#refilter(() => (this.level = Number(this.levels.value))),
    }, ...LEVELS.map(([level, text]) => h("option", { value: level, text })));
    this.levels.value = String(LEVELS.find(([level]) => level <= this.level)?.[0] ?? 8);
    this.search = h("input", {
      type: "search", class: "ph-input", placeholder: "Find text", "aria-label": "Find text",
      oninput: () => this.#refilter(() => (this.text = this.search.value)),
    });
    this.search.value = this.text;
    this.chips = h("div", { class: "ph-chips", role: "group", "aria-label": "Kinds of messages" });
    this.chip = {};
    this.list = h("ol", {
      class: "ph-log", "aria-label": "Messages", tabindex: "0",
      onscroll: () => this.#scrolled(), onkeydown: (event) => this.#key(event),
    });
    this.empty = h("p", { class: "ph-empty ph-muted" });
    this.newest = button({ text: "Newest", icon: "down", kind: "ph-newest", onclick: () => this.#toEnd() });
    this.counted = h("span", { class: "ph-muted" });
    this.lost = h("p", { class: "ph-trouble" });
    this.root.append(
      h("header", { class: "ph-head" },
        h("div", { class: "ph-who" }, h("h3", { class: "ph-title", text: "Pneumo" }), this.state, this.about),
        h("div", { class: "ph-controls" }, this.times, this.pause)),
      h("div", { class: "ph-bar" }, this.sources, this.levels,
        h("span", { class: "ph-search" }, icon("search"), this.search), this.counted),
      this.chips,
      this.lost,
      h("div", { class: "ph-log-box" }, this.list, this.empty, this.newest),
      this.live,
    );
  }

  // -- what the user does ----------------------------------------------------------------

  #refilter(change) {
    change();
    this.items.clear();
    this.list.replaceChildren();
    this.paint();
  }

  #pause() {
    this.paused = !this.paused;
    this.pausedAt = this.rows.store.lines.at(-1)?.id ?? -1;
    if (!this.paused) this.follow = true;
    this.paint();
  }

  #swapTimes() {
    this.relative = !this.relative;
    this.times.setAttribute("aria-pressed", String(this.relative));
    this.#retime();
  }

  #toEnd() {
    this.follow = true;
    this.list.scrollTop = this.list.scrollHeight;
    this.paint();
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.list;
    this.follow = scrollHeight - scrollTop - clientHeight < NEAR;
    show(this.newest, !this.follow);
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = [...this.list.children].indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at < 0 ? this.list.children.length - 1 : at - 1 }[event.key];
    if (to !== undefined) this.list.children[to]?.focus();
    else if (event.key === "End") this.#toEnd();
    else if (event.key === "Home") this.list.scrollTop = 0;
    else if (event.key === " " && event.target === this.list) this.#pause();
    else if (event.key === "Enter" && at >= 0) this.#unfold(this.list.children[at]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #unfold(item) {
    const details = item.querySelector("details");
    if (details) details.open = !details.open;
  }

  // -- drawing ------------------------------------------------------------------------------

  #words() {
    const link = this.model.get("link");
    this.state.dataset.tone = link === "live" ? "ok" : link === "lost" ? "warn" : "idle";
    say(this.state.lastChild, link.toUpperCase());
    const lost = link === "lost" ? `Connection lost, trying again. ${this.model.get("link_text")}` : "";
    say(this.lost, lost || this.model.get("trouble"));
    show(this.lost, this.lost.textContent !== "");
    say(this.about, this.model.get("about"));
    say(this.live, this.model.get("status"));
  }

  #draw() {
    const { lines } = this.rows.store;
    const held = this.paused ? lines.filter((line) => line.id > this.pausedAt).length : 0;
    const upTo = this.paused ? lines.slice(0, lines.length - held) : lines;
    this.#drawFilters(lines);
    const shown = upTo.filter((line) => this.#passes(line));
    this.#drawList(shown);
    say(this.counted, shown.length === lines.length
      ? plural(lines.length, "message")
      : `${count(shown.length)} of ${plural(lines.length, "message")}`);
    say(this.empty, lines.length ? "No message passes the filters." : "No messages yet.");
    show(this.empty, shown.length === 0);
    relabel(this.pause, this.paused
      ? { icon: "play", text: held ? `Resume (${count(held)} new)` : "Resume" }
      : { icon: "pause", text: "Pause" });
    this.root.dataset.seq = this.rows.seq;
    this.#announce(lines);
    this.rows.seen();
  }

  #passes(line) {
    if (this.hidden.has(line.type) || line.level > this.level) return false;
    if (this.source && line.src !== this.source) return false;
    const wanted = this.text.trim().toLowerCase();
    return !wanted || `${line.src} ${line.text} ${line.more}`.toLowerCase().includes(wanted);
  }

  #drawFilters(lines) {
    const counts = {};
    const sources = new Set();
    for (const line of lines) {
      counts[line.type] = (counts[line.type] ?? 0) + 1;
      sources.add(line.src);
    }
    for (const [type, n] of Object.entries(counts)) {
      this.chip[type] ??= this.#makeChip(type);
      say(this.chip[type].lastChild, ` ${count(n)}`);
    }
    const known = new Set([...this.sources.options].map((option) => option.value));
    for (const src of sources) {
      if (!known.has(src)) this.sources.append(h("option", { value: src, text: src }));
    }
  }

  #makeChip(type) {
    const chip = h(
      "button",
      {
        type: "button", class: "ph-chip", "data-type": type,
        "aria-pressed": String(!this.hidden.has(type)), title: type,
        onclick: () => {
          if (!this.hidden.delete(type)) this.hidden.add(type);
          chip.setAttribute("aria-pressed", String(!this.hidden.has(type)));
          this.#refilter(() => {});
        },
      },
      h("span", { text: KINDS[type] ?? type }),
      h("span", { class: "ph-chip-count" }),
    );
    this.chips.append(chip);
    return chip;
  }

  #drawList(shown) {
    const wanted = new Set(shown.map((line) => line.id));
    for (const [id, item] of this.items) {
      if (!wanted.has(id)) {
        item.remove();
        this.items.delete(id);
      }
    }
    for (const line of shown) {
      if (this.items.has(line.id)) continue;
      const item = this.#item(line);
      this.items.set(line.id, item);
      this.list.append(item);
    }
    if (this.follow && !this.paused) this.list.scrollTop = this.list.scrollHeight;
    show(this.newest, !this.follow);
  }

  #item(line) {
    const bad = line.level <= 8;
    const time = h("time", { class: "ph-log-time", "data-at": line.at, text: this.#time(line.at) });
    time.title = new Date(line.at * 1000).toISOString();
    const level = line.type === "log" ? h("span", { class: "ph-log-level", text: NAMES[line.level] ?? line.level }) : null;
    const kind = h("span", { class: "ph-log-kind", text: KIND[line.type] ?? line.type });
    const text = h("span", { class: "ph-log-text" }, level, line.text);
    const body = line.more
      ? h("details", { open: line.type === "model-error" }, h("summary", {}, text), h("pre", { class: "ph-code", text: line.more }))
      : text;
    return h(
      "li",
      { class: "ph-log-line", tabindex: "-1", "data-type": line.type, "data-level": line.level,
        "data-tone": bad ? "bad" : line.level <= 16 ? "warn" : null },
      time, h("span", { class: "ph-log-src", text: line.src }), kind, body,
    );
  }

  #time(at) {
    if (!this.relative) return clock(at, 1);
    return `${duration(Math.max(0, Date.now() / 1000 - at))} ago`;
  }

  #retime() {
    for (const time of this.list.querySelectorAll("time")) {
      say(time, this.#time(Number(time.dataset.at)));
    }
  }

  /** Errors are read out; the rest of the log is not. */
  #announce(lines) {
    const last = lines.findLast((line) => line.type === "model-error");
    if (!last || last.id === this.announced) return;
    const first = this.announced === undefined && this.rows.seq === 0;
    this.announced = last.id;
    if (!first) say(this.live, `model error on ${last.src}: ${last.text}`);
  }
}

export default { initialize, render };
