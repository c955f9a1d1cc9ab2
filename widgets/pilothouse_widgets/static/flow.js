// A plan of steps: a row for each, its time on one axis, who waited for whom.

import { makeBar } from "./bar.js";
import { h, say, show } from "./dom.js";
import { duration } from "./format.js";
import { makeGantt } from "./gantt.js";
import { makeRoot } from "./theme.js";

const INSTANT = 0.01; // seconds: what took less is told as that
const SIGNS = { waiting: "·", running: "", done: "✓", failed: "×", cancelled: "■", detached: "↗", skipped: "–" };

function render({ model, el, signal }) {
  const get = (name) => model.get(name);
  const root = makeRoot(el, { model, kind: "progress", label: get("label") || "plan", signal });
  root.classList.add("ph-flow");
  const bar = makeBar(model, root);
  const list = h("div", { class: "ph-steps", role: "list", "aria-label": "Steps" });
  const gantt = makeGantt();
  const rows = [];
  list.append(gantt.links, gantt.axis);
  root.append(...bar.parts, list);
  list.addEventListener("keydown", (event) => walk(event, rows));

  const draw = () => {
    bar.draw();
    const steps = get("rows");
    while (rows.length > steps.length) rows.pop().element.remove();
    steps.forEach((step, i) => {
      if (!rows[i]) {
        rows[i] = makeRow(i, () => mark(rows));
        gantt.axis.before(rows[i].element);
      }
      rows[i].draw(step, get("now"));
    });
    root.classList.toggle("ph-flow-bad", steps.some((step) => step.state === "failed"));
    show(list, steps.length > 0);
    gantt.draw(steps, get("now"), rows.map((row) => row.track));
  };
  const watch = new ResizeObserver(() => gantt.draw(get("rows"), get("now"), rows.map((row) => row.track)));
  watch.observe(list);
  signal.addEventListener("abort", () => watch.disconnect());
  model.on("change", draw);
  draw();
}

function makeRow(index, changed) {
  const sign = h("span", { class: "ph-step-sign", "aria-hidden": "true" });
  const word = h("span", { class: "ph-step-word" });
  const state = h("span", { class: "ph-step-state" }, sign, word);
  const name = h("span", { class: "ph-step-name" });
  const does = h("span", { class: "ph-step-does" });
  const block = h("div", { class: "ph-step-block" }, h("div", { class: "ph-step-part" }));
  const waits = h("span", { class: "ph-step-waits" });
  const track = h("div", { class: "ph-step-track", "aria-hidden": "true" }, block, waits);
  const took = h("span", { class: "ph-step-took ph-muted" });
  const what = h("span", { class: "ph-step-what" }, name, does);
  const element = h("div", { class: "ph-step", role: "listitem", tabindex: index ? "-1" : "0" }, state, what, track, took);
  for (const kind of ["focus", "blur", "mouseenter", "mouseleave"]) element.addEventListener(kind, changed);
  const row = { element, track, step: null };

  row.draw = (step, now) => {
    row.step = step;
    element.dataset.state = step.state;
    sign.classList.toggle("ph-spinner", step.state === "running");
    say(sign, SIGNS[step.state] ?? "");
    say(word, step.before ? "done before" : step.state);
    say(name, step.name);
    const needs = step.needs.length ? `needs ${step.needs.join(", ")}` : "";
    say(does, step.text || step.title);
    does.title = [step.title, step.text, needs, step.line ? `line ${step.line}` : ""].filter(Boolean).join("\n");
    const begun = step.start !== null;
    const end = step.end ?? now;
    const seconds = begun ? Math.max(end - step.start, 0) : 0;
    const spent = !begun ? "" : seconds < INSTANT ? `< ${duration(INSTANT)}` : duration(seconds);
    say(took, spent);
    say(waits, step.state === "waiting" && step.needs.length ? `after ${step.needs.join(", ")}` : "");
    show(block, begun);
    const span = Math.max(now, 0.001);
    block.style.left = begun ? `${(step.start / span) * 100}%` : "";
    block.style.width = begun ? `${(seconds / span) * 100}%` : "";
    const part = step.state === "running" && step.fraction !== null ? step.fraction : 1;
    block.firstChild.style.width = `${part * 100}%`;
    block.classList.toggle("ph-step-unknown", step.state === "running" && step.fraction === null);
    element.setAttribute("aria-label", [step.name, word.textContent, spent, does.textContent, needs].filter(Boolean).join(", "));
  };
  return row;
}

/** Mark what the row under the pointer or the focus needs, and who needs it. */
function mark(rows) {
  const at = rows.find((row) => row.element.matches(":hover")) ?? rows.find((row) => row.element.matches(":focus"));
  for (const row of rows) {
    const before = at?.step?.needs.includes(row.step?.name);
    const after = row.step?.needs.includes(at?.step?.name);
    row.element.classList.toggle("ph-step-before", Boolean(before));
    row.element.classList.toggle("ph-step-after", Boolean(after));
  }
}

/** One stop of the Tab key; up and down go through the rows. */
function walk(event, rows) {
  const at = rows.findIndex((row) => row.element === event.target);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
  if (at < 0 || to === undefined || !rows[to]) return;
  event.preventDefault();
  rows[at].element.tabIndex = -1;
  rows[to].element.tabIndex = 0;
  rows[to].element.focus();
}

export default { render };
