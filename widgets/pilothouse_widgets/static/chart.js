// A live chart: one plot over the model's window.

import { h, say, show } from "./dom.js";
import { Plot } from "./plot.js";
import { openStream, streamOf } from "./stream.js";
import { makeRoot } from "./theme.js";

function initialize({ model }) {
  return openStream(model, model.get("series").length);
}

function render({ model, el, signal }) {
  let plot = null;
  const title = model.get("title");
  const root = makeRoot(el, {
    model,
    kind: "chart",
    label: title || "chart",
    signal,
    onTheme: () => plot?.retheme(),
  });
  const stream = streamOf(model);
  const heading = h("h3", { class: "ph-title", text: title });
  const trouble = h("p", { class: "ph-trouble", role: "status" });
  plot = new Plot({
    root,
    stream,
    series: model.get("series"),
    axis: model.get("axis"),
    unit: model.get("unit"),
    xLabel: model.get("x_label"),
    label: title || "chart",
    signal,
  });
  root.append(...(title ? [heading] : []), plot.el, trouble);
  const words = () => {
    const lost = model.get("link") === "lost";
    const why = lost ? `Connection lost, trying again. ${model.get("link_text")}` : "";
    say(trouble, why || model.get("trouble"));
    show(trouble, trouble.textContent !== "");
  };
  for (const name of ["trouble", "link", "link_text"]) model.on(`change:${name}`, words);
  words();
  const stop = stream.listen(() => plot.paint());
  plot.paint();
  return stop;
}

export default { initialize, render };
