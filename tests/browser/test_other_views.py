"""Console, table, inspector and progress in JupyterLab."""

from waiting import until

CONSOLE = "console = w.PneumoConsole(connect)\nconsole"


def lines(opened):
    return opened.find(".ph-log-line").all_inner_texts()


def chip(opened, kind):
    return opened.find(f'.ph-chip[data-type="{kind}"]')


def test_the_console_filters_and_unfolds_errors(notebook, session_cell, suite):
    opened = notebook(session_cell, CONSOLE, 'engine.input(b"-1\\n", 0)').run_all()
    opened.find('.ph-log-line[data-type="model-error"]').wait_for()

    error = opened.find('.ph-log-line[data-type="model-error"]').last
    assert "line 11, in action" in error.inner_text()
    assert any("state RUNNING" in line for line in lines(opened))
    opened.find(".ph-console").scroll_into_view_if_needed()
    opened.shoot("console", ".ph-console")

    chip(opened, "engine-state").click()
    until(lambda: not any("state RUNNING" in line for line in lines(opened)))
    chip(opened, "engine-state").click()
    opened.page.get_by_label("Level").select_option("errors only")
    until(lambda: all("engine-config" not in line for line in lines(opened)))
    assert lines(opened)
    opened.page.get_by_label("Level").select_option("all levels")
    opened.page.get_by_label("Find text").fill("ready")
    until(lambda: lines(opened) and all("ready" in line for line in lines(opened)))
    opened.page.get_by_label("Find text").fill("")
    opened.page.get_by_label("Source", exact=True).select_option("engine-1")
    until(lambda: all("engine-1" in line for line in lines(opened)))


def test_a_paused_console_stands_still(notebook, session_cell, suite):
    opened = notebook(
        session_cell,
        CONSOLE,
        "import pathlib, time\nwhile not pathlib.Path('more').exists():\n"
        "    time.sleep(0.05)\nengine.pause()",
    ).run_all()
    opened.find('.ph-log-line:has-text("state RUNNING")').first.wait_for()
    opened.find('.ph-console button:has-text("Pause")').click()
    opened.signal("more")

    resume = opened.find('.ph-console button:has-text("Resume (")')
    resume.wait_for()
    assert not any("state PAUSED" in line for line in lines(opened)[-1:])
    resume.click()
    until(lambda: any("state PAUSED" in line for line in lines(opened)))
    (opened.lab.root / "more").unlink()


TABLE = """
import pilothouse_widgets as w
table = w.LiveTable(
    [w.Column("i", kind="count"), "name", w.Column("size", kind="size")],
    [(i, f"row {i}", (i * 7919) % 10_000) for i in range(10_000)],
    key="i",
    title="Ten thousand rows",
)
table
"""


def cells(opened, row=0):
    found = opened.find(".ph-virtual tbody tr[role=row]").nth(row)
    return found.locator("td").all_inner_texts()


def test_a_table_of_ten_thousand_rows_sorts_filters_and_scrolls(notebook):
    opened = notebook(TABLE).run_all()
    until(lambda: opened.find(".ph-virtual tbody tr[role=row]").count() > 5)
    assert opened.find(".ph-virtual tbody tr[role=row]").count() < 60

    opened.page.get_by_role("button", name="size").click()
    until(lambda: cells(opened)[2] == "0 B")
    opened.page.get_by_role("button", name="size").click()
    until(lambda: cells(opened)[2] == "9.76 KiB")
    opened.page.get_by_label("Filter rows").fill("row 123")
    until(lambda: "11 of 10,000 rows" in opened.find(".ph-table").inner_text())
    opened.page.get_by_label("Filter rows").fill("")
    grid = opened.find(".ph-virtual")
    grid.focus()
    opened.page.keyboard.press("Control+End")
    row = opened.find("tr:has(.ph-active)")
    until(lambda: row.get_attribute("aria-rowindex") == "10001")
    active = grid.get_attribute("aria-activedescendant")
    assert opened.page.locator(f"#{active}").count() == 1
    opened.shoot("table", ".ph-table")


def test_a_changed_cell_is_seen(notebook):
    opened = notebook(TABLE, 'table.update([(0, "changed", 5)])').run_all()

    until(lambda: cells(opened)[1:] == ["changed", "5 B"])


def test_the_inspector_has_tabs_for_the_keyboard(notebook, session_cell, suite):
    opened = notebook(session_cell, "w.ModelInspector(model)").run_all()
    first = opened.find("[role=tab]").first
    first.wait_for()
    until(lambda: "def action(x):" in opened.find(".ph-lines").first.inner_text())
    opened.shoot("inspector", ".ph-inspector")

    first.focus()
    opened.page.keyboard.press("ArrowRight")
    until(lambda: "handled by action()" in opened.find(".ph-inspector").inner_text())
    opened.find(".ph-slot summary").first.click()
    assert '"double"' in opened.find(".ph-slot").first.inner_text()


def test_markup_in_remote_text_stays_text(notebook):
    """What a model prints is shown, not run."""
    source = """
import datetime
import pilothouse_widgets as w
from pilothouse.fastscore.pneumo import ModelConsoleMsg
console = w.PneumoConsole()
console.show(ModelConsoleMsg(
    src="<b>engine</b>", timestamp=datetime.datetime.now(datetime.UTC),
    text="<img src=x onerror='window.owned = 1'>",
))
console
"""
    opened = notebook(source).run_all()

    until(lambda: "<img src=x" in (lines(opened) or [""])[0])
    assert opened.page.evaluate("() => window.owned") is None


def test_a_finished_progress_is_static_and_a_running_one_can_be_cancelled(notebook):
    opened = notebook(
        "import pilothouse_widgets as w\n"
        "with w.Progress(10, label='Upload') as p:\n    display(p)\n    p.set(10)",
        "asked = []\n"
        "q = w.Progress(100, label='Scoring', cancel=lambda: asked.append(1))\n"
        "q.set(30)\nq",
    ).run_all()
    static = opened.find(".jp-RenderedHTML:has-text('Upload')")
    until(lambda: static.count() == 1 and static.is_visible(), 60, "the snapshot")
    assert "Upload: done, 10 of 10 records" in static.inner_text()

    bar = opened.find("[role=progressbar]")
    bar.wait_for()
    until(lambda: bar.get_attribute("aria-valuenow") == "30")
    opened.find('.ph-progress button:has-text("Cancel")').click()
    until(
        lambda: opened.find(".ph-progress").get_attribute("data-state") == "cancelling"
    )
    opened.shoot("progress")


def test_the_views_work_in_notebook_7(notebook):
    opened = notebook(
        "import pilothouse_widgets as w\n"
        "chart = w.LiveChart(['a'], axis='number', window=0)\n"
        "for i in range(20):\n    chart.append(i, x=i)\nchart",
        TABLE,
    )
    opened.open_in_notebook_7().run_all()

    until(lambda: "19" in (opened.find(".ph-legend").all_inner_texts() or [""])[0])
    until(lambda: "10,000 rows" in opened.find(".ph-table").inner_text())
    opened.shoot("notebook-7")
