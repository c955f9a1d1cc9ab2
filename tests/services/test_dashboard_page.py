"""The page of ``pilothouse dashboard``: its notebook, its configuration, its port."""

import socket

import nbformat
import pytest

from pilothouse.cli import main
from pilothouse.services import dashboard_page, status


def test_its_notebook_is_one_line_to_voila_and_names_the_template():
    notebook = nbformat.read(dashboard_page.notebook_path(), as_version=4)

    shown = [c for c in notebook.cells if "lab-only" not in c.metadata.tags]
    assert [c.source for c in shown] == ["%load_ext pilothouse\n%pilot dashboard --up"]
    assert notebook.metadata.title == "pilothouse"
    assert notebook.metadata.voila.template == "pilothouse"


def test_only_this_machine_with_the_token_reaches_it():
    found = dashboard_page._configured(4711, "a token", "auto")

    assert found["Voila"]["ip"] == "127.0.0.1"
    assert found["Voila"]["token"] == "a token"
    assert found["Voila"]["port_retries"] == 0


@pytest.mark.parametrize(
    ("theme", "voila"), [("auto", "light"), ("light", "light"), ("dark", "dark")]
)
def test_voila_is_told_the_theme(theme, voila):
    found = dashboard_page._configured(1, "", theme)["VoilaConfiguration"]

    assert found["theme"] == voila
    assert found["resources"]["pilothouse_theme"] == theme


def test_the_template_links_nothing_from_outside():
    template = dashboard_page._HERE / "share/voila/templates/pilothouse/index.html.j2"

    assert "http" not in template.read_text(encoding="utf-8")


def test_a_port_that_is_taken_is_told_before_anything_is_started(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        assert main(["dashboard", "--no-browser", "--port", str(port)]) == 1

    said = capsys.readouterr().err
    assert f"cannot listen on port {port}" in said
    assert "another --port" in said
    assert status() == []


@pytest.mark.parametrize("word", ["0", "65536", "x", "-1"])
def test_what_is_no_port_is_refused(word, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["dashboard", f"--port={word}"])

    assert ended.value.code == 2
    assert "no port number" in capsys.readouterr().err
