// What a page keeps of a view that was closed: as little as can be.
//
// JupyterLab 4.6 holds the model of a closed comm until the kernel ends (its CommHandler
// listens to `statusChanged` and never leaves): of each view that is, the texts of its
// module and its stylesheet, some 75 KB. So they are taken out of the model at its end.

// A model keeps its values before the last change, too: hence one change more.
const TEXTS = ["_esm", "_css", "_esm"];

function forget(model) {
  for (const name of TEXTS) model.set(name, "", { silent: true }); // no view draws it
}

export function forgetting(widget) {
  function initialize(context) {
    context.signal?.addEventListener("abort", () => forget(context.model));
    return widget.initialize?.(context);
  }
  return { ...widget, initialize };
}
