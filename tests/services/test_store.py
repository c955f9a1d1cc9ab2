"""The store: what it keeps, and how it is opened."""

import sqlite3
import string

import pytest

from pilothouse.errors import NotFoundError, ServiceError
from pilothouse.services.fastscore.snapshot_store import ExistsError
from pilothouse.services.fastscore.store import Store


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path)
    store.open()
    yield store
    store.close()


def test_what_was_saved_is_there_after_it_was_opened_again(tmp_path):
    first = Store(tmp_path)
    first.open()
    first.put_model("m", "python3", "x = 1")
    first.put("schema", "s", {"type": "int"})
    upload = first.begin_attachment("m")
    upload.write(b"data")
    first.put_attachment("m", "a.zip", "zip", upload)
    info = first.put_snapshot("m", "T", b"state")
    first.close()

    second = Store(tmp_path)
    second.open()
    assert second.get_model("m").source == "x = 1"
    assert second.get_schema("s") == {"type": "int"}
    assert second.attachment("m", "a.zip").path.read_bytes() == b"data"
    assert second.find_snapshot("m", info.id[:5]) == info
    second.close()


def test_the_database_writes_ahead_and_waits_for_the_disk(store, tmp_path):
    with store._database._opened().connect() as db:
        mode = db.exec_driver_sql("PRAGMA journal_mode").scalar()
        level = db.exec_driver_sql("PRAGMA synchronous").scalar()
    assert (mode, level) == ("wal", 2)


def test_nobody_else_may_look_into_the_folder(tmp_path):
    store = Store(tmp_path / "data")
    store.open()
    store.close()
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0


def test_a_database_of_another_version_is_refused(tmp_path):
    store = Store(tmp_path)
    store.open()
    store.close()
    with sqlite3.connect(tmp_path / "fastscore.sqlite") as db:
        db.execute("UPDATE pilothouse_meta SET value = '99'")
    db.close()
    other = Store(tmp_path)
    with pytest.raises(ServiceError, match="version 99"):
        other.open()
    other.close()


def test_another_database_is_taken_by_its_url(tmp_path):
    url = f"sqlite:///{tmp_path / 'other.db'}"
    store = Store(tmp_path / "data", url)
    store.open()
    store.put_model("m", "python3", "x")
    store.close()
    assert (tmp_path / "other.db").exists()
    assert not (tmp_path / "data" / "fastscore.sqlite").exists()


def test_left_overs_of_a_crash_are_removed_at_the_start(tmp_path):
    store = Store(tmp_path)
    store.open()
    store.put_model("m", "python3", "x")
    upload = store.begin_attachment("m")
    upload.write(b"data")
    store.put_attachment("m", "a.zip", "zip", upload)
    store.close()
    folder = tmp_path / "attachments"
    (folder / "0123.partial").write_bytes(b"half")
    (folder / "4567").write_bytes(b"kept, but never named by the database")
    store = Store(tmp_path)
    store.open()
    assert list(folder.iterdir()) == [store.attachment("m", "a.zip").path]
    store.close()


def test_an_upload_for_a_model_deleted_meanwhile_leaves_nothing(store, tmp_path):
    store.put_model("m", "python3", "x")
    upload = store.begin_attachment("m")
    upload.write(b"data")
    store.delete_model("m")
    with pytest.raises(NotFoundError):
        store.put_attachment("m", "a.zip", "zip", upload)
    store.purge(0)
    assert list((tmp_path / "attachments").iterdir()) == []


def test_a_discarded_upload_leaves_nothing(store, tmp_path):
    store.put_model("m", "python3", "x")
    upload = store.begin_attachment("m")
    upload.write(b"data")
    upload.discard()
    upload.discard()
    assert list((tmp_path / "attachments").iterdir()) == []
    with pytest.raises(ValueError, match="ended"):
        upload.write(b"more")


def test_a_replaced_attachment_can_still_be_read_for_a_while(store):
    store.put_model("m", "python3", "x")
    for data in (b"old", b"new"):
        upload = store.begin_attachment("m")
        upload.write(data)
        store.put_attachment("m", "a.zip", "zip", upload)
        if data == b"old":
            old = store.attachment("m", "a.zip")
    store.purge()
    assert old.path.read_bytes() == b"old"
    store.purge(0)
    assert not old.path.exists()
    assert store.attachment("m", "a.zip").path.read_bytes() == b"new"


def test_a_new_snapshot_has_an_id_of_eight_letters_and_digits(store):
    store.put_model("m", "python3", "x")
    ids = {store.put_snapshot("m", "T", b"").id for _ in range(20)}
    assert len(ids) == 20
    assert {len(one) for one in ids} == {8}
    assert set("".join(ids)) <= set(string.ascii_lowercase + string.digits)


def test_a_snapshot_of_a_model_that_is_not_there_is_refused(store):
    with pytest.raises(NotFoundError, match="nope"):
        store.put_snapshot("nope", "T", b"")


def test_an_id_is_taken_once(store):
    store.put_model("m", "python3", "x")
    store.put_snapshot("m", "T", b"", snapshot_id="a")
    with pytest.raises(ExistsError):
        store.put_snapshot("m", "T", b"", snapshot_id="a")


def test_a_store_that_is_not_open_says_so(tmp_path):
    with pytest.raises(RuntimeError, match="not open"):
        Store(tmp_path).names("schema")
