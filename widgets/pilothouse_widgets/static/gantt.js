// The time axis of a plan, and the lines from what was done to what waited for it.

import { h, say } from "./dom.js";
import { duration } from "./format.js";

const SVG = "http://www.w3.org/2000/svg";
const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400];
const MOST_TICKS = 6;
const LAST_TICK = 0.9; // of the axis: a word needs room behind it

/** Build both; `draw(steps, seconds, tracks)` fits them to the tracks of the rows. */
export function makeGantt() {
  const links = document.createElementNS(SVG, "svg");
  links.setAttribute("class", "ph-step-links");
  links.setAttribute("aria-hidden", "true");
  const ticks = h("div", { class: "ph-step-ticks" });
  const axis = h("div", { class: "ph-step-axis", "aria-hidden": "true" }, h("span"), h("span"), ticks, h("span"));

  const draw = (steps, seconds, tracks) => {
    const span = Math.max(seconds, 0.001);
    drawTicks(ticks, span);
    drawLinks(links, steps, span, tracks);
  };
  return { links, axis, draw };
}

function drawTicks(ticks, span) {
  const every = STEPS.find((step) => span / step <= MOST_TICKS) ?? STEPS.at(-1);
  const count = Math.floor((span * LAST_TICK) / every) + 1;
  while (ticks.children.length < count) ticks.append(h("span", { class: "ph-step-tick" }));
  while (ticks.children.length > count) ticks.lastChild.remove();
  [...ticks.children].forEach((tick, i) => {
    tick.style.left = `${((i * every) / span) * 100}%`;
    say(tick, !i ? "0" : every < 1 ? `${(i * every).toFixed(1)} s` : duration(i * every));
  });
}

function drawLinks(links, steps, span, tracks) {
  const box = links.parentElement?.getBoundingClientRect();
  const first = tracks[0]?.getBoundingClientRect();
  if (!box || !first || !first.width) return;
  const left = first.left - box.left;
  const at = new Map(steps.map((step, i) => [step.name, i]));
  const middle = (i) => {
    const track = tracks[i].getBoundingClientRect();
    return track.top + track.height / 2 - box.top;
  };
  const paths = [];
  steps.forEach((step, i) => {
    if (step.start === null) return;
    for (const need of step.needs) {
      const from = steps[at.get(need)];
      if (!from || from.end === null) continue;
      const x1 = left + (from.end / span) * first.width;
      const x2 = left + (step.start / span) * first.width;
      paths.push(`M${x1.toFixed(1)} ${middle(at.get(need)).toFixed(1)}V${middle(i).toFixed(1)}H${x2.toFixed(1)}`);
    }
  });
  links.setAttribute("width", box.width);
  links.setAttribute("height", box.height);
  while (links.children.length < paths.length) links.append(document.createElementNS(SVG, "path"));
  while (links.children.length > paths.length) links.lastChild.remove();
  paths.forEach((path, i) => links.children[i].setAttribute("d", path));
}
