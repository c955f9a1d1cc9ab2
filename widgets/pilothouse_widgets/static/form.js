// A form: fields, what is wrong with them, a button, what became of it.

import { button, h, say, show } from "./dom.js";
import { Fields } from "./fields.js";
import { makeRoot } from "./theme.js";

const SLOW_MS = 1200;

function render({ model, el, signal }) {
  const form = new FormView(model, el, signal);
  return () => form.close();
}

class FormView {
  constructor(model, el, signal) {
    this.model = model;
    this.root = makeRoot(el, { model, kind: "form", label: model.get("title") || "form", signal });
    this.title = h("h4", { class: "ph-form-title" });
    this.fields = new Fields({
      edited: (values) => model.send({ ask: "edit", values }),
      entered: () => this.#submit(),
    });
    this.go = button({ text: "Send", icon: "play", kind: "ph-primary", onclick: () => this.#submit() });
    this.go.dataset.act = "submit";
    this.doing = h("span", { class: "ph-muted", role: "status" });
    this.outcome = h("p", { class: "ph-form-outcome" });
    this.refused = h("p", { class: "ph-trouble ph-refused", role: "alert" });
    this.foot = h("div", { class: "ph-form-foot" }, this.go, this.doing);
    this.trouble = h("p", { class: "ph-trouble", role: "status" });
    this.root.append(this.title, this.fields.el, this.foot, this.outcome, this.refused, this.trouble);
    model.on("change:fields", () => this.#build());
    model.on("change", () => this.#draw());
    this.#build();
    this.#draw();
  }

  close() {
    clearTimeout(this.slow);
    this.fields.close();
  }

  #build() {
    this.fields.build(this.model.get("fields"), this.model.get("values"));
  }

  #submit() {
    if (this.go.disabled || !this.model.get("submit")) return;
    const right = this.fields.insist(this.model.get("errors"), this.model.get("values"));
    if (!right) return;
    this.model.send({ ask: "submit", values: this.fields.values() });
    clearTimeout(this.slow);
    this.slow = setTimeout(() => say(this.doing, "The click waits for the running cell to end."), SLOW_MS);
  }

  #draw() {
    const get = (name) => this.model.get(name);
    say(this.title, get("title"));
    show(this.title, get("title") !== "");
    this.fields.take(get("values"));
    this.fields.mark(get("errors"), get("notes"), get("values"));
    say(this.go.lastChild, get("submit") || "Send");
    show(this.foot, get("submit") !== "");
    const doing = get("doing");
    this.go.disabled = doing !== "";
    if (doing || get("outcome") || get("refused")) clearTimeout(this.slow);
    say(this.doing, doing ? `${doing} …` : "");
    say(this.outcome, get("outcome"));
    say(this.refused, get("refused"));
    say(this.trouble, get("trouble"));
    for (const one of [this.outcome, this.refused, this.trouble]) show(one, one.textContent !== "");
    this.root.dataset.errors = Object.keys(get("errors")).length;
  }
}

export default { render };
