"""No secret is left anywhere after a long session with all four services.

The session happens once; `secret_session` says what it does. What may hold secrets is
the file of the running services and the keyring, both of mode 0600.
"""

from __future__ import annotations

import pytest

from magics.kernels import started
from magics.secret_session import Session, leaks
from pilothouse.audit import Known, audit

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    home = tmp_path_factory.mktemp("secrets")
    session = Session(home)
    with started(home, session.variables) as kernel:
        session.record(kernel)
        try:
            session.worked(kernel)
            yield session, kernel
        finally:
            kernel.run("%pilot down")


def test_no_secret_is_left_anywhere(session):
    session, _ = session
    left = session.left(session.typed)

    assert len(session.secrets) >= 17
    assert {"notebook", "comm messages", "messages", "history"} < set(left)
    assert any(name.endswith("services.log") for name in left), sorted(left)
    assert b"DEBUG" in left["client.log"]
    assert len(left["comm messages"]) > 100_000
    assert not leaks(left, session.secrets)


def test_the_session_did_what_it_was_to_do(session):
    """An error on the way would make the search of what is left an empty one."""
    session, _ = session
    failed = {
        cell["source"]: output["evalue"]
        for cell in session.notebook["cells"]
        for output in cell["outputs"]
        if output["output_type"] == "error"
    }
    meant = {*session.typed, *session.faults}

    assert not {source: why for source, why in failed.items() if source not in meant}
    assert len(session.faults - set(failed)) <= 2, session.faults - set(failed)


def test_a_line_with_a_secret_is_cleared_from_what_the_shell_keeps(session):
    session, kernel = session
    kernel.run(
        "kept = repr(In) + repr({k: v for k, v in globals().items() if '_i' in k})"
    )
    kernel.run("import linecache\nkept += repr(linecache.cache)")

    for name, secret in session.secrets.items():
        assert kernel.result(f"{secret[:9]!r} + {secret[9:]!r} in kept") == "False", (
            name
        )
    assert "********" in kernel.result("kept")


def test_the_audit_finds_what_was_typed_and_nothing_else(session):
    session, _ = session
    (looked,) = audit([session.home / "session.ipynb"], Known())

    cells = {found.path for found in looked.findings}
    typed = {
        f"cells[{at}].source"
        for at, cell in enumerate(session.notebook["cells"])
        if cell["source"] in session.typed
    }
    assert cells <= typed
    assert len(typed - cells) <= 3  # a word that only its place gives away


@pytest.mark.parametrize(
    ("leak", "place"),
    [
        ("print(local.fastscore.token)", "notebook"),
        ("import logging; logging.warning(local.aimm.password)", "client.log"),
        ("from ipywidgets import HTML; HTML(local.fastmap.secret)", "comm messages"),
        ("raise ValueError(local.fastmap.secret)", "messages"),
        ("open('state/x', 'w').write(local.fastscore.token).bit_count()", "state/x"),
        (
            "import base64\nbase64.b64encode(b'ann:' + local.aimm.password.encode())",
            "notebook",
        ),
    ],
)
def test_a_leak_would_be_found(session, leak, place):
    session, kernel = session
    with session.apart():
        session.run(kernel, leak)
        session.save()
        try:
            found = leaks(session.left(()), session.secrets)
            assert any(f" in {place}: " in each for each in found), found
        finally:
            kernel.run("open('client.log', 'w').close()")
            (session.home / "state" / "x").unlink(missing_ok=True)
