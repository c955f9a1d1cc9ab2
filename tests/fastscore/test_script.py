"""The main job as a plain script, with no IPython; and imports that are light."""

from __future__ import annotations

import subprocess
import sys

FLOW = """
import sys, warnings
import joblib, pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split
from pilothouse.fastscore import Model, ModelError, Schema, Sensor
from pilothouse.fastscore.suite import Connect

connect = Connect(sys.argv[1], oauth_secret=sys.argv[2])
mm, engine = connect.lookup("model-manage"), connect.get("engine-2")
engine.reset()
data = load_breast_cancer(as_frame=True)
X = data.data.rename(columns=lambda name: name.replace(" ", "_"))
train, test, y_train, y_test = train_test_split(X, data.target, random_state=0)
classifier = RandomForestClassifier(20, random_state=0).fit(train, y_train)

fields = [{"name": name, "type": "double"} for name in X.columns]
cells = {"type": "record", "name": "Cells", "fields": fields}
verdict = {"type": "record", "name": "Verdict", "fields": [
    {"name": "label", "type": "int"}, {"name": "p", "type": "double"}]}
model = Model("scorer", "python3", '''
# fastscore.schema.0: cells
# fastscore.schema.1: verdict
# fastscore.recordsets.0: yes
# fastscore.snapshots: eof
import fastscore, joblib

def begin():
    global classifier, seen
    classifier = joblib.load("clf.joblib")
    seen = fastscore.cells("seen")

def action(frame):
    seen.update(lambda n: (n or 0) + len(frame))
    p = classifier.predict_proba(frame)[:, 1]
    for each in p:
        yield {"label": int(each > 0.5), "p": float(each)}

def end():
    print("seen", seen.value)
''', schemas={"cells": cells, "verdict": verdict})
model.attach({"clf.joblib": classifier})
ten = model.score(test[:10])
assert list(ten.label) == list(classifier.predict(test[:10]))

model.update(mm)
stream = {"Transport": {"Type": "REST", "Mode": "chunked"}, "Encoding": "json",
          "Batching": "explicit"}
from pilothouse.fastscore import Stream
mm.models["scorer"].deploy(engine, streams={0: Stream("in", stream),
                                            1: Stream("out", stream)}, wait=60)
scores = engine.score(test)
assert len(scores) == len(test)
assert (scores.label.to_numpy() == classifier.predict(test)).all()

bad = test[:3].astype(object)
bad.iloc[1, 0] = "not a number"
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    found = engine.score(bad)
assert len(found) == 2
assert found.attrs["rejected"][0].index == 1, found.attrs
assert "Double expected" in str(caught[0].message)

sid = Sensor.prep("manifold.0.records.count", interval=0.1).install(engine)
with connect.pneumo.socket(src=engine.name, type="sensor-report", timeout=10) as pneumo:
    engine.score(test)
    report = next(m for m in pneumo if m.sid == sid)
assert report.data > 0
engine.scale(2)
assert len(engine.active_model.jets) == 2
engine.pause()
assert engine.state == "PAUSED"
engine.unpause()
engine.wait_for("RUNNING")
many = X.sample(200_000, replace=True, random_state=0)
scores = engine.score(many)
assert (scores.label.to_numpy() == classifier.predict(many)).all()

engine.input('{"$fastscore": "end"}\\n', 0)
engine.wait_for("FINISHED", timeout=60)
(snapshot,) = mm.models["scorer"].snapshots.browse(count=1)
engine.reset()
assert engine.state == "INIT"
snapshot.restore(engine)
mm.models["scorer"].deploy(engine, streams={0: Stream("in", stream),
                                            1: Stream("out", stream)}, wait=60)
with connect.pneumo.socket(src=engine.name, type="model-console", timeout=20) as pneumo:
    engine.score(test)
    engine.input('{"$fastscore": "end"}\\n', 0)
    told = pneumo.recv()
total = 200_000 + 3 * len(test) + 2
assert told.text.strip() == f"seen {total}", told

broken = Model("broken", "python3", "def action(x):\\n    yield x['no such field']\\n")
broken.deploy(engine, reset=True, streams={0: "rest-chunked:", 1: "rest-chunked:"},
              wait=30)
try:
    engine.score([{"x": 1}])
except ModelError as error:
    assert error.lines == (2,), error.lines
else:
    raise AssertionError("the model did not fail")
engine.reset()
for name in ("scorer",):
    del mm.models[name]
for name in ("cells", "verdict"):
    del mm.schemata[name]
for module in ("IPython", "ipywidgets", "pilothouse_widgets", "aiohttp"):
    assert module not in sys.modules, module
print("done")
"""


def test_the_same_flow_works_as_a_plain_script(suite, tmp_path):
    script = tmp_path / "flow.py"
    script.write_text(FLOW)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script), suite.url, suite.token],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "seen 10\ndone\n"  # the first from the local score


def _modules_after(code):
    script = f"{code}\nimport sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_importing_the_package_imports_nothing_heavy():
    heavy = {"requests", "websocket", "pandas", "numpy", "fastavro", "orjson", "yaml"}
    found = _modules_after("import pilothouse.fastscore")
    assert not found & heavy


def test_using_the_client_needs_neither_pandas_nor_a_notebook():
    found = _modules_after(
        "from pilothouse.fastscore.suite import Connect\nfrom pilothouse.fastscore "
        "import *\nConnect('http://127.0.0.1:1')"
    )
    assert not found & {
        "pandas",
        "numpy",
        "fastavro",
        "IPython",
        "aiohttp",
        "sqlalchemy",
    }


def test_every_name_that_is_promised_is_there():
    import pilothouse.fastscore as package

    for name in package.__all__:
        assert getattr(package, name).__name__ == name
    assert set(package.__all__) <= set(dir(package))
