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
    if name.isascii() and name.isprintable():
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'{tag}; {key}="{quoted}"'
    return f"{tag}; {key}*=UTF-8''{quote(name, safe='')}"


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
    """Undo the reading of raw UTF-8 bytes as Latin-1 or with surrogates."""
    for codec, errors in (("latin-1", "strict"), ("utf-8", "surrogateescape")):
        try:
            return text.encode(codec, errors).decode()
        except UnicodeError:
            continue
    return text
