"""What the README says can be pasted is pasted here, as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def blocks(heading: str, language: str) -> list[str]:
    """Return the blocks of code below a heading, whole."""
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def env(jupyter_home):
    return jupyter_home("readme")


def test_the_ten_lines_work_as_pasted(env, execute, tmp_path):
    sources = blocks("Ten lines that work as pasted", "(?:python)?")[:-1]
    assert len(sources) == 4
    cells = [nbformat.v4.new_code_cell(source.rstrip()) for source in sources]
    path = tmp_path / "ten.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)

    (*_, result) = execute(path, env, tmp_path).cells[-1].outputs

    assert re.findall(r"\b(1|8|27)(?:\.0)?\b", result.data["text/plain"])[-3:] == [
        *("1", "8", "27")
    ]


def test_the_script_works_as_pasted(env, tmp_path):
    script = blocks("Ten lines that work as pasted", "python")[-1]

    ran = subprocess.run(
        [sys.executable, "-c", script],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=110,
    )

    assert ran.stderr == ""
    assert re.findall(r"\b\d+\b", ran.stdout) == ["1", "8", "27"]


def test_every_word_of_the_command_is_one(env):
    lines = re.findall(r"^    pilothouse (\w+)", README, re.MULTILINE)
    assert len(lines) >= 4

    for word in lines:
        asked = [sys.executable, "-m", "pilothouse", word, "--help"]
        subprocess.run(asked, env=env, check=True, capture_output=True, timeout=60)


def test_every_command_of_make_is_one():
    makefile = (Path(__file__).parents[2] / "Makefile").read_text(encoding="utf-8")

    for target in re.findall(r"`?make (\w+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
