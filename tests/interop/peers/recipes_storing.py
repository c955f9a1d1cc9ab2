"""Recipes about Connect and Model Manage: what is kept, and who may ask.

Source: FastScore contract, §12; the docstrings hold its numbers.
"""

from __future__ import annotations

import base64
import subprocess
import sys
import urllib.parse
from pathlib import Path

from steps import (
    ECHO,
    LIBRARY_NAME,
    SUITE,
    TOKEN,
    URL,
    Model,
    Schema,
    Sensor,
    Stream,
    connected,
    next_output,
    recipe,
    refused,
    run,
    services,
)


@recipe
def connect_and_look_around():
    """1."""
    c = connected()
    assert c.check_health().release
    fleet = c.fleet()
    apis = [instance.api for instance in fleet]
    assert apis.count("model-manage") == 1, apis
    assert apis.count("engine") >= 1, apis
    assert {instance.health for instance in fleet} == {"ok"}
    first = next(instance.name for instance in fleet if instance.api == "engine")
    assert c.lookup("engine").name == first
    assert c.get(first) is c.get(first)
    with refused("not found"):
        c.get("nope")
    with refused("url"):
        SUITE.Connect("localhost:8000")
    assert c.get_swagger()["swagger"] == "2.0"


@recipe
def configure():
    """2; needs a suite that was never configured."""
    c = connected()
    config = {"fastscore": {"fleet": []}, "db": {"type": "mysql", "port": 3306}}
    assert c.get_config() is None
    assert c.configure(config) is False
    assert c.configure(config) is True
    assert c.get_config() == config
    assert c.get_config("db") == config["db"]
    assert c.get_config("zzz") is None
    with refused("dict"):
        c.configure([])


@recipe
def prefer_target_dump_and_load():
    """3."""
    c = connected()
    c.prefer("engine", "engine-2")
    assert c.lookup("engine").name == "engine-2"
    c.target = c.get("engine-1")
    assert c.lookup("engine").name == "engine-1"
    savefile = str(Path("saved").absolute())
    c.dump(savefile)
    command = [sys.executable, sys.argv[0], LIBRARY_NAME, URL, TOKEN, "-load", savefile]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told.split() == ["engine-1", "engine-1"], told


def tell_loaded(savefile):
    """Say what a process finds that loads the file: the target, and the preferred."""
    c = SUITE.Connect.load(savefile)
    assert c.check_health().release
    sys.stdout.write(f"{c.target.name} {c.lookup('engine').name}\n")


@recipe
def models_saved_read_and_deleted():
    """4."""
    _, mm, _ = services()
    source = "# Größe, 尺寸, ∑\n" + ECHO
    assert Model("crud", "python3", source).update(mm) is False
    assert Model("crud", "python3", source).update(mm) is True
    assert Model("crud-r", "R", "action <- function(x) emit(x)\n").update(mm) is False
    assert {"crud", "crud-r"} <= set(mm.models.names())
    assert mm.models["crud"].source == source
    assert mm.models["crud"].mtype == "python3"
    kinds = {model.name: model.mtype for model in mm.models}
    assert (kinds["crud"], kinds["crud-r"]) == ("python3", "R")
    with refused("update()"):
        mm.models["crud"] = Model("crud")
    del mm.models["crud"], mm.models["crud-r"]
    with refused("not found"):
        mm.models["crud"]
    with refused("not found"):
        del mm.models["crud"]


@recipe
def schemas_streams_and_sensors_saved_read_and_deleted():
    """5."""
    _, mm, _ = services()
    assert mm.schemata is mm.schemas
    given_and_read = [
        ({"type": "array", "items": "int"}, {"type": "array", "items": "int"}),
        ('{"type": "string"}', {"type": "string"}),
        ("int", "int"),
    ]
    for given, read in given_and_read:
        assert Schema("a b/c", given).update(mm) is False
        assert Schema("a b/c", given).update(mm) is True
        assert mm.schemata["a b/c"].source == read
        del mm.schemata["a b/c"]
    for bag, make, text in (
        (mm.streams, Stream, "stream"),
        (mm.sensors, Sensor, "sensor"),
    ):
        described = {"Transport": "REST", "Tap": "sys.memory", "n": [1, {"é": None}]}
        assert make("crud", described).update(mm) is False
        assert make("crud", described).update(mm) is True
        assert bag.names() == ["crud"]
        assert [item.name for item in bag] == ["crud"]
        assert bag["crud"].desc == described
        with refused("update()"):
            bag["crud"] = make("crud")
        del bag["crud"]
        with refused(text, "not found"):
            bag["crud"]
        with refused(text, "not found"):
            del bag["crud"]


@recipe
def policies():
    """23."""
    _, _, e = services()
    assert isinstance(e.policy.get("import", "python"), str)
    e.policy.set("import", "python3", "numpy: install\n")
    assert e.policy.get("import", "python3") == "numpy: install\n"
    e.policy.set("import", "python3", "json: ok\n", True)
    with refused():
        e.policy.set("import", "python3", "json: ok\n", True)
    with refused("import"):
        e.policy.set("export", "python3", "")


@recipe
def who_may():
    """24; needs Pneumo."""
    c = SUITE.Connect(URL)
    with refused("401"):
        c.check_health()
    with refused():
        c.pneumo.socket()
    with refused("access denied"):
        c.ldap_login("pilothouse", "not the password")
    c.ldap_login("pilothouse", TOKEN)
    assert c.check_health().release
    e = c.get("engine-1")
    e.reset()
    pair = f"{urllib.parse.quote('pilothouse')}:{urllib.parse.quote(TOKEN)}"
    c.set_basic_auth_secret("Basic " + base64.b64encode(pair.encode()).decode())
    run(e, ECHO)
    e.input("1", 0)
    assert next_output(e) == b"1"
    assert e.roundtrip(b"2", timeout=60_000) == b"2"
    c.pneumo.socket().close()
