"""axe-core in a page: what a person with other eyes, ears or hands could not use.

The script is not kept here. The first use fetches the package at the version below from
whatever index ``npm`` is configured for, holds it against the digest below, and keeps
it in ``.venvs/``, which git ignores; later uses are offline.
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
import tarfile
import tempfile
from pathlib import Path

from playwright.sync_api import Page

__all__ = ["source", "violations"]

PACKAGE = "axe-core@4.14.1"
SHA512 = (
    "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASy"
    "FNNtuFooJpZe37OgudVGtQ=="
)
KEPT = Path(__file__).parents[2] / ".venvs" / f"{PACKAGE}.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]

#: Ids that two elements share are only doubted, yet a label then names the wrong one.
DOUBTS = ["duplicate-id-aria"]

# JupyterLab's <body> clips and has no height: by the rules no text would be visible.
RUN = """
async ([selector, rules, doubts]) => {
  const body = document.body.style.overflow;
  document.body.style.overflow = 'visible';
  const found = await axe.run(
    {include: [selector]}, {runOnly: {type: 'tag', values: rules}});
  document.body.style.overflow = body;
  const doubted = found.incomplete.filter((rule) => doubts.includes(rule.id));
  return [...found.violations, ...doubted].flatMap((rule) => rule.nodes.map((node) =>
    `${rule.id}: ${node.target.join(' ')}: ${node.html.slice(0, 160)}: `
    + node.failureSummary.split('\\n').slice(1).join(';').trim()));
}
"""


def source() -> str:
    """Return the script, fetched at the first use."""
    if not KEPT.is_file():
        KEPT.parent.mkdir(exist_ok=True)
        partial = KEPT.with_suffix(".partial")
        partial.write_bytes(_fetched())
        partial.replace(KEPT)
    return KEPT.read_text(encoding="utf-8")


def _fetched() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        asked = ["npm", "pack", "--silent", "--pack-destination", folder, PACKAGE]
        subprocess.run(asked, check=True, cwd=folder, capture_output=True, timeout=120)
        (packed,) = Path(folder).glob("*.tgz")
        digest = base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode()
        assert digest == SHA512, f"{PACKAGE} is not what it was: {digest}"
        with tarfile.open(packed) as archive:
            script = archive.extractfile("package/axe.min.js")
            assert script is not None
            return script.read()


def violations(page: Page, selector: str) -> list[str]:
    """Return what breaks WCAG 2.2, level A or AA, in the elements of a selector."""
    if not page.evaluate("() => 'axe' in window"):
        page.add_script_tag(content=source())
    found: list[str] = page.evaluate(RUN, [selector, RULES, DOUBTS])
    return found
