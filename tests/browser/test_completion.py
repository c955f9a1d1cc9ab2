"""Tab in a cell: words, options and live names, in both front ends."""

import pytest

from waiting import until

CONNECT = """
%load_ext pilothouse
%fastscore connect connect
rows_of_mine = [1, 2]
"""
TYPED = {
    "%pilot profi": {"profiles"},
    "%engine load --": {"--inline", "--out"},
    "%engine score {rows": {"rows_of_mine"},
    "%engine ": {"engine-1", "engine-2", "score"},
}


@pytest.mark.parametrize("front_end", ["lab", "notebook 7"])
def test_tab_offers_words_options_and_live_names(notebook, session_cell, front_end):
    opened = notebook(session_cell, CONNECT, "None")
    if front_end == "notebook 7":
        opened.open_in_notebook_7()
    page = opened.page
    opened.run_all()
    until(opened.is_over, 120, "the end of the cells")
    editor = page.locator(".jp-CodeCell .cm-content").nth(2)
    offers = page.locator(".jp-Completer .jp-Completer-item")

    def offered(text):
        """Type a text in the last cell, press Tab; what the list has then."""
        editor.click()
        page.keyboard.press("Control+a")
        page.keyboard.type(text)
        offers.first.wait_for(state="hidden")
        page.keyboard.press("Tab")
        offers.first.wait_for()
        return set(offers.evaluate_all("all => all.map(one => one.dataset.value)"))

    for number, (text, wanted) in enumerate(TYPED.items()):
        until(lambda: wanted <= offered(text), 60, f"{wanted} behind {text!r}")  # noqa: B023
        opened.shoot(f"completion-{front_end.replace(' ', '-')}-{number}")
        kinds = offers.locator(".jp-Completer-typeExtended")
        heights = kinds.evaluate_all("all => all.map(one => one.scrollHeight)")
        assert max(heights) < 30, "the words about an offer take more than its line"
        page.keyboard.press("Escape")
