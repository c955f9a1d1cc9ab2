"""The acceptance recipes of the contract: the real SDK and our client, our suite."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from interop.suite_process import SuiteProcess

pytestmark = pytest.mark.interop

PEERS = Path(__file__).parent / "peers"
SCRIPT = PEERS / "recipes.py"
_ENTRY = re.compile(r'^@recipe\ndef (\w+)\(\):\n    """(.*?)"""', re.M | re.S)
_TEXTS = [path.read_text("utf-8") for path in sorted(PEERS.glob("recipes_*.py"))]
RECIPES = dict(_ENTRY.findall("\n".join(_TEXTS)))
UNDER_TLS = ["connect_and_look_around", "attachments", "pneumo_messages", "who_may"]
WITHOUT_PNEUMO = [name for name, text in RECIPES.items() if "Pneumo" not in text]


def follow(python: Path, library: str, suite: SuiteProcess, recipe: str) -> None:
    """Run one recipe in an interpreter; fail with what it and the services said."""
    before = len(suite.said())
    done = subprocess.run(
        [str(python), str(SCRIPT), library, suite.url, suite.token, recipe],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    log = suite.said()[before:]
    assert (done.returncode, done.stdout) == (0, "ok\n"), f"{done.stderr}\n{log}"
    assert "Traceback" not in log, log


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_real_sdk_follows_the_recipe_under_tls(
    recipe: str, real_sdk: Path, suite_of: Callable[[str, str], SuiteProcess]
):
    """All of them, since the real SDK's Pneumo works under TLS only."""
    follow(real_sdk, "fastscore", suite_of("real", "https"), recipe)


@pytest.mark.parametrize("recipe", WITHOUT_PNEUMO)
def test_the_real_sdk_follows_the_recipe_without_tls(
    recipe: str, real_sdk: Path, suite_of: Callable[[str, str], SuiteProcess]
):
    follow(real_sdk, "fastscore", suite_of("real", "http"), recipe)


@pytest.mark.parametrize("recipe", RECIPES)
def test_our_client_follows_the_recipe(
    recipe: str, suite_of: Callable[[str, str], SuiteProcess]
):
    follow(
        Path(sys.executable), "pilothouse.fastscore", suite_of("ours", "http"), recipe
    )


@pytest.mark.parametrize("recipe", UNDER_TLS)
def test_our_client_follows_the_recipe_under_tls(
    recipe: str, suite_of: Callable[[str, str], SuiteProcess]
):
    """A few that use each kind of connection."""
    python = Path(sys.executable)
    follow(python, "pilothouse.fastscore", suite_of("ours", "https"), recipe)
