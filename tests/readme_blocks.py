"""The README's blocks of code, as they stand."""

import re
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def blocks(heading: str, language: str) -> list[str]:
    """Return the blocks of code below a heading, whole."""
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


def scripts() -> list[str]:
    """Return the blocks that are plain scripts: they import, and have no magic."""
    found = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return [block for block in found if block.startswith("import ")]
