// The events of a dashboard: the newest first, by severity and text.

import { h, icon, say, show } from "./dom.js";
import { clock, count, plural } from "./format.js";

const LEVELS = [[64, "all events"], [32, "notices and worse"], [16, "warnings and worse"], [8, "errors only"]];
const SHOWN = 100;

function toneOf(level) {
  if (level <= 8) return ["bad", "error"];
  if (level <= 16) return ["warn", "warning"];
  return level <= 32 ? ["done", "notice"] : ["idle", "info"];
}

export class Events {
  constructor({ action }) {
    this.items = new Map();
    this.levels = h("select", { class: "ph-input", "aria-label": "Severity", onchange: () => this.#redraw() },
      ...LEVELS.map(([level, text]) => h("option", { value: level, text })));
    this.search = h("input", {
      type: "search", class: "ph-input", placeholder: "Filter events", "aria-label": "Filter events",
      oninput: () => this.#redraw(),
      onkeydown: (event) => event.stopPropagation(),
    });
    this.words = h("span", { class: "ph-tile-words" });
    this.list = h("ol");
    this.log = h("div", {
      class: "ph-event-list", role: "log", "aria-live": "off", "aria-label": "Events, the newest first", tabindex: "0",
    }, this.list);
    this.none = h("p", { class: "ph-tile-none" });
    this.el = h("section", { class: "ph-panel-tile ph-at-events", "aria-label": "Events", "data-tile": "events" },
      h("header", { class: "ph-tile-head" }, h("h4", { text: "Events" }), this.words,
        h("span", { class: "ph-event-filters" }, this.levels,
          h("span", { class: "ph-search" }, icon("search"), this.search), action)),
      this.log, this.none);
  }

  draw(events) {
    this.events = events;
    this.#redraw();
  }

  #redraw() {
    const events = this.events ?? [];
    const level = Number(this.levels.value);
    const wanted = this.search.value.trim().toLowerCase();
    const passes = (event) => (event.level <= level || level === 64)
      && (!wanted || `${event.src} ${event.text}`.toLowerCase().includes(wanted));
    const shown = events.filter(passes).slice(-SHOWN).sort((a, b) => b.at - a.at || b.id - a.id);
    const keep = new Set(shown.map((event) => event.id));
    for (const [id, item] of this.items) {
      if (keep.has(id)) continue;
      item.remove();
      this.items.delete(id);
    }
    shown.forEach((event, i) => {
      let item = this.items.get(event.id);
      if (!item) this.items.set(event.id, (item = this.#item(event)));
      if (this.list.children[i] !== item) this.list.insertBefore(item, this.list.children[i] ?? null);
    });
    const errors = events.filter((event) => event.level <= 8).length;
    say(this.words, [count(events.length), errors ? plural(errors, "error") : ""].filter(Boolean).join(" · "));
    show(this.none, shown.length === 0);
    show(this.log, shown.length > 0);
    say(this.none, events.length ? "No event passes the filter." : "Nothing has happened yet.");
  }

  #item(event) {
    const [tone, word] = toneOf(event.level);
    const time = h("time", { class: "ph-event-time", text: clock(event.at) });
    time.title = new Date(event.at * 1000).toISOString();
    return h("li", { class: "ph-event", "data-tone": tone },
      time,
      h("span", { class: "ph-event-level" }, h("i", { class: "ph-dot", "aria-hidden": "true" }), h("span", { text: word })),
      h("span", { class: "ph-event-src", text: event.src }),
      h("span", { class: "ph-event-text", text: event.text }));
  }
}
