// The model inspector: four tabs.

import { codeView } from "./code.js";
import { button, h, say, show, uniqueId } from "./dom.js";
import { count, plural, size } from "./format.js";
import { makeRoot } from "./theme.js";

function render({ model, el, signal }) {
  const get = (name) => model.get(name);
  const id = uniqueId("inspector");
  const root = makeRoot(el, { model, kind: "inspector", label: `Model ${get("name")}`, signal });
  const facts = h("span", { class: "ph-muted" });
  const refresh = button({
    label: "Look again", text: "Refresh", icon: "reset", onclick: () => model.send({ ask: "refresh" }),
  });
  const trouble = h("p", { class: "ph-trouble", role: "status" });
  const spoken = h("div", { class: "ph-sr", role: "status", "aria-live": "polite" });
  const tabs = [
    tab("source", "Source"), tab("slots", "Slots and schemas"),
    tab("attachments", "Attachments"), tab("snapshots", "Snapshots"),
  ];
  const list = h("div", { class: "ph-tabs", role: "tablist", "aria-label": "Parts of the model", onkeydown: key },
    ...tabs.map((one) => one.head));
  root.append(
    h("header", { class: "ph-head" },
      h("div", { class: "ph-who" }, h("h3", { class: "ph-title", text: get("name") }),
        h("span", { class: "ph-pill", text: get("mtype") }), facts),
      h("div", { class: "ph-controls" }, refresh)),
    list,
    ...tabs.map((one) => one.panel),
    trouble,
    spoken,
  );

  function tab(name, label) {
    const number = h("span", { class: "ph-chip-count" });
    const head = h("button", {
      type: "button", role: "tab", class: "ph-tab", id: `${id}-${name}-tab`, "aria-controls": `${id}-${name}`,
      onclick: () => select(name),
    }, h("span", { text: label }), number);
    const panel = h("div", {
      role: "tabpanel", id: `${id}-${name}`, "aria-labelledby": `${id}-${name}-tab`, tabindex: "0", class: "ph-panel",
    });
    return { name, head, panel, number };
  }

  function select(name) {
    for (const one of tabs) {
      const chosen = one.name === name;
      one.head.setAttribute("aria-selected", String(chosen));
      one.head.tabIndex = chosen ? 0 : -1;
      show(one.panel, chosen);
    }
  }

  function key(event) {
    const at = tabs.findIndex((one) => one.head === document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    const next = tabs[(to + tabs.length) % tabs.length];
    select(next.name);
    next.head.focus();
    event.preventDefault();
  }

  const fill = {
    source: (panel) => panel.replaceChildren(
      get("source") ? h("div", { class: "ph-source", tabindex: "0" }, codeView(get("source").replace(/\n$/, ""), get("mtype"))) : nothing("no source"),
    ),
    slots: (panel) => panel.replaceChildren(...slotList(get("slots")), optionList(get("options"))),
    attachments: (panel) => panel.replaceChildren(rowsOf(
      ["Name", "Type", "Size"],
      get("attachments").map((one) => [one.name, one.type, one.size === null ? "" : size(one.size)]),
      "no attachments",
    )),
    snapshots: (panel) => panel.replaceChildren(rowsOf(
      ["Id", "Saved", "Type", "Size"],
      get("snapshots").map((one) => [one.id, one.at, one.type, size(one.size)]),
      "no snapshots",
    )),
  };

  function draw() {
    for (const one of tabs) {
      const value = JSON.stringify([get(one.name), one.name === "slots" ? get("options") : null]);
      if (one.value === value) continue;
      one.value = value;
      fill[one.name](one.panel);
      const amount = one.name === "source" ? lines(get("source")) : get(one.name).length;
      say(one.number, count(amount));
    }
    const where = get("saved") ? "saved in Model Manage" : "not saved";
    say(facts, `${plural(lines(get("source")), "line")}, ${get("loading") ? "looking …" : where}`);
    refresh.disabled = get("loading");
    say(trouble, get("trouble"));
    show(trouble, Boolean(get("trouble")));
    say(spoken, get("status"));
  }

  select("source");
  model.on("change", draw);
  draw();
}

function lines(source) {
  return source ? source.replace(/\n$/, "").split("\n").length : 0;
}

function nothing(text) {
  return h("p", { class: "ph-empty ph-muted", text });
}

function slotList(slots) {
  if (!slots.length) return [nothing("no slots")];
  return slots.map((slot) => h(
    "section",
    { class: "ph-slot" },
    h("div", { class: "ph-slot-head" },
      h("h4", { text: slot.label }),
      h("span", { class: "ph-mono", text: slot.schema_name || "any record" }),
      slot.action ? h("span", { class: "ph-muted", text: `handled by ${slot.action}()` }) : null,
      slot.recordsets === "yes" ? h("span", { class: "ph-pill", text: "record sets" }) : null),
    slot.schema
      ? h("details", {}, h("summary", { text: "schema" }), h("div", { class: "ph-source" }, codeView(slot.schema, "json")))
      : slot.schema_name ? h("p", { class: "ph-muted", text: "its schema is not known here" }) : null,
  ));
}

function optionList(options) {
  if (!options.length) return h("span");
  return rowsOf(["Option", "Value"], options, "");
}

function rowsOf(heads, rows, empty) {
  if (!rows.length) return nothing(empty);
  return h("div", { class: "ph-scroll" }, h(
    "table",
    { class: "ph-grid" },
    h("thead", {}, h("tr", {}, ...heads.map((text) => h("th", { scope: "col", class: "ph-left", text })))),
    h("tbody", {}, ...rows.map((row) => h("tr", {}, ...row.map((text, i) =>
      h(i ? "td" : "th", { class: "ph-left", scope: i ? null : "row", text: String(text) }))))),
  ));
}

export default { render };
