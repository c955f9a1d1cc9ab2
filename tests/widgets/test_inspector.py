from pilothouse.fastscore import Model
from pilothouse_widgets import ModelInspector
from waiting import until
from widgets.seeing import seen


def test_a_model_that_was_never_saved_shows_what_it_has(root_model):
    inspector = ModelInspector(root_model)
    seen(inspector, lambda: not inspector.loading)

    assert inspector.source == root_model.source
    assert [slot["label"] for slot in inspector.slots] == ["in 0", "out 1"]
    assert inspector.slots[0]["schema"] == '{\n  "type": "double"\n}'
    assert inspector.slots[0]["action"] == "action"
    assert (inspector.attachments, inspector.snapshots) == ([], [])
    assert not inspector.saved


def test_a_saved_model_shows_attachments_and_schemas(connect, root_model):
    manage = connect.lookup("model-manage")
    root_model.update(manage)
    root_model.attach({"weights.json": {"w": [1]}}, name="weights.zip")
    inspector = ModelInspector(manage.models["root"])
    seen(inspector, lambda: not inspector.loading)

    assert inspector.trouble == ""
    assert inspector.saved
    (attachment,) = inspector.attachments
    assert (attachment["name"], attachment["type"]) == ("weights.zip", "zip")
    assert attachment["size"] > 0
    assert inspector.slots[1]["schema_name"] == "num"
    assert "double" in inspector.slots[1]["schema"]


def test_the_active_model_of_an_engine_can_be_inspected(deployed):
    inspector = ModelInspector(deployed.active_model)
    seen(inspector, lambda: not inspector.loading)

    assert inspector.trouble == ""
    assert inspector.name == "root"
    assert len(inspector.slots) == 2


def test_a_schema_that_nobody_has_is_named():
    model = Model(
        "m", "python3", "# fastscore.schema.0: gone\ndef action(x): yield x\n"
    )
    inspector = ModelInspector(model)
    seen(inspector, lambda: not inspector.loading)

    assert (inspector.slots[0]["schema_name"], inspector.slots[0]["schema"]) == (
        "gone",
        "",
    )


def test_a_wrong_annotation_is_shown_in_the_view():
    model = Model(
        "m", "python3", "# fastscore.recordsets.0: perhaps\ndef action(x): 0\n"
    )
    inspector = ModelInspector(model)
    seen(inspector, lambda: not inspector.loading)

    assert inspector.trouble.startswith("slots: ")
    assert inspector.source.startswith("# fastscore")


def test_the_texts_are_escaped_and_counted(root_model):
    root_model.source += "# <script>alert(1)</script>\n"
    inspector = ModelInspector(root_model)
    seen(inspector, lambda: not inspector.loading)

    bundle = inspector._repr_mimebundle_()[0]
    assert "<script>" not in bundle["text/html"]
    assert bundle["text/plain"] == (
        "model root (python3): 8 lines, 2 slots, 0 attachments, 0 snapshots"
    )


def test_refresh_looks_again(comms, root_model):
    inspector = ModelInspector(root_model)
    seen(inspector, lambda: not inspector.loading)
    root_model.source = "def action(x):\n    yield x\n"
    next(c for c in comms if c.comm_id == inspector.model_id).hear({"ask": "refresh"})

    until(lambda: inspector.source.startswith("def action"))
