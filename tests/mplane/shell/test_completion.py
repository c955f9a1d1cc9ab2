"""What Tab offers, from what the client knows."""

import pytest

from pilothouse.mplane.shell.completion import allowed_values, candidates


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("listc", {"listcap"}),
        ("un", {"unset"}),
        ("runcap ping-av", {"ping-average-ip4", "ping-average-ip6"}),
        ("showcap test-l", {"test-loopback"}),
        ("set destination.p", {"destination.port"}),
        ("set dns.type AA", {"AAAA"}),
        ("runcap tcp-4 --set destination.p", {"destination.port="}),
        ("runcap tcp-4 --w", {"--when"}),
        ("help runc", {"runcap"}),
        ("unset destination.i", {"destination.ip4"}),
        ("showmeas don", {"done"}),
        ("getcap h", set()),
        ("nonsense x", set()),
        ("runcap nope --set ", set()),
    ],
)
def test_a_line_can_go_on_with(known, line, expected):
    if line.startswith("unset"):
        known.set("destination.ip4", "127.0.0.1")
    if line.startswith("showmeas"):
        known.runcap("test-loopback", "done", when="now", params={"test.input": "x"})
    word = line.rpartition(" ")[2]
    assert set(candidates(known, line, word)) == expected


def test_an_empty_line_can_begin_with_any_command(commands):
    found = candidates(commands, "", "")
    assert {"getcap", "runcap", "tbenable", "help"} <= set(found)


def test_an_example_of_a_scope_is_offered(commands):
    assert "now + 10s / 1s" in candidates(commands, "when ", "")


def test_values_of_a_set_are_known_for_one_capability_only(known):
    assert "A" in allowed_values(known, "dns.type")
    assert "A" in allowed_values(known, "dns.type", "dns-4")
    assert allowed_values(known, "dns.type", "ping-4") == []
    assert allowed_values(known, "destination.port") == [], "a range is no list"
