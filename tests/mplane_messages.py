"""Scopes and messages of every kind, for properties of the model and of peers."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import strategies as st

from pilothouse.mplane.model import (
    CORE_URI,
    Crontab,
    When,
    time_future,
    time_now,
    time_past,
)

__all__ = ["definite_scopes", "messages", "moments", "scopes"]

moments = st.datetimes(datetime(1990, 1, 1), datetime(2050, 1, 1))
durations = st.integers(0, 400 * 86400).map(lambda n: timedelta(seconds=n))
positive = st.integers(1, 400 * 86400).map(lambda n: timedelta(seconds=n))
points = st.one_of(st.sampled_from([time_past, time_now, time_future]), moments)


def _field(least, greatest):
    numbers = st.sets(st.integers(least, greatest), min_size=1, max_size=4)
    return st.one_of(
        st.just("*"), numbers.map(lambda each: ",".join(map(str, sorted(each))))
    )


crontabs = st.tuples(
    _field(0, 59),
    _field(0, 59),
    _field(0, 23),
    _field(1, 31),
    _field(0, 7),
    _field(1, 12),
).map(lambda fields: Crontab(" ".join(fields)))


@st.composite
def simple_scopes(draw, starts=points, ends=points, period=None):
    span = draw(st.sampled_from(["point", "duration", "end"]))
    return {
        "a": draw(starts),
        "b": draw(ends) if span == "end" else None,
        "duration": draw(durations) if span == "duration" else None,
        "period": draw(st.one_of(st.none(), durations) if period is None else period),
    }


@st.composite
def repeated_scopes(draw):
    crontab = draw(st.one_of(st.none(), crontabs))
    period = st.none() if crontab else positive
    inner = draw(st.one_of(st.none(), durations))
    return draw(simple_scopes(period=period)) | {
        "repeated": True,
        "crontab": crontab,
        "inner_duration": inner,
        # without a duration an inner scope is not written, and a period in it is lost
        "inner_period": None
        if inner is None
        else draw(st.one_of(st.none(), durations)),
    }


scopes = st.one_of(simple_scopes(), repeated_scopes()).map(lambda parts: When(**parts))
definite_scopes = simple_scopes(starts=moments, ends=moments).map(
    lambda parts: When(**parts)
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).filter(
    lambda text: text != "*"
)
addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
naturals = st.integers(0, 2**80).map(str)
times = moments.map(lambda moment: moment.isoformat(" "))
VALUES = {
    "source.port": naturals,
    "destination.ip4": addresses,
    "measurement.identifier": texts,
    "content.url": texts,
    "cpuload": st.floats(allow_nan=False).map(str),
    "connectivity.ip": st.sampled_from(["True", "False"]),
    "start": times,
    "delay.twoway.icmp.us": naturals,
}
NAMES = sorted(VALUES)


def _values(names):
    return st.fixed_dictionaries({name: VALUES[name] for name in names})


def _constraint(name):
    value = VALUES[name].filter(
        lambda text: (
            "," not in text and " ... " not in text and not text.startswith("[")
        )
    )
    sets = st.lists(value, min_size=1, max_size=3).map(",".join)
    forms = [st.just("*"), sets]
    if name in ("source.port", "start", "delay.twoway.icmp.us"):
        forms.append(st.tuples(value, value).map(" ... ".join))
    whole = st.one_of(*forms)
    if name in ("measurement.identifier", "content.url"):
        whole = whole.filter(lambda text: " ... " not in text and text != "")
    return st.one_of(whole, whole.map("[{}]".format))


def _constraints(names):
    return st.fixed_dictionaries({name: _constraint(name) for name in names})


names = st.lists(st.sampled_from(NAMES), unique=True, max_size=5)
VALUED = ("specification", "receipt", "redemption", "interrupt")
CONSTRAINED = ("capability", "withdrawal")


@st.composite
def _statements(draw):
    kind = draw(st.sampled_from([*VALUED, *CONSTRAINED, "result"]))
    parameters = draw(names)
    columns = draw(names)
    d = {
        kind: draw(st.sampled_from(["measure", "query", "collect", "store", "x"])),
        "version": 1,
        "registry": CORE_URI,
        "when": str(draw(definite_scopes if kind == "result" else scopes)),
    }
    for key in ("label", "link", "export", "token"):
        if draw(st.booleans()):
            d[key] = draw(texts)
    make = _constraints if kind in CONSTRAINED else _values
    if parameters:
        d["parameters"] = draw(make(parameters))
    if metadata := draw(names):
        d["metadata"] = draw(_values(metadata))
    if columns:
        d["results"] = columns
        if kind == "result" and (count := draw(st.integers(0, 3))):
            row = st.tuples(
                *(st.one_of(st.just("*"), VALUES[each]) for each in columns)
            )
            d["resultvalues"] = [list(draw(row)) for _ in range(count)]
    return d


exceptions = st.fixed_dictionaries(
    {"exception": st.one_of(st.none(), texts), "message": texts}
)


def _envelopes(contents):
    return st.fixed_dictionaries(
        {
            "envelope": st.sampled_from(["message", "result", "capability"]),
            "version": st.just(1),
            "contents": st.lists(contents, max_size=3),
        },
        optional={"token": texts, "label": texts, "when": scopes.map(str)},
    )


messages = st.recursive(st.one_of(_statements(), exceptions), _envelopes, max_leaves=4)
"""Messages of every kind, as dictionaries; valid, and not always canonical."""
