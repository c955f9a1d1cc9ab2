"""Bounds on tries and pauses; addresses taken apart."""

from __future__ import annotations

import random

import pytest

from pilothouse.transport.endpoint import Endpoint, is_loopback
from pilothouse.transport.retries import Retries


def test_pauses_are_drawn_below_a_ceiling_that_doubles():
    retries = Retries(base=0.1, ceiling=1.0)
    for tried, limit in [(1, 0.1), (2, 0.2), (3, 0.4), (4, 0.8), (5, 1.0), (99, 1.0)]:
        drawn = [retries.pause(tried) for _ in range(300)]
        assert 0 <= min(drawn) < limit / 4
        assert limit * 3 / 4 < max(drawn) <= limit


def test_a_pause_leaves_the_numbers_of_a_user_who_has_seeded_as_they_were():
    before = random.getstate()
    Retries().pause(1)
    assert random.getstate() == before


def test_a_pause_the_peer_asks_for_is_kept_within_the_ceiling():
    assert Retries(ceiling=2.0).pause(1, asked=0.5) == 0.5
    assert Retries(ceiling=2.0).pause(1, asked=3600) == 2.0


def test_tries_and_time_are_bounded():
    retries = Retries(attempts=3, total=1.0)
    assert retries.allows(2, 0.5, 0.4)
    assert not retries.allows(3, 0.0, 0.0)
    assert not retries.allows(1, 0.5, 0.6)


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"base": -1}, {"total": -1}])
def test_senseless_bounds_are_refused(wrong):
    with pytest.raises(ValueError):
        Retries(**wrong)


@pytest.mark.parametrize(
    ("url", "origin", "path"),
    [
        ("http://localhost:8000/", "http://localhost:8000", ""),
        ("HTTPS://Host.example/a/b/", "https://host.example", "/a/b"),
        ("https://h:443", "https://h", ""),
        ("ws://[::1]:9/x", "ws://[::1]:9", "/x"),
    ],
)
def test_a_url_is_taken_apart(url, origin, path):
    endpoint = Endpoint.parse(url)
    assert (endpoint.origin, endpoint.path) == (origin, path)


@pytest.mark.parametrize(
    "url", ["localhost:8000", "file:///x", "http://", "http://h:x", "u:hunter2@h:1"]
)
def test_what_is_no_address_is_refused_without_showing_credentials(url):
    with pytest.raises(ValueError) as caught:
        Endpoint.parse(url)
    assert "hunter2" not in str(caught.value)


def test_credentials_leave_the_url():
    endpoint = Endpoint.parse("https://a%40b:p%3Aw@h/x")
    assert endpoint.url == "https://h/x"
    assert endpoint.userinfo == "Basic YUBiOnA6dw=="
    assert "YUBi" not in repr(endpoint)


def test_the_websocket_form_keeps_host_and_tls():
    assert Endpoint.parse("http://h:1/p").websocket("/ws") == "ws://h:1/p/ws"
    assert Endpoint.parse("https://h").websocket("/ws") == "wss://h/ws"


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.9.9.9", "::1", "[::1]"]
)
def test_this_machine_is_known(host):
    assert is_loopback(host)
    assert not is_loopback("10.0.0.1")
    assert not is_loopback("localhost.example.org")
