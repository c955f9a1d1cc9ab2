"""What is half done is done to its end; who asks first comes first."""

import asyncio
import pickle
import threading
from pathlib import Path

import pytest

from pilothouse.services.aimm.children import (
    Child,
    ChildDiedError,
    Children,
    Plugins,
)
from pilothouse.services.aimm.engine import Call, Engine
from pilothouse.services.aimm.store import Store

LAB = Path(__file__).with_name("lab.py")
CREATE = Call(
    name="create_instance",
    told={"args": [], "kwargs": {}},
    text=b'{"data": {"args": [], "kwargs": {}}}',
)
FIT = Call(name="fit", told=CREATE.told, text=CREATE.text)


class SlowStore(Store):
    """A disk that writes once it may."""

    def __init__(self, path):
        super().__init__(path)
        self.may_write = threading.Event()
        self.may_write.set()
        self.begun = threading.Event()

    def _slowly(self):
        self.begun.set()
        assert self.may_write.wait(60)

    def create(self, model_type, data):
        self._slowly()
        return super().create(model_type, data)

    def update(self, number, data):
        self._slowly()
        super().update(number, data)

    def stop_the_disk(self):
        self.may_write.clear()
        self.begun.clear()


@pytest.fixture
def in_loop(tmp_path):
    """Runs a coroutine function with an engine on a slow disk."""

    def run(work):
        async def whole():
            store = SlowStore(tmp_path / "db")
            engine = Engine(store, Children(Plugins(files=[str(LAB)]), 2))
            try:
                await asyncio.wait_for(work(engine, store), 60)
            finally:
                store.may_write.set()
                await engine.stop()

        asyncio.run(whole())
        store = Store(tmp_path / "db")
        rows = store.load()
        store.close()
        return rows

    return run


def test_what_is_being_stored_is_cancelled_no_more(in_loop):
    async def work(engine, store):
        made = await engine.create_instance(CREATE, "lab").done
        store.stop_the_disk()
        action = engine.act(FIT, made.id)
        await asyncio.to_thread(store.begun.wait, 60)
        cancelling = asyncio.ensure_future(engine.cancel(action.id))
        await asyncio.sleep(0)
        store.may_write.set()

        assert await cancelling is False
        assert (await action.done).digest == engine.instances[made.id].digest
        assert action.entry["progress"] == "complete"
        told.append(engine.instances[made.id].data)

    told = []
    (row,) = in_loop(work)

    assert row.data == told[0]


@pytest.mark.parametrize("what", ["add", "update"])
def test_what_a_client_brought_and_left_is_in_the_state_and_on_the_disk(in_loop, what):
    async def work(engine, store):
        made = await engine.create_instance(CREATE, "lab").done
        fitted = await engine.act(FIT, made.id).done
        await engine.update_instance(made.id, "lab", made.data)
        store.stop_the_disk()
        bringing = asyncio.ensure_future(
            engine.add_instance("lab", fitted.data)
            if what == "add"
            else engine.update_instance(made.id, "lab", fitted.data)
        )
        await asyncio.to_thread(store.begun.wait, 60)
        bringing.cancel()
        store.may_write.set()
        with pytest.raises(asyncio.CancelledError):
            await bringing
        while engine._changing:
            await asyncio.sleep(0.01)
        told.update({n: one.data for n, one in engine.instances.items()})

    told = {}
    rows = in_loop(work)

    assert {row.id: row.data for row in rows} == told
    assert len(rows) == (2 if what == "add" else 1)


def test_who_waits_for_a_child_gets_it_before_who_comes_later(tmp_path):
    async def work():
        children = Children(Plugins(files=[str(LAB)]), 1)
        order = []

        async def use(name):
            child = await children.take()
            order.append(name)
            children.release(child)

        first = await children.take()
        waiting = asyncio.ensure_future(use("waited"))
        await asyncio.sleep(0)
        children.release(first)
        late = asyncio.ensure_future(use("came later"))
        await asyncio.wait_for(asyncio.gather(waiting, late), 60)
        await children.close()
        return order

    assert asyncio.run(work()) == ["waited", "came later"]


PLUGIN = """
from pilothouse.aimm import plugins

@plugins.data_access("{name}")
def data():
    return 1
"""


def test_plugins_that_are_loaded_at_a_time_are_all_there(in_loop):
    async def work(engine, store):
        wanted = ["one", "other"]
        told = await asyncio.gather(
            *(engine.load_plugin(name, PLUGIN.format(name=name)) for name in wanted)
        )

        assert set(wanted) <= set(told[-1]["data_access"])
        assert set(wanted) <= set(engine.names["data_access"])

    in_loop(work)


def test_a_child_that_starts_with_old_plugins_tells_no_old_names(in_loop, monkeypatch):
    start, may_end = Child.start, asyncio.Event()

    async def late(plugins):
        child = await start(plugins)
        if "more" not in plugins.sources:
            await may_end.wait()
        return child

    async def work(engine, store):
        monkeypatch.setattr(Child, "start", late)
        made = engine.create_instance(CREATE, "lab")
        await asyncio.sleep(0)  # its child is being started
        told = await engine.load_plugin("more", PLUGIN.format(name="more"))
        may_end.set()
        await made.done

        assert "more" in told["data_access"]
        assert engine.names == told

    in_loop(work)


def test_a_child_of_old_plugins_has_ended_when_all_are_closed():
    async def work():
        children = Children(Plugins(files=[str(LAB)]), 2)
        old = await children.take()
        await children.load("more", PLUGIN.format(name="more"))
        new = await children.take()
        children.release(old)
        await children.close()
        has_ended = not old.is_alive
        children.release(new)
        await children.close()
        return has_ended, not new.is_alive

    assert asyncio.run(work()) == (True, True)


def test_an_action_is_cancelled_before_its_first_turn(in_loop):
    async def work(engine, store):
        action = engine.create_instance(CREATE, "lab")

        assert await engine.cancel(action.id) is True
        assert action.entry["progress"] == "cancelled"
        assert not engine.instances

    in_loop(work)


def test_an_end_that_is_noticed_late_is_told_as_it_was():
    async def work():
        child = await Child.start(Plugins(files=[str(LAB)]))
        wait = child._process.wait

        async def too_late():
            await wait()
            raise TimeoutError

        child._process.wait = too_late
        job = {"job": 1, "call": "create_instance", "codec": "plain"}
        exits = b'{"data": {"args": ["exit"], "kwargs": {}}}'
        about = {"key": "1", "digest": "", "cached": False, "model_type": "lab"}
        instance = pickle.dumps({"fits": 0})
        fit = {**job, **about, "call": "fit"}
        with pytest.raises(ChildDiedError, match="exited with code 3"):
            await child.run(fit, (exits, instance), lambda word: None)

    asyncio.run(asyncio.wait_for(work(), 60))


def test_a_finished_action_keeps_no_arguments(in_loop):
    async def work(engine, store):
        action = engine.create_instance(CREATE, "lab")
        await action.done

        assert action.call.text == b""

    in_loop(work)
