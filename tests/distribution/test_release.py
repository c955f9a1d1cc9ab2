"""A release: what its two files hold, and the wheel at work where there is no checkout.

All in one file, so that one worker builds and installs it once.
"""

from __future__ import annotations

import json
import re
import tarfile
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.metadata import Metadata
from readme_renderer import markdown

import pilothouse
from readme_blocks import blocks, scripts

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "pilothouse": "kernel_ext/pilothouse",
    "pilothouse_widgets": "widgets/pilothouse_widgets",
}
FOLDERS = ("kernel_ext", "widgets", "notebooks", "tests", "binder")
PAGE = "pilothouse/services/share/06_dashboard.ipynb"
MADE_BY_RUNNING = {"__pycache__", ".ipynb_checkpoints", ".pytest_cache"}
SECRET = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{32}"
    rb"|//[^/\s:@{}'\"]+:[^/\s:@{}'\"]+@[a-z0-9.-]+/"
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

Files = dict[str, bytes]


def sources(folder: Path, prefix: str) -> Files:
    """Return the files of a folder that a person wrote, by their names below it."""
    return {
        f"{prefix}/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
        and not MADE_BY_RUNNING & set(path.parts)
        and path.suffix not in {".pyc", ".joblib"}
    }


@pytest.fixture(scope="module")
def wheel(release) -> Files:
    with zipfile.ZipFile(release.wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def sdist(release) -> Files:
    with tarfile.open(release.sdist) as archive:
        return {
            member.name.partition("/")[2]: archive.extractfile(member).read()
            for member in archive.getmembers()
            if member.isfile()
        }


@pytest.fixture(scope="module")
def metadata(wheel) -> Message:
    (name,) = [name for name in wheel if name.endswith(".dist-info/METADATA")]
    return Parser().parsestr(wheel[name].decode())


def information(wheel: Files) -> Files:
    return {name: data for name, data in wheel.items() if ".dist-info/" in name}


def beside(wheel: Files) -> Files:
    """Return what is installed beside the packages: Jupyter's data and settings."""
    return {name: data for name, data in wheel.items() if ".data/" in name}


def test_the_wheel_built_from_the_sdist_is_what_the_checkout_has(release, wheel):
    packages = set(wheel) - set(information(wheel)) - set(beside(wheel))

    expected: Files = {}
    for name, folder in PACKAGES.items():
        expected |= sources(release.tree / folder, name)
    expected |= {PAGE: (release.tree / "notebooks" / "06_dashboard.ipynb").read_bytes()}

    assert packages == set(expected)
    assert [name for name in packages if wheel[name] != expected[name]] == []


def test_voila_finds_the_template_of_the_page(release, wheel):
    template = release.tree / PACKAGES["pilothouse"] / "services" / "share" / "voila"

    found = {name.partition(".data/")[2]: data for name, data in beside(wheel).items()}

    assert found == sources(template, "data/share/jupyter/voila")


def test_the_wheel_has_types_views_registries_and_harnesses(wheel):
    for name in (
        "pilothouse/py.typed",
        "pilothouse_widgets/py.typed",
        "pilothouse_widgets/static/pilothouse.css",
        "pilothouse_widgets/static/engine.js",
        "pilothouse/mplane/model/registries/core.json",
        "pilothouse/mplane/model/registries/probes.json",
        "pilothouse/services/fastscore/engine/jet/harness/harness.R",
        "pilothouse/services/aimm/examples/plugins.py",
    ):
        assert wheel[name] or name.endswith("py.typed")


def test_the_sdist_is_the_whole_checkout(release, sdist):
    expected: Files = {}
    for folder in FOLDERS:
        expected |= sources(release.tree / folder, folder)

    below = {name for name in sdist if name.partition("/")[0] in FOLDERS}
    top = set(sdist) - below

    assert below == set(expected)
    assert [name for name in below if sdist[name] != expected[name]] == []
    assert top == {
        *("PKG-INFO", "pyproject.toml", "constraints.txt", "Makefile", ".gitignore"),
        *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE"),
    }


def test_neither_holds_a_secret_or_a_place_of_this_machine(wheel, sdist):
    places = {str(ROOT).encode(), str(Path.home()).encode() + b"/"}
    for name, data in {**wheel, **sdist}.items():
        if not name.startswith("tests/"):
            assert not SECRET.search(data), name
        assert not [place for place in places if place in data], name


def test_the_metadata_is_what_an_index_takes(wheel, metadata):
    (name,) = [name for name in wheel if name.endswith(".dist-info/METADATA")]

    read = Metadata.from_email(wheel[name], validate=True)

    assert read.name == "pilothouse"
    assert str(read.version) == pilothouse.__version__
    assert read.license_expression == "BSD-3-Clause"
    assert read.license_files == ["LICENSE"]
    assert str(read.requires_python) == ">=3.11"
    assert "Typing :: Typed" in read.classifiers
    assert not [each for each in read.classifiers if each.startswith("License")]
    assert set(read.provides_extra) >= {"lab", "demo", "dask", "keyring", "pfa"}
    assert any(each.endswith("/licenses/LICENSE") for each in wheel)


def test_the_readme_renders_as_an_index_shows_it(metadata):
    assert metadata["Description-Content-Type"] == "text/markdown"
    page = markdown.render(metadata.get_payload())

    assert page is not None
    assert page.count("<table>") == (ROOT / "README.md").read_text(
        encoding="utf-8"
    ).count("\n|---")
    assert ">Two commands<" in re.sub(r"<a href=[^>]*></a>", "", page)
    assert "```" not in page


def test_the_commands_are_entry_points(wheel):
    (name,) = [name for name in wheel if name.endswith("entry_points.txt")]
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
        "project"
    ]["scripts"]

    assert sorted(wheel[name].decode().split("\n")[1:]) == sorted(
        ["", *(f"{command} = {place}" for command, place in scripts.items())]
    )


def test_it_is_the_wheel_that_is_imported(installed):
    asked = "import pilothouse, pilothouse_widgets as w; print(pilothouse.__file__)"

    ran = installed.run("python", "-c", f"{asked}; print(w.__file__)")

    assert ran.stderr == ""
    for line in ran.stdout.splitlines():
        assert line.startswith(str(installed.bin.parent))


def test_what_it_needs_is_what_it_says(installed):
    """No library comes in by way of an extra."""
    ran = installed.run("python", "-m", "pip", "check")
    listed = installed.run("python", "-m", "pip", "list", "--format=json")

    assert ran.returncode == 0, ran.stdout
    names = {each["name"].lower() for each in json.loads(listed.stdout)}
    assert not names & {"jupyterlab", "notebook", "voila", "distributed", "keyring"}
    assert not names & {"ipykernel", "scikit-learn", "setuptools", "pytest"} - {
        "setuptools"
    }


def test_every_command_answers(installed):
    for command in ("pilothouse", "mpcli", "mpcom"):
        ran = installed.run(command, "-h")
        assert ran.returncode == 0, ran.stderr
        assert command in ran.stdout

    told = installed.run("pilothouse", "--version").stdout
    assert told == f"pilothouse {pilothouse.__version__}\n"


def test_the_services_come_up_are_found_measured_and_end(installed):
    started = installed.run("pilothouse", "up", "--detach", "--json")
    assert started.returncode == 0, started.stderr
    told = json.loads(started.stdout)
    assert set(told) >= {"fastscore", "aimm", "fastmap", "mplane"}

    assert str(told["pid"]) in installed.run("pilothouse", "status").stdout
    listed = installed.run("mpcli", "--url", told["mplane"]["url"], "-c", "listcap")
    assert "tcp-4" in listed.stdout

    assert installed.run("pilothouse", "down").returncode == 0
    status = installed.run("pilothouse", "status", "--json")
    assert json.loads(status.stdout) == []


@pytest.mark.parametrize("script", scripts(), ids=lambda script: script.split()[-1])
def test_a_script_of_the_readme_works(installed, script):
    ran = installed.run("python", "-c", script)

    assert ran.stderr == ""
    assert ran.returncode == 0
    assert ran.stdout


IN_IPYTHON = """
import json, sys
from IPython.terminal.interactiveshell import TerminalInteractiveShell

shell = TerminalInteractiveShell.instance(simple_prompt=True, colors="NoColor")
for cell in json.loads(sys.argv[1]):
    shell.run_cell(cell, store_history=True).raise_error()
print(repr(shell.user_ns["_"]))
"""


def test_the_ten_lines_work_in_ipython(installed):
    cells = blocks("Ten lines that work as pasted", "(?:python)?")[:-1]

    ran = installed.run("python", "-c", IN_IPYTHON, json.dumps(cells))

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.findall(r"\b(1|8|27)(?:\.0)?\b", ran.stdout)[-3:] == ["1", "8", "27"]
