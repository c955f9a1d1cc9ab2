import pickle
import sys

import pytest

from pilothouse.aimm import plugins
from pilothouse.errors import NotFoundError, SettingsError

pytestmark = pytest.mark.usefixtures("no_plugins")


def declare_counter():
    @plugins.instantiate("counter", state_cb_arg_name="say")
    def make(start=0, *, say):
        say({"start": start})
        return [start]

    @plugins.fit(["counter"], instance_arg_name="counter")
    def add(number, *, counter):
        return [counter[0] + number]

    @plugins.predict(["counter"])
    def count(counter):
        counter[0] += 1
        return counter[0]

    plugins.serialize(["counter"])(pickle.dumps)
    plugins.deserialize(["counter"])(pickle.loads)


def test_each_kind_of_function_is_called_as_it_was_declared():
    declare_counter()
    said = []

    made = plugins.exec_instantiate("counter", said.append, 3)
    fitted = plugins.exec_fit("counter", made, said.append, 4)
    changed, prediction = plugins.exec_predict("counter", fitted)
    data = plugins.exec_serialize("counter", changed)

    assert said == [{"start": 3}]
    assert (prediction, plugins.exec_deserialize("counter", data)) == (8, [8])


def test_data_access_gets_its_arguments():
    @plugins.data_access("numbers", state_cb_arg_name="cb")
    def numbers(n, *, step=1, cb):
        cb(n)
        return list(range(0, n, step))

    assert plugins.exec_data_access("numbers", print, 6, step=2) == [0, 2, 4]


def test_a_class_is_all_its_functions_at_once():
    @plugins.model
    class Doubler(plugins.Model):
        def __init__(self, by=2):
            self.by = by

        def fit(self, x):
            self.by = x
            return self

        def predict(self, x):
            return self.by * x

        def serialize(self):
            return bytes([self.by])

        @classmethod
        def deserialize(cls, instance_bytes):
            return cls(instance_bytes[0])

    name = f"{__name__}.Doubler"
    made = plugins.exec_fit(name, plugins.exec_instantiate(name), lambda state: None, 5)
    again = plugins.exec_deserialize(name, plugins.exec_serialize(name, made))

    assert plugins.exec_predict(name, again, lambda state: None, 3)[1] == 15


def test_a_name_can_be_taken_once():
    declare_counter()

    with pytest.raises(ValueError, match="instantiation plugin for 'counter'"):
        plugins.instantiate("counter")(list)


def test_a_list_of_types_is_registered_whole_or_not_at_all():
    plugins.fit(["b"])(list)

    with pytest.raises(ValueError, match="'b'"):
        plugins.fit(["a", "b"])(list)

    assert plugins.REGISTRY.names(plugins.Kind.FIT) == ["b"]


def test_types_as_one_text_are_refused():
    with pytest.raises(TypeError, match="'abc'"):
        plugins.fit("abc")


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: plugins.exec_data_access("x"), "no data access plugin for name x"),
        (
            lambda: plugins.exec_instantiate("x"),
            "no instantiation plugin for model type x",
        ),
        (lambda: plugins.exec_fit("x", 1), "no fit plugin for model type x"),
        (lambda: plugins.exec_predict("x", 1), "no predict plugin for model type x"),
        (
            lambda: plugins.exec_serialize("x", 1),
            "no serialize plugin for model type x",
        ),
        (
            lambda: plugins.exec_deserialize("x", b""),
            "no deserialize plugin for model type x",
        ),
    ],
)
def test_what_is_not_registered_is_told_as_real_servers_tell_it(call, text):
    with pytest.raises(NotFoundError) as error:
        call()

    assert error.value.message == text


@pytest.mark.parametrize(
    ("call", "keyword"),
    [
        (lambda: plugins.exec_instantiate("counter", say=1), "say"),
        (lambda: plugins.exec_fit("counter", [1], print, 2, counter=1), "counter"),
    ],
    ids=["state callback", "instance"],
)
def test_a_keyword_of_the_server_cannot_be_given(call, keyword):
    declare_counter()

    with pytest.raises(TypeError, match=keyword):
        call()


def test_serializing_to_something_else_is_refused():
    plugins.serialize(["odd"])(str)

    with pytest.raises(TypeError, match="gave no bytes, but a str"):
        plugins.exec_serialize("odd", 1)


SOURCE = """
from pilothouse.aimm import plugins

@plugins.data_access("{name}")
def give():
    return "{name}"
"""


def test_source_is_loaded_as_a_module_of_its_name():
    plugins.load_source("cell_one", SOURCE.format(name="one"))

    assert plugins.exec_data_access("one") == "one"
    assert sys.modules["cell_one"].give() == "one"


def test_loading_a_name_again_replaces_what_it_registered():
    plugins.load_source("cell_one", SOURCE.format(name="one"))
    plugins.load_source("cell_one", SOURCE.format(name="two"))

    assert plugins.REGISTRY.names(plugins.Kind.DATA_ACCESS) == ["two"]


def test_builtins_belong_to_the_module_that_registers_them():
    source = "from pilothouse.aimm import plugins\nplugins.serialize(['t'])(str.encode)"
    plugins.load_source("cell_one", source)
    plugins.load_source("cell_one", source)

    assert plugins.exec_serialize("t", "a") == b"a"


def test_source_that_fails_leaves_all_as_it_was():
    plugins.load_source("cell_one", SOURCE.format(name="one"))
    before = sys.modules["cell_one"]

    with pytest.raises(ZeroDivisionError):
        plugins.load_source("cell_one", SOURCE.format(name="two") + "\n1 / 0\n")

    assert plugins.REGISTRY.names(plugins.Kind.DATA_ACCESS) == ["one"]
    assert sys.modules["cell_one"] is before


def test_files_and_modules_are_loaded(tmp_path, monkeypatch):
    (tmp_path / "plugin_file.py").write_text(SOURCE.format(name="of a file"))
    (tmp_path / "plugin_module.py").write_text(SOURCE.format(name="of a module"))
    monkeypatch.syspath_prepend(tmp_path)

    plugins.load_file(tmp_path / "plugin_file.py")
    plugins.initialize({"names": ["plugin_module"]})

    names = plugins.REGISTRY.names(plugins.Kind.DATA_ACCESS)
    assert names == ["of a file", "of a module"]


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ("abc", "list of modules"),
        ([3], "list of modules"),
        (["no_such.x"], "no_such.x"),
    ],
)
def test_a_configuration_that_names_no_modules_is_refused(names, text):
    with pytest.raises(SettingsError, match=text):
        plugins.initialize({"names": names})


def test_a_module_that_lacks_something_else_says_so(tmp_path, monkeypatch):
    (tmp_path / "plugin_lacking.py").write_text("import no_such_library_here")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ModuleNotFoundError, match="no_such_library_here"):
        plugins.load_module("plugin_lacking")
