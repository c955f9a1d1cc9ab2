"""``pilothouse audit`` and ``%pilot audit``: files, folders, exit codes, JSON."""

from __future__ import annotations

import json
import subprocess
import sys

import keyring
import pytest

from audit.made_up import HEX, Maker
from audit.places import code, notebook, output
from audit.test_findings import saved
from pilothouse import secrets
from pilothouse.audit import Audit, Known
from pilothouse.cli import main
from pilothouse.secrets import Secret
from pilothouse.services.runtime_files import own_record
from test_secrets import Backend

SECRET = Maker(21).word(64, HEX)


@pytest.fixture
def dirty(tmp_path):
    return saved(tmp_path, notebook(code(f"secret = '{SECRET}'")), "dirty.ipynb")


@pytest.fixture
def clean(tmp_path):
    return saved(tmp_path, notebook(code("1 + 1")), "clean.ipynb")


def test_a_clean_notebook_is_exit_code_0(clean, capsys):
    assert main(["audit", str(clean)]) == 0
    assert capsys.readouterr().out == "no secret found in 1 notebook\n"


def test_a_secret_is_exit_code_1_and_is_not_shown(dirty, clean, capsys):
    assert main(["audit", str(clean), str(dirty)]) == 1

    said = capsys.readouterr().out
    assert f"cell 1, line 1: secret in the clear: {SECRET[:3]}… (64 characters)" in said
    assert "cells[0].source" in said
    assert "1 secret in 2 notebooks" in said
    assert SECRET[:4] not in said


def test_json_is_one_line(dirty, capsys):
    assert main(["audit", "--json", str(dirty)]) == 1

    (line,) = capsys.readouterr().out.splitlines()
    (file,) = json.loads(line)["files"]
    (finding,) = file["findings"]
    assert (finding["cell"], finding["line"]) == (1, 1)
    assert SECRET[:4] not in line


def test_folders_are_looked_through_with_their_checkpoints(dirty, tmp_path, capsys):
    hidden = tmp_path / "deep" / ".ipynb_checkpoints"
    hidden.mkdir(parents=True)
    (hidden / "a-checkpoint.ipynb").write_bytes(dirty.read_bytes())
    (tmp_path / "other.txt").write_text(SECRET)

    assert main(["audit", str(tmp_path)]) == 1
    assert "2 secrets in 2 notebooks" in capsys.readouterr().out


BROKEN = {
    "cut off": (b'{"cells": [', "this is no JSON: line 1: it ends in the middle"),
    "a merge": (b"<<<<<<< HEAD\n{}", "marks of a merge"),
    "no notebook": (b'{"a": 1}', "this is JSON, but no notebook"),
    "a list": (b"[1, 2]", "this is JSON, but no notebook"),
    "old": (b'{"worksheets": [], "nbformat": 3}', "nbformat 3"),
    "empty": (b"", "this is no JSON"),
    "bytes": (b"\x80\x02}q", "no UTF-8"),
}


@pytest.mark.parametrize("kind", sorted(BROKEN))
def test_what_cannot_be_read_is_exit_code_2(tmp_path, kind, capsys):
    raw, says = BROKEN[kind]
    path = tmp_path / "a.ipynb"
    path.write_bytes(raw)

    assert main(["audit", str(path)]) == 2
    said = capsys.readouterr().out
    assert says in said
    assert "1 could not be read" in said


def test_a_file_that_is_not_there_is_exit_code_2(tmp_path, capsys):
    assert main(["audit", str(tmp_path / "no.ipynb")]) == 2
    assert "No such file" in capsys.readouterr().out


def test_what_was_found_before_the_break_is_told_with_it(tmp_path, capsys):
    whole = json.dumps(notebook(code(f"secret = '{SECRET}'"), code("a")))
    path = tmp_path / "a.ipynb"
    path.write_text(whole[:-40])

    assert main(["audit", str(path)]) == 1
    said = capsys.readouterr().out
    assert "secret in the clear" in said
    assert "this is no JSON" in said


def test_the_magic_looks_at_this_notebook(run, dirty, monkeypatch):
    monkeypatch.setenv("JPY_SESSION_NAME", str(dirty))

    for found in (run("%pilot audit"), run(f"%pilot audit {dirty}")):
        assert isinstance(found, Audit)
        assert len(found.findings) == 1
        assert SECRET[:4] not in repr(found) + found._repr_html_()


def test_the_magic_looks_at_the_folder_where_no_notebook_is_known(
    run, dirty, monkeypatch
):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.chdir(dirty.parent)

    assert len(run("%pilot audit").findings) == 1


def test_the_machine_s_secrets_are_taken_from_every_place(tmp_path, monkeypatch):
    maker = Maker(31)
    made = {name: maker.word(20) for name in ("env", "proxy", "profile", "address")}
    made |= {"service": maker.word(43), "jupyter": maker.word(48, HEX)}
    made |= {"keyring": maker.word(18)}
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pilothouse.toml").write_text(
        '[profiles.a.fastscore]\nurl = "https://a.example"\nusername = "ann"\n'
    )
    record = own_record(
        {"fastscore": {"url": "http://a", "token": made["service"]}}, tmp_path
    )
    record.write()
    server = record.path.parent / "jpserver-1.json"
    server.write_text(json.dumps({"token": made["jupyter"], "port": 8888}))
    before = keyring.get_keyring()
    keyring.set_keyring(Backend())
    environ = {
        "SOME_API_KEY": made["env"],
        "HTTPS_PROXY": f"http://ann:{made['proxy']}@proxy.example:3128",
    }
    try:
        secrets.remember(
            "https://a.example", "password", "ann", Secret(made["keyring"])
        )
        known = Known.of_this_machine(environ)
    finally:
        keyring.set_keyring(before)
        record.remove()
    (tmp_path / "pilothouse.toml").write_text(
        f'[profiles.a.fastscore]\nurl = "https://ann:{made["address"]}@a.example"\n'
        f'password = "{made["profile"]}"\n'
    )
    mistaken = Known.of_this_machine({})

    found = {n for n, value in made.items() if any(known.look(f"<{value}>"))}
    found |= {n for n, value in made.items() if any(mistaken.look(f"<{value}>"))}
    assert found == set(made)


MEASURE = """
import resource, sys
from pathlib import Path
from pilothouse.audit import Audit, Known, audit
def most():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
list(audit([Path(sys.argv[1])], Known()))
before = most()
found = Audit(audit([Path(sys.argv[2])], Known()))
print(len(found.findings), (most() - before) * 1024)
"""


def test_memory_is_bounded_however_large_a_notebook_is(tmp_path, dirty):
    picture = "iVBORw0KGgo" + "aB3/xY9+" * 2_000_000
    big = notebook(
        code("x", output("display_data", data={"image/png": picture})),
        code("y", output("stream", text=["epoch 12 loss 0.3213\n"] * 200_000)),
        code(f"secret = '{SECRET}'"),
    )
    path = saved(tmp_path, big, "big.ipynb")
    assert path.stat().st_size > 20_000_000

    told = subprocess.run(
        [sys.executable, "-c", MEASURE, str(dirty), str(path)],
        capture_output=True,
        text=True,
        timeout=110,
        check=True,
    )

    count, grown = map(int, told.stdout.split())
    assert count == 1
    assert grown < 12_000_000
