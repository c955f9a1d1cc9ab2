// The monitor of one engine.

import { button, h, icon, relabel, say, show } from "./dom.js";
import { clock, count, number, plural, size } from "./format.js";
import { Plot } from "./plot.js";
import { openStream, streamOf } from "./stream.js";
import { makeRoot } from "./theme.js";

const TONES = {
  RUNNING: "ok", PAUSED: "warn", PIGGING: "ok", FINISHING: "done", FINISHED: "done",
  ERROR: "bad", INIT: "idle",
};
const SLOW_MS = 1200;
const QUIET_MS = 12000;

function initialize({ model }) {
  return openStream(model, model.get("series").length);
}

function render({ model, el, signal }) {
  const monitor = new Monitor(model, el, signal);
  return () => monitor.close();
}

class Monitor {
  constructor(model, el, signal) {
    this.model = model;
    this.signal = signal;
    this.root = makeRoot(el, {
      model,
      kind: "engine",
      label: `Engine ${model.get("name")}`,
      signal,
      onTheme: () => this.plot?.retheme(),
    });
    this.stream = streamOf(model);
    this.root.append(
      this.#header(), this.#confirmation(), this.#notices(), this.#tiles(),
      this.#chart(), this.#details(), this.#failure(), this.#footer(),
    );
    this.stopListening = this.stream.listen(() => this.plot.paint());
    model.on("change", () => this.draw());
    model.on("change:series", () => this.#replot());
    this.quiet = setInterval(() => this.#foot(), 1000);
    this.draw();
  }

  close() {
    clearInterval(this.quiet);
    clearTimeout(this.slow);
    this.stopListening();
  }

  get(name) {
    return this.model.get(name);
  }

  // -- elements --------------------------------------------------------------------

  #header() {
    this.badge = h("span", { class: "ph-badge" }, h("i", { class: "ph-dot" }), h("span"));
    this.modelName = h("span", { class: "ph-model" });
    this.live = h("div", { class: "ph-sr", role: "status", "aria-live": "polite" });
    return h(
      "header",
      { class: "ph-head" },
      h(
        "div",
        { class: "ph-who" },
        h("h3", { class: "ph-title", text: this.get("name") }),
        this.badge,
        this.modelName,
      ),
      this.#buttons(),
      this.live,
    );
  }

  #buttons() {
    this.run = button({ text: "Pause", icon: "pause", onclick: () => this.#toggle() });
    this.run.dataset.act = "run";
    this.less = button({ label: "One jet less", icon: "minus", onclick: () => this.#scale(-1) });
    this.less.dataset.act = "less";
    this.more = button({ label: "One jet more", icon: "plus", onclick: () => this.#scale(1) });
    this.more.dataset.act = "more";
    this.jetCount = h("span", { class: "ph-jet-count" });
    this.reset = button({ text: "Reset", icon: "reset", onclick: () => this.#confirm(true) });
    this.reset.dataset.act = "reset";
    this.controls = h(
      "div",
      { class: "ph-controls", role: "group", "aria-label": "Steer the engine" },
      this.run,
      h("span", { class: "ph-stepper", role: "group", "aria-label": "Jets" }, this.less, this.jetCount, this.more),
      this.reset,
    );
    return this.controls;
  }

  #confirmation() {
    this.yes = button({
      text: "Reset the engine", kind: "ph-danger",
      onclick: () => {
        this.#confirm(false);
        this.#ask("reset");
      },
    });
    this.yes.dataset.act = "confirm";
    this.no = button({ text: "Keep it", onclick: () => this.#confirm(false) });
    this.sure = h(
      "div",
      {
        class: "ph-sure", role: "alertdialog", "aria-label": "Reset the engine?", hidden: true,
        onkeydown: (event) => event.key === "Escape" && this.#confirm(false),
      },
      icon("warn"),
      h("span", { text: "Reset unloads the model, detaches the streams and drops queued records." }),
      h("span", { class: "ph-sure-buttons" }, this.yes, this.no),
    );
    return this.sure;
  }

  #notices() {
    this.lost = h("p", { class: "ph-trouble" });
    this.refused = h("p", { class: "ph-trouble ph-refused", role: "alert" });
    this.doing = h("p", { class: "ph-doing", role: "status" });
    this.trouble = h("p", { class: "ph-trouble", role: "status" });
    return h("div", { class: "ph-notices" }, this.lost, this.refused, this.doing, this.trouble);
  }

  #tiles() {
    const tile = (key, name) => {
      const value = h("dd", { "data-value": key });
      const more = h("dd", { class: "ph-muted ph-tile-more" });
      return { value, more, el: h("div", { class: "ph-tile" }, h("dt", { text: name }), value, more) };
    };
    this.tile = {
      in: tile("in", "In"),
      out: tile("out", "Out"),
      rejected: tile("rejected", "Rejected"),
      jets: tile("jets", "Jets"),
      memory: tile("memory", "Memory"),
    };
    return h("dl", { class: "ph-tiles" }, ...Object.values(this.tile).map((one) => one.el));
  }

  #chart() {
    this.chart = h("div", { class: "ph-engine-chart" });
    this.#replot();
    return this.chart;
  }

  #replot() {
    this.plotEnd?.abort();
    this.plotEnd = new AbortController();
    this.plot = new Plot({
      root: this.root, stream: this.stream, series: this.get("series"), axis: "time",
      unit: "records/s", label: `Records a second of ${this.get("name")}`, height: 190,
      signal: AbortSignal.any([this.signal, this.plotEnd.signal]),
    });
    this.chart.replaceChildren(this.plot.el);
    this.plot.paint();
  }

  #details() {
    this.slotRows = h("tbody");
    this.jetList = h("ul", { class: "ph-jets" });
    const heads = ["Slot", "Stream", "Records/s", "Records", "Rejected"].map((text, i) =>
      h("th", { scope: "col", text, class: i < 2 ? "ph-left" : null }),
    );
    return h(
      "div",
      { class: "ph-details" },
      h(
        "div",
        { class: "ph-scroll" },
        h("table", { class: "ph-grid ph-slots" },
          h("caption", { class: "ph-sr", text: "Slots" }),
          h("thead", {}, h("tr", {}, ...heads)), this.slotRows),
      ),
      h("div", { class: "ph-jet-box" }, h("h4", { text: "Jets" }), this.jetList),
    );
  }

  #failure() {
    this.errorSummary = h("span", { class: "ph-error-text" });
    this.errorAt = h("span", { class: "ph-muted" });
    this.errorRecord = h("pre", { class: "ph-code" });
    this.errorTrace = h("pre", { class: "ph-code" });
    this.errorRecordBox = h("div", {}, h("h4", { text: "Record" }), this.errorRecord);
    this.error = h(
      "details",
      { class: "ph-error", hidden: true },
      h("summary", {}, icon("warn"), this.errorSummary, this.errorAt),
      this.errorRecordBox,
      h("h4", { text: "Traceback" }),
      this.errorTrace,
    );
    return this.error;
  }

  #footer() {
    this.foot = h("footer", { class: "ph-foot" }, h("i", { class: "ph-dot" }), h("span"));
    return this.foot;
  }

  // -- what the user does -------------------------------------------------------------

  #ask(what, more = {}) {
    this.model.send({ ask: what, ...more });
    clearTimeout(this.slow);
    this.waiting = true;
    this.slow = setTimeout(() => {
      if (this.waiting) say(this.doing, "The click waits for the running cell to end.");
      show(this.doing, true);
    }, SLOW_MS);
  }

  #toggle() {
    this.#ask(this.#resumes() ? "unpause" : "pause");
  }

  #resumes() {
    return this.get("state") === "PAUSED";
  }

  #scale(by) {
    this.#ask("scale", { jets: Math.max(0, this.get("jets").length + by) });
  }

  #confirm(asking) {
    show(this.sure, asking);
    (asking ? this.no : this.reset).focus();
  }

  // -- drawing ------------------------------------------------------------------------

  draw() {
    const state = this.get("state");
    const lost = this.get("link") === "lost";
    this.root.dataset.state = state;
    this.root.dataset.link = this.get("link");
    this.badge.dataset.tone = lost ? "idle" : (TONES[state] ?? "idle");
    say(this.badge.lastChild, state || "CONNECTING");
    this.#drawModel();
    this.#drawControls(state);
    this.#drawNotices(lost);
    this.#drawTiles();
    this.#drawSlots();
    this.#drawJets();
    this.#drawError();
    this.#foot();
    say(this.live, this.get("status"));
  }

  #drawModel() {
    const [name, type] = [this.get("model"), this.get("mtype")];
    const key = `${name}|${type}`;
    if (this.modelKey === key) return;
    this.modelKey = key;
    this.modelName.replaceChildren(
      ...(name
        ? [h("b", { text: name }), h("span", { class: "ph-muted", text: ` ${type}` })]
        : [h("span", { class: "ph-muted", text: "no model loaded" })]),
    );
  }

  #drawControls(state) {
    show(this.controls, this.get("steerable"));
    const busy = Boolean(this.get("doing")) || this.get("link") === "lost";
    relabel(this.run, this.#resumes() ? { icon: "play", text: "Start" } : { icon: "pause", text: "Pause" });
    const scalable = ["INIT", "RUNNING", "PAUSED"].includes(state);
    const jets = this.get("jets").length;
    this.run.disabled = busy || !["INIT", "RUNNING", "PAUSED", "PIGGING"].includes(state);
    this.less.disabled = busy || !scalable || jets < 1;
    this.more.disabled = busy || !scalable;
    this.reset.disabled = busy || !state;
    say(this.jetCount, plural(jets, "jet"));
  }

  #drawNotices(lost) {
    const why = this.get("link_text");
    say(this.lost, lost ? `Connection lost, trying again. ${why}` : "");
    say(this.refused, this.get("refused"));
    say(this.trouble, this.get("trouble"));
    const doing = this.get("doing");
    if (doing || this.wasDoing) this.waiting = false;
    this.wasDoing = doing;
    if (!this.waiting) say(this.doing, doing ? `${doing} …` : "");
    for (const one of [this.lost, this.refused, this.doing, this.trouble]) {
      show(one, one.textContent !== "");
    }
  }

  #drawTiles() {
    const [rates, totals] = [this.get("rates"), this.get("totals")];
    const put = (tile, value, unit, more) => {
      const key = `${value}|${unit}`;
      if (tile.key !== key) {
        tile.key = key;
        tile.value.replaceChildren(h("b", { text: value }), h("span", { text: ` ${unit}` }));
      }
      say(tile.more, more);
    };
    const total = (name) => `${count(totals[name] ?? 0)} in all`;
    put(this.tile.in, number(rates.in ?? 0), "rec/s", total("in"));
    put(this.tile.out, number(rates.out ?? 0), "rec/s", total("out"));
    put(this.tile.rejected, count(totals.rejected ?? 0), "", `${number(rates.rejected ?? 0)} rec/s now`);
    this.tile.rejected.el.dataset.tone = totals.rejected ? "bad" : "";
    const jets = this.get("jets");
    put(this.tile.jets, count(jets.length), "", jets.length ? "running" : "none runs");
    const memory = this.get("memory");
    const [value, unit] = memory ? size(memory).split(" ") : ["–", ""];
    put(this.tile.memory, value, unit, memory ? "resident" : "not told yet");
  }

  #drawSlots() {
    const slots = this.get("slots");
    if (this.slotRows.children.length !== slots.length) {
      this.slotRows.replaceChildren(...slots.map(() => h("tr", {}, h("th", { scope: "row" }),
        h("td", { class: "ph-left" }), h("td"), h("td"), h("td"))));
    }
    slots.forEach((slot, i) => {
      const cells = this.slotRows.children[i].children;
      const rejected = slot.by_schema + slot.by_encoding;
      const reasons = [];
      if (slot.by_schema) reasons.push(`${count(slot.by_schema)} by schema`);
      if (slot.by_encoding) reasons.push(`${count(slot.by_encoding)} by encoding`);
      say(cells[0], slot.label);
      say(cells[1], slot.stream ? `${slot.stream} (${slot.transport})${slot.eof ? ", ended" : ""}` : "no stream");
      cells[1].classList.toggle("ph-muted", !slot.stream);
      say(cells[2], number(slot.rate));
      say(cells[3], count(slot.total));
      say(cells[4], rejected ? reasons.join(", ") : "0");
      cells[4].classList.toggle("ph-bad", rejected > 0);
    });
  }

  #drawJets() {
    const jets = this.get("jets");
    const key = JSON.stringify(jets);
    if (this.jetKey === key) return;
    this.jetKey = key;
    const items = jets.map((jet) =>
      h("li", {}, h("span", { class: "ph-mono", text: `pid ${jet.pid}` }),
        h("span", { class: "ph-muted", text: ` sandbox ${jet.sandbox}` })));
    this.jetList.replaceChildren(...(items.length ? items : [h("li", { class: "ph-muted", text: "none" })]));
  }

  #drawError() {
    const error = this.get("error");
    show(this.error, Boolean(error));
    if (!error) return;
    say(this.errorSummary, error.summary);
    say(this.errorAt, error.at ? clock(error.at) : "");
    say(this.errorRecord, error.record);
    show(this.errorRecordBox, Boolean(error.record));
    say(this.errorTrace, error.traceback);
  }

  #foot() {
    const updated = this.get("updated");
    const link = this.get("link");
    const quiet = updated && Date.now() - updated * 1000 > QUIET_MS;
    this.foot.dataset.tone = quiet ? "idle" : link === "live" ? "ok" : "warn";
    const words = !updated
      ? "connecting"
      : quiet
        ? `no news since ${clock(updated)}`
        : `${link === "live" ? "live" : link}, updated ${clock(updated)}`;
    say(this.foot.lastChild, words);
  }
}

export default { initialize, render };
