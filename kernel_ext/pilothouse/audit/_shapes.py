"""Secrets that can be told by their shape alone, wherever they stand.

A shape has words that have to be there before its pattern is tried: looking for a word
is some hundred times as fast as trying a pattern. The patterns are those that the
issuers document; lengths are lower bounds, since issuers lengthen their tokens.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ._plausible import is_example, is_random

__all__ = ["KEYS", "SHAPES", "Shape"]

_LEFT = r"(?<![A-Za-z0-9_])"
_RIGHT = r"(?![A-Za-z0-9_])"


@dataclass(frozen=True, slots=True)
class Shape:
    """One kind of secret.

    Attributes:
        kind: What it is, for people.
        words: One of them stands in every such secret.
        pattern: Matches one; its group ``value``, or all of it, is the secret.
        remedy: What to do about it, when it is not just to revoke it.
        accept: A last look at the value.
    """

    kind: str
    words: tuple[str, ...]
    pattern: re.Pattern[str]
    remedy: str = ""
    accept: Callable[[str], bool] = lambda value: not is_example(value)


def _shape(
    kind: str,
    words: tuple[str, ...],
    pattern: str,
    accept: Callable[[str], bool] | None = None,
) -> Shape:
    made = re.compile(f"{_LEFT}(?P<value>{pattern}){_RIGHT}")
    return Shape(kind, words, made, accept=accept or (lambda v: not is_example(v)))


_ID = "[A-Za-z0-9_-]"

KEYS: tuple[Shape, ...] = (
    Shape(
        "private key",
        ("PRIVATE KEY",),
        re.compile(
            r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
            r"(?=(?:[\s\\nr\"',+>]|[A-Za-z-]+: ?[^\n]*\n)*[A-Za-z0-9+/=]{16})"
            r"(?P<value>[\sA-Za-z0-9+/=\\\"',:-]{20,200})"
        ),
        "make a new key pair; take the key out",
    ),
)
"""Kinds that are long runs of base64 themselves."""

SHAPES: tuple[Shape, ...] = (
    _shape("AWS access key", ("AKIA", "ASIA"), r"(?:AKIA|ASIA)[A-Z2-7]{16}"),
    _shape(
        "GitHub token",
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
        r"gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{40,255}",
    ),
    _shape(
        "GitLab token",
        ("glpat-", "gldt-", "glrt-", "glptt-", "glft-", "glsoat-", "glcbt-", "gloas-"),
        rf"gl(?:pat|dt|rt|ptt|ft|soat|cbt|oas)-{_ID}{{20,}}",
    ),
    _shape(
        "Slack token",
        ("xox", "xapp-"),
        r"(?:xox[abeoprs]|xapp)-(?:[0-9a-zA-Z]+-){1,5}[0-9a-zA-Z]{10,}",
    ),
    _shape(
        "Slack webhook",
        ("hooks.slack.com",),
        r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9/]{30,}",
    ),
    _shape("API key", ("sk-",), rf"sk-{_ID}{{20,}}", lambda v: is_random(v[3:])),
    _shape(
        "API key",
        ("gsk_", "xai-", "pplx-", "nvapi-", "r8_", "co_live_", "fw_", "csk-"),
        rf"(?:gsk_|xai-|pplx-|nvapi-|r8_|co_live_|fw_|csk-){_ID}{{30,}}",
        lambda v: is_random(v[5:]),
    ),
    _shape(
        "Hugging Face token",
        ("hf_", "api_org_"),
        r"(?:hf|api_org)_[A-Za-z0-9]{34,}",
        lambda v: is_random(v[3:]),
    ),
    _shape("Google API key", ("AIza",), r"AIza[0-9A-Za-z_-]{35}"),
    _shape("Google OAuth token", ("ya29.",), r"ya29\.[0-9A-Za-z_-]{20,}"),
    _shape("Google client secret", ("GOCSPX-",), rf"GOCSPX-{_ID}{{20,}}"),
    Shape(
        "Azure storage key",
        ("AccountKey", "SharedAccessKey"),
        re.compile(
            r"(?:AccountKey|SharedAccessKey)\s*=\s*(?P<value>[A-Za-z0-9+/]{40,}={0,2})"
        ),
    ),
    Shape(
        "signed Azure address",
        ("sig=",),
        re.compile(r"[?&;]sig=(?P<value>[A-Za-z0-9%+/_=-]{40,})"),
    ),
    _shape(
        "Stripe key",
        ("sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_"),
        r"(?:[sr]k_(?:live|test)_|whsec_)[A-Za-z0-9]{16,}",
    ),
    _shape("SendGrid key", ("SG.",), rf"SG\.{_ID}{{16,32}}\.{_ID}{{32,64}}"),
    _shape("Twilio key", ("SK",), r"SK[0-9a-f]{32}", lambda v: is_random(v[2:])),
    _shape("npm token", ("npm_",), r"npm_[A-Za-z0-9]{36,}"),
    _shape("PyPI token", ("pypi-",), r"pypi-AgE[A-Za-z0-9_-]{50,}"),
    _shape("Docker token", ("dckr_",), rf"dckr_(?:pat|oat)_{_ID}{{20,}}"),
    _shape("DigitalOcean token", ("do",), r"do[opr]_v1_[a-f0-9]{64}"),
    _shape("Databricks token", ("dapi",), r"dapi[a-f0-9]{32}(?:-[0-9])?"),
    _shape("Grafana token", ("glsa_", "glc_"), r"(?:glsa|glc)_[A-Za-z0-9+/=_]{30,}"),
    _shape("Vault token", ("hvs.", "hvb."), rf"hv[sb]\.{_ID}{{24,}}"),
    _shape("Shopify token", ("shp",), r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    _shape("Notion token", ("ntn_",), r"ntn_[A-Za-z0-9]{40,}"),
    _shape("Linear key", ("lin_api_",), r"lin_api_[A-Za-z0-9]{32,}"),
    _shape("Postman key", ("PMAK-",), r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}"),
    _shape("Mailgun key", ("key-",), r"key-[a-f0-9]{32}"),
    _shape("Atlassian token", ("ATATT3",), rf"ATATT3{_ID}{{50,}}=?"),
    _shape("Terraform token", ("atlasv1",), rf"{_ID}{{14}}\.atlasv1\.{_ID}{{60,}}"),
    _shape("Telegram token", (":AA",), rf"[0-9]{{8,10}}:AA{_ID}{{33}}"),
    _shape(
        "Discord webhook",
        ("/api/webhooks/",),
        rf"discord(?:app)?\.com/api/webhooks/[0-9]{{17,20}}/{_ID}{{60,}}",
    ),
    _shape(
        "JSON web token", ("eyJ",), rf"eyJ{_ID}{{8,}}\.eyJ{_ID}{{8,}}\.{_ID}{{16,}}"
    ),
    _shape(
        "session of a FastScore suite",
        ("s:", "s%3A"),
        r"s(?::|%3A)[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9+/%_-]{20,90}=?",
    ),
)
"""Every kind that shows by its shape. The one for ``eyJ`` is any issuer's."""
