"""``%mplane`` over the local component, and over services of the tests' own."""

from __future__ import annotations

import json
import ssl
import threading
import time

import pandas as pd
import pytest

from certificates import Authority
from free_ports import free_port
from pilothouse import mplane
from pilothouse.errors import (
    ConnectError,
    LineError,
    NotFoundError,
    RemoteError,
)
from pilothouse.jobs import JobBook
from pilothouse.magics._session import Session
from waiting import until

WHEN = "now ... future / 1s"


class Steps(mplane.scheduler.Service):
    """Gives a row at once, and another one each time that it is let go."""

    def __init__(self):
        capability = mplane.model.Capability(label="steps", when=WHEN)
        capability.add_parameter("source.port", "1 ... 99")
        capability.add_parameter("source.interface", "lo,eth0")
        capability.add_parameter("source.device", "only")
        capability.add_result_column("rtt.us")
        super().__init__(capability)
        self.go = threading.Semaphore(0)

    def run(self, specification, check_interrupt):
        result = mplane.model.Result(specification=specification)
        begin = mplane.model.clock.now()
        for row in range(4):
            result.set_result_value("rtt.us", 100 + row, row)
            result.set_when(
                mplane.model.When(a=begin, b=mplane.model.clock.now()), force=True
            )
            check_interrupt.report(result)
            while not self.go.acquire(timeout=0.02):
                if check_interrupt():
                    return result
        return result


class Broken(mplane.scheduler.Service):
    """Fails, with a word."""

    def __init__(self):
        capability = mplane.model.Capability(label="broken", when="now ... future")
        capability.add_result_column("rtt.us")
        super().__init__(capability)

    def run(self, specification, check_interrupt):
        raise RuntimeError("no such probe here")


@pytest.fixture(autouse=True, scope="module")
def registry():
    mplane.model.initialize_registry()


@pytest.fixture
def steps():
    return Steps()


@pytest.fixture
def bench(run, steps, patient):
    """The shell, connected to a component with the two services above."""
    with mplane.component.serve([steps, Broken()], port=free_port()) as served:
        run(f"%mplane getcap {served.url}")
        yield served
        for _ in range(99):
            steps.go.release()


@pytest.fixture
def probes(run, component):
    """The shell, connected to the local component."""
    return run(f"%mplane getcap {component}")


LINE = "steps --set source.port=7 source.interface=lo --when now + 1h / 1s"


def test_bare_it_says_that_there_is_no_component_and_shows_examples(run):
    page = run("%mplane")

    assert page.startswith("no component yet: ")
    assert "%mplane runcap ping-4" in page


def test_bare_it_connects_to_the_component_of_the_profile(run, component, monkeypatch):
    monkeypatch.setenv("PILOTHOUSE_MPLANE_URL", component)

    page = run("%mplane")

    assert page.startswith(f"component: {component}")
    assert "test-loopback" in page


def test_help_lists_the_words_and_explains_one(run):
    assert "listmeas" in run("%mplane help")
    assert "--when" in run("%mplane help runcap")
    with pytest.raises(LineError, match="no 'fly'"):
        run("%mplane help fly")


def test_a_word_that_needs_a_component_connects_by_itself(run, component, monkeypatch):
    monkeypatch.setenv("PILOTHOUSE_MPLANE_URL", component)

    assert run("%mplane showcap test-loopback").get_label() == "test-loopback"


def test_without_a_component_the_error_says_where_one_comes_from(run):
    with pytest.raises(LineError, match="no component yet") as caught:
        run("%mplane listcap")

    assert "%pilot up" in caught.value.hint


def test_a_component_that_is_not_there_is_an_error(run):
    with pytest.raises(ConnectError):
        run("%mplane getcap http://127.0.0.1:9/")


def test_a_password_in_an_address_is_refused(run):
    with pytest.raises(LineError, match="would stay in the notebook"):
        run("%mplane getcap http://ann:secret@127.0.0.1:9/")


def test_capabilities_are_listed_with_what_they_take_and_give(run, bench):
    rows = run("%mplane listcap").rows

    assert [row["capability"] for row in rows] == ["broken", "steps"]
    assert "source.port: 1 ... 99" in rows[1]["parameters"]
    assert rows[1]["results"] == "rtt.us"


def test_a_capability_by_label_or_token(run, bench):
    found = run("%mplane showcap steps")

    assert run(f"%mplane showcap {found.get_token()}") is found


def test_an_unknown_capability_is_an_error_with_the_nearest(run, bench):
    with pytest.raises(NotFoundError, match="did you mean 'steps'") as caught:
        run("%mplane showcap step")

    assert "broken, steps" in caught.value.hint


def test_a_run_returns_its_result(run, probes):
    found = run("%mplane runcap test-loopback --set test.input=hello --when now")

    assert isinstance(found, mplane.model.Result)
    assert found.to_frame()["test.output"].tolist() == ["hello"]


def test_values_come_from_the_notebook_and_results_go_there(run, probes, shell):
    run("word = 'ahoy'")
    run("%mplane runcap test-loopback --set test.input={word} --when now -o echo;")

    assert list(shell.user_ns["echo"].result_column("test.output")) == ["ahoy"]


def test_the_words_of_mpcli_set_up_the_next_run(run, probes):
    assert run("%mplane set test.input hello   there").rows[0]["value"] == "hello there"
    assert str(run("%mplane when now")) == "now"
    assert len(run("%mplane show")) == 1

    found = run("%mplane runcap test-loopback mine")

    assert found.get_label() == "mine"
    assert list(found.result_column("test.output")) == ["hello there"]
    assert len(run("%mplane unset")) == 0
    assert str(run("%mplane when")) == "now"


def test_a_real_ping_has_real_rows(run, probes):
    labels = [row["capability"] for row in probes]
    line = "tcp-4 --set destination.ip4=127.0.0.1 destination.port=9 --when now"
    if "ping-4" in labels:
        line = "ping-4 --set destination.ip4=127.0.0.1 --when now"

    frame = run(f"%mplane runcap {line}").to_frame()

    assert len(frame) == 1
    assert isinstance(frame, pd.DataFrame)
    assert frame.attrs["parameters"]["destination.ip4"] == "127.0.0.1"


def test_a_repeated_scope_gives_all_results(run, probes, monkeypatch):
    monkeypatch.setattr("pilothouse.mplane.scheduler.multijob._LATE_SECONDS", 60.0)
    found = run(
        "%mplane runcap test-loopback --set test.input=hi --when repeat now + 2s / 1s"
    )

    assert isinstance(found, mplane.model.Envelope)
    assert len(found) >= 2
    assert found.to_frame().index.name == "start"
    assert set(found.to_frame()["test.output"]) == {"hi"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("steps", "no scope is set"),
        ("steps --when now + 1s / 1s", "source.port has no value"),
        (f"{LINE} --set source.port=100", "does not allow '100'"),
        ("steps --when soon", "Invalid temporal scope soon"),
        ("steps --when now --set source.port=7", "does not follow"),
        (f"{LINE} --set nosuch=1", "no parameter nosuch"),
        (f"{LINE} --set nosuch", "is no NAME=VALUE"),
    ],
)
def test_what_cannot_run_is_told_before_anything_is_sent(run, bench, line, said):
    with pytest.raises(LineError, match=said):
        run(f"%mplane runcap {line}")

    assert not bench.scheduler.jobs


def test_the_hint_of_what_cannot_run_is_a_scope_that_can(run, bench):
    with pytest.raises(LineError) as caught:
        run("%mplane runcap steps")

    assert '--when "now + 10s / 1s"' in caught.value.hint


def test_a_measurement_that_fails_is_an_error_with_the_components_words(run, bench):
    with pytest.raises(RemoteError, match="no such probe here"):
        run("%mplane runcap broken --when now")


def test_a_detached_measurement_is_returned_at_once(run, bench, steps):
    one = run(f"%mplane runcap {LINE} --detach")

    until(lambda: one.rows == 1)
    assert not one.is_over
    for _ in range(4):
        steps.go.release()
    assert list(one.result(60).result_column("rtt.us")) == [100, 101, 102, 103]


def test_measurements_are_listed_shown_and_stopped(run, bench):
    one = run(f"%mplane runcap {LINE} --detach")
    until(lambda: one.rows == 1)

    (row,) = run("%mplane listmeas").rows
    assert row["measurement"] == one.label == "steps-0"
    assert str(row["state"]) == "running"
    assert run("%mplane showmeas steps-0").count_result_rows() == 1
    said = run("%mplane stop")
    assert "steps-0: interrupted: the component confirmed, 1 row" in said
    assert run(f"%mplane showmeas {one.token}").count_result_rows() == 1


def test_what_was_stopped_is_crossed_out_with_the_answer(run, bench, late_threads):
    one = run(f"%mplane runcap {LINE} --detach")
    until(lambda: one.rows == 1)

    assert "confirmed" in run("%mplane stop")
    assert not JobBook().records("mplane")


def test_stopmeas_is_stop_as_mpcli_spells_it(run, bench):
    one = run(f"%mplane runcap {LINE} --detach")
    until(lambda: one.rows == 1)

    assert "confirmed" in run("%mplane stopmeas steps-0")


def test_what_is_stopped_must_be_there(run, bench):
    with pytest.raises(NotFoundError, match="nothing was measured"):
        run("%mplane stop")


def test_waiting_for_a_detached_one_gives_its_result(run, bench, steps):
    run(f"%mplane runcap {LINE} --detach;")
    for _ in range(4):
        steps.go.release()

    assert run("%mplane waitmeas steps-0").count_result_rows() == 4


def test_a_configuration_brings_certificates(run, steps, tmp_path):
    authority = Authority(tmp_path)
    probe = authority.party("SSB", "Components", "Component-1")
    known = authority.party("SSB", "Clients", "Client-1")
    access = {
        "Roles": {"guest": [known.identity]},
        "Authorizations": {"steps": ["guest"]},
    }
    config = tmp_path / "client.ini"
    config.write_text(known.ini)
    with mplane.component.serve(
        steps, config={**probe.json, "Access": access}
    ) as served:
        assert served.url.startswith("https://")
        with pytest.raises(ConnectError, match="TLS with") as caught:
            run(f"%mplane getcap {served.url}")
        assert "--config FILE" in caught.value.hint

        rows = run(f"%mplane getcap {served.url} --config {config}").rows

        assert [row["capability"] for row in rows] == ["steps"]


def test_the_profile_says_which_authority_is_trusted(run, steps, tmp_path, monkeypatch):
    for name in ("ours", "other"):
        (tmp_path / name).mkdir()
    ours, other = Authority(tmp_path / "ours"), Authority(tmp_path / "other", "Other")
    probe = ours.party("SSB", "Components", "Component-1")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(probe.cert, probe.key)  # asks for no certificate
    with mplane.component.serve(steps, ssl_context=context) as served:
        monkeypatch.setenv("PILOTHOUSE_MPLANE_URL", served.url)
        monkeypatch.setenv("PILOTHOUSE_MPLANE_VERIFY", str(other.ca))
        with pytest.raises(ConnectError, match="TLS with") as caught:
            run("%mplane getcap")
        assert "verify in the profile" in caught.value.hint

        monkeypatch.setenv("PILOTHOUSE_MPLANE_VERIFY", str(ours.ca))
        rows = run("%mplane getcap").rows

        assert [row["capability"] for row in rows] == ["steps"]


def test_a_configuration_of_a_waiting_client_is_refused(run, tmp_path):
    config = tmp_path / "client.json"
    config.write_text('{"Client": {"Listener": {"port": 8890}}}')

    with pytest.raises(LineError, match="waits for its components"):
        run(f"%mplane getcap --config {config}")


def test_components_that_are_gone_are_left_and_results_stay(run, shell, bench, steps):
    one = run(f"%mplane runcap {LINE} --detach")
    for _ in range(4):
        steps.go.release()
    assert one.wait(60)

    Session.of(shell).kept("mplane").leave({bench.url.rstrip("/")})

    with pytest.raises(LineError, match="no component yet"):
        run("%mplane listcap")
    assert run("%mplane showmeas steps-0").count_result_rows() == 4


# -- errors ------------------------------------------------------------------------


def test_errors_are_short_until_tbenable(run, shown, bench):
    assert len(shown("%mplane showcap nosuch").splitlines()) <= 3
    run("%mplane tbenable")
    assert "Traceback" in shown("%mplane showcap nosuch")


def test_a_word_that_is_none_is_an_error_with_the_nearest(run):
    with pytest.raises(LineError, match="did you mean 'runcap'"):
        run("%mplane runcp")


# -- completion --------------------------------------------------------------------


def test_words_options_and_labels_complete(complete, bench):
    assert complete("%mplane run")["runcap"].startswith("subcommand")
    assert complete("%mplane runcap st")["steps"].startswith("capability: source.dev")
    assert "--when" in complete("%mplane runcap steps --")
    assert "steps" in complete("x = %mplane showcap s")


def test_parameter_names_and_allowed_values_complete(complete, bench):
    offered = complete("%mplane runcap steps --set sour")
    assert offered["source.port="] == "natural: 1 ... 99"
    assert "source.device=" not in offered  # it has one value only
    line = "%mplane runcap steps --set source.interface="
    assert set(complete(line)) == {"source.interface=lo", "source.interface=eth0"}
    both = complete("%mplane runcap steps --set source.port=7 sour")
    assert set(both) == {"source.interface="}
    assert "source.interface" in complete("%mplane set source.i")
    assert set(complete("%mplane set source.interface ")) >= {"lo", "eth0"}


def test_scopes_that_the_capability_takes_complete(complete, bench):
    assert "now + 10s / 1s" in complete('%mplane runcap steps --when "now')
    assert "now" not in complete("%mplane runcap steps --when ")
    assert "now" in complete("%mplane runcap broken --when ")
    assert "10s / 1s" in complete("%mplane when now + ")


def test_measurements_and_defaults_complete(complete, run, bench):
    run("%mplane set source.port 7")
    one = run(f"%mplane runcap {LINE} --detach")
    until(lambda: one.rows == 1)

    assert complete("%mplane stop ")["steps-0"] == "measurement: running"
    assert complete("%mplane unset ")["source.port"] == "default: 7"


def test_completion_asks_nobody_and_is_quick(complete, run, bench):
    bench.close()
    line = "%mplane runcap steps --set source."
    complete(line)
    begin = time.thread_time()
    for _ in range(20):
        assert "source.port=" in complete(line)

    assert (time.thread_time() - begin) / 20 < 0.05  # 5 ms on a machine of one's own


# -- jobs --------------------------------------------------------------------------


def test_a_measurement_under_way_is_in_the_book_until_it_is_over(run, bench):
    one = run(f"%mplane runcap {LINE} --detach")

    (record,) = JobBook().records("mplane")
    assert record.id == one.token
    assert record.url.startswith(bench.url.rstrip("/"))
    assert "steps-0" in record.label
    json.dumps(record.details)
    until(lambda: one.rows == 1)
    one.cancel()
    until(lambda: not JobBook().records("mplane"))


def test_a_measurement_that_is_over_is_crossed_out_with_its_result(
    run, bench, steps, late_threads
):
    done = threading.Timer(0.5, steps.go.release, [4])
    done.start()
    run(f"%mplane runcap {LINE}")

    assert not JobBook().records("mplane")
    done.join()


def forget_everything(run, shell):
    """Leave the session as a kernel does that ends."""
    Session.of(shell).release("mplane")


def test_a_receipt_of_an_earlier_session_is_listed_and_redeemed(
    run, shell, bench, steps
):
    one = run(f"%mplane runcap {LINE} --detach")
    until(lambda: one.rows == 1)
    forget_everything(run, shell)

    (row,) = run("%pilot jobs").rows
    assert row["kind"] == "mplane"
    assert row["state"].startswith("measuring, ")
    for _ in range(4):
        steps.go.release()
    found = run(f"%pilot attach {row['job']} -o late")

    assert list(found.result_column("rtt.us")) == [100, 101, 102, 103]
    assert shell.user_ns["late"] is found
    assert not JobBook().records()


def test_looking_at_a_job_takes_no_result_away(run, shell, bench, steps):
    one = run(f"%mplane runcap {LINE} --detach")
    forget_everything(run, shell)
    for _ in range(4):
        steps.go.release()
    job = bench.scheduler.jobs[one.token]
    until(job.finished)

    for _ in range(2):
        (row,) = run("%pilot jobs").rows
    assert run(f"%pilot attach {row['job']}").count_result_rows() == 4


def test_a_measurement_of_an_earlier_session_can_be_stopped(run, shell, bench):
    one = run(f"%mplane runcap {LINE} --detach")
    until(lambda: one.rows == 1)
    forget_everything(run, shell)

    said = run(f"%pilot stop {one.token[:8]}")

    assert "interrupted: the component confirmed" in said
    assert not JobBook().records()


def test_a_job_whose_component_is_away_is_unreachable_and_stays(run, shell, bench):
    one = run(f"%mplane runcap {LINE} --detach")
    forget_everything(run, shell)
    bench.close()

    (row,) = run("%pilot jobs").rows

    assert row["state"].startswith("unreachable: ")
    assert [record.id for record in JobBook().records()] == [one.token]


def test_a_job_that_the_component_knows_no_more_is_an_error(run, shell, bench, steps):
    one = run(f"%mplane runcap {LINE} --detach")
    forget_everything(run, shell)
    port = bench.port
    bench.close()
    with (
        mplane.component.serve([steps], port=port),
        pytest.raises(RemoteError, match="does not know this measurement"),
    ):
        run(f"%pilot attach {one.token[:8]}")
