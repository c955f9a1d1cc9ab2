// Labelled fields that say what is wrong with them; `form.py` tells the shape of a field.

import { h, icon, say, show, uniqueId } from "./dom.js";

/** The fields of one form. `edited(values)` hears of each change, a moment later. */
export class Fields {
  constructor({ edited, entered }) {
    this.edited = edited;
    this.entered = entered;
    this.id = uniqueId("form");
    this.all = new Map();
    this.fresh = {}; // typed, not sent yet
    this.flying = {}; // sent, not heard of again
    this.el = h("div", { class: "ph-fields" });
  }

  close() {
    clearTimeout(this.timer);
  }

  /** Show other fields. */
  build(fields, values) {
    this.close();
    this.fresh = {};
    this.flying = {};
    this.all = new Map(fields.map((field, i) => [field.name, this.#one(field, i)]));
    const groups = [];
    for (const { field, el } of this.all.values()) {
      if (groups.at(-1)?.name !== field.group) groups.push({ name: field.group, els: [] });
      groups.at(-1).els.push(el);
    }
    this.el.replaceChildren(...groups.map(({ name, els }) => {
      const body = h("div", { class: "ph-field-grid" }, ...els);
      return name
        ? h("fieldset", { class: "ph-fieldset" }, h("legend", { text: name }), body)
        : body;
    }));
    this.take(values);
  }

  /** Show texts that the kernel has set; an echo of what was typed changes nothing. */
  take(values) {
    for (const [name, one] of this.all) {
      const text = values[name] ?? "";
      const flying = this.flying[name] ?? [];
      const echoed = flying.indexOf(text);
      if (echoed >= 0) flying.splice(0, echoed + 1);
      else if (!flying.length && !(name in this.fresh) && one.text() !== text) one.put(text);
    }
  }

  /** Mark what the kernel says of the texts that it has seen. */
  mark(errors, notes, seen) {
    for (const [name, one] of this.all) {
      const known = seen[name] === one.text();
      const reason = quick(one.field, one.text()) || (known ? errors[name] : "") || "";
      one.mark(reason, known && !reason ? notes[name] ?? "" : "", one.touched);
    }
  }

  values() {
    return Object.fromEntries([...this.all].map(([name, one]) => [name, one.text()]));
  }

  /** Mark every field, also untouched ones; go to the first that is not right.
   *  What the kernel has not seen yet it will judge when it is sent. */
  insist(errors, seen) {
    let first = null;
    for (const [name, one] of this.all) {
      one.touched = true;
      const known = seen[name] === one.text();
      const reason = quick(one.field, one.text()) || (known ? errors[name] : "") || "";
      one.mark(reason, "", true);
      if (reason) first ??= one;
    }
    first?.control.focus();
    return first === null;
  }

  #one(field, i) {
    const id = `${this.id}-${i}`;
    const control = this.#control(field, id);
    const error = h("p", { class: "ph-field-error", id: `${id}-error`, hidden: true }, icon("warn"), h("span"));
    const note = h("p", { class: "ph-field-note", id: `${id}-note`, hidden: true });
    const hint = h("span", { class: "ph-field-hint", id: `${id}-hint`, text: field.hint });
    const list = field.suggestions.length
      ? h("datalist", { id: `${id}-list` }, ...field.suggestions.map((text) => h("option", { value: text })))
      : null;
    if (list) control.setAttribute("list", list.id);
    const head = h(
      "div", { class: "ph-field-head" },
      h("label", { for: id, text: field.label, title: field.help || null }),
      field.unit ? h("span", { class: "ph-field-unit", text: field.unit }) : null,
      field.hint ? hint : null,
    );
    const el = h("div", { class: "ph-field" }, head, control, list, error, note);
    el.dataset.field = field.name;
    const one = { field, el, control, touched: false };
    one.text = () => control.value;
    one.put = (text) => { control.value = text; };
    one.mark = (reason, meaning, aloud) => {
      const shown = aloud ? reason : "";
      say(error.lastChild, shown);
      show(error, shown !== "");
      say(note, meaning);
      show(note, meaning !== "");
      el.classList.toggle("ph-wrong", shown !== "");
      control.setAttribute("aria-invalid", String(shown !== ""));
      const about = [field.hint && hint.id, shown && error.id, meaning && note.id].filter(Boolean);
      if (about.length) control.setAttribute("aria-describedby", about.join(" "));
      else control.removeAttribute("aria-describedby");
    };
    if (!field.fixed) this.#listen(one);
    return one;
  }

  #control(field, id) {
    const common = { id, class: "ph-input", name: field.name, "aria-required": String(field.required) };
    if (field.choices.length && !field.fixed) {
      const blank = h("option", { value: "", text: field.required ? "choose …" : "any" });
      const options = field.choices.map((text) => h("option", { value: text, text }));
      return h("select", common, blank, ...options);
    }
    const number = field.kind === "natural" || field.kind === "real";
    return h("input", {
      ...common, type: "text", autocomplete: "off", spellcheck: "false",
      inputmode: number ? (field.kind === "natural" ? "numeric" : "decimal") : null,
      placeholder: field.fixed ? null : field.suggestions[0] ? `such as ${field.suggestions[0]}` : field.help || null,
      title: field.help || null, readonly: field.fixed,
    });
  }

  #listen(one) {
    one.control.addEventListener("input", () => {
      one.touched = true;
      this.fresh[one.field.name] = one.text();
      one.mark(quick(one.field, one.text()), "", true);
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.#flush(), 150);
    });
    one.control.addEventListener("blur", () => {
      if (one.text() !== "") one.touched = true;
    });
    one.control.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Enter" && one.control.tagName === "INPUT") this.entered();
    });
  }

  #flush() {
    const values = this.fresh;
    this.fresh = {};
    for (const [name, text] of Object.entries(values)) (this.flying[name] ??= []).push(text);
    if (Object.keys(values).length) this.edited(values);
  }
}

/** What can be told without the kernel, which may be busy; its word counts. */
function quick(field, typed) {
  if (field.fixed) return "";
  const text = typed.trim();
  if (!text) return field.required ? "is missing" : "";
  if (field.kind === "natural" && !/^\+?\d+$/.test(text)) return `“${text}” is no whole number`;
  if (field.kind === "real" && !Number.isFinite(Number(text))) return `“${text}” is no number`;
  if (field.kind === "natural" || field.kind === "real") {
    if (field.minimum !== null && Number(text) < field.minimum) return `is less than ${field.minimum}`;
    if (field.maximum !== null && Number(text) > field.maximum) return `is more than ${field.maximum}`;
  }
  return "";
}
