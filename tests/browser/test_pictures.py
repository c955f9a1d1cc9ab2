"""Every view looks as it did, light and dark.

After a change that is meant: ``make pictures`` takes them anew; look at what git says
has changed before you commit it. A difference is drawn in ``screenshots/``.
"""

import io
import os

import pytest
from PIL import Image, ImageDraw

from browser import pictures
from browser.gallery import VIEWS, root

RENEWS = bool(os.environ.get("PILOTHOUSE_RENEW_PICTURES"))
STILL = """
* { animation: none !important; transition: none !important; caret-color: transparent; }
.ph, .ph *:not(.ph-mono, .ph-code, .ph-code *, .ph-lines *, .ph-log-text) {
  font-family: "DejaVu Sans" !important; }
.ph .ph-mono, .ph .ph-code, .ph .ph-code *, .ph .ph-lines *, .ph .ph-log-text {
  font-family: "DejaVu Sans Mono" !important; }
.ph-progress > .ph-progress-foot { visibility: hidden; }
"""


def picture_of(opened, kind):
    taken = opened.find(root(kind)).first.screenshot(animations="disabled")
    return Image.open(io.BytesIO(taken)).convert("RGB")


@pytest.fixture
def still(gallery):
    """The gallery without what moves, and in a font that every machine has."""
    gallery.page.add_style_tag(content=STILL)
    gallery.page.mouse.move(0, 0)
    gallery.page.evaluate("() => document.fonts.ready")
    return gallery


def test_every_view_looks_as_it_did(still):
    seen = []
    for theme in still.both_themes():
        for kind in VIEWS:
            name, now = f"{kind}-{theme}", picture_of(still, kind)
            if RENEWS:
                pictures.keep(now, name)
                continue
            found = pictures.compare(pictures.kept(name), now)
            if found.is_seen:
                drawn = still.screenshots / f"difference-{name}.png"
                found.picture.save(drawn)
                seen.append(f"{name}: {found.share:.2%} {found.sizes}, see {drawn}")
        if theme == "light":
            a_changed_view_is_seen(still)
    assert not seen, "\n".join(seen)


def a_changed_view_is_seen(still):
    """Else the pictures would prove nothing: a colour, a missing part, a new order."""
    view = still.find(".ph-engine").first
    before = picture_of(still, "engine")
    assert not pictures.compare(before, picture_of(still, "engine")).is_seen
    for change, undo in (
        ("e.style.setProperty('--ph-ok', '#8f3fb0')", "e.style = ''"),
        (
            "e.querySelector('.ph-tiles').style.visibility = 'hidden'",
            "e.querySelector('.ph-tiles').style = ''",
        ),
        (
            "e.querySelector('.ph-head').style.flexDirection = 'row-reverse'",
            "e.querySelector('.ph-head').style = ''",
        ),
    ):
        view.evaluate(f"e => {{ {change} }}")
        assert pictures.compare(before, picture_of(still, "engine")).is_seen, change
        view.evaluate(f"e => {{ {undo} }}")


def drawn(text, colour="#116d3a", at=(20, 20)):
    picture = Image.new("RGB", (600, 200), "white")
    ImageDraw.Draw(picture).text(at, text, fill=colour, font_size=24)
    return picture


def test_letters_of_another_build_are_the_same_and_another_word_is_not():
    before = drawn("running, two jets")

    assert not pictures.compare(
        before, drawn("running, two jets", at=(20.4, 20.3))
    ).is_seen
    assert pictures.compare(before, drawn("failed, no jet")).is_seen
    assert pictures.compare(before, drawn("running, two jets", "#b3261e")).is_seen
    assert pictures.compare(before, before.crop((0, 0, 600, 190))).is_seen
