import re

import pytest

from pilothouse_widgets import assets

ENTRIES = [
    *("chart", "table", "progress", "run", "engine", "console", "inspector"),
    *("form", "measurement", "capabilities", "instances", "dashboard", "flow"),
    "front_end",
]


@pytest.mark.parametrize("name", ENTRIES)
def test_a_linked_module_stands_alone(name):
    source = assets.module(f"{name}.js")

    assert not re.search(r"^import\b", source, re.M)
    assert len(re.findall(r"^export\b", source, re.M)) == 1
    assert "export default" in source


def test_each_module_is_linked_once():
    assert assets.module("engine.js").count("const dom_js = ") == 1


def test_no_module_parses_markup_or_asks_another_host():
    """Remote text is text; nothing is loaded from anywhere."""
    for path in assets.STATIC.glob("*.js"):
        source = path.read_text()
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "eval("):
            assert word not in source, (path.name, word)
        asks = "fetch(" in source
        assert asks == (path.name == "front_end.js"), path.name
        assert not asks or "place.origin !== window.location.origin" in source
        urls = set(re.findall(r"https?://[^\s\"']+", source))
        assert urls <= {"http://www.w3.org/2000/svg"}, path.name
    assert "url(" not in assets.stylesheet()
    assert "@import" not in assets.stylesheet()


def test_every_file_is_used():
    linked = "".join(assets.module(f"{name}.js") for name in ENTRIES)
    for path in assets.STATIC.glob("*.js"):
        if path.stem not in ENTRIES:
            assert f"const {path.stem}_js = " in linked


def test_a_ring_of_modules_is_refused(tmp_path, monkeypatch):
    (tmp_path / "a.js").write_text('import { b } from "./b.js";\nexport const a = 1;\n')
    (tmp_path / "b.js").write_text('import { a } from "./a.js";\nexport const b = 1;\n')
    monkeypatch.setattr(assets, "STATIC", tmp_path)

    with pytest.raises(ValueError, match=r"a\.js -> b\.js -> a\.js"):
        assets.module("a.js")


def contrast(one, two):
    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [
            p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    bright, dark = sorted((luminance(one), luminance(two)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(
    ("theme", "surface"),
    [(r"\.ph \{", "#ffffff"), (r"\.ph\[data-theme=\"dark\"\] \{", "#212121")],
    ids=["light", "dark"],
)
def test_accents_can_be_read_on_the_surface(theme, surface):
    """At least 4.5 for text, 3 for lines, on JupyterLab's own surfaces."""
    block = re.search(theme + r"(.*?)\n\}", assets.stylesheet(), re.S).group(1)
    colours = dict(re.findall(r"--ph-([\w-]+): (#[0-9a-f]{6});", block))

    for name in ("muted", "ok", "warn", "bad", "done", "idle", "focus"):
        assert contrast(colours[name], surface) >= 4.5, name
    for i in range(1, 9):
        assert contrast(colours[f"series-{i}"], surface) >= 3, i
