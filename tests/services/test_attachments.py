"""Attachments: streamed both ways, resumable, atomic."""

import os
import socket
import threading
import tracemalloc
from urllib.parse import urlsplit

import pytest

from conftest import LocalSuite
from waiting import until

ZIP = {"Content-Type": "application/zip"}
GZIP = {"Content-Type": "application/gzip"}
PATH = "model-manage-1/1/model/m/attachment"


@pytest.fixture
def mm(bare_suite: LocalSuite):
    bare_suite.model("m")
    return bare_suite


def files(suite):
    suite.suite.store.purge(0)
    return sorted((suite.suite.data_dir / "attachments").iterdir())


def test_an_attachment_is_created_replaced_read_and_deleted(mm):
    assert mm.call("PUT", f"{PATH}/a.zip", b"old", headers=ZIP).status == 201
    assert mm.call("PUT", f"{PATH}/a.zip", b"new bytes", headers=GZIP).status == 204
    assert mm.call("GET", PATH).json == ["a.zip"]
    answer = mm.call("GET", f"{PATH}/a.zip")
    assert (answer.status, answer.body) == (200, b"new bytes")
    assert answer.headers["Content-Type"] == "application/gzip"
    assert len(files(mm)) == 1
    assert mm.call("DELETE", f"{PATH}/a.zip").status == 204
    assert files(mm) == []
    for method in ("GET", "HEAD", "DELETE"):
        assert mm.call(method, f"{PATH}/a.zip").status == 404


def test_head_tells_type_and_size_without_a_body(mm):
    mm.call("PUT", f"{PATH}/a.tgz", b"x" * 1234, headers=GZIP)
    answer = mm.call("HEAD", f"{PATH}/a.tgz")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/gzip"
    assert answer.headers["Content-Length"] == "1234"
    assert answer.body == b""


def test_the_type_is_guessed_from_the_name_when_none_is_sent(mm):
    for name, mime in (("a.zip", "zip"), ("a.tgz", "gzip"), ("a.tar.gz", "gzip")):
        mm.call("PUT", f"{PATH}/{name}", b"x")
        answer = mm.call("HEAD", f"{PATH}/{name}")
        assert answer.headers["Content-Type"] == f"application/{mime}"


@pytest.mark.parametrize(("name", "mime"), [("a.zip", "text/plain"), ("a.rar", "")])
def test_an_unknown_type_is_refused(mm, name, mime):
    answer = mm.call("PUT", f"{PATH}/{name}", b"x", headers={"Content-Type": mime})
    assert answer.status == 400


def test_a_model_that_is_not_there_is_403_for_the_list_and_404_elsewhere(bare_suite):
    other = "model-manage-1/1/model/nope/attachment"
    assert bare_suite.call("GET", other).status == 403
    put = bare_suite.call("PUT", f"{other}/a.zip", b"x", headers=ZIP)
    assert put.status == 404
    assert files(bare_suite) == []


@pytest.mark.parametrize(
    ("wanted", "status", "body"),
    [
        ("bytes=2-4", 206, b"234"),
        ("bytes=7-", 206, b"789"),
        ("bytes=-2", 206, b"89"),
        ("bytes=50-", 416, None),
    ],
)
def test_a_part_can_be_asked_for(mm, wanted, status, body):
    mm.call("PUT", f"{PATH}/a.zip", b"0123456789", headers=ZIP)
    answer = mm.call("GET", f"{PATH}/a.zip", headers={"Range": wanted})
    assert answer.status == status
    if body is not None:
        assert answer.body == body
        assert answer.headers["Content-Range"].endswith("/10")


def test_a_download_resumes_only_if_the_attachment_is_still_the_same(mm):
    mm.call("PUT", f"{PATH}/a.zip", b"0123456789", headers=ZIP)
    tag = mm.call("GET", f"{PATH}/a.zip").headers["ETag"]
    headers = {"Range": "bytes=5-", "If-Range": tag}
    assert mm.call("GET", f"{PATH}/a.zip", headers=headers).body == b"56789"
    mm.call("PUT", f"{PATH}/a.zip", b"abcdefghij!", headers=ZIP)
    assert mm.call("GET", f"{PATH}/a.zip").headers["ETag"] != tag
    matched = mm.call("GET", f"{PATH}/a.zip", headers={"If-Match": tag})
    assert matched.status == 412


def test_replacing_a_model_keeps_its_attachments_and_deleting_it_does_not(mm):
    mm.call("PUT", f"{PATH}/a.zip", b"x", headers=ZIP)
    mm.model("m", b"other")
    assert mm.call("GET", PATH).json == ["a.zip"]
    mm.call("DELETE", "model-manage-1/1/model/m")
    assert files(mm) == []
    mm.model("m")
    assert mm.call("GET", PATH).json == []


def send_part(suite, declared, sent):
    """Begin an upload and break the connection under way."""
    parts = urlsplit(suite.url)
    head = (
        f"PUT /api/1/service/{PATH}/a.zip HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: {suite.token}\r\nContent-Type: application/zip\r\n"
        f"Content-Length: {declared}\r\n\r\n"
    )
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as sock:
        sock.sendall(head.encode() + sent)
        sock.shutdown(socket.SHUT_WR)
        return sock.recv(65536)


def test_an_upload_that_breaks_off_leaves_what_was_there(mm, caplog):
    mm.call("PUT", f"{PATH}/a.zip", b"whole", headers=ZIP)
    answer = send_part(mm, 5_000_000, b"x" * 2_000_000)
    assert not answer or b" 400 " in answer.split(b"\r\n")[0]
    assert mm.call("GET", f"{PATH}/a.zip").body == b"whole"
    until(lambda: len(files(mm)) == 1)
    assert not [r for r in caplog.records if r.exc_info]


@pytest.mark.usefixtures("lingering")
def test_an_attachment_too_long_is_refused_and_leaves_nothing(tmp_path):
    from pilothouse.services.host import ServiceHost

    options = {"engines": (), "max_attachment_bytes": 1000}
    with ServiceHost(data_dir=tmp_path, options={"fastscore": options}) as host:
        suite = LocalSuite(host)
        suite.model("m")
        answer = suite.call("PUT", f"{PATH}/a.zip", b"x" * 1001, headers=ZIP)
        assert answer.status == 413
        assert files(suite) == []
        exact = suite.call("PUT", f"{PATH}/a.zip", b"x" * 1000, headers=ZIP)
        assert exact.status == 201


def test_a_large_attachment_goes_through_in_bounded_memory(mm, tmp_path):
    """64 MB up and down; the service holds a few blocks of it at a time."""
    size = 64 * 1024 * 1024
    source = tmp_path / "large"
    with source.open("wb") as file:
        file.truncate(size)
        file.seek(size // 2)
        file.write(os.urandom(1024))
    tracemalloc.start()
    try:
        with source.open("rb") as file:
            answer = mm.call("PUT", f"{PATH}/a.zip", file, headers=ZIP)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert answer.status == 201
    assert peak < 16 * 1024 * 1024
    assert mm.call("GET", f"{PATH}/a.zip").body == source.read_bytes()


def test_writers_and_readers_at_once_see_whole_files(mm):
    mm.call("PUT", f"{PATH}/a.zip", b"0" * 200_000, headers=ZIP)
    wrong = []

    def write(digit):
        for _ in range(5):
            mm.call("PUT", f"{PATH}/a.zip", digit * 200_000, headers=ZIP)

    def read():
        for _ in range(20):
            answer = mm.call("GET", f"{PATH}/a.zip")
            if answer.status != 200 or len(set(answer.body)) != 1:
                wrong.append(answer.status)

    threads = [threading.Thread(target=write, args=(d,)) for d in (b"1", b"2", b"3")]
    threads += [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(files(mm)) == 1
