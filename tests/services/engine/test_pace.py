"""Frames are cut by the time that a model takes; only waiting is different."""

import json
import os
import signal

import pytest

from pilothouse.services.fastscore.engine.pace import (
    FIRST_RECORDS,
    FRAME_SECONDS,
    Pace,
)
from pilothouse.services.fastscore.engine.pipeline import WINDOW
from services.engine.conftest import CHUNKED, ECHO, GATED

EXPLICIT = {**CHUNKED, "Batching": "explicit"}
TOGETHER = """\
import os, time

def action(x):
    open(os.path.join({folder!r}, str(os.getpid())), "w").close()
    while len(os.listdir({folder!r})) < 2:
        time.sleep(0.01)
    yield [x, os.getpid()]
"""
SETS = """\
# fastscore.recordsets.0: yes
import time

def action(rows):
    time.sleep(0.3)
    yield len(rows)
"""
SECOND_SLOT_FIRST = """\
# fastscore.action: unused
# fastscore.slot.2: in-use
from fastscore.io import Slot

known = [Slot(2).read() for _ in range(300)]
for number in range(500):
    Slot(1).write([Slot(0).read(), len(known)])
"""


def lines(count):
    return b"".join(b"%d\n" % n for n in range(count))


def numbers(count):
    return [b"%d" % n for n in range(count)]


# the pace itself


def test_the_first_frame_is_short():
    assert Pace().limit(0) == FIRST_RECORDS


def test_a_slow_model_gets_a_quarter_of_a_second_at_once():
    pace = Pace()
    pace.learn(0, 0.05 * FIRST_RECORDS, FIRST_RECORDS)

    assert pace.limit(0) == FRAME_SECONDS / 0.05


def test_a_fast_model_gets_a_full_batch_from_the_third_frame_on():
    pace = Pace()
    for _ in range(2):
        pace.learn(0, 0.0001 * pace.limit(0), pace.limit(0))

    assert pace.limit(0) >= 1000


def test_one_slow_frame_is_made_up_for_in_a_few():
    pace = Pace()
    pace.learn(0, 2.0, 1)
    assert pace.limit(0) == 1

    for _ in range(4):
        pace.learn(0, 1e-5 * pace.limit(0), pace.limit(0))
    assert pace.limit(0) >= 1000


def test_slots_have_paces_of_their_own():
    pace = Pace()
    pace.learn(2, 1.0, 1)

    assert (pace.limit(0), pace.limit(2)) == (FIRST_RECORDS, 1)


def test_nothing_is_learned_from_a_frame_whose_records_were_all_rejected():
    pace = Pace()
    pace.learn(0, 1.0, 0)

    assert pace.limit(0) == FIRST_RECORDS


def test_a_time_too_short_to_be_measured_counts_as_fast():
    pace = Pace()
    pace.learn(0, 0.0, FIRST_RECORDS)

    assert pace.limit(0) > FIRST_RECORDS


# in an engine


def test_outputs_come_while_a_slow_model_has_most_records_before_it(engine, tmp_path):
    unmeasured = WINDOW * FIRST_RECORDS
    fitting = round(FRAME_SECONDS / 0.05)
    source = GATED.format(count=unmeasured + fitting, gate=str(tmp_path / "never"))
    slow = source.replace("yield x", "time.sleep(0.05)\n    yield x")
    engine.start(slow, stream=CHUNKED)

    engine.input(lines(200))

    found = []
    while len(found) <= unmeasured:
        found += engine.next_output().splitlines()
    assert found == numbers(len(found))


@pytest.mark.parametrize("stream", [CHUNKED, EXPLICIT], ids=["normal", "explicit"])
def test_the_first_frame_does_not_wait_for_the_others(engine, tmp_path, stream):
    gate = tmp_path / "gate"
    source = GATED.format(count=FIRST_RECORDS, gate=str(gate))
    engine.start(source, stream=stream)

    engine.input(lines(500) + b'{"$fastscore":"pig"}\n')
    assert engine.outputs(FIRST_RECORDS) == numbers(FIRST_RECORDS)
    gate.touch()

    rest = engine.outputs(501 - FIRST_RECORDS)
    assert rest == [*numbers(500)[FIRST_RECORDS:], b'{"$fastscore":"pig"}']


def test_a_model_that_replaces_another_is_measured_anew(engine, tmp_path):
    gate = tmp_path / "gate"
    engine.start(ECHO, stream=CHUNKED)
    engine.input(lines(3000))
    engine.outputs(3000)

    engine.load(GATED.format(count=FIRST_RECORDS, gate=str(gate)))
    engine.input(lines(100))

    assert engine.outputs(FIRST_RECORDS) == numbers(FIRST_RECORDS)
    gate.touch()
    assert engine.outputs(100 - FIRST_RECORDS) == numbers(100)[FIRST_RECORDS:]


def test_two_jets_share_what_was_posted_at_once(engine, tmp_path):
    engine.call("POST", "2/active/model/scale", b"2")
    engine.start(TOGETHER.format(folder=str(tmp_path)), stream=CHUNKED)

    engine.input(lines(200))

    found = [json.loads(line) for line in engine.outputs(200)]
    assert [number for number, _ in found] == list(range(200))
    assert {pid for _, pid in found} == {jet["pid"] for jet in engine.jets}


def test_record_sets_of_a_slow_model_stay_whole(engine):
    engine.start(SETS, stream=EXPLICIT)

    engine.input((lines(500) + b'{"$fastscore":"set"}\n') * 4)

    assert engine.outputs(4) == [b"500"] * 4


def test_batches_of_a_slow_model_with_record_sets_are_cut_at_the_watermark_only(engine):
    batching = {"Watermark": 100, "NagleTime": None}
    engine.start(SETS, stream={**CHUNKED, "Batching": batching})

    engine.input(lines(400))

    assert engine.outputs(4) == [b"100"] * 4


def test_frames_of_a_jet_that_was_killed_come_out_once(engine, tmp_path):
    gate = tmp_path / "gate"
    engine.start(GATED.format(count=50, gate=str(gate)), stream=CHUNKED)
    (jet,) = engine.jets

    engine.input(lines(150))
    first = engine.next_output().splitlines()
    os.kill(jet["pid"], signal.SIGKILL)
    engine.wait_for("engine-config", item="jet", op="stop", ref=jet["sandbox"])
    gate.touch()

    assert first + engine.outputs(150 - len(first)) == numbers(150)
    assert engine.jets[0]["pid"] != jet["pid"]


def test_a_script_that_reads_its_second_slot_first_is_not_cut_off_from_it(engine):
    engine.load(SECOND_SLOT_FIRST)
    for slot in (0, 1, 2):
        engine.attach(slot, CHUNKED)

    for slot, count in ((0, 500), (2, 300)):
        engine.input(lines(count), slot)

    assert engine.outputs(500) == [b"[%d,300]" % n for n in range(500)]
