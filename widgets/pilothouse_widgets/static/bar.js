// The bar of some work: count, rate, time left, cancel. Views put more around it.

import { button, h, say, show } from "./dom.js";
import { count, duration, number, units } from "./format.js";

const TONES = { running: "run", cancelling: "warn", done: "ok", failed: "bad", cancelled: "warn", detached: "warn" };

/** Build the bar in a root; returns its parts and a function that draws the model. */
export function makeBar(model, root) {
  const get = (name) => model.get(name);
  const label = h("span", { class: "ph-progress-label" });
  const state = h("span", { class: "ph-progress-state" });
  const bar = h("div", { class: "ph-fill" });
  const track = h("div", { class: "ph-track", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100 }, bar);
  const numbers = h("span", { class: "ph-progress-numbers" });
  const left = h("span", { class: "ph-muted" });
  const text = h("p", { class: "ph-progress-text" });
  const hint = h("p", { class: "ph-progress-hint ph-muted" });
  const spoken = h("div", { class: "ph-sr", role: "status", "aria-live": "polite" });
  const cancel = button({
    text: "Cancel",
    onclick: () => {
      model.send({ ask: "cancel" });
      cancel.disabled = true;
      say(state, "cancel requested");
    },
  });
  const head = h("div", { class: "ph-progress-head" }, label, state, cancel);
  const foot = h("div", { class: "ph-progress-foot" }, numbers, left);
  const draw = () => {
    const [done, total, rate, now] = [get("done"), get("total"), get("rate"), get("state")];
    const fraction = total ? Math.min(done / total, 1) : null;
    const running = now === "running" || now === "cancelling";
    root.dataset.state = now;
    root.dataset.tone = TONES[now];
    say(label, get("label") || "working");
    say(state, now === "running" ? (fraction === null ? "" : `${Math.floor(fraction * 100)} %`) : now);
    track.classList.toggle("ph-unknown", fraction === null && now === "running");
    track.setAttribute("aria-label", get("label") || "progress");
    if (fraction === null) track.removeAttribute("aria-valuenow");
    else track.setAttribute("aria-valuenow", String(Math.round(fraction * 100)));
    bar.style.width = fraction === null ? "" : `${fraction * 100}%`;
    const unit = get("unit");
    const amount = total ? `${count(done)} of ${units(total, unit)}` : units(done, unit);
    const uncounted = total === null && !done; // who counts nothing has not done 0
    say(numbers, uncounted ? "" : `${amount}${rate ? `, ${number(rate)} ${unit}/s` : ""}`);
    const eta = get("eta") ?? (rate && total ? (total - done) / rate : NaN);
    const spent = get("elapsed") ? duration(get("elapsed")) : "";
    say(left, running && Number.isFinite(eta) ? `${duration(eta)} left` : spent);
    say(text, get("text") || get("trouble"));
    show(text, text.textContent !== "");
    say(hint, get("hint"));
    show(hint, running && get("hint") !== "");
    show(cancel, get("cancellable") && running);
    cancel.disabled = now === "cancelling";
    say(spoken, get("status"));
  };
  return { parts: [head, track, foot, text, hint, spoken], foot, draw };
}
