"""CrawlParser: the links of a page of capabilities. No I/O."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

__all__ = ["CrawlParser"]

_MAX_URLS = 10_000


class CrawlParser(HTMLParser):
    """Collects where the links of a page lead.

    Args:
        kwargs: Of the standard library's parser; ``strict``, which it no longer knows,
            is passed over.

    Attributes:
        urls: What stands in ``href``, in the order of the page, each once.
    """

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401
        kwargs.pop("strict", None)
        super().__init__(**kwargs)
        self.urls: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take the link of an ``a``."""
        if tag != "a" or len(self.urls) >= _MAX_URLS:
            return
        for name, value in attrs:
            if name == "href" and value and value not in self.urls:
                self.urls.append(value)
