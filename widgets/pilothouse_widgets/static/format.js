// Numbers, sizes, times and durations in words; `words.py` does the same for text.

const STEPS = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];

function trim(text) {
  return text.includes(".") ? text.replace(/0+$/, "").replace(/\.$/, "") : text;
}

function digits(value) {
  const magnitude = Math.abs(value);
  if (Number.isInteger(value)) return String(value);
  if (magnitude >= 100) return value.toFixed(0);
  if (magnitude >= 10) return trim(value.toFixed(1));
  return trim(value.toFixed(magnitude < 1 ? 3 : 2));
}

/** At most four significant digits: 12.3k, 0.25. */
export function number(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "-∞";
  for (const [step, sign] of STEPS) {
    if (Math.abs(value) >= step) return digits(value / step) + sign;
  }
  if (value && Math.abs(value) < 1e-3) return value.toExponential(2);
  return digits(value);
}

/** All digits of a whole number, with separators. */
export function count(value) {
  return Math.round(value).toLocaleString("en-US");
}

/** 1 jet, 2 jets. */
export function plural(value, noun) {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** 1 row, 2 rows; the unit is given in the plural. */
export function units(value, unit) {
  return `${count(value)} ${value === 1 ? unit.replace(/s$/, "") : unit}`.trimEnd();
}

/** 142 MiB. */
export function size(bytes) {
  let value = bytes;
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (Math.abs(value) < 1024) return `${digits(value)} ${unit}`;
    value /= 1024;
  }
  return `${digits(value)} TiB`;
}

/** 450 ms, 12 s, 3 min 5 s. */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 1) return `${(seconds * 1000).toFixed(0)} ms`;
  if (seconds < 60) return `${seconds.toFixed(seconds >= 10 ? 0 : 1)} s`;
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min ${whole % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Local time of day; with so many decimals of a second. */
export function clock(seconds, decimals = 0) {
  const at = new Date(seconds * 1000);
  const two = (part) => String(part).padStart(2, "0");
  const whole = `${two(at.getHours())}:${two(at.getMinutes())}`;
  if (decimals < 0) return whole;
  const fraction = decimals ? (seconds % 1).toFixed(decimals).slice(1) : "";
  return `${whole}:${two(at.getSeconds())}${fraction}`;
}

/** A value with its unit; bytes and seconds get steps of their own. */
export function quantity(value, unit) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (unit === "bytes" || unit === "B") return size(value);
  if (unit === "s") return duration(value);
  return unit ? `${number(value)} ${unit}` : number(value);
}
