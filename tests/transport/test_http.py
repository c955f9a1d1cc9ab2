"""One kept-alive session for each endpoint."""

from __future__ import annotations

import io
import signal
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests.exceptions
import urllib3.exceptions

from pilothouse import errors
from pilothouse.transport.failure import TlsError
from pilothouse.transport.http import TRANSLATIONS, HttpPeer, translate
from pilothouse.transport.retries import NO_RETRIES, Retries

QUICK = Retries(attempts=4, base=0.01, ceiling=0.02, total=60.0)


def echo(connection, number):
    """Answer each request with itself."""
    while (request := connection.read()) is not None:
        connection.answer(request)


def test_one_connection_serves_many_calls(raw_peer):
    peer = raw_peer(echo)
    with HttpPeer(peer.url) as http:
        for n in range(20):
            answer = http.call("GET", f"/a/{n}?q=%20")
            assert answer.status == 200
            assert answer.body.startswith(f"GET /a/{n}?q=%20 HTTP/1.1".encode())
    assert peer.connections == 1


def test_empty_answers_keep_the_connection(raw_peer):
    def script(connection, number):
        while connection.read() is not None:
            connection.send(b"HTTP/1.1 204 No Content\r\n\r\n")

    peer = raw_peer(script)
    with HttpPeer(peer.url) as http:
        for method in ("PUT", "HEAD", "DELETE", "POST", "GET"):
            assert http.call(method, "/x").status == 204
    assert peer.connections == 1


def test_threads_share_a_peer(raw_peer):
    peer = raw_peer(echo)
    with HttpPeer(peer.url) as http, ThreadPoolExecutor(8) as pool:
        bodies = [str(n).encode() for n in range(200)]
        answers = list(pool.map(lambda b: http.call("POST", "/", body=b).body, bodies))
    assert [a.rpartition(b"\r\n\r\n")[2] for a in answers] == bodies
    assert peer.connections <= 8


def test_a_peer_may_be_closed_while_another_thread_begins_a_call(raw_peer):
    class Closing:
        def __enter__(self):
            pass

        def __exit__(self, *exc_info):
            http.close()

    peer = raw_peer(echo)
    with HttpPeer(peer.url) as http:
        http._adapter._lock = Closing()
        with pytest.raises(errors.TransportError):
            http.call("GET", "/", repeat=False)


@pytest.mark.parametrize(
    "body",
    [b"abc", io.BytesIO(b"abc"), iter([b"a", b"", b"bc"])],
    ids=["bytes", "file", "iterator"],
)
def test_a_body_goes_up_whole(raw_peer, body):
    peer = raw_peer(echo)
    with HttpPeer(peer.url) as http:
        seen = http.call("POST", "/", body=body).body
    joined = seen.partition(b"\r\n\r\n")[2]
    if b"chunked" in seen:
        assert joined in {
            b"3\r\nabc\r\n0\r\n\r\n",
            b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n",
        }
    else:
        assert joined == b"abc"


def test_a_chunked_answer_is_put_together(raw_peer):
    def script(connection, number):
        connection.read()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for part in (b"3\r\nabc\r\n", b"2\r\nde\r\n", b"0\r\n\r\n"):
            connection.send(part)

    with HttpPeer(raw_peer(script).url) as http:
        assert http.call("GET", "/").body == b"abcde"


def test_a_busy_peer_is_asked_again_for_a_read(raw_peer):
    def script(connection, number):
        for status in ("503 Busy", "502 Bad", "504 Late"):
            connection.read()
            connection.answer(b"later", status)
        connection.read()
        connection.answer(b"now")

    with HttpPeer(raw_peer(script).url, retries=QUICK) as http:
        answer = http.call("GET", "/")
    assert (answer.status, answer.body, answer.attempts) == (200, b"now", 4)


def test_a_peer_that_stays_busy_gives_its_last_answer(raw_peer):
    def script(connection, number):
        while connection.read():
            connection.answer(b"no", "503 Busy", "Retry-After: 0")

    with HttpPeer(raw_peer(script).url, retries=QUICK) as http:
        assert http.call("GET", "/").attempts == QUICK.attempts


@pytest.mark.parametrize(
    ("method", "repeat"),
    [("POST", None), ("GET", False)],
    ids=["post", "consuming get"],
)
def test_what_must_not_be_repeated_is_sent_once(raw_peer, method, repeat):
    def script(connection, number):
        peer.seen.append(connection.read())
        connection.reset()

    peer = raw_peer(script)
    with (
        HttpPeer(peer.url, retries=QUICK) as http,
        pytest.raises(errors.ConnectionLostError),
    ):
        http.call(method, "/", repeat=repeat)
    assert len(peer.seen) == 1


def test_a_lost_connection_is_made_anew_for_an_idempotent_verb(raw_peer):
    def script(connection, number):
        request = connection.read()
        if number < 3:
            connection.reset()
        else:
            connection.answer(request)

    file = io.BytesIO(b"--payload")
    file.seek(2)
    with HttpPeer(raw_peer(script).url, retries=QUICK) as http:
        answer = http.call("PUT", "/", body=file, headers={"Content-Length": "7"})
    assert answer.attempts == 3
    assert answer.body.endswith(b"\r\n\r\npayload")


def test_an_iterator_cannot_be_sent_twice(raw_peer):
    def script(connection, number):
        connection.read()
        connection.reset()

    peer = raw_peer(script)
    with (
        HttpPeer(peer.url, retries=QUICK) as http,
        pytest.raises(errors.ConnectionLostError),
    ):
        http.call("PUT", "/", body=iter([b"a"]))
    assert peer.connections == 1


def test_a_truncated_answer_is_a_lost_connection(raw_peer):
    def script(connection, number):
        connection.read()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        connection.sock.close()

    with (
        HttpPeer(raw_peer(script).url, retries=NO_RETRIES) as http,
        pytest.raises(errors.ConnectionLostError),
    ):
        http.call("GET", "/")


@pytest.mark.parametrize(
    "begun",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"],
    ids=["no answer", "half an answer"],
)
def test_silence_ends_with_the_timeout(raw_peer, begun):
    def script(connection, number):
        connection.read()
        connection.send(begun)
        peer.over.wait(10)

    peer = raw_peer(script)
    started = time.monotonic()
    with (
        HttpPeer(peer.url, timeout=0.2) as http,
        pytest.raises(errors.AnswerTimeoutError, match=r"within 0\.2 s") as caught,
    ):
        http.call("GET", "/")
    assert time.monotonic() - started < 8
    assert isinstance(caught.value, TimeoutError)


def test_an_answer_that_drips_ends_with_the_timeout(raw_peer):
    def script(connection, number):
        connection.read()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not peer.over.wait(0.02):
            connection.send(b"x")

    peer = raw_peer(script)
    started = time.monotonic()
    with (
        HttpPeer(peer.url, timeout=0.3) as http,
        pytest.raises(errors.AnswerTimeoutError),
    ):
        http.call("GET", "/")
    assert time.monotonic() - started < 20


def test_an_answer_longer_than_allowed_is_not_taken(raw_peer):
    def script(connection, number):
        while connection.read():
            connection.answer(b"x" * 1_000_000)

    with HttpPeer(raw_peer(script).url, max_answer_bytes=200_000) as http:
        with pytest.raises(errors.ProtocolError, match="longer than 200000 bytes"):
            http.call("GET", "/")
        assert len(http.call("GET", "/", max_bytes=2_000_000).body) == 1_000_000


def test_nobody_there_is_a_connect_error(silent_port):
    with (
        HttpPeer(
            f"http://127.0.0.1:{silent_port}", retries=QUICK, protocol="P"
        ) as http,
        pytest.raises(errors.ConnectError, match="connection refused") as caught,
    ):
        http.call("GET", "/")
    assert caught.value.protocol == "P"


def test_a_redirect_on_the_same_origin_is_followed_and_no_other(raw_peer):
    def script(connection, number):
        while request := connection.read():
            path = request.split()[1]
            if path == b"/a":
                connection.answer(b"", "302 Found", "Location: /b?x=1")
            elif path == b"/c":
                connection.answer(b"", "302 Found", "Location: http://example.org/")
            elif path == b"/round":
                connection.answer(b"", "302 Found", "Location: /round")
            else:
                connection.answer(path)

    with HttpPeer(raw_peer(script).url) as http:
        assert http.call("GET", "/a").body == b"/b?x=1"
        assert http.call("GET", "/c").status == 302
        assert http.call("POST", "/a").status == 302
        with pytest.raises(errors.TransportError, match="redirects"):
            http.call("GET", "/round")


def test_cookies_are_kept_and_sent_back_by_whoever_asks(raw_peer):
    def script(connection, number):
        connection.read()
        connection.answer(b"", "200 OK", "Set-Cookie: connect.sid=s%3Aab.c; Path=/")
        connection.read()
        connection.answer(b"", "200 OK", "Set-Cookie: connect.sid=; Max-Age=0")

    with HttpPeer(raw_peer(script).url) as http:
        http.call("GET", "/")
        assert http.cookies == {"connect.sid": "s%3Aab.c"}
        http.call("GET", "/")
        assert http.cookies == {}


def test_secrets_stay_out_of_what_is_shown(raw_peer, caplog):
    caplog.set_level("DEBUG")

    def script(connection, number):
        peer.seen.append(connection.read())
        connection.reset()

    peer = raw_peer(script)
    url = peer.url.replace("://", "://user:hunter2@")
    http = HttpPeer(url, retries=NO_RETRIES)
    http.set_header("X-Secret", "hunter2")
    with pytest.raises(errors.ConnectionLostError) as caught:
        http.call("GET", "/")
    assert b"Basic dXNlcjpodW50ZXIy" in peer.seen[0]
    shown = repr(http) + str(caught.value) + repr(caught.value) + caplog.text
    cause = caught.value.__cause__
    shown += repr(cause) + repr(vars(cause)) + repr(vars(http))
    assert "hunter2" not in shown
    assert "dXNlcjpodW50ZXIy" not in shown
    http.close()


def test_an_interrupt_is_prompt_and_leaves_the_peer_usable(raw_peer):
    def script(connection, number):
        connection.read()
        if number == 1:
            begun.set()
            peer.over.wait(20)
        else:
            connection.answer(b"fine")

    begun = threading.Event()
    peer = raw_peer(script)
    main = threading.main_thread().ident

    def interrupt():
        begun.wait(10)
        signal.pthread_kill(main, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with HttpPeer(peer.url) as http:
        started = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            http.call("GET", "/")
        assert time.monotonic() - started < 15
        assert http.call("GET", "/").body == b"fine"
    thread.join(60)


def test_abort_ends_the_wait_of_another_thread(raw_peer):
    def script(connection, number):
        connection.read()
        begun.set()
        peer.over.wait(20)

    begun = threading.Event()
    peer = raw_peer(script)
    http = HttpPeer(peer.url, retries=NO_RETRIES)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(http.call, "GET", "/")
        assert begun.wait(60)
        http.abort()
        with pytest.raises(errors.ConnectionLostError):
            waiting.result(60)
    with pytest.raises(errors.ConnectionLostError):
        http.call("GET", "/")


def test_a_stream_is_read_as_it_comes(raw_peer):
    def script(connection, number):
        while connection.read():
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
            assert first.wait(60)
            connection.send(b"def")

    first = threading.Event()
    peer = raw_peer(script)
    with HttpPeer(peer.url) as http:
        for _ in range(2):
            with http.stream("GET", "/") as answer:
                chunks = answer.chunks(3)
                assert next(chunks) == b"abc"
                first.set()
                assert b"".join(chunks) == b"def"
    assert peer.connections == 1


def test_a_stream_left_early_closes_its_connection(raw_peer):
    def script(connection, number):
        while connection.read():
            connection.answer(b"x" * 1_000_000)

    peer = raw_peer(script)
    with HttpPeer(peer.url) as http:
        with http.stream("GET", "/") as answer:
            assert answer.read(10) == b"x" * 10
        assert len(http.call("GET", "/").body) == 1_000_000
    assert peer.connections == 2


def _tls_peer(raw_peer, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    def script(connection, number):
        connection.sock = context.wrap_socket(connection.sock, server_side=True)
        while connection.read():
            connection.answer(b"tls")

    return f"https://127.0.0.1:{raw_peer(script).port}"


@pytest.mark.parametrize("verify", [None, False, "ca"])
def test_tls_is_spoken(raw_peer, certificate, verify):
    url = _tls_peer(raw_peer, certificate)
    wish = certificate[0] if verify == "ca" else verify
    with HttpPeer(url, verify=wish) as http:
        assert http.call("GET", "/").body == b"tls"


def test_an_unknown_certificate_is_refused_when_checked(raw_peer, certificate):
    url = _tls_peer(raw_peer, certificate)
    with (
        HttpPeer(url, verify=True) as http,
        pytest.raises(TlsError, match="certificate verify failed") as caught,
    ):
        http.call("GET", "/")
    assert "verify=" in caught.value.hint


def test_certificates_are_checked_unless_the_host_is_this_machine(monkeypatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    assert HttpPeer("https://example.org").verify is True
    assert HttpPeer("https://localhost:8000").verify is False
    assert HttpPeer("https://example.org", verify=False).verify is False


def test_the_environment_is_read_once(monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/some/ca.pem")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    http = HttpPeer("https://example.org")
    assert http.verify == "/some/ca.pem"
    assert http._proxies["https"] == "http://proxy:3128"
    assert HttpPeer("https://127.0.0.1")._proxies == {}


def test_a_proxy_is_asked_with_the_whole_url(raw_peer, monkeypatch):
    peer = raw_peer(echo)
    monkeypatch.setenv("HTTP_PROXY", peer.url)
    monkeypatch.setenv("NO_PROXY", "")
    with HttpPeer("http://engine.example/base") as http:
        body = http.call("GET", "/x?y=1").body
    assert body.startswith(b"GET http://engine.example/base/x?y=1 HTTP/1.1")


def _all_exceptions(module):
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Exception)
        and not issubclass(value, Warning)
        and value.__module__ == module.__name__
    ]


@pytest.mark.parametrize(
    "kind",
    _all_exceptions(requests.exceptions) + _all_exceptions(urllib3.exceptions),
    ids=lambda kind: f"{kind.__module__}.{kind.__name__}",
)
def test_every_exception_of_the_libraries_has_a_translation(kind):
    assert kind in TRANSLATIONS
    assert issubclass(TRANSLATIONS[kind], errors.TransportError)


def test_a_translation_names_the_peer_and_the_reason():
    exc = requests.exceptions.ConnectionError(
        urllib3.exceptions.ProtocolError("aborted", ConnectionResetError(104, "Reset"))
    )
    found = translate(exc, peer="h:1", protocol="FastScore")
    assert type(found) is errors.ConnectionLostError
    assert found.message == "the connection to h:1 broke: reset"
    assert found.protocol == "FastScore"


@pytest.mark.parametrize("url", ["ws://h", "ftp://h", "h:8000", "http://"])
def test_what_is_no_http_url_is_refused(url):
    with pytest.raises(ValueError):
        HttpPeer(url)
