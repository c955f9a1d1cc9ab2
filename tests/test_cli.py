"""The ``pilothouse`` command, as a user runs it."""

import contextlib
import gc
import json
import os
import re
import signal
import subprocess
import sys
import threading

import psutil
import pytest

import pilothouse
from conftest import raw_call
from free_ports import free_port
from pilothouse.cli import main

COMMAND = [sys.executable, "-m", "pilothouse"]
HEALTH = "/api/1/service/connect/1/health"


@pytest.fixture(autouse=True)
def _all_down():
    yield
    for local in pilothouse.status():
        local.down()


def run(*words):
    return subprocess.run(
        [*COMMAND, *words], capture_output=True, text=True, timeout=120, check=False
    )


@contextlib.contextmanager
def running(*words):
    """A command in the foreground; if the test leaves it running it is ended.

    First in order, so that it ends what it has started: that has its pipes.
    """
    process = subprocess.Popen(
        [*COMMAND, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    late = threading.Timer(240, process.terminate)
    late.start()
    try:
        yield process
    finally:
        late.cancel()
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(60)
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def line_of(process):
    assert process.stdout is not None
    return process.stdout.readline()


def health(endpoint):
    headers = {"Authorization": endpoint["token"]}
    return raw_call(endpoint["url"], "GET", HEALTH, None, headers).status


def test_up_prints_exactly_one_line_of_json(tmp_path):
    with running("up", "--json", "--data-dir", str(tmp_path)) as process:
        told = json.loads(line_of(process))
        assert set(told) >= {"pid", "fastscore", "fastmap"}
        assert set(told["fastmap"]) == {"url", "secret"}
        assert re.fullmatch(r"[0-9a-f]{64}", told["fastmap"]["secret"])
        assert set(told["fastscore"]) == {"url", "token"}
        assert told["pid"] == process.pid
        assert health(told["fastscore"]) == 200
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    assert out == ""
    assert process.returncode == 0
    assert "Traceback" not in err
    assert told["fastscore"]["token"] not in err
    assert told["fastmap"]["secret"] not in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_up_prints_a_table_and_a_signal_ends_it_in_order(tmp_path, number):
    with running("up", "--data-dir", str(tmp_path)) as process:
        table = ""
        while "Ctrl-C" not in table:
            table += line_of(process)
        assert "fastscore  http://127.0.0.1:" in table
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Traceback" not in err
    assert pilothouse.status() == []


def test_status_and_down_find_what_runs(tmp_path):
    assert "no local services" in run("status").stdout
    assert run("status", "--json").stdout == "[]\n"
    with running("up", "--json", "--data-dir", str(tmp_path)) as process:
        told = json.loads(line_of(process))
        assert told["fastscore"]["url"] in run("status").stdout
        assert json.loads(run("status", "--json").stdout) == [told]
        assert run("down").stdout == f"ended: process {process.pid}\n"
        assert process.wait(30) == 0
    assert run("down").stdout == "no local services were running\n"
    assert run("down", "--json").stdout == '{"ended":[]}\n'


def test_detached_services_outlive_the_command():
    told = json.loads(run("up", "--detach", "--json").stdout)
    assert health(told["fastscore"]) == 200
    again = run("up", "--detach")
    assert again.stdout.startswith("found running\n")
    assert told["fastscore"]["url"] in again.stdout
    assert [local.pid for local in pilothouse.status()] == [told["pid"]]


def test_a_port_can_be_chosen(tmp_path):
    port = free_port()
    words = ["--port", f"fastscore={port}", "--service", "fastscore"]
    told = json.loads(run("up", "--detach", "--json", *words).stdout)
    assert told["fastscore"]["url"].endswith(f":{port}")


def test_a_second_one_on_the_same_data_is_refused(tmp_path):
    with running("up", "--json", "--data-dir", str(tmp_path)) as process:
        line_of(process)
        second = run("up", "--data-dir", str(tmp_path))
    assert second.returncode == 1
    assert "in use" in second.stderr
    assert "Traceback" not in second.stderr


def test_listening_for_other_machines_is_warned_of(tmp_path):
    words = ["--json", "--host", "0.0.0.0", "--data-dir", str(tmp_path)]
    with running("up", *words) as process:
        told = json.loads(line_of(process))
        assert health(told["fastscore"]) == 200
        process.terminate()
        _, err = process.communicate(timeout=30)
    assert "warning: listening on 0.0.0.0" in err
    assert "in the clear" in err


def test_up_speaks_tls(tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    words = ["--tls-cert", str(cert), "--tls-key", str(key)]
    told = json.loads(run("up", "--detach", "--json", *words).stdout)
    assert told["fastscore"]["url"].startswith("https://")
    assert health(told["fastscore"]) == 200
    again = pilothouse.up()
    assert again.pid == told["pid"]


def test_serve_runs_one_service_from_a_file(tmp_path):
    conf = tmp_path / "conf.yaml"
    conf.write_text("data_dir: data\nengines: []\n")
    with running("serve", "fastscore", "--conf", str(conf), "--json") as process:
        told = json.loads(line_of(process))
        headers = {"Authorization": told["fastscore"]["token"]}
        path = "/api/1/service/connect/1/connect?return=name"
        answer = raw_call(told["fastscore"]["url"], "GET", path, None, headers)
        assert answer.json == [{"name": "model-manage-1"}]
        process.terminate()
        process.communicate(timeout=30)
    assert process.returncode == 0
    assert (tmp_path / "data" / "fastscore" / "fastscore.sqlite").exists()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "COMMAND"),
        (["nope"], "invalid choice"),
        (["up", "--service", "nope"], "invalid choice"),
        (["up", "--port", "80"], "SERVICE=N"),
        (["up", "--port", "fastscore=x"], "no port number"),
        (["up", "--port", "fastscore=70000"], "no port number"),
        (["up", "--workers", "none"], "no number of workers"),
        (["up", "--workers", "0"], "no number of workers"),
        (["serve", "elsewhere", "--conf", "x"], "invalid choice"),
        (["serve", "fastscore"], "--conf"),
        (["audit", "--nope", "x.ipynb"], "unrecognized arguments"),
    ],
)
def test_wrong_words_are_refused_with_exit_code_two(words, text, capsys):
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert text in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["up", "--tls-key", "k"], "--tls-key needs --tls-cert"),
        (["up", "--tls-cert", "/nope"], "TLS certificate"),
        (["serve", "fastscore", "--conf", "/nope"], "cannot read"),
        (["lab", "/nope.ipynb"], "no notebook"),
    ],
)
def test_an_error_is_one_line_and_exit_code_one(words, text, capsys):
    assert main(words) == 1
    err = capsys.readouterr().err
    assert err.startswith("pilothouse: ")
    assert text in err
    assert gc.isenabled()


def test_the_version_is_printed(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"pilothouse {pilothouse.__version__}\n"


def test_the_command_is_light_until_it_has_to_work():
    script = (
        "import sys, pilothouse.cli\n"
        "heavy = {'aiohttp', 'sqlalchemy', 'yaml', 'psutil', 'numpy', 'IPython'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


NOTEBOOK = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def without_browser():
    return ["--no-browser", "--", f"--ServerApp.port={free_port()}"]


def test_lab_starts_services_and_jupyterlab_and_ends_both(tmp_path):
    notebook = tmp_path / "one story.ipynb"
    notebook.write_text(json.dumps(NOTEBOOK))
    with running("lab", str(notebook), *without_browser()) as process:
        said = ""
        while "JupyterLab: " not in said:
            line = line_of(process)
            assert line, said
            said += line
        address = line.partition("JupyterLab: ")[2].strip()
        assert "/lab/tree/one%20story.ipynb?token=" in address
        (local,) = pilothouse.status()
        base = address.partition("/lab")[0]
        answer = raw_call(base, "GET", f"{address.removeprefix(base)}", None, {})
        assert answer.status == 200
        children = psutil.Process(process.pid).children()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
    assert process.returncode == 0
    assert not local.is_alive
    assert not [child for child in children if child.is_running()]


def test_lab_leaves_services_that_ran_before(tmp_path):
    local = pilothouse.up()
    with running("lab", *without_browser()) as process:
        said = ""
        while "JupyterLab: " not in said:
            line = line_of(process)
            assert line, said
            said += line
        assert "found running" in said
        os.kill(process.pid, signal.SIGTERM)
        process.communicate(timeout=120)
    assert local.is_alive
