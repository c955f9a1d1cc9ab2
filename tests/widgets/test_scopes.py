"""Fields and scopes that a form for a capability offers."""

import pytest

from pilothouse import mplane
from pilothouse_widgets import scope_words
from pilothouse_widgets.capability_fields import LABEL, SCOPE, fields_of

When = mplane.model.When


@pytest.fixture(autouse=True, scope="module")
def registry():
    mplane.model.initialize_registry()


@pytest.fixture
def fields():
    capability = mplane.model.Capability(label="ping-4", when="now ... future / 1s")
    capability.add_parameter("source.ip4", "10.0.27.2")
    capability.add_parameter("destination.ip4")
    capability.add_parameter("destination.port", "1 ... 99")
    capability.add_parameter("source.interface", "lo,eth0")
    capability.add_parameter("source.port", "[1 ... 99]")
    capability.add_parameter("connectivity.ip")
    capability.add_result_column("delay.twoway.icmp.us.min")
    return {field.name: field for field in fields_of(capability)}


def test_there_is_a_field_for_each_parameter_the_scope_and_the_label(fields):
    assert list(fields)[:2] == ["source.ip4", "destination.ip4"]
    assert list(fields)[-2:] == [SCOPE, LABEL]


def test_the_only_value_is_shown_and_fixed(fields):
    assert fields["source.ip4"].is_fixed
    assert fields["source.ip4"].value == "10.0.27.2"


def test_a_set_is_a_choice_and_a_range_has_ends(fields):
    assert fields["source.interface"].words == ("lo", "eth0")
    assert fields["connectivity.ip"].words == ("True", "False")
    port = fields["destination.port"]
    assert (port.kind, port.minimum, port.maximum) == ("natural", 1, 99)
    assert port.hint == "1 ... 99"


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("destination.ip4", "127.0.0.1", ""),
        ("destination.ip4", "localhost", "localhost"),
        ("destination.ip4", "::1", "::1 is no IPv4 address"),
        ("destination.ip4", "*", "there is no value"),
        ("destination.port", "100", "100 is more than 99"),
        ("source.interface", "wlan0", "none of lo, eth0"),
        ("source.port", "5, 7", ""),
        ("source.port", "5, 100", "5, 100 is not within [1 ... 99]"),
        (SCOPE, "now + 10s / 1s", ""),
        (SCOPE, "now", "needs a period of 1s or more, as in now / 1s"),
        (SCOPE, "now + 10s / 0s", "needs a period of 1s or more"),
        (SCOPE, "soon", "no temporal scope"),
    ],
)
def test_a_text_is_judged_as_the_component_would(fields, name, text, reason):
    found, _ = fields[name].judge(text)

    assert reason in found
    assert bool(found) == bool(reason)


@pytest.mark.parametrize(
    "offered",
    ["now ... future / 1s", "now ... future", "past ... now", "now + 1h / 30s"],
)
def test_what_is_offered_can_be_asked_for(offered):
    scope = When(offered)
    texts = scope_words.offered_scopes(scope)

    assert texts[0] == scope_words.first_scope(scope)
    for text in texts:
        scope_words.read_scope(text, scope)


def test_a_scope_that_is_over_is_told():
    with pytest.raises(ValueError, match="is over already"):
        scope_words.read_scope("2001-01-01 + 1m / 1s", When("now ... future / 1s"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("now", "at once, once"),
        ("now + 10s / 1s", "at once, for 10s, every 1s: about 10 rows"),
        ("now ... future / 1s", "at once, until it is stopped, every 1s"),
        ("past ... now", "from the past on"),
        (
            "2030-01-01 10:00:00 ... 2030-01-01 11:00:00 / 1m",
            "at 2030-01-01 10:00:00 UTC, for 1h, every 1m: about 60 rows",
        ),
        (
            "repeat now + 1m / 10s { now + 5s / 1s }",
            "at once, every 10s for 1m: 7 runs; each for 5s, every 1s: about 5 rows",
        ),
        (
            "repeat now ... future cron 0 0 * 1 1 *",
            "at once, whenever the crontab says",
        ),
    ],
)
def test_a_scope_is_told_in_words(text, told):
    assert scope_words.told(When(text)) == told
