"""Forms: what is typed is checked, and sent only when all of it is right."""

import ipaddress

import pytest

from pilothouse_widgets import Field, Form
from pilothouse_widgets.feed import the_feed
from widgets.seeing import seen


def fields():
    return [
        Field(name="host", parse=ipaddress.ip_address, group="where"),
        Field(name="port", kind="natural", minimum=1, maximum=99, group="where"),
        Field(name="protocol", choices=("tcp", "udp"), group="how"),
        Field(name="rate", kind="real", unit="Hz", is_required=False, group="how"),
    ]


def right(**more):
    return {"host": "127.0.0.1", "port": "7", "protocol": "tcp", **more}


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        pytest.param("host", "", "is missing", id="required"),
        pytest.param("host", "10.0.0.300", "10.0.0.300", id="own parse"),
        pytest.param("port", "seven", "'seven' is no whole number", id="no number"),
        pytest.param("port", "7.5", "'7.5' is no whole number", id="no whole number"),
        pytest.param("port", "0", "0 is less than 1", id="below"),
        pytest.param("port", "100", "100 is more than 99", id="above"),
        pytest.param("protocol", "icmp", "'icmp' is none of tcp, udp", id="no choice"),
        pytest.param("rate", "often", "'often' is no number", id="no real"),
    ],
)
def test_what_is_not_allowed_is_marked_with_the_reason(name, text, reason):
    form = Form(fields())
    form.fill(right(**{name: text}))

    assert reason in form.errors[name]
    assert list(form.errors) == [name]
    with pytest.raises(ValueError, match=name):
        form.read()


def test_right_texts_become_values():
    form = Form(fields())
    form.fill(right(port=" 99 ", rate="0.5"))

    assert form.is_right
    assert form.read() == {
        "host": ipaddress.ip_address("127.0.0.1"),
        "port": 99,
        "protocol": "tcp",
        "rate": 0.5,
    }


def test_an_empty_field_that_may_be_empty_is_none():
    form = Form(fields())
    form.fill(right())

    assert form.read()["rate"] is None


def test_a_fixed_field_is_shown_and_kept(comms):
    form = Form([Field(name="source", value="10.0.0.1", is_fixed=True)])
    comms[-1].hear({"ask": "edit", "values": {"source": "10.0.0.2"}})
    assert the_feed().flush(60)

    assert form.read() == {"source": "10.0.0.1"}


def test_a_note_tells_what_a_right_text_means():
    form = Form([Field(name="n", kind="natural", explain=lambda n: f"{n} packets")])
    form.fill(n=5)
    assert form.notes == {"n": "5 packets"}

    form.fill(n="five")
    assert form.notes == {}


def test_what_is_typed_is_checked_by_the_kernel(comms):
    form = Form(fields())
    comms[-1].hear({"ask": "edit", "values": {"port": "100", "nosuch": "1"}})

    seen(form, lambda: form.values["port"] == "100")
    assert "more than 99" in form.errors["port"]
    assert "nosuch" not in form.values


def test_the_button_sends_what_is_right(comms):
    taken = []
    form = Form(fields(), submit="Go", on_submit=lambda v: taken.append(v) or "sent")
    comms[-1].hear({"ask": "submit", "values": right()})

    seen(form, lambda: form.outcome == "sent")
    assert taken[0]["port"] == 7
    assert form.doing == ""


def test_the_button_sends_nothing_that_is_wrong(comms):
    taken = []
    form = Form(fields(), submit="Go", on_submit=taken.append)
    comms[-1].hear({"ask": "submit", "values": right(port="100")})

    seen(form, lambda: form.refused)
    assert form.refused == "port 100 is more than 99"
    assert taken == []


def test_what_the_action_raises_is_shown(comms):
    def fail(_values):
        raise ConnectionError("nobody there")

    form = Form(fields(), submit="Go", on_submit=fail)
    form.fill(right())
    form.press()

    seen(form, lambda: form.refused == "ConnectionError: nobody there")
    assert form.doing == ""


def test_other_fields_keep_what_was_typed_under_the_same_name():
    form = Form(fields())
    form.fill(right())
    form.ask_for([Field(name="host"), Field(name="count", kind="natural")])

    assert form.values == {"host": "127.0.0.1", "count": ""}
    assert form.errors == {"count": "is missing"}


def test_two_fields_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two fields of one name"):
        Form([Field(name="a"), Field(name="a")])


def test_an_unknown_field_cannot_be_filled():
    with pytest.raises(KeyError, match="nosuch"):
        Form(fields()).fill(nosuch=1)


def test_the_snapshot_tells_fields_values_and_faults():
    form = Form(fields(), title="<probe>")
    form.fill(right(port="100"))
    bundle = form._repr_mimebundle_()[0]

    assert bundle["text/plain"] == "<probe>: 4 fields, 1 to be filled or mended"
    assert "&lt;probe&gt;" in bundle["text/html"]
    assert "100 is more than 99" in bundle["text/html"]


def test_one_model_whatever_the_number_of_fields(comms):
    Form([Field(name=f"field-{i}") for i in range(40)])

    assert len(comms) == 2  # its own and that of its layout
