"""Delays by ICMP, TCP and DNS, measured on this machine."""

import select
import socket
import struct
import time
from ipaddress import ip_address

import pytest

from free_ports import free_port
from pilothouse.mplane import model
from pilothouse.mplane.probes import dns_query, echo, hops, ping, traceroute
from pilothouse.mplane.probes.errors import MeasurementError
from pilothouse.mplane.probes.stopping import Stopping

HERE = {4: {"destination.ip4": "127.0.0.1"}, 6: {"destination.ip6": "::1"}}
DELAY = "delay.twoway.icmp.us"


@pytest.mark.parametrize("version", [4, 6])
def test_a_ping_is_one_row_with_its_delay(measure, version):
    measured = measure(f"ping-{version}", "now", HERE[version])

    (row,) = measured.rows
    assert 0 <= row[DELAY] <= measured.micros
    assert row["packets.lost"] == 0
    begin, end = measured.result.when().datetimes()
    assert begin <= row["time"] <= end


def test_a_periodic_ping_reports_each_row_as_it_comes(measure):
    measured = measure("ping-detail-ip4", "now ... future / 1s", HERE[4], stop_after=2)

    assert measured.reports == [1, 2]
    first, second = measured.column("time")
    begin, _ = measured.result.when().datetimes()
    assert begin <= first < second
    assert (second - begin).total_seconds() >= 0.9


def test_an_average_is_one_row_over_all_requests(measure):
    scope = "now ... future / 1s"
    measured = measure("ping-average-ip4", scope, HERE[4], stop_after=2)

    assert measured.reports == [1, 1]
    (row,) = measured.rows
    assert row["delay.twoway.icmp.count"] == 2
    assert row[f"{DELAY}.min"] <= row[f"{DELAY}.mean"] <= row[f"{DELAY}.max"]


def test_an_interrupt_keeps_the_rows_so_far(measure):
    begin = time.monotonic()
    measured = measure("ping-4", "now + 1h / 10s", HERE[4], stop_after=1)

    assert len(measured.rows) == 1
    assert time.monotonic() - begin < 20


def test_a_measurement_without_end_ends_with_an_interrupt(measure):
    measured = measure("ping-4", "now ... future / 1s", HERE[4], stop_after=2)

    assert len(measured.rows) == 2


@pytest.mark.parametrize(
    "address", ["224.0.0.1", "255.255.255.255", "0.0.0.0", "::1"], ids=str
)
@pytest.mark.parametrize("label", ["ping-4", "traceroute-4", "tcp-4"])
def test_what_is_not_one_host_is_refused(measure, probes, label, address):
    if label not in probes:
        return
    values = {"destination.ip4": address}
    if label == "tcp-4":
        values["destination.port"] = "80"
    with pytest.raises(MeasurementError, match=r"destination\.ip4"):
        measure(label, "now", values)


@pytest.fixture(scope="module")
def methods():
    """The ways to ping that this machine has."""
    return [one for one in ping.METHODS if ping.available_method(4, one)]


@pytest.mark.parametrize("method", ping.METHODS)
def test_each_way_to_ping_measures_or_is_not_offered(method, methods):
    services = ping.services(ip4addr="127.0.0.1", method=method)

    labels = {one.capability().get_label() for one in services}
    assert ("ping-detail-ip4" in labels) == (method in methods)
    for service in services:
        if service.capability().get_label() != "ping-4":
            continue
        asked = model.Specification(capability=service.capability(), when="now")
        asked.set_parameter_value("destination.ip4", "127.0.0.1")
        assert str(asked.get_parameter_value("source.ip4")) == "127.0.0.1"
        (row,) = service.run(asked, lambda: False).schema_dict_iterator()
        assert row["packets.lost"] == 0


def test_a_source_that_is_not_ours_is_refused_with_the_reason(methods):
    for method in methods:
        service = ping.services(ip4addr="198.51.100.77", method=method)[0]
        asked = model.Specification(capability=service.capability(), when="now")
        asked.set_parameter_value("destination.ip4", "127.0.0.1")
        with pytest.raises(MeasurementError, match=r"127\.0\.0\.1"):
            service.run(asked, lambda: False)


def test_an_unknown_way_to_ping_is_refused():
    with pytest.raises(MeasurementError, match="'pigeon'"):
        ping.services(method="pigeon")


def test_labels_and_columns_of_the_reference_modules_are_kept():
    by_label = {
        one.capability().get_label(): one.capability()
        for one in ping.services(ip4addr="192.0.2.7")
    }
    average = by_label["ping-average-ip4"]
    assert str(average.when()) == "now ... future / 1s"
    assert list(average.parameter_names()) == ["source.ip4", "destination.ip4"]
    assert list(average.result_column_names()) == [
        f"{DELAY}.min",
        f"{DELAY}.mean",
        f"{DELAY}.max",
        "delay.twoway.icmp.count",
    ]


def test_a_tcp_connection_has_a_delay(measure, open_port):
    values = HERE[4] | {"destination.port": str(open_port)}
    measured = measure("tcp-4", "now", values)

    (row,) = measured.rows
    assert 0 < row["rtt.us"] <= measured.micros
    assert row["connectivity.ip"] is True
    assert row["sessions.transport"] == 1


def test_a_port_that_refuses_has_answered(measure, closed_port):
    values = HERE[4] | {"destination.port": str(closed_port)}
    measured = measure("tcp-4", "now", values)

    (row,) = measured.rows
    assert 0 < row["rtt.us"] <= measured.micros
    assert row["connectivity.ip"] is True
    assert row["sessions.transport"] == 0


# a process that stands still until after the deadline, while the answer comes


def has_come(connection):
    """Wait until there is something to read."""
    assert select.select([connection], [], [], 60)[0]


class Late:
    """A socket whose process stands still when it has sent something."""

    def __init__(self, connection):
        self._connection = connection

    def __getattr__(self, name):
        return getattr(self._connection, name)

    def send(self, data):
        sent = self._connection.send(data)
        has_come(self._connection)
        time.sleep(0.02)
        return sent


def test_an_echo_that_lies_there_at_the_deadline_is_not_lost():
    for kind in (one for one in echo.KINDS if echo.is_permitted(4, one)):
        with echo.EchoSocket(ip_address("127.0.0.1"), kind) as asking:
            asking._socket = Late(asking._socket)

            assert asking.echo(Stopping(lambda: False), 0.01) > 0


def test_an_answer_of_a_name_server_that_lies_there_at_the_deadline_is_not_lost():
    query = dns_query.query_bytes(7, "example.org", "A")
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking,
    ):
        server.bind(("127.0.0.1", 0))
        asking.connect(server.getsockname())
        asking.send(query)
        _, peer = server.recvfrom(512)
        head = struct.pack("!HHHHHH", 7, 0x8180, 1, 3, 0, 0)
        server.sendto(head + query[12:], peer)
        has_come(asking)

        begin, stopping = time.perf_counter() - 10, Stopping(lambda: False)
        found = dns_query._await(asking, 7, query, begin, stopping, 5.0)

    assert (found.code, found.count) == ("NOERROR", 3)


def test_a_hop_that_lies_there_at_the_deadline_is_not_lost():
    if not hops.can_trace():
        return
    address = ip_address("127.0.0.1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.setblocking(False)
        connection.setsockopt(*hops._RECVERR[4], 1)
        connection.connect((str(address), free_port(socket.SOCK_DGRAM)))
        connection.send(b"anybody there?")
        has_come(connection)

        begin, stopping = time.perf_counter() - 10, Stopping(lambda: False)
        hop, is_last = hops._answer(connection, address, 1, begin, stopping)

    assert (hop.address, is_last) == (address, True)


def test_no_more_than_what_lies_there_is_read_after_the_deadline():
    one, other = socket.socketpair()
    with one, other:
        one.send(b"ab")
        arrivals = Stopping(lambda: False).arrivals(other, -1.0)

        assert [other.recv(1) for _ in arrivals] == [b"a", b"b"]


@pytest.mark.parametrize("port", ["0", "65536"])
def test_a_port_that_is_none_is_not_even_set(measure, port):
    with pytest.raises(ValueError, match=r"destination\.port"):
        measure("tcp-4", "now", HERE[4] | {"destination.port": port})


def test_the_system_resolves_names_without_a_network(measure):
    (row,) = measure("dns-system", "now", {"dns.name": "localhost"}).rows

    assert row["dns.rcode"] == "NOERROR"
    assert row["dns.answers"] >= 1
    assert row["delay.resolution.us"] > 0


@pytest.mark.parametrize(
    ("code", "count", "word"), [(0, 3, "NOERROR"), (3, 0, "NXDOMAIN")]
)
def test_a_name_server_is_asked(measure, name_server, code, count, word):
    port = name_server(code, count, spoil=True)
    values = HERE[4] | {
        "destination.port": str(port),
        "dns.name": "example.org",
        "dns.type": "AAAA",
    }
    measured = measure("dns-4", "now", values)

    (row,) = measured.rows
    assert (row["dns.rcode"], row["dns.answers"]) == (word, count)
    assert 0 < row["delay.resolution.us"] <= measured.micros


def test_a_name_server_that_is_not_there_has_no_delay(measure, closed_port):
    values = HERE[4] | {
        "destination.port": str(closed_port),
        "dns.name": "example.org",
        "dns.type": "A",
    }
    (row,) = measure("dns-4", "now", values).rows

    assert row["dns.rcode"] == "UNREACHABLE"
    assert row["delay.resolution.us"] is None
    assert row["dns.answers"] is None


@pytest.mark.parametrize("version", [4, 6])
def test_the_path_to_this_machine_has_one_hop(measure, probes, version):
    if f"traceroute-{version}" not in probes:
        return
    (row,) = measure(f"traceroute-{version}", "now", HERE[version]).rows

    assert row["hops.ip"] == 1
    assert str(row[f"intermediate.ip{version}"]) in HERE[version].values()
    assert row["rtt.us"] > 0


@pytest.mark.parametrize("method", traceroute.METHODS)
@pytest.mark.parametrize("version", [4, 6])
def test_each_way_to_trace_finds_this_machine_or_is_not_offered(version, method):
    found = [
        one
        for one in traceroute.services(method=method)
        if one.capability().has_parameter(f"destination.ip{version}")
    ]
    assert bool(found) == bool(traceroute.available_method(version, method))
    for service in found:
        asked = model.Specification(capability=service.capability(), when="now")
        for name, value in HERE[version].items():
            asked.set_parameter_value(name, value)
        (row,) = service.run(asked, lambda: False).schema_dict_iterator()
        assert str(row[f"intermediate.ip{version}"]) in HERE[version].values()
        assert row["rtt.us"] > 0


def test_an_unknown_way_to_trace_is_refused():
    with pytest.raises(MeasurementError, match="'pigeon'"):
        traceroute.services(method="pigeon")
