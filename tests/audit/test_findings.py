"""Every secret that is planted is found, wherever it stands."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.made_up import HEX, Maker
from audit.places import PLACES, code, notebook, output, widgets
from pilothouse.audit import Audit, Known, audit

NOBODY = Known()


def saved(tmp_path, made, name="a.ipynb"):
    path = tmp_path / name
    path.write_text(json.dumps(made, indent=1), encoding="utf-8")
    return path


def found_in(tmp_path, made, known=NOBODY):
    (looked,) = audit([saved(tmp_path, made)], known)
    assert looked.error is None
    return looked.findings


@pytest.mark.parametrize("place", sorted(PLACES))
def test_a_secret_with_a_shape_is_found_at_every_place(tmp_path, place):
    missed = []
    for kind, secret in sorted(Maker(7).by_shape().items()):
        findings = found_in(tmp_path, PLACES[place](secret))
        missed += [] if findings else [kind]
        assert not [f for f in findings if secret in repr(f)]

    assert not missed


@pytest.mark.parametrize("kind", sorted(Maker().in_sources()))
def test_a_secret_after_a_name_is_found_in_a_source(tmp_path, kind):
    line, secret = Maker(3).in_sources()[kind]

    (finding,) = found_in(tmp_path, notebook(code("a = 1"), code("b = 2\n\n" + line)))

    assert (finding.cell, finding.line) == (2, 3)
    assert finding.path == "cells[1].source"
    assert f"({len(secret)} characters)" in finding.shown
    assert finding.shown.partition("…")[0] == secret[: min(3, len(secret) // 4)]
    assert finding.remedy


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
    ],
)
@given(
    seed=st.integers(0, 10**6),
    place=st.sampled_from(sorted(PLACES)),
    before=st.text(
        st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=40
    ),
    data=st.data(),
)
def test_any_secret_is_found_between_any_words(tmp_path, seed, place, before, data):
    made = Maker(seed).by_shape()
    secret = made[data.draw(st.sampled_from(sorted(made)))]

    assert found_in(tmp_path, PLACES[place](f"{before}\n{secret}\nrest"))


def test_a_finding_tells_the_output_and_its_line(tmp_path):
    secret = Maker(1).by_shape()["GitHub token"]
    made = notebook(
        code(
            "x",
            output("stream", text="a\n"),
            output("stream", text=f"b\nc\n{secret}\n"),
        )
    )

    (finding,) = found_in(tmp_path, made)

    assert (finding.cell, finding.output, finding.line) == (1, 2, 3)
    assert finding.path == "cells[0].outputs[1].text"
    assert "outputs" in finding.remedy


def test_the_value_of_a_password_field_is_found(tmp_path):
    state = {
        "_model_name": "PasswordModel",
        "_view_name": "PasswordView",
        "value": "ab",
    }

    (finding,) = found_in(tmp_path, widgets(state))

    assert finding.kind == "value of a password field"
    assert "widget state" in finding.remedy
    assert not found_in(tmp_path, widgets({**state, "value": ""}))


def test_a_field_that_asks_for_a_password_gives_it_away(tmp_path):
    state = {"_model_name": "TextModel", "description": "Password:", "value": "plain"}

    assert [f.kind for f in found_in(tmp_path, widgets(state))] == [
        "value of a password field"
    ]


def test_variables_that_a_traceback_shows_are_found(tmp_path):
    lines = [
        "Cell In[1], line 1",
        "        \x1b[1mpassword = \x1b[33m'hunter2x'\x1b[39m",
    ]
    error = output("error", ename="E", evalue="", traceback=lines)

    (finding,) = found_in(tmp_path, notebook(code("x", error)))

    assert finding.path == "cells[0].outputs[0].traceback"
    assert finding.line == 2


def test_a_table_with_a_password_is_read_as_a_page_shows_it(tmp_path):
    secret = Maker(2).word(12)
    page = f"<tr><td>password</td>\n  <td>{secret}</td></tr>"
    made = notebook(code("x", output("display_data", data={"text/html": page})))

    assert found_in(tmp_path, made)


def test_a_secret_across_two_chunks_of_the_file_is_found_once(tmp_path):
    secret = Maker(5).by_shape()["JSON web token"]
    for at in range(262_144 - 120, 262_144 + 40, 7):
        made = notebook(code("x", output("stream", text="ab \n" * (at // 4) + secret)))
        assert len(found_in(tmp_path, made)) == 1


def test_the_secrets_of_this_machine_are_found_in_every_form(tmp_path):
    secret = Maker(11).word(40, HEX) + "&/'"
    known = Known.of_this_machine({"MY_SERVICE_TOKEN": secret})
    for place, put in sorted(PLACES.items()):
        findings = found_in(tmp_path, put(f"value {secret} end"), known)
        kinds = [f.kind for f in findings]
        assert any("MY_SERVICE_TOKEN" in kind for kind in kinds), place
        assert secret not in repr(findings)
    assert secret not in repr(known)
    assert secret not in str(vars(known))


def test_a_short_secret_of_this_machine_is_found_as_a_word_only(tmp_path):
    known = Known.of_this_machine({"APP_PASSWORD": "otter7"})

    assert found_in(tmp_path, notebook(code("x = 'otter7'")), known)
    assert not found_in(tmp_path, notebook(code("x = 'otter7a'")), known)


def test_the_report_never_holds_a_secret(tmp_path):
    maker = Maker(13)
    secrets = maker.by_shape()
    made = notebook(*[code(f"# {value}") for value in secrets.values()])
    result = Audit(audit([saved(tmp_path, made)], NOBODY))

    told = repr(result) + result._repr_html_() + json.dumps(result.to_dict())
    assert len(result.findings) >= len(secrets)
    for secret in secrets.values():
        for at in range(0, len(secret) - 8):
            piece = secret[at : at + 8]
            is_own = any(c.isdigit() for c in piece) and any(c.isupper() for c in piece)
            assert not (is_own and piece in told)
