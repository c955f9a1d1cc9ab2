"""Every view for everybody: axe-core's rules, and all of it by keyboard."""

import nbformat

from browser.axe import violations
from browser.gallery import VIEWS, root
from waiting import until


def test_every_view_keeps_the_rules_of_wcag_in_light_and_dark(gallery):
    gallery.find(".ph-error summary").first.click()
    gallery.find(".ph-legend-entry").last.click()  # a line that is not shown
    gallery.find('.ph-engine [data-act="reset"]').click()

    found = {}
    for theme in gallery.both_themes():
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


STOPS = """
(root) => {
  const all = root.querySelectorAll(
    'button, input, select, textarea, summary, a[href], [tabindex]');
  const stops = [...all].filter((e) => e.tabIndex >= 0 && !e.disabled
    && e.checkVisibility({visibilityProperty: true}) && e.getClientRects().length);
  stops.forEach((e, i) => { e.dataset.stop = `${i}`; });
  stops[0]?.focus();
  return stops.map((e) => e.getAttribute('aria-label') || e.textContent.trim()
    || e.name || e.tagName);
}
"""
FOCUSED = """
(root) => {
  const e = document.activeElement;
  const style = getComputedStyle(e);
  const scrolls = e.scrollHeight > e.clientHeight || e.scrollWidth > e.clientWidth;
  return {
    stop: root.contains(e) ? e.dataset.stop ?? null : 'outside',
    scrolls: e.tabIndex < 0 || scrolls,
    ring: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
  };
}
"""


def walk(view, press, key):
    """Press a key from the first (or last) control of a view to its other end."""
    names = view.evaluate(STOPS)
    order = list(range(len(names)))
    if key == "Shift+Tab":
        order.reverse()
        view.locator(f'[data-stop="{order[0]}"]').focus()
    press("Shift")  # the keyboard is what moves: a ring has to be seen
    for stop in order:
        seen = view.evaluate(FOCUSED)
        while seen["stop"] is None and seen["scrolls"]:  # Chromium's own stops
            press(key)
            seen = view.evaluate(FOCUSED)
        assert seen["stop"] == str(stop), (names[stop], seen)
        assert seen["ring"], names[stop]
        press(key)
    return names


def test_tab_reaches_every_control_in_order_and_shows_where_it_is(gallery):
    press = gallery.page.keyboard.press
    for kind in VIEWS:
        view = gallery.find(root(kind)).first
        if view.evaluate(STOPS):
            names = walk(view, press, "Tab")
            assert walk(view, press, "Shift+Tab") == names


def test_enter_space_and_arrows_do_what_they_say(gallery):
    press = gallery.page.keyboard.press

    line = gallery.find(".ph-chart .ph-legend-entry").first
    line.focus()
    press("Space")
    until(lambda: line.get_attribute("aria-pressed") == "false")
    press("Enter")
    until(lambda: line.get_attribute("aria-pressed") == "true")

    fold = gallery.find(".ph-engine .ph-error")
    fold.locator("summary").focus()
    press("Enter")
    until(lambda: fold.evaluate("e => e.open"))
    press("Space")
    until(lambda: not fold.evaluate("e => e.open"))

    log = gallery.find(".ph-console .ph-log")
    log.focus()
    press("ArrowUp")
    last = "e => e.lastElementChild === document.activeElement"
    until(lambda: log.evaluate(last), 60, "the newest line")
    press("Enter")
    until(lambda: not log.locator("details").last.evaluate("e => e.open"))

    tabs = gallery.find(".ph-inspector [role=tab]")
    tabs.first.focus()
    press("End")
    until(lambda: tabs.last.get_attribute("aria-selected") == "true")
    press("ArrowRight")
    until(lambda: tabs.first.get_attribute("aria-selected") == "true")


TABLE = """\
import pilothouse_widgets as w
w.LiveTable(['n'], [(1,), (2,)], key='n')"""
SAVED = "() => !window.jupyterapp.shell.currentWidget.context.model.dirty"


def test_a_view_leaves_saving_to_the_notebook_and_no_other_key(notebook):
    opened = notebook(TABLE, "1 + 1").run_all()
    opened.find(".ph-table").first.wait_for()
    until(opened.is_over)
    press = opened.page.keyboard.press
    cells = opened.page.locator(".jp-Cell")
    saved = None

    for control in (".ph-table button", ".ph-table [role=grid]"):
        opened.find(control).first.focus()
        for key in ("b", "x", "d", "d", "m", "Escape"):  # each would change the cells
            press(key)
        press("Control+s")
        until(lambda: opened.page.evaluate(SAVED), 60, "the saved notebook")
        if saved is None:  # the second time it is saved already, and written again
            saved = nbformat.read(opened.path, as_version=4)
        assert cells.count() == 2
        assert opened.page.locator(".jp-CodeCell").count() == 2

    first, second = saved.cells
    assert (first.cell_type, second.cell_type) == ("code", "code")
    assert first.outputs
    cells.last.locator(".jp-OutputArea").click()
    press("b")  # a shortcut gets through where there is no view
    until(lambda: cells.count() == 3, 60, "a new cell")
