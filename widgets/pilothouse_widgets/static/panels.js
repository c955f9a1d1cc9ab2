// Several plots over one window: one for each unit.

import { Plot } from "./plot.js";
import { h } from "./dom.js";

/** Plots of groups of series; `groups` is [{unit, series: [index...]}]. */
export class Panels {
  constructor({ root, stream, axis, label, signal }) {
    Object.assign(this, { root, stream, axis, label, signal });
    this.plots = [];
    this.el = h("div", { class: "ph-panels" });
  }

  /** Draw these groups of the model's series. */
  build(groups, series) {
    this.end?.abort();
    this.end = new AbortController();
    const signal = AbortSignal.any([this.signal, this.end.signal]);
    this.plots = groups.map(({ unit, series: indexes }) => new Plot({
      root: this.root,
      stream: new Part(this.stream, indexes),
      series: indexes.map((index) => series[index]),
      axis: this.axis,
      unit,
      label: `${this.label}, ${unit || "values"}`,
      signal,
      height: groups.length > 1 ? 150 : 200,
    }));
    this.plots.forEach((plot, i) => plot.el.classList.toggle("ph-wide", groups[i].series.length > 3));
    this.el.replaceChildren(...this.plots.map((plot) => plot.el));
    this.paint();
  }

  paint() {
    for (const plot of this.plots) plot.paint();
  }

  retheme() {
    for (const plot of this.plots) plot.retheme();
  }
}

/** Some series of a stream, as a plot wants them. */
class Part {
  constructor(stream, indexes) {
    this.stream = stream;
    this.points = new PartOfPoints(stream, indexes);
  }

  painted(seq) {
    this.stream.painted(seq);
  }
}

class PartOfPoints {
  constructor(stream, indexes) {
    this.stream = stream;
    this.indexes = indexes;
  }

  get seq() {
    return this.stream.points.seq;
  }

  get rings() {
    return this.indexes.map((index) => this.stream.points.rings[index]);
  }

  get empty() {
    return this.rings.every((ring) => ring.length === 0);
  }

  extent() {
    return this.stream.points.extent();
  }
}
