"""Messages as JSON text, and as YAML for people.

Source: contract §1.2: keys sorted, an indent of two, ASCII only, byte for byte as the
published peer writes them; any JSON is read.
"""

from __future__ import annotations

import re
from typing import Final

import orjson

from .errors import MessageError
from .kinds import Message, message_from_dict

__all__ = ["parse_json", "parse_yaml", "unparse_json", "unparse_yaml"]

_OPTIONS: Final = orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2
_NOT_PLAIN: Final = re.compile("[^\x00-\x7e]")
_DELETE: Final = b"\x7f"
_PLANE: Final = 0x10000


def parse_json(jstr: str | bytes) -> Message:
    """Return the message that a JSON text describes.

    Raises:
        MessageError: If it is no JSON, or no valid message (a `ValueError`).
        UnknownElementError: If no registry knows an element (a `KeyError`).
    """
    try:
        parsed = orjson.loads(jstr)
    except orjson.JSONDecodeError as exc:
        raise MessageError(f"not JSON: {exc}") from exc
    return message_from_dict(parsed)


def unparse_json(msg: Message, token_only: bool = False) -> str:
    """Return a message as JSON text.

    Args:
        msg: Any message.
        token_only: Write the token only, where that is enough: in receipts,
            redemptions, withdrawals and interrupts that have one.

    Raises:
        ValueError: If the message is not valid for its kind.
    """
    try:
        data = orjson.dumps(msg.to_dict(token_only), option=_OPTIONS)
    except orjson.JSONEncodeError as exc:
        raise MessageError(f"{msg.kind_str()} cannot be written: {exc}") from exc
    if data.isascii() and _DELETE not in data:
        return data.decode("ascii")
    return _NOT_PLAIN.sub(_escape, data.decode())


def parse_yaml(ystr: str) -> Message:
    """Return the message that a YAML text describes; all its scalars are text.

    Raises:
        MessageError: If it is no YAML, or no valid message (a `ValueError`).
        UnknownElementError: If no registry knows an element (a `KeyError`).
    """
    import yaml  # only where somebody writes messages by hand

    try:
        parsed = yaml.load(ystr, Loader=yaml.BaseLoader)
    except yaml.YAMLError as exc:
        raise MessageError(f"not YAML: {exc}") from exc
    return message_from_dict(parsed)


def unparse_yaml(msg: Message, token_only: bool = False) -> str:
    """Return a message as YAML text; as `unparse_json`."""
    import yaml

    text: str = yaml.safe_dump(msg.to_dict(token_only), allow_unicode=True)
    return text


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < _PLANE:
        return f"\\u{code:04x}"
    high, low = divmod(code - _PLANE, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
