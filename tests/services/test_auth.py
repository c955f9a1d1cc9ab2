"""Who may call: every form of contract §1.2, and its refusals."""

import base64
from urllib.parse import quote

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from pilothouse.services.auth import Credentials

TOKEN = "t0ken-with_signs"
CREDENTIALS = Credentials(TOKEN)
SESSION = CREDENTIALS.login("pilothouse", TOKEN) or ""


def headers(*pairs):
    return CIMultiDictProxy(CIMultiDict(pairs))


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.mark.parametrize(
    "pair",
    [
        pytest.param(("Authorization", TOKEN), id="raw token"),
        pytest.param(("Authorization", f"Bearer {TOKEN}"), id="bearer"),
        pytest.param(("Authorization", f"Bearer Bearer {TOKEN}"), id="bearer twice"),
        pytest.param(("Authorization", f"bearer {TOKEN}"), id="bearer in lower case"),
        pytest.param(("Authorization", basic("pilothouse", TOKEN)), id="basic"),
        pytest.param(
            ("Authorization", basic("%70ilothouse", quote(TOKEN).replace("-", "%2D"))),
            id="basic, parts URL-quoted",
        ),
        pytest.param(("Cookie", f"connect.sid={quote(SESSION)}"), id="quoted session"),
        pytest.param(
            ("Cookie", f"connect.sid={quote(SESSION, safe='')}"), id="all quoted"
        ),
        pytest.param(("Cookie", f"connect.sid={SESSION}"), id="raw session"),
        pytest.param(("Cookie", SESSION), id="bare session, as the real SDK sends it"),
        pytest.param(("Cookie", f"a=b; connect.sid={SESSION}; c=d"), id="among others"),
    ],
)
def test_a_caller_with_good_credentials_may_call(pair):
    assert CREDENTIALS.allow(headers(pair))


def _other_session():
    return Credentials("other").login("pilothouse", "other") or ""


@pytest.mark.parametrize(
    "pairs",
    [
        pytest.param([], id="nothing"),
        pytest.param([("Authorization", "")], id="empty"),
        pytest.param([("Authorization", "Bearer")], id="bearer of nothing"),
        pytest.param([("Authorization", TOKEN[:-1])], id="token cut short"),
        pytest.param([("Authorization", f"{TOKEN} {TOKEN}")], id="two tokens"),
        pytest.param([("Authorization", f"Digest {TOKEN}")], id="another scheme"),
        pytest.param([("Authorization", basic("root", TOKEN))], id="another user"),
        pytest.param([("Authorization", basic("pilothouse", "x"))], id="password"),
        pytest.param([("Authorization", "Basic %%%")], id="basic, not base64"),
        pytest.param([("Authorization", "Basic /w==")], id="basic, not UTF-8"),
        pytest.param([("Authorization", "t\udcff")], id="bytes that are no text"),
        pytest.param([("Cookie", TOKEN)], id="the token as a cookie"),
        pytest.param([("Cookie", SESSION[:-1])], id="session cut short"),
        pytest.param([("Cookie", SESSION.replace("s:", "", 1))], id="no s:"),
        pytest.param([("Cookie", f"connect.sid={_other_session()}")], id="foreign"),
        pytest.param([("Cookie", "s:.")], id="empty session"),
    ],
)
def test_a_caller_without_is_refused(pairs):
    assert not CREDENTIALS.allow(headers(*pairs))


def test_a_session_has_the_letters_that_the_real_sdk_can_carry():
    head, _, signature = SESSION.partition(".")
    assert head.startswith("s:")
    assert set(head[2:]) <= set("0123456789abcdef")
    assert not set(SESSION) & set("=;+,")
    assert signature


def test_a_login_with_the_wrong_user_or_password_gives_no_session():
    assert CREDENTIALS.login("pilothouse", "wrong") is None
    assert CREDENTIALS.login("root", TOKEN) is None


def test_without_a_token_everybody_may_call():
    assert Credentials(None).allow(headers())


def test_each_start_has_another_token():
    first, second = Credentials.random()[1], Credentials.random()[1]
    assert first != second
    assert len(first) > 40
