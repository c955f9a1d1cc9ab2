"""The information model of mPlane: messages, elements, temporal scopes. No I/O.

    >>> from pilothouse import mplane
    >>> mplane.model.initialize_registry()
    >>> cap = mplane.model.Capability(label="ping", when="now ... future / 1s")
    >>> cap.add_parameter("destination.ip4")
    >>> cap.add_result_column("delay.twoway.icmp.us.mean")

Source: reference document, module ``mplane.model``; all its names are here. What it
may import: `pilothouse.errors`, and pandas when a frame is asked for. The message class
`Exception` hides Python's for whoever imports all names: import the module instead.

The clock is in `model.clock`; registries load from the package, from files that the
program names and from places that it allows (`allow_place`).
"""

from __future__ import annotations

from . import clock
from .constraints import (
    Constraint,
    ListConstraint,
    RangeConstraint,
    SetConstraint,
    constraint_all,
    parse_constraint,
)
from .crontab import Crontab
from .elements import CORE_URI, Element, Metavalue, Parameter, ResultColumn
from .envelope import Envelope
from .errors import MessageError, UnknownElementError
from .exceptions import Exception
from .kinds import (
    VERB_CALLBACK,
    VERB_COLLECT,
    VERB_MEASURE,
    VERB_QUERY,
    VERB_STORE,
    message_from_dict,
)
from .messages import parse_json, parse_yaml, unparse_json, unparse_yaml
from .notifications import (
    BareNotification,
    Interrupt,
    Receipt,
    Redemption,
    StatementNotification,
    Withdrawal,
)
from .primitives import (
    Primitive,
    prim_address,
    prim_boolean,
    prim_natural,
    prim_real,
    prim_string,
    prim_time,
    prim_url,
)
from .registry import (
    Registry,
    allow_place,
    base_registry,
    element,
    forget_registries,
    initialize_registry,
    loaded_registries,
    preload_registry,
    registry_for_uri,
)
from .render import render, render_text
from .statement import Statement
from .statements import Capability, Result, Specification
from .times import (
    TimePoint,
    parse_dur,
    parse_time,
    time_future,
    time_now,
    time_past,
    unparse_dur,
    unparse_time,
)
from .when import When, when_infinite

__all__ = [
    "CORE_URI",
    "VERB_CALLBACK",
    "VERB_COLLECT",
    "VERB_MEASURE",
    "VERB_QUERY",
    "VERB_STORE",
    "BareNotification",
    "Capability",
    "Constraint",
    "Crontab",
    "Element",
    "Envelope",
    "Exception",
    "Interrupt",
    "ListConstraint",
    "MessageError",
    "Metavalue",
    "Parameter",
    "Primitive",
    "RangeConstraint",
    "Receipt",
    "Redemption",
    "Registry",
    "Result",
    "ResultColumn",
    "SetConstraint",
    "Specification",
    "Statement",
    "StatementNotification",
    "TimePoint",
    "UnknownElementError",
    "When",
    "Withdrawal",
    "allow_place",
    "base_registry",
    "clock",
    "constraint_all",
    "element",
    "forget_registries",
    "initialize_registry",
    "loaded_registries",
    "message_from_dict",
    "parse_constraint",
    "parse_dur",
    "parse_json",
    "parse_time",
    "parse_yaml",
    "preload_registry",
    "prim_address",
    "prim_boolean",
    "prim_natural",
    "prim_real",
    "prim_string",
    "prim_time",
    "prim_url",
    "registry_for_uri",
    "render",
    "render_text",
    "time_future",
    "time_now",
    "time_past",
    "unparse_dur",
    "unparse_json",
    "unparse_time",
    "unparse_yaml",
    "when_infinite",
]
