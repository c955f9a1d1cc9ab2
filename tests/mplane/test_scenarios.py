"""The 26 acceptance scenarios of the mPlane contract (§8), and the tests for each.

A list that is checked: each test that it names exists.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
MODEL = "mplane/model/test_"
SCHEDULER = "mplane/scheduler/test_"
COMPONENT = "mplane/component/test_"
REAL = "interop/test_real_mplane"

SCENARIOS: dict[int, tuple[str, ...]] = {
    1: (f"{MODEL}session.py::test_the_session_of_the_document_goes_as_printed",),
    2: (
        f"{MODEL}when_vectors.py::test_a_scope_is_read_as_release_0_9_0_reads_it",
        f"{MODEL}token_vectors.py::test_the_token_is_that_of_release_0_9_0",
        f"{MODEL}registry.py::test_the_core_registry_is_shipped",
        f"{REAL}_model.py::test_scopes_mean_what_they_mean_to_the_real_model",
    ),
    3: (
        f"{MODEL}properties.py::test_a_message_and_its_text_are_inverse",
        f"{REAL}_model.py::test_messages_are_written_as_the_real_model_writes_them",
    ),
    4: (
        f"{MODEL}statements.py::test_an_invalid_message_is_not_written",
        f"{MODEL}wire.py::test_what_breaks_the_grammar_is_refused",
        f"{MODEL}wire.py::test_what_a_lenient_peer_takes_is_read",
    ),
    5: (
        f"{MODEL}constraints.py::test_a_value_meets_a_constraint_or_not",
        f"{MODEL}constraints.py::test_a_constraint_is_read_and_written",
    ),
    6: (
        f"{MODEL}registry.py::"
        "test_a_registry_includes_core_and_replaces_what_it_defines_anew",
        f"{MODEL}registry.py::test_an_include_loop_is_refused",
    ),
    7: (
        f"{MODEL}when_vectors.py::"
        "test_a_repeated_scope_gives_its_inner_scopes_and_ends",
        f"{MODEL}crontab.py::test_the_next_match_matches_and_none_lies_before",
    ),
    8: (
        f"{REAL}.py::test_a_shell_runs_a_loopback_test",
        f"{REAL}.py::test_the_real_shell_finds_our_capabilities_by_html_links",
        f"{REAL}.py::test_a_shell_runs_the_ping_of_the_sdk",
    ),
    9: (
        f"{REAL}.py::test_a_shell_runs_a_loopback_test",
        f"{REAL}.py::test_our_client_runs_and_interrupts_measurements",
    ),
    10: (
        f"{COMPONENT}listener.py::"
        "test_a_slow_service_gives_a_receipt_and_later_its_result_once",
        f"{REAL}.py::test_a_measurement_longer_than_the_immediate_wait_is_redeemed",
    ),
    11: (
        f"{COMPONENT}listener.py::test_an_interrupt_stops_and_keeps_the_rows",
        f"{REAL}.py::test_our_client_runs_and_interrupts_measurements",
    ),
    12: (f"{COMPONENT}listener.py::test_a_failure_is_an_exception_with_status_200",),
    13: (f"{COMPONENT}listener.py::test_the_same_specification_twice_runs_once",),
    14: (
        f"{COMPONENT}listener.py::test_scheduler_exceptions_are_sent_with_status_200",
    ),
    15: (
        f"{MODEL}statements.py::test_a_specification_fulfills_a_capability_or_not",
        f"{SCHEDULER}job.py::test_a_stale_specification_is_answered_with_an_exception",
    ),
    16: (
        f"{COMPONENT}listener.py::"
        "test_a_repeated_specification_gives_its_receipt_at_once",
        f"{SCHEDULER}multijob.py::test_the_envelope_has_token_and_label_of_the_"
        "specification_its_results_their_own",
        f"{SCHEDULER}multijob.py::test_the_last_so_many_results_are_kept",
    ),
    17: (
        f"{SCHEDULER}multijob.py::"
        "test_two_repeated_measurements_do_not_mix_their_results",
    ),
    18: (f"{REAL}.py::test_the_real_component_comes_to_our_shell",),
    19: (
        f"{REAL}.py::"
        "test_our_component_comes_to_the_real_shell_and_loses_no_immediate_result",
    ),
    20: (f"{COMPONENT}initiator.py::test_a_result_goes_where_its_link_leads",),
    21: (
        f"{REAL}.py::test_both_sides_know_each_other_by_tls",
        f"{COMPONENT}listener.py::test_an_identity_sees_and_runs_only_what_is_granted",
    ),
    22: (f"{REAL}.py::test_the_real_supervisor_relays_between_ours",),
    23: (
        f"{REAL}.py::test_a_shell_runs_the_ping_of_the_sdk",
        "mplane/runtime/test_mpcom.py::test_old_modules_run_unchanged",
    ),
    24: (
        "faults/test_made_up_mplane_messages.py::test_only_the_exact_content_type_is_taken",
        "faults/test_made_up_mplane_messages.py::"
        "test_every_made_up_message_is_answered_with_a_message",
    ),
    25: (
        "mplane/client/test_initiator.py::"
        "test_a_withdrawal_that_is_fetched_takes_the_capability_back",
        "mplane/client/test_initiator.py::"
        "test_a_withdrawn_capability_fails_the_measurement",
    ),
    26: (
        f"{COMPONENT}initiator.py::"
        "test_a_callback_and_a_measurement_in_one_envelope_are_both_honoured",
    ),
}


@cache
def names_in(path: str) -> set[str]:
    tree = ast.parse((TESTS / path).read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("number", range(1, 27))
def test_a_scenario_of_the_contract_is_acted_out(number):
    for named in SCENARIOS[number]:
        path, _, name = named.partition("::")
        assert name in names_in(path), named
