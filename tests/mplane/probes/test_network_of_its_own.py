"""Loss, missing routes, hops and missing permissions, in a network of the test's own.

The kernel makes the network (``unshare``, ``ip``); where it does not let this user, the
tests say so.
"""

import json
import os
import shutil
import subprocess
import sys

import pytest

MEASURE = """
import json, os, sys
from pilothouse.mplane import model, probes
from pilothouse.mplane.probes import ping
from pilothouse.mplane.probes.errors import MeasurementError

options = json.loads(os.environ.get("OPTIONS", "{}"))
found = {one.capability().get_label(): one for one in probes.services(options)}
told = {"labels": sorted(found), "methods": [
    one for one in ping.METHODS if ping.available_method(4, one)]}
for label, when, values in json.loads(sys.argv[1]):
    asked = model.Specification(capability=found[label].capability(), when=when)
    for name, value in values.items():
        asked.set_parameter_value(name, value)
    reports = []

    class Asking:
        def __call__(self):
            return bool(reports) and when != "now"  # one row of many is enough

        def wait(self, seconds):
            return bool(reports)

        def report(self, result):
            reports.append(1)

    try:
        result = found[label].run(asked, Asking())
    except MeasurementError as exc:
        told[label] = {"error": exc.message, "hint": exc.hint}
    else:
        told[label] = {"rows": model.unparse_json(result)}
print(json.dumps(told))
"""

LOSSY = """
set -e
ip link set lo up
ip link add v0 type veth peer name v1
ip addr add 10.9.9.1/24 dev v0
ip link set v0 up
ip link set v1 up
ip neigh add 10.9.9.2 lladdr 02:00:00:00:00:01 dev v0
"""

HOPS = """
set -e
ip link set lo up
unshare -n sleep 60 & router=$!
unshare -n sleep 60 & target=$!
while [ "$(readlink /proc/$router/ns/net)" = "$(readlink /proc/$$/ns/net)" ]; do :; done
while [ "$(readlink /proc/$target/ns/net)" = "$(readlink /proc/$$/ns/net)" ]; do :; done
ip link add v0 type veth peer name v1
ip link set v1 netns $router
ip addr add 10.1.0.1/24 dev v0
ip link set v0 up
ip route add default via 10.1.0.2
ip link add w0 type veth peer name w1
ip link set w0 netns $router
ip link set w1 netns $target
nsenter -t $router -n sh -e -c 'ip addr add 10.1.0.2/24 dev v1
ip link set v1 up; ip addr add 10.2.0.1/24 dev w0; ip link set w0 up
echo 1 > /proc/sys/net/ipv4/ip_forward'
nsenter -t $target -n sh -e -c 'ip addr add 10.2.0.2/24 dev w1
ip link set w1 up; ip route add default via 10.2.0.1'
"""

UNSHARE = ["unshare", "--user", "--map-root-user", "--net", "--fork"]
UNSHARE += ["--pid", "--mount-proc", "--kill-child"]


def measured(script, *questions, **options):
    """Make a network, measure in it, and return what came of each question.

    Args:
        script: Makes the network.
        questions: Label, scope and parameters of each measurement.
        options: Module -> its options.
    """
    if not all(map(shutil.which, ("unshare", "ip", "nsenter"))):
        pytest.skip("the machine has no unshare, ip or nsenter")
    words = [sys.executable, MEASURE, json.dumps(questions)]
    done = subprocess.run(
        [*UNSHARE, "sh", "-c", f'{script}\necho made\n"$0" -c "$1" "$2"', *words],
        stdin=subprocess.DEVNULL,
        env=os.environ | {"OPTIONS": json.dumps(options)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    made, _, told = done.stdout.partition("\n")
    if made != "made":
        pytest.skip(f"the kernel makes no network for this user: {done.stderr[-200:]}")
    assert told, done.stderr
    return json.loads(told)


def rows(told):
    read = json.loads(told["rows"])
    return [
        dict(zip(read["results"], row, strict=True)) for row in read["resultvalues"]
    ]


AIM = {"destination.ip4": "10.9.9.2"}


def test_what_is_lost_is_told_and_has_no_delay():
    told = measured(
        LOSSY,
        ("ping-4", "now + 10s / 1s", AIM),
        ("ping-detail-ip4", "now + 10s / 1s", AIM),
        ("tcp-4", "now + 10s / 1s", AIM | {"destination.port": "80"}),
        (
            "dns-4",
            "now + 10s / 1s",
            AIM | {"destination.port": "53", "dns.name": "x", "dns.type": "A"},
        ),
    )
    (ping,) = rows(told["ping-4"])
    assert (ping["delay.twoway.icmp.us"], ping["packets.lost"]) == ("*", "1")
    assert told["ping-detail-ip4"]["error"] == "no answer from 10.9.9.2"
    (tcp,) = rows(told["tcp-4"])
    assert (tcp["rtt.us"], tcp["connectivity.ip"]) == ("*", "False")
    (dns,) = rows(told["dns-4"])
    assert (dns["delay.resolution.us"], dns["dns.rcode"]) == ("*", "TIMEOUT")


def test_where_there_is_no_route_it_is_said():
    aim = {"destination.ip4": "203.0.113.9"}
    told = measured(
        "ip link set lo up",
        ("ping-4", "now", aim),
        ("traceroute-4", "now", aim),
        ("http-timing", "now", {"destination.url": "http://203.0.113.9/"}),
        (
            "dns-4",
            "now",
            aim | {"destination.port": "53", "dns.name": "x", "dns.type": "A"},
        ),
    )
    for label in ("ping-4", "traceroute-4", "http-timing", "dns-4"):
        assert "unreachable" in told[label]["error"].lower(), label
        assert told[label]["hint"], label


@pytest.mark.parametrize("method", ["traceroute", "sockets"])
def test_the_hops_of_a_path_are_found_in_their_order(method):
    aim = {"destination.ip4": "10.2.0.2"}
    question = ("traceroute-4", "now", aim)
    told = measured(HOPS, question, traceroute={"method": method})
    found = rows(told["traceroute-4"])
    assert [(one["hops.ip"], one["intermediate.ip4"]) for one in found] == [
        ("1", "10.1.0.2"),
        ("2", "10.2.0.2"),
    ]
    assert all(float(one["rtt.us"]) > 0 for one in found)


@pytest.mark.parametrize("method", ["datagram", "raw", "ping"])
def test_each_way_to_ping_has_a_delay_where_it_is_permitted(method):
    told = measured(
        "ip link set lo up\necho 0 0 > /proc/sys/net/ipv4/ping_group_range",
        ("ping-4", "now", {"destination.ip4": "127.0.0.1"}),
        ("ping-6", "now", {"destination.ip6": "::1"}),
        ping={"method": method},
    )
    assert "datagram" in told["methods"]
    for label in ("ping-4", "ping-6"):
        (row,) = rows(told[label])
        assert row["packets.lost"] == "0"
        assert 0 <= int(row["delay.twoway.icmp.us"]) < 1_000_000


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become nobody")
def test_without_permission_the_remedy_is_told():
    """A user without rights, in a process that cannot gain any."""
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    question = [("ping-4", "now", {"destination.ip4": "127.0.0.1"})]
    words = [sys.executable, "-c", MEASURE, json.dumps(question)]
    done = subprocess.run(
        [*nobody, "--no-new-privs", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd="/",
    )
    told = json.loads(done.stdout)
    if told["methods"] in ([], ["ping"]):
        assert "not permitted" in told["ping-4"]["error"]
        assert "ping_group_range" in told["ping-4"]["hint"]
    else:
        assert told["methods"][0] == "datagram"
        assert rows(told["ping-4"])[0]["packets.lost"] == "0"
