"""Sensors over HTTP, both versions, on every instance."""

import json

import pytest
import websocket

from conftest import LocalSuite

MEMORY = {"Tap": "sys.memory", "Aggregate": "sum", "Report": {"Interval": 0.01}}


@pytest.mark.parametrize("name", ["connect", "model-manage-1"])
def test_a_sensor_is_installed_listed_and_uninstalled(bare_suite: LocalSuite, name):
    path = f"{name}/2/active/sensor"
    assert "sys.memory" in bare_suite.call("GET", f"{path}/points").json
    assert bare_suite.json("POST", path, MEMORY).json == {"id": 1}
    assert bare_suite.call("GET", path).json == [{"id": 1, "tap": "sys.memory"}]
    assert bare_suite.call("DELETE", f"{path}/1").status == 204
    assert bare_suite.call("DELETE", f"{path}/1").status == 404
    assert bare_suite.call("GET", path).json == []


def test_the_old_form_shows_the_same_sensors(bare_suite):
    path = "connect/1/control/sensor"
    assert bare_suite.json("POST", path, MEMORY).json == {"id": 1}
    row = {"id": 1, "tap": "sys.memory", "active": True}
    assert bare_suite.call("GET", path).json == [row]
    one = {"id": 1, "tap": "sys.memory", "permanent": True}
    assert bare_suite.call("GET", f"{path}/1").json == one
    assert "sys.memory" in bare_suite.call("GET", f"{path}/available").json
    assert bare_suite.call("DELETE", f"{path}/1").status == 204
    for method in ("GET", "DELETE"):
        assert bare_suite.call(method, f"{path}/1").status == 404
        assert bare_suite.call(method, f"{path}/x").status == 400


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"Tap": "nope"}', b'{"Tap": 1}', b"\xff"]
)
def test_a_bad_descriptor_is_400(bare_suite, body):
    for path in ("connect/2/active/sensor", "connect/1/control/sensor"):
        assert bare_suite.call("POST", path, body).status == 400
    assert bare_suite.call("DELETE", "connect/2/active/sensor/x").status == 400


def test_reports_arrive_over_pneumo(bare_suite):
    connection = websocket.create_connection(
        bare_suite.url.replace("http", "ws")
        + "/api/1/service/connect/2/pneumo?src=model-manage-1&type=sensor-report",
        timeout=20,
        header={"Authorization": bare_suite.token},
    )
    try:
        bare_suite.json("POST", "model-manage-1/2/active/sensor", MEMORY)
        report = json.loads(connection.recv())
    finally:
        connection.close()
    assert (report["id"], report["tap"]) == (1, "sys.memory")
    assert report["data"] > 1_000_000
    assert report["delta_time"] > 0
