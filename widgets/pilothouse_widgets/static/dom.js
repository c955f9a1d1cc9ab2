// Elements with text only: nothing here ever parses markup.

const SVG = "http://www.w3.org/2000/svg";

/** Make an element: attributes, `on*` listeners, `text`; children may be null. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "text") element.textContent = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Return an id of one's own: each widget has its modules to itself, and so its counts. */
export function uniqueId(kind) {
  return `ph-${kind}-${Math.random().toString(36).slice(2, 10)}`;
}

/** Set text only when it differs, so that screen readers are not told twice. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Show or hide. */
export function show(element, shown) {
  if (element.hidden === shown) element.hidden = !shown;
}

const PATHS = {
  play: "M5 3.5v9l7.5-4.5z",
  pause: "M4.5 3.5h2.5v9H4.5zM9 3.5h2.5v9H9z",
  reset: "M8 3a5 5 0 1 1-4.6 3h1.7A3.4 3.4 0 1 0 8 4.6V7L4.5 3.9 8 .9z",
  minus: "M3.5 7.2h9v1.7h-9z",
  plus: "M7.2 3.5h1.7v3.7h3.7v1.7H8.9v3.7H7.2V8.9H3.5V7.2h3.7z",
  fit: "M2.5 2.5h4V4H4v2.5H2.5zM9.5 2.5h4v4H12V4H9.5zM2.5 9.5H4V12h2.5v1.5h-4zM12 9.5h1.5v4h-4V12H12z",
  table: "M2.5 3h11v10h-11zM4 6.2v2h3.2v-2zm4.7 0v2H12v-2zM4 9.7v1.9h3.2V9.7zm4.7 0v1.9H12V9.7z",
  close: "M4.2 3.1 8 6.9l3.8-3.8 1.1 1.1L9.1 8l3.8 3.8-1.1 1.1L8 9.1l-3.8 3.8-1.1-1.1L6.9 8 3.1 4.2z",
  warn: "M8 1.8 15 14H1zM7.2 6v4h1.6V6zm0 5v1.6h1.6V11z",
  down: "M3.2 5.5h9.6L8 11z",
  stop: "M4 4h8v8H4z",
  back: "M7.2 3.2 8.4 4.4 5.6 7.2H13v1.6H5.6l2.8 2.8-1.2 1.2L2.4 8z",
  search: "M7 2.2a4.8 4.8 0 0 1 3.8 7.7l3 3-1.1 1.1-3-3A4.8 4.8 0 1 1 7 2.2zm0 1.6a3.2 3.2 0 1 0 0 6.4 3.2 3.2 0 0 0 0-6.4z",
};

/** A small drawing beside a word; it says nothing to a screen reader. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", "ph-icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  path.setAttribute("fill-rule", "evenodd");
  svg.append(path);
  return svg;
}

/** A button with a drawing, a word or both; `label` is its accessible name. */
export function button({ label, icon: drawing, text, kind = "", onclick, pressed }) {
  const attributes = { type: "button", class: `ph-button ${kind}`, onclick };
  if (!text) Object.assign(attributes, { "aria-label": label, title: label });
  else if (label && label !== text) attributes.title = label;
  if (pressed !== undefined) attributes["aria-pressed"] = String(pressed);
  const word = text ? h("span", { text }) : null;
  return h("button", attributes, drawing ? icon(drawing) : null, word);
}

/** Swap a button's drawing and word; keeps the element, so focus stays. */
export function relabel(element, { icon: drawing, text, label }) {
  const key = `${drawing}|${text}|${label}`;
  if (element.dataset.face === key) return;
  element.dataset.face = key;
  element.replaceChildren(
    ...[drawing ? icon(drawing) : null, text ? h("span", { text }) : null].filter(Boolean),
  );
  if (label) {
    element.title = label;
    if (!text) element.setAttribute("aria-label", label);
  }
}

/** Run a function on each next frame, once however often it is asked for. */
export function perFrame(draw) {
  let asked = 0;
  const frame = () => {
    if (asked) return;
    asked = requestAnimationFrame(() => {
      asked = 0;
      draw();
    });
  };
  frame.cancel = () => {
    cancelAnimationFrame(asked);
    asked = 0;
  };
  return frame;
}
