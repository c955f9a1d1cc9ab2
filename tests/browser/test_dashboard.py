"""The dashboard in JupyterLab, Notebook 7 and Voila: live, by keyboard, any width.

The services are those of the front end's user: one is killed and started again.
"""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress

import psutil
import pytest

from browser.lab import FOR_EVER, KNOWN_NOISE, PATIENCE_MS, environment
from free_ports import free_port
from waiting import until

SHOW = "%load_ext pilothouse\npage = %pilot dashboard --every 0.5\npage"
WORK = """\
%aimm connect
line = %aimm create plugins.Line
%fastmap connect --policy CLOUD
def slow(n):
    import time
    time.sleep(0.2)
    return n
run = %fastmap slow {range(4000)} --label primes --detach
%mplane set destination.ip4 127.0.0.1
%mplane set destination.port 9
x = %mplane runcap tcp-4 reach --when "now + 600s / 1s" --detach"""
END = "run.cancel()\nx.cancel()\nline.delete()"
BUSY = "import pathlib\nwhile not pathlib.Path('enough').exists():\n    pass"
SECONDS = 90


@pytest.fixture(scope="module")
def services(lab):
    """The local services of the front end's user."""
    assert lab.pilothouse("up", "--detach").returncode == 0
    yield lab
    lab.pilothouse("down")


def pid_of(lab):
    return json.loads(lab.pilothouse("status", "--json").stdout)[0]["pid"]


def killed(lab):
    """End the services as a machine without memory does."""
    process = psutil.Process(pid_of(lab))
    for one in [*process.children(recursive=True), process]:
        with suppress(ProcessLookupError):  # ended with those before
            os.kill(one.pid, signal.SIGKILL)


class Page:
    """What a person sees of a dashboard, wherever it is."""

    def __init__(self, page):
        self.page = page
        self.root = page.locator(".ph-dashboard").first

    def is_up(self, number):
        until(
            lambda: self.root.get_attribute("data-up") == str(number),
            SECONDS,
            f"{number} services up",
        )

    def seq(self):
        return int(self.root.get_attribute("data-seq") or 0)

    def row(self, tile, text=""):
        return self.root.locator(f'[data-tile="{tile}"] .ph-row', has_text=text).first

    def view(self, kind):
        return self.root.locator(f".ph-dash-view .ph-{kind}")

    def press(self, key):
        self.page.keyboard.press(key)

    def focused(self):
        """The text of what has the focus, also inside a shadow tree."""
        return self.page.evaluate(
            """() => {
                 let at = document.activeElement;
                 while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
                 return at?.textContent ?? "";
               }"""
        )

    def overflows(self):
        """Whether something is wider than the page."""
        return self.root.evaluate("root => root.scrollWidth > root.clientWidth + 1")


@pytest.fixture
def opened(notebook, services):
    """A notebook whose dashboard has four services, and some work to show."""
    (services.root / "enough").unlink(missing_ok=True)  # of the test before
    found = notebook(SHOW, WORK, BUSY, END).run_all()
    page = Page(found.page)
    page.is_up(4)
    yield found, page
    found.signal("enough")
    until(found.is_over, SECONDS)


def test_everything_is_on_one_page_and_opens_by_keyboard(opened):
    notebook, page = opened
    for tile, text in (
        ("engines", "engine-1"),
        ("instances", "plugins.Line"),
        ("runs", "primes"),
        ("measurements", "reach"),
    ):
        page.row(tile, text).wait_for()
    until(lambda: "rtt.us" in page.row("measurements").inner_text(), SECONDS)
    until(lambda: "%" in page.row("runs").inner_text(), SECONDS)
    notebook.shoot("dashboard-light", ".ph-dashboard")

    for tile, kind, name in (
        ("engines", "engine", "engine-1"),
        ("measurements", "measurement", "reach"),
        ("runs", "progress", "primes"),
        ("instances", "instances", "plugins.Line"),
    ):
        page.row(tile).focus()
        page.press("Enter")
        page.view(kind).wait_for()
        assert page.root.locator(".ph-dash-grid").is_hidden()
        assert "Back" in page.focused()
        page.press("Escape")
        page.row(tile).wait_for()
        until(lambda kind=kind: page.view(kind).count() == 0, SECONDS)
        assert name in page.focused()  # the row that was left
    for name, kind in (("Pneumo", "console"), ("Capabilities", "browser")):
        page.root.get_by_role("button", name=name, exact=True).click()
        page.view(kind).wait_for()
        page.root.locator('[data-act="back"]').click()
    assert notebook.cell_errors() == []


def test_dark_narrow_and_wide_nothing_is_cut_off(opened):
    notebook, page = opened
    notebook.theme("JupyterLab Dark")
    until(lambda: page.root.get_attribute("data-theme") == "dark", SECONDS)
    notebook.shoot("dashboard-dark", ".ph-dashboard")
    notebook.theme("JupyterLab Light")
    for width in (360, 760, 1700):
        page.root.evaluate("(root, width) => root.style.width = `${width}px`", width)
        until(lambda: not page.overflows(), SECONDS, f"all of it in {width} px")
        notebook.shoot(f"dashboard-{width}", ".ph-dashboard")


def test_it_lives_through_a_kill_and_a_busy_cell(notebook, services):
    (services.root / "enough").unlink(missing_ok=True)
    found = notebook(SHOW, BUSY).run_all()
    page = Page(found.page)
    page.is_up(4)
    until(lambda: page.row("engines", "engine-1").count(), SECONDS)

    killed(services)
    page.is_up(0)
    assert page.row("engines", "engine-1").is_visible()  # as it was known last
    assert "as of" in page.root.locator('[data-tile="engines"]').inner_text()
    text = page.root.locator('[data-tile="services"]').inner_text()
    assert text.count("down") == 4
    found.shoot("dashboard-down", ".ph-dashboard")

    assert services.pilothouse("up", "--detach").returncode == 0
    page.is_up(4)
    assert not found.is_over()  # the cell was busy all the time
    before = page.seq()
    until(lambda: page.seq() > before + 2, SECONDS, "news while the cell is busy")
    events = page.root.locator('[data-tile="events"]')
    until(lambda: "FastScore is back" in events.inner_text(), SECONDS)
    events.get_by_label("Severity").select_option("8")
    assert "is back" not in events.inner_text()
    assert "does not answer" in events.inner_text()
    found.signal("enough")
    until(found.is_over, SECONDS)


def test_it_is_the_same_in_notebook_7(notebook, services):
    found = notebook(SHOW)
    found.open_in_notebook_7().run_all()
    page = Page(found.page)
    page.is_up(4)
    page.row("engines").click()
    page.view("engine").wait_for()
    page.press("Escape")
    page.row("engines").wait_for()


# -- Voila ---------------------------------------------------------------------------


@contextmanager
def served(folder, *words):
    """Run ``pilothouse dashboard``; yield its process and the address it told."""
    log = folder / "voila.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "pilothouse", "dashboard", "--no-browser",
                f"--port={free_port()}", *words,
            ],
            env=environment(folder), cwd=folder, text=True,
            stdout=subprocess.PIPE, stderr=errors,
        )  # fmt: skip
    try:
        url = ""
        while not url and (line := process.stdout.readline()):
            url = "".join(re.findall(r"^Dashboard: (\S+)$", line))
        assert url, log.read_text()
        yield process, url
    finally:
        process.terminate()
        process.wait(SECONDS)
        process.stdout.close()


def kernels_of(process):
    found = psutil.Process(process.pid).children(recursive=True)
    return [one for one in found if is_kernel(one)]


def is_kernel(process):
    try:
        return "ipykernel_launcher" in " ".join(process.cmdline())
    except psutil.Error:  # it has just ended
        return False


def test_voila_shows_the_page_alone_and_fetches_nothing_from_outside(
    chromium, tmp_path
):
    with served(tmp_path) as (process, url):
        page = chromium.new_page(
            viewport={"width": 1280, "height": 900}, color_scheme="dark"
        )
        page.set_default_timeout(PATIENCE_MS)
        page.add_init_script(FOR_EVER)
        asked, errors = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda m: m.type == "error" and errors.append(m.text))
        page.goto(url)
        shown = Page(page)
        shown.root.wait_for()
        shown.is_up(4)

        assert page.title() == "pilothouse"
        assert shown.root.get_attribute("data-theme") == "dark"
        assert page.locator(".jp-InputArea:visible").count() == 0
        assert page.locator(".jp-MarkdownCell:visible").count() == 0  # for JupyterLab
        shown.row("engines").click()
        shown.view("engine").wait_for()
        assert len(kernels_of(process)) == 1
        page.screenshot(path="screenshots/dashboard-voila-dark.png")
        page.goto("about:blank")  # at the latest the server culls what is left
        until(lambda: not kernels_of(process), 2 * SECONDS, "the end of its kernel")
        page.close()

        stranger = chromium.new_page()
        stranger.set_default_timeout(PATIENCE_MS)
        stranger.goto(url.partition("?")[0])
        assert stranger.locator(".ph-dashboard").count() == 0
        assert "token" in stranger.content()
        assert kernels_of(process) == []
        stranger.close()
    outside = [u for u in asked if not u.startswith(("http://127.0.0.1", "data:"))]
    assert [u for u in outside if not u.startswith("blob:http://127.0.0.1")] == []
    assert [e for e in errors if not any(n in e for n in KNOWN_NOISE)] == []
