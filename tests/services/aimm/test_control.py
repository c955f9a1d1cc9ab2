"""What the REPL control answers on the wire, to peers that are not ours."""

import hashlib
import json

import pytest
import websocket

from pilothouse.aimm.juggler import patched
from pilothouse.services.aimm import connection
from waiting import until


def call(*args, kwargs=None, **about):
    """The data of a request with arguments."""
    return {"args": list(args), "kwargs": kwargs or {}, **about}


def made(peer, endpoint, **kwargs):
    """Log in and make an instance; return its id."""
    peer.login(endpoint)
    peer.request(1, "create_instance", call(model_type="lab", kwargs=kwargs))
    answer, _ = peer.answer(1)
    assert answer["success"], answer
    return answer["data"]["instance_id"]


def test_before_the_login_the_state_is_empty(raw):
    with raw() as peer:
        assert peer.read() == {
            "type": "state",
            "diff": [{"op": "replace", "path": "", "value": {}}],
        }


def test_the_whole_state_comes_before_the_answer_to_the_login(raw, aimm_server):
    with raw() as peer:
        answer, diffs = peer.login(aimm_server)

    assert answer["success"] is True
    assert answer["data"] == {"success": True}
    state = None
    for diff in diffs:
        state = patched(state, diff)
    assert set(state) == {"models", "actions"}


@pytest.mark.parametrize("path", ["/ws", "/"])
def test_both_paths_are_the_control(raw, aimm_server, path):
    url = aimm_server.url.removesuffix("/ws") + path
    with raw(url) as peer:
        assert peer.login(aimm_server)[0]["success"] is True


@pytest.mark.parametrize(
    ("path", "status"), [("/x", 404), ("/ws/", 404), ("/ws/x", 404)]
)
def test_other_paths_are_not(aimm_server, path, status):
    url = aimm_server.url.removesuffix("/ws") + path
    with pytest.raises(websocket.WebSocketBadStatusException) as refusal:
        websocket.create_connection(url, timeout=10)

    assert refusal.value.status_code == status


def test_pages_of_elsewhere_are_refused(aimm_server):
    with pytest.raises(websocket.WebSocketBadStatusException) as refusal:
        websocket.create_connection(
            aimm_server.url, timeout=10, origin="http://elsewhere.example"
        )

    assert refusal.value.status_code == 403


@pytest.mark.parametrize(
    "credentials",
    [
        {"username": "pilothouse", "password": "0" * 64},
        {"username": "nobody", "password": "0" * 64},
        {"username": "", "password": ""},
        {"username": "\ud800", "password": "\ud800"},
    ],
    ids=["wrong password", "unknown user", "empty", "no Unicode"],
)
def test_a_wrong_login_is_answered_then_the_connection_ends(raw, credentials):
    with raw() as peer:
        peer.request(1, "login", credentials)
        answer, _ = peer.answer(1)

        assert (answer["success"], answer["data"]) == (False, "login failed")
        assert peer.read() is None


@pytest.mark.parametrize(
    "name",
    ["create_instance", "add_instance", "update_instance", "fit", "predict", "cancel"],
)
def test_without_a_login_nothing_is_done_and_the_connection_stays(
    raw, aimm_server, name
):
    with raw() as peer:
        peer.request(1, name, call(instance_id=1))
        answer, _ = peer.answer(1)
        assert (answer["success"], answer["data"]) == (False, "unauthorized action")

        assert peer.login(aimm_server)[0]["success"] is True


def test_logging_out_empties_the_state_and_the_login_works_again(raw, aimm_server):
    with raw() as peer:
        peer.login(aimm_server)
        peer.request(5, "logout")
        answer, diffs = peer.answer(5)
        assert answer["data"] is None
        assert diffs == [[{"op": "replace", "path": "", "value": {}}]]

        assert peer.login(aimm_server)[0]["success"] is True


@pytest.mark.parametrize("number", [7, "text", None, [1], 1.5])
def test_an_id_comes_back_as_it_was(raw, number):
    with raw() as peer:
        peer.request(number, "", {"any": ["json"]})

        assert peer.answer(number)[0]["data"] == {"any": ["json"]}


def test_an_unknown_name_is_refused(raw, aimm_server):
    with raw() as peer:
        peer.login(aimm_server)
        peer.request(1, "explode")

        answer, _ = peer.answer(1)

    assert not answer["success"]
    assert "'explode'" in answer["data"]


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("create_instance", None, "the arguments are an object, not null"),
        ("create_instance", {}, "'args'"),
        ("create_instance", {"args": [], "kwargs": {}}, "'model_type'"),
        (
            "create_instance",
            {"model_type": "nope", "args": [], "kwargs": {}},
            "no instantiation plugin for model type nope",
        ),
        (
            "create_instance",
            {"model_type": "lab", "args": "abc", "kwargs": {}},
            'args is a list, not "abc"',
        ),
        (
            "create_instance",
            {"model_type": "lab", "args": [], "kwargs": None},
            "kwargs is an object, not null",
        ),
        (
            "create_instance",
            {"model_type": "lab", "args": [], "kwargs": {"fail": True}},
            "made to fail",
        ),
        (
            "predict",
            call(instance_id=987654),
            "there is no instance 987654",
        ),
        (
            "predict",
            call(instance_id=True),
            "instance_id is an integer, not true",
        ),
        (
            "update_instance",
            {"instance_id": 987654, "model_type": "lab", "instance_b64": "gAR9lC4="},
            "there is no instance 987654",
        ),
        (
            "add_instance",
            {"model_type": "lab", "instance_b64": "no base64"},
            "instance_b64 is no base64",
        ),
        (
            "add_instance",
            {"model_type": "lab", "instance_b64": "AAAA"},
            "invalid load key",
        ),
        ("cancel", {"action_id": 987654}, "there is no action 987654"),
        ("get_result", {"action_id": 987654}, "there is no action 987654"),
        ("load_plugin", {"name": "a b", "source": ""}, "'a b' is no name of a module"),
    ],
)
def test_a_bad_request_is_refused_with_the_reason(raw, aimm_server, name, data, text):
    with raw() as peer:
        peer.login(aimm_server)
        peer.request(1, name, data)
        answer, _ = peer.answer(1)
        peer.request(2, "", "still here")

        assert not answer["success"]
        assert text in answer["data"]
        assert peer.answer(2)[0]["data"] == "still here"


@pytest.mark.parametrize("form", [int, float, str])
def test_ids_of_real_clients_come_in_three_forms(raw, aimm_server, form):
    with raw() as peer:
        number = made(peer, aimm_server)
        peer.request(2, "predict", call(instance_id=form(number)))

        assert peer.answer(2)[0]["data"] == 0


@pytest.mark.parametrize("key", ["instance", "instance_b64"])
def test_instances_are_added_and_updated_under_both_names(raw, aimm_server, key):
    with raw() as peer:
        number = made(peer, aimm_server, n=7)
        peer.request(2, "get_instance", {"instance_id": number})
        text = peer.answer(2)[0]["data"]["instance_b64"]
        peer.request(3, "add_instance", {"model_type": "lab", key: text})
        added = peer.answer(3)[0]["data"]
        peer.request(
            4,
            "update_instance",
            {"model_type": "lab", "instance_id": number, key: text},
        )
        updated = peer.answer(4)[0]["data"]

        assert added["instance"] == updated["instance"] == text
        assert (added["model_type"], updated["instance_id"]) == ("lab", number)
        assert (added["type"], added["id"]) == ("lab", added["instance_id"])


def test_an_instance_of_another_type_does_not_replace_one(raw, aimm_server):
    with raw() as peer:
        number = made(peer, aimm_server)
        peer.request(
            2,
            "update_instance",
            {
                "model_type": "plugins.Line",
                "instance_id": number,
                "instance_b64": "e30=",
            },
        )

        assert "is a lab, no plugins.Line" in peer.answer(2)[0]["data"]


def test_a_second_client_follows_an_action_by_small_patches(raw, aimm_server, tmp_path):
    seen = tmp_path / "seen"
    with raw() as watcher, raw() as worker:
        number = made(worker, aimm_server)
        _, diffs = watcher.login(aimm_server)
        state, operations = None, []
        for diff in diffs:
            state = patched(state, diff)
        known = set(state["actions"])

        def follow(condition):
            nonlocal state
            while not condition():
                diff = watcher.read()["diff"]
                operations.extend(diff)
                state = patched(state, diff)

        def entry():
            new = set(state["actions"]) - known
            return state["actions"][new.pop()] if new else {}

        args = call("wait", str(seen), instance_id=number)
        worker.request(2, "fit", args)
        follow(lambda: entry().get("action") == {"epoch": 1, "epochs": 2})
        assert entry()["progress"] == "executing"
        seen.touch()
        follow(lambda: entry()["progress"] == "complete")

        paths = {(op["op"], op["path"]) for op in operations}
        assert ("replace", f"/models/{number}/instance") in paths
        assert not [path for _, path in paths if path == f"/models/{number}"]
        assert entry()["meta"]["args"] == ["wait", str(seen)]


def test_diffs_lead_to_what_a_fresh_client_is_told(raw, aimm_server):
    with raw() as watcher, raw() as worker:
        _, diffs = watcher.login(aimm_server)
        number = made(worker, aimm_server)
        for n, how in enumerate(["", "raise", ""], start=2):
            worker.request(n, "fit", call(how, instance_id=number))
            worker.answer(n)
        state = None
        for diff in diffs:
            state = patched(state, diff)
        with raw() as fresh:
            _, told = fresh.login(aimm_server)
        whole = None
        for diff in told:
            whole = patched(whole, diff)
        while (
            state["models"] != whole["models"] or state["actions"] != whole["actions"]
        ):
            state = patched(state, watcher.read()["diff"])


def test_a_slim_client_is_told_sizes_and_digests_instead_of_bytes(raw, aimm_server):
    with raw() as peer:
        answer, _ = peer.login(aimm_server, ext=["slim1", "unknown"])
        assert answer["data"]["ext"] == ["slim1"]
        peer.request(1, "create_instance", call(model_type="lab"))

        model = peer.answer(1)[0]["data"]

    assert "instance" not in model
    assert model["size"] > 0
    assert len(model["sha256"]) == 64


@pytest.mark.parametrize(
    "frame",
    ["", "9x", "0not json", '0{"type": "state", "diff": []}', '0{"type": "request"}'],
)
def test_a_frame_that_breaks_the_protocol_ends_that_connection_alone(
    raw, aimm_server, frame
):
    with raw() as peer, raw() as other:
        peer.ws.send(frame)

        while (message := peer.read()) is not None:
            assert message["type"] == "state"
        other.request(1, "", "here")
        assert other.answer(1)[0]["data"] == "here"


def test_a_stranger_sends_no_large_message(raw):
    """Before a login a mebibyte is enough for everybody."""
    with raw() as peer:
        try:
            for _ in range(40):
                peer.ws.send("1" + "x" * 65_536)
            while (message := peer.read()) is not None:
                assert message["type"] == "state"
        except OSError:
            pass  # it has closed while more was coming


def test_a_large_message_may_follow_the_login_at_once(raw, aimm_server):
    with raw() as peer:
        hashed = hashlib.sha256(aimm_server.password.encode()).hexdigest()
        data = {"username": aimm_server.username, "password": hashed}
        peer.request(0, "login", data)
        text = json.dumps({"type": "request", "id": 1, "name": "", "data": "x" * 2**21})
        for start in range(0, len(text), 2**20):
            peer.ws.send("1" + text[start : start + 2**20])
        peer.ws.send("0")

        assert len(peer.answer(1)[0]["data"]) == 2**21


def test_letters_without_an_escape_reach_the_plugin(raw, aimm_server):
    with raw() as peer:
        number = made(peer, aimm_server)
        data = call("echo", "é\u2028\U0001f600", instance_id=number)
        message = {"type": "request", "id": 2, "name": "predict", "data": data}
        peer.ws.send("0" + json.dumps(message, ensure_ascii=False))

        assert peer.answer(2)[0]["data"] == "é\u2028\U0001f600"


def test_a_binary_message_ends_the_connection(raw):
    with raw() as peer:
        peer.ws.send_binary(b"0{}")

        while (message := peer.read()) is not None:
            assert message["type"] == "state"


def test_pings_are_answered_with_their_payload(raw):
    with raw() as peer:
        peer.ws.send("2hello")

        frames = [peer.ws.recv(), peer.ws.recv()]

    assert "3hello" in frames


def test_half_a_message_then_the_end_does_nothing(raw, aimm_server):
    with raw() as peer:
        peer.login(aimm_server)
        text = json.dumps(
            {
                "type": "request",
                "id": 1,
                "name": "create_instance",
                "data": {"model_type": "lab", "args": ["half"], "kwargs": {}},
            }
        )
        peer.ws.send("1" + text[:50])
    with raw() as peer:
        _, diffs = peer.login(aimm_server)

    assert "half" not in json.dumps(diffs)


def test_a_client_of_juggler_0_6_is_served_on_its_wire(raw, monkeypatch):
    monkeypatch.setattr(connection, "_GUESS_AFTER", 60.0)
    with raw() as peer:
        peer.ws.send(json.dumps({"type": "request", "id": 1, "name": "", "data": 5}))
        messages = [json.loads(peer.ws.recv()) for _ in range(2)]

    assert {"type": "response", "id": 1, "success": True, "data": 5} in messages


def test_an_echo_is_answered_while_an_action_runs(raw, aimm_server, tmp_path):
    seen = tmp_path / "seen"
    with raw() as peer:
        number = made(peer, aimm_server)
        peer.request(2, "fit", call("wait", str(seen), instance_id=number))
        peer.request(3, "", "quick")
        assert peer.answer(3)[0]["data"] == "quick"

        seen.touch()
        assert peer.answer(2)[0]["success"]


def test_a_client_that_went_away_does_not_stop_its_action(raw, aimm_server, tmp_path):
    seen = tmp_path / "seen"
    with raw() as peer:
        number = made(peer, aimm_server)
        peer.request(2, "fit", call("wait", str(seen), instance_id=number))
        peer.request(3, "", None)
        peer.answer(3)
    seen.touch()

    def fits():
        with raw() as other:
            other.login(aimm_server)
            other.request(1, "predict", call(instance_id=number))
            return other.answer(1)[0]["data"]

    assert until(fits) == 1
