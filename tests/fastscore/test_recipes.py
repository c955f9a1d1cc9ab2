"""Acceptance recipes: an engine loaded, fed, paused, scaled, reset."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest

from pilothouse import errors
from pilothouse.fastscore import (
    EndOfStream,
    FastScoreError,
    Model,
    Schema,
    Sensor,
    Stream,
)

from .conftest import CHUNKED, CUBE, ECHO, REST


def python(source, **options):
    return Model("m", "python3", source, **options)


def read(engine, slot=1):
    """The next output, however often the engine says "nothing yet"."""
    while (found := engine.output(slot)) is None:
        pass
    return found


def _read_on(engine):
    while True:
        engine.output(1)


def test_echo_over_rest(engine):
    python(ECHO).deploy(engine)
    Stream("in", REST).attach(engine, 0)
    assert engine.state == "INIT"
    Stream("out", REST).attach(engine, 1)
    assert engine.wait_for("RUNNING") == "RUNNING"
    engine.input("1", 0)
    assert read(engine) == b"1"
    assert engine.output(1) is None
    assert sorted(engine.active_streams) == [0, 1]
    assert engine.active_streams[0].name == "in"
    assert engine.active_streams[1].descriptor["Transport"] == "REST"
    assert len(engine.active_model.jets) == 1
    assert engine.active_model.name == "m"
    assert "echo" not in repr(engine.active_model)
    assert "yield x" in engine.active_model._repr_html_()
    assert "REST" in engine.active_streams._repr_html_()


def test_streams_and_model_may_come_in_any_order(engine):
    Stream("in", REST).attach(engine, 0)
    Stream("out", REST).attach(engine, 1)
    assert engine.state == "INIT"
    python(ECHO).deploy(engine)
    engine.wait_for("RUNNING")
    with pytest.raises(FastScoreError):
        engine.active_streams[0].detach()
    Stream("other", REST).attach(engine, 0)
    assert engine.active_streams[0].name == "other"
    engine.reset()
    assert engine.active_model is None
    assert engine.active_streams == {}
    with pytest.raises(errors.NotFoundError):
        engine.unload_model()
    with pytest.raises(errors.NotFoundError):
        engine.detach_stream(0)


def test_a_batch_runs_to_its_end(engine, tmp_path):
    out = tmp_path / "out.json"
    python(CUBE).deploy(engine)
    Stream.expand("inline:1,2,3").attach(engine, 0)
    sink = {"Type": "file", "Path": str(out)}
    Stream("f", {"Transport": sink, "Encoding": "json", "Loop": False}).attach(
        engine, 1
    )
    assert engine.wait_for("FINISHED") == "FINISHED"
    assert out.read_text().split() == ["1", "8", "27"]
    with pytest.raises(FastScoreError) as caught:
        python(CUBE).deploy(engine)
    assert caught.value.caused_by.status == 400
    assert caught.value.caused_by.body
    python(CUBE).deploy(engine, reset=True)
    assert engine.state == "INIT"
    engine.active_model.unload()
    assert engine.active_model is None


def test_a_model_with_four_slots(engine):
    source = (
        "# fastscore.schema.0: s\n# fastscore.schema.2: s\n"
        "# fastscore.slot.3: in-use\n"
        "# fastscore.action.0: left\n# fastscore.action.2: right\n"
        "def left(x):\n    yield x\n"
        "def right(x):\n    yield (3, x + 0.5)\n"
    )
    python(source, schemas={"s": "int"}).deploy(engine)
    for slot in (0, 1, 2):
        Stream(f"s{slot}", REST).attach(engine, slot)
    assert engine.state == "INIT"
    Stream("s3", REST).attach(engine, 3)
    engine.wait_for("RUNNING")
    engine.input("1", 0)
    engine.input("2", 2)
    assert (read(engine, 1), read(engine, 3)) == (b"1", b"2.5")


def test_what_violates_a_schema_is_reported_and_not_scored(running, connect):
    source = "# fastscore.schema.0: s\ndef action(x):\n    yield x\n"
    engine = running(source, stream=REST, schemas={"s": "int"})
    tap = "manifold.0.records.rejected.by.schema"
    with connect.pneumo.socket(
        src="engine-1", type="sensor-report", timeout=10
    ) as pneumo:
        sid = Sensor.prep(tap, aggregate="accumulate", interval=0.05).install(engine)
        engine.input('"a"', 0)
        engine.input("7", 0)
        assert read(engine) == b"7"
        report = next(m for m in pneumo if m.sid == sid)
    assert report.data == ['"a"']
    assert report.point == tap
    assert report.delta_time > 0
    assert engine.state == "RUNNING"
    assert engine.active_sensors[sid].tap == tap
    engine.active_sensors[sid].uninstall()
    assert sid not in engine.active_sensors.ids()
    with pytest.raises(errors.NotFoundError):
        engine.uninstall_sensor(sid)


def test_a_model_is_verified_without_being_loaded(engine):
    good = "# fastscore.schema.0: in1\n# fastscore.recordsets.1: yes\n" + ECHO
    schemas = {"in1": '"int"'}
    info = engine.load_model(python(good), embedded_schemas=schemas, dry_run=True)
    assert [s.slot for s in info.slots] == [0, 1]
    assert info.slots[0].schema == "int"
    assert info.slots[0].action == "action"
    assert info.slots[1].recordsets is True
    assert info.snapshots == "none"
    assert info.install_libs == info.warn_libs == info.attach_libs == []
    assert engine.active_model is None
    for source, text in [
        (good, "in1"),
        ("def action(x:\n", "SyntaxError|syntax"),
        ("x = 1\n", "action"),
    ]:
        with pytest.raises(FastScoreError) as caught:
            engine.load_model(python(source), dry_run=True)
        assert any(word in caught.value.caused_by.body for word in text.split("|"))


def test_schemas_and_data_are_verified_by_the_engine(engine):
    sid = Schema("s", {"type": "int"}).verify(engine)
    assert engine.verify_data(sid, 0) is None
    assert engine.validate_data(sid, 7) is None
    for wrong in ("fastscore", None, False, [], 1.5):
        with pytest.raises(FastScoreError):
            engine.verify_data(sid, wrong)
    with pytest.raises(FastScoreError, match='Int expected, not "fastscore"'):
        engine.verify_data(sid, "fastscore")
    with pytest.raises(FastScoreError, match='Type "foobar" is undefined'):
        Schema("b", "foobar").verify(engine)
    engine.unverify_schema(sid)
    engine.unverify_schema(sid)
    with pytest.raises(errors.NotFoundError):
        engine.verify_data(sid, 0)


def test_a_pause_is_remembered_and_holds_the_records(engine):
    engine.pause()
    for slot in (0, 1):
        Stream(f"s{slot}", REST).attach(engine, slot)
    python(ECHO).deploy(engine, wait=60)
    assert engine.state == "PAUSED"
    engine.input("1", 0)
    assert engine.output(1) is None
    engine.unpause()
    engine.wait_for("RUNNING")
    assert read(engine) == b"1"


def test_the_number_of_jets_can_be_changed(engine, connect):
    source = (
        "import fastscore\ndef action(x):\n"
        "    yield fastscore.cells('n').update(lambda n: (n or 0) + x)\n"
    )
    engine.scale(3)
    python(source).deploy(engine, streams={0: "rest:", 1: "rest:"}, wait=60)
    jets = engine.active_model.jets
    assert len(jets) == 3
    assert all(jet.sandbox.isdigit() for jet in jets)
    for _ in range(10):
        engine.input("1", 0)
    assert sorted(int(read(engine)) for _ in range(10))[-1] == 10
    engine.scale(1)
    assert len(engine.active_model.jets) == 1
    stopped = connect.pneumo.history(src="engine-1", type="engine-config")
    assert [m.ref for m in stopped if m.item == "jet" and m.op == "stop"]
    engine.scale(0)
    assert engine.active_model.jets == []
    assert engine.state == "RUNNING"


def test_attachments_reach_the_model_inline_and_by_reference(engine, mm):
    source = "def action(x):\n    yield open('words.txt').read()\n"
    model = python(source)
    model.attach({"words.txt": "hello"})
    model.deploy(engine, streams={0: "rest:", 1: "rest:"}, wait=60)
    assert engine.roundtrip("1", timeout=60_000) == b'"hello"'
    engine.reset()
    model.update(mm)
    model.attach({"big.txt": base64.b85encode(bytes(range(256)) * 9000)}, "big.zip")
    large = model.attachments["big.zip"]
    large._datasize = 2**21
    mm.models["m"].deploy(engine, streams={0: "rest:", 1: "rest:"}, wait=60)
    assert engine.roundtrip("1", timeout=60_000) == b'"hello"'
    assert sorted(engine.active_model.attachments) == ["big.zip", "words.txt.zip"]


def test_a_large_attachment_goes_by_reference(engine, mm, tmp_path):
    import random
    import zipfile

    path = tmp_path / "large.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("large.bin", random.Random(1).randbytes(3_000_000))
    model = python(
        "import os\ndef action(x):\n    yield os.path.getsize('large.bin')\n"
    )
    model.update(mm)
    model.attach(path)
    for force_inline in (False, True):
        engine.reset()
        engine.load_model(mm.models["m"], force_inline=force_inline)
        for slot in (0, 1):
            Stream.expand("rest:").attach(engine, slot)
        engine.wait_for("RUNNING")
        assert engine.roundtrip("1", timeout=60_000) == b"3000000"


def test_a_snapshot_brings_back_the_state(engine, mm):
    source = (
        "# fastscore.snapshots: eof\nimport fastscore\ndef action(x):\n"
        "    yield fastscore.cells('n').update(lambda n: (n or 0) + x)\n"
    )
    python(source).update(mm)
    model = mm.models["m"]
    assert list(model.snapshots) == []
    model.deploy(engine, streams={0: "inline:1,2,3", 1: "rest-chunked:"})
    engine.wait_for("FINISHED")
    assert read(engine) == b"1\n3\n6\n"
    (snapshot,) = model.snapshots.browse(count=1)
    assert model.snapshots[snapshot.id[:3]].id == snapshot.id
    assert snapshot.to_dict()["size"] == snapshot.size > 0
    assert model.snapshots.browse(snapshot.created_on, None, 5)
    assert model.snapshots.browse(None, "2001-01-01T00:00:00Z") == []
    assert snapshot.id in model.snapshots._repr_html_()
    engine.reset()
    snapshot.restore(engine)
    model.deploy(engine, streams={0: "rest:", 1: "rest:"}, wait=60)
    assert engine.roundtrip("4", timeout=60_000) == b"10"
    with pytest.raises(FastScoreError) as caught:
        snapshot.restore(engine)
    assert caught.value.caused_by.status == 403
    del model.snapshots[snapshot.id]
    with pytest.raises(errors.NotFoundError):
        _ = model.snapshots[snapshot.id]


def test_record_sets_and_control_records(engine):
    source = (
        "# fastscore.recordsets.$all: yes\ndef action(frame):\n"
        "    frame['y'] = frame['x'] * 2\n    yield frame\n"
    )
    stream = {**CHUNKED, "Batching": "explicit"}
    python(source).deploy(engine)
    for slot in (0, 1):
        Stream(f"s{slot}", stream).attach(engine, slot)
    engine.wait_for("RUNNING")
    lines = [{"x": 1}, {"x": 2}, {"$fastscore": "set"}, {"$fastscore": "pig"}]
    engine.input(b"".join(orjson.dumps(v) + b"\n" for v in lines), 0)
    got = []
    while len(got) < 4:
        got += [json.loads(line) for line in read(engine).splitlines()]
    assert got[:2] == [{"x": 1, "y": 2}, {"x": 2, "y": 4}]
    assert [g.get("$fastscore") for g in got[2:]] == ["set", "pig"]
    engine.input('{"$fastscore":"end"}\n', 0)
    engine.wait_for("FINISHED")
    with pytest.raises(EOFError) as caught:
        _read_on(engine)
    assert isinstance(caught.value, EndOfStream)
    assert isinstance(caught.value, FastScoreError)


def test_roundtrips_get_their_own_answers(running):
    source = (
        "# fastscore.schema.0: s\nimport time\ndef action(x):\n"
        "    if x < 0:\n        time.sleep(30)\n    yield x ** 3\n"
    )
    engine = running(source, stream=REST, schemas={"s": "int"})
    assert engine.roundtrip(b"2", timeout=60_000) == b"8"
    with ThreadPoolExecutor(16) as pool:
        answers = list(
            pool.map(lambda n: engine.roundtrip(str(n), timeout=60_000), range(50))
        )
    assert answers == [str(n**3).encode() for n in range(50)]
    with pytest.raises(FastScoreError) as caught:
        engine.roundtrip('"a"', timeout=60_000)
    assert "schema" in caught.value.caused_by.body
    with pytest.raises(TimeoutError):
        engine.roundtrip("-1", timeout=200)


def test_a_model_is_replaced_while_it_runs(running, connect):
    engine = running(CUBE, stream=REST)
    engine.input("2", 0)
    assert read(engine) == b"8"
    python("def action(x):\n    yield -x\n").deploy(engine)
    engine.input("2", 0)
    assert read(engine) == b"-2"
    assert len(engine.active_streams) == 2
    history = connect.pneumo.history(src="engine-1", type="engine-config")
    assert [m.op for m in history if m.item == "model"][-1] == "reload"


def test_streams_are_sampled_and_measured_beside_the_pipeline(running, tmp_path):
    engine = running(CUBE, stream=REST)
    found = Stream.expand("inline:2,3,5").sample(engine, 2)
    assert [base64.b64decode(record) for record in found] == [b"2", b"3"]
    path = tmp_path / "in.json"
    path.write_text("1\n" * 1000)
    rate = Stream.expand(f"file:{path}").rate(engine)
    assert rate.rps > 0
    assert rate["mbps"] > 0
    with pytest.raises(FastScoreError):
        Stream("r", REST).sample(engine)
    assert engine.roundtrip("2", timeout=60_000) == b"8"


def test_a_stream_is_checked_without_being_attached(engine):
    found = Stream("s", {"Transport": "REST", "Schema": None}).attach(
        engine, 1, dry_run=True
    )
    assert found["transport"] == {"type": "rest", "mode": "simple"}
    assert found["batching"] == {"watermark": 1000, "nagle_time": 500}
    assert engine.active_streams == {}
    with pytest.raises(FastScoreError):
        Stream("s", {}).attach(engine, 1)
    with pytest.raises(FastScoreError, match="no descriptor"):
        Stream("s").attach(engine, 1)


@pytest.mark.parametrize("literal", ["rest", "zzz:", "file:relative", "tcp:x"])
def test_a_wrong_literal_is_refused_with_an_example(literal):
    with pytest.raises(FastScoreError):
        Stream.expand(literal)


def test_import_policies_are_kept_by_type(engine):
    text = "numpy: ok\n"
    engine.policy.set("import", "python3", text)
    assert engine.policy.get("import", "python3") == text
    assert engine.policy.get("import", "R") != text
    for kind, mtype in (("export", "python3"), ("import", "cobol")):
        with pytest.raises(FastScoreError):
            engine.policy.set(kind, mtype, text)
        with pytest.raises(FastScoreError):
            engine.policy.get(kind, mtype)


def test_sensors_work_on_every_instance(connect, mm, engine):
    for instance in (connect, mm, engine):
        assert "sys.memory" in instance.tapping_points
        sid = Sensor.prep("sys.memory", interval=0.05).install(instance)
        with connect.pneumo.socket(
            src=instance.name, type="sensor-report", timeout=10
        ) as pneumo:
            report = next(m for m in pneumo if m.sid == sid)
        assert report.point == "sys.memory"
        assert sid in instance.active_sensors
        assert "sys.memory" in instance.active_sensors._repr_html_()
        instance.uninstall_sensor(sid)
    with pytest.raises(FastScoreError):
        Sensor("s", {"Tap": "no.such.tap"}).install(engine)
    with pytest.raises(FastScoreError, match="no descriptor"):
        Sensor("s").install(engine)


def test_rest_calls_need_a_rest_stream(engine):
    with pytest.raises(FastScoreError) as caught:
        engine.input("1", 0)
    assert caught.value.caused_by.status == 403
    with pytest.raises(FastScoreError):
        engine.roundtrip("1")
    with pytest.raises(FastScoreError, match="bytes or text"):
        engine.input({"x": 1}, 0)
