"""The Cancel button works while its own cell waits, in both front ends."""

import re

import pytest

from waiting import until

SLOW = """
%load_ext pilothouse
import time
from pilothouse.fastscore import Model
Model("slow", "python3", '''import time

def action(x):
    time.sleep(0.02)
    yield x
''').deploy(engine, streams={0: "rest-chunked:", 1: "rest-chunked:"}, wait=20)
"""
SCORE = "%engine {engine} score {range(100_000)} -o scores"


@pytest.mark.parametrize("front_end", ["lab", "notebook 7"])
def test_a_click_cancels_a_score_whose_cell_waits(notebook, session_cell, front_end):
    opened = notebook(session_cell, SLOW, SCORE)
    if front_end == "notebook 7":
        opened.open_in_notebook_7()
    opened.run_all()
    cancel = opened.find('.ph-run button:has-text("Cancel")')
    cancel.wait_for()
    prompt = opened.page.locator(".jp-InputPrompt").nth(2)
    assert prompt.inner_text() == "[*]:"
    run = opened.find(".ph-run")
    until(lambda: re.search(r"\b[1-9][\d,.k]* of 100", run.inner_text()))

    cancel.click()

    until(lambda: prompt.inner_text() == "[3]:", 60, "the end of the cell")
    output = opened.page.locator(".jp-OutputArea").last
    until(lambda: "cancelled: " in output.inner_text())
    assert "what came back is in scores" in output.inner_text()
    assert opened.find(".jp-RenderedHTML").count()
    opened.shoot(f"cancelled-{front_end.replace(' ', '-')}")
    assert opened.cell_errors() == ["FastScoreRefusedError"]
