"""The links of a page."""

import pytest

from pilothouse.mplane.client import CrawlParser
from pilothouse.mplane.client.discovery import root_of


def test_links_are_collected_in_their_order_each_once():
    parser = CrawlParser(strict=False)  # as the published client makes it

    parser.feed(
        "<html><a href='/capability/1'>1</a><A HREF=/capability/2>2</a>"
        "<a href='/capability/1'>again</a><a name=x>no link</a><link href='/style'>"
    )

    assert parser.urls == ["/capability/1", "/capability/2"]


@pytest.mark.parametrize(
    ("url", "root"),
    [
        ("http://a:1/capability", "http://a:1/"),
        ("http://a:1/capability/abc", "http://a:1/"),
        ("http://a:1/capabilities", "http://a:1/"),
        ("http://a:1/probe/capability", "http://a:1/probe/"),
        ("http://a:1/", "http://a:1/"),
        ("http://a:1", "http://a:1/"),
    ],
)
def test_messages_go_to_the_root_of_where_capabilities_were_found(url, root):
    assert root_of(url) == root
