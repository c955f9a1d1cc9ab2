r"""Headers of the form ``word; key="value"``: Content-Disposition, Content-Type.

    header    = word *(";" key "=" (token / quoted))
    quoted    = DQUOTE *(character / "\\" character) DQUOTE
    extended  = key "*" "=" "UTF-8''" percent-encoded     ; names beyond ASCII

The real SDK writes names between quotes as they are; names that a header cannot
hold that way are written in the extended form.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote

_PARAMETER: Final = re.compile(
    r';\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;"]*))', re.DOTALL
)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)


def disposition(tag: str, key: str, name: str) -> str:
    """Return a Content-Disposition value: ``x-model; name="m"``."""
    return f"{tag}; {parameter(key, name)}"


def parameter(key: str, value: str) -> str:
    """Return one parameter: ``name="m"``, or ``name*=UTF-8''%C3%BC``."""
    if value.isascii() and value.isprintable():
        quoted = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'{key}="{quoted}"'
    return f"{key}*=UTF-8''{quote(value, safe='')}"


def parse_header(value: str) -> tuple[str, dict[str, str]]:
    """Return the first word, in lower case, and the parameters of a header."""
    word, _, rest = value.partition(";")
    parameters: dict[str, str] = {}
    for key, quoted, token in _PARAMETER.findall(f";{rest}"):
        text = _ESCAPE.sub(r"\1", quoted) if quoted else token.strip()
        lowered = key.lower()
        if lowered.endswith("*"):
            parameters[lowered[:-1]] = unquote(text.rpartition("'")[2])
        else:
            parameters.setdefault(lowered, _as_utf8(text))
    return word.strip().lower(), parameters


def _as_utf8(text: str) -> str:
    """Return a text whose bytes a server could not decode and kept as surrogates.

    The real SDK sends Latin-1, most others UTF-8.
    """
    try:
        data = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
