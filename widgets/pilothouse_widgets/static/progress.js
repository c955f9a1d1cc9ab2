// Progress: bar, count, rate, time left, cancel.

import { makeBar } from "./bar.js";
import { makeRoot } from "./theme.js";

function render({ model, el, signal }) {
  const label = model.get("label") || "progress";
  const root = makeRoot(el, { model, kind: "progress", label, signal });
  const bar = makeBar(model, root);
  root.append(...bar.parts);
  model.on("change", bar.draw);
  bar.draw();
}

export default { render };
