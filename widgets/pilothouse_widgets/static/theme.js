// Light or dark, as the page around the view really is.

import { h } from "./dom.js";

/** The root of a view: follows the theme, keeps the notebook's shortcuts off its keys. */
export function makeRoot(el, { model, kind, label, signal, onTheme }) {
  const root = h("section", {
    class: `ph ph-${kind}`,
    "aria-label": label,
  });
  el.append(root);
  hideSnapshots(model, signal);
  keepKeys(root, signal);
  const look = () => {
    const theme = isDark(el) ? "dark" : "light";
    if (root.dataset.theme === theme) return;
    root.dataset.theme = theme;
    onTheme?.();
  };
  look();
  // JupyterLab renames the theme on <body> before its colours have arrived.
  const later = () => [0, 60, 300, 1000].forEach((wait) => setTimeout(look, wait));
  const watch = new MutationObserver(later);
  for (const element of [document.documentElement, document.body]) {
    watch.observe(element, { attributes: true });
  }
  const preference = matchMedia("(prefers-color-scheme: dark)");
  preference.addEventListener("change", later);
  const first = requestAnimationFrame(look);
  signal.addEventListener("abort", () => {
    cancelAnimationFrame(first);
    watch.disconnect();
    preference.removeEventListener("change", later);
    root.remove();
  });
  return root;
}

/**
 * Keep the notebook's shortcuts off the keys of a view: an x would cut its cell.
 *
 * JupyterLab looks at the element that has the focus and upwards, as far as one with this
 * mark. What saves the notebook does so from here as from anywhere else.
 */
function keepKeys(root, signal) {
  const mark = ({ target, key, ctrlKey, metaKey }) => {
    if (!root.contains(target)) return;
    const saves = (ctrlKey || metaKey) && key.toLowerCase() === "s";
    target.toggleAttribute("data-lm-suppress-shortcuts", !saves);
  };
  addEventListener("keydown", mark, { capture: true, signal }); // ahead of JupyterLab's
}

/** What stands beside a live view is for who opens the notebook without it. */
function hideSnapshots(model, signal) {
  const mark = `[data-ph-of="${model.get("_key")}"]`;
  const style = h("style", {
    text: `${mark}, .jp-OutputArea-child:has(${mark}):not(:has(.ph)) { display: none !important; }`,
  });
  document.head.append(style);
  signal.addEventListener("abort", () => style.remove());
}

function isDark(el) {
  for (let at = el; at; at = at.parentElement ?? at.getRootNode().host) {
    const colour = parse(getComputedStyle(at).backgroundColor);
    if (colour && colour[3] > 0.5) return luminance(colour) < 0.4;
  }
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

function parse(colour) {
  const numbers = colour.match(/[\d.]+/g)?.map(Number);
  if (!numbers || numbers.length < 3) return null;
  return [numbers[0], numbers[1], numbers[2], numbers[3] ?? 1];
}

function luminance([red, green, blue]) {
  return (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255;
}

/** Colours and fonts of a root, for a canvas. */
export function tokens(root) {
  const style = getComputedStyle(root);
  const of = (name) => style.getPropertyValue(name).trim();
  return {
    text: of("--ph-text"),
    muted: of("--ph-muted"),
    grid: of("--ph-grid"),
    surface: of("--ph-surface"),
    accent: of("--ph-accent"),
    font: style.fontFamily,
    series: [1, 2, 3, 4, 5, 6, 7, 8].map((n) => of(`--ph-series-${n}`)),
  };
}
