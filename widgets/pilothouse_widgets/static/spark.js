// A small line without axes: how a number went of late. Decoration: the number stands beside it.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 120;
const HEIGHT = 32;
const EDGE = 2;

function node(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** Return the element, and `draw(values)`; null is a gap, the newest value is at the right. */
export function makeSpark(points = 60) {
  const area = node("path", { class: "ph-spark-area" });
  const line = node("path", { class: "ph-spark-line", "vector-effect": "non-scaling-stroke" });
  const el = node("svg", {
    class: "ph-spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true",
  });
  el.append(area, line);
  let drawn = "";
  const draw = (values) => {
    const key = values.join();
    if (key === drawn) return;
    drawn = key;
    const { stroke, fill } = paths(values.slice(-points), points);
    line.setAttribute("d", stroke);
    area.setAttribute("d", fill);
  };
  return { el, draw };
}

function paths(values, points) {
  const real = values.filter((value) => value !== null);
  if (real.length < 2) return { stroke: "", fill: "" };
  let low = Math.min(...real);
  const high = Math.max(...real);
  if (low >= 0 && low < high * 0.6) low = 0;
  const span = high - low || 1;
  const flat = high === low;
  const x = (i) => (((points - values.length + i) / (points - 1)) * WIDTH).toFixed(1);
  const y = (value) => (flat ? HEIGHT - EDGE - (value ? HEIGHT * 0.4 : 0)
    : HEIGHT - EDGE - ((value - low) / span) * (HEIGHT - 2 * EDGE)).toFixed(1);
  let stroke = "";
  let fill = "";
  let run = [];
  const end = () => {
    if (run.length > 1) {
      const path = run.map(([at, up], i) => `${i ? "L" : "M"}${at} ${up}`).join("");
      stroke += path;
      fill += `${path}L${run.at(-1)[0]} ${HEIGHT}L${run[0][0]} ${HEIGHT}Z`;
    }
    run = [];
  };
  values.forEach((value, i) => (value === null ? end() : run.push([x(i), y(value)])));
  end();
  return { stroke, fill };
}
