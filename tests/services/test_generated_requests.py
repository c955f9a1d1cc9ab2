"""Made-up requests over every operation of the suite's own description.

Whatever comes in: no 5xx, an answer that the description names, no traceback.
"""

import json
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import LocalSuite

NAMES = st.one_of(
    st.sampled_from(["m", "a.zip", "engine-1", "0", "1", "points", "..", "a/b", "2"]),
    st.text(max_size=12),
    st.integers(-5, 2**40).map(str),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner)
    ),
    max_leaves=8,
)
DESCRIPTORS = st.fixed_dictionaries(
    {},
    optional={
        "Tap": st.sampled_from(["sys.memory", "nope"]) | JSON,
        "Activate": st.sampled_from(["permanent", {"Type": "regular", "Interval": 1}])
        | JSON,
        "Aggregate": st.sampled_from(["sum", "count", None]) | JSON,
        "Report": st.fixed_dictionaries({"Interval": st.floats() | JSON}),
        "Transport": st.sampled_from(["REST", "discard"]) | JSON,
        "Encoding": st.sampled_from(["json", None, "csv"]) | JSON,
        "type": st.sampled_from(["int", "record"]) | JSON,
        "fields": JSON,
    },
)
BODIES = st.one_of(
    st.just(b""),
    st.binary(max_size=64),
    JSON.map(lambda value: json.dumps(value).encode("utf-8", "replace")),
    DESCRIPTORS.map(lambda value: json.dumps(value).encode("utf-8", "replace")),
)
TYPES = st.sampled_from(
    [
        "",
        "application/json",
        "application/x-yaml",
        "application/zip",
        "application/octet-stream",
        "application/vnd.fastscore.model-python3",
        "application/vnd.fastscore.import-policy-python3",
        "multipart/mixed; boundary=b",
        "multipart/mixed",
        "text/plain; charset=nonsense",
        "no type at all",
    ]
)
VALUES = st.one_of(NAMES, st.sampled_from(["true", "False", "1", "-1", "type", "--"]))

# Ending the engines' work or waiting for a stream is slow, and their own tests do it.
SLOW = {"post_1_stream_sample", "post_1_stream_rate", "post_1_job_sample_cpu"}


def operations(suite: LocalSuite):
    """Every operation of every instance, as its own description lists them."""
    for name in suite.suite.instances:
        document = suite.call("GET", f"{name}/1/swagger").json
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                if operation["operationId"] not in SLOW:
                    yield name, path, method.upper(), operation


@st.composite
def requests(draw, operation):
    """A made-up request for one operation."""
    path, query = operation["path"], []
    for parameter in operation["parameters"]:
        if parameter["in"] == "path":
            value = quote(draw(NAMES), safe="", errors="replace")
            path = path.replace(f"{{{parameter['name']}}}", value or "x")
        elif parameter["in"] == "query" and draw(st.booleans()):
            query.append((parameter["name"], draw(VALUES)))
    if draw(st.integers(0, 9)) == 0:
        query.append((draw(st.text(max_size=5)), draw(VALUES)))
    target = path + ("?" + urlencode(query, errors="replace") if query else "")
    return target, draw(BODIES), draw(TYPES)


@pytest.mark.usefixtures("lingering")
@pytest.mark.parametrize("own", ["connect", "model-manage-1", "engine-1"])
def test_no_made_up_request_breaks_the_suite(fresh_suite: LocalSuite, own, caplog):
    fresh_suite.model("m")
    table = [one for one in operations(fresh_suite) if one[0] == own]
    assert len(table) > 10

    @settings(
        max_examples=200,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def send(data):
        name, path, method, operation = data.draw(st.sampled_from(table))
        described = operation | {"path": path}
        target, body, content_type = data.draw(requests(described))
        answer = fresh_suite.call(
            method, f"{name}{target}", body, headers={"Content-Type": content_type}
        )
        assert answer.status < 500 or answer.status in (504, 507), answer.text
        assert b"Traceback" not in answer.body
        known = {int(status) for status in operation["responses"]} | {400, 404, 413}
        assert answer.status in known, (answer.status, answer.text)
        if answer.headers.get("Content-Type") == "application/json":
            json.loads(answer.body or b"null")

    send()
    assert not [record for record in caplog.records if record.exc_info]
    for name in fresh_suite.suite.instances:
        assert fresh_suite.call("GET", f"{name}/1/health").status == 200
