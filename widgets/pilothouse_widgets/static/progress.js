// Progress: bar, count, rate, time left, cancel.

import { button, h, say, show } from "./dom.js";
import { count, duration, number } from "./format.js";
import { makeRoot } from "./theme.js";

const TONES = { running: "run", cancelling: "warn", done: "ok", failed: "bad", cancelled: "warn", detached: "warn" };

function render({ model, el, signal }) {
  const get = (name) => model.get(name);
  const root = makeRoot(el, { kind: "progress", label: get("label") || "progress", signal });
  const label = h("span", { class: "ph-progress-label" });
  const state = h("span", { class: "ph-progress-state" });
  const bar = h("div", { class: "ph-fill" });
  const track = h("div", { class: "ph-track", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100 }, bar);
  const numbers = h("span", { class: "ph-progress-numbers" });
  const left = h("span", { class: "ph-muted" });
  const text = h("p", { class: "ph-progress-text" });
  const spoken = h("div", { class: "ph-sr", role: "status", "aria-live": "polite" });
  const cancel = button({
    text: "Cancel",
    onclick: () => {
      model.send({ ask: "cancel" });
      cancel.disabled = true;
      say(state, "cancel requested");
    },
  });
  root.append(
    h("div", { class: "ph-progress-head" }, label, state, cancel),
    track,
    h("div", { class: "ph-progress-foot" }, numbers, left),
    text,
    spoken,
  );
  const draw = () => {
    const [done, total, rate, now] = [get("done"), get("total"), get("rate"), get("state")];
    const fraction = total ? Math.min(done / total, 1) : null;
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
    const amount = total ? `${count(done)} of ${count(total)}` : count(done);
    say(numbers, `${amount} ${unit}${rate ? `, ${number(rate)} ${unit}/s` : ""}`);
    const eta = rate && total ? (total - done) / rate : NaN;
    const running = now === "running" || now === "cancelling";
    const spent = get("elapsed") ? duration(get("elapsed")) : "";
    say(left, running && Number.isFinite(eta) ? `${duration(eta)} left` : spent);
    say(text, get("text") || get("trouble"));
    show(text, text.textContent !== "");
    show(cancel, get("cancellable") && running);
    cancel.disabled = now === "cancelling";
    say(spoken, get("status"));
  };
  model.on("change", draw);
  draw();
}

export default { render };
