"""The ``mpcom`` command as a child process, with old and new modules."""

import json
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import pytest

from pilothouse.errors import RemoteError
from pilothouse.mplane import model, probes
from pilothouse.mplane.client import HttpInitiatorClient
from waiting import until

MPCOM = [sys.executable, "-m", "pilothouse.mplane.runtime"]

OLD = '''
"""A component module as third parties wrote them for the reference implementation."""
import threading
from datetime import datetime, timedelta

import mplane.model
import mplane.scheduler
import mplane.utils


def services(**kwargs):
    place = mplane.utils.search_path(kwargs["data"])
    return [Counting(counting_capability(kwargs["local-ip-address"]), place), Failing()]


def counting_capability(address):
    cap = mplane.model.Capability(label="old-counting", when="now ... future / 1s")
    cap.add_parameter("source.ip4", address)
    cap.add_parameter("destination.ip4")
    cap.add_metadata("System_type", "old")
    cap.add_result_column("time")
    cap.add_result_column("octets.layer7")
    return cap


class Counting(mplane.scheduler.Service):
    def __init__(self, cap, place):
        super(Counting, self).__init__(cap)
        self.place = place

    def run(self, spec, check_interrupt):
        period = spec.when().period().total_seconds()
        duration = spec.when().duration().total_seconds()
        start = datetime.utcnow()
        assert spec.has_parameter("destination.ip4")
        assert str(spec.get_parameter_value("source.ip4")) == "10.2.3.4"
        res = mplane.model.Result(specification=spec)
        row = 0
        while row < int(duration / period) and not check_interrupt():
            if spec.has_result_column("octets.layer7"):
                with open(self.place) as file:
                    res.set_result_value("octets.layer7", len(file.read()), row)
            res.set_result_value("time", datetime.utcnow(), row)
            row += 1
            open(self.place + ".row", "w").close()
            if duration > 60:
                threading.Event().wait(0.05)
        res.set_when(mplane.model.When(a=start, b=datetime.utcnow()))
        return res


class Failing(mplane.scheduler.Service):
    def __init__(self):
        cap = mplane.model.Capability(label="old-failing", when="now ... future")
        cap.add_result_column("time")
        super().__init__(cap)

    def run(self, spec, check_interrupt):
        raise RuntimeError("the old probe is broken")
'''

INI = """
[component]
registry_preload =
registry_uri = http://ict-mplane.eu/registry/core
workflow = client-initiated
listen-port = 0

[module_loopback]
module = mplane.components.loopback

[module_ping]
module = mplane.components.ping
ip4addr = 127.0.0.1

[service_mycomponent]
module: old_component
local-ip-address: 10.2.3.4
data: {data}
"""


@contextmanager
def running(config):
    """mpcom in a process of its own; what it says until it runs, and its address."""
    process = subprocess.Popen(
        [*MPCOM, "--config", str(config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    late = threading.Timer(60, process.kill)
    late.start()
    said = []
    try:
        for line in process.stdout:
            said.append(line.rstrip("\n"))
            if found := re.search(r"running on port (\d+)$", line):
                yield process, said, f"http://127.0.0.1:{found[1]}/capability"
                break
        else:
            pytest.fail(f"mpcom did not start: {said} {process.stderr.read()}")
    finally:
        late.cancel()
        process.kill()
        process.communicate()


@pytest.fixture
def folder(tmp_path):
    """A folder with an old module and a file that it reads."""
    (tmp_path / "old_component.py").write_text(OLD)
    (tmp_path / "data.txt").write_text("12345")
    config = tmp_path / "component.conf"
    config.write_text(INI.format(data=tmp_path / "data.txt"))
    return tmp_path


@pytest.fixture
def client():
    model.initialize_registry()
    with HttpInitiatorClient() as made:
        yield made


def test_old_modules_run_unchanged(folder, client):
    """Contract §8, scenario 23: `mplane.*` and modules of the reference's kind."""
    with running(folder / "component.conf") as (_, said, url):
        added = [line for line in said if line.startswith("Added <Service for ")]
        assert any("(old-counting)" in line for line in added)
        assert any("(test-loopback)" in line for line in added)
        assert any("(ping-average-ip4)" in line for line in added)
        client.retrieve_capabilities(url)
        measurement = client.run(
            "old-counting", "now + 1m / 20s", {"destination.ip4": "192.0.2.1"}
        )
        assert measurement.wait(60)
        result = measurement.result()
        rows = list(result.schema_dict_iterator())
        assert [row["octets.layer7"] for row in rows] == [5, 5, 5]
        assert result.has_metadata("System_type")


def test_what_is_scheduled_is_told(folder, client):
    with running(folder / "component.conf") as (process, _said, url):
        client.retrieve_capabilities(url)
        values = {"destination.ip4": "127.0.0.1"}
        measurement = client.run("ping-4", "now + 1s / 1s", values, "mine")
        assert measurement.wait(60)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
    job = r"<Job for <specification: measure \(mine\) when now \+ 1s / 1s .*>>"
    assert re.search(rf"^Scheduling {job} immediately$", err, re.MULTILINE)
    assert re.search(rf"^Will interrupt {job} after 1 sec$", err, re.MULTILINE)
    assert f"Returning <receipt:  (mine){measurement.token}>" in err


def test_an_old_service_that_only_asks_is_stopped_too(folder, client):
    with running(folder / "component.conf") as (_, _said, url):
        client.retrieve_capabilities(url)
        measurement = client.run(
            "old-counting", "now + 1h / 1s", {"destination.ip4": "192.0.2.1"}
        )
        until((folder / "data.txt.row").exists)
        assert not measurement.is_over
        measurement.cancel()
        assert measurement.wait(60)
        assert measurement.result().count_result_rows() >= 1


def test_an_error_of_a_module_is_an_exception_of_the_measurement(folder, client):
    with running(folder / "component.conf") as (_, _said, url):
        client.retrieve_capabilities(url)
        measurement = client.run("old-failing", "now")
        assert measurement.wait(60)
        with pytest.raises(RemoteError, match="the old probe is broken"):
            measurement.result()


def test_the_json_configuration_is_taken_too(tmp_path, client):
    """Modules by name, one with ``service`` as the document prints it."""
    (tmp_path / "one.py").write_text(
        "from pilothouse.mplane.probes import loopback\n"
        "def service(**kwargs):\n"
        "    assert kwargs == {'depth': '3'}\n"
        "    return loopback.services()\n"
    )
    config = tmp_path / "component.json"
    modules = {"one": {"depth": "3"}, "pilothouse.mplane.probes.tcp": {}}
    listener = {"port": 0, "interfaces": ["127.0.0.1"]}
    config.write_text(
        json.dumps({"Component": {"Modules": modules, "Listener": listener}})
    )
    with running(config) as (_, _said, url):
        client.retrieve_capabilities(url)
        assert {"test-loopback", "tcp-4"} <= set(client.capability_labels())


def test_all_probes_can_be_named_at_once(tmp_path, client):
    config = tmp_path / "component.conf"
    config.write_text(
        "[component]\nworkflow = client-initiated\nlisten-port = 0\n"
        "[module_all]\nmodule = pilothouse.mplane.probes\n"
    )
    with running(config) as (_, _said, url):
        client.retrieve_capabilities(url)
        expected = {one.capability().get_label() for one in probes.services()}
        assert set(client.capability_labels()) == expected


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_in_order_also_while_it_measures(folder, client, number):
    with running(folder / "component.conf") as (process, _said, url):
        client.retrieve_capabilities(url)
        values = {"destination.ip4": "127.0.0.1"}
        measurement = client.run("ping-4", "now + 1h / 1s", values)
        begin = time.monotonic()
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
        assert process.returncode == 0
        assert time.monotonic() - begin < 10
        assert "Traceback" not in err
        measurement.detach()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[component]\nworkflow = sideways\n", "sideways"),
        ("[component]\nworkflow = client-initiated\nlisten-port = 0\n", "no module"),
        (
            "[component]\nworkflow = client-initiated\nlisten-port = 0\n"
            "[module_x]\nmodule = no_such_module_at_all\n",
            "no_such_module_at_all",
        ),
        (
            "[component]\nworkflow = client-initiated\nlisten-port = 0\n"
            "[module_x]\nmodule = json\n",
            r"json of \[module_x\]: it has no function services",
        ),
        (
            "[component]\nworkflow = client-initiated\nlisten-port = 0\n"
            "[module_x]\nmodule = pilothouse.mplane.probes.ping\nmethod = pigeon\n",
            "pigeon",
        ),
        (
            "[component]\nworkflow = client-initiated\nlisten-port = 0\n"
            "[module_x]\nmodule = pilothouse.mplane.probes.ping\ncolour = red\n",
            "colour",
        ),
    ],
    ids=["workflow", "empty", "missing", "no services", "wrong", "unknown"],
)
def test_a_wrong_configuration_is_told_in_one_line(tmp_path, text, reason):
    config = tmp_path / "component.conf"
    config.write_text(text)
    done = subprocess.run(
        [*MPCOM, "--config", str(config)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert re.search(reason, done.stderr)
    assert "Traceback" not in done.stderr


def test_without_a_configuration_it_says_so():
    done = subprocess.run(
        MPCOM, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "ERROR: missing --config" in done.stdout
    assert "--config FILE" in done.stdout
