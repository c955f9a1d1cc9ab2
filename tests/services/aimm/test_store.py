import sqlite3

import pytest

from pilothouse.errors import ServiceError
from pilothouse.services.aimm.store import Store, Stored


def test_what_was_kept_is_there_when_the_file_is_opened_again(tmp_path):
    store = Store(tmp_path / "deep" / "instances.sqlite")
    first = store.create("lab", b"one")
    second = store.create("other", b"two")
    store.update(first, b"changed")
    store.close()

    again = Store(tmp_path / "deep" / "instances.sqlite")

    assert again.load() == [
        Stored(first, "lab", b"changed"),
        Stored(second, "other", b"two"),
    ]
    again.close()


def test_no_id_is_ever_used_again(tmp_path):
    path = tmp_path / "instances.sqlite"
    store = Store(path)
    store.create("lab", b"")
    last = store.create("lab", b"")
    store.delete(last)
    store.close()

    again = Store(path)

    assert again.create("lab", b"") == last + 1
    again.close()


def test_the_table_is_that_of_the_real_server(tmp_path):
    path = tmp_path / "instances.sqlite"
    Store(path).close()
    made = sqlite3.connect(path)
    real = sqlite3.connect(":memory:")
    real.execute(
        "CREATE TABLE models (id INTEGER PRIMARY KEY AUTOINCREMENT, "
        "type TEXT NOT NULL, instance BLOB)"
    )
    try:
        columns = "SELECT name, type, pk FROM pragma_table_info('models')"
        assert made.execute(columns).fetchall() == real.execute(columns).fetchall()
        (sql,) = made.execute("SELECT sql FROM sqlite_master WHERE name = 'models'")
        assert "AUTOINCREMENT" in sql[0]
    finally:
        made.close()
        real.close()


def test_a_file_of_the_real_server_is_read(tmp_path):
    path = tmp_path / "real.sqlite"
    with sqlite3.connect(path) as real:
        real.execute(
            "CREATE TABLE models (id INTEGER PRIMARY KEY AUTOINCREMENT, "
            "type TEXT NOT NULL, instance BLOB)"
        )
        real.execute("INSERT INTO models (id, type, instance) VALUES (7, 'lab', 'x')")
        real.execute("UPDATE models SET instance = ?", (b"\x00\xff",))
    real.close()

    store = Store(path)

    assert store.load() == [Stored(7, "lab", b"\x00\xff")]
    assert store.create("lab", b"") == 8
    store.close()


def test_without_a_file_everything_works_in_memory():
    store = Store(None)

    store.create("lab", b"one")

    assert [row.data for row in store.load()] == [b"one"]
    store.close()


def test_a_file_that_is_no_database_is_told(tmp_path):
    (tmp_path / "x").write_text("this is no database, but long enough to be looked at")

    with pytest.raises(ServiceError, match="cannot be opened: file is not a database"):
        Store(tmp_path / "x")


def test_bytes_do_not_show():
    assert "secret" not in repr(Stored(1, "lab", b"secret"))
