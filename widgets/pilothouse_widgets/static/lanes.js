// Lanes: who worked on what, and when; one row for each worker, one block for each batch.

import { h, say } from "./dom.js";
import { duration, plural } from "./format.js";

/** Build lanes; `draw(lanes, seconds)` shows them over the time from 0 to `seconds`. */
export function makeLanes(unit) {
  const rows = new Map();
  const element = h("div", { class: "ph-lanes", role: "list", "aria-label": "Workers" });

  const draw = (lanes, seconds) => {
    const span = Math.max(seconds, 0.001);
    for (const lane of lanes) {
      if (!rows.has(lane.name)) {
        const row = makeRow();
        rows.set(lane.name, row);
        element.append(row.element);
      }
      rows.get(lane.name).draw(lane, span, unit());
    }
    for (const [name, row] of rows) {
      if (lanes.some((lane) => lane.name === name)) continue;
      row.element.remove();
      rows.delete(name);
    }
  };
  return { element, draw };
}

function makeRow() {
  const name = h("span", { class: "ph-lane-name" });
  const track = h("div", { class: "ph-lane-track", role: "img" });
  const sum = h("span", { class: "ph-lane-sum ph-muted" });
  const element = h("div", { class: "ph-lane", role: "listitem" }, name, track, sum);
  const blocks = [];

  const draw = (lane, span, unit) => {
    say(name, lane.name);
    name.title = lane.where === "here" ? `${lane.name}: in this kernel's machine` : lane.name;
    element.dataset.where = lane.where;
    const amount = `${plural(lane.items, unit.replace(/s$/, ""))}, ${duration(lane.seconds)}`;
    say(sum, amount);
    track.setAttribute("aria-label", `${lane.name}: ${amount}`);
    while (blocks.length < lane.spans.length) {
      blocks.push(h("div", { class: "ph-lane-block" }));
      track.append(blocks.at(-1));
    }
    while (blocks.length > lane.spans.length) blocks.pop().remove();
    lane.spans.forEach(([start, end, items, state], i) => {
      const until = end ?? span;
      const block = blocks[i];
      block.dataset.state = state;
      block.style.left = `${(start / span) * 100}%`;
      block.style.width = `${(Math.max(until - start, 0) / span) * 100}%`;
      block.title = `${plural(items, unit.replace(/s$/, ""))}, ${duration(until - start)}, ${state}`;
    });
  };
  return { element, draw };
}
