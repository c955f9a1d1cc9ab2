"""Whatever is asked for or comes from a network: a value or a clear refusal."""

import re
from urllib.parse import urlsplit

from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse.mplane.probes.dns_query import TYPES, query_bytes, read_answer
from pilothouse.mplane.probes.errors import MeasurementError
from pilothouse.mplane.probes.fetching import checked_url
from pilothouse.mplane.probes.ping_tool import reply_delay
from pilothouse.mplane.probes.resolving import checked_name
from pilothouse.mplane.probes.tracing import read_hop

QUERY = query_bytes(7, "a.example", "A")
NAMES = st.text() | st.from_regex(r"[a-z0-9-]{1,70}(\.[a-z0-9_-]{1,70}){0,4}\.?")


@given(NAMES)
@settings(max_examples=150)
def test_a_name_is_refused_or_goes_over_the_wire(name):
    try:
        wire = checked_name(name)
    except MeasurementError:
        return
    assert re.fullmatch(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*", wire)
    for record in TYPES:
        assert len(query_bytes(1, name, record)) <= 12 + 255 + 4


@given(
    st.text()
    | st.builds("http://{}:{}/".format, NAMES, st.integers(-1, 70000))
    | st.from_regex(r"https?://[a-z.]+(:\d{1,7})?/\S*")
)
@settings(max_examples=150)
def test_an_address_is_refused_or_can_stand_in_a_request(url):
    try:
        parts = checked_url(url)
    except MeasurementError:
        return
    assert parts.scheme in {"http", "https"}
    assert parts.hostname
    assert parts.username is None
    assert not re.search(r"[\x00-\x20\x7f]", parts.path + parts.query + parts.netloc)
    assert urlsplit(url).port == parts.port


@given(st.binary(max_size=600) | st.binary(max_size=40).map(lambda b: QUERY[:2] + b))
@settings(max_examples=150)
def test_bytes_from_a_network_are_an_answer_or_nothing(data):
    found = read_answer(data, 7, QUERY)
    assert found is None or (isinstance(found[0], str) and 0 <= found[1] < 65536)


@given(st.text(max_size=200) | st.from_regex(r" ?\d{1,4}  \S+  [\d.]{1,9} ms.*"))
@settings(max_examples=150)
def test_a_line_of_a_tool_is_a_number_or_nothing(line):
    delay, hop = reply_delay(line), read_hop(line)
    assert delay is None or delay >= 0
    assert hop is None or hop.number >= 0
