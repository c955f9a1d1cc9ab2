"""From a capability to a specification, from what was saved to a receipt. No I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pilothouse.mplane import model

__all__ = ["receipt_from", "specified"]


def specified(
    capability: model.Capability,
    when: model.When | str | None,
    params: Mapping[str, object] | None,
    *,
    is_strict: bool,
) -> model.Specification:
    """Return a specification with a token of its own, and the capability's label.

    Args:
        capability: What is asked for.
        when: Temporal scope; None: now.
        params: Values by name.
        is_strict: Refuse values for parameters that are not there, or that can only
            have another value.

    Raises:
        KeyError: If a value is missing, or `is_strict` and there is no such parameter.
        ValueError: If scope or values do not meet the capability.
    """
    specification = model.Specification(capability=capability)
    specification.set_when(_now_for(capability) if when is None else when)
    values = dict(params or {})
    for name in specification.parameter_names():
        is_open = specification.get_parameter_value(name) is None
        if name in values and (is_open or is_strict):
            parameter = specification.parameter(name)
            if is_strict and (why := parameter.why_not(values[name])):
                raise ValueError(f"{name}: {why}")
            specification.set_parameter_value(name, values[name])
        elif is_open:
            raise KeyError(f"missing parameter {name}")
    unknown = [name for name in values if not specification.has_parameter(name)]
    if unknown and is_strict:
        known = ", ".join(specification.parameter_names())
        raise KeyError(f"no parameter {unknown[0]}; there is {known or 'none'}")
    specification.retoken()
    specification.get_token()
    return specification


def receipt_from(
    source: str | bytes | Mapping[str, Any] | model.Receipt,
) -> tuple[model.Receipt, datetime | None]:
    """Return a receipt and when it was asked for, from what a handle has saved.

    Raises:
        ValueError: If it is no receipt.
    """
    if isinstance(source, model.Receipt):
        return source, None
    saved = json.loads(source) if isinstance(source, str | bytes) else source
    receipt = model.message_from_dict(dict(saved))
    if not isinstance(receipt, model.Receipt):
        raise ValueError(f"a receipt is needed, not {receipt!r}")  # noqa: TRY004
    asked = saved.get("asked")
    point = model.parse_time(asked) if isinstance(asked, str) else None
    return receipt, point if isinstance(point, datetime) else None


def _now_for(capability: model.Capability) -> model.When:
    """Return the scope ``now``, if the capability takes it.

    Raises:
        ValueError: If it does not.
    """
    now, offered = model.When("now"), capability.when()
    if offered is not None and not now.follows(offered):
        period = offered.period()
        such = f"now + 10s / {model.unparse_dur(period)}" if period else str(offered)
        raise ValueError(
            f"{capability.get_label() or capability.get_token()} needs a scope "
            f"that follows {offered}, for instance {such!r}"
        )
    return now
