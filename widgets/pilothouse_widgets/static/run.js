// A run of remote work: bar, what it cost, who works on what, what went wrong.

import { makeBar } from "./bar.js";
import { h, icon, say, show } from "./dom.js";
import { makeLanes } from "./lanes.js";
import { makeRoot } from "./theme.js";

function render({ model, el, signal }) {
  const get = (name) => model.get(name);
  const root = makeRoot(el, { model, kind: "progress", label: get("label") || "run", signal });
  root.classList.add("ph-run");
  const bar = makeBar(model, root);
  const step = h("p", { class: "ph-run-step" }, h("span", { class: "ph-spinner", "aria-hidden": "true" }), h("span"));
  const facts = h("dl", { class: "ph-run-facts" });
  const lanes = makeLanes(() => get("unit"));
  const failure = makeFailure();
  root.append(...bar.parts, step, lanes.element, facts, failure.element);

  const draw = () => {
    bar.draw();
    const running = get("state") === "running";
    say(step.lastChild, get("step"));
    show(step, running && get("step") !== "");
    lanes.draw(get("lanes"), get("span"));
    show(lanes.element, get("lanes").length > 0);
    drawFacts(facts, get("facts"));
    failure.draw(get("failure"));
  };
  model.on("change", draw);
  draw();
}

function drawFacts(list, pairs) {
  show(list, pairs.length > 0);
  while (list.children.length > pairs.length) list.lastChild.remove();
  pairs.forEach(([name, value], i) => {
    const entry = list.children[i] ?? list.appendChild(h("div", {}, h("dt"), h("dd")));
    say(entry.firstChild, name);
    say(entry.lastChild, value);
  });
}

function makeFailure() {
  const title = h("span", { class: "ph-error-text" });
  const trace = h("pre", { class: "ph-code", tabindex: "0" });
  const element = h("details", { class: "ph-error", hidden: true }, h("summary", {}, icon("warn"), title), trace);
  const draw = (failure) => {
    show(element, Boolean(failure.title));
    say(title, failure.title ?? "");
    say(trace, failure.traceback ?? "");
  };
  return { element, draw };
}

export default { render };
