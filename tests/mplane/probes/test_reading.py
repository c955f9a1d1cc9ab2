"""What the system's tools say, read as numbers; questions and answers of DNS."""

import struct
from ipaddress import ip_address

import pytest

from pilothouse.mplane.probes.dns_query import query_bytes, read_answer
from pilothouse.mplane.probes.errors import MeasurementError
from pilothouse.mplane.probes.fetching import checked_url
from pilothouse.mplane.probes.ping_tool import reply_delay
from pilothouse.mplane.probes.resolving import checked_name
from pilothouse.mplane.probes.tracing import read_hop


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        ("64 bytes from 127.0.0.1: icmp_seq=1 ttl=64 time=0.058 ms", 0.000058),
        ("64 bytes from ::1: icmp_seq=1 ttl=64 time=0.265 ms", 0.000265),
        ("64 bytes from 10.0.0.1: seq=0 ttl=64 time=12.345 ms", 0.012345),
        ("64 bytes from 10.0.0.1: icmp_seq=0 ttl=54 time=9 ms", 0.009),
        ("16 bytes from fe80::1%en0, icmp_seq=0 hlim=64 time=1.2 ms", 0.0012),
        ("8 bytes from 10.0.0.1: time<1 ms", 0.001),
        ("64 bytes from 10.0.0.1: icmp_seq=1 ttl=64 time=1203 ms (DUP!)", 1.203),
    ],
    ids=["iputils", "iputils6", "busybox", "whole", "bsd6", "less", "slow"],
)
def test_a_reply_of_ping_is_read(line, seconds):
    assert reply_delay(line) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "line",
    [
        "PING 127.0.0.1 (127.0.0.1) 56(84) bytes of data.",
        "no answer yet for icmp_seq=1",
        "rtt min/avg/max/mdev = 0.054/0.056/0.058/0.002 ms",
        "2 packets transmitted, 2 received, 0% packet loss, time 200ms",
        "From 10.0.0.9 icmp_seq=1 Destination Host Unreachable",
        "",
    ],
)
def test_other_lines_of_ping_are_no_replies(line):
    assert reply_delay(line) is None


@pytest.mark.parametrize(
    ("line", "number", "address", "delay"),
    [
        (" 1  127.0.0.1  0.033 ms", 1, "127.0.0.1", 0.000033),
        ("12  2001:db8::1  14.5 ms", 12, "2001:db8::1", 0.0145),
        (" 3  *", 3, None, None),
        (" 2  10.0.0.1  3.1 ms !H", 2, "10.0.0.1", 0.0031),
    ],
)
def test_a_hop_of_traceroute_is_read(line, number, address, delay):
    hop = read_hop(line)
    assert hop is not None
    assert hop.number == number
    assert hop.address == (None if address is None else ip_address(address))
    assert hop.delay == pytest.approx(delay)


@pytest.mark.parametrize(
    "line", ["traceroute to 127.0.0.1 (127.0.0.1), 30 hops max", "", "1 gw 1 ms"]
)
def test_other_lines_of_traceroute_are_no_hops(line):
    assert read_hop(line) is None


def test_a_question_has_the_bytes_of_rfc_1035():
    assert query_bytes(0x1234, "Example.org.", "AAAA") == (
        b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
        b"\x07example\x03org\x00\x00\x1c\x00\x01"
    )


@pytest.mark.parametrize(
    ("flags", "told"),
    [(0x8180, ("NOERROR", 2)), (0x8183, ("NXDOMAIN", 2)), (0x818F, ("RCODE15", 2))],
)
def test_an_answer_tells_its_code_and_records(flags, told):
    query = query_bytes(7, "a.example", "A")
    head = struct.pack("!HHHHHH", 7, flags, 1, 2, 0, 0)
    assert read_answer(head + query[12:], 7, query) == told


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:11],
        lambda data: b"\0\x08" + data[2:],
        lambda data: data[:2] + b"\x01\x00" + data[4:],
        lambda data: data.replace(b"example", b"exbmple"),
    ],
    ids=["short", "number", "question", "name"],
)
def test_an_answer_to_something_else_is_not_ours(change):
    query = query_bytes(7, "a.example", "A")
    head = struct.pack("!HHHHHH", 7, 0x8180, 1, 0, 0, 0)
    assert read_answer(change(head + query[12:]), 7, query) is None


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("localhost", "localhost"),
        ("Example.ORG.", "example.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("_dmarc.example", "_dmarc.example"),
    ],
)
def test_a_host_name_is_taken(name, wire):
    assert checked_name(name) == wire


@pytest.mark.parametrize(
    "name",
    ["", ".", "a..b", "-n; reboot", "a b", "x" * 64, ".".join(["abc"] * 80), "a\nb"],
)
def test_what_is_no_host_name_is_refused(name):
    with pytest.raises(MeasurementError, match="host name"):
        checked_name(name)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "http://",
        "http://user:secret-word@127.0.0.1/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:0/",
        "http://127.0.0.1/\r\nHost: other",
        "http://127.0.0.1/a b",
        "127.0.0.1",
        "http://127.0.0.1/" + "x" * 3000,
    ],
)
def test_what_is_no_web_address_is_refused(url):
    with pytest.raises(MeasurementError) as caught:
        checked_url(url)
    assert "secret-word" not in str(caught.value)
