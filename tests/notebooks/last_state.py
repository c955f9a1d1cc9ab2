"""What a saved notebook shows of its views where kernel and widgets are gone."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import nbformat

VIEW = "application/vnd.jupyter.widget-view+json"

STALE = re.compile(r"connecting|asking|no data|no messages|\b0 of \d+ services")
"""What a view says before it knows anything."""

LAST = {
    "01_tour": (
        r"^engine-1: FINISHED, model scorer .* 0 jets$",
        r"records\.count: records\.count [0-9]",
    ),
    "02_engines": (r"^Pneumo: [0-9]+ messages; newest: .* engine-[12] ",),
    "03_models": (r"patient [0-9.]+ cm, hasty", r"smooth [0-9.]+ cm, patient"),
    "04_fastmap": (),
    "05_mplane": (
        r" capabilities: .*\bping-4\b",
        r"^interface-counters\S*: finished, [0-9]+ rows; bandwidth",
    ),
    "06_dashboard": (r"^Dashboard: 4 of 4 services up, 2 engines",),
    "07_flow": (
        r"^Delay of new requests, in order: measured [0-9.]+k? ms, expected",
        r"^Delay by requests under way: measured [0-9.]+k? ms, the line",
    ),
}
"""What each live view of each notebook says when the notebook has run, in order."""


def views(notebook: nbformat.NotebookNode) -> Iterator[dict[str, str]]:
    """Yield the outputs of a notebook that hold a live view."""
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if VIEW in output.get("data", {}):
                yield output.data


def words(page: str) -> str:
    """Return what is to be read on a page, as words with one space between them."""
    text = re.sub(r"<(style|script|svg)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())


def faults(notebook: nbformat.NotebookNode, last: tuple[str, ...]) -> list[str]:
    """Return in which way views are not shown as they were at last.

    Args:
        notebook: As it was saved.
        last: A pattern for the text of each view, in order.
    """
    shown = [
        (data.get("text/plain", ""), data.get("text/html", ""))
        for data in views(notebook)
    ]
    found = [f"{len(shown)} views, not {len(last)}"] if len(shown) != len(last) else []
    for (text, page), pattern in zip(shown, last, strict=False):
        if not re.search(pattern, text):
            found.append(f"{text!r} is not {pattern!r}")
        if not text or " ".join(text.split()) not in words(page):
            found.append(f"{text!r} is not what the page says: {words(page)[:200]!r}")
        if stale := STALE.search(f"{text} {words(page)}"):
            found.append(f"{stale[0]!r} is the first state of {text!r}, not its last")
    return found
