"""Every name of the reference documentation, with its arguments."""

import inspect

import pytest

from pilothouse.mplane import client, component, model, scheduler

DOCUMENTED = {
    scheduler.Job: {
        "": "service specification session callback",
        "failed": "",
        "finished": "",
        "get_reply": "",
        "interrupt": "",
        "schedule": "",
    },
    scheduler.MultiJob: {
        "": "service specification session max_results callback",
        "failed": "",
        "finished": "",
        "get_reply": "",
        "interrupt": "",
        "schedule": "",
    },
    scheduler.Scheduler: {
        "": "config",
        "add_service": "service",
        "capability_for_key": "key",
        "capability_keys": "",
        "job_for_message": "msg",
        "process_message": "user msg session callback",
        "prune_jobs": "",
        "remove_service": "service",
        "submit_job": "user specification session callback",
    },
    scheduler.Service: {
        "": "capability",
        "capability": "",
        "run": "specification check_interrupt",
        "set_capability_link": "link",
    },
    client.BaseClient: {
        "": "tls_state supervisor exporter",
        "capabilities_matching_schema": "schema_capability",
        "capability_for": "token_or_label",
        "capability_labels": "",
        "capability_tokens": "",
        "forget": "token_or_label",
        "handle_message": "msg identity",
        "identity_for": "token_or_label receipt",
        "receipt_labels": "",
        "receipt_tokens": "",
        "result_for": "token_or_label",
        "result_labels": "",
        "result_tokens": "",
    },
    client.HttpInitiatorClient: {
        "": "tls_state default_url supervisor exporter",
        "invoke_capability": "cap_tol when params relabel",
        "result_for": "token_or_label",
        "retrieve_capabilities": "url urlchain pool identity",
        "send_message": "msg dst_url",
        "set_default_url": "url",
        "interrupt_capability": "token_or_label",
    },
    client.HttpListenerClient: {
        "": "config tls_state supervisor exporter io_loop",
        "invoke_capability": "cap_tol when params relabel callback_when",
        "interrupt_capability": "token_or_label",
        "listen_in_background": "io_loop",
    },
    client.InteractionsHandler: {"generate_response": "env", "get": "", "post": ""},
    component.DiscoveryHandler: {"get": ""},
    component.MessagePostHandler: {"get": "", "post": ""},
}


def arguments(function):
    names = list(inspect.signature(function).parameters.values())
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD,)
    return [one.name for one in names if one.kind in kinds and one.name != "self"]


@pytest.mark.parametrize(
    ("owner", "name", "words"),
    [
        pytest.param(owner, name, words, id=f"{owner.__name__}.{name or 'init'}")
        for owner, methods in DOCUMENTED.items()
        for name, words in methods.items()
    ],
)
def test_a_documented_name_takes_its_arguments_in_order(owner, name, words):
    function = getattr(owner, name) if name else owner.__init__

    assert arguments(function)[: len(words.split())] == words.split()


@pytest.mark.parametrize("module", [client, component])
def test_the_handlers_are_those_of_tornado(module):
    from tornado.web import RequestHandler

    assert issubclass(module.MPlaneHandler, RequestHandler)


def test_the_immediate_delay_is_five_seconds():
    from pilothouse.mplane.component.handlers import IMMEDIATE_SECONDS

    assert IMMEDIATE_SECONDS == 5.0


def test_a_link_is_set_only_once():
    model.initialize_registry()
    service = scheduler.Service(model.Capability(label="x"))

    service.set_capability_link("http://a/")
    service.set_capability_link("http://b/")

    assert service.capability().get_link() == "http://a/"


def test_nothing_of_it_is_imported_before_it_is_used():
    import subprocess
    import sys

    code = (
        "import sys; from pilothouse.mplane import client, component; "
        "print(sorted({'tornado', 'requests', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60
    )

    assert done.stdout.strip() == "[]", done.stderr
