"""JupyterLab on a free port with folders of its own, and one notebook page in it."""

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

import nbformat

from free_ports import free_port
from waiting import until

REMEDY = (
    "no Chromium was found: `make test` installs Debian's (apt-get install chromium); "
    "elsewhere set PILOTHOUSE_CHROMIUM to the path of a Chromium or Chrome"
)

PATIENCE_MS = 90_000

CHROMIUM_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]

#: What the front ends themselves say on the console, whatever the widget.
KNOWN_NOISE = (
    "reading 'schema'",
    "RUNTIME-012",
    "'filebrowser:open-path' not registered",
    "the server responded with a status of 404",
    "net::ERR_NAME_NOT_RESOLVED",
)


#: anywidget gives up a model that is not there after two seconds.
FOR_EVER = "AbortSignal.timeout = () => new AbortController().signal"


def chromium_path():
    """Return the browser's path, or None."""
    return os.environ.get("PILOTHOUSE_CHROMIUM") or next(
        filter(
            None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
        ),
        None,
    )


@contextmanager
def a_chromium():
    """Run a headless Chromium that finds this machine only; yield the browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium_path(), headless=True, args=CHROMIUM_ARGS
        )
        yield browser
        browser.close()


def environment(home):
    """Return the variables of a process that must not see this user's settings."""
    places = {
        "HOME": home / "home",
        "JUPYTER_CONFIG_DIR": home / "config",
        "JUPYTER_DATA_DIR": home / "data",
        "JUPYTER_RUNTIME_DIR": home / "runtime",
        "JUPYTERLAB_SETTINGS_DIR": home / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": home / "workspaces",
        "IPYTHONDIR": home / "ipython",
        "XDG_CONFIG_HOME": home / "xdg-config",
        "XDG_DATA_HOME": home / "xdg-data",
        "XDG_STATE_HOME": home / "xdg-state",
    }
    for place in places.values():
        place.mkdir(parents=True, exist_ok=True)
    quiet = places["JUPYTERLAB_SETTINGS_DIR"] / "@jupyterlab/apputils-extension"
    quiet.mkdir(parents=True, exist_ok=True)
    (quiet / "notification.jupyterlab-settings").write_text(
        '{"fetchNews": "false", "checkForUpdates": false}'
    )
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, **{k: str(v) for k, v in places.items()}, "PATH": path}


@contextmanager
def lab_server(home):
    """Run JupyterLab on the folder ``home / "notebooks"``; yield a `LabServer`."""
    port = free_port()
    root = home / "notebooks"
    root.mkdir()
    log = (home / "lab.log").open("wb")
    server = subprocess.Popen(
        [
            sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
            "--ip=127.0.0.1", f"--port={port}", "--IdentityProvider.token=",
            "--ServerApp.password=", "--ServerApp.disable_check_xsrf=True",
            "--ServerApp.port_retries=0", "--expose-app-in-browser",
            "--JupyterNotebookApp.expose_app_in_browser=True",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            f"--ServerApp.root_dir={root}",
        ],
        env=environment(home), stdout=log, stderr=log, cwd=root,
    )  # fmt: skip
    lab = LabServer(
        f"http://127.0.0.1:{port}", root, home / "lab.log", environment(home)
    )
    try:
        until(lambda: server.poll() is not None or lab.answers(), 90, "JupyterLab")
        assert server.poll() is None, lab.log.read_text()
        yield lab
    finally:
        server.terminate()
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        log.close()


class LabServer:
    def __init__(self, url, root, log, variables):
        self.url = url
        self.root = root
        self.log = log
        self.variables = variables

    def rest(self, method, path):
        request = urllib.request.Request(f"{self.url}/api/{path}", method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            body = answer.read()
        return json.loads(body) if body else None

    def answers(self):
        try:
            return self.rest("GET", "status")
        except (URLError, OSError):
            return None

    def write(self, name, cells):
        """Write a notebook of code cells; return its path."""
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(source) for source in cells],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        )
        path = self.root / f"{name}.ipynb"
        nbformat.write(notebook, path)
        return path

    def pilothouse(self, *words):
        """Run the command in the surroundings of the notebooks."""
        return subprocess.run(
            [sys.executable, "-m", "pilothouse", *words],
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def end_sessions(self):
        for session in self.rest("GET", "sessions"):
            self.rest("DELETE", f"sessions/{session['id']}")


class NotebookPage:
    """One notebook open in JupyterLab."""

    def __init__(self, page, lab, path, screenshots):
        self.page = page
        self.lab = lab
        self.path = path
        self.screenshots = screenshots
        self.outside = []
        self.errors = []
        page.set_default_timeout(PATIENCE_MS)
        page.add_init_script(FOR_EVER)
        page.on("request", self._asked)
        page.on("console", self._said)
        page.on("pageerror", lambda error: self._note(str(error)))

    def _asked(self, request):
        if not request.url.startswith((self.lab.url, "data:", "blob:")):
            self.outside.append(request.url)

    def _said(self, message):
        if message.type == "error":
            self._note(message.text)

    def _note(self, text):
        if not any(noise in text for noise in KNOWN_NOISE):
            self.errors.append(text)

    def open(self, query="?reset"):
        self.page.goto(f"{self.lab.url}/lab/tree/{self.path.name}{query}")
        self.wait_for_kernel()
        return self

    def open_in_notebook_7(self):
        """Open it in Notebook 7, which the same server has."""
        self.page.goto(f"{self.lab.url}/notebooks/{self.path.name}")
        self.wait_for_kernel()
        return self

    def wait_for_kernel(self):
        self.page.wait_for_function(
            """() => window.jupyterapp?.shell.currentWidget?.context?.sessionContext
                 ?.session?.kernel?.status === 'idle'""",
            timeout=90_000,
        )

    def command(self, name):
        """Execute a command of JupyterLab, without waiting for its end."""
        self.page.evaluate(
            "name => { window.jupyterapp.commands.execute(name); }", name
        )

    def run_all(self):
        self.command("notebook:run-all-cells")
        return self

    def is_over(self):
        """Whether the kernel has nothing left to do, and the last cell has run."""
        return self.page.evaluate(
            """() => {
                 const panel = window.jupyterapp.shell.currentWidget;
                 const cells = [...panel.context.model.cells].filter(
                   cell => cell.type === 'code');
                 const kernel = panel.context.sessionContext.session.kernel;
                 return kernel.status === 'idle'
                   && cells.at(-1).executionCount !== null;
               }"""
        )

    def find(self, selector):
        return self.page.locator(f".jp-OutputArea {selector}")

    def save(self):
        """Save the notebook; return what the file holds then."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.context.save()")
        return nbformat.read(self.path, as_version=4)

    def reload(self):
        self.page.reload()
        self.wait_for_kernel()

    def signal(self, name):
        """Make the file that a cell of the notebook waits for."""
        (self.lab.root / name).touch()

    def theme(self, name):
        """Change the theme, and wait until JupyterLab's splash over it has gone.

        A splash that comes while the one before fades is taken away twice, of which
        the page tells an error.
        """
        self._wait_for_splash()
        self.page.evaluate(
            """async name => {
                 await window.jupyterapp.commands.execute(
                   'apputils:change-theme', {theme: name});
               }""",
            name,
        )
        light = "false" if "Dark" in name else "true"
        self.page.wait_for_selector(
            f'body[data-jp-theme-light="{light}"]', state="attached"
        )
        self._wait_for_splash()

    def _wait_for_splash(self):
        self.page.wait_for_selector("#jupyterlab-splash", state="detached")

    def both_themes(self):
        """Show light, then dark; yield the name once every view has followed."""
        for theme in ("Light", "Dark"):
            self.theme(f"JupyterLab {theme}")
            others = f'.ph[data-theme]:not([data-theme="{theme.lower()}"])'
            until(lambda: self.find(others).count() == 0, 60, theme)  # noqa: B023
            yield theme.lower()
        self.theme("JupyterLab Light")

    def shoot(self, name, selector=None):
        """Write a screenshot to the git-ignored folder."""
        self.screenshots.mkdir(exist_ok=True)
        path = self.screenshots / f"{name}.png"
        if selector is None:
            self.page.screenshot(path=path)
        else:
            self.find(selector).first.screenshot(path=path)
        return path

    def cell_errors(self):
        """Return the names of errors in the notebook's outputs."""
        return [
            output.ename
            for cell in self.save().cells
            for output in cell.get("outputs", ())
            if output.output_type == "error"
        ]
