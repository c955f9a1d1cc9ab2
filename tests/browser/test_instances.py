"""The table of instances in both front ends: fit, cancel, delete, light and dark."""

import pytest

from waiting import until

CONNECT = """\
import pilothouse_widgets as w
from pilothouse import aimm

client = aimm.connect({url!r}, {user!r}, {password!r})
for number in list(client.models):
    client.delete_instance(number)
one = client.create_instance("plugins.NearestMean")
two = client.create_instance("lab")"""


@pytest.fixture
def connect(aimm_server):
    """A first cell: a client, and two instances on the server."""
    return CONNECT.format(
        url=aimm_server.url,
        user=aimm_server.username,
        password=aimm_server.password,
    )


def rows(opened):
    return opened.find(".ph-instances tr[data-id]")


def row(opened, model_type):
    return opened.find(f'.ph-instances tr[data-id]:has-text("{model_type}")')


def press(opened, model_type, act):
    row(opened, model_type).locator(f'[data-act="{act}"]').click()


@pytest.mark.parametrize("front_end", ["lab", "notebook 7"])
def test_a_click_fits_with_data_of_the_server_and_predicts(
    notebook, connect, front_end
):
    opened = notebook(connect, "table = w.InstanceTable(client)\ntable")
    if front_end == "notebook 7":
        opened.open_in_notebook_7()
    opened.run_all()
    until(lambda: rows(opened).count() == 2, 60, "two rows")
    name = front_end.replace(" ", "-")

    press(opened, "NearestMean", "fit")
    line = opened.find(".ph-instance-line .ph-input:visible")
    opened.page.get_by_role("button", name="@iris_inputs", exact=True).click()
    line.press_sequentially("@iris_outputs")
    assert line.input_value() == "@iris_inputs @iris_outputs"
    opened.shoot(f"instances-{name}-line", ".ph-instances")
    line.press("Enter")
    said = opened.find(".ph-instance-said:visible")
    until(lambda: "fit is complete" in said.all_inner_texts(), 60, "the fit")

    press(opened, "NearestMean", "predict")
    line.fill("[[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]")
    line.press("Enter")
    until(lambda: "2 int64: 0, 2" in said.all_inner_texts()[0], 60, "the prediction")
    opened.shoot(f"instances-{name}-said", ".ph-instances")

    line.fill("open('x')")
    line.press("Enter")
    refused = opened.find(".ph-instances .ph-refused:visible")
    until(lambda: "is no value" in " ".join(refused.all_inner_texts()))
    line.press("Escape")
    until(lambda: line.count() == 0)
    focused = "() => document.activeElement.dataset.act"
    assert opened.page.evaluate(focused) == "predict"


def test_it_moves_and_cancels_while_a_cell_is_busy(notebook, connect, tmp_path):
    opened = notebook(
        connect,
        "w.InstanceTable(client)",
        f"action = two.submit_fit('wait', {str(tmp_path / 'never')!r})\n"
        "action.wait(60)\nprint(action.outcome)",
    ).run_all()
    lab = row(opened, "lab")
    lab.wait_for()
    until(lambda: lab.get_attribute("data-progress") == "executing")
    until(lambda: "1 of 2" in lab.inner_text())
    bar = lab.get_by_role("progressbar")
    until(lambda: bar.get_attribute("aria-valuenow") == "50")
    prompt = opened.page.locator(".jp-InputPrompt").nth(2)
    assert prompt.inner_text() == "[*]:"
    opened.shoot("instances-running", ".ph-instances")
    opened.theme("JupyterLab Dark")
    root = opened.find(".ph-instances")
    until(lambda: root.get_attribute("data-theme") == "dark")
    opened.shoot("instances-running-dark", ".ph-instances")
    opened.theme("JupyterLab Light")

    opened.page.get_by_role("button", name="Cancel instance").click()

    until(lambda: prompt.inner_text() == "[3]:", 60, "the end of the cell")
    until(lambda: lab.get_attribute("data-progress") == "cancelled")


MANY = """
import pathlib, threading
import pilothouse_widgets as w
from pilothouse.aimm import ActionEntry, ModelEntry, State

KINDS = ("Line", "Forest", "NearestMean")
models = {
    n: ModelEntry(id=n, model_type=f"plugins.{KINDS[n % 3]}", size=(n * 7919) % 10_000)
    for n in range(1, 501)
}

def state(step):
    actions = {
        n: ActionEntry(id=n, call="fit", model=n, progress="executing",
                       report={"epoch": step, "epochs": 40, "loss": n / (step + 1)})
        for n in range(1, 21)
    }
    return State(models=models, actions=actions)

table = w.InstanceTable()
table.show(state(0))
table"""
MOVE = """
for step in range(1, 41):
    while not pathlib.Path(f"step-{step // 10}").exists():
        threading.Event().wait(0.05)
    table.show(state(step))
    threading.Event().wait(0.2)"""


def test_five_hundred_rows_move_sort_and_filter(notebook):
    opened = notebook(MANY, MOVE).run_all()
    until(lambda: rows(opened).count() == 500, 60, "all rows")
    head = opened.find(".ph-instances .ph-head")

    def ids():
        return rows(opened).evaluate_all(
            "found => found.filter(row => !row.hidden).map(row => +row.dataset.id)"
        )

    def first(condition):
        until(lambda: condition(ids()))

    assert ids() == list(range(1, 501))
    assert "500 instances, 20 actions under way" in head.inner_text()
    opened.shoot("instances-many", ".ph-instances")
    opened.signal("step-0")
    line = opened.find('.ph-instances tr[data-id="20"]')
    until(lambda: "9 of 40" in line.inner_text(), 60, "the ninth step")

    by_size = opened.page.get_by_role("button", name="Size")
    by_size.click()
    sizes = {n: n * 7919 % 10_000 for n in range(1, 501)}
    first(lambda found: found == sorted(sizes, key=lambda n: (sizes[n], n)))
    by_size.click()
    first(lambda found: sizes[found[0]] == max(sizes.values()))
    opened.page.get_by_label("Filter instances").fill("forest")
    forests = [n for n in sizes if n % 3 == 1]
    first(lambda found: sorted(found) == forests)
    assert f"{len(forests)} of 500 instances" in head.inner_text()
    opened.shoot("instances-filtered", ".ph-instances")

    for step in range(1, 5):
        opened.signal(f"step-{step}")
    line = opened.find('.ph-instances tr[data-id="19"]')
    until(lambda: "40 of 40" in line.inner_text(), 60, "the last step")
    assert sizes[ids()[0]] == max(sizes[n] for n in forests)
    opened.page.get_by_label("Filter instances").fill("")
    by_size.click()
    first(lambda found: found == list(range(1, 501)))


def test_delete_asks_first_and_a_snapshot_stays(notebook, connect):
    opened = notebook(
        connect,
        "table = w.InstanceTable(client)\ntable",
        "import pathlib, time\nwhile not pathlib.Path('shut').exists():\n"
        "    time.sleep(0.05)\ntable.close()",
    ).run_all()
    until(lambda: rows(opened).count() == 2, 60, "two rows")

    press(opened, "lab", "delete")
    asked = opened.find(".ph-instances .ph-sure:visible")
    assert "for good" in asked.inner_text()
    opened.shoot("instances-delete", ".ph-instances")
    opened.page.keyboard.press("Escape")
    until(lambda: asked.count() == 0)
    assert rows(opened).count() == 2
    press(opened, "lab", "delete")
    asked.locator('[data-act="confirm"]').click()
    until(lambda: rows(opened).count() == 1, 60, "one row")

    opened.signal("shut")
    static = opened.find(".jp-RenderedHTML:has-text('static snapshot')")
    static.wait_for()
    assert "plugins.NearestMean" in static.inner_text()
    (opened.lab.root / "shut").unlink()
