// The dashboard: tiles over one model; a full view takes their place while it is open.

import { Board } from "./board.js";
import { button, h, perFrame, say, show } from "./dom.js";
import { Events } from "./events.js";
import { clock, plural } from "./format.js";
import { openRows, rowsOf } from "./rows.js";
import { makeRoot } from "./theme.js";
import { Rows, Tile, ago, engineRow, instanceRow, measurementRow, runRow, serviceCard } from "./tiles.js";

const HERE_MS = 15_000;
const SLOW_MS = 1500;
const SILENT = 8;
const ALOUD_MS = 5000;

function initialize({ model }) {
  return openRows(model, new Board());
}

function render({ model, el, signal, host }) {
  const page = new Page(model, el, signal, host);
  return () => page.close();
}

class Page {
  constructor(model, el, signal, host) {
    Object.assign(this, { model, signal, host });
    this.rows = rowsOf(model);
    this.board = this.rows.store;
    this.root = makeRoot(el, { model, kind: "dashboard", label: "pilothouse dashboard", signal });
    this.root.append(this.#head(), this.#tiles(), this.#full(), this.spoken);
    this.root.addEventListener("keydown", (event) => this.#key(event), { signal });
    this.paint = perFrame(() => this.#draw());
    this.stop = this.rows.listen(() => this.paint());
    for (const name of ["opened", "view", "refused", "trouble"]) model.on(`change:${name}`, () => this.#place());
    this.ticking = setInterval(() => this.paint(), 1000);
    this.telling = setInterval(() => this.model.send({ ask: "here" }), HERE_MS);
    document.addEventListener("visibilitychange", () => document.hidden || this.model.send({ ask: "here" }), { signal });
    this.said = this.board.events.at(-1)?.id ?? -1;
    this.#draw();
    this.#place();
    this.rows.seen();
  }

  close() {
    this.stop();
    this.paint.cancel();
    clearInterval(this.ticking);
    clearInterval(this.telling);
    clearTimeout(this.slow);
    clearTimeout(this.speaking);
    this.child?.end.abort();
  }

  // -- elements --------------------------------------------------------------------------

  #head() {
    this.sum = h("p", { class: "ph-dash-sum" });
    this.live = h("span", { class: "ph-state" }, h("i", { class: "ph-dot", "aria-hidden": "true" }), h("span"));
    this.spoken = h("div", { class: "ph-sr", role: "status", "aria-live": "polite" });
    this.trouble = h("p", { class: "ph-trouble", role: "alert", hidden: true });
    return h("header", { class: "ph-dash-head" },
      h("h3", { class: "ph-title", text: this.model.get("title") }), this.sum, this.live, this.trouble);
  }

  #tiles() {
    const open = (kind, title) => (key) => (from) => this.#open(kind, key, title?.(key) ?? key, from);
    const act = (text, kind, title) => button({ text, kind: "ph-quiet ph-tile-action", onclick: (event) => this.#open(kind, "", title, event.currentTarget) });
    const labelled = (section) => (key) => this.board.sections[section]?.rows[key]?.label ?? key;
    this.cards = h("ul", { class: "ph-cards", style: `--ph-count: ${this.model.get("services").length}` });
    this.services = new Rows(this.cards, (key) => serviceCard((from) => this.#openService(key, from)));
    const made = {
      engines: new Tile({
        name: "engines", title: "Engines", make: (key) => engineRow(open("engine")(key)),
      }),
      instances: new Tile({
        name: "instances", title: "AIMM instances", make: (key) => instanceRow((from) => this.#open("instances", "", "AIMM instances", from)),
        action: (this.instanceButton = act("Table", "instances", "AIMM instances")),
      }),
      runs: new Tile({ name: "runs", title: "Fastmap runs", make: (key) => runRow(open("run", labelled("runs"))(key)) }),
      measurements: new Tile({
        name: "measurements", title: "mPlane measurements", make: (key) => measurementRow(open("measurement", labelled("measurements"))(key)),
        action: (this.capabilityButton = act("Capabilities", "capabilities", "mPlane capabilities")),
      }),
    };
    this.tile = made;
    this.consoleButton = act("Pneumo", "console", "Pneumo");
    this.events = new Events({ action: this.consoleButton });
    const owners = { engines: "fastscore", instances: "aimm", runs: "fastmap", measurements: "mplane" };
    this.owners = Object.entries(owners).filter(([, service]) => this.model.get("services").includes(service));
    show(this.consoleButton, this.model.get("services").includes("fastscore"));
    this.grid = h("div", { class: "ph-dash-grid" },
      h("section", { class: "ph-at-services", "aria-label": "Services", "data-tile": "services" }, this.cards),
      h("div", { class: "ph-dash-main", "data-tiles": this.owners.length }, ...this.owners.map(([name]) => made[name].el)),
      this.events.el);
    return this.grid;
  }

  #full() {
    this.back = button({ text: "Back", icon: "back", label: "Back to the tiles (Escape)", onclick: () => this.#goBack() });
    this.back.dataset.act = "back";
    this.fullTitle = h("h4");
    this.wait = h("p", { class: "ph-dash-wait ph-muted", role: "status" });
    this.refused = h("p", { class: "ph-trouble ph-refused", role: "alert" });
    this.box = h("div", { class: "ph-dash-view" });
    this.full = h("section", { class: "ph-dash-full", "aria-label": "Full view", hidden: true },
      h("header", { class: "ph-dash-full-head" }, this.back, this.fullTitle), this.wait, this.refused, this.box);
    return this.full;
  }

  // -- what the user does ----------------------------------------------------------------

  #openService(key, from) {
    const newest = this.board.rows("runs")[0];
    const kinds = {
      fastscore: ["console", "", "Pneumo"],
      aimm: ["instances", "", "AIMM instances"],
      mplane: ["capabilities", "", "mPlane capabilities"],
      fastmap: newest ? ["run", newest.key, newest.label] : null,
    };
    if (kinds[key]) this.#open(...kinds[key], from);
  }

  #open(kind, key, title, from) {
    this.from = from;
    this.asked = { kind, key, title };
    this.model.send({ ask: "open", ...this.asked });
    clearTimeout(this.slow);
    this.slow = setTimeout(() => {
      if (this.asked) say(this.wait, "The click waits for the running cell to end.");
    }, SLOW_MS);
    this.#place();
    this.back.focus();
  }

  #goBack() {
    this.asked = null;
    this.left = this.model.get("view") || this.model.get("refused") || true;
    this.model.send({ ask: "back" });
    this.#place();
    const { from } = this;
    if (from?.isConnected && !from.disabled) from.focus();
    else this.root.querySelector(".ph-row:not(:disabled), .ph-tile-action")?.focus();
  }

  #key(event) {
    if (event.key !== "Escape" || event.defaultPrevented || this.full.hidden) return;
    if (event.target.closest?.("input, select, textarea")?.value) return;
    event.preventDefault();
    event.stopPropagation();
    this.#goBack();
  }

  // -- the full view ---------------------------------------------------------------------

  #place() {
    const opened = this.model.get("opened");
    const ref = this.model.get("view");
    const answered = Boolean(opened.kind);
    if (answered && this.asked && opened.kind === this.asked.kind && opened.key === this.asked.key) this.asked = null;
    if (!answered || (this.left !== ref && ref)) this.left = undefined;
    const shown = Boolean(this.asked) || (answered && this.left === undefined);
    show(this.full, shown);
    show(this.grid, !shown);
    this.root.classList.toggle("ph-is-open", shown);
    say(this.fullTitle, (this.asked ?? opened).title ?? "");
    show(this.wait, Boolean(this.asked));
    if (this.asked && !this.wait.textContent) say(this.wait, "Opening …");
    if (!this.asked) {
      clearTimeout(this.slow);
      say(this.wait, "");
    }
    const refused = shown && !this.asked ? this.model.get("refused") : "";
    say(this.refused, refused);
    show(this.refused, refused !== "");
    say(this.trouble, this.model.get("trouble"));
    show(this.trouble, this.model.get("trouble") !== "");
    this.#mount(shown && !this.asked ? ref : "");
    if (!shown) this.paint();
  }

  async #mount(ref) {
    if (this.child?.ref === ref || (!ref && !this.child)) return;
    this.child?.end.abort();
    this.child = null;
    this.box.replaceChildren();
    if (!ref) return;
    const end = new AbortController();
    this.child = { ref, end };
    const el = h("div");
    this.box.append(el);
    const signal = AbortSignal.any([this.signal, end.signal]);
    try {
      const widget = await this.host.getWidget(ref);
      if (!signal.aborted) await widget.render({ el, signal });
    } catch (error) {
      if (!signal.aborted) el.replaceChildren(h("p", { class: "ph-trouble", text: `This view cannot be shown: ${error.message}` }));
    }
  }

  // -- drawing ---------------------------------------------------------------------------

  #draw() {
    const { board } = this;
    const context = { board, time: board.time() };
    const services = Object.fromEntries(board.rows("services").map((row) => [row.key, row]));
    this.services.draw(this.model.get("services").map((key) => services[key] ?? { key, name: key, state: "asking" }), context);
    for (const [name, service] of this.owners) this.#drawTile(name, services[service] ?? { state: "asking" }, context);
    this.capabilityButton.disabled = services.mplane?.state !== "up";
    this.instanceButton.disabled = services.aimm?.state !== "up";
    this.consoleButton.disabled = services.fastscore?.state !== "up";
    this.events.draw(board.events);
    this.#drawHead(services);
    this.#speak();
    this.root.dataset.seq = this.rows.seq;
  }

  #drawTile(name, service, context) {
    const { board } = this;
    const rows = board.rows(name);
    const head = board.head(name);
    const known = head.known || rows.length > 0;
    const gone = service.state !== "up";
    const asking = !known && (service.state === "asking" || service.state === "up");
    const total = name === "instances" ? head.total ?? rows.length : rows.length + (head.more ?? 0);
    this.tile[name].draw(rows, {
      words: [WORDS[name](rows, head, total), gone && rows.length && service.at
        ? `as of ${ago(Math.max(context.time - service.at, 0))}` : ""].filter(Boolean).join(" · "),
      empty: gone && !known ? NOWHERE[service.state] ?? NOWHERE.down : EMPTY[name](head),
      asking,
      stale: gone && rows.length > 0 && (name === "engines" || name === "instances"),
      total,
    }, context);
  }

  #drawHead(services) {
    const all = Object.values(services);
    const up = all.filter((row) => row.state === "up").length;
    const asking = !all.length || all.some((row) => row.state === "asking");
    const silence = this.board.silence();
    const silent = silence > SILENT;
    const counted = [
      asking && !up ? "looking for services" : `${up} of ${plural(all.length, "service")} up`,
      services.fastscore?.state === "up"
        && some(this.board.rows("engines").filter((row) => row.state === "RUNNING").length, "engine", "running"),
      services.aimm?.state === "up" && some(this.board.head("instances").running, "action", "at work"),
      some(this.board.head("runs").running, "run", "under way"),
      some(this.board.head("measurements").running, "measurement", "under way"),
    ];
    say(this.sum, counted.filter(Boolean).join(" · "));
    const away = all.filter((row) => row.state === "down" || row.state === "refused").length;
    this.live.dataset.tone = silent || away ? "warn" : "ok";
    say(this.live.lastChild, silent
      ? `last seen ${this.board.now ? clock(this.board.now) : "never"}${Number.isFinite(silence) ? `, ${ago(silence)}` : ""}`
      : away ? (away === all.length ? "no service answers" : `${plural(away, "service")} away`) : "live");
    this.root.classList.toggle("ph-silent", silent);
    this.root.dataset.up = up;
  }

  /** What matters is read out, some seconds apart. */
  #speak() {
    const fresh = this.board.events.filter((event) => event.id > this.said && event.aloud);
    if (!fresh.length || this.speaking) return;
    this.said = this.board.events.at(-1).id;
    say(this.spoken, fresh.slice(-3).map((event) => event.text).join("; "));
    this.speaking = setTimeout(() => {
      this.speaking = undefined;
      this.paint();
    }, ALOUD_MS);
  }
}

function some(number, noun, doing) {
  return number ? `${plural(number, noun)} ${doing}` : "";
}

const NOWHERE = {
  none: ["No place is known. ", "%pilot up", " starts local services."],
  down: ["The service does not answer; it is tried again."],
  refused: ["The service wants other credentials."],
  asking: [""],
};

const EMPTY = {
  engines: () => ["The fleet has no engine."],
  instances: ({ making = [] }) => (making.length ? [`Being made: ${making.join(", ")}`]
    : ["No instance yet. Make one: ", "%aimm create plugins.NearestMean"]),
  runs: () => ["No run yet. Map a function: ", "%fastmap f items"],
  measurements: ({ capabilities }) => [
    capabilities ? `Nothing is measured. ${plural(capabilities, "capability").replace("capabilitys", "capabilities")} to choose from: ` : "Nothing is measured yet: ",
    "%mplane runcap LABEL"],
};

const WORDS = {
  engines: (rows, _head, total) => (rows.length
    ? `${rows.filter((row) => row.state === "RUNNING").length} of ${total} running` : ""),
  instances: (_rows, { running, failed }, total) => (total
    ? [`${total}`, running ? `${running} at work` : "", failed ? `${failed} failed` : ""].filter(Boolean).join(" · ") : ""),
  runs: (_rows, { running }, total) => (total ? `${running ?? 0} of ${total} under way` : ""),
  measurements: (_rows, { running }, total) => (total ? `${running ?? 0} of ${total} under way` : ""),
};

export default { initialize, render };
