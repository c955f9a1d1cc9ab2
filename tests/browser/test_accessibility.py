"""Every view for everybody: axe-core's rules, and all of it by keyboard."""

from pathlib import Path

import pytest

from browser.axe import violations
from browser.gallery import VIEWS
from waiting import until

TESTS = Path(__file__).parents[1]
SHOW = f"""\
import sys
sys.path.insert(0, {str(TESTS)!r})
from browser.gallery import views
shown = views()
for view in shown.values():
    display(view)"""
CLOSE = "import pilothouse_widgets as w\nw.close_all()"


@pytest.fixture
def gallery(notebook):
    """All views in the output of one cell, so that none is folded away."""
    opened = notebook(SHOW, height=7000).run_all()
    for kind in VIEWS:
        opened.find(f".ph-{kind}").first.wait_for()
    until(lambda: opened.find(".ph-lane").count() == 4, 30, "the lanes of the run")
    until(lambda: opened.find(".ph-lines li").count() > 9, 30, "the model's source")
    opened.find(".ph-browser [data-field]").first.wait_for()
    return opened


def both_themes(opened):
    for theme in ("Light", "Dark"):
        opened.theme(f"JupyterLab {theme}")
        roots = opened.find(".ph").all()
        until(
            lambda roots=roots, theme=theme: all(
                root.get_attribute("data-theme") == theme.lower() for root in roots
            ),
            20,
            theme,
        )
        yield theme.lower()
    opened.theme("JupyterLab Light")


def test_every_view_keeps_the_rules_of_wcag_in_light_and_dark(gallery):
    gallery.find(".ph-error summary").first.click()
    gallery.find(".ph-legend-entry").last.click()  # a line that is not shown
    gallery.find('.ph-engine [data-act="reset"]').click()

    found = {}
    for theme in both_themes(gallery):
        gallery.shoot(f"gallery-{theme}")
        found[theme] = violations(gallery.page, ".jp-OutputArea .ph")
    lines = [f"{theme}: {line}" for theme in found for line in found[theme]]
    assert not lines, "\n".join(lines)


def test_an_offence_is_found(notebook):
    """Else the silence of the rules would say nothing."""
    opened = notebook(
        "import pilothouse_widgets as w\nw.LiveChart(['a'], title='Rates')"
    ).run_all()
    title = opened.find(".ph-chart .ph-title")
    title.wait_for()

    title.evaluate("e => { e.style.color = '#c8c8c8'; }")
    opened.find(".ph-tools button").first.evaluate(
        "e => { e.removeAttribute('aria-label'); e.removeAttribute('title'); }"
    )

    found = violations(opened.page, ".jp-OutputArea .ph")
    assert {line.partition(":")[0] for line in found} == {
        *("color-contrast", "button-name")
    }
