"""Inside mpcom, ``mplane`` is this room."""

import importlib
import sys

import pytest

import pilothouse.mplane.model
import pilothouse.mplane.probes.ping
import pilothouse.mplane.scheduler
from pilothouse.mplane.runtime import aliases


@pytest.fixture
def old_names():
    with aliases.installed():
        yield


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("mplane.model", "pilothouse.mplane.model"),
        ("mplane.scheduler", "pilothouse.mplane.scheduler"),
        ("mplane.client", "pilothouse.mplane.client"),
        ("mplane.component", "pilothouse.mplane.component"),
        ("mplane.tls", "pilothouse.mplane.tls"),
        ("mplane.components.ping", "pilothouse.mplane.probes.ping"),
        ("mplane.components.loopback", "pilothouse.mplane.probes.loopback"),
    ],
)
def test_an_old_name_is_the_module_of_this_room(old_names, name, target):
    assert importlib.import_module(name) is importlib.import_module(target)
    assert importlib.import_module(target).__name__ == target


def test_parts_are_attributes_of_the_package(old_names):
    mplane = importlib.import_module("mplane")
    assert mplane.model is pilothouse.mplane.model
    with pytest.raises(AttributeError, match="nope"):
        mplane.nope  # noqa: B018


def test_files_are_found_as_old_modules_ask(old_names, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.txt").write_text("")
    utils = importlib.import_module("mplane.utils")
    assert utils.search_path("here.txt") == str(tmp_path / "here.txt")
    assert utils.normalize_path("gone.txt") == str(tmp_path / "gone.txt")
    for ask in (utils.search_path, utils.check_file):
        with pytest.raises(ValueError, match=r"gone\.txt"):
            ask("gone.txt")


def test_component_modules_of_an_installed_package_are_found(tmp_path, monkeypatch):
    components = tmp_path / "mplane" / "components"
    components.mkdir(parents=True)
    (tmp_path / "mplane" / "__init__.py").write_text("raise ImportError('too old')")
    (components / "third.py").write_text("import mplane.model as model")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with aliases.installed():
        third = importlib.import_module("mplane.components.third")
        assert third.model is pilothouse.mplane.model


def test_outside_it_nothing_is_left():
    with aliases.installed():
        importlib.import_module("mplane.model")
    assert not [name for name in sys.modules if name.partition(".")[0] == "mplane"]
