"""Loading: attachments, import policies, model types, the old form of the API."""

import io
import json
import shutil
import tarfile
import zipfile

import pytest

from pilothouse.fastscore.wire.load import ExternalAttachment, InlineAttachment
from pilothouse.services.fastscore.engine.pipeline import WINDOW
from services.engine.conftest import CUBE, ECHO, REST

READS = (
    "import helper\n"
    "def begin():\n    global text\n    text = open('data/text.txt').read()\n"
    "def action(x):\n    yield text + helper.word()\n"
)
FILES = {"data/text.txt": b"hello ", "helper.py": b"def word():\n    return 'there'\n"}


def zipped(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def tarred(files, **change):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for key, value in change.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


@pytest.mark.parametrize(
    ("atype", "data"), [("zip", zipped(FILES)), ("tgz", tarred(FILES))]
)
def test_an_inline_attachment_is_in_the_folder_of_the_jet(engine, atype, data):
    given = InlineAttachment(name=f"files.{atype}", atype=atype, data=data)
    engine.start(READS, attachments=[given])

    assert engine.roundtrip(b"1").body == b'"hello there"'
    shown = engine.call("GET", "2/active/model").json
    assert shown["attachments"] == [f"files.{atype}"]


def test_an_attachment_by_reference_comes_from_model_manage(engine):
    data = zipped(FILES)
    engine.suite.model("reader", READS.encode())
    path = "model-manage-1/1/model/reader/attachment/files.zip"
    headers = {"Content-Type": "application/zip"}
    engine.suite.call("PUT", path, data, headers=headers)
    given = ExternalAttachment(
        name="files.zip", atype="zip", size=len(data), model="reader"
    )

    engine.start(READS, name="reader", attachments=[given])

    assert engine.roundtrip(b"1").body == b'"hello there"'


def test_a_reference_to_nothing_is_refused(engine):
    given = ExternalAttachment(name="override", atype="zip", size=1, model="m")

    answer = engine.load(ECHO, attachments=[given])

    assert answer.status == 400
    assert "attachment 'override' of model 'm' not found" in answer.text


@pytest.mark.parametrize(
    ("atype", "data"),
    [
        ("zip", b"PK no"),
        ("tgz", b"\x1f\x8b no"),
        ("zip", zipped({"../../escaped": b""})),
        ("zip", zipped({"/escaped": b""})),
        ("tgz", tarred({"../escaped": b""})),
        ("tgz", tarred({"link": b""}, type=tarfile.SYMTYPE, linkname="/etc")),
        ("tgz", tarred({"device": b""}, type=tarfile.CHRTYPE)),
    ],
    ids=["zip", "tgz", "zip ..", "zip /", "tgz ..", "link", "device"],
)
def test_a_bad_archive_is_refused(engine, atype, data):
    given = InlineAttachment(name="bad", atype=atype, data=data)

    for dry_run in (True, False):
        answer = engine.load(ECHO, attachments=[given], dry_run=dry_run)
        assert (answer.status, "'bad'" in answer.text) == (400, True)


# policies

POLICY = {"Content-Type": "application/vnd.fastscore.import-policy-python3"}
ACCEPT = {"Accept": POLICY["Content-Type"]}


@pytest.fixture
def policy(engine):
    def put(text, *, preinstall=False):
        path = f"1/policy?preinstall={preinstall}"
        return engine.call("PUT", path, text.encode(), POLICY)

    yield put
    put("{}")


def test_a_policy_reads_back_as_it_was_put(engine, policy):
    default = engine.call("GET", "1/policy", headers=ACCEPT)
    assert default.status == 200
    assert default.headers["Content-Type"] == ACCEPT["Accept"]

    assert policy("pandas: install\n").status in (201, 204)

    assert engine.call("GET", "1/policy", headers=ACCEPT).text == "pandas: install\n"
    assert policy("numpy: ok\n").status == 204


def test_a_dry_run_sorts_the_imports(engine, policy):
    policy("pandas: install\nnumpy: warn\n")
    source = (
        "# fastscore.module-attached: mine\n"
        "import numpy, pandas, json\nimport mine.own\n" + ECHO
    )

    info = engine.load(source, dry_run=True).json

    assert info["install_libs"] == ["pandas"]
    assert info["warn_libs"] == ["numpy"]
    assert info["attach_libs"] == ["mine"]


@pytest.mark.parametrize(
    ("text", "source", "words"),
    [
        ("subprocess: prohibit", "import subprocess\n", "prohibits 'subprocess'"),
        ("no_such: install", "def f():\n    import no_such\n", "installs nothing"),
    ],
    ids=["prohibited", "not there"],
)
def test_a_policy_refuses_imports(engine, policy, text, source, words):
    policy(text)

    answer = engine.load(source + ECHO)

    assert (answer.status, words in answer.text) == (400, True)


@pytest.mark.parametrize("text", ["- a", "a: sometimes", "a: [", "a"])
def test_a_policy_that_cannot_be_read_is_refused(policy, text):
    assert policy(text).status == 400


def test_a_second_preinstall_is_refused(tmp_path):
    from conftest import LocalSuite, started
    from services.engine.conftest import Rig

    with started(tmp_path / "data") as host:
        rig = Rig(LocalSuite(host))
        path = "1/policy?preinstall=True"
        missing = rig.call("PUT", path, b"no_such_library: install", POLICY)
        first = rig.call("PUT", path, b"numpy: install", POLICY)
        second = rig.call("PUT", path, b"numpy: install", POLICY)
        rig.close()

    assert missing.status == 400
    assert first.status == 201
    assert (second.status, "already" in second.text) == (400, True)


def test_a_policy_of_an_unknown_type_is_refused(engine):
    assert engine.call("GET", "1/policy", headers={"Accept": "text/x"}).status == 400


# model types

C = """
#include <stdio.h>
#include <stdlib.h>
static double sum;
void begin(void) { printf("c begins\\n"); }
void action(const char *json, int slot, long seqno)
{
    char out[64];
    sum += atof(json);
    snprintf(out, sizeof out, "[%g,%d,%ld]", sum, slot, seqno);
    emit(1, out);
}
void end(void) { printf("c ends\\n"); }
"""
JAVA = """
public class Summing {
  private static double sum;
  public static void begin() { System.out.println("java begins"); }
  public static String action(String json, int slot, long seqno) {
    sum += Double.parseDouble(json);
    return "[" + sum + "," + slot + "," + seqno + "]";
  }
  public static void end() { System.out.println("java ends"); }
}
"""
R = """
begin <- function() { cat("R begins\\n"); Set(Cell("sum"), 0) }
action <- function(x, slot, seqno) {
  sum <- Update(Cell("sum"), function(old) old + x)
  emit(c(sum, slot, seqno))
}
end <- function() cat("R ends\\n")
"""
OCTAVE = """
function begin()
  printf("octave begins\\n");
end
function action(x, slot, seqno)
  global total;
  if (isempty(total))
    total = 0;
  end
  total += x;
  emit([total, slot, seqno]);
end
function finish()
  printf("octave ends\\n");
end
"""
needs = {"c": "gcc", "java": "javac", "R": "Rscript", "octave": "octave-cli"}
FOREIGN = [
    pytest.param(
        mtype,
        source,
        marks=pytest.mark.skipif(
            shutil.which(needs[mtype]) is None, reason=f"{needs[mtype]} is not here"
        ),
    )
    for mtype, source in (("c", C), ("java", JAVA), ("R", R), ("octave", OCTAVE))
]


@pytest.mark.parametrize(("mtype", "source"), FOREIGN)
def test_a_model_in_another_language_scores(engine, tmp_path, mtype, source):
    out = tmp_path / "out"
    assert engine.load(source, mtype=mtype).status == 204
    engine.attach(1, file_out(out))
    data = {"Type": "inline", "Data": ["1", "2", "3"]}
    engine.attach(0, {"Transport": data, **JSON_LINES})

    engine.wait("FINISHED")

    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert found == [[1, 0, 1], [3, 0, 2], [6, 0, 3]]
    engine.until(lambda: len(engine.flow.console) == 2)
    assert [line.split()[1] for line in engine.flow.console] == ["begins", "ends"]


JSON_LINES = {"Encoding": "json"}


def file_out(path):
    transport = {"Type": "file", "Path": str(path)}
    return {"Transport": transport, "LingerTime": 60_000, **JSON_LINES}


BROKEN = {
    "c": "void action(const char *json, int slot, long seqno) { oops }",
    "java": "public class X { oops }",
    "R": "action <- function(x) { oops oops }",
    "octave": "function action(x)\n  x = = 1;\nend\n",
}
RAISES = {
    "c": 'void action(const char *j, int s, long n) { fail("no \\"good\\""); }',
    "java": 'class X { static void action(String x) { throw new Error("no good"); } }',
    "R": "action <- function(x) stop('no good')",
    "octave": "function action(x)\n  error('no good');\nend\n",
}
DIES = "void action(const char *json, int slot, long seqno) { *(volatile int *)0 = 1; }"


@pytest.mark.parametrize(("mtype", "_source"), FOREIGN)
def test_a_source_that_does_not_compile_is_refused(engine, mtype, _source):
    answer = engine.load(BROKEN[mtype], mtype=mtype)

    assert (answer.status, "cannot be used" in answer.text) == (400, True)


@pytest.mark.parametrize(("mtype", "_source"), FOREIGN)
def test_a_failure_in_another_language_is_reported(engine, mtype, _source):
    engine.start(RAISES[mtype], mtype=mtype)

    engine.input(b"1")

    (error,) = engine.wait_for("model-error")
    assert "good" in error["console"]
    assert error["input"]["data"] == ["1"]


@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not here")
def test_a_c_model_that_dies_is_reported(engine):
    engine.start(DIES, mtype="c")

    engine.input(b"1")

    (error,) = engine.wait_for("model-error")
    assert "killed by SIGSEGV" in error["console"]
    engine.wait("ERROR")


PFA = {
    "pfa-json": json.dumps(
        {
            "input": "double",
            "output": "double",
            "action": [{"*": ["input", {"*": ["input", "input"]}]}],
        }
    ),
    "pfa-yaml": "input: double\noutput: double\naction:\n  - {'*': [input, 2]}\n",
    "pfa-pretty": "input: double\noutput: double\naction:\n  input + 0.5\n",
}


@pytest.mark.parametrize(
    ("mtype", "wanted"),
    [("pfa-json", b"27.0"), ("pfa-yaml", b"6.0"), ("pfa-pretty", b"3.5")],
)
def test_pfa_models_score(engine, mtype, wanted):
    pytest.importorskip("titus", reason="the pfa extra is not installed")
    info = engine.load(PFA[mtype], mtype=mtype, dry_run=True).json
    assert [slot["schema"] for slot in info["slots"]] == ["double", "double"]
    engine.start(PFA[mtype], mtype=mtype)

    assert engine.roundtrip(b"3").body == wanted
    assert engine.roundtrip(b'"x"').status == 400
    shown = engine.call("GET", "2/active/model").json
    assert (shown["mtype"], shown["source"]) == (mtype, PFA[mtype])


def test_a_wrong_pfa_document_is_refused(engine):
    pytest.importorskip("titus", reason="the pfa extra is not installed")
    wrong = PFA["pfa-json"].replace('"*"', '"nothing"')

    assert engine.load(wrong, mtype="pfa-json").status == 400
    assert engine.load("{", mtype="pfa-json").status == 400


@pytest.mark.parametrize("mtype", ["sas", "jupyter", "h2o-java"])
def test_types_that_cannot_run_are_refused_with_the_reason(engine, mtype):
    answer = engine.load("x", mtype=mtype)

    assert answer.status == 400
    assert f"model type not supported: {mtype}" in answer.text


def test_an_unknown_type_is_refused(engine):
    headers = {"Content-Type": "text/x", "Content-Disposition": 'x-model; name="m"'}

    assert engine.call("PUT", "1/job/model", b"x", headers).status == 400


# explicit models

EXPLICIT = (
    "# fastscore.action: unused\n"
    "from fastscore.io import Slot\n"
    "import fastscore\n"
    "for record in Slot(0):\n"
    "    fastscore.cells('n').update(lambda n: (n or 0) + 1)\n"
    "    Slot(1).write(record * 2)\n"
    "Slot(1).write('over')\n"
)


def inline(*texts):
    return {"Transport": {"Type": "inline", "Data": list(texts)}, **JSON_LINES}


def run(engine, source, tmp_path, given):
    out = tmp_path / "out"
    loaded = engine.load(source)
    assert loaded.status == 204, loaded.text
    engine.attach(1, file_out(out))
    engine.attach(0, given)
    engine.wait("FINISHED")
    return out.read_text()


def test_an_explicit_model_reads_and_writes_its_slots(engine, tmp_path):
    found = run(engine, EXPLICIT, tmp_path, inline("1", "2", "3"))

    assert found == '2\n4\n6\n"over"\n'


def test_an_explicit_model_answers_while_it_runs(engine):
    engine.start(EXPLICIT)

    engine.input(b"4")

    assert engine.outputs(1) == [b"8"]


def test_an_explicit_model_reads_record_sets(engine, tmp_path):
    source = (
        "# fastscore.action: none\n# fastscore.recordsets.$all: yes\n"
        "from fastscore.io import Slot\n"
        "while (frame := Slot(0).read()) is not None:\n"
        "    frame['b'] = frame['a'].cumsum()\n"
        "    Slot(1).write(frame)\n"
    )

    found = run(engine, source, tmp_path, inline('{"a":1}', '{"a":2}'))

    assert found == '{"a":1,"b":1}\n{"a":2,"b":3}\n{"$fastscore":"set"}\n'


def test_an_explicit_model_may_end_early(engine, tmp_path):
    source = (
        "# fastscore.action: unused\n"
        "from fastscore.io import Slot\n"
        "Slot(1).write(Slot(0).read())\n"
    )

    assert run(engine, source, tmp_path, inline("1", "2", "3")) == "1\n"


@pytest.mark.parametrize("jets", [1, 2])
def test_an_explicit_model_may_end_early_when_all_input_was_handed_out(
    engine, tmp_path, jets
):
    """The last batches lie with the jets, unread, when FINISHING has begun."""
    gate, out = tmp_path / "gate", tmp_path / "out"
    source = (
        "# fastscore.action: unused\n"
        "import os, time\n"
        "from fastscore.io import Slot\n"
        f"while not os.path.exists({str(gate)!r}):\n    time.sleep(0.01)\n"
        "Slot(0).read()\n"
        "Slot(1).write('over')\n"
    )
    engine.call("POST", "2/active/model/scale", str(jets).encode())
    engine.load(source)
    engine.attach(1, file_out(out))
    engine.attach(0, inline(*map(str, range(1000 * (WINDOW * jets - 2) + 500))))

    engine.wait("FINISHING")
    gate.touch()

    engine.wait("FINISHED")
    assert out.read_text() == '"over"\n' * jets


def test_an_explicit_model_that_raises_is_reported(engine):
    engine.start(EXPLICIT.replace("record * 2", "record / 0"), name="script")

    engine.input(b"4")

    (error,) = engine.wait_for("model-error")
    assert 'File "<model script>", line 6' in error["console"]
    assert error["input"]["data"] == ["4"]


# unloading, the old form


def test_a_model_is_unloaded_in_init(engine):
    assert engine.call("DELETE", "2/active/model").status == 404
    engine.load(ECHO)

    assert engine.call("DELETE", "2/active/model").status == 204
    assert engine.call("GET", "2/active/model").status == 404
    engine.start(ECHO)
    assert engine.call("DELETE", "1/job/model").status == 400


def test_the_old_form_of_the_api(engine):
    engine.load(CUBE)
    assert engine.json("PUT", "1/job/stream/in", REST).status == 204
    assert engine.json("PUT", "1/job/stream/out", REST).status == 204
    assert engine.call("POST", "1/job/scale?n=2").status == 204
    engine.call("POST", "1/job/input", b"3")

    found = engine.call("GET", "1/job/output")
    while found.status == 202:
        found = engine.call("GET", "1/job/output")
    assert found.body == b"27"
    status = engine.call("GET", "1/job/status").json
    assert status["state"] == "running"
    assert status["model"]["name"] == "m"
    assert [slot["stream"]["descriptor"] for slot in status["slots"]] == [REST, REST]
    assert [sorted(jet) for jet in status["jets"]] == [["busy", "pid", "sandbox"]] * 2
    part = engine.call("GET", "1/job/status?return=state,jets").json
    assert sorted(part) == ["jets", "state"]
    usage = engine.call("POST", "1/job/sample/cpu?duration=1").json
    assert {"user", "kernel", "jets"} == set(usage)
    assert engine.call("DELETE", "1/job").status == 204
    assert engine.state == "init"
    assert engine.call("POST", "1/job/sample/cpu").status == 403


def test_the_last_lines_of_the_console(engine):
    engine.start("print('one')\nprint('two')\n" + ECHO)
    engine.roundtrip(b"1")
    engine.until(lambda: len(engine.flow.console) == 2)

    assert engine.call("GET", "1/debug/output").json == ["one", "two"]


@pytest.mark.parametrize(("mtype", "source"), FOREIGN)
def test_a_source_without_its_action_is_refused(engine, mtype, source):
    mark = "//" if mtype in ("c", "java") else "#"
    answer = engine.load(f"{mark} fastscore.action.0: score\n{source}", mtype=mtype)

    assert (answer.status, "no function 'score'" in answer.text) == (400, True)


@pytest.mark.parametrize(("mtype", "source"), FOREIGN)
def test_another_function_may_be_the_action(engine, mtype, source):
    mark = "//" if mtype in ("c", "java") else "#"
    named = source.replace("action", "score")
    engine.start(f"{mark} fastscore.action.0: score\n{named}", mtype=mtype)

    assert json.loads(engine.roundtrip(b"2").body) == [2, 0, 1]
