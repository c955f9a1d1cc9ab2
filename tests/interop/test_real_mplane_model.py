"""Our messages and scopes beside those of the real model, made at the same moment.

Source: mPlane contract, §8 scenarios 2 and 3. The vectors say what release 0.9.0 did
when they were taken; here it is asked itself, also about scopes and messages made up.
"""

from __future__ import annotations

import json
import random
import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from interop.environments import MPLANE, MPLANE_38, MPLANE_MODEL, BuildError
from pilothouse.mplane import model

pytestmark = pytest.mark.interop

ORACLE = Path(__file__).parent / "peers" / "mplane_oracle.py"
REGISTRIES = Path(model.__file__).parent / "registries"
VECTORS = Path(__file__).parents[1] / "mplane" / "model" / "vectors"
PRELOADED = [REGISTRIES / "core.json", REGISTRIES / "loopback.json"]
SEED = 24


@pytest.fixture(scope="module")
def real_python() -> Path:
    """Any Python that has the real model; the one of its time first."""
    for environment in (MPLANE, MPLANE_38, MPLANE_MODEL):
        try:
            return environment.ready()
        except BuildError:
            continue
    pytest.skip("mPlane interop: no Python for the real model")


@pytest.fixture(autouse=True)
def registries():
    model.forget_registries()
    for file in PRELOADED:
        model.preload_registry(file)
    model.initialize_registry()
    yield
    model.forget_registries()


def told_by(python: Path, asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    done = subprocess.run(
        [python, "-W", "ignore", ORACLE, *PRELOADED],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert not done.returncode, done.stderr[-2000:]
    told: list[dict[str, Any]] = json.loads(done.stdout)
    return told


def statements() -> list[dict[str, Any]]:
    """The statements of the vectors, and around them what the vectors lack."""
    vectors = json.loads((VECTORS / "token.json").read_text())["vectors"]
    found = [
        each["statement"]
        for each in vectors
        if "statement" in each and each["name"] != "other registry uri"
    ]
    label = '\u00b5 \u6f22 \U0001f300 " \\ \x7f\x01'
    found += [{**each, "label": label} for each in found if "label" not in each]
    found.append({"exception": "t", "message": label})
    found.append({"envelope": "message", "version": 1, "contents": found[:4]})
    found.append(
        {
            "envelope": "result",
            "version": 1,
            "label": "l",
            "token": "t",
            "when": "2016-02-18 00:00:00.000000 ... 2016-02-19 00:00:00.000000 / 1m",
            "contents": [],
        }
    )
    return found


def test_messages_are_written_as_the_real_model_writes_them(real_python):
    """Scenario 3: text byte for byte, token, schema hash, repr and rendering."""
    asked = statements()
    told = told_by(real_python, [{"message": each} for each in asked])

    for d, real in zip(asked, told, strict=True):
        made = model.message_from_dict(d)
        if "error" in real:  # it loses what a withdrawal says of single values
            assert "withdrawal" in d, (d, real)
            continue
        # It reads an export as the link.
        if "export" in d:
            assert f'"link": "{d["export"]}"' in real["text"]
            continue
        assert model.unparse_json(made) == real["text"]
        if isinstance(made, model.Statement):
            assert made.get_token() == real["token"]
            assert made.schema_hash() == real["schema"]
            rendered = real["rendered"].rstrip("\n")
            assert model.render(made).rstrip("\n") == rendered
        assert repr(made) == real["repr"]


def scopes(count: int) -> list[str]:
    """Scopes of all forms that both sides read, by chance."""
    chance = random.Random(SEED)
    start = datetime(2014, 1, 1)

    def moment() -> str:
        made = start + timedelta(seconds=chance.randrange(400 * 86400))
        return chance.choice((str(made), "now", str(made)))

    def duration() -> str:
        parts = [(chance.randrange(4), unit) for unit in "dhms"]
        return "".join(f"{n}{unit}" for n, unit in parts if n) or "7s"

    def simple(*, period: bool) -> str:
        span = chance.choice(
            ("", f" + {duration()}", f" ... {moment()}", " ... future")
        )
        return f"{moment()}{span}{f' / {duration()}' if period else ''}"

    def field(least: int, greatest: int) -> str:
        low = chance.randint(least, greatest)
        forms = ("*", str(low), f"{low}-{greatest}", f"{greatest},{low}")
        return chance.choice(forms)

    def crontab() -> str:
        bounds = ((0, 59), (0, 59), (0, 23), (1, 31), (0, 6), (1, 12))
        return " ".join(field(*each) for each in bounds)

    found = []
    for _ in range(count):
        inner = chance.choice(
            ("", f" {{ now + {duration()} }}", f" {{ now + {duration()} / 1s }} ")
        )
        form = chance.randrange(3)
        if form == 0:
            found.append(simple(period=chance.random() < 0.5))
        elif form == 1:
            found.append(f"repeat {simple(period=True)}{inner}")
        else:
            found.append(f"repeat {simple(period=False)} cron {crontab()}{inner}")
    return found


def test_scopes_mean_what_they_mean_to_the_real_model(real_python):
    """Scenario 2, with a thousand scopes more."""
    tzero, t = "2014-06-01 12:00:00", "2014-08-01 00:00:00"
    asked = scopes(1000)
    told = told_by(
        real_python, [{"scope": each, "tzero": tzero, "t": t} for each in asked]
    )

    now, moment = model.parse_time(tzero), model.parse_time(t)
    for text, real in zip(asked, told, strict=True):
        scope = model.When(text)
        start, end = scope.datetimes(now)
        assert "error" not in real, text
        assert str(scope) == real["text"]
        assert (str(start), str(end)) == (real["start"], real["end"]), text
        assert scope.sort_scope(moment, now) == real["order"], text
        assert [
            scope.is_immediate(),
            scope.is_forever(),
            scope.is_past(),
            scope.is_future(),
            scope.is_infinite(),
            scope.is_definite(),
            scope.is_repeated(),
        ] == real["kinds"], text
