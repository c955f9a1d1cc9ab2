// Round numbers for axes.

const TIME_STEPS = [
  0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400,
  21600, 43200, 86400,
];

/** A round step so that at most `most` of them fit into `range`. */
export function step(range, most) {
  const rough = range / Math.max(most, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const mantissa = rough / power;
  const round = mantissa <= 1 ? 1 : mantissa <= 2 ? 2 : mantissa <= 5 ? 5 : 10;
  return round * power;
}

/** A round step of time. */
export function timeStep(range, most) {
  const rough = range / Math.max(most, 1);
  return TIME_STEPS.find((one) => one >= rough) ?? Math.ceil(rough / 86400) * 86400;
}

/** The multiples of a step within a range. */
export function ticks(low, high, by, offset = 0) {
  const found = [];
  const first = Math.ceil((low + offset) / by - 1e-9);
  const last = Math.floor((high + offset) / by + 1e-9);
  for (let i = first; i <= last && found.length < 100; i += 1) {
    found.push(i * by - offset);
  }
  return found;
}

/** A y range with round ends around what is visible; from 0 when that is near or asked. */
export function roundRange(low, high, most, zero = false) {
  if (!(high >= low)) return { low: 0, high: 1, by: 0.5 };
  if (low >= 0 && (zero || low <= high * 0.6)) low = 0;
  if (high === low) {
    const margin = Math.abs(high) * 0.5 || 1;
    [low, high] = low >= 0 ? [Math.max(0, low - margin), high + margin] : [low - margin, high + margin];
  }
  const by = step(high - low, most);
  return { low: Math.floor(low / by + 1e-9) * by, high: Math.ceil(high / by - 1e-9) * by, by };
}

const SCALES = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""]];
const BINARY = [[2 ** 40, "Ti"], [2 ** 30, "Gi"], [2 ** 20, "Mi"], [2 ** 10, "Ki"], [1, ""]];

/** The step and its sign that bytes of this size are told in, as `size` does; else none. */
export function byteScale(most, unit) {
  if (unit !== "B" && unit !== "bytes") return null;
  return BINARY.find(([one]) => most >= one) ?? [1, ""];
}

/** The same range in other steps. */
export function scaled({ low, high, by }, step) {
  return { low: low * step, high: high * step, by: by * step };
}

/** Words for marks that are `by` apart: as many digits as tell them apart. */
export function markWords(marks, by, told = null) {
  const most = Math.max(...marks.map(Math.abs), by);
  const [scale, sign] = told ?? SCALES.find(([one]) => most >= one) ?? [1, ""];
  const places = Math.max(0, Math.ceil(-Math.log10(by / scale) - 1e-9));
  if (places > 6) return marks.map((mark) => mark.toExponential(1));
  return marks.map((mark) => (Math.abs(mark) < by / 2 ? "0" : (mark / scale).toFixed(places) + sign));
}
