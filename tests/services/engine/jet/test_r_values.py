"""Values as expressions of R."""

import pandas as pd
import pytest

from pilothouse.services.fastscore.engine.jet.r_values import r_expression


@pytest.mark.parametrize(
    ("value", "expression"),
    [
        (None, "NULL"),
        (True, "TRUE"),
        (3, "3"),
        (2.5, "2.5"),
        (float("inf"), "Inf"),
        (float("nan"), "NaN"),
        ('a"\\b\n', '"a\\"\\\\b\\U{a}"'),
        ("\u00e9\U0001f600", '"\\U{e9}\\U{1f600}"'),
        (b"\xff", '"\\U{ff}"'),
        ([1, 2.5], "c(1,2.5)"),
        (["a"], 'c("a")'),
        ([1, "a"], 'list(1,"a")'),
        ([], "list()"),
        ([None, 1], "list(NULL,1)"),
        ({"a b": 1, "c": [True]}, 'list("a b"=1,"c"=c(TRUE))'),
        (
            pd.DataFrame({"x": [1, 2]}),
            'data.frame("x"=c(1,2),check.names=FALSE)',
        ),
    ],
    ids=repr,
)
def test_a_value_has_its_expression(value, expression):
    assert r_expression(value) == expression


def test_a_value_that_r_does_not_have_is_refused():
    with pytest.raises(TypeError, match="object"):
        r_expression(object())
