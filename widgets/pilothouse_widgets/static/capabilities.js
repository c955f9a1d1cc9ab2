// Capabilities: a list with search, a form for the chosen one, what was run.

import { button, h, icon, say, show, uniqueId } from "./dom.js";
import { count } from "./format.js";
import { makeRoot } from "./theme.js";

function render({ model, el, signal, host }) {
  const browser = new Browser(model, el, signal, host);
  return () => browser.close();
}

class Browser {
  constructor(model, el, signal, host) {
    Object.assign(this, { model, signal, host });
    this.id = uniqueId("browser");
    this.query = "";
    this.options = new Map();
    this.shown = [];
    this.children = new Map();
    this.root = makeRoot(el, { model, kind: "browser", label: model.get("title"), signal });
    this.root.append(this.#head(), this.#notices(), this.#body(), this.#runs());
    model.on("change", () => this.#draw());
    model.on("change:capabilities", () => this.#list());
    model.on("change:runs", () => this.#place());
    this.#list();
    this.#draw();
    this.#place();
    this.#mount(model.get("form"), this.formBox, signal);
  }

  close() {
    for (const { end } of this.children.values()) end.abort();
  }

  // -- elements --------------------------------------------------------------------

  #head() {
    this.title = h("h3", { class: "ph-title" });
    this.counted = h("span", { class: "ph-muted", role: "status", "aria-live": "polite" });
    this.search = h("input", {
      type: "search", class: "ph-input", placeholder: "Search capabilities",
      "aria-label": "Search capabilities", "aria-controls": `${this.id}-list`,
      oninput: () => {
        this.query = this.search.value.trim().toLowerCase();
        this.#filter();
      },
      onkeydown: (event) => {
        event.stopPropagation();
        if (event.key === "ArrowDown") this.#focus(0, event);
        if (event.key === "Escape" && this.search.value) {
          this.search.value = "";
          this.query = "";
          this.#filter();
        }
      },
    });
    this.again = button({
      text: "Refresh", icon: "reset", kind: "ph-quiet", onclick: () => this.model.send({ ask: "refresh" }),
    });
    this.again.dataset.act = "refresh";
    return h(
      "header", { class: "ph-head" },
      h("div", { class: "ph-who" }, this.title, this.counted),
      h("div", { class: "ph-controls" },
        h("span", { class: "ph-search" }, icon("search"), this.search), this.again),
    );
  }

  #notices() {
    this.doing = h("p", { class: "ph-doing", role: "status" });
    this.refused = h("p", { class: "ph-trouble ph-refused", role: "alert" });
    this.trouble = h("p", { class: "ph-trouble", role: "status" });
    return h("div", { class: "ph-notices" }, this.doing, this.refused, this.trouble);
  }

  #body() {
    this.list = h("tbody", { id: `${this.id}-list` });
    const heads = ["Capability", "When", "Parameters", "Results"].map((text) => h("th", { scope: "col", class: "ph-left", text }));
    this.table = h(
      "div", { class: "ph-grid-scroll ph-capabilities" },
      h("table", { class: "ph-grid" },
        h("caption", { class: "ph-sr", text: "Capabilities; a button in each row puts it into the form" }),
        h("thead", {}, h("tr", {}, ...heads)), this.list),
    );
    this.none = h("p", { class: "ph-empty ph-muted" });
    this.about = h("div", { class: "ph-about" });
    this.formBox = h("div", { class: "ph-form-box" });
    this.chosenBox = h("section", { class: "ph-chosen", "aria-label": "The chosen capability" }, this.about, this.formBox);
    return h("div", { class: "ph-browse" }, this.table, this.none, this.chosenBox);
  }

  #runs() {
    this.runBox = h("section", { class: "ph-runs", "aria-label": "Measurements" });
    return this.runBox;
  }

  async #mount(ref, el, signal) {
    try {
      const widget = await this.host.getWidget(ref);
      if (!signal.aborted) await widget.render({ el, signal });
    } catch (error) {
      el.replaceChildren(h("p", { class: "ph-trouble", text: `This part cannot be shown: ${error.message}` }));
    }
  }

  /** Views of measurements, the newest first; those that stay are not touched. */
  #place() {
    const refs = this.model.get("runs");
    for (const [ref, child] of this.children) {
      if (refs.includes(ref)) continue;
      child.end.abort();
      child.el.remove();
      this.children.delete(ref);
    }
    for (const ref of refs.filter((one) => !this.children.has(one)).reverse()) {
      const end = new AbortController();
      const el = h("div");
      this.children.set(ref, { el, end });
      this.runBox.prepend(el);
      this.#mount(ref, el, AbortSignal.any([this.signal, end.signal]));
    }
    show(this.runBox, refs.length > 0);
  }

  // -- the list ----------------------------------------------------------------------

  #list() {
    const all = this.model.get("capabilities");
    this.options = new Map(all.map((one, i) => [one.key, this.#option(one, i)]));
    this.list.replaceChildren(...this.options.values());
    this.#filter();
  }

  #option(one, i) {
    const chosen = button({ text: one.label, kind: "ph-capability ph-quiet", pressed: false, onclick: () => this.#choose(one.key) });
    chosen.dataset.label = one.label;
    chosen.id = `${this.id}-${i}`;
    chosen.addEventListener("keydown", (event) => {
      const at = this.shown.indexOf(one.key);
      const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: this.shown.length - 1 }[event.key];
      if (to === undefined) return;
      if (to < 0) this.search.focus();
      else this.#focus(to, event);
      event.preventDefault();
      event.stopPropagation();
    });
    const cell = (text) => h("td", { class: "ph-left", text, title: text });
    return h(
      "tr", { onclick: () => this.#choose(one.key) },
      h("th", { scope: "row", class: "ph-left" }, chosen),
      cell(one.scope), cell(one.parameters.map(({ name }) => name).join(", ") || "none"),
      cell(one.columns.map(({ name }) => name).join(", ")),
    );
  }

  #button(key) {
    return this.options.get(key)?.querySelector("button");
  }

  #focus(at, event) {
    const key = this.shown[Math.min(at, this.shown.length - 1)];
    if (key === undefined) return;
    event.preventDefault();
    this.#button(key).focus();
  }

  #filter() {
    const all = this.model.get("capabilities");
    const words = this.query.split(/\s+/).filter(Boolean);
    this.shown = all.filter((one) => words.every((word) => haystack(one).includes(word))).map(({ key }) => key);
    for (const [key, option] of this.options) show(option, this.shown.includes(key));
    const total = `${count(all.length)} ${all.length === 1 ? "capability" : "capabilities"}`;
    say(this.counted, words.length ? `${count(this.shown.length)} of ${total}` : total);
    say(this.none, all.length ? "No capability matches." : "The component offers nothing yet.");
    show(this.none, this.shown.length === 0);
    show(this.table, this.shown.length > 0);
    this.#tabStop();
  }

  #tabStop() {
    const chosen = this.model.get("chosen");
    const stop = this.shown.includes(chosen) ? chosen : this.shown[0];
    for (const [key, option] of this.options) {
      const mine = this.#button(key);
      mine.tabIndex = key === stop ? 0 : -1;
      mine.setAttribute("aria-pressed", String(key === chosen));
      option.classList.toggle("ph-chosen-row", key === chosen);
    }
  }

  /** Scroll the list, not the page, to the chosen one. */
  #reveal(key) {
    requestAnimationFrame(() => {
      const option = this.options.get(key);
      const box = this.table;
      if (!option || !box.clientHeight) return;
      const head = box.querySelector("thead").offsetHeight;
      const top = option.offsetTop;
      const hidden = top - head < box.scrollTop || top + option.offsetHeight > box.scrollTop + box.clientHeight;
      if (hidden) box.scrollTop = top - box.clientHeight / 3;
    });
  }

  #choose(key) {
    if (key !== this.model.get("chosen")) this.model.send({ ask: "choose", key });
  }

  // -- drawing ------------------------------------------------------------------------

  #draw() {
    const get = (name) => this.model.get(name);
    say(this.title, get("title"));
    show(this.again, get("refreshable"));
    this.again.disabled = get("doing") !== "";
    say(this.doing, get("doing") ? `${get("doing")} …` : "");
    say(this.refused, get("refused"));
    say(this.trouble, get("trouble"));
    for (const one of [this.doing, this.refused, this.trouble]) show(one, one.textContent !== "");
    this.#tabStop();
    const one = get("capabilities").find(({ key }) => key === get("chosen"));
    show(this.chosenBox, Boolean(one));
    const drawn = JSON.stringify(one ?? null);
    if (this.drawn === drawn) return;
    this.drawn = drawn;
    this.root.dataset.chosen = one?.label ?? "";
    this.#reveal(one?.key);
    this.about.replaceChildren(...(one ? about(one) : []));
  }
}

function about(one) {
  const chips = one.columns.map(({ name, unit, about: text }) =>
    h("li", { class: "ph-pill", title: text || null, text: unit ? `${name} (${unit})` : name }));
  const how = one.metadata.map(([name, value]) =>
    h("p", { class: "ph-columns-told", text: `${name}: ${value}` }));
  return [
    h("div", { class: "ph-chosen-head" }, h("h4", { text: one.label }), h("span", { class: "ph-scope ph-mono", text: one.scope })),
    ...how,
    h("p", { class: "ph-columns-told", text: `${one.verb}, results:` }),
    h("ul", { class: "ph-columns", "aria-label": "Result columns" }, ...chips),
  ];
}

function haystack(one) {
  const parts = [one.label, one.verb, one.scope, one.place, ...one.metadata.flat()];
  for (const { name, unit, about: text } of [...one.parameters, ...one.columns]) parts.push(name, unit, text);
  return parts.join(" ").toLowerCase();
}

export default { render };
