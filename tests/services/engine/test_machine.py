"""The state machine, row by row of the contract's table (§6.2)."""

import pytest

from pilothouse.fastscore.wire.messages import EngineState
from pilothouse.services.fastscore.engine.machine import (
    Machine,
    NotNowError,
    Operation,
)

STATES = ("INIT", "RUNNING", "PIGGING", "PAUSED", "FINISHING", "FINISHED", "ERROR")
OK = None

TABLE = {
    #                     INIT RUN  PIG  PAUS FING FIN  ERR
    Operation.LOAD: (OK, OK, OK, OK, 400, 400, 400),
    Operation.DRY_RUN: (OK, OK, OK, OK, OK, OK, OK),
    Operation.UNLOAD: (OK, 400, 400, 400, 400, 400, 400),
    Operation.ATTACH: (OK, 400, 400, 400, 400, 400, 400),
    Operation.REATTACH: (OK, OK, OK, OK, 400, 400, 400),
    Operation.DETACH: (OK, 400, 400, 400, 400, OK, OK),
    Operation.PAUSE: (OK, OK, OK, OK, OK, OK, OK),
    Operation.UNPAUSE: (OK, OK, OK, OK, OK, OK, OK),
    Operation.RESET: (OK, OK, OK, OK, OK, OK, OK),
    Operation.SCALE: (OK, OK, OK, OK, 400, 400, 400),
    Operation.RESTORE: (OK, 403, 403, 403, 403, 403, 403),
    Operation.INPUT: (OK, OK, OK, OK, 403, 403, 403),
    Operation.OUTPUT: (OK, OK, OK, OK, OK, OK, OK),
    Operation.ROUNDTRIP: (400, OK, OK, 400, 400, 400, 400),
}
ROWS = [
    pytest.param(operation, state, status, id=f"{operation.name}-{state}")
    for operation, statuses in TABLE.items()
    for state, status in zip(STATES, statuses, strict=True)
]


def machine_in(state):
    """Return a machine in a state, and the list of states that it enters later."""
    entered = []
    machine = Machine(entered.append)
    if state == "ERROR":
        machine.fail()
    elif state != "INIT":
        machine.complete()
        steps = {
            "PIGGING": [machine.pig_read],
            "PAUSED": [machine.pause],
            "FINISHING": [machine.inputs_ended],
            "FINISHED": [machine.inputs_ended, machine.drained],
        }
        for step in steps.get(state, []):
            step()
    assert machine.state == state
    entered.clear()
    return machine, entered


@pytest.mark.parametrize(("operation", "state", "status"), ROWS)
def test_an_operation_is_allowed_in_the_states_of_the_table(operation, state, status):
    machine, _ = machine_in(state)

    if status is OK:
        machine.check(operation)
    else:
        with pytest.raises(NotNowError, match=state) as caught:
            machine.check(operation)
        assert caught.value.status == status


def test_every_operation_has_a_row():
    assert set(TABLE) == set(Operation)


def test_a_pause_in_init_applies_when_the_pipeline_completes():
    machine, entered = machine_in("INIT")

    machine.pause()
    machine.complete()

    assert entered == [EngineState.PAUSED]


def test_unpause_in_init_clears_a_pending_pause():
    machine, entered = machine_in("INIT")

    machine.pause()
    machine.unpause()
    machine.complete()

    assert entered == [EngineState.RUNNING]


@pytest.mark.parametrize("state", ["PAUSED", "FINISHING", "FINISHED", "ERROR"])
def test_pause_does_nothing_where_nothing_flows(state):
    machine, entered = machine_in(state)

    machine.pause()

    assert entered == []


@pytest.mark.parametrize("state", STATES[1:])
def test_reset_leads_to_init_from_every_state(state):
    machine, entered = machine_in(state)

    machine.reset()

    assert entered == [EngineState.INIT]


def test_the_last_pig_out_ends_pigging():
    machine, entered = machine_in("RUNNING")

    machine.pig_read()
    machine.pig_read()
    machine.pig_written()
    assert machine.state == "PIGGING"
    machine.pig_written()

    assert entered == [EngineState.PIGGING, EngineState.RUNNING]


def test_a_pause_while_a_pig_travels_holds_after_it_came_out():
    machine, _ = machine_in("PIGGING")

    machine.pause()
    machine.pig_written()
    assert machine.state == "PAUSED"
    machine.unpause()

    assert machine.state == "RUNNING"


def test_inputs_at_their_end_lead_to_finished_when_drained():
    machine, entered = machine_in("RUNNING")

    machine.inputs_ended()
    machine.drained()

    assert entered == [EngineState.FINISHING, EngineState.FINISHED]


def test_a_failure_is_entered_once():
    machine, entered = machine_in("RUNNING")

    machine.fail()
    machine.fail()
    machine.drained()

    assert entered == [EngineState.ERROR]
