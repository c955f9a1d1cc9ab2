"""Recipes about models on an engine: pipelines, attachments, state.

Source: FastScore contract, §12; the docstrings hold its numbers.
"""

from __future__ import annotations

import base64
import json
import os
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from steps import (
    CHUNKED,
    COUNTER,
    CUBE,
    ECHO,
    IS_REAL,
    LIBRARY,
    REST,
    Model,
    Schema,
    Stream,
    attach,
    lines_of,
    load,
    next_output,
    recipe,
    refused,
    run,
    services,
    state_is,
    streams,
    until,
)


@recipe
def echo_over_rest():
    """6."""
    _, _, e = services()
    load(e, ECHO)
    attach(e, 0, REST)
    assert e.state == "INIT"
    attach(e, 1, REST)
    state_is(e, "RUNNING")
    assert e.output(1) is None
    e.input("1", 0)
    assert next_output(e) == b"1"
    assert sorted(streams(e)) == [0, 1]
    assert streams(e)[0].descriptor["Transport"] == "REST"
    assert len(e.active_model.jets) == 1
    assert e.active_model.source == ECHO


@recipe
def attach_first_then_load():
    """7."""
    _, _, e = services()
    attach(e, 0, REST)
    attach(e, 1, REST)
    assert e.state == "INIT"
    load(e, ECHO)
    state_is(e, "RUNNING")
    with refused():
        streams(e)[0].detach()
    with refused():
        e.unload_model()
    attach(e, 0, REST)
    assert sorted(streams(e)) == [0, 1]
    e.input("2", 0)
    assert next_output(e) == b"2"


@recipe
def batch_to_the_end():
    """8."""
    _, _, e = services()
    path = str(Path("cubes.json").absolute())
    load(e, CUBE)
    Stream.expand("inline:1,2,3").attach(e, 0)
    file = {"Transport": {"Type": "file", "Path": path}, "Encoding": "json"}
    attach(e, 1, {**file, "Loop": False})
    state_is(e, "FINISHED")
    assert lines_of(path) == ["1", "8", "27"]
    with refused():
        load(e, CUBE)
    e.reset()
    assert e.state == "INIT"
    assert e.active_model is None
    assert not streams(e)


@recipe
def four_slots():
    """9."""
    _, mm, e = services()
    Schema("nine-int", "int").update(mm)
    source = """\
# fastscore.schema.0: nine-int
# fastscore.schema.2: nine-int
# fastscore.schema.1: nine-int
# fastscore.slot.3: in-use
# fastscore.action.0: left
# fastscore.action.2: right

def left(x):
    yield x + 1

def right(x):
    yield (3, x * 10)
"""
    load(e, source)
    for slot in (0, 1, 2):
        attach(e, slot, REST)
        assert e.state == "INIT", slot
    attach(e, 3, REST)
    state_is(e, "RUNNING")
    e.input("1", 0)
    e.input("2", 2)
    assert next_output(e, 1) == b"2"
    assert next_output(e, 3) == b"20"


@recipe
def paused_and_going_on():
    """13."""
    _, _, e = services()
    e.pause()
    load(e, ECHO)
    attach(e, 0, REST)
    attach(e, 1, REST)
    state_is(e, "PAUSED")
    e.input("5", 0)
    assert e.output(1) is None
    e.unpause()
    state_is(e, "RUNNING")
    assert next_output(e) == b"5"
    e.pause()
    state_is(e, "PAUSED")
    e.reset()
    load(e, ECHO)
    Stream.expand("inline:1").attach(e, 0)
    Stream.expand("discard:").attach(e, 1)
    state_is(e, "FINISHED")
    e.pause()
    assert e.state == "FINISHED"


@recipe
def scaled():
    """14."""
    _, _, e = services()
    e.scale(3)
    run(e, COUNTER, CHUNKED)
    until(lambda: len(e.active_model.jets), 3)
    assert all(jet.sandbox.isdigit() for jet in e.active_model.jets)
    e.input("\n".join(["1"] * 3000) + "\n", 0)
    told = []
    while len(told) < 3000:
        told += [int(line) for line in next_output(e).split()]
    assert max(told) == 3000
    e.scale(1)
    until(lambda: len(e.active_model.jets), 1)
    e.input("1\n", 0)
    assert next_output(e) == b"3001\n"
    e.scale(0)
    until(lambda: len(e.active_model.jets), 0)
    assert e.state == "RUNNING"
    e.input("1\n", 0)
    assert e.output(1) is None
    e.scale(1)
    assert next_output(e) == b"3002\n"


@recipe
def attachments():
    """15."""
    _, mm, e = services()
    source = """\
words = open("words.txt").read().split()

def action(x):
    yield words[x]
"""
    with zipfile.ZipFile("words.zip", "w") as archive:
        archive.writestr("words.txt", "zero one two")
    Path("words.txt").write_text("null eins zwei", "utf-8")
    with tarfile.open("more.tar.gz", "w:gz") as archive:
        archive.add("words.txt")
    model = Model("with-words", "python3", source, mm)
    model.update()
    for name in ("words.zip", "more.tar.gz"):
        LIBRARY.Attachment(name, datafile=name).upload(model)
    assert sorted(model.attachments.names()) == ["more.tar.gz", "words.zip"]
    sent = {name: Path(name).read_bytes() for name in ("words.zip", "more.tar.gz")}
    kinds = {}
    Path("elsewhere").mkdir()
    os.chdir("elsewhere")  # the real SDK downloads into the current folder
    for attached in model.attachments:
        kinds[attached.name] = attached.atype
        assert attached.datasize == len(sent[attached.name])
        assert Path(attached.datafile).read_bytes() == sent[attached.name]
    assert kinds == {"words.zip": "zip", "more.tar.gz": "tgz"}
    del model.attachments["more.tar.gz"]
    assert list(model.attachments.names()) == ["words.zip"]
    for options in ({}, {"force_inline": True}):
        e.reset()
        e.load_model(model, **options)
        assert list(e.active_model.attachments) == ["words.zip"]
        attach(e, 0, REST)
        attach(e, 1, REST)
        e.input("2", 0)
        assert next_output(e) == b'"two"'
    override = LIBRARY.Attachment("override", datafile="../words.zip")
    e.reset()
    if IS_REAL:  # sends a reference to something that Model Manage does not have
        with refused("override"):
            e.load_model(model, attachment_override_list=[override])
    del model.attachments["words.zip"]
    assert list(model.attachments.names()) == []
    e.reset()
    e.load_model(model)
    attach(e, 0, REST)
    attach(e, 1, REST)
    state_is(e, "ERROR")
    del mm.models["with-words"]


@recipe
def snapshots():
    """16."""
    _, mm, e = services()
    model = Model("counting", "python3", COUNTER, mm)
    model.update()

    def totals(literal):
        path = Path(f"{literal.removeprefix('inline:')}.json").absolute()
        e.load_model(model)
        Stream.expand(literal).attach(e, 0)
        Stream.expand(f"file:{path}").attach(e, 1)
        state_is(e, "FINISHED")
        return lines_of(path)

    assert totals("inline:1,2,3") == ["1", "3", "6"]
    until(lambda: len(model.snapshots.browse(count=1)), 1)
    taken = model.snapshots.browse(count=1)[0]
    assert taken.size > 0
    assert taken.created_on
    assert model.snapshots[taken.id[:4]].id == taken.id
    e.reset()
    taken.restore(e)
    assert totals("inline:10") == ["16"]
    until(lambda: len(model.snapshots.browse()), 2)
    e.reset()
    run(e, COUNTER)
    with refused():
        taken.restore(e)
    for snapshot in model.snapshots.browse():
        del model.snapshots[snapshot.id]
    assert model.snapshots.browse() == []
    with refused():
        model.snapshots[taken.id]
    del mm.models["counting"]


@recipe
def record_sets():
    """17."""
    _, _, e = services()
    source = """\
# fastscore.recordsets.$all: yes
def action(frame):
    frame["y"] = frame["x"] * 2
    yield frame
"""
    load(e, source)
    attach(e, 0, {**CHUNKED, "Batching": "explicit"})
    attach(e, 1, CHUNKED)
    state_is(e, "RUNNING")
    came = []

    def next_record():
        while not came:
            came.extend(json.loads(line) for line in next_output(e).splitlines())
        return came.pop(0)

    e.input('{"x": 1}\n{"x": 2}\n{"$fastscore": "set"}\n{"$fastscore":"pig"}\n', 0)
    assert [next_record(), next_record()] == [{"x": 1, "y": 2}, {"x": 2, "y": 4}]
    assert next_record()["$fastscore"] == "set"
    assert next_record()["$fastscore"] == "pig"
    e.input('{"$fastscore":"end"}\n', 0)
    state_is(e, "FINISHED")
    try:
        while (data := e.output(1)) is None or b"$fastscore" in data:
            pass
    except EOFError:
        pass
    else:
        raise AssertionError(data)


@recipe
def roundtrips():
    """20."""
    _, mm, e = services()
    Schema("twenty-int", "int").update(mm)
    run(e, "# fastscore.schema.0: twenty-int\n" + CUBE)
    assert e.roundtrip(b"2", timeout=60_000) == b"8"
    with refused("schema"):
        e.roundtrip(b'"a"', timeout=60_000)
    with ThreadPoolExecutor(10) as pool:
        answers = list(
            pool.map(lambda n: e.roundtrip(str(n).encode(), timeout=60_000), range(50))
        )
    assert answers == [str(n**3).encode() for n in range(50)]
    e.reset()
    run(e, "from time import sleep\n\ndef action(x):\n    sleep(30)\n    yield x\n")
    with refused():
        e.roundtrip(b"2", timeout=300)
    e.reset()


@recipe
def reloaded_while_running():
    """21."""
    c, _, e = services()
    run(e, ECHO)
    e.input("2", 0)
    assert next_output(e) == b"2"
    load(e, CUBE, "other")
    assert e.state == "RUNNING"
    assert sorted(streams(e)) == [0, 1]
    e.input("2", 0)
    assert next_output(e) == b"8"
    assert e.active_model.name == "other"
    told = [m["op"] for m in c.pneumo.history(asjson=True) if m.get("item") == "model"]
    assert told[-1] == "reload"


@recipe
def sampled():
    """22."""
    _, _, e = services()
    run(e, ECHO)
    records = Stream.expand("inline:2,3,5").sample(e, 2)
    assert [base64.b64decode(record) for record in records] == [b"2", b"3"]
    with refused():
        Stream("s", REST).sample(e)
    e.input("1", 0)
    assert next_output(e) == b"1"
    if not IS_REAL:
        Path("many.json").write_text("1\n" * 1000, "utf-8")
        path = Path("many.json").absolute()
        assert Stream.expand(f"file:{path}").rate(e)["rps"] > 0
