// The answer of a page to whether it has widgets: which application it is, and which
// versions of their front-end parts it serves. It needs no view and draws nothing, and
// no other host than the page's own is asked.

const PARTS = { manager: "@jupyter-widgets/jupyterlab-manager", anywidget: "anywidget" };
const PATIENCE_MS = 1000;

// Of the page's configuration only these words are read: it has the server's token.
function configuration() {
  const node = document.getElementById("jupyter-config-data");
  try {
    const { appName, appVersion, fullLabextensionsUrl } = JSON.parse(node.textContent);
    return { appName, appVersion, fullLabextensionsUrl };
  } catch {
    return {};
  }
}

async function versionOf(name, folder) {
  try {
    const place = new URL(`${folder}/${name}/package.json`, window.location.href);
    if (place.origin !== window.location.origin) return "";
    const answer = await fetch(place, { signal: AbortSignal.timeout(PATIENCE_MS) });
    return String((await answer.json()).version ?? "");
  } catch {
    return "";
  }
}

async function initialize({ model }) {
  const { appName = "", appVersion = "", fullLabextensionsUrl = "" } = configuration();
  const told = { ask: "seen", app: String(appName), version: String(appVersion) };
  for (const [part, name] of Object.entries(fullLabextensionsUrl ? PARTS : {})) {
    told[part] = await versionOf(name, fullLabextensionsUrl);
  }
  model.send(told);
}

export default { initialize };
