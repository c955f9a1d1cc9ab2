"""Recipes about checks and reports: schemas, sensors, Pneumo.

Source: FastScore contract, §12; the docstrings hold its numbers.
"""

from __future__ import annotations

from steps import (
    ECHO,
    IS_REAL,
    LONGEST_S,
    Model,
    Schema,
    Sensor,
    load,
    message_where,
    next_output,
    pneumo,
    recipe,
    refused,
    run,
    services,
    state_is,
)


@recipe
def models_verified():
    """11."""
    _, mm, e = services()
    Schema("eleven-int", "int").update(mm)

    def verify(source, **options):
        options = {"attachment_override_list": [], "dry_run": True, **options}
        return e.load_model(Model("v", "python3", source), **options)

    info = verify("# fastscore.schema.0: eleven-int\n" + ECHO)
    by_slot = {slot.slot: slot for slot in info.slots}
    assert sorted(by_slot) == [0, 1]
    assert by_slot[0].schema == "int"
    assert by_slot[0].action == "action"
    assert by_slot[0].recordsets is False
    assert info.install_libs == info.warn_libs == info.attach_libs == []
    assert info.snapshots == "none"
    assert e.active_model is None
    assert e.state == "INIT"
    unknown = "# fastscore.schema.0: in1\n" + ECHO
    with refused("in1"):
        verify(unknown)
    assert verify(unknown, embedded_schemas={"in1": '"int"'}).snapshots == "none"
    with refused():
        verify("def action(x:\n")
    with refused("action"):
        verify("def other(x):\n    yield x\n")


@recipe
def schemas_and_data_verified():
    """12."""
    _, _, e = services()
    sid = Schema("s", {"type": "int"}).verify(e)
    assert isinstance(sid, int)
    assert e.verify_data(sid, 0) is None
    with refused('Int expected, not "fastscore"'):
        e.verify_data(sid, "fastscore")
    with refused('Type "foobar" is undefined'):
        Schema("b", "foobar").verify(e)
    with refused():
        e.verify_data(sid + 1000, 0)
    e.unverify_schema(sid)
    with refused():
        e.verify_data(sid, 0)
    if not IS_REAL:
        other = Schema("s", {"type": "int"}).verify(e)
        assert e.validate_data(other, 1) is None


@recipe
def rejected_by_schema():
    """10; needs Pneumo."""
    c, mm, e = services()
    Schema("ten-int", "int").update(mm)
    typed = "# fastscore.schema.0: ten-int\n# fastscore.schema.1: ten-int\n"
    run(e, typed + "def action(x):\n    yield 'no' if x == 8 else x\n")
    with pneumo(c, src="engine-1", type="sensor-report", timeout=LONGEST_S) as socket:

        def told_by(tap, data):
            prepared = Sensor.prep(tap, aggregate="accumulate", interval=0.0)
            sid = prepared.install(e)
            e.input(data, 0)
            told = message_where(socket, lambda m: m.sid == sid)
            e.uninstall_sensor(sid)
            return told.data

        assert told_by("manifold.0.records.rejected.by.schema", '"a"') == ['"a"']
        e.input("7", 0)
        assert next_output(e) == b"7"
        assert told_by("manifold.1.records.rejected.by.schema", "8") == ['"no"']
        assert told_by("manifold.0.records.rejected.by.encoding", "{") == ["{"]
    assert e.output(1) is None
    assert e.state == "RUNNING"


@recipe
def sensors():
    """18; needs Pneumo."""
    c, mm, e = services()
    for instance in (e, mm, c):
        assert "sys.memory" in instance.tapping_points
        with pneumo(
            c, src=instance.name, type="sensor-report", timeout=LONGEST_S
        ) as socket:
            sid = Sensor.prep("sys.memory", interval=0.2).install(instance)
            assert instance.active_sensors[sid].tap == "sys.memory"
            report = message_where(socket, lambda m, sid=sid: m.sid == sid)
            assert report.data > 0
            assert report.delta_time > 0
            assert report.point == "sys.memory"
            assert "sys.memory" in repr(report)
            instance.active_sensors[sid].uninstall()
            assert sid not in instance.active_sensors
    assert len(e.active_sensors) == 8
    with refused():
        Sensor("s", {"Tap": "no.such.tap"}).install(e)
    with refused():
        e.uninstall_sensor(12345)
    high = {**Sensor.prep("sys.memory", interval=0.1).desc}
    low = {**high, "Filter": {"Type": ">", "Threshold": 1}}
    high["Filter"] = {"Type": ">", "Threshold": "1000000G"}
    never = Sensor("high", high).install(e)
    often = Sensor("low", low).install(e)
    with pneumo(c, src="engine-1", type="sensor-report", timeout=LONGEST_S) as socket:
        seen = []
        while seen.count(often) < 4:
            seen.append(socket.recv().sid)
        assert never not in seen
    e.uninstall_sensor(never)
    e.uninstall_sensor(often)
    after = Sensor("low", low).install(e)
    with pneumo(c, src="engine-1", type="sensor-report", timeout=LONGEST_S) as socket:
        # Beside it the sensors of every engine still tell of records of a while ago.
        seen = []
        while seen.count(after) < 10:
            seen.append(socket.recv().sid)
    e.uninstall_sensor(after)
    assert not {never, often} & set(seen)


@recipe
def pneumo_messages():
    """19; needs Pneumo."""
    c, _, e = services()
    with (
        pneumo(c, src="engine-1", timeout=LONGEST_S) as everything,
        pneumo(c, src="engine-1", type="engine-state", timeout=LONGEST_S) as states,
        pneumo(c, src="engine-2", timeout=LONGEST_S) as other,
    ):
        run(e, ECHO)
        told = []
        while told[-1:] != ["running"]:
            message = everything.recv()
            assert message.src == "engine-1"
            assert message.timestamp.tzinfo is not None
            if hasattr(message, "item"):
                told.append((message.item, message.op))
            elif hasattr(message, "state"):
                told.append(message.state)
        wanted = [
            ("model", "load"),
            ("stream", "attach"),
            ("stream", "attach"),
            ("jet", "start"),
            "running",
        ]
        assert told == wanted, told
        e.pause()
        assert [states.recv().state for _ in range(2)] == ["running", "paused"]
        neighbour = c.get("engine-2")
        load(neighbour, ECHO)
        assert other.recv().src == "engine-2"
        neighbour.reset()
    history = c.pneumo.history()
    assert 0 < len(history) <= 60
    stamps = [message.timestamp for message in history]
    assert stamps == sorted(stamps)
    assert c.pneumo.history(asjson=True)[-1]["src"]


@recipe
def a_failing_model():
    """19, its second half; needs Pneumo."""
    c, _, e = services()
    with pneumo(c, src="engine-1", timeout=LONGEST_S) as socket:
        run(e, "def action(x):\n    print('got', x)\n    yield 1 / x\n")
        e.input("4", 0)
        assert next_output(e) == b"0.25"
        console = message_where(socket, lambda m: hasattr(m, "text"))
        assert "got 4" in console.text
        e.input("0", 0)
        error = message_where(socket, lambda m: type(m).__name__ == "ModelErrorMsg")
        assert error.input.slot == 0
        assert "0" in error.input.data
        assert "ZeroDivisionError" in error.console
        assert "line 3" in error.console
        assert str(error)
        state_is(e, "ERROR")
    with refused():
        load(e, ECHO)
    e.reset()
    run(e, ECHO)
    e.input("1", 0)
    assert next_output(e) == b"1"
