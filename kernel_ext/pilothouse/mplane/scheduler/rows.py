"""Rows measured so far, as a result of their own. No I/O."""

from __future__ import annotations

from datetime import datetime

from pilothouse.mplane import model

__all__ = ["completed", "rows_of"]


def rows_of(
    result: model.Result,
    specification: model.Specification,
    *,
    first: int = 0,
    end: int,
    began: datetime,
    now: datetime,
) -> model.Result:
    """Return some rows of a result that its service may still be writing.

    Args:
        result: What the service has so far.
        specification: What it measures.
        first: The first row wanted.
        end: The row behind the last one wanted.
        began: When the service began, for a result without a definite scope.
        now: The time now.
    """
    part = model.Result(specification=specification)
    for name, value in result.parameter_values().items():
        part.set_parameter_value(name, value)
    for name in result.result_column_names():
        column = part.result_column(name)
        for index, value in enumerate(result.result_column(name)[first:end]):
            column[index] = value
    part.set_when(_measured(result, began, now), force=True)
    return part


def completed(
    result: model.Result,
    specification: model.Specification,
    *,
    began: datetime,
    now: datetime,
) -> model.Result:
    """Return what a service returned, with what it may have left out.

    A result says when it was measured; a service that did not say so gets the times
    between which it ran. Token and label are those of the specification.

    Raises:
        ValueError: If it is no valid result of the specification.
    """
    result.set_when(_measured(result, began, now), force=True)
    result.set_token(specification.get_token())
    if result.get_label() is None and specification.get_label() is not None:
        result.set_label(specification.get_label())
    result.validate()
    return result


def _measured(result: model.Result, began: datetime, now: datetime) -> model.When:
    scope = result.when()
    if scope is not None and scope.is_definite():
        return scope
    return model.When(a=began, b=max(now, began))
