// What a plot draws on its canvas: grid, axis marks, lines, dots.
// A frame is {left, top, width, height, low, high, y: {low, high, by}}.

import { markWords, step, ticks, timeStep } from "./axis.js";
import { clock } from "./format.js";

export const RIGHT = 14;

/** Where the x axis is marked, and with which words. */
export function xMarks({ low, high, width }, axis) {
  const most = Math.max(2, Math.floor(width / 90));
  if (axis === "number") {
    const by = step(high - low, most);
    const marks = ticks(low, high, by);
    const words = markWords(marks, by);
    return marks.map((x, i) => [x, words[i]]);
  }
  const by = timeStep(high - low, most);
  const offset = -new Date(high * 1000).getTimezoneOffset() * 60;
  const decimals = by < 1 ? 1 : by < 60 ? 0 : -1;
  return ticks(low, high, by, offset).map((x) => [x, clock(x, decimals)]);
}

/** Horizontal lines at round values, and the words at both axes: [value, text]. */
export function drawGrid(pen, frame, ys, xs, tokens) {
  pen.strokeStyle = tokens.grid;
  pen.fillStyle = tokens.muted;
  pen.lineWidth = 1;
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  for (const [y, text] of ys) {
    const at = Math.round(toY(frame, y)) + 0.5;
    rule(pen, frame.left, at, frame.left + frame.width, at);
    pen.fillText(text, frame.left - 8, at);
  }
  pen.textBaseline = "alphabetic";
  pen.textAlign = "center";
  const bottom = frame.top + frame.height;
  for (const [x, text] of xs) {
    const at = Math.round(toX(frame, x)) + 0.5;
    rule(pen, at, bottom, at, bottom + 4);
    const half = pen.measureText(text).width / 2;
    const within = Math.min(Math.max(at, half + 2), frame.left + frame.width + RIGHT - half - 1);
    pen.fillText(text, within, bottom + 16);
  }
}

/** One minimum and one maximum for each pixel column, first to last. */
export function linePath(ring, frame) {
  const from = Math.max(ring.find(frame.low) - 1, ring.start);
  const to = Math.min(ring.find(frame.high) + 1, ring.end);
  if (to <= from) return null;
  const path = new Path2D();
  const perPixel = frame.width / (frame.high - frame.low || 1);
  let open = false;
  let column = NaN;
  let least = 0;
  let most = 0;
  let last = 0;
  const leave = () => {
    if (!open || most === least) return;
    path.lineTo(column, toY(frame, least));
    path.lineTo(column, toY(frame, most));
    path.lineTo(column, toY(frame, last));
  };
  for (let at = from; at < to; at += 1) {
    const value = ring.y[at];
    if (value - value !== 0) {
      leave();
      open = false;
      continue;
    }
    const x = Math.round((frame.left + (ring.x[at] - frame.low) * perPixel) * 2) / 2;
    if (open && x === column) {
      if (value < least) least = value;
      if (value > most) most = value;
      last = value;
      continue;
    }
    leave();
    if (open) path.lineTo(x, toY(frame, value));
    else path.moveTo(x, toY(frame, value));
    open = true;
    column = x;
    least = most = last = value;
  }
  leave();
  return path;
}

export function toX({ left, width, low, high }, x) {
  return left + ((x - low) / (high - low || 1)) * width;
}

export function toY({ top, height, y }, value) {
  return top + (1 - (value - y.low) / (y.high - y.low)) * height;
}

export function rule(pen, x1, y1, x2, y2) {
  pen.beginPath();
  pen.moveTo(x1, y1);
  pen.lineTo(x2, y2);
  pen.stroke();
}

export function dot(pen, x, y, radius) {
  pen.beginPath();
  pen.arc(x, y, radius, 0, 2 * Math.PI);
  pen.fill();
}
