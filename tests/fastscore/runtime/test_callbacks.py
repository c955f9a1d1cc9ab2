"""Callback models: begin, action, end; what goes out where."""

import pickle
import sys
import textwrap

import pytest

from pilothouse.fastscore.runtime.callbacks import (
    CallbackModel,
    ModelFailure,
    ModelSourceError,
    OutputError,
)
from pilothouse.fastscore.runtime.tracebacks import lines_of, traceback_of
from pilothouse.fastscore.wire.annotations import parse_options


def model(source, name="scorer"):
    source = textwrap.dedent(source)
    options = parse_options(source, "python3")
    return CallbackModel.load(source, name=name, options=options)


def run(made, values, slot=0):
    return list(made.call_batch(slot, values, 1).items())


@pytest.mark.parametrize(
    ("body", "outputs"),
    [
        ("def action(x):\n    yield x * 2", [2, 4, 6]),
        ("def action(x):\n    return x * 2", [2, 4, 6]),
        ("action = lambda x: x * 2", [2, 4, 6]),
        ("def action(x):\n    yield x\n    yield -x", [1, -1, 2, -2, 3, -3]),
        ("def action(x):\n    if x > 1:\n        yield x", [2, 3]),
        ("def action(x):\n    if x > 1:\n        return x", [2, 3]),
        ("def action(x):\n    pass", []),
        ("def action(x):\n    return (y for y in (x, x))", [1, 1, 2, 2, 3, 3]),
        ("def action(x):\n    return 0", [0, 0, 0]),
        ("def action(x):\n    yield None", [None, None, None]),
        ("def action(x):\n    yield (1, x)", [1, 2, 3]),
        ("def action(x):\n    return (1, x)", [1, 2, 3]),
        ("def action(x):\n    yield [1, x]", [[1, 1], [1, 2], [1, 3]]),
        ("def action(x):\n    yield (1, 2, x)", [(1, 2, 1), (1, 2, 2), (1, 2, 3)]),
        ("def action(x, slot):\n    yield [x, slot]", [[1, 0], [2, 0], [3, 0]]),
        ("def action(x, s, n):\n    yield n", [1, 2, 3]),
        ("def action(x, s=7, n=8):\n    yield s", [7, 7, 7]),
        ("def action(x, s, n=8):\n    yield n", [8, 8, 8]),
        ("def action(*args):\n    yield len(args)", [3, 3, 3]),
        ("def action(x, *rest):\n    yield len(rest)", [0, 0, 0]),
        (
            "class A:\n    def __call__(self, x):\n        yield x\naction = A()",
            [1, 2, 3],
        ),
        ("from operator import neg as action", [-1, -2, -3]),
        ("import builtins\naction = builtins.str", ["1", "2", "3"]),
    ],
)
def test_what_an_action_yields_or_returns_goes_to_slot_1(body, outputs):
    made = model(body)
    assert made.call_batch(0, [1, 2, 3], 1) == {1: outputs}
    one_by_one = [
        item for seqno, x in enumerate([1, 2, 3], 1) for item in made.call(0, x, seqno)
    ]
    assert one_by_one == [(1, output) for output in outputs]


def test_seqno_goes_on_from_batch_to_batch():
    made = model("def action(x, slot, seqno): yield seqno")
    assert made.call_batch(0, "ab", 1) == {1: [1, 2]}
    assert made.call_batch(0, "cd", 3) == {1: [3, 4]}


def test_each_slot_has_its_action_and_outputs_are_routed():
    made = model(
        """
        # fastscore.action.0: score
        # fastscore.action.2: learn
        # fastscore.slot.3: in-use
        def score(x):
            yield x
            yield (3, -x)
        def learn(x, slot):
            yield (3, slot)
        """
    )
    assert made.call_batch(0, [1, 2], 1) == {1: [1, 2], 3: [-1, -2]}
    assert made.call_batch(2, [1], 1) == {1: [], 3: [2]}


def test_an_action_may_be_a_method():
    made = model(
        """
        # fastscore.action: scorer.score
        class Scorer:
            def score(self, x):
                yield x + 1
        scorer = Scorer()
        """
    )
    assert made.call_batch(0, [1], 1) == {1: [2]}


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ("(3, x)", "output to slot 3; output slots in use: 1"),
        ("(0, x)", "output to slot 0"),
        ("(-1, x)", "output to slot -1"),
        ("('a', x)", "'a' is no slot"),
        ("(True, x)", "True is no slot"),
        ("(1.0, x)", "1.0 is no slot"),
    ],
)
@pytest.mark.parametrize("word", ["yield", "return"])
def test_a_pair_is_never_data(item, text, word):
    made = model(f"def action(x):\n    {word} {item}")
    with pytest.raises(ModelFailure) as caught:
        made.call_batch(0, [1], 1)
    assert isinstance(caught.value.__cause__, OutputError)
    assert text in str(caught.value.__cause__)
    with pytest.raises(OutputError):
        list(made.call(0, 1, 1))


def test_a_sink_must_put_nothing_out():
    made = model("# fastscore.slot.1: unused\ndef action(x):\n    yield x")
    with pytest.raises(ModelFailure) as caught:
        made.call_batch(0, [1], 1)
    assert "output slots in use: none" in str(caught.value.__cause__)
    silent = model("# fastscore.slot.1: unused\ndef action(x):\n    pass")
    assert silent.call_batch(0, [1], 1) == {}


def test_begin_comes_once_before_data_and_end_after():
    made = model(
        """
        log = ["body"]
        def begin():
            log.append("begin")
            yield 1
        def action(x):
            log.append(x)
        def end():
            log.append("end")
            return 2
        """
    )
    made.begin()
    made.call_batch(0, [1, 2], 1)
    made.end()
    assert made.namespace["log"] == ["body", "begin", 1, 2, "end"]


def test_begin_and_end_are_optional():
    made = model("begin = 3\ndef action(x): yield x")
    made.begin()
    made.end()


def test_a_failure_says_which_record_and_keeps_what_came_before():
    source = "def action(x):\n    y = 1 / x\n    yield y\n"
    made = model(source)
    with pytest.raises(ModelFailure) as caught:
        made.call_batch(0, [1, 2, 0, 4], 1)
    assert caught.value.index == 2
    assert caught.value.outputs == {1: [1.0, 0.5]}
    cause = caught.value.__cause__
    assert isinstance(cause, ZeroDivisionError)
    assert lines_of(cause, "<model scorer>") == (2,)


def test_the_traceback_has_the_lines_of_the_model_only():
    source = textwrap.dedent(
        """
        import json
        def inner(x):
            return json.loads(x)
        def action(x):
            try:
                yield inner(x)
            except ValueError as exc:
                raise KeyError("no") from exc
        """
    ).lstrip()
    made = model(source)
    with pytest.raises(ModelFailure) as caught:
        made.call_batch(0, ["{"], 1)
    text = traceback_of(caught.value.__cause__, source, "<model scorer>")
    assert 'File "<model scorer>", line 3, in inner\n    return json.loads(x)' in text
    assert 'File "<model scorer>", line 8, in action\n    raise KeyError("no")' in text
    assert "json.decoder.JSONDecodeError" in text
    assert text.endswith("KeyError: 'no'\n")
    assert "site-packages" not in text
    assert "callbacks.py" not in text
    assert "/json/" not in text


def test_exceptions_in_groups_are_cut_too():
    source = "def action(x):\n    raise ExceptionGroup('several', [ValueError(x)])\n"
    with pytest.raises(ModelFailure) as caught:
        model(source).call_batch(0, [1], 1)
    text = traceback_of(caught.value.__cause__, source, "<model scorer>")
    assert "callbacks.py" not in text
    assert "ValueError: 1" in text


@pytest.mark.parametrize(
    ("source", "text", "line"),
    [
        ("def action(x)\n    yield x", "SyntaxError", 1),
        ("x = 1\n  y = 2", "IndentationError", 2),
        ("def action(x):\n    yield x\nreturn 3", "SyntaxError", 3),
        ("x = '", "SyntaxError", 1),
        ("x = 1\0", "null bytes", None),
        ("", "no function 'action' for input slot 0", None),
        ("action = 3", "no function 'action' for input slot 0", None),
        ("def score(x): pass", "no function 'action' for input slot 0", None),
        ("# fastscore.action.2: f\ndef action(x): pass", "'f' for input slot 2", None),
        ("# fastscore.action: a.b\nclass a: pass", "'a.b' for input slot 0", None),
        ("def action(): pass", "takes no argument", None),
        ("def action(a, b, c, d): pass", "needs 4 arguments", None),
        ("async def action(x): pass", "must not be async", None),
    ],
)
def test_a_model_that_cannot_be_loaded_is_refused(source, text, line):
    with pytest.raises(ModelSourceError, match=text) as caught:
        model(source)
    assert caught.value.line == line


def test_what_the_body_raises_comes_through():
    with pytest.raises(ZeroDivisionError):
        model("1 / 0\ndef action(x): yield x")


def test_a_model_is_no_script():
    made = model(
        "name = __name__\nfile = __file__\ndef action(x): yield x", name="my m"
    )
    assert made.namespace["name"] == "__model_my_m__"
    assert made.namespace["file"] == "<model my m>"


def test_classes_of_a_model_can_be_pickled_and_have_string_annotations():
    made = model(
        """
        from __future__ import annotations
        from dataclasses import dataclass
        @dataclass
        class Point:
            x: int
        def action(x):
            yield Point(x)
        """
    )
    (point,) = made.call_batch(0, [3], 1)[1]
    assert pickle.loads(pickle.dumps(point)) == point
    assert type(point).__module__ in sys.modules


def test_two_models_do_not_share_globals():
    one = model("k = 1\ndef action(x): yield k", name="one")
    two = model("k = 2\ndef action(x): yield k", name="two")
    assert one.call_batch(0, [0], 1) == {1: [1]}
    assert two.call_batch(0, [0], 1) == {1: [2]}


def test_our_own_future_imports_do_not_leak_into_a_model():
    made = model("def f(x: 1 + 1): pass\nkind = f.__annotations__['x']\naction = f")
    assert made.namespace["kind"] == 2


def test_warnings_of_a_model_are_its_own_affair():
    made = model("def action(x):\n    return x is 1 or '\\d'")
    assert made.call_batch(0, [2], 1) == {1: ["\\d"]}


def test_lines_are_counted_as_python_counts_them():
    source = "x = '\u2028'\r\n\f\r\ndef action(x):\r\n    return 1 / x\r\n"
    with pytest.raises(ModelFailure) as caught:
        model(source).call_batch(0, [0], 1)
    text = traceback_of(caught.value.__cause__, source, "<model scorer>")
    assert "line 4, in action\n    return 1 / x\n" in text
