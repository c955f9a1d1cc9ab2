"""Values there and back through a worker process, as the client writes them."""

from __future__ import annotations

import functools
import math
import sys
import types

import dill
import numpy
import pytest

from pilothouse.fastmap.packing.packer import Packer
from pilothouse.fastmap.shared import sharing
from pilothouse.fastmap.worker.outcomes import Done, Ready
from pilothouse.fastmap.worker.process import WorkerProcess

NOTEBOOK = """
import abc, collections, dataclasses, enum, functools, math, threading, typing

T = typing.TypeVar("T")
factor = 3

@dataclasses.dataclass
class Point:
    x: int
    tags: list = dataclasses.field(default_factory=list)
    def scaled(self):
        return Point(self.x * factor, self.tags)
    def shown(self):
        return super().__repr__()

@dataclasses.dataclass(slots=True, frozen=True)
class Slotted:
    a: int = 1

class Color(enum.Enum):
    RED = 1
    BLUE = "b"
    @property
    def nice(self):
        return self.name.lower()

class Planet(enum.Enum):
    EARTH = (1, 2)
    def __init__(self, mass, radius):
        self.mass = mass

class Right(enum.Flag):
    READ = 1
    WRITE = 2

class Pair(typing.NamedTuple):
    a: int
    b: str = "x"

Plain = collections.namedtuple("Plain", "p q")

class Base(abc.ABC):
    @abc.abstractmethod
    def go(self): ...

class Impl(Base):
    def go(self):
        return 5

class Box(typing.Generic[T]):
    def __init__(self, v: T):
        self.v = v
    def __eq__(self, other):
        return type(self) is type(other) and self.v == other.v

class Meta(type):
    pass

class Made(metaclass=Meta):
    y = 1

class Trouble(Exception):
    def __eq__(self, other):
        return type(self) is type(other) and self.args == other.args

class Cached:
    @functools.cached_property
    def z(self):
        return 3

def fact(n):
    return 1 if n < 2 else n * fact(n - 1)

def even(n):
    return n == 0 or odd(n - 1)

def odd(n):
    return n != 0 and even(n - 1)

count = 0

def bump():
    global count
    count += 1
    return count

def counted():
    return count

def counter():
    n = 0
    def inc():
        nonlocal n
        n += 1
        return n
    def get():
        return n
    return inc, get

def traced(f):
    @functools.wraps(f)
    def wrapper(x):
        return ("traced", f(x))
    return wrapper

@traced
def decorated(x):
    return x + factor

lock = threading.RLock()

def locked(x):
    with lock:
        return math.sqrt(x)
"""


@pytest.fixture
def notebook(monkeypatch):
    """A ``__main__`` as a notebook's cells would have made it."""
    main = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    exec(compile(NOTEBOOK, "<cell>", "exec"), main.__dict__)
    return main


@pytest.fixture
def there():
    """Map a function over items in a process of its own."""
    workers = []

    def run(function, items):
        packer = Packer(function)
        data = packer.dumps(items)
        function = packer.pack().function
        worker = WorkerProcess()
        workers.append(worker)
        worker.start()
        ready = worker.initialise(function.func, local_sources=function.local_sources)
        assert isinstance(ready, Ready), ready
        done = worker.run_batch(data, plain=True)
        assert isinstance(done, Done), done
        return dill.loads(done.results)["results"]

    yield run
    for worker in workers:
        worker.kill()


def test_classes_of_a_notebook_stay_the_same_there_and_back(notebook, there):
    n = notebook
    items = [
        n.Point(1, ["a"]),
        n.Slotted(4),
        n.Color.RED,
        n.Planet.EARTH,
        n.Right.READ | n.Right.WRITE,
        n.Pair(1),
        n.Plain(1, 2),
        n.Box(3),
        n.Trouble("x"),
        n.Made,
        n.Impl,
        (n.Point, [n.Point(2)], {"k": n.Color.BLUE}),
    ]

    found = there(lambda item: item, items)

    assert found == items
    assert [type(one) for one in found] == [type(one) for one in items]
    assert found[2] is n.Color.RED


def test_items_are_of_the_class_that_the_function_knows(notebook, there):
    function = eval("lambda p: isinstance(p, Point) and p.scaled()", vars(notebook))

    assert there(function, [notebook.Point(2)]) == [notebook.Point(6)]


@pytest.mark.parametrize(
    ("source", "item", "expected"),
    [
        ("lambda n: fact(n)", 5, 120),
        ("lambda n: even(n)", 5, False),
        ("lambda n: (bump(), bump(), counted())", 0, (1, 2, 2)),
        ("lambda c: (c[0](), c[0](), c[1]())", "counter()", (1, 2, 2)),
        ("decorated", 2, ("traced", 5)),
        ("locked", 9, 3.0),
        ("functools.partial(pow, 2)", 3, 8),
        ("Point(3).scaled", None, None),
        ("lambda x: Cached().z", 0, 3),
        ("lambda x: Color.RED.nice", 0, "red"),
        ("lambda x: Planet.EARTH.mass", 0, 1),
        ("lambda x: Impl().go()", 0, 5),
        ("lambda p: dataclasses.replace(p, x=5).x", "Point(1)", 5),
        (
            "lambda p: [f.name for f in dataclasses.fields(p)]",
            "Point(1)",
            ["x", "tags"],
        ),
        ("lambda p: p.tags", "Point(1)", []),
        ("lambda p: 'Point' in p.shown()", "Point(1)", True),
        ("lambda f: f(20)", "lambda x: x + factor", 23),
        ("lambda t: t is type(None)", "type(None)", True),
        ("str.upper", "'a'", "A"),
        ("[1, 2, 3].count", 2, 1),
    ],
)
def test_functions_of_a_notebook_do_there_what_they_do_here(
    notebook, there, source, item, expected
):
    function = eval(source, vars(notebook))
    if isinstance(item, str):
        item = eval(item, vars(notebook))
    if expected is None:
        function, expected = functools.partial(_called, function), notebook.Point(9)

    assert there(function, [item]) == [expected]


def _called(function, item):
    return function()


def test_a_function_as_a_result_works_here(notebook, there):
    function = eval("lambda x: (lambda y: x + y + factor)", vars(notebook))

    (made,) = there(function, [1])

    assert made(10) == 14


def test_functions_that_come_back_see_the_names_of_here_and_add_none(notebook, there):
    function = eval("lambda x: (lambda: factor)", vars(notebook))
    before = set(vars(notebook))
    (made,) = there(function, [1])
    notebook.factor = 100

    assert made() == 100
    assert set(vars(notebook)) == before


def test_an_edited_class_is_another_class(notebook, there):
    old = notebook.Point
    exec(compile(NOTEBOOK, "<cell>", "exec"), vars(notebook))

    assert type(there(lambda p: p, [notebook.Point(1)])[0]) is notebook.Point
    assert type(there(lambda p: p, [old(1)])[0]) is old


def test_plain_values_are_pickled_by_the_quick_way():
    data = sharing.Writer().dumps(list(range(1000)))

    assert b"pilothouse" not in data
    assert b"dill" not in data


def test_a_function_with_two_empty_arrays_travels(there):
    """A fitted model has such; pickle's own pickler stumbles over them."""
    arrays = numpy.empty(0), numpy.empty(0)

    assert there(lambda x: len(arrays[0]) + len(arrays[1]) + x, [1]) == [1]


def test_a_function_named_as_a_module_does_not_import_it(tmp_path, monkeypatch):
    (tmp_path / "namesake.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)

    def namesake(n):
        return n + 1

    data = sharing.Writer().dumps([namesake, {"__name__": ["no text"]}])

    again, given = dill.loads(data)
    assert again(1) == 2
    assert given == {"__name__": ["no text"]}
    assert "namesake" not in sys.modules


def test_what_cannot_be_pickled_raises():
    with pytest.raises(TypeError, match="generator"):
        sharing.Writer().dumps([(i for i in ())])


def test_names_of_attributes_are_no_globals():
    """A global that has the name of an attribute does not go along."""
    code = (lambda x: x.data + math.pi).__code__

    assert sharing.global_names(code) == {"math"}
