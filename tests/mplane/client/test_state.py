"""What a client knows: nothing that arrives is lost."""

import queue
import threading

import pytest

from measuring import capability, specification
from pilothouse.mplane import model
from pilothouse.mplane.client import BaseClient


@pytest.fixture
def client():
    return BaseClient(None)


def receipt_of(label="mine", when="now", address="10.0.37.2"):
    made = specification(capability(), when, address, label)
    return model.Receipt(specification=made)


def result_of(receipt, value=1, when="2016-02-18 12:00:00"):
    made = model.Specification(dictval=receipt.to_dict() | {"specification": "measure"})
    made.set_token(receipt.get_token())
    result = model.Result(specification=made, when=when)
    result.set_result_value("rtt.us", value)
    return result


def envelope_of(receipt, count, when="2016-02-18 12:00:00 ... 2016-02-18 13:00:00"):
    envelope = model.Envelope(token=receipt.get_token(), when=when)
    for number in range(count):
        result = result_of(receipt, number)
        result.set_token(f"turn-{number}")
        envelope.append_message(result)
    return envelope


def test_a_capability_is_found_by_token_and_label(client):
    made = capability("ping")
    client.handle_message(made, "me")
    token = made.get_token()

    assert client.capability_for("ping") is made
    assert client.capability_for(token) is made
    assert client.capability_tokens() == (token,)
    assert client.capability_labels() == ("ping",)
    assert client.identity_for("ping") == client.identity_for(token) == "me"


def test_a_capability_that_comes_again_with_another_label_is_found_by_that(client):
    first, again = capability("ping"), capability("ping-of-room-3")
    assert first.get_token() == again.get_token()

    for each in (first, again, again):
        client.handle_message(each, "me")

    assert client.capability_labels() == ("ping-of-room-3",)
    with pytest.raises(KeyError, match="ping"):
        client.capability_for("ping")
    client.handle_message(model.Withdrawal(capability=again), "me")
    assert client.capability_labels() == ()


def test_what_is_unknown_is_a_key_error(client):
    for call in (client.capability_for, client.result_for, client.identity_for):
        with pytest.raises(KeyError, match="nothing"):
            call("nothing")
    with pytest.raises(KeyError, match="receipt"):
        client.identity_for("nothing", receipt=True)


def test_a_result_replaces_its_receipt(client):
    receipt = receipt_of()
    client.handle_message(receipt, "me")
    assert client.receipt_labels() == ("mine",)
    assert client.identity_for(receipt.get_token(), receipt=True) == "me"
    assert client.result_for("mine") is receipt

    client.handle_message(result_of(receipt), "me")

    assert client.receipt_tokens() == ()
    assert client.result_labels() == ("mine",)
    assert isinstance(client.result_for("mine"), model.Result)
    assert isinstance(client.result_for(receipt.get_token()), model.Result)


def test_a_receipt_that_comes_after_its_result_is_late(client):
    receipt = receipt_of()
    client.handle_message(result_of(receipt))

    client.handle_message(receipt)

    assert client.receipt_tokens() == ()


def test_two_results_of_one_label_are_both_kept(client):
    receipts = [receipt_of(address=f"10.0.0.{n}") for n in (1, 2)]
    for receipt in receipts:
        client.handle_message(receipt)
    for receipt in receipts:
        client.handle_message(result_of(receipt))

    assert client.result_tokens() == tuple(r.get_token() for r in receipts)
    assert client.result_for("mine").get_token() == receipts[1].get_token()


def test_results_that_come_at_once_are_all_kept(client):
    receipts = [receipt_of(f"l-{n}", address=f"10.0.1.{n}") for n in range(200)]
    for receipt in receipts:
        client.handle_message(receipt)
    gate = threading.Barrier(8)

    def work(part):
        gate.wait(60)
        for receipt in part:
            client.handle_message(result_of(receipt))

    threads = [threading.Thread(target=work, args=(receipts[n::8],)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(client.result_tokens()) == 200
    assert client.receipt_tokens() == ()


def test_an_exception_is_kept_under_the_label_of_its_receipt(client):
    receipt = receipt_of()
    client.handle_message(receipt)

    client.handle_message(model.Exception(token=receipt.get_token(), errmsg="no"))

    assert client.result_for("mine").errmsg() == "no"
    assert client.receipt_tokens() == ()


def test_an_exception_without_token_changes_nothing(client, caplog):
    client.handle_message(model.Exception(errmsg="something broke"))

    assert client.result_tokens() == ()
    assert "something broke" in caplog.text


def test_an_unknown_job_does_not_replace_a_result(client):
    receipt = receipt_of()
    client.handle_message(receipt)
    client.handle_message(result_of(receipt))

    client.handle_message(
        model.Exception(token=receipt.get_token(), errmsg="Unknown job")
    )

    assert isinstance(client.result_for("mine"), model.Result)


def test_an_envelope_with_the_token_of_a_receipt_is_its_result(client):
    receipt = receipt_of(when="repeat now + 1h / 1m")
    client.handle_message(receipt)

    client.handle_message(envelope_of(receipt, 2))

    found = client.result_for("mine")
    assert isinstance(found, model.Envelope)
    assert len(found) == 2
    assert client.receipt_tokens() == ()


def test_an_envelope_whose_scope_goes_on_keeps_the_receipt(client):
    receipt = receipt_of(when="repeat now + 1h / 1m")
    client.handle_message(receipt)

    client.handle_message(envelope_of(receipt, 2, "now ... future"))

    assert client.receipt_tokens() == (receipt.get_token(),)
    assert isinstance(client.result_for("mine"), model.Envelope)


def test_other_envelopes_are_taken_apart(client):
    envelope = model.Envelope()
    inner = model.Envelope()
    inner.append_message(capability("deep"))
    envelope.append_message(inner)
    envelope.append_message(capability("flat", column="packets.lost"))

    client.handle_message(envelope)

    assert set(client.capability_labels()) == {"deep", "flat"}


@pytest.mark.parametrize("known", [True, False])
def test_a_withdrawal_takes_a_capability_back(client, known):
    made = capability("ping")
    client.handle_message(made, "me")
    withdrawal = model.Withdrawal(capability=made, token=None if known else "other")

    client.handle_message(withdrawal, "me")

    assert client.capability_tokens() == ()
    assert client.capability_labels() == ()


def test_a_withdrawal_of_somebody_else_takes_nothing(client):
    made = capability("ping")
    client.handle_message(made, "me")

    client.handle_message(model.Withdrawal(capability=made), "you")

    assert client.capability_labels() == ("ping",)


def test_a_withdrawal_of_what_is_not_known_changes_nothing(client):
    client.handle_message(capability("ping", column="packets.lost"))

    client.handle_message(model.Withdrawal(capability=capability("ping")))

    assert client.capability_labels() == ("ping",)


def test_a_result_of_somebody_else_is_not_taken(client, caplog):
    receipt = receipt_of()
    client.handle_message(receipt, "me")

    client.handle_message(result_of(receipt), "you")

    assert client.receipt_tokens() == (receipt.get_token(),)
    assert "you" in caplog.text


def test_capabilities_of_a_schema_with_no_wider_constraints(client):
    narrow, wide = capability("narrow"), capability("wide")
    narrow.parameter("destination.ip4").set_constraint("10.0.0.1,10.0.0.2")
    narrow.set_token("1")
    wide.set_token("2")
    for made in (narrow, wide, capability("other", column="packets.lost")):
        client.handle_message(made)
    schema = capability()
    assert set(client.capabilities_matching_schema(schema)) == {narrow, wide}

    schema.parameter("destination.ip4").set_constraint("10.0.0.1 ... 10.0.0.9")

    assert client.capabilities_matching_schema(schema) == [narrow]


def test_to_forget_is_to_forget_both(client):
    for label in ("one", "two"):
        client.handle_message(receipt_of(label, address=f"10.0.0.{len(label)}"))
    receipt = receipt_of("done", address="10.0.0.9")
    client.handle_message(receipt)
    client.handle_message(result_of(receipt))

    client.forget("done")
    client.forget("one")
    client.forget("never seen")

    assert client.result_tokens() == ()
    assert client.receipt_labels() == ("two",)


@pytest.mark.parametrize("kind", ["queue", "function"])
def test_a_supervisor_gets_every_message(kind):
    seen = queue.Queue()
    export = seen if kind == "queue" else lambda msg, who: seen.put_nowait([msg, who])
    client = BaseClient(None, supervisor=True, exporter=export)
    made = capability("ping")

    client.handle_message(made, "me")

    assert seen.get_nowait() == [made, "me"]


def test_a_client_has_no_use_for_a_specification(client):
    with pytest.raises(ValueError, match="no use"):
        client.handle_message(specification(capability()))
