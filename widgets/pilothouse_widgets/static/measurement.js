// One measurement, from the receipt to the result.

import { button, h, say, show } from "./dom.js";
import { clock, count, duration, number, plural, size } from "./format.js";
import { Panels } from "./panels.js";
import { openStream, streamOf } from "./stream.js";
import { makeRoot } from "./theme.js";

const TONES = {
  sent: "idle", scheduled: "idle", running: "ok", finished: "done", failed: "bad",
  interrupted: "warn", lost: "warn",
};
const SLOW_MS = 1200;

function initialize({ model }) {
  return openStream(model, Math.max(model.get("series").length, 1));
}

function render({ model, el, signal }) {
  const view = new Measurement(model, el, signal);
  return () => view.close();
}

class Measurement {
  constructor(model, el, signal) {
    this.model = model;
    this.root = makeRoot(el, {
      model,
      kind: "measurement", label: `Measurement ${model.get("label")}`, signal,
      onTheme: () => this.panels?.retheme(),
    });
    this.stream = streamOf(model);
    this.panels = new Panels({
      root: this.root, stream: this.stream, axis: model.get("axis"), label: model.get("label"), signal,
    });
    this.root.append(
      this.#header(), this.#time(), this.#notices(), this.#values(), this.panels.el,
      this.#history(), this.#rows(), this.#footer(),
    );
    this.stop = this.stream.listen(() => this.panels.paint());
    model.on("change", () => this.draw());
    model.on("change:panels change:series", () => this.#replot());
    this.tick = setInterval(() => this.#clock(), 250);
    this.#replot();
    this.draw();
  }

  close() {
    clearInterval(this.tick);
    clearTimeout(this.slow);
    this.stop();
  }

  get(name) {
    return this.model.get(name);
  }

  // -- elements --------------------------------------------------------------------

  #header() {
    this.title = h("h3", { class: "ph-title" });
    this.badge = h("span", { class: "ph-badge" }, h("i", { class: "ph-dot" }), h("span"));
    this.scope = h("span", { class: "ph-scope ph-mono", title: "temporal scope" });
    this.stopper = button({ text: "Stop", icon: "stop", onclick: () => this.#stop() });
    this.stopper.dataset.act = "stop";
    this.spoken = h("div", { class: "ph-sr", role: "status", "aria-live": "polite" });
    return h(
      "header", { class: "ph-head" },
      h("div", { class: "ph-who" }, this.title, this.badge, this.scope),
      h("div", { class: "ph-controls" }, this.stopper),
      this.spoken,
    );
  }

  #time() {
    this.left = h("span", { class: "ph-time-left" });
    this.when = h("span", { class: "ph-muted" });
    this.bar = h("div", { class: "ph-fill" });
    this.track = h("div", {
      class: "ph-track", role: "progressbar", "aria-label": "time of the measurement",
      "aria-valuemin": 0, "aria-valuemax": 100,
    }, this.bar);
    return h("div", { class: "ph-time" }, h("div", { class: "ph-time-words" }, this.left, this.when), this.track);
  }

  #notices() {
    const kinds = { lost: {}, refused: { role: "alert" }, doing: { role: "status" }, trouble: { role: "status" } };
    this.notice = Object.fromEntries(Object.entries(kinds).map(([name, more]) => [
      name, h("p", { class: name === "doing" ? "ph-doing" : `ph-trouble ph-${name}`, ...more }),
    ]));
    return h("div", { class: "ph-notices" }, ...Object.values(this.notice));
  }

  #values() {
    this.parameters = h("ul", { class: "ph-parameters", "aria-label": "Parameters" });
    this.tiles = h("dl", { class: "ph-tiles", "aria-label": "Newest values" });
    return h("div", {}, this.parameters, this.tiles);
  }

  #history() {
    this.historyHead = h("tr");
    this.historyBody = h("tbody");
    this.historyCount = h("span", { class: "ph-muted" });
    this.historyBox = h(
      "section", { class: "ph-history", "aria-label": "Repetitions" },
      h("div", { class: "ph-section-head" }, h("h4", { text: "Repetitions" }), this.historyCount),
      h("div", { class: "ph-scroll ph-short", tabindex: "0", role: "group", "aria-label": "Table of repetitions" }, h("table", { class: "ph-grid" },
        h("caption", { class: "ph-sr", text: "Repetitions, newest first" }),
        h("thead", {}, this.historyHead), this.historyBody)),
    );
    return this.historyBox;
  }

  #rows() {
    this.rowHead = h("tr");
    this.rowBody = h("tbody");
    this.rowCount = h("span", { class: "ph-muted" });
    this.rowBox = h(
      "details", { class: "ph-rows" },
      h("summary", {}, h("span", { text: "Rows" }), this.rowCount),
      h("div", { class: "ph-scroll ph-short", tabindex: "0", role: "group", "aria-label": "Rows" },
        h("table", { class: "ph-grid" },
          h("caption", { class: "ph-sr", text: "Result rows, newest first" }),
          h("thead", {}, this.rowHead), this.rowBody)),
    );
    return this.rowBox;
  }

  #footer() {
    this.foot = h("footer", { class: "ph-foot" }, h("i", { class: "ph-dot" }), h("span"));
    return this.foot;
  }

  #replot() {
    this.panels.axis = this.get("axis");
    this.panels.build(this.get("panels"), this.get("series"));
  }

  // -- what the user does -------------------------------------------------------------

  #stop() {
    this.model.send({ ask: "stop" });
    this.waiting = true;
    clearTimeout(this.slow);
    this.slow = setTimeout(() => {
      if (!this.waiting) return;
      say(this.notice.doing, "The click waits for the running cell to end; interrupting the kernel stops it now.");
      show(this.notice.doing, true);
    }, SLOW_MS);
  }

  // -- drawing ------------------------------------------------------------------------

  draw() {
    const state = this.get("state");
    this.root.dataset.state = state;
    this.root.dataset.rows = this.get("row_count");
    this.skew = this.get("updated") ? this.get("updated") - Date.now() / 1000 : 0;
    if (Math.abs(this.skew) < 2) this.skew = 0; // the way here, not another clock
    say(this.title, this.get("label"));
    say(this.scope, this.get("scope"));
    this.badge.dataset.tone = TONES[state] ?? "idle";
    say(this.badge.lastChild, state);
    const over = this.get("over");
    show(this.stopper, this.get("stoppable") && !over);
    this.stopper.disabled = this.get("doing") !== "";
    this.#drawNotices(state);
    this.#drawParameters();
    this.#drawTiles();
    this.#drawHistory();
    this.#drawRows();
    this.#clock();
    this.#foot(state);
    show(this.panels.el, this.get("panels").length > 0 && this.get("plotted"));
    say(this.spoken, this.get("status"));
  }

  #drawNotices(state) {
    const doing = this.get("doing");
    if (doing || this.wasDoing || this.get("over")) this.waiting = false;
    this.wasDoing = doing;
    const bad = this.get("over") && (state === "failed" || state === "lost");
    say(this.notice.lost, state === "lost" && !this.get("over") ? `Component lost, trying again. ${this.get("link_text")}` : "");
    say(this.notice.refused, this.get("refused"));
    say(this.notice.trouble, this.get("trouble") || (bad ? this.get("outcome") : ""));
    if (!this.waiting) {
      const told = bad ? "" : this.get("outcome");
      say(this.notice.doing, doing ? `${doing} …` : told);
    }
    for (const one of Object.values(this.notice)) show(one, one.textContent !== "");
  }

  #drawParameters() {
    const pairs = this.get("parameters");
    const key = JSON.stringify(pairs);
    if (this.parameterKey === key) return;
    this.parameterKey = key;
    this.parameters.replaceChildren(...pairs.map(([name, value]) =>
      h("li", { class: "ph-pill" }, h("span", { class: "ph-muted", text: `${name} ` }), h("b", { text: value }))));
    show(this.parameters, pairs.length > 0);
  }

  #drawTiles() {
    const tiles = this.get("latest");
    show(this.tiles, tiles.length > 0);
    while (this.tiles.children.length > tiles.length) this.tiles.lastChild.remove();
    tiles.forEach(({ name, value, unit }, i) => {
      if (!this.tiles.children[i]) {
        this.tiles.append(h("div", { class: "ph-tile" }, h("dt"), h("dd", {}, h("b"), h("span"))));
      }
      const [head, body] = this.tiles.children[i].children;
      say(head, name);
      head.title = name;
      const [text, more] = brief(value, unit);
      say(body.firstChild, text);
      say(body.lastChild, more ? ` ${more}` : "");
      body.title = told(value);
    });
  }

  #drawHistory() {
    const runs = this.get("runs");
    show(this.historyBox, this.get("repeated"));
    if (!this.get("repeated")) return;
    this.#head(this.historyHead, ["#", "begun", "rows"], this.get("columns"));
    say(this.historyCount, plural(this.get("run_count"), "run") + (runs.length < this.get("run_count") ? `, the last ${count(runs.length)}` : ""));
    const key = JSON.stringify(runs);
    if (this.historyKey === key) return;
    this.historyKey = key;
    this.historyBody.replaceChildren(...runs.map((run) => h(
      "tr", {},
      h("th", { scope: "row", text: String(run.number) }),
      h("td", { text: run.begun ? clock(run.begun) : "" }),
      h("td", { text: count(run.rows) }),
      ...run.values.map((value) => cell(value)),
    )));
  }

  #drawRows() {
    const rows = this.get("rows");
    const total = this.get("row_count");
    show(this.rowBox, total > 0 && !(this.get("repeated") && total <= this.get("run_count")));
    if (!total) return;
    this.#head(this.rowHead, ["#", "time"], this.get("columns"));
    say(this.rowCount, rows.length < total ? `${count(total)}, the last ${count(rows.length)}` : count(total));
    if (this.rowsDrawn === rows) return;
    this.rowsDrawn = rows;
    this.rowBody.replaceChildren(...rows.map(({ number, at, values }) => h(
      "tr", {},
      h("th", { scope: "row", text: String(number) }),
      h("td", { text: at ? clock(at, 1) : "" }),
      ...values.map((value) => cell(value)),
    )));
  }

  #head(row, first, columns) {
    const key = JSON.stringify([first, columns]);
    if (row.dataset.key === key) return;
    row.dataset.key = key;
    const heads = columns.map(({ name, unit }) => (unit ? `${name} (${unit})` : name));
    row.replaceChildren(...[...first, ...heads].map((text) => h("th", { scope: "col", text })));
  }

  #clock() {
    const [starts, ends, state] = [this.get("starts"), this.get("ends"), this.get("state")];
    const now = Date.now() / 1000 + this.skew;
    const over = this.get("over");
    let [text, fraction] = ["", null];
    if (over) {
      const took = starts && this.get("ended") ? this.get("ended") - starts : null;
      text = took === null ? "" : `took ${duration(Math.max(took, 0))}`;
      fraction = state === "finished" ? 1 : null;
    } else if (starts && now < starts) {
      text = `starts in ${soon(starts - now)}`;
      fraction = 0;
    } else if (ends && now < ends) {
      text = `${soon(ends - now)} left`;
      if (starts) fraction = (now - starts) / (ends - starts);
    } else if (ends && starts && ends > starts) {
      text = "over, waiting for the result";
      fraction = 1;
    } else if (starts) {
      text = `running for ${soon(now - starts)}`;
    }
    say(this.left, text);
    const span = [starts, over ? this.get("ended") : ends].map((at) => (at ? clock(at) : null));
    say(this.when, span[0] ? (span[1] && span[1] !== span[0] ? `${span[0]} to ${span[1]}` : `from ${span[0]}`) : "");
    show(this.track, !over && state !== "lost" && text !== "");
    this.track.classList.toggle("ph-unknown", fraction === null);
    this.bar.style.width = fraction === null ? "" : `${Math.min(fraction, 1) * 100}%`;
    if (fraction === null) this.track.removeAttribute("aria-valuenow");
    else this.track.setAttribute("aria-valuenow", String(Math.round(Math.min(fraction, 1) * 100)));
  }

  #foot(state) {
    this.foot.dataset.tone = TONES[state] ?? "idle";
    const token = this.get("token").slice(0, 8);
    const parts = [this.get("place"), token && `token ${token}`, this.get("updated") && `updated ${clock(this.get("updated"))}`];
    say(this.foot.lastChild, parts.filter(Boolean).join(", "));
  }
}

/** Whole seconds: a countdown that flickers in tenths is read by nobody. */
function soon(seconds) {
  return duration(seconds < 60 ? Math.ceil(seconds) : seconds).replace(".0", "");
}

function cell(value) {
  return h("td", { text: told(value), title: typeof value === "number" ? String(value) : null });
}

/** A value and its unit in few digits: for a tile. */
function brief(value, unit) {
  if (typeof value !== "number") return [value === null ? "–" : String(value), unit];
  if (unit === "B") {
    const [amount, step] = size(value).split(" ");
    return [amount, step];
  }
  return [Math.abs(value) < 1e5 ? told(value) : number(value), unit];
}

/** Whole numbers with all their digits, others with four. */
function told(value) {
  if (typeof value !== "number") return String(value ?? "–");
  return Number.isInteger(value) ? count(value) : number(value);
}

export default { initialize, render };
