"""The acceptance recipes of the contract (§12) that concern the engine, over HTTP."""

import base64
import json
import threading

import pytest

from pilothouse.services.fastscore.engine import sampling
from services.engine.conftest import CHUNKED, CUBE, ECHO, REST

DISCARD = {"Transport": "discard", "Encoding": "json"}


def inline(*texts, **more):
    return {
        "Transport": {"Type": "inline", "Data": list(texts)},
        "Encoding": "json",
        **more,
    }


def file_stream(path, **more):
    return {
        "Transport": {"Type": "file", "Path": str(path)},
        "Encoding": "json",
        "Loop": False,
        "LingerTime": 60_000,
        **more,
    }


# 6


def test_echo_over_rest(engine):
    assert engine.load(ECHO).status == 204
    assert engine.attach(0).status == 204
    assert engine.state == "init"
    assert engine.attach(1).status == 204
    assert engine.state == "running"

    assert engine.output().status == 202
    assert engine.input(b"1").status == 204
    assert engine.next_output() == b"1"
    slots = [info["slot"] for info in engine.call("GET", "2/active/stream").json]
    assert slots == [0, 1]
    assert len(engine.jets) == 1


# 7


def test_streams_may_come_before_the_model(engine):
    engine.attach(0)
    engine.attach(1)
    assert engine.state == "init"

    engine.load(ECHO)

    assert engine.state == "running"


def test_input_posted_before_the_model_is_scored(engine):
    engine.attach(0)
    assert engine.input(b"1").status == 204
    engine.load(CUBE)
    engine.input(b"2")
    engine.attach(1)

    assert [engine.outputs(1), engine.outputs(1)] == [[b"1"], [b"8"]]


def test_detach_is_refused_while_running(engine):
    engine.start(ECHO)

    answer = engine.call("DELETE", "2/active/stream/0")

    assert answer.status == 400
    assert "RUNNING" in answer.text


def test_a_second_stream_replaces_the_first_while_running(engine):
    engine.start(ECHO)

    assert engine.attach(0, CHUNKED).status == 204
    engine.input(b"1\n2\n")

    assert [engine.outputs(1), engine.outputs(1)] == [[b"1"], [b"2"]]
    assert engine.told("engine-config", item="stream", op="reattach", ref=0)


def test_a_replaced_output_gets_what_comes_later_in_its_own_encoding(engine):
    engine.start(ECHO)
    engine.input(b"1")
    assert engine.outputs(1) == [b"1"]

    utf8 = {**CHUNKED, "Encoding": "msgpack"}
    assert engine.attach(1, utf8).status == 204
    engine.input(b"2")

    assert engine.outputs(1) == [b"\x02"]


# 8


def test_a_batch_job_runs_to_its_end(engine, tmp_path):
    out = tmp_path / "out.json"
    engine.load(CUBE)
    engine.attach(1, file_stream(out))
    engine.attach(0, inline("1", "2", "3"))

    engine.wait("FINISHED")

    assert out.read_text() == "1\n8\n27\n"
    assert engine.load(CUBE).status == 400
    assert engine.reset().status == 204
    assert engine.state == "init"
    assert engine.call("GET", "2/active/model").status == 404
    assert engine.call("GET", "2/active/stream").json == []


# 9


def test_several_slots_route_their_outputs(engine):
    engine.schema("i", "int")
    source = (
        "# fastscore.schema.0: i\n# fastscore.schema.2: i\n"
        "# fastscore.slot.3: in-use\n"
        "# fastscore.action.0: left\n# fastscore.action.2: right\n"
        "def left(x, slot):\n    yield [slot, x]\n"
        "def right(x, slot):\n    yield (3, [slot, x])\n"
    )
    engine.load(source)
    for slot in (0, 1, 2):
        engine.attach(slot)
    assert engine.state == "init"
    engine.attach(3)
    assert engine.state == "running"

    engine.input(b"5", slot=0)
    engine.input(b"6", slot=2)

    assert engine.outputs(1, slot=1) == [b"[0,5]"]
    assert engine.outputs(1, slot=3) == [b"[2,6]"]


# 10


def sensor(engine, tap, aggregate="accumulate"):
    descriptor = {"Tap": tap, "Aggregate": aggregate, "Report": {"Interval": 0.0}}
    return engine.json("POST", "2/active/sensor", descriptor).json["id"]


def test_records_that_break_the_schema_are_not_scored(engine):
    engine.schema("i", "int")
    engine.start("# fastscore.schema.0: i\n" + ECHO)
    watch = sensor(engine, "manifold.0.records.rejected.by.schema")

    engine.input(b'"a"')
    engine.input(b"7")

    assert engine.outputs(1) == [b"7"]
    (report,) = engine.wait_for("sensor-report", id=watch)
    assert report["data"] == ['"a"']
    assert engine.state == "running"
    engine.call("DELETE", f"2/active/sensor/{watch}")


def test_outputs_that_break_the_schema_are_not_written(engine):
    engine.schema("i", "int")
    engine.start("# fastscore.schema.1: i\ndef action(x):\n    yield x\n")
    watch = sensor(engine, "manifold.1.records.rejected.by.schema")

    engine.input(b'"a"')
    engine.input(b"7")

    assert engine.outputs(1) == [b"7"]
    (report,) = engine.wait_for("sensor-report", id=watch)
    assert report["data"] == ['"a"']
    engine.call("DELETE", f"2/active/sensor/{watch}")


def test_records_that_cannot_be_decoded_are_rejected(engine):
    engine.start(ECHO, stream=CHUNKED)
    watch = sensor(engine, "manifold.0.records.rejected.by.encoding")

    engine.input(b"1\n{oops\n2\n")

    assert engine.outputs(2) == [b"1", b"2"]
    (report,) = engine.wait_for("sensor-report", id=watch)
    assert report["data"] == ["{oops"]
    assert engine.state == "running"
    engine.call("DELETE", f"2/active/sensor/{watch}")


# 11


def test_a_dry_run_tells_about_a_model_and_changes_nothing(engine):
    engine.schema("i", "int")
    source = "# fastscore.schema.0: i\n# fastscore.recordsets.1: yes\n" + ECHO

    answer = engine.load(source, dry_run=True)

    assert answer.status == 200
    assert answer.json == {
        "slots": [
            {"slot": 0, "schema": "int", "recordsets": False, "action": "action"},
            {"slot": 1, "schema": None, "recordsets": True, "action": None},
        ],
        "install_libs": [],
        "warn_libs": [],
        "attach_libs": [],
        "snapshots": "none",
    }
    assert engine.call("GET", "2/active/model").status == 404


@pytest.mark.parametrize(
    ("source", "text"),
    [
        pytest.param("# fastscore.schema.0: nope\n" + ECHO, "schema 'nope' not found"),
        pytest.param("def action(x):\n  yield (\n", "line 2"),
        pytest.param("def score(x):\n    yield x\n", "no function 'action'"),
        pytest.param("import no_such_library\n" + ECHO, "no_such_library"),
        pytest.param("# fastscore.slot.x: in-use\n" + ECHO, "line 1"),
    ],
    ids=["unknown schema", "syntax", "no action", "import", "annotation"],
)
def test_what_is_wrong_with_a_model_is_told(engine, source, text):
    for dry_run in (True, False):
        answer = engine.load(source, dry_run=dry_run)

        assert answer.status == 400
        assert text in answer.text


def test_an_embedded_schema_stands_in(engine):
    source = "# fastscore.schema.0: in1\n" + ECHO

    assert engine.load(source, dry_run=True).status == 400
    assert engine.load(source, dry_run=True, schemas={"in1": '"int"'}).status == 200
    wrong = engine.load(source, dry_run=True, schemas={"in1": '"foobar"'})
    assert "in1" in wrong.text


def test_a_stream_at_a_slot_that_the_model_does_not_use_is_refused(engine):
    engine.attach(4)

    answer = engine.load(ECHO)

    assert (answer.status, "slot 4" in answer.text) == (400, True)


def test_a_stream_whose_schema_does_not_fit_is_refused(engine):
    engine.schema("i", "int")
    engine.load("# fastscore.schema.0: i\n" + ECHO)

    answer = engine.attach(0, {**REST, "Schema": "string"})

    assert (answer.status, "schema" in answer.text) == (400, True)


# 12


def test_schemas_and_records_are_verified(engine):
    made = engine.json("POST", "2/active/schema/verify", {"type": "int"})
    path = f"2/active/schema/verify/{made.json['id']}"

    assert engine.json("POST", path, {"data": 0}).status == 204
    bad = engine.json("POST", path, {"data": "fastscore"})
    assert (bad.status, bad.text) == (400, 'Int expected, not "fastscore"')
    undefined = engine.json("POST", "2/active/schema/verify", "foobar")
    assert (undefined.status, undefined.text) == (400, 'Type "foobar" is undefined')
    engine.reset()
    assert engine.json("POST", path, {"data": 1}).status == 204
    assert engine.call("DELETE", path).status == 204
    assert engine.call("DELETE", path).status == 204
    assert engine.json("POST", path, {"data": 1}).status == 404


# 13


def test_a_pause_in_init_holds_the_start(engine):
    assert engine.call("POST", "2/engine/pause").status == 204
    engine.start(ECHO)
    assert engine.state == "paused"

    assert engine.input(b"1").status == 204
    assert engine.output().status == 202
    engine.call("POST", "2/engine/unpause")

    assert engine.state == "running"
    assert engine.outputs(1) == [b"1"]


def test_a_pause_after_the_end_does_nothing(engine):
    engine.load(ECHO)
    engine.attach(1, DISCARD)
    engine.attach(0, inline("1"))
    engine.wait("FINISHED")

    assert engine.call("POST", "2/engine/pause").status == 204
    assert engine.state == "finished"


# 14


def test_scale_before_and_after_the_start(engine):
    assert engine.call("POST", "2/active/model/scale", b"3").status == 204
    engine.start(ECHO)
    assert len(engine.jets) == 3
    assert all(jet["sandbox"].isdigit() for jet in engine.jets)

    assert engine.call("POST", "2/active/model/scale", b"1").status == 204
    assert len(engine.jets) == 1
    engine.wait_for("engine-config", 3, item="jet", op="start")
    engine.wait_for("engine-config", 2, item="jet", op="stop")


def test_no_jets_let_the_inputs_wait(engine):
    engine.start(ECHO)
    engine.call("POST", "2/active/model/scale")
    assert (engine.jets, engine.state) == ([], "running")

    engine.input(b"1")
    assert engine.output().status == 202
    engine.call("POST", "2/active/model/scale", b"1")

    assert engine.outputs(1) == [b"1"]


def test_a_cell_counts_over_three_jets(engine):
    engine.call("POST", "2/active/model/scale", b"3")
    engine.start(
        "import fastscore\n"
        "def action(x):\n"
        "    yield fastscore.cells('n').update(lambda n: (n or 0) + x)\n",
        stream={**CHUNKED, "Batching": {"Watermark": 5, "NagleTime": 10}},
    )

    engine.input(b"1\n" * 300)

    assert sorted(map(int, engine.outputs(300))) == list(range(1, 301))


def test_outputs_keep_the_order_of_inputs_over_three_jets(engine):
    engine.call("POST", "2/active/model/scale", b"3")
    engine.start(
        "import time\ndef action(x):\n    time.sleep(0.001 * (x % 3))\n    yield x\n",
        stream={**CHUNKED, "Batching": {"Watermark": 7, "NagleTime": 10}},
    )

    engine.input(b"".join(b"%d\n" % n for n in range(200)))

    assert engine.outputs(200) == [b"%d" % n for n in range(200)]


# 16

COUNTER = (
    "# fastscore.snapshots: eof\n"
    "import fastscore\n"
    "def action(x):\n"
    "    yield fastscore.cells('n').update(lambda n: (n or 0) + x)\n"
)


def run_counter(engine, out):
    engine.load(COUNTER, name="counter")
    engine.attach(1, file_stream(out))
    engine.attach(0, inline("1", "2"))
    engine.wait("FINISHED")
    return out.read_text().split()


def test_a_snapshot_at_the_end_is_restored(engine, tmp_path):
    engine.suite.model("counter", COUNTER.encode())
    assert run_counter(engine, tmp_path / "first") == ["1", "3"]
    path = "model-manage-1/1/model/counter/snapshot"
    (info,) = engine.suite.call("GET", f"{path}?count=1").json
    contents = engine.suite.call("GET", f"{path}/{info['id']}/contents")
    assert contents.text
    assert info["size"] == len(contents.body)
    engine.reset()

    assert engine.call("PUT", "1/job/state", contents.body).status == 204
    assert run_counter(engine, tmp_path / "second") == ["4", "6"]
    engine.reset()
    engine.start(ECHO)

    assert engine.call("PUT", "1/job/state", contents.body).status == 403
    engine.reset()
    assert engine.call("PUT", "1/job/state", b"\x00\xff").status == 403


# 17

SETS = (
    "# fastscore.recordsets.$all: yes\n"
    "def action(frame):\n"
    "    frame['b'] = frame['a'] * 2\n"
    "    yield frame\n"
)
EXPLICIT = {**CHUNKED, "Batching": "explicit"}


def test_record_sets_come_in_as_frames_and_go_out_as_rows(engine):
    engine.start(SETS, stream=EXPLICIT)

    engine.input(b'{"a":1}\n{"a":2}\n')
    assert engine.output().status == 202
    engine.input(b'{"$fastscore": "set"}\n{"$fastscore":"pig","id":9}\n')

    rows = [json.loads(row) for row in engine.outputs(4)]
    assert rows == [
        {"a": 1, "b": 2},
        {"a": 2, "b": 4},
        {"$fastscore": "set"},
        {"$fastscore": "pig", "id": 9},
    ]
    engine.input(b'{"$fastscore":"end"}\n')
    engine.wait("FINISHED")
    assert engine.output().status == 204


def test_a_pig_comes_back_behind_all_that_was_before_it(engine):
    engine.call("POST", "2/active/model/scale", b"2")
    engine.start(ECHO, stream=CHUNKED)

    engine.input(b"1\n" * 5000 + b'{"$fastscore":"pig"}\n2\n')

    found = engine.outputs(5002)
    assert found[5000:] == [b'{"$fastscore":"pig"}', b"2"]
    assert [m["state"] for m in engine.told("engine-state")] == [
        "running",
        "pigging",
        "running",
    ]


# 18


def test_sensors_report_and_stop(engine):
    points = engine.call("GET", "2/active/sensor/points").json
    assert {"sys.memory", "manifold.0.records.count", "manifold.1.profile"} <= set(
        points
    )
    before = engine.call("GET", "2/active/sensor").json
    assert [info["id"] for info in before[:8]] == list(range(1, 9))
    assert before[0]["tap"] == "manifold.1.records.size"
    engine.start(ECHO, stream=CHUNKED)
    watch = sensor(engine, "manifold.1.records.count", "sum")

    engine.input(b"1\n2\n3\n")

    (report, *_) = engine.wait_for("sensor-report", id=watch)
    assert report["data"] == 3
    assert report["tap"] == "manifold.1.records.count"
    assert engine.call("DELETE", f"2/active/sensor/{watch}").status == 204
    bad = engine.json("POST", "2/active/sensor", {"Tap": "manifold.0.nothing"})
    assert bad.status == 400


def test_jets_have_taps_while_they_live(engine):
    engine.start(ECHO, stream=CHUNKED)
    (jet,) = engine.jets
    tap = f"jet.{jet['sandbox']}.input.records.count"
    assert tap in engine.call("GET", "2/active/sensor/points").json
    watch = sensor(engine, tap, "sum")

    engine.input(b"1\n2\n")

    assert engine.wait_for("sensor-report", id=watch)[0]["data"] == 2
    engine.reset()
    assert tap not in engine.call("GET", "2/active/sensor/points").json


# 19


def test_pneumo_tells_in_order_what_happens(engine):
    engine.start(ECHO)
    engine.wait_for("engine-state", state="running")

    (jet,) = engine.jets
    assert engine.told_in_order() == [
        "model load",
        "stream attach 0",
        "stream attach 1",
        f"jet start {jet['sandbox']}",
        "running",
    ]


def test_a_model_that_raises_is_reported_with_the_record_and_its_line(engine):
    source = "def action(x):\n    y = 1 / x\n    yield y\n"
    engine.start(source, name="scorer", stream=CHUNKED)

    engine.input(b"1\n2\n0\n4\n")

    (error,) = engine.wait_for("model-error")
    assert error["input"] == {
        "slot": 0,
        "seqno": 3,
        "data": ["0"],
        "batch_len": 4,
        "encoding": "json",
    }
    assert 'File "<model scorer>", line 2, in action' in error["console"]
    assert "y = 1 / x" in error["console"]
    assert error["console"].rstrip().endswith("ZeroDivisionError: division by zero")
    engine.wait("ERROR")
    assert engine.drain() == b"1.0\n0.5\n"
    assert engine.input(b"5\n").status == 403
    engine.reset()
    engine.start(ECHO)
    engine.input(b"1")
    assert engine.outputs(1) == [b"1"]


def test_what_a_model_prints_is_told(engine):
    engine.start("def begin():\n    print('hello')\n" + ECHO)

    (message,) = engine.wait_for("model-console")

    assert message["text"] == "hello"


# 20


def test_a_roundtrip_brings_its_own_answer(engine):
    engine.schema("i", "int")
    engine.start("# fastscore.schema.0: i\n" + CUBE)

    good, bad = engine.roundtrip(b"2"), engine.roundtrip(b'"a"')

    assert (good.status, good.body) == (200, b"8")
    assert (bad.status, "schema" in bad.text) == (400, True)


def test_fifty_roundtrips_at_once_get_their_own_answers(engine):
    engine.start(CUBE)
    found = {}

    def call(number):
        path = f"{engine.name}/2/active/model/roundtrip/0/1?timeout=60000"
        found[number] = engine.suite.call("POST", path, b"%d" % number).body

    threads = [threading.Thread(target=call, args=(n,)) for n in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == {n: b"%d" % n**3 for n in range(50)}


def test_a_roundtrip_without_output_several_or_in_time(engine):
    engine.start(
        "import time\n"
        "def action(x):\n"
        "    for n in range(x):\n        yield n\n"
        "    time.sleep(x > 5)\n"
    )

    none, several = engine.roundtrip(b"0"), engine.roundtrip(b"3")
    late = engine.roundtrip(b"9", timeout=50)

    assert none.status == 204
    assert (several.status, several.body) == (200, b"0\n1\n2")
    assert (late.status, "50 ms" in late.text) == (504, True)


def test_roundtrips_need_rest_and_a_running_engine(engine):
    assert engine.roundtrip(b"1").status == 400
    engine.load(ECHO)
    engine.attach(1, DISCARD)
    engine.attach(0)
    assert engine.roundtrip(b"1").status == 403
    assert engine.roundtrip(b"1", slots="2/1").status == 403


# 21


def test_a_model_is_replaced_while_it_runs(engine):
    engine.start(ECHO)
    engine.input(b"2")
    assert engine.outputs(1) == [b"2"]

    assert engine.load(CUBE).status == 204
    engine.input(b"2")

    assert engine.outputs(1) == [b"8"]
    assert engine.told("engine-config", item="model", op="reload")
    assert not engine.told("engine-config", item="stream", op="detach")
    assert engine.state == "running"


# 22


def test_a_sample_is_taken_apart_from_the_pipeline(engine):
    engine.start(ECHO)

    answer = engine.json("POST", "1/stream/sample?n=2", inline("2", "3", "5"))

    assert [base64.b64decode(item) for item in answer.json] == [b"2", b"3"]
    assert engine.output().status == 202
    assert engine.json("POST", "1/stream/sample", REST).status == 400
    assert engine.json("POST", "1/stream/sample", {}).status == 400


def test_the_rate_of_a_file_is_measured(engine, tmp_path, monkeypatch):
    monkeypatch.setattr(sampling, "RATE_SECONDS", 60.0)
    data = tmp_path / "data.json"
    data.write_text("1\n" * 1000)

    (rate,) = engine.json("POST", "1/stream/rate", file_stream(data)).json

    assert rate["rps"] > 0
    assert rate["mbps"] > 0
    assert engine.json("POST", "1/stream/rate", inline("1")).status == 400
