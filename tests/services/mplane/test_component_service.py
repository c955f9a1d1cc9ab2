"""The local component as a service of the host: start, endpoint, orderly end."""

import json
import re
import ssl
import subprocess
import sys
import threading
import time
from urllib.request import urlopen

import pytest

import pilothouse
from free_ports import free_port
from pilothouse.cli import main
from pilothouse.errors import RemoteError, ServiceError
from pilothouse.mplane import model
from pilothouse.mplane.client import HttpInitiatorClient
from pilothouse.services.conf_file import read_conf
from pilothouse.services.host import ServiceHost, tls_context
from waiting import until


@pytest.fixture
def closed_port():
    """A TCP port of 127.0.0.1 that nobody listens on."""
    return free_port()


@pytest.fixture
def client():
    model.initialize_registry()
    with HttpInitiatorClient() as made:
        yield made


def test_its_endpoint_is_an_address_and_nothing_else(component):
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", component)
    with ServiceHost(["mplane"]) as host:
        assert host.mplane.to_dict() == {"url": host.mplane.url}


def test_it_has_all_probes_of_the_machine(component, client):
    from pilothouse.mplane.probes import services

    client.retrieve_capabilities(f"{component}capability")
    expected = {one.capability().get_label() for one in services()}
    assert set(client.capability_labels()) == expected
    for label in expected:
        assert client.capability_for(label).get_link() == component


def test_it_measures(component, client):
    client.retrieve_capabilities(f"{component}capability")
    measurement = client.run("ping-4", "now", {"destination.ip4": "127.0.0.1"})
    assert measurement.wait(60)
    assert measurement.result().count_result_rows() == 1


def test_rows_are_seen_while_it_measures(component, client):
    client.retrieve_capabilities(f"{component}capability")
    values = {"destination.ip4": "127.0.0.1"}
    measurement = client.run("ping-4", "now + 1h / 1s", values)

    def rows():
        partial = measurement.partial()
        return 0 if partial is None else partial.count_result_rows()

    until(lambda: rows() >= 2, 60, "two rows of a running measurement")
    assert not measurement.is_over
    measurement.cancel()
    assert measurement.wait(60)
    assert measurement.result().count_result_rows() >= 2


def test_a_repeated_measurement_has_a_result_for_each_turn(
    component, client, monkeypatch
):
    monkeypatch.setattr("pilothouse.mplane.scheduler.multijob._LATE_SECONDS", 60.0)
    client.retrieve_capabilities(f"{component}capability")
    scope = "repeat now + 1s / 1s { now }"
    measurement = client.run("ping-4", scope, {"destination.ip4": "127.0.0.1"})
    assert measurement.wait(60)
    results = measurement.result()
    assert len(results) == 2
    assert all(one.count_result_rows() == 1 for one in results)


def test_what_a_machine_does_not_allow_is_told_with_its_remedy(
    component, client, closed_port
):
    client.retrieve_capabilities(f"{component}capability")
    url = f"http://127.0.0.1:{closed_port}/"
    measurement = client.run("http-timing", "now", {"destination.url": url})
    assert measurement.wait(60)
    with pytest.raises(RemoteError, match="connection refused") as caught:
        measurement.result()
    assert "is a server listening there?" in str(caught.value)


def test_probes_can_be_chosen():
    options = {"mplane": {"probes": ["loopback"]}}
    with (
        ServiceHost(["mplane"], options=options) as host,
        urlopen(f"{host.mplane.url}capabilities", timeout=10) as answer,
    ):
        found = model.parse_json(answer.read().decode())
    assert [one.get_label() for one in found.messages()] == ["test-loopback"]


def test_a_file_says_which_probes_there_are(tmp_path):
    conf = tmp_path / "conf.yaml"
    conf.write_text("data_dir: data\nprobes: [loopback, counters]\n")
    config = read_conf("mplane", conf)
    assert config.services == ("mplane",)
    with ServiceHost(
        config.services, data_dir=config.data_dir, options=config.options
    ) as host:
        found = host.services["mplane"].component.scheduler.services
        assert "test-loopback" in {one.capability().get_label() for one in found}
        assert "ping-4" not in {one.capability().get_label() for one in found}


def test_who_can_reach_it_is_warned_of(tmp_path, capsys):
    words = ["--service", "mplane", "--host", "0.0.0.0", "--data-dir", str(tmp_path)]
    try:
        assert main(["up", "--detach", *words]) == 0
    finally:
        pilothouse.down()
    assert "whoever reaches it can measure from here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"probes": ["nope"]}, "no probe 'nope'"),
        ({"probe_options": {"ping": {"method": "pigeon"}}}, "'pigeon'"),
        ({"probe_options": {"ping": {"colour": "red"}}}, "colour"),
    ],
)
def test_a_wrong_option_is_told_and_nothing_starts(options, text):
    with pytest.raises(ServiceError, match=text):
        ServiceHost(["mplane"], options={"mplane": options}).start()


def test_its_end_interrupts_what_is_measured(client):
    host = ServiceHost(["mplane"]).start()
    try:
        client.retrieve_capabilities(f"{host.mplane.url}capability")
        values = {"destination.ip4": "127.0.0.1"}
        measurement = client.run("ping-4", "now + 1h / 1s", values)
        scheduler = host.services["mplane"].component.scheduler
        (job,) = scheduler.jobs.values()
        until(lambda: job.count_partial >= 1, 60, "a first row")
        assert not job.finished()
        begin = time.monotonic()
    finally:
        host.stop()
    assert time.monotonic() - begin < 20
    assert job.finished()
    assert job.get_reply().count_result_rows() >= 1, "the rows until then are kept"
    measurement.detach()


def test_it_stops_quickly_also_with_many_measurements(client):
    with ServiceHost(["mplane"]) as host:
        client.retrieve_capabilities(f"{host.mplane.url}capability")
        values = {"destination.ip4": "127.0.0.1"}
        for number in range(8):
            client.run("ping-4", "now + 1h / 1s", values, f"m{number}").detach()
        begin = time.monotonic()
    assert time.monotonic() - begin < 20
    assert not [one for one in threading.enumerate() if one.name == "look-up"]


def test_the_loop_answers_while_a_probe_blocks(component, client):
    """Discovery takes no longer because ten measurements run."""
    client.retrieve_capabilities(f"{component}capability")
    values = {"destination.ip4": "127.0.0.1"}
    running = [
        client.run("ping-detail-ip4", "now + 1m / 1s", values, f"b{number}")
        for number in range(10)
    ]
    begin = time.monotonic()
    with urlopen(f"{component}capability", timeout=10) as answer:
        assert answer.status == 200
    assert time.monotonic() - begin < 20
    for each in running:
        client.interrupt_capability(each.token)
    for each in running:
        assert each.wait(60)


def test_it_speaks_tls(tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    with ServiceHost(["mplane"], tls=tls_context(cert, key)) as host:
        assert host.mplane.url.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cafile=cert)
        with urlopen(
            f"{host.mplane.url}capability", timeout=10, context=context
        ) as answer:
            assert b"<a href=" in answer.read()


def test_up_and_status_tell_it_and_down_ends_it(capsys):
    assert main(["up", "--detach", "--json", "--service", "mplane"]) == 0
    told = json.loads(capsys.readouterr().out)
    try:
        assert set(told) == {"pid", "mplane"}
        assert set(told["mplane"]) == {"url"}
        (local,) = pilothouse.status()
        assert local.mplane.url == told["mplane"]["url"]
        with urlopen(f"{local.mplane.url}capability", timeout=10) as answer:
            assert answer.status == 200
        main(["status"])
        assert f"mplane     {local.mplane.url}\n" in capsys.readouterr().out
    finally:
        assert pilothouse.down() == [told["pid"]]


def test_it_is_light():
    """Neither numpy, nor pandas, nor requests are needed to start it."""
    script = (
        "import sys, asyncio\n"
        "from pathlib import Path\n"
        "from pilothouse.services.serving import ServiceConfig\n"
        "from pilothouse.services.mplane.service import start_mplane\n"
        "async def run():\n"
        "    service = await start_mplane(ServiceConfig(data_dir=Path('.')))\n"
        "    await service.stop()\n"
        "asyncio.run(run())\n"
        "heavy = {'numpy', 'pandas', 'requests', 'IPython', 'distributed'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "[]\n"


def test_two_components_do_not_share_their_measurements(client):
    with ServiceHost(["mplane"]) as first, ServiceHost(["mplane"]) as second:
        client.retrieve_capabilities(f"{first.mplane.url}capability")
        client.run("test-loopback", "now + 1h", {"test.input": "x"}).detach()
        one, two = (
            host.services["mplane"].component.scheduler for host in (first, second)
        )
        assert len(one.services) == len(two.services)
        assert not two.jobs
