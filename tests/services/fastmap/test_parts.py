"""What the service is made of: accounts, kept bytes, functions, uploads, Pythons."""

import asyncio
import os
import time

import pytest

from interop.raw_map import blob_of, hash_of
from pilothouse.errors import ProtocolError
from pilothouse.fastmap.wire import token as tokens
from pilothouse.fastmap.wire.bodies import InitRequest
from pilothouse.fastmap.wire.headers import PythonVersion
from pilothouse.services.fastmap.accounts import Accounts
from pilothouse.services.fastmap.functions import FunctionGone, Functions
from pilothouse.services.fastmap.kept import Keeper
from pilothouse.services.fastmap.options import FastmapOptions
from pilothouse.services.fastmap.pythons import VARIABLE, Interpreters
from pilothouse.services.fastmap.uploads import Uploads

SECRET = tokens.new_token()


def account(options=None):
    options = options or FastmapOptions()
    found = Accounts([SECRET], options).find(f"Bearer {SECRET[:32]}")
    assert found is not None
    return found


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        f"Bearer {SECRET}",
        f"Bearer {SECRET[32:]}",
        f"Basic {SECRET[:32]}",
        SECRET[:32],
        f"Bearer {SECRET[:31]}",
        f"Bearer {SECRET[:32]}x",
        "Bearer \udcff",
    ],
    ids=[
        "no header",
        "empty",
        "no token",
        "all of it",
        "the other half",
        "another scheme",
        "no scheme",
        "a character less",
        "a character more",
        "no text",
    ],
)
def test_only_the_first_half_of_a_token_lets_in(header):
    assert Accounts([SECRET], FastmapOptions()).find(header) is None


def test_an_account_shows_no_secret():
    assert SECRET[:8] not in repr(account())
    assert SECRET[:8] not in account().name


def test_prices_are_of_time_and_bytes():
    options = FastmapOptions(price_per_core_hour=80, price_per_gib=80, credits=100)
    one = account(options)

    one.charge(one.price(3600, 2**30))

    assert one.used == 160
    assert one.is_spent
    assert one.balance == -60


def functions(folder, **options):
    return Functions(folder, FastmapOptions(**options))


def made(text):
    blob = blob_of(b"not a pickle: " + text)
    return hash_of(blob), blob


def test_a_function_is_stored_by_token_and_hash_and_never_unpickled(tmp_path):
    store = functions(tmp_path)
    key, blob = made(b"x")

    store.add(account(), key, blob)

    assert store.has(account(), key)
    assert store.load(account(), key).func == b"not a pickle: x"
    assert store.blob(account(), key) == blob
    (file,) = tmp_path.glob("*/*")
    assert file.stat().st_mode & 0o077 == 0


def test_a_function_with_another_hash_is_refused(tmp_path):
    store = functions(tmp_path)

    with pytest.raises(ProtocolError, match="has the hash"):
        store.add(account(), "0" * 16, made(b"x")[1])

    assert list(tmp_path.glob("*/*")) == []


def test_a_damaged_function_is_gone(tmp_path):
    store = functions(tmp_path)
    key, blob = made(b"x")
    store.add(account(), key, blob)
    (file,) = tmp_path.glob("*/*")
    file.write_bytes(b"damaged")

    with pytest.raises(FunctionGone):
        store.load(account(), key)

    assert not store.has(account(), key)


def test_the_least_used_function_goes_first(tmp_path):
    pieces = [made(bytes([65 + n]) * 40) for n in range(4)]
    store = functions(tmp_path, store_bytes=int(3.5 * len(pieces[0][1])))
    for age, (key, blob) in enumerate(pieces[:3]):
        store.add(account(), key, blob)
        os.utime(tmp_path / account().name / key, (1000 + age, 1000 + age))

    assert store.has(account(), pieces[0][0]), "now the youngest"
    store.add(account(), *pieces[3])

    there = [store.has(account(), key) for key, _ in pieces]
    assert there == [True, False, True, True]


def test_old_functions_and_leftovers_are_forgotten(tmp_path):
    store = functions(tmp_path, store_seconds=100)
    old, young = made(b"old"), made(b"young")
    store.add(account(), *old)
    store.add(account(), *young)
    long_ago = time.time() - 1000
    os.utime(tmp_path / account().name / old[0], (long_ago, long_ago))

    store.forget_old()

    assert not store.has(account(), old[0])
    assert store.has(account(), young[0])


def part(key, data, index, count):
    return InitRequest(func_hash=key, func=data, payload_part=index, payload_len=count)


def test_parts_in_any_order_make_a_function(tmp_path):
    store = functions(tmp_path / "f")
    uploads = Uploads(tmp_path / "u", store, FastmapOptions())
    key, blob = made(b"many parts")
    cut = [blob[:10], blob[10:20], blob[20:]]

    async def send():
        for index in (2, 0, 0, 1):
            assert not store.has(account(), key)
            await uploads.take(account(), part(key, cut[index], index, 3))

    asyncio.run(send())

    assert store.blob(account(), key) == blob
    assert list((tmp_path / "u").glob("*/*")) == []


@pytest.mark.parametrize("seconds", [0.0, 60.0])
def test_parts_that_stay_alone_expire(tmp_path, seconds):
    store = functions(tmp_path / "f")
    uploads = Uploads(tmp_path / "u", store, FastmapOptions(upload_seconds=30.0))
    key, blob = made(b"x")

    async def send():
        await uploads.take(account(), part(key, blob[:10], 0, 2))
        uploads.forget_old(time.monotonic() + seconds)
        await uploads.take(account(), part(key, blob[10:], 1, 2))

    asyncio.run(send())

    assert store.has(account(), key) is (seconds < 30)


def test_parts_have_a_quota_and_one_count(tmp_path):
    store = functions(tmp_path / "f")
    uploads = Uploads(tmp_path / "u", store, FastmapOptions(upload_bytes=100))
    key, _ = made(b"x")

    async def send(*requests):
        for request in requests:
            await uploads.take(account(), request)

    with pytest.raises(ProtocolError, match="may take 100 bytes"):
        asyncio.run(send(part(key, b"x" * 60, 0, 3), part(key, b"x" * 60, 1, 3)))
    with pytest.raises(ProtocolError, match="announced as 3, now as 2"):
        asyncio.run(send(part(key, b"x", 0, 3), part(key, b"x", 1, 2)))


def test_kept_bytes_move_to_disk_and_come_back(tmp_path):
    async def story():
        keeper = Keeper(tmp_path / "kept", 10**6)
        small, large = keeper.keep(b"s"), keeper.keep(b"l" * 10_000)
        for kept in (small, large):
            await keeper.settle(kept)
        assert len(list((tmp_path / "kept").iterdir())) == 1
        assert await small.read() == b"s"
        assert await large.read() == b"l" * 10_000
        keeper.release(large)
        assert await large.read() is None
        assert keeper.total == 1
        assert list((tmp_path / "kept").iterdir()) == []

    asyncio.run(story())


def test_what_was_fetched_goes_before_what_was_not(tmp_path):
    keeper = Keeper(tmp_path / "kept", 100)
    waiting = keeper.keep(b"w" * 40, is_needed=True)
    first, second = keeper.keep(b"1" * 25), keeper.keep(b"2" * 25)
    second.is_told = True

    third = keeper.keep(b"3" * 30)

    assert [k.is_gone for k in (waiting, first, second, third)] == [
        False,
        False,
        True,
        False,
    ]
    assert keeper.has_room(60)
    assert not keeper.has_room(61)


def fake_python(folder, name, said):
    """A program that says what an interpreter would, and counts how often."""
    path = folder / name
    path.write_text(f"#!/bin/sh\necho x >> {path}.asked\n{said}\n")
    path.chmod(0o755)
    return path


OLD = PythonVersion("CPython", 3, 9)


def test_an_interpreter_on_the_path_is_found_and_asked_once(tmp_path, monkeypatch):
    path = fake_python(tmp_path, "python3.9", """echo '["CPython",3,9,"0.3.9"]'""")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    async def look():
        interpreters = Interpreters()
        return [await interpreters.find(OLD) for _ in range(3)], interpreters.known

    found, known = asyncio.run(look())

    assert {each.path for each in found} == {str(path)}
    assert found[0].dill == "0.3.9"
    assert "3.9" in known
    assert (tmp_path / "python3.9.asked").read_text() == "x\n"


@pytest.mark.parametrize(
    "said",
    [
        "exit 1",
        "echo nonsense",
        """echo '["CPython",3,8,"0.3.9"]'""",
        """echo '["PyPy",3,9,"0.3.9"]'""",
    ],
)
def test_what_is_no_such_interpreter_with_dill_is_passed_over(
    tmp_path, monkeypatch, said
):
    path = fake_python(tmp_path, "python3.9", said)
    monkeypatch.setenv(VARIABLE, f"/no/such/python:{path}")
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))

    assert asyncio.run(Interpreters().find(OLD)) is None


def test_interpreters_of_pyenv_are_found(tmp_path, monkeypatch):
    folder = tmp_path / "versions" / "3.9.18" / "bin"
    folder.mkdir(parents=True)
    path = fake_python(folder, "python", """echo '["CPython",3,9,"0.3.8"]'""")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setenv("PATH", "/nowhere")

    assert asyncio.run(Interpreters().find(OLD)).path == str(path)


def test_the_own_interpreter_is_not_asked():
    found = asyncio.run(Interpreters().find(PythonVersion.own()))

    assert found.version == PythonVersion.own()
