"""The browser's words for numbers are the kernel's."""

import base64
import math

import pytest

from pilothouse_widgets import words
from pilothouse_widgets.assets import STATIC

NUMBERS = [
    0, 7, 0.25, 0.125, 1.005, 12.34, 99.95, 123.4, 999.9, 1000, 12_345, 999_999,
    1_500_000, 2e9, 3.2e12, -4500, -0.5, 0.0012, 1e-5,
]  # fmt: skip
SIZES = [0, 1, 1023, 2048, 149_000_000, 5e12, 7e15]
DURATIONS = [0, 0.0004, 0.45, 1.5, 9.99, 12, 59.6, 185, 3599.7, 7260, math.inf]


@pytest.fixture(scope="module")
def page(chromium):
    page = chromium.new_page()
    yield page
    page.close()


def in_browser(page, function, values):
    source = base64.b64encode((STATIC / "format.js").read_bytes()).decode()
    return page.evaluate(
        """async ([source, name, values]) => {
             const bytes = Uint8Array.from(atob(source), (c) => c.charCodeAt(0));
             const blob = new Blob([bytes], {type: 'text/javascript'});
             const format = await import(URL.createObjectURL(blob));
             return values.map((v) => format[name](v === 'inf' ? Infinity : v));
           }""",
        [source, function, ["inf" if v == math.inf else v for v in values]],
    )


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("number", NUMBERS),
        ("size", SIZES),
        ("duration", DURATIONS),
        ("count", [0, 999, 200_000, 1_234_567]),
    ],
)
def test_both_ends_say_the_same(page, name, values):
    expected = [getattr(words, name)(value) for value in values]

    found = [text.replace("e-5", "e-05") for text in in_browser(page, name, values)]
    assert found == expected
