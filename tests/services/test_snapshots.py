"""Snapshots: prefixes, dates, order, the multipart form."""

import datetime
import email

import pytest

from conftest import LocalSuite

PATH = "model-manage-1/1/model/m/snapshot"
DAY = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)


@pytest.fixture
def mm(bare_suite: LocalSuite):
    """A model with three snapshots, a day apart: aab1, aac2, b3."""
    bare_suite.model("m")
    for number, name in enumerate(("aab1", "aac2", "b3")):
        bare_suite.suite.store.put_snapshot(
            "m",
            "ETS1",
            f"state {number}".encode(),
            snapshot_id=name,
            created_on=DAY + datetime.timedelta(days=number),
        )
    return bare_suite


def ids(suite, query=""):
    return [row["id"] for row in suite.call("GET", f"{PATH}?{query}").json]


def test_snapshots_are_listed_newest_first(mm):
    rows = mm.call("GET", PATH).json
    assert [row["id"] for row in rows] == ["b3", "aac2", "aab1"]
    assert rows[0] == {
        "id": "b3",
        "created_on": "2026-03-03T12:00:00.000000Z",
        "type": "ETS1",
        "size": 7,
    }


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("count=1", ["b3"]),
        ("count=0", []),
        ("count=9", ["b3", "aac2", "aab1"]),
        ("date-range=2026-03-02--", ["b3", "aac2"]),
        ("date-range=--2026-03-02T12:00:00Z", ["aac2", "aab1"]),
        ("date-range=2026-03-02--2026-03-03", ["aac2"]),
        ("date-range=2026-03-02T14:00:00%2B02:00--2026-03-02T12:00:00Z", ["aac2"]),
        ("date-range=2026-03-02T14:00:00+02:00--2026-03-02T12:00:00Z", ["aac2"]),
        ("date-range=--", ["b3", "aac2", "aab1"]),
        ("date-range=--&count=2", ["b3", "aac2"]),
        ("date-range=2027-01-01--", []),
    ],
)
def test_snapshots_are_found_by_date_and_count(mm, query, wanted):
    assert ids(mm, query) == wanted


@pytest.mark.parametrize(
    "query",
    [
        "count=x",
        "count=-1",
        "date-range=yesterday--",
        "date-range=2026-03-01",
        "date-range=0001-01-01T00:00:00%2B10:00--",
    ],
)
def test_a_bad_parameter_is_refused(mm, query):
    assert mm.call("GET", f"{PATH}?{query}").status == 400


@pytest.mark.parametrize("part", ["", "/metadata", "/contents"])
def test_a_prefix_is_enough_when_only_one_begins_so(mm, part):
    assert mm.call("GET", f"{PATH}/b{part}").status == 200
    assert mm.call("GET", f"{PATH}/aab{part}").status == 200
    assert mm.call("GET", f"{PATH}/aa{part}").status == 300
    assert mm.call("GET", f"{PATH}/zz{part}").status == 404
    assert mm.call("GET", f"{PATH}/%25{part}").status == 404
    assert mm.call("GET", f"{PATH}/_3{part}").status == 404


def test_metadata_and_contents_are_those_of_the_snapshot(mm):
    assert mm.call("GET", f"{PATH}/aac/metadata").json["id"] == "aac2"
    answer = mm.call("GET", f"{PATH}/aac/contents")
    assert answer.body == b"state 1"
    assert answer.headers["Content-Type"] == "application/octet-stream"


def test_an_id_that_begins_others_is_itself(mm):
    mm.suite.store.put_snapshot("m", "ETS1", b"short", snapshot_id="aa")
    assert mm.call("GET", f"{PATH}/aa/contents").body == b"short"


def test_a_whole_snapshot_is_multipart(mm):
    answer = mm.call("GET", f"{PATH}/b3")
    head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
    metadata, contents = email.message_from_bytes(head + answer.body).get_payload()
    assert metadata.get_content_type() == "application/json"
    assert contents.get_payload() == "state 2"


def form(*parts, boundary="b0"):
    body = b"".join(
        f"--{boundary}\r\nContent-Type: {mime}\r\n\r\n".encode() + data + b"\r\n"
        for mime, data in parts
    )
    return body + f"--{boundary}--\r\n".encode()


MULTIPART = {"Content-Type": "multipart/mixed; boundary=b0"}
BYTES = "application/octet-stream"
METADATA = b'{"type": "T1", "created_on": "2026-03-09T00:00:00Z"}'


def test_a_snapshot_can_be_uploaded_once(mm):
    body = form(("application/json", METADATA), (BYTES, b"\x00\xffstate"))
    assert mm.call("PUT", f"{PATH}/new1", body, headers=MULTIPART).status == 201
    info = mm.call("GET", f"{PATH}/new1/metadata").json
    assert (info["type"], info["size"]) == ("T1", 7)
    assert info["created_on"] == "2026-03-09T00:00:00.000000Z"
    assert mm.call("GET", f"{PATH}/new1/contents").body == b"\x00\xffstate"
    again = mm.call("PUT", f"{PATH}/new1", body, headers=MULTIPART)
    assert again.status == 400
    assert "already" in again.text


def test_what_a_snapshot_answers_can_be_sent_back(mm):
    whole = mm.call("GET", f"{PATH}/b3")
    headers = {"Content-Type": whole.headers["Content-Type"]}
    assert mm.call("PUT", f"{PATH}/copy", whole.body, headers=headers).status == 201
    assert mm.call("GET", f"{PATH}/copy/contents").body == b"state 2"


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param({"Content-Type": BYTES}, b"x", id="no form"),
        pytest.param({"Content-Type": "multipart/mixed"}, b"x", id="no boundary"),
        pytest.param(MULTIPART, b"x", id="garbage"),
        pytest.param(MULTIPART, b"", id="empty"),
        pytest.param(MULTIPART, form(("application/json", b"{}")), id="no contents"),
        pytest.param(
            MULTIPART, form(("application/json", b"{"), (BYTES, b"x")), id="no JSON"
        ),
        pytest.param(
            MULTIPART, form(("application/json", b"[]"), (BYTES, b"x")), id="no object"
        ),
        pytest.param(
            MULTIPART,
            form(("application/json", b'{"type": 1}'), (BYTES, b"x")),
            id="wrong type",
        ),
        pytest.param(
            MULTIPART,
            form(("application/json", b'{"created_on": "now"}'), (BYTES, b"x")),
            id="wrong date",
        ),
        pytest.param(
            MULTIPART,
            form(("multipart/mixed; boundary=b1", form((BYTES, b"x"), boundary="b1"))),
            id="nested",
        ),
    ],
)
def test_a_malformed_upload_is_refused(mm, headers, body):
    assert mm.call("PUT", f"{PATH}/new1", body, headers=headers).status == 400
    assert len(ids(mm)) == 3


def test_an_odd_id_is_refused(mm):
    body = form((BYTES, b"x"))
    assert mm.call("PUT", f"{PATH}/a%2Fb", body, headers=MULTIPART).status == 400
    assert mm.call("PUT", f"{PATH}/{'x' * 65}", body, headers=MULTIPART).status == 400


def test_a_snapshot_is_deleted_by_a_prefix_that_only_it_has(mm):
    assert mm.call("DELETE", f"{PATH}/aa").status == 300
    assert mm.call("DELETE", f"{PATH}/aab").status == 204
    assert mm.call("DELETE", f"{PATH}/aab").status == 404
    assert ids(mm) == ["b3", "aac2"]


def test_a_model_that_is_not_there_is_403_for_the_list_and_404_elsewhere(mm):
    other = "model-manage-1/1/model/nope/snapshot"
    assert mm.call("GET", other).status == 403
    body = form((BYTES, b"x"))
    assert mm.call("PUT", f"{other}/a", body, headers=MULTIPART).status == 404
    for method, path in (("GET", "a"), ("DELETE", "a"), ("GET", "a/metadata")):
        assert mm.call(method, f"{other}/{path}").status == 404


def test_replacing_a_model_keeps_its_snapshots_and_deleting_it_does_not(mm):
    mm.model("m", b"other")
    assert len(ids(mm)) == 3
    mm.call("DELETE", "model-manage-1/1/model/m")
    mm.model("m")
    assert ids(mm) == []
