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


def load(page, name):
    """Make a module of the views the page's ``it``."""
    source = base64.b64encode((STATIC / name).read_bytes()).decode()
    page.evaluate(
        """async (source) => {
             const bytes = Uint8Array.from(atob(source), (c) => c.charCodeAt(0));
             const blob = new Blob([bytes], {type: 'text/javascript'});
             window.it = await import(URL.createObjectURL(blob));
           }""",
        source,
    )


def in_browser(page, function, values):
    load(page, "format.js")
    return page.evaluate(
        """([name, values]) =>
             values.map((v) => window.it[name](v === 'inf' ? Infinity : v))""",
        [function, ["inf" if v == math.inf else v for v in values]],
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


def test_one_is_not_several(page):
    load(page, "format.js")

    said = page.evaluate("[0, 1, 2].map((n) => window.it.units(n, 'rows'))")

    assert said == [words.units(n, "rows") for n in (0, 1, 2)]


def test_an_axis_of_bytes_has_the_steps_of_its_legend(page):
    load(page, "axis.js")

    marks = """([most, unit]) => {
      const told = window.it.byteScale(most, unit);
      const by = (told?.[0] ?? 1) / 2;
      return window.it.markWords([0, by, 2 * by], by, told);
    }"""

    assert page.evaluate(marks, [45e9, "B"]) == ["0", "0.5Gi", "1.0Gi"]
    assert page.evaluate(marks, [3000, "bytes"]) == ["0", "0.5Ki", "1.0Ki"]
    assert page.evaluate(marks, [45e9, "packets"]) == ["0", "0.5", "1.0"]
