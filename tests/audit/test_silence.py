"""What is no secret raises no alarm: our own notebooks, hashes, pictures, names."""

from __future__ import annotations

import base64
import json
import random
import uuid
from pathlib import Path

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbclient import NotebookClient

from audit.made_up import HEX, Maker
from audit.places import PLACES, code, notebook, output, widgets
from audit.test_findings import NOBODY, found_in, saved
from magics.kernels import AsyncManager, environment
from pilothouse.audit import Audit, Known, audit

ROOT = Path(__file__).parents[2]


def test_our_own_notebooks_are_clean():
    result = Audit(audit([ROOT / "notebooks"], NOBODY))

    assert len(result.files) >= 5
    assert result.exit_code == 0, result


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_our_own_documents_are_clean_as_cells(tmp_path, name):
    text = (ROOT / name).read_text(encoding="utf-8")
    blocks = [code(part) for part in text.split("```")]

    assert not found_in(tmp_path, notebook(*blocks, code(text)))


def test_a_notebook_that_was_run_and_saved_with_its_views_is_clean(
    tmp_path, monkeypatch
):
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    lines = [
        "%load_ext pilothouse\nlocal = %pilot up\nlocal",
        "%fastscore connect",
        "%engine watch",
        "%fastscore pneumo",
        "%aimm connect",
        "%aimm watch",
        "%fastmap connect --policy CLOUD",
        "results = %fastmap {lambda n: n * n} {range(20)}\nsum(results)",
        "%mplane getcap",
        "%mplane browse",
        "%pilot doctor",
        "%pilot status",
    ]
    made = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(line) for line in lines]
    )
    client = NotebookClient(
        made,
        timeout=60,
        kernel_name="python3",
        kernel_manager_class=AsyncManager,
        store_widget_state=True,
    )
    known = Known()
    with client.setup_kernel():
        try:
            for at, cell in enumerate(made.cells):
                client.execute_cell(cell, at)
            client.set_widgets_metadata()
            known = Known.of_this_machine({})
        finally:
            down = nbformat.v4.new_code_cell("%pilot down")
            client.execute_cell(down, 0)

    assert len(known) >= 3  # a token, a password and a secret of the local services
    assert len(made.metadata["widgets"]) == 1
    result = Audit(audit([saved(tmp_path, made)], known))
    assert result.exit_code == 0, result


LINES = [
    "password = getpass('password: ')",
    "token = local.fastscore.token",
    "config = fastmap.init(cloud_url=local.fastmap.url, secret=local.fastmap.secret)",
    "password = os.environ['PILOTHOUSE_FASTSCORE_PASSWORD']",
    "def log_in(user: str, password: str = '', *, token: str | None = None): ...",
    "connect(url, username='ann', password=Secret(value))",
    "tokens = tokenizer('a text of some words', max_tokens=256)",
    "pad_token = '<pad>'; sep_token = '[SEP]'; eos_token='</s>'",
    "API_KEY = 'your-api-key'",
    "password = '********'",
    "secret = 'YOUR_SECRET_HERE'",
    "url = f'https://{user}:{password}@suite.example'",
    "url = 'https://user:password@suite.example'",
    "%fastscore login ann --token",
    "%fastscore connect https://fastscore.example:8000 --user ann",
    "!curl -u $USER:$PASSWORD https://a.example",
    "%env PILOTHOUSE_AIMM_PASSWORD $PASSWORD",
    "headers = {'Authorization': f'Bearer {token}'}",
    "requests.get(url, headers={'Authorization': 'Bearer ' + token})",
    "from sklearn.linear_model import PassiveAggressiveClassifier  # sk-learn-based",
    "@pytest.mark.parametrize('secret', SECRETS)",
    "key = 'a_rather_long_key_of_a_dictionary_with_2_numbers_10'",
    "TheVeryLongCamelCaseNameOfSomeClassInVersion2OfTheLibrary = 1",
    "password_hint = 'the name of the first pet'",
    "print('password: required')",
    "{'capability': 'measure', 'token': '0f31c9033f8fce0c9be41d4942c276e4'}",
]


def test_programs_that_handle_secrets_well_are_clean(tmp_path):
    cells = [code(line, output("stream", text=line + "\n")) for line in LINES]

    assert not found_in(tmp_path, notebook(*cells))


@st.composite
def blobs(draw):
    """Return something long and random-looking that is no secret."""
    chance = random.Random(draw(st.integers(0, 10**6)))
    length = draw(st.integers(60, 3000))
    raw = chance.randbytes(length)
    encoded = base64.b64encode(raw).decode()
    picture = base64.b64encode(b"\x89PNG\r\n\x1a\n" + raw).decode()
    wrapped = "\n".join(picture[i : i + 76] for i in range(0, len(picture), 76))
    numbers = json.dumps({"y": [chance.random() for _ in range(30)], "uid": raw.hex()})
    return draw(
        st.sampled_from(
            [
                raw[:20].hex(),
                raw[:32].hex(),
                f"sha256:{raw[:32].hex()}",
                f"sha256-{base64.b64encode(raw[:32]).decode()}",
                str(uuid.UUID(bytes=raw[:16])),
                f'"id": "{uuid.UUID(bytes=raw[:16])}", "session": "{raw[:16].hex()}"',
                f"data:image/png;base64,{picture}" if length > 300 else raw.hex(),
                wrapped if length > 300 else raw.hex(),
                json.dumps({"dtype": "f8", "bdata": encoded}) if length > 300 else "x",
                numbers,
                f"--hash=sha256:{raw[:32].hex()} \\",
                f"commit {raw[:20].hex()} (HEAD -> main)",
            ]
        )
    )


@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
    ],
)
@given(text=blobs(), place=st.sampled_from(sorted(PLACES)))
def test_hashes_pictures_and_numbers_are_no_secrets(tmp_path, text, place):
    assert not found_in(tmp_path, PLACES[place](text))


def test_ids_and_buffers_of_widgets_are_no_secrets(tmp_path):
    chance = random.Random(4)
    state = {
        "layout": "IPY_MODEL_" + chance.randbytes(16).hex(),
        "_dom_classes": [],
        "value": "<table><tr><td>engine-1</td><td>RUNNING</td></tr></table>",
        "password": None,
    }
    data = base64.b64encode(chance.randbytes(40_000)).decode()
    buffer = {"path": ["window"], "encoding": "base64", "data": data}

    assert not found_in(tmp_path, widgets(state, [buffer]))


def test_a_made_up_secret_is_no_known_one(tmp_path):
    known = Known.of_this_machine({"A_TOKEN": Maker(1).word(32, HEX)})

    assert not found_in(
        tmp_path, notebook(code(f"x = '{Maker(2).word(64, HEX)}'")), known
    )


def test_rows_of_a_table_of_capabilities_that_were_printed_are_clean(tmp_path):
    maker = Maker(4)
    rows = [{"capability": "ping-4", "token": maker.word(n, HEX)} for n in (8, 32) * 99]

    printed = output("stream", name="stdout", text=f"{rows}\n")
    assert not found_in(tmp_path, notebook(code("", printed)))
