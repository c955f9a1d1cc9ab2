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
    label: title || "chart",
    signal,
  });
  root.append(...(title ? [heading] : []), plot.el, trouble);
  const words = () => {
    say(trouble, model.get("trouble"));
    show(trouble, Boolean(model.get("trouble")));
  };
  model.on("change:trouble", words);
  words();
  const stop = stream.listen(() => plot.paint());
  plot.paint();
  return stop;
}

export default { initialize, render };
