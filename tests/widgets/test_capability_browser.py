"""The browser of capabilities over a real component."""

import pytest

from pilothouse import mplane
from pilothouse_widgets import CapabilityBrowser
from pilothouse_widgets.capability_fields import LABEL, SCOPE
from waiting import until
from widgets.seeing import seen


class Echo(mplane.scheduler.Service):
    """Gives back what it got."""

    def __init__(self, label, constraint):
        capability = mplane.model.Capability(label=label, when="now ... future")
        capability.add_parameter("source.port", constraint)
        capability.add_parameter("source.device", "this")
        capability.add_metadata("measurement.algorithm", "echo <1>")
        capability.add_result_column("destination.port")
        super().__init__(capability)

    def run(self, specification, check_interrupt):
        result = mplane.model.Result(specification=specification)
        port = specification.get_parameter_value("source.port")
        result.set_result_value("destination.port", port)
        now = mplane.model.clock.now()
        result.set_when(mplane.model.When(a=now, b=now), force=True)
        return result


@pytest.fixture
def client():
    mplane.model.initialize_registry()
    services = [Echo("echo", "1 ... 99"), Echo("another", "*")]
    with mplane.component.serve(services) as served:
        client = mplane.client.HttpInitiatorClient(None, served.url)
        client.retrieve_capabilities(f"{served.url}capability")
        client.served = served
        yield client
        client.close()


@pytest.fixture
def browser(client):
    return CapabilityBrowser(client)


def test_capabilities_are_told_by_label_with_units_and_metadata(browser):
    assert [one["label"] for one in browser.capabilities] == ["another", "echo"]
    echo = browser.capabilities[1]
    assert {p["name"] for p in echo["parameters"]} == {"source.port", "source.device"}
    assert echo["metadata"] == [["measurement.algorithm", "echo <1>"]]
    assert echo["scope"] == "now ... future"


def test_the_chosen_one_is_in_the_form(browser):
    browser.choose("echo")

    assert browser.form.errors == {"source.port": "is missing"}
    assert browser.form.values["source.device"] == "this"
    assert browser.form.values[SCOPE] == "now"


def test_what_the_component_would_refuse_is_not_sent(browser, client):
    browser.choose("echo")
    browser.form.fill({"source.port": 100})
    browser.form.press()

    until(lambda: browser.form.refused)
    assert "100 is more than 99" in browser.form.refused
    assert not client.served.scheduler.jobs
    assert browser.runs == []


def test_a_run_gets_a_view_below(browser):
    browser.choose("echo")
    browser.form.fill({"source.port": 7, LABEL: "mine"})
    browser.form.press()

    until(lambda: browser.runs)
    (view,) = browser.runs
    seen(view, lambda: view.over)
    assert (view.label, view.latest[0]["value"]) == ("mine", 7)
    until(lambda: browser.form.outcome == "mine was sent")


def test_the_last_six_runs_stay(browser):
    browser.choose("echo")
    for port in range(1, 9):
        browser.form.fill({"source.port": port, LABEL: f"run-{port}"})
        browser.form.press()
        until(lambda port=port: browser.runs and browser.runs[0].label == f"run-{port}")

    labels = [view.label for view in browser.runs]
    assert labels == [f"run-{n}" for n in range(8, 2, -1)]


def test_a_click_chooses(browser, comms):
    key = browser.capabilities[1]["key"]
    comm = next(c for c in comms if c.comm_id == browser.comm.comm_id)
    comm.hear({"ask": "choose", "key": key})

    until(lambda: browser.chosen == key)


def test_a_click_asks_the_component_anew(client, comms):
    def refresh():
        client.retrieve_capabilities(f"{client.served.url}capability")

    browser = CapabilityBrowser(client, refresh=refresh)
    client.served.add_service(Echo("new", "1 ... 5"))
    comm = next(c for c in comms if c.comm_id == browser.comm.comm_id)
    comm.hear({"ask": "refresh"})

    until(lambda: len(browser.capabilities) == 3)


def test_a_component_that_does_not_answer_is_told(client, comms):
    def refresh():
        client.retrieve_capabilities(f"{client.served.url}capability")

    browser = CapabilityBrowser(client, refresh=refresh)
    client.served.close()
    comm = next(c for c in comms if c.comm_id == browser.comm.comm_id)
    comm.hear({"ask": "refresh"})

    until(lambda: browser.refused)
    assert len(browser.capabilities) == 2


def test_an_unknown_capability_cannot_be_chosen(browser):
    with pytest.raises(KeyError, match="nosuch"):
        browser.choose("nosuch")


def test_the_snapshot_lists_capabilities_escaped(browser):
    bundle = browser._repr_mimebundle_()[0]

    assert bundle["text/plain"] == "Capabilities: 2 capabilities: another, echo"
    assert "source.port 1 ... 99" in bundle["text/html"]


def test_closing_closes_the_form_and_the_views(browser):
    browser.choose("echo")
    browser.form.fill({"source.port": 7})
    browser.form.press()
    until(lambda: browser.runs)
    views = [browser.form, *browser.runs]
    browser.close()

    assert all(view.closed for view in views)
