r"""Secrets that can be told by what stands before them: a name, an address, a header.

    password = "..."     "secret": "..."     --token ...     NAME_API_KEY=...
    scheme://user:password@host              Authorization: Bearer ...
    Cookie: session=...                      connect(url, "user", "password")

In the source of a code cell only a quoted value counts after a name, since a bare one
is the name of a variable; on a line for a magic or a shell, and in whatever was
printed, a bare value counts when it is no word of people's.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from ._plausible import is_placeholder, is_random, is_scrambled, is_strong

__all__ = ["WORDS", "Match", "assignments", "loose"]

WORDS: Final = (
    "passw",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "key",
    "auth",
    "credential",
    "cookie",
    "session",
    "connect",
    "login",
    "://",
    " -u",
    " -p",
    "bearer",
    "basic",
)
"""Where none of these stands, no rule of this module finds anything."""

_STRONG = (
    r"passwords?|passwd|passphrase|pwd|secrets?|(?:api|access|secret|account|private"
    r"|auth|signing|encryption|master)[-_. ]?key"
)
_WEAK = r"tokens?|auth|credentials?|session[-_]?id|connect\.sid|cookie|oauth2?"
_NAMED = re.compile(
    rf"(?:(?P<strong>{_STRONG})|(?P<weak>{_WEAK}))"
    r"(?![A-Za-z0-9_])(?P<between>\\{0,3}[\"']?\]?(?:\s*:\s*(?:str|Secret|Any))?"
    r"[ ]{0,20}(?P<sign>={1,2}|:=|:|=>|\t|,(?=\s*\\{0,3}[\"']))\s{0,20})"
    r"(?:(?P<prefix>[rbfuRBFU]{0,2})(?P<quote>\\{0,3}[\"'])(?P<quoted>[^\n]{1,400}?)"
    r"(?P=quote)|(?P<bare>[^\x00-\x20\x7f\s\"'`,;()\[\]{}<>|&\\]{4,400}+)(?![(\[]))",
    re.IGNORECASE,
)
_OPTION = re.compile(
    rf"(?<!\S)--?[A-Za-z0-9-]{{0,40}}?(?:(?P<strong>{_STRONG})|(?P<weak>{_WEAK}))"
    r"(?:=|[ \t]+)(?P<quote>[\"']?)(?P<value>[^\s\"'{}$-][^\s\"']{2,400})(?P=quote)",
    re.IGNORECASE,
)
_ENVIRONMENT = re.compile(
    rf"^\s*%(?:set_)?env\s+[A-Za-z0-9_]*(?:{_STRONG}|{_WEAK})[A-Za-z0-9_]*[\s=]+"
    r"(?P<value>[^\s{}$]{4,400})\s*$",
    re.IGNORECASE | re.MULTILINE,
)
_USERINFO = re.compile(
    r"(?<![A-Za-z0-9])[A-Za-z][A-Za-z0-9+.-]{1,20}://"
    r"(?:(?P<user>[^\s:/@?#\"'<>]{0,100}):(?P<value>[^\s/@?#\"'<>]{1,200})"
    r"|(?P<alone>[^\s:/@?#\"'<>]{16,200}))@[A-Za-z0-9\[{]"
)
_HEADER = re.compile(
    r"(?P<name>(?:proxy-)?authorization|x-[a-z-]{0,20}(?:token|key|auth))"
    r"\\{0,3}[\"']?\s*[:=,]\s*\\{0,3}[\"']?"
    r"(?:(?:basic|bearer|token|digest|apikey)\s+)*(?P<value>[^\s\"'\\,;<>{}()]{8,4000})",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b[Bb]earer\s+(?P<value>[A-Za-z0-9._~+/-]{16,4000}=*)")
_BASIC = re.compile(
    r"\b[Bb]asic\s+(?P<value>[A-Za-z0-9+/]{8,400}={0,2})(?![A-Za-z0-9])"
)
_COOKIE = re.compile(
    r"(?:set-)?cookie\\{0,3}[\"']?\s*[:=]\s*\\{0,3}[\"']?"
    r"(?P<value>[A-Za-z0-9_.-]{1,60}=[^\s;\"'<>]{8,2000})",
    re.IGNORECASE,
)
_LITERAL = r"(?P<quote>[\"'])(?P<value>[^\"'\n]{4,400})(?P=quote)"
_CALLS = tuple(
    (word, re.compile(pattern))
    for word, pattern in (
        ("aimm.connect(", rf"\baimm\.connect\(\s*[^,\n]+,\s*[^,\n]+,\s*{_LITERAL}"),
        ("Connect(", rf"\bConnect\(\s*[^,\n()]+,\s*{_LITERAL}"),
        ("_secret(", rf"\bset_(?:oauth|basic_auth|ldap)_secret\(\s*{_LITERAL}"),
        ("set_session_cookie(", rf"\bset_session_cookie\(\s*{_LITERAL}"),
        ("login(", rf"\b(?:ldap_)?login\(\s*[^,\n()]+,\s*{_LITERAL}\s*\)"),
        ("set_password(", rf"\bset_password\(\s*[^,\n]+,\s*[^,\n]+,\s*{_LITERAL}"),
        ("Secret(", rf"\bSecret\(\s*{_LITERAL}\s*\)"),
        ("auth", rf"\bauth\s*=\s*\(\s*[^,\n()]+,\s*{_LITERAL}\s*\)"),
        ("Auth(", rf"\bHTTP(?:Basic|Digest)Auth\(\s*[^,\n()]+,\s*{_LITERAL}\s*\)"),
        (
            "Password(",
            r"\bPassword\([^)\n]*?\bvalue=(?P<quote>[\"'])(?P<value>[^\n]+?)(?P=quote)",
        ),
    )
)
_SHELL = (
    re.compile(r"\s-u\s*[\"']?[^\s:\"']{1,100}:(?P<value>[^\s\"'{}$]{3,200})"),
    re.compile(
        r"\b(?:sshpass|login|mysql\w*)\b[^\n|;]{0,200}?\s-p\s?"
        r"(?P<value>[^\s\"'{}$=-]{4,200})"
    ),
)
_QUERY = re.compile(r"://[^\s\"']*[?&;][A-Za-z0-9_.-]*\Z")
_MD5 = re.compile(r"[0-9a-f]{8}(?:[0-9a-f]{24})?\Z")  # or as tables show it
_LOOSE = re.compile(
    r"(?<![A-Za-z0-9+/=_.$@%#&?-])[A-Za-z0-9_-]{32,128}(?![A-Za-z0-9+/=_.-])"
)


@dataclass(frozen=True, slots=True)
class Match:
    """A secret in a text.

    Attributes:
        kind: What it is, for people.
        start: Where it begins.
        value: The secret itself.
    """

    kind: str
    start: int
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Line:
    """What is known of the line that a match stands in.

    Attributes:
        is_code: Whether it is a program's: a bare word is a variable then.
        is_command: Whether a magic or a shell reads it.
    """

    is_code: bool
    is_command: bool


def _line_of(text: str, at: int, *, is_source: bool) -> _Line:
    """Return what kind of line the place ``at`` is in."""
    begin = text.rfind("\n", 0, at) + 1
    before = text[begin:at].lstrip()
    is_command = is_source and before[:1] in ("%", "!")
    is_words = "#" in before or bool(_QUERY.search(before))
    return _Line(is_source and not is_command and not is_words, is_command)


def assignments(text: str, is_source: object) -> Iterator[Match]:
    """Yield what stands after a telling name, in an address or in a header.

    Args:
        text: The text.
        is_source: A function that tells of a place whether a code cell's source is
            there.
    """
    source = is_source if callable(is_source) else lambda at: bool(is_source)
    yield from _addresses(text)
    yield from _headers(text)
    yield from _calls(text)
    for found in _NAMED.finditer(text):
        line = _line_of(text, found.start(), is_source=source(found.start()))
        if match := _named(found, line):
            yield match
    yield from _options(text, source)


def loose(text: str) -> Iterator[Match]:
    """Yield words that only chance can have made, whatever stands before them."""
    for found in _LOOSE.finditer(text):
        if is_scrambled(found[0]):
            yield Match("random-looking token", found.start(), found[0])


def _addresses(text: str) -> Iterator[Match]:
    if "://" not in text:
        return
    for found in _USERINFO.finditer(text):
        group = "value" if found["value"] else "alone"
        value = found[group]
        is_shown_everywhere = found["user"] == "scott" and value == "tiger"
        is_plain = group == "alone" and not is_random(value)
        if is_placeholder(value) or is_plain or is_shown_everywhere:
            continue
        yield Match("password in an address", found.start(group), value)


def _headers(text: str) -> Iterator[Match]:
    lower = text.lower()
    is_header = "authorization" in lower or "x-" in lower
    for found in _HEADER.finditer(text) if is_header else ():
        value = found["value"]
        if is_random(value) and not is_placeholder(value):
            yield Match("authorization header", found.start("value"), value)
    for found in _BEARER.finditer(text) if "bearer" in lower else ():
        if is_random(found["value"]):
            yield Match("bearer token", found.start("value"), found["value"])
    for found in _BASIC.finditer(text) if "basic" in lower else ():
        if _is_basic(found["value"]):
            yield Match("basic authorization", found.start("value"), found["value"])
    for found in _COOKIE.finditer(text) if "cookie" in lower else ():
        name, _, value = found["value"].partition("=")
        if is_random(value):
            yield Match("cookie", found.start("value") + len(name) + 1, value)


def _is_basic(value: str) -> bool:
    try:
        plain = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        return False
    user, colon, password = plain.partition(":")
    is_text = plain.isprintable()
    return bool(user and colon and is_text and not is_placeholder(password))


def _calls(text: str) -> Iterator[Match]:
    for word, pattern in _CALLS:
        for found in pattern.finditer(text) if word in text else ():
            if not is_placeholder(found["value"]):
                kind = "password in a call"
                yield Match(kind, found.start("value"), found["value"])


def _named(found: re.Match[str], line: _Line) -> Match | None:
    word = found["strong"] or found["weak"]
    kind = f"{word.lower()} in the clear"
    quoted, bare = found["quoted"], found["bare"]
    if quoted is not None:
        value, group = quoted, "quoted"
        is_filled_in = "f" in found["prefix"].lower() and "{" in value
        is_call = found["sign"] == "," and not is_random(value)
        if is_filled_in or is_call or not _is_quoted(value, found, line):
            return None
    else:
        value, group = bare.rstrip(".:!?"), "bare"
        if line.is_code or found["sign"] == "," or not _is_bare(value, found):
            return None
    return Match(kind, found.start(group), value)


def _is_quoted(value: str, found: re.Match[str], line: _Line) -> bool:
    if is_placeholder(value) or len(value) < 4:
        return False
    if found["weak"]:
        return " " not in value and _is_token(value)
    if any(c.isspace() for c in value):
        return line.is_code and "=" in found["sign"]
    return True


def _is_bare(value: str, found: re.Match[str]) -> bool:
    if is_placeholder(value) or _is_expression(value):
        return False
    if found["weak"]:
        return _is_token(value)
    return is_strong(value) or (value.isdigit() and len(value) >= 6)


def _is_token(value: str) -> bool:
    """Return whether it is random; the tokens of mPlane's messages are MD5 sums."""
    return len(value) >= 8 and is_random(value) and not _MD5.match(value)


def _is_expression(value: str) -> bool:
    """Return whether it reads like a name of a program, or a path of names."""
    parts = value.split(".")
    is_name = all(p.isidentifier() for p in parts)
    return is_name and (len(parts) > 1 or not any(c.isdigit() for c in value))


def _options(text: str, source: object) -> Iterator[Match]:
    assert callable(source)
    for found in _OPTION.finditer(text):
        value = found["value"]
        line = _line_of(text, found.start(), is_source=source(found.start()))
        is_certain = line.is_command and found["strong"]
        if not is_placeholder(value) and (is_certain or is_random(value)):
            yield Match("password on a line", found.start("value"), value)
    for found in _ENVIRONMENT.finditer(text):
        if not is_placeholder(found["value"]):
            yield Match("password on a line", found.start("value"), found["value"])
    for pattern in _SHELL:
        for found in pattern.finditer(text):
            line = _line_of(text, found.start(), is_source=source(found.start()))
            if line.is_command and not is_placeholder(found["value"]):
                yield Match("password on a line", found.start("value"), found["value"])
