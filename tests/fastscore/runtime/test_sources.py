"""What can be said about a source without running it."""

import pytest

from pilothouse.fastscore.runtime.sources import (
    ModelSourceError,
    check_source,
    imports_of,
)
from pilothouse.fastscore.wire.annotations import parse_options


def check(source):
    check_source(source, parse_options(source, "python3"))


@pytest.mark.parametrize(
    "source",
    [
        "def action(x): yield x",
        "def action(x, slot): yield x",
        "def action(x, slot, seqno): yield x",
        "def action(x, k=1): yield x",
        "def action(x, *, k=1): yield x",
        "def action(*args): yield args",
        "def action(a, /, b, c=1, *d, e=2, **f): pass",
        "action = lambda x: x",
        "a, action = 1, print",
        "[action] = [print]",
        "action: object = print",
        "(action := print)",
        "class action: pass",
        "from m import score as action",
        "import action",
        "from m import *",
        "if True:\n    def action(x): pass",
        "try:\n    pass\nexcept ValueError:\n    def action(x): pass",
        "try:\n    pass\nfinally:\n    action = 1",
        "for action in [print]: pass",
        "with open('x') as action: pass",
        "@wrapped\ndef action(a, b, c, d, e): pass",
        "# fastscore.action: model.score\nmodel = 3",
        "# fastscore.slot.0: unused\n",
        "# fastscore.action: unused\n",
        "# fastscore.action.0: score\ndef score(x): pass",
        "raise RuntimeError('this must not run')\ndef action(x): pass",
    ],
)
def test_a_model_that_may_work_passes(source):
    check(source)


@pytest.mark.parametrize(
    ("source", "text", "line"),
    [
        ("def action(x)", "SyntaxError", 1),
        ("x = 1\n\ndef action(x):\nyield x", "IndentationError", 4),
        ("x = '\0'", "null bytes", None),
        ("", "no function 'action' for input slot 0", None),
        ("def f():\n    def action(x): pass", "no function 'action'", None),
        ("class A:\n    def action(x): pass", "no function 'action'", None),
        ("print('action')", "no function 'action'", None),
        (
            "# fastscore.slot.2: in-use\n# fastscore.action.2: f\ndef action(x): 1",
            "'f'",
            None,
        ),
        ("\ndef action(): pass", "takes no argument", 2),
        ("def action(*, x): pass", "takes no argument", 1),
        ("def action(x, *, y): pass", "keyword arguments", 1),
        ("def action(a, b, c, d): pass", "needs 4 arguments", 1),
        ("async def action(x): pass", "must not be async", 1),
    ],
)
def test_a_model_that_cannot_work_is_refused_with_its_line(source, text, line):
    with pytest.raises(ModelSourceError, match=text) as caught:
        check(source)
    assert caught.value.line == line
    if line is not None:
        assert caught.value.text == source.splitlines()[line - 1].strip()
        assert f"(line {line})" in str(caught.value)


def test_warnings_of_a_model_are_its_own_affair():
    check("def action(x):\n    return x is 1 or '\\d'")


def test_nesting_without_end_is_refused():
    with pytest.raises(ModelSourceError):
        check("(" * 10_000 + ")" * 10_000)


@pytest.mark.parametrize(
    ("source", "libraries"),
    [
        ("import numpy", {"numpy"}),
        ("import numpy.linalg as la, pandas", {"numpy", "pandas"}),
        ("from sklearn.tree import x", {"sklearn"}),
        ("def f():\n    import torch", {"torch"}),
        ("try:\n    import a\nexcept ImportError:\n    import b", {"a", "b"}),
        ("import os, json\nfrom collections import abc", set()),
        ("import fastscore\nfrom fastscore.io import Slot", set()),
        ("from __future__ import annotations", set()),
        ("from . import x\nfrom .y import z", set()),
        ("'import numpy'\n# import numpy", set()),
        ("", set()),
    ],
)
def test_imports_are_found(source, libraries):
    assert imports_of(source) == libraries


def test_imports_of_what_is_no_python_are_refused():
    with pytest.raises(ModelSourceError):
        imports_of("import")
