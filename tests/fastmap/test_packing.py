"""What goes along with a function, and what does not."""

from __future__ import annotations

import sys
import types

import dill
import numpy as np
import pytest

from pilothouse.fastmap.errors import FastmapUsageError, PackingError
from pilothouse.fastmap.packing.discovery import Kind, kind_of
from pilothouse.fastmap.packing.packer import Packer, name_of
from pilothouse.fastmap.wire import func_dict
from pilothouse.fastmap.wire.func_dict import hash_of_func

ALWAYS = "_pilothouse_sharing"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Write modules, make them importable, forget them in the end."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def write(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


def sources(function, **options):
    packed = Packer(function, **options).pack()
    found = dict(packed.function.local_sources)
    del found[ALWAYS]
    return found


def test_a_package_goes_whole_with_its_empty_files(project):
    project(
        {
            "whole/__init__.py": "",
            "whole/deep/__init__.py": "",
            "whole/deep/code.py": "def f(x):\n    return x\n",
            "whole/other.py": "import unmentioned_thing\n",
            "stranger.py": "",
        }
    )
    import stranger  # noqa: F401 - loaded, and not needed
    import whole.deep.code

    names = {"whole", "whole.deep", "whole.deep.code", "whole.other"}
    assert set(sources(whole.deep.code.f)) == names
    assert sources(whole.deep.code.f)["whole"] == ""


def test_what_local_sources_import_goes_along(project):
    project(
        {
            "first.py": "def f(x):\n    import second\n    return second.g(x)\n",
            "second.py": "from third import h\ndef g(x):\n    return h(x)\n",
            "third.py": "def h(x):\n    return x\n",
        }
    )
    import first

    assert set(sources(first.f)) == {"first", "second", "third"}


def test_imports_inside_a_function_that_travels_by_value_are_found(project):
    project({"inner_one.py": "x = 1\n"})

    def function(x):
        def nested():
            import inner_one

            return inner_one.x

        return nested()

    assert "inner_one" in sources(function)


def test_modules_of_a_namespace_go_one_by_one(project):
    project({"space/one.py": "def f(x):\n    return x\n", "space/two.py": ""})
    import space.one

    assert set(sources(space.one.f)) == {"space.one"}


def test_the_class_of_an_item_brings_its_module(project):
    project({"item_class.py": "class Item:\n    pass\n"})
    import item_class

    packer = Packer(lambda item: item)
    packer.pack()
    assert not packer.has_news()
    packer.dumps([item_class.Item()])

    assert packer.has_news()
    assert "item_class" in packer.pack().function.local_sources
    assert not packer.has_news()


def test_modules_may_be_left_out_and_added(project):
    project({"left_out.py": "x = 1\n", "added.py": "y = 1\n"})
    import left_out

    def function(x):
        return left_out.x

    assert "left_out" not in sources(function, exclude=["left_out"])
    assert "added" in sources(function, local_modules=["added"])
    with pytest.raises(PackingError, match="nowhere_at_all"):
        Packer(function, local_modules=["nowhere_at_all"]).pack()


def test_installed_modules_are_named_with_their_versions():
    packed = Packer(lambda x: np.add(x, 1)).pack()

    assert packed.function.requirements["numpy"] == np.__version__
    assert packed.function.requirements["dill"] == dill.__version__
    assert "numpy" in packed.function.installed_mods
    assert not [n for n in packed.function.local_sources if n.startswith("numpy")]


def test_a_distribution_of_another_name_is_found():
    def function(x):
        import yaml

        return yaml.dump(x)

    assert "PyYAML" in Packer(function).pack().function.requirements


def test_given_requirements_replace_what_is_found():
    packed = Packer(lambda x: np.add(x, 1), requirements={"numpy": "1.0"}).pack()

    assert packed.function.requirements == {"numpy": "1.0"}


def test_the_hash_is_that_of_the_document_and_the_same_each_time():
    def function(x):
        return x

    first, second = Packer(function).pack(), Packer(function).pack()

    assert first.func_hash == hash_of_func(first.function.func) == second.func_hash
    assert func_dict.unpack(first.blob).func == first.function.func


def test_an_edited_source_changes_the_hash_of_a_function_pickled_by_name(project):
    project({"by_name.py": "def f(x):\n    return 1\n"})
    import by_name

    first = Packer(by_name.f).pack().func_hash
    project({"by_name.py": "def f(x):\n    return 2\n"})

    assert Packer(by_name.f).pack().func_hash != first


def test_reading_the_pickle_gives_the_function_itself():
    function = dill.loads(Packer(abs).pack().function.func)

    assert function is abs


def test_only_the_lines_of_functions_that_travel_go_along(project, tmp_path):
    path = tmp_path / "script.py"
    path.write_text("password = 'x'\n\ndef f(x):\n    return x\n\nlast = 1\n")
    main = types.ModuleType("__main__")
    exec(compile(path.read_text(), str(path), "exec"), main.__dict__)
    packer = Packer(main.f)
    packer.pack()

    assert packer.lines()[str(path)] == "\n\ndef f(x):\n    return x"


def test_the_preview_tells_what_would_be_sent(project):
    project({"previewed.py": "def f(x):\n    return x\n"})
    import previewed

    preview = Packer(previewed.f).pack().preview

    assert preview.local_sources["previewed"] == len("def f(x): return x") + 5
    assert "previewed" in str(preview)
    assert "<table>" in preview._repr_html_()


def test_a_source_that_cannot_be_read_is_named(project, tmp_path):
    project({"unreadable.py": "def f(x):\n    return x\n"})
    import unreadable

    (tmp_path / "unreadable.py").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PackingError, match=r"unreadable\.py"):
        Packer(unreadable.f).pack()


def test_what_cannot_be_called_is_refused():
    with pytest.raises(FastmapUsageError, match="cannot be called"):
        Packer(3)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("json", Kind.STANDARD),
        ("sys", Kind.STANDARD),
        ("numpy", Kind.INSTALLED),
        ("pilothouse", Kind.INSTALLED),
        ("waiting", Kind.LOCAL),
        ("there_is_no_such_module", Kind.MISSING),
    ],
)
def test_it_is_known_where_modules_are_from(name, kind):
    assert kind_of(name) is kind


def test_names_are_those_that_users_gave():
    import functools

    assert name_of(functools.partial(functools.partial(abs))) == "abs"
    assert name_of(str.upper) == "upper"
    assert name_of(type("Thing", (), {"__call__": lambda self, x: x})()) == "Thing"
