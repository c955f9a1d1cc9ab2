"""The commands of mpcli as functions: values and errors, nothing printed."""

import pytest

from pilothouse.errors import ConnectError, LineError, NotFoundError
from pilothouse.mplane import model
from pilothouse.mplane.client import HttpListenerClient
from pilothouse.mplane.shell.commands import Commands
from waiting import until


def test_capabilities_are_retrieved_from_the_root_and_from_their_page(
    commands, component
):
    first = commands.getcap(component)
    assert {"ping-4", "test-loopback"} <= {one.get_label() for one in first}
    assert commands.getcap(f"{component}capability") == [], "none of them is new"


def test_capabilities_are_listed_by_label(known):
    labels = [one.get_label() for one in known.listcap()]
    assert labels == sorted(labels)


def test_those_without_a_label_come_last(known):
    bare = model.Capability(when="now ... future")
    bare.add_result_column("time")
    known.client.handle_message(bare)
    assert known.listcap()[-1].get_token() == bare.get_token()


def test_a_capability_is_shown_by_label_and_by_token(known):
    by_label = known.showcap("ping-4")
    assert known.showcap(by_label.get_token()) is by_label


def test_an_unknown_capability_is_told_with_those_that_there_are(known):
    with pytest.raises(NotFoundError, match="nope") as caught:
        known.showcap("nope")
    assert "ping-4" in caught.value.hint


@pytest.mark.parametrize(
    "url",
    ["", "nonsense", "http://", "http://host/path", "ftp://host:1/", "http://h:x/"],
)
def test_what_is_no_address_of_a_component_is_refused(commands, url):
    with pytest.raises(LineError, match="Bad format for url"):
        commands.getcap(url)


def test_a_component_that_is_not_there_is_told(commands):
    with pytest.raises(ConnectError):
        commands.getcap("http://127.0.0.1:9/")


def test_a_scope_is_kept_until_a_good_one_comes(commands):
    assert commands.when() is None
    assert str(commands.when("now + 10s / 1s")) == "now + 10s / 1s"
    with pytest.raises(LineError, match="Invalid temporal scope whenever"):
        commands.when("whenever")
    assert str(commands.when()) == "now + 10s / 1s"


def test_defaults_are_set_shown_and_forgotten(commands):
    commands.set("b", "2")
    commands.set("a", "1")
    assert commands.show() == {"a": "1", "b": "2"}
    assert commands.show("b") == {"b": "2"}
    with pytest.raises(LineError, match="No such default c"):
        commands.show("c")
    with pytest.raises(LineError, match="c d"):
        commands.unset("a", "c", "d")
    assert commands.defaults == {"b": "2"}, "those that were set are forgotten"
    commands.unset()
    assert commands.defaults == {}


@pytest.mark.parametrize(("name", "value"), [("", ""), ("a", "")])
def test_a_default_needs_name_and_value(commands, name, value):
    with pytest.raises(LineError, match="Couldn't set default"):
        commands.set(name, value)


def test_what_a_run_needs_is_told_before_it(known):
    lack = known.missing("tcp-4")
    assert lack
    assert lack.when == "no scope is set"
    assert list(lack.parameters) == ["destination.ip4", "destination.port"]

    known.when("now")
    known.set("destination.ip4", "127.0.0.1")
    known.set("destination.port", "99999")
    lack = known.missing("tcp-4")
    assert lack.when == ""
    assert list(lack.parameters) == ["destination.port"]
    assert "99999" in lack.parameters["destination.port"]
    assert not known.missing("tcp-4", params={"destination.port": "80"})


def test_a_scope_must_follow_that_of_the_capability(known):
    known.set("destination.ip4", "127.0.0.1")
    lack = known.missing("ping-average-ip4", when="now + 10s")
    assert lack.when == "now + 10s does not follow now ... future / 1s"
    assert not known.missing("ping-average-ip4", when="now + 10s / 1s")


def test_a_parameter_with_one_value_is_not_asked_for(known):
    one = model.Capability(label="fixed", when="now ... future")
    one.add_parameter("source.ip4", "127.0.0.1")
    one.add_result_column("time")
    known.client.handle_message(one)
    assert known.missing("fixed", when="now").fixed == {"source.ip4": "127.0.0.1"}


def test_a_run_with_something_missing_names_all_of_it(known):
    with pytest.raises(LineError) as caught:
        known.runcap("tcp-4")
    for word in ("when", "destination.ip4", "destination.port"):
        assert word in caught.value.message


@pytest.mark.parametrize(
    ("value", "why"),
    [("abc", "'abc' is not a value of type address"), ("::1", "no IPv4 address")],
)
def test_a_value_that_cannot_be_is_told_with_the_reason(known, value, why):
    with pytest.raises(LineError, match=why) as caught:
        known.runcap("ping-4", when="now", params={"destination.ip4": value})
    assert f"destination.ip4 does not allow '{value}'" in caught.value.message


def test_a_parameter_that_a_capability_does_not_have_is_refused(known):
    with pytest.raises(LineError, match=r"no parameter test\.inputs"):
        known.runcap(
            "test-loopback",
            when="now",
            params={"test.input": "x", "test.inputs": "y"},
        )


def test_defaults_of_other_capabilities_are_left_out(known):
    known.set("destination.port", "80")
    known.set("test.input", "hello")
    measurement = known.runcap("test-loopback", when="now")
    assert measurement.wait(60)
    (row,) = measurement.result().schema_dict_iterator()
    assert row["test.output"] == "hello"


def test_what_is_given_comes_before_the_defaults(known):
    known.set("test.input", "default")
    measurement = known.runcap(
        "test-loopback", "mine", when="now", params={"test.input": "given"}
    )
    assert measurement.label == "mine"
    found = known.waitmeas("mine", 60)
    (row,) = found.schema_dict_iterator()
    assert row["test.output"] == "given"
    assert known.showmeas(measurement.token).get_token() == found.get_token()
    assert [one.get_label() for one in known.listmeas()] == ["mine"]


def test_a_running_measurement_is_stopped_with_its_rows(known):
    known.runcap(
        "ping-4",
        "long",
        when="now + 1h / 1s",
        params={"destination.ip4": "127.0.0.1"},
    )
    (receipt,) = known.listmeas()
    assert isinstance(receipt, model.Receipt)
    assert isinstance(known.waitmeas("long", 0.2), model.Receipt)
    (measurement,) = known.client.measurements()
    until(lambda: measurement.rows)
    known.stopmeas("long")
    found = known.waitmeas("long", 60)
    assert isinstance(found, model.Result)
    assert found.count_result_rows() >= 1


@pytest.mark.parametrize("command", ["showmeas", "stopmeas", "waitmeas"])
def test_an_unknown_measurement_is_told(known, command):
    with pytest.raises(NotFoundError, match="no such token or label nope"):
        getattr(known, command)("nope")


def test_a_measurement_that_failed_is_an_exception(known, closed_port):
    known.runcap(
        "http-timing",
        "gone",
        when="now",
        params={"destination.url": f"http://127.0.0.1:{closed_port}/"},
    )
    found = known.waitmeas("gone", 60)
    assert isinstance(found, model.Exception)
    assert "connection refused" in found.to_dict()["message"]


def test_waiting_can_be_given_up(known):
    known.runcap(
        "ping-4", "l", when="now + 1h / 1s", params={"destination.ip4": "127.0.0.1"}
    )
    asked = []

    def is_stopped():
        asked.append(1)
        return len(asked) == 2

    assert isinstance(known.waitmeas("l", is_stopped=is_stopped), model.Receipt)
    known.stopmeas("l")


def test_a_client_that_waits_for_components_is_not_told_to_fetch():
    with HttpListenerClient({"Client": {"Listener": {"port": 0}}}) as client:
        commands = Commands(client)
        with pytest.raises(NotFoundError) as caught:
            commands.showcap("nope")
        assert caught.value.hint == "no component has registered yet"
        with pytest.raises(LineError, match="only be used in client-initiated"):
            commands.getcap("http://127.0.0.1:1/")
