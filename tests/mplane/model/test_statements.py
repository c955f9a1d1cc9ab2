"""Statements and notifications: what they hold, derive, refuse and show."""

from __future__ import annotations

from datetime import datetime
from ipaddress import ip_address

import pytest

from pilothouse.mplane import model
from pilothouse.mplane.model import (
    Capability,
    Envelope,
    Interrupt,
    Receipt,
    Redemption,
    Result,
    Specification,
    Statement,
    When,
    Withdrawal,
)

MOMENT = datetime(2016, 2, 18, 12)


@pytest.fixture(autouse=True)
def stopped_clock():
    with model.clock.frozen(MOMENT):
        yield


def ping(**options):
    capability = Capability(label="ping", when="now ... future / 1s", **options)
    capability.add_parameter("source.ip4", "10.0.27.2")
    capability.add_parameter("destination.ip4")
    capability.add_parameter("source.port", "1 ... 99")
    capability.add_metadata("System_version", "0.1")
    capability.add_result_column("time")
    capability.add_result_column("rtt.us")
    capability.set_link("http://127.0.0.1:8888/")
    capability.set_export("mplane-https://example.com/")
    return capability


def asked(when="now + 10s / 1s"):
    specification = Specification(capability=ping(), when=when)
    specification.set_parameter_value("destination.ip4", "10.0.37.2")
    specification.set_parameter_value("source.port", 7)
    return specification


def test_a_bare_statement_is_no_message():
    statement = Statement()

    for call in (statement.kind_str, statement.validate, statement.to_dict):
        with pytest.raises(NotImplementedError):
            call()


def test_a_capability_tells_what_it_holds():
    capability = ping(verb="query", token="t")

    assert capability.verb() == "query"
    assert capability.get_label() == "ping"
    assert capability.get_token() == "t"
    assert capability.get_link() == "http://127.0.0.1:8888/"
    assert capability.get_export() == "mplane-https://example.com/"
    assert str(capability.when()) == "now ... future / 1s"
    names = ["source.ip4", "destination.ip4", "source.port"]
    assert list(capability.parameter_names()) == names
    assert list(capability.metadata_names()) == ["System_version"]
    assert capability.metadata_values() == {"System_version": "0.1"}
    assert list(capability.result_column_names()) == ["time", "rtt.us"]
    assert capability.has_parameter("source.ip4")
    assert not capability.has_parameter("time")
    assert capability.has_metadata("System_version")
    assert capability.has_result_column("time")
    assert not capability.has_result_column("source.ip4")
    assert capability.count_parameters() == 3
    assert capability.count_parameter_values() == 0
    assert capability.count_metadata() == 1
    assert capability.count_result_columns() == 2
    assert capability.count_result_rows() == 0
    single = capability.get_single_parameter_value
    assert single("source.ip4") == ip_address("10.0.27.2")
    assert single("source.port") is None


def test_the_scope_without_a_word_is_all_time():
    assert Capability().when() == model.when_infinite


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.get_parameter_value("time"),
        lambda c: c.set_parameter_value("time", 1),
        lambda c: c.can_set_parameter_value("time", 1),
        lambda c: c.get_single_parameter_value("time"),
        lambda c: c.get_metadata_value("time"),
        lambda c: c.result_column("source.ip4"),
        lambda c: c.add_parameter("no.such"),
        lambda c: c.add_result_column("no.such"),
        lambda c: c.add_metadata("no.such", 1),
    ],
)
def test_names_that_it_does_not_have_are_key_errors(call):
    with pytest.raises(KeyError):
        call(ping())


def test_a_specification_takes_over_what_the_capability_says():
    capability = ping()
    specification = Specification(capability=capability)

    assert specification.get_label() == "ping"
    assert specification.when() == capability.when()
    assert specification.get_parameter_value("source.ip4") == ip_address("10.0.27.2")
    assert specification.get_link() is None
    assert specification.get_export() is None
    assert specification.get_token() != capability.get_token()
    assert not specification.can_set_parameter_value("source.port", 100)
    specification.add_parameter("time")
    assert not capability.has_parameter("time")


def test_label_scope_and_token_may_be_chosen():
    specification = Specification(
        capability=ping(), label="mine", when="now + 1s / 1s", token="t"
    )

    assert specification.get_label() == "mine"
    assert str(specification.when()) == "now + 1s / 1s"
    assert specification.get_token() == "t"


def test_a_scope_has_to_follow_unless_it_is_forced():
    specification = asked("now ... future / 1s")

    with pytest.raises(ValueError, match=r"scope now \+ 1s does not follow now \.\.\."):
        specification.set_when("now + 1s")
    specification.set_when("now + 1s", force=True)
    assert str(specification.when()) == "now + 1s"
    ping().set_when("past ... now")


def test_values_are_kept_even_when_they_are_nothing_to_python():
    capability = Capability()
    capability.add_parameter("source.port")
    capability.add_parameter("measurement.identifier")
    capability.add_parameter("connectivity.ip")
    specification = Specification(capability=capability)
    values = {"source.port": 0, "measurement.identifier": "", "connectivity.ip": False}
    for name, value in values.items():
        specification.set_parameter_value(name, value)

    assert specification.parameter_values() == values
    assert specification.count_parameter_values() == 3
    read = model.parse_json(model.unparse_json(specification))
    assert read.parameter_values() == values


INVALID = {
    "a capability with a value": lambda: with_value(ping()),
    "a withdrawal with a value": lambda: with_value(Withdrawal(capability=ping())),
    "a specification with an open parameter": lambda: Specification(capability=ping()),
    "a receipt with an open parameter": lambda: Receipt(
        specification=Specification(capability=ping())
    ),
    "a result with a relative scope": lambda: Result(
        specification=asked(), when="now + 1s"
    ),
    "a result without a scope": lambda: Result(specification=asked()),
    "a result up to the future": lambda: Result(
        specification=asked(), when="2016-02-18 ... future"
    ),
    "a result with an open parameter": lambda: Result(
        specification=Specification(capability=ping()), when="2016-02-18"
    ),
    "a specification with rows": lambda: with_rows(asked()),
    "a redemption with rows": lambda: with_rows(
        Redemption(receipt=Receipt(specification=asked()))
    ),
    "a capability with rows": lambda: with_rows(ping()),
}


def with_value(statement):
    statement.set_parameter_value("destination.ip4", "10.0.0.1")
    return statement


def with_rows(statement):
    statement.result_column("rtt.us")[0] = 7
    return statement


@pytest.mark.parametrize("make", INVALID.values(), ids=INVALID)
def test_an_invalid_message_is_not_written(make):
    message = make()

    with pytest.raises(ValueError):
        message.validate()
    with pytest.raises(ValueError):
        model.unparse_json(message)


def test_a_result_answers_its_specification():
    specification = asked()
    result = Result(specification=specification)

    assert result.get_token() == specification.get_token()
    assert result.get_label() == "ping"
    assert result.when() == model.when_infinite
    assert result.get_parameter_value("source.port") == 7
    result.set_parameter_value("source.port", 65535)  # what was really used
    result.set_when("2016-02-18 12:00:00 ... 2016-02-18 12:00:10")
    result.set_result_value("rtt.us", "33155")
    result.set_result_value("rtt.us", 33156, 2)
    result.set_result_value("time", MOMENT, 1)
    assert result.count_result_rows() == 3
    assert result.to_dict()["resultvalues"] == [
        ["*", "33155"],
        ["2016-02-18 12:00:00.000000", "*"],
        ["*", "33156"],
    ]
    assert [row["rtt.us"] for row in result.schema_dict_iterator()] == [
        33155,
        None,
        33156,
    ]
    assert next(result.schema_dict_iterator())["source.port"] == 65535
    with pytest.raises(ValueError, match=r"rtt\.us: 'x' is not a value"):
        result.set_result_value("rtt.us", "x")
    with pytest.raises(KeyError):
        result.set_result_value("no.such", 1)


def test_a_copy_of_a_result_stays_as_it_was():
    result = Result(specification=asked(), when="2016-02-18 12:00:00")
    result.set_link("http://127.0.0.1/")
    name = "rtt.us"
    result.set_result_value(name, 1)
    before = result.to_dict()

    copy = result.copy()
    result.set_result_value(name, 2, 1)
    result.set_result_value(name, 3, 0)
    result.set_when("2016-02-18 13:00:00", force=True)

    assert copy.to_dict() == before
    assert copy.get_token() == result.get_token()
    assert copy.get_link() == "http://127.0.0.1/"


def test_a_result_that_is_not_valid_yet_can_be_copied():
    result = Result(specification=asked())

    assert str(result.copy().when()) == str(result.when())
    assert result.copy().count_result_rows() == 0


def test_the_scope_given_to_a_result_wins():
    result = Result(specification=asked(), when="2016-02-18 12:00:00")

    assert str(result.when()) == "2016-02-18 12:00:00.000000"


def test_a_column_is_a_sequence():
    column = Result(specification=asked()).result_column("rtt.us")
    column[1] = "5"

    assert list(column) == [None, 5]
    assert len(column) == 2
    assert column[1] == 5
    del column[0]
    assert list(column) == [5]
    with pytest.raises(IndexError):
        column[7]
    with pytest.raises(ValueError, match="no row -1"):
        column[-1] = 1
    column.clear()
    assert list(column) == []
    assert (
        repr(column) == "<ResultColumn rtt.us mplane.model.prim_natural with 0 values>"
    )


def test_notifications_inherit_token_label_and_scope():
    specification = asked()
    token = specification.get_token()
    receipt = Receipt(specification=specification)

    assert repr(receipt) == f"<receipt:  (ping){token}>"
    assert repr(Redemption(receipt=receipt)) == f"<redemption:  (ping){token}>"
    assert repr(Interrupt(specification=receipt)) == f"<interrupt:  (ping){token}>"
    assert receipt.when() == specification.when()
    assert receipt.get_link() is None
    assert Receipt(specification=specification, token="t").get_token() == "t"
    withdrawal = Withdrawal(capability=ping(token="c"))
    assert repr(withdrawal) == "<withdrawal:  (ping)c>"
    withdrawal.validate()


def test_only_the_token_is_written_where_it_is_enough():
    receipt = Receipt(specification=asked())
    receipt.set_link("http://127.0.0.1/")

    short = receipt.to_dict(token_only=True)
    assert set(short) == {"receipt", "version", "registry", "label", "token"}
    read = model.message_from_dict(short)
    assert read.when() is None
    assert read.get_token() == receipt.get_token()
    assert read.to_dict() == short
    again = Redemption(receipt=read)
    assert again.to_dict()["redemption"] == "measure"
    assert asked().to_dict(token_only=True) == asked().to_dict()


def test_a_message_for_its_token_only_has_one():
    fresh = Receipt(dictval=None)
    fresh.set_when("now", force=True)

    assert "when" in fresh.to_dict(token_only=True)


def test_retoken_counts_now_for_a_relative_scope_only():
    relative, definite = asked(), asked("2016-03-01 + 10s / 1s")
    tokens = relative.get_token(), definite.get_token()

    relative.retoken()
    definite.retoken()

    assert relative.get_token() != tokens[0]
    assert definite.get_token() == tokens[1]
    relative.retoken(force=True)
    assert relative.get_token() == tokens[0]


def test_a_repeated_specification_gives_fresh_ones_and_ends():
    specification = asked("repeat now + 2s / 1s { now + 1s / 1s }")

    found = list(specification.subspec_iterator())

    assert [str(each.when()) for each in found] == [
        "2016-02-18 12:00:00.000000 + 1s / 1s",
        "2016-02-18 12:00:01.000000 + 1s / 1s",
        "2016-02-18 12:00:02.000000 + 1s / 1s",
    ]
    assert len({id(each) for each in found}) == 3
    assert len({each.get_token() for each in found}) == 3
    assert {each.get_label() for each in found} == {"ping"}
    assert found[0].get_parameter_value("source.port") == 7
    single = asked()
    assert list(single.subspec_iterator()) == [single]


FULFILLS = {
    "as offered": (lambda c: None, lambda s: None, True),
    "another verb": (lambda c: None, lambda s: setattr(s, "_verb", "query"), False),
    "another column": (lambda c: c.add_result_column("rtt.ms"), lambda s: None, False),
    "no period": (lambda c: None, lambda s: s.set_when("now", force=True), False),
    "too short a period": (
        lambda c: None,
        lambda s: s.set_when("now + 10s / 0s", force=True),
        False,
    ),
    "a longer period": (lambda c: None, lambda s: s.set_when("now + 1m / 9s"), True),
    "the past": (
        lambda c: None,
        lambda s: s.set_when("2009-01-01 + 1m / 1s", force=True),
        False,
    ),
    "a value outside": (
        lambda c: c.parameter("source.port").set_constraint("8,9"),
        lambda s: None,
        False,
    ),
    "an open parameter": (
        lambda c: None,
        lambda s: s.set_parameter_value("source.port", None),
        False,
    ),
}


@pytest.mark.parametrize("case", FULFILLS.values(), ids=FULFILLS)
def test_a_specification_fulfills_a_capability_or_not(case):
    change_capability, change_specification, fulfilled = case
    capability, specification = ping(), asked()
    change_capability(capability)
    change_specification(specification)

    assert specification.fulfills(capability) is fulfilled


def test_values_that_came_by_wire_are_held_against_the_capability():
    specification = model.parse_json(model.unparse_json(asked()))

    assert specification.fulfills(ping())
    specification.set_parameter_value("source.port", 100)
    assert not specification.fulfills(ping())


def test_a_query_is_not_scheduled():
    assert asked().is_schedulable()
    assert not Specification(verb="query").is_schedulable()


def test_an_envelope_holds_messages():
    envelope = Envelope(content_type="result", token="abc", label="l")
    for label in ("a", "b", "c"):
        envelope.append_message(Capability(label=label))

    assert len(envelope) == 3
    assert envelope.get_token(2) == "ab"
    assert envelope.get_label() == "l"
    envelope.trim(0)
    assert len(envelope) == 3
    envelope.trim(2)
    assert [each.get_label() for each in envelope.messages()] == ["b", "c"]
    assert [each.get_label() for each in envelope] == ["b", "c"]
    assert Envelope()


def test_an_empty_envelope_shows_itself_as_release_0_9_0_does():
    envelope = Envelope(content_type="result", token="abc")

    assert repr(envelope) == "<envelope: result (0) token abc: >"


def test_an_envelope_keeps_the_absolute_scope():
    envelope = Envelope(when="repeat now + 1m / 10s { now + 1s }")

    assert envelope.when() == When("2016-02-18 12:00:00 ... 2016-02-18 12:01:00 / 10s")
    assert str(Envelope(when="past ... future").when()) == "past ... future"


def test_an_exception_says_what_happened():
    exception = model.Exception(token="t", errmsg="no such thing", status=404)

    assert repr(exception) == "<Exception: t no such thing>"
    assert exception.errmsg() == "no such thing"
    assert exception.status() == 404
    assert exception.to_dict() == {"exception": "t", "message": "no such thing"}
    assert model.Exception().to_dict() == {
        "exception": None,
        "message": "Unspecified exception",
    }
    assert repr(model.Exception()) == "<Exception: None Unspecified exception>"


def test_the_scopes_of_statements_are_values():
    one, other = When("now + 90s"), When("now + 1m30s")

    assert one == other
    assert hash(one) == hash(other)
    assert one != When("now + 91s")
    assert one != "now + 1m30s"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {
            "a": model.time_now,
            "b": model.time_future,
            "duration": model.parse_dur("1s"),
        },
        {"a": model.time_now, "repeated": True},
        {"a": model.time_now, "inner_duration": model.parse_dur("1s")},
        {"a": model.time_now, "crontab": "* * * * * *"},
        {"a": model.time_now, "period": -model.parse_dur("1s")},
        {"a": model.time_now, "repeated": True, "period": model.parse_dur("0s")},
    ],
)
def test_parts_that_do_not_go_together_make_no_scope(options):
    with pytest.raises(ValueError):
        When(**options)


def test_a_scope_is_made_of_parts():
    scope = When(
        a=model.time_now,
        b=datetime(2017, 1, 1),
        repeated=True,
        inner_duration=model.parse_dur("5s"),
        crontab="0 0 0 1 * 1",
    )

    assert str(scope) == (
        "repeat now ... 2017-01-01 00:00:00.000000 cron 0 0 0 1 0,1,2,3,4,5,6 1 "
        "{ now + 5s } "
    )
    assert When(str(scope)) == scope
    assert str(scope.inner()) == "now + 5s"
    assert str(scope.crontab) == "0 0 0 1 0,1,2,3,4,5,6 1"
    assert When("now").inner() is None
