"""Model Manage: models, schemata, streams, sensors, attachments, snapshots."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from pilothouse import errors
from pilothouse.fastscore import (
    Attachment,
    FastScoreError,
    Model,
    Schema,
    Sensor,
    Stream,
)
from pilothouse.fastscore.model import Attachment as ModelAttachment
from pilothouse.fastscore.model import Snapshot as ModelSnapshot
from pilothouse.fastscore.snapshot import Snapshot

SOURCE = "# größe ☮\ndef action(x):\n    yield x\n"


def test_the_names_of_the_document_are_where_it_says():
    assert ModelAttachment is Attachment
    assert ModelSnapshot is Snapshot


def test_a_model_is_made_replaced_read_and_deleted(mm):
    model = Model("m 1/ü?#%", "python3", SOURCE)
    assert model.update(mm) is False
    assert model.update() is True
    assert mm.models.names() == ["m 1/ü?#%"]
    found = mm.models["m 1/ü?#%"]
    assert (found.name, found.mtype, found.source) == ("m 1/ü?#%", "python3", SOURCE)
    assert [(m.name, m.mtype) for m in mm.models] == [("m 1/ü?#%", "python3")]
    assert next(iter(mm.models)).source == SOURCE
    del mm.models["m 1/ü?#%"]
    assert mm.models.names() == []
    for again in (
        lambda: mm.models["m 1/ü?#%"],
        lambda: mm.models.__delitem__("m 1/ü?#%"),
    ):
        with pytest.raises(errors.NotFoundError, match="not found") as caught:
            again()
        assert isinstance(caught.value, FastScoreError)
        assert caught.value.caused_by.status == 404


def test_each_model_type_is_stored_under_its_name(mm):
    for mtype in Model.TYPES:
        Model(mtype, mtype, "x").update(mm)
    assert {m.name: m.mtype for m in mm.models} == {t: t for t in Model.TYPES}
    assert Model("m", "r").mtype == "R"
    with pytest.raises(FastScoreError, match="cobol"):
        Model("m", "cobol")


@pytest.mark.parametrize("source", ['{"input": "int"}', {"input": "int"}])
def test_a_pfa_model_is_stored_as_the_text_it_is(mm, source):
    Model("p", "pfa-json", source).update(mm)
    assert mm.models["p"].source == '{"input": "int"}'


def test_a_model_without_source_or_place_is_not_saved(mm):
    with pytest.raises(FastScoreError, match="no source"):
        Model("m").update(mm)
    with pytest.raises(FastScoreError, match="Model Manage"):
        Model("m", "python3", "x").update()
    for kind in ("attachments", "snapshots"):
        with pytest.raises(FastScoreError, match=r"update\(\)"):
            getattr(Model("m", "python3", "x"), kind)


@pytest.mark.parametrize(
    ("collection", "thing", "value", "other"),
    [
        (
            "schemata",
            lambda v: Schema("n", v),
            {"type": "int"},
            {"type": "array", "items": "int"},
        ),
        (
            "streams",
            lambda v: Stream("n", v),
            {"Transport": "REST"},
            {"Transport": "discard"},
        ),
        ("sensors", lambda v: Sensor("n", v), {"Tap": "sys.memory"}, {"Tap": "x"}),
    ],
    ids=["schema", "stream", "sensor"],
)
def test_other_things_are_made_replaced_read_and_deleted(
    mm, collection, thing, value, other
):
    things = getattr(mm, collection)
    assert thing(value).update(mm) is False
    assert thing(other).update(mm) is True
    assert things.names() == things.keys() == ["n"]
    assert "n" in things
    assert "x" not in things
    assert len(things) == 1
    found = things["n"]
    read = found.source if collection == "schemata" else found.desc
    assert read == other
    assert [x.name for x in things] == [x.name for x in things.values()] == ["n"]
    assert [name for name, _ in things.items()] == list(dict(things.items())) == ["n"]
    assert things.get("x") is None
    with pytest.raises(FastScoreError, match="update"):
        things["n"] = found
    del things["n"]
    with pytest.raises(errors.NotFoundError):
        del things["n"]
    with pytest.raises(FastScoreError):
        thing(value).update()
    with pytest.raises(FastScoreError, match=r"no (source|descriptor)"):
        thing(None).update(mm)


def test_schemata_are_schemas(mm):
    assert mm.schemata == mm.schemas


@pytest.mark.parametrize(
    ("source", "read"),
    [
        ({"type": "int"}, {"type": "int"}),
        ('{"type": "int"}', {"type": "int"}),
        ("int", "int"),
        ("foobar", "foobar"),
        (["null", "int"], ["null", "int"]),
    ],
)
def test_a_schema_reads_back_as_the_json_value(mm, source, read):
    schema = Schema("n", source)
    schema.update(mm)
    assert mm.schemas["n"].source == read
    assert schema.source == source


def test_an_explicit_model_manage_wins_over_the_first(suite, bare_suite):
    from pilothouse.fastscore.suite import Connect

    places = [
        Connect(s.url, oauth_secret=s.token).lookup("model-manage")
        for s in (suite, bare_suite)
    ]
    stream = Stream("only", {"Transport": "REST"}, places[0])
    stream.update(places[1])
    assert "only" not in places[0].streams
    assert "only" in places[1].streams


def test_tables_are_escaped_and_bounded(mm):
    for n in range(105):
        Stream(f"<b>{n:03}", {"Transport": "REST"}).update(mm)
    html = mm.streams._repr_html_()
    assert "<b>0" not in html
    assert "&lt;b&gt;000" in html
    assert "100 of 105 shown" in html
    assert "no sensors" in mm.sensors._repr_html_()
    assert mm.streams.page(100) == [f"<b>{n:03}" for n in range(100, 105)]
    assert "105 streams" in repr(mm.streams)


def _zip(path, **members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


@pytest.fixture
def model(mm):
    """A model that is saved."""
    made = Model("m", "python3", SOURCE)
    made.update(mm)
    return made


def test_attachments_are_uploaded_listed_fetched_and_deleted(model, mm, tmp_path):
    path = _zip(tmp_path / "a.zip", data="hello")
    with tarfile.open(tmp_path / "b.tar.gz", "w:gz") as archive:
        archive.add(path, "a.zip")
    Attachment("a.zip", datafile=path).upload(model)
    Attachment("b", datafile=tmp_path / "b.tar.gz", model=model).upload()
    found = mm.models["m"].attachments
    assert found.names() == ["a.zip", "b"]
    assert [(a.name, a.atype) for a in found] == [("a.zip", "zip"), ("b", "tgz")]
    one = found["a.zip"]
    assert one.datasize == path.stat().st_size
    assert Path(one.datafile).read_bytes() == path.read_bytes()
    assert "a.zip" in found._repr_html_()
    del found["b"]
    assert found.names() == ["a.zip"]
    with pytest.raises(errors.NotFoundError):
        del found["b"]
    with pytest.raises(errors.NotFoundError):
        _ = found["b"]


def test_looking_at_the_size_fetches_nothing(model, tmp_path):
    Attachment("a.zip", datafile=_zip(tmp_path / "a.zip", d="x")).upload(model)
    one = model.attachments["a.zip"]
    assert one.datasize
    assert one._datafile is None


def test_no_file_of_the_user_is_overwritten_unasked(model, tmp_path, monkeypatch):
    Attachment("a.zip", datafile=_zip(tmp_path / "a.zip", d="x")).upload(model)
    work = tmp_path / "work"
    work.mkdir()
    (work / "a.zip").write_text("mine")
    monkeypatch.chdir(work)
    one = model.attachments["a.zip"]
    assert (work / "a.zip").read_text() == "mine"
    assert one.datafile != str(work / "a.zip")
    with pytest.raises(FastScoreError, match="is there already"):
        one.save_as(work)
    assert (work / "a.zip").read_text() == "mine"
    assert one.save_as("a.zip", overwrite=True).read_bytes()[:2] == b"PK"
    assert one.save_as(work / "b.zip").exists()
    assert sorted(p.name for p in work.iterdir()) == ["a.zip", "b.zip"]


def test_a_fetched_file_is_private_and_outlives_its_attachment(model, tmp_path):
    Attachment("a.zip", datafile=_zip(tmp_path / "a.zip", d="x")).upload(model)
    path = Path(model.attachments["a.zip"].datafile)
    assert path.parent.stat().st_mode & 0o077 == 0
    assert path.exists()


def test_a_large_attachment_streams_with_progress(model, tmp_path):
    path = tmp_path / "large.zip"
    with path.open("wb") as file:
        file.truncate(40_000_000)
    seen = []
    Attachment("large.zip", datafile=path).upload(
        model, progress=lambda done, size: seen.append((done, size))
    )
    assert seen[-1] == (40_000_000, 40_000_000)
    seen.clear()
    sink = io.BytesIO()
    model.attachments["large.zip"].fetch(
        sink, progress=lambda done, size: seen.append(done)
    )
    assert sink.tell() == 40_000_000
    assert len(seen) > 10


@pytest.mark.parametrize(
    ("name", "options"),
    [("a.rar", {}), ("a", {"datafile": "a.7z"}), ("a.zip", {"atype": "rar"})],
)
def test_an_archive_of_an_unknown_kind_is_refused(name, options):
    with pytest.raises(FastScoreError, match="attachment type"):
        Attachment(name, **options)


def test_an_attachment_needs_a_model_that_is_saved(tmp_path):
    one = Attachment("a.zip", datafile=_zip(tmp_path / "a.zip", d="x"))
    with pytest.raises(FastScoreError, match="no model"):
        one.upload()
    with pytest.raises(FastScoreError, match="not saved"):
        one.upload(Model("m", "python3", "x"))


def test_things_at_hand_become_attachments(model, tmp_path):
    (tmp_path / "d" / "sub").mkdir(parents=True)
    (tmp_path / "d" / "sub" / "x.txt").write_text("deep")
    (tmp_path / "clf.joblib").write_bytes(b"\x00\x01")
    ready = _zip(tmp_path / "ready.zip", m="1")
    made = [
        model.attach(tmp_path / "clf.joblib"),
        model.attach(tmp_path / "d"),
        model.attach(ready),
        model.attach(
            {"a.json": {"x": [1]}, "b/c.pkl": (1, 2), "n.npy": [1.0], "r": b""}
        ),
    ]
    assert [a.name for a in made] == [
        "clf.joblib.zip",
        "d.zip",
        "ready.zip",
        "files.zip",
    ]
    assert sorted(model.attachments.names()) == sorted(a.name for a in made)
    members = [
        zipfile.ZipFile(model.attachments[a.name].datafile).namelist() for a in made
    ]
    assert members == [
        ["clf.joblib"],
        ["sub/x.txt"],
        ["m"],
        ["a.json", "b/c.pkl", "n.npy", "r"],
    ]


def test_equal_content_gives_equal_archives(mm):
    sizes = set()
    for name in ("m1", "m2"):
        one = Model(name, "python3", SOURCE)
        one.update(mm)
        one.attach({"a.json": {"x": 1}})
        sizes.add(Path(one.attachments["a.json.zip"].datafile).read_bytes())
    assert len(sizes) == 1


@pytest.mark.parametrize(
    ("things", "text"),
    [
        ("no-such-file", "there is no"),
        ({"../x": b""}, "member named"),
        ({"/x": b""}, "member named"),
        ({"x.bin": object()}, "no way to write"),
        ({}, "attachment of nothing"),
    ],
)
def test_what_cannot_be_attached_is_refused(model, things, text):
    with pytest.raises(FastScoreError, match=text):
        model.attach(things)
    assert model.attachments.names() == []


def test_an_unsaved_model_keeps_its_attachments_until_it_is_saved(mm):
    one = Model("m", "python3", SOURCE, schemas={"s": "int"})
    one.attach({"a.json": 1})
    assert [a.name for a in one.all_attachments()] == ["a.json.zip"]
    one.update(mm)
    assert mm.models["m"].attachments.names() == ["a.json.zip"]
    assert mm.schemata["s"].source == "int"
    assert [a.name for a in one.all_attachments()] == ["a.json.zip"]
