"""Form, browser of capabilities and view of a measurement in JupyterLab."""

import pytest

from waiting import until


@pytest.fixture
def client_cell(component):
    """A first cell: a `client` of the local component and a service of one's own."""
    return f"""
import threading
import pilothouse_widgets as w
from pilothouse import mplane

mplane.model.initialize_registry()
capability = mplane.model.Capability(label="steps", when="now ... future / 1s")
capability.add_parameter("destination.port", "1 ... 99")
capability.add_parameter("source.interface", "lo,eth0")
capability.add_result_column("rtt.us")
capability.add_result_column("packets.lost")


class Steps(mplane.scheduler.Service):
    def run(self, specification, check_interrupt):
        result = mplane.model.Result(specification=specification)
        begin = mplane.model.clock.now()
        row = 0
        while True:
            result.set_result_value("rtt.us", 100 + 7 * row % 5, row)
            result.set_result_value("packets.lost", 0, row)
            now = mplane.model.clock.now()
            result.set_when(mplane.model.When(a=begin, b=now), force=True)
            check_interrupt.report(result)
            row += 1
            if check_interrupt.wait(0.3):
                return result


served = mplane.component.serve(Steps(capability))
client = mplane.client.HttpInitiatorClient(None, {component!r})
client.retrieve_capabilities({component!r} + "capability")
client.retrieve_capabilities(served.url + "capability")
"""


BROWSE = "browser = w.CapabilityBrowser(client)\nbrowser"


def field(opened, name):
    return opened.find(f'[data-field="{name}"] .ph-input')


def error(opened, name):
    return opened.find(f'[data-field="{name}"] .ph-field-error')


@pytest.fixture
def browser(notebook, client_cell):
    opened = notebook(client_cell, BROWSE).run_all()
    opened.find(".ph-browser .ph-form").wait_for()
    return opened


def choose(opened, label):
    opened.find(f'.ph-capability[data-label="{label}"]').click()
    until(
        lambda: (
            opened.find(".ph-browser").get_attribute("data-chosen") == label
            and field(opened, "destination.port").count() == 1
        )
    )


def test_capabilities_are_searched_by_name_parameter_and_result(browser):
    search = browser.page.get_by_label("Search capabilities")
    all_of_them = browser.find(".ph-capability:visible").count()
    search.fill("loopback")
    until(lambda: browser.find(".ph-capability:visible").count() == 1)
    search.fill("source.interface")
    until(lambda: browser.find(".ph-capability:visible").all_inner_texts())
    labels = browser.find(".ph-capability:visible").all_inner_texts()
    assert "steps" in labels
    search.fill("nothing of the kind")
    browser.page.get_by_text("No capability matches.").wait_for()
    search.press("Escape")
    until(lambda: browser.find(".ph-capability:visible").count() == all_of_them)


def test_what_is_wrong_is_marked_with_the_reason_before_anything_is_sent(browser):
    choose(browser, "steps")
    port = field(browser, "destination.port")
    port.fill("100")
    until(lambda: error(browser, "destination.port").is_visible())

    assert "is more than 99" in error(browser, "destination.port").inner_text()
    assert port.get_attribute("aria-invalid") == "true"
    described = port.get_attribute("aria-describedby").split()
    texts = [browser.page.locator(f"id={one}").inner_text() for one in described]
    assert any("more than 99" in text for text in texts)
    field(browser, "@when").fill("soon")
    until(lambda: "no temporal scope" in error(browser, "@when").inner_text())

    browser.find('.ph-form [data-act="submit"]').click()

    focused = "() => document.activeElement.closest('[data-field]').dataset.field"
    assert browser.page.evaluate(focused) == "destination.port"
    assert browser.find(".ph-measurement").count() == 0
    browser.shoot("mplane-form", ".ph-browser")


def test_a_form_is_filled_and_sent_by_keyboard_and_its_measurement_watched(browser):
    page = browser.page
    page.get_by_label("Search capabilities").fill("steps")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    until(lambda: field(browser, "destination.port").count() == 1)
    page.get_by_label("destination.port").focus()
    page.keyboard.type("7")
    page.keyboard.press("Tab")
    page.get_by_label("source.interface").select_option("lo")
    page.get_by_label("when", exact=True).fill("now + 1h / 1s")
    page.keyboard.press("Enter")

    view = browser.find(".ph-measurement")
    view.wait_for()
    until(lambda: view.get_attribute("data-state") == "running")
    until(lambda: int(view.get_attribute("data-rows")) >= 3)
    plots = view.locator(".ph-plot")
    assert plots.count() == 2
    until(
        lambda: int((plots.first.get_attribute("data-points") or "0").split()[0]) >= 3
    )
    assert "left" in view.locator(".ph-time-left").inner_text()
    assert "µs" in plots.first.inner_text()
    view.scroll_into_view_if_needed()
    browser.shoot("mplane-running", ".ph-browser")

    view.locator('[data-act="stop"]').click()

    until(lambda: view.get_attribute("data-state") == "interrupted")
    until(lambda: "the component confirmed" in view.inner_text())
    assert not view.locator('[data-act="stop"]').is_visible()


def test_a_view_moves_while_a_cell_is_busy_and_stop_does_not_wait_for_it(
    notebook, client_cell
):
    opened = notebook(
        client_cell,
        "values = {'destination.port': 7, 'source.interface': 'lo'}\n"
        "m = client.run('steps', 'now + 1h / 1s', values)\n"
        "w.MeasurementView(m)",
        "import time\nwhile not m.is_over:\n    time.sleep(0.05)\nprint(m.outcome)",
    ).run_all()
    view = opened.find(".ph-measurement")
    view.wait_for()
    until(lambda: int(view.get_attribute("data-rows")) >= 3)

    view.locator('[data-act="stop"]').click()

    said = opened.find("pre:has-text('interrupted: the component confirmed')")
    said.wait_for()
    until(lambda: view.get_attribute("data-state") == "interrupted")


def test_a_lost_component_is_shown_and_rows_stay(notebook, client_cell):
    opened = notebook(
        client_cell,
        "values = {'destination.port': 7, 'source.interface': 'lo'}\n"
        "m = client.run('steps', 'now + 1h / 1s', values)\n"
        "w.MeasurementView(m)",
        "import pathlib, time\nwhile not pathlib.Path('lose').exists():\n"
        "    time.sleep(0.05)\nserved.close()",
    ).run_all()
    view = opened.find(".ph-measurement")
    view.wait_for()
    until(lambda: int(view.get_attribute("data-rows")) >= 2)
    opened.signal("lose")

    until(lambda: view.get_attribute("data-state") != "running")
    assert int(view.get_attribute("data-rows")) >= 2
    (opened.lab.root / "lose").unlink()


def test_it_follows_light_and_dark(browser):
    choose(browser, "steps")
    root = browser.find(".ph-browser")
    browser.theme("JupyterLab Dark")
    until(lambda: root.get_attribute("data-theme") == "dark")
    until(lambda: browser.find(".ph-form").get_attribute("data-theme") == "dark")
    browser.shoot("mplane-dark", ".ph-browser")
    browser.theme("JupyterLab Light")
    until(lambda: root.get_attribute("data-theme") == "light")


def test_it_works_in_notebook_7(notebook, client_cell, lab):
    opened = notebook(client_cell, BROWSE)
    opened.open_in_notebook_7()
    opened.run_all()
    opened.find(".ph-browser .ph-form").wait_for()
    choose(opened, "steps")
    field(opened, "destination.port").fill("100")
    until(lambda: error(opened, "destination.port").is_visible())
    opened.shoot("mplane-notebook-7", ".ph-browser")
