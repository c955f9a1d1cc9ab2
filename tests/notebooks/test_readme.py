"""What the README says can be pasted is pasted here, as it stands."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from free_ports import free_port
from readme_blocks import README, blocks
from waiting import until


@pytest.fixture(scope="module")
def env(jupyter_home):
    return jupyter_home("readme")


def pasted(sources, path):
    """Write a notebook with a cell of each source; return its path."""
    cells = [nbformat.v4.new_code_cell(source.rstrip()) for source in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def ran_alone(script, env, folder):
    """Run a script in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", script],
        env=env,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=110,
    )


def test_the_ten_lines_work_as_pasted(env, execute, tmp_path):
    sources = blocks("Ten lines that work as pasted", "(?:python)?")[:-1]
    assert len(sources) == 4
    again = sources * 2  # the engine is somebody's then, as it is after the tour
    path = pasted(again, tmp_path / "ten.ipynb")

    (*_, result) = execute(path, env, tmp_path).cells[-1].outputs

    assert re.findall(r"\b(1|8|27)(?:\.0)?\b", result.data["text/plain"])[-3:] == [
        *("1", "8", "27")
    ]


def test_instances_work_as_pasted(env, execute, tmp_path):
    (*sources, script) = blocks("AIMM", "(?:python)?")
    assert len(sources) == 4
    path = pasted(sources, tmp_path / "instances.ipynb")

    found = execute(path, env, tmp_path).cells

    assert found[1].outputs[-1].data["text/plain"] == "array([0, 2])"
    assert "cellar.wines" in found[2].outputs[-1].data["text/plain"]
    assert found[3].outputs[-1].data["text/plain"].startswith("array([")

    ran = ran_alone(script, env, tmp_path)
    assert ran.stderr == ""
    assert ran.stdout.startswith("[21.]\n<ModelInstance ")


def test_the_script_works_as_pasted(env, tmp_path):
    script = blocks("Ten lines that work as pasted", "python")[-1]

    ran = ran_alone(script, env, tmp_path)

    assert ran.stderr == ""
    assert re.findall(r"\b\d+\b", ran.stdout) == ["1", "8", "27"]


def test_the_map_works_as_pasted(env, execute, tmp_path):
    first, second, third, *_ = blocks("Fastmap", "(?:python)?")
    sources = (first, second, third, "results[:3], roots[12], len(roots)")
    path = pasted(sources, tmp_path / "map.ipynb")

    (result,) = execute(path, env, tmp_path).cells[-1].outputs

    assert result.data["text/plain"] == "([0, 3, 6], 6.0, 100)"


def test_the_script_of_a_map_works_as_pasted(env, tmp_path):
    script = blocks("Fastmap", "python")[2]

    ran = ran_alone(script, env, tmp_path)

    assert ran.stderr == ""
    assert ran.stdout == "332833500\n"


@pytest.fixture
def cluster(jupyter_home, tmp_path):
    """What the README starts for Dask, on a free port, in a home of its own."""
    env = jupyter_home("dask")
    script = blocks("Fastmap", "sh")[0].replace("8786", str(free_port()))
    log = (tmp_path / "log").open("wb")
    started = subprocess.Popen(
        ["bash", "-c", f"set -e\n{script}wait"],
        env=env,
        cwd=tmp_path,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    yield env, tmp_path / "log"
    os.killpg(started.pid, signal.SIGTERM)
    started.wait(30)
    log.close()


@pytest.mark.timeout(240)
def test_a_map_on_dask_works_as_pasted(cluster, execute, tmp_path):
    env, log = cluster
    until(lambda: b"fastmap" in log.read_bytes(), 90, "the service on Dask")
    found = "cubes[10], len(cubes), _run.progress.lanes"
    sources = (blocks("Fastmap", "python")[3], found)
    path = pasted(sources, tmp_path / "dask.ipynb")

    (result,) = execute(path, env, tmp_path).cells[-1].outputs

    assert result.data["text/plain"].startswith("(1000,")
    assert "tcp://127.0.0.1" in result.data["text/plain"]


def test_a_measurement_works_as_pasted(env, execute, tmp_path):
    source, script = blocks("mPlane", "python")
    path = pasted([source], tmp_path / "mplane.ipynb")

    (*_, result) = execute(path, env, tmp_path).cells[-1].outputs
    ran = ran_alone(script, env, tmp_path)

    assert "rtt.us" in result.data["text/plain"]
    assert ran.stderr == ""
    assert "rtt.us" in ran.stdout


def test_a_plan_works_as_pasted(env, execute, tmp_path):
    (*sources, script) = blocks("Plans", "(?:python)?")
    assert len(sources) == 2
    path = pasted([*sources, "bool(slower > 0), len(worst)"], tmp_path / "plan.ipynb")

    (result,) = execute(path, env, tmp_path).cells[-1].outputs
    ran = ran_alone(script, env, tmp_path)

    assert result.data["text/plain"] == "(True, 2)"
    assert (ran.stdout, ran.stderr) == ("20\n", "")


def test_every_word_of_the_command_is_one(env):
    lines = re.findall(r"^    pilothouse (\w+)", README, re.MULTILINE)
    assert len(lines) >= 4

    for word in lines:
        asked = [sys.executable, "-m", "pilothouse", word, "--help"]
        subprocess.run(asked, env=env, check=True, capture_output=True, timeout=60)


def test_every_command_of_make_is_one():
    makefile = (Path(__file__).parents[2] / "Makefile").read_text(encoding="utf-8")

    for target in re.findall(r"`?make (\w+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
