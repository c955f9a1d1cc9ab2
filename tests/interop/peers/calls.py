"""Does each call of the FastScore client once, with whichever client library is named.

Runs in the environment of the real SDK and in ours:
``python calls.py fastscore|pilothouse.fastscore URL`` writes one JSON object to stdout,
call -> ``{"result": text}`` or ``{"error": class, "text": text}``. Before each call the
recorder at URL is told its name. Standard library only, beside the client library.
"""

from __future__ import annotations

import datetime
import importlib
import json
import os
import ssl
import sys
import tempfile
import urllib.request
import warnings
from pathlib import Path
from types import SimpleNamespace

URL = sys.argv[2]
TRUSTING = ssl._create_unverified_context()
LIBRARY = importlib.import_module(sys.argv[1])
SUITE = importlib.import_module(f"{sys.argv[1]}.suite")
SOURCE = "# fastscore.schema.0: int\ndef action(x):\n    yield 'é'\n"
PFA = '{"input": "int", "output": "int", "action": ["input"]}'
REST = {"Transport": "REST", "Encoding": "json"}
SENSOR = {"Tap": "sys.memory", "Activate": "permanent"}
CALLS = {}


def call(function):
    """Enter one call; its name is its function's."""
    CALLS[function.__name__] = function
    return function


def fresh():
    """A connection with one Model Manage and one engine already found."""
    c = SUITE.Connect(URL)
    return SimpleNamespace(c=c, mm=c.get("model-manage-1"), e=c.get("engine-1"))


def model(x, name="m", mtype="python3", source=SOURCE):
    return LIBRARY.Model(name, mtype, source, x.mm)


def attachment(name, content=b"PK\x05\x06" + bytes(18)):
    """A file of that name in a folder of its own."""
    path = Path(tempfile.mkdtemp()) / name
    path.write_bytes(content)
    return str(path)


# --- Connect


@call
def check_health(x):
    return x.c.check_health().release


@call
def get_swagger(x):
    return x.c.get_swagger()["swagger"]


@call
def fleet(x):
    return [i.name for i in x.c.fleet()]


@call
def get_instance(x):
    return x.c.get("engine-2").name


@call
def lookup_first_time(x):
    return SUITE.Connect(URL).lookup("engine").name


@call
def lookup_again(x):
    return x.c.lookup("engine").name


@call
def lookup_preferred(x):
    x.c.prefer("engine", "engine-2")
    return x.c.lookup("engine").name


@call
def configure(x):
    return x.c.configure({"fastscore": {"db": {"type": "mysql", "port": 3306}}})


@call
def get_config(x):
    return x.c.get_config()


@call
def get_config_section(x):
    return x.c.get_config("db")


@call
def pneumo_history(x):
    return x.c.pneumo.history()


@call
def active_sensors(x):
    return x.c.active_sensors[8].tap


@call
def tapping_points(x):
    return x.e.tapping_points


@call
def install_sensor(x):
    return LIBRARY.Sensor("s", SENSOR).install(x.mm)


@call
def install_prepared_sensor(x):
    return LIBRARY.Sensor.prep("sys.memory").install(x.e)


@call
def uninstall_sensor(x):
    return x.e.uninstall_sensor(8)


# --- Model Manage


@call
def model_names(x):
    return x.mm.models.names()


@call
def model_items(x):
    return [(m.name, m.mtype) for m in x.mm.models]


@call
def model_get(x):
    return x.mm.models["m"].mtype


@call
def model_get_odd_name(x):
    return x.mm.models["a b/c?d#e%41+ü"].mtype


@call
def model_save(x):
    return model(x).update()


@call
def model_save_pfa_text(x):
    return model(x, mtype="pfa-json", source=PFA).update()


@call
def model_save_pfa_object(x):
    return model(x, mtype="pfa-json", source=json.loads(PFA)).update()


@call
def model_save_r(x):
    return model(x, mtype="R", source="action <- function(x) emit(x)\n").update()


@call
def model_delete(x):
    del x.mm.models["m"]


@call
def schema_names(x):
    return x.mm.schemata.names()


@call
def schema_get(x):
    return x.mm.schemata["n"].source


@call
def schema_save_object(x):
    return LIBRARY.Schema("n", {"type": "array", "items": "int"}).update(x.mm)


@call
def schema_save_text(x):
    return LIBRARY.Schema("n", '{"type": "int"}').update(x.mm)


@call
def schema_save_bare_name(x):
    return LIBRARY.Schema("n", "int").update(x.mm)


@call
def schema_save_empty(x):
    return LIBRARY.Schema("n", {}).update(x.mm)


@call
def schema_save_non_ascii(x):
    return LIBRARY.Schema("n", {"type": "int", "doc": "größe"}).update(x.mm)


@call
def schema_delete(x):
    del x.mm.schemata["n"]


@call
def stream_names(x):
    return x.mm.streams.names()


@call
def stream_get(x):
    return x.mm.streams["n"].desc


@call
def stream_save(x):
    return LIBRARY.Stream("n", REST).update(x.mm)


@call
def stream_save_empty(x):
    return LIBRARY.Stream("n", {}).update(x.mm)


@call
def stream_delete(x):
    del x.mm.streams["n"]


@call
def sensor_names(x):
    return x.mm.sensors.names()


@call
def sensor_get(x):
    return x.mm.sensors["n"].desc


@call
def sensor_save(x):
    return LIBRARY.Sensor("n", SENSOR).update(x.mm)


@call
def sensor_delete(x):
    del x.mm.sensors["n"]


@call
def attachment_names(x):
    return model(x).attachments.names()


@call
def attachment_items(x):
    return [(a.name, a.atype) for a in model(x).attachments]


@call
def attachment_size(x):
    return model(x).attachments["a.zip"].datasize


@call
def attachment_download(x):
    return len(Path(model(x).attachments["a.zip"].datafile).read_bytes())


@call
def attachment_upload_zip(x):
    path = attachment("a.zip")
    return LIBRARY.Attachment("a.zip", datafile=path).upload(model(x))


@call
def attachment_upload_tgz(x):
    path = attachment("b.tar.gz", b"\x1f\x8b\xff\x00")
    return LIBRARY.Attachment("b.tar.gz", datafile=path).upload(model(x))


@call
def attachment_delete(x):
    del model(x).attachments["a.zip"]


@call
def snapshots_all(x):
    return [s.id for s in model(x).snapshots.browse()]


@call
def snapshots_counted(x):
    return [s.id for s in model(x).snapshots.browse(count=1)]


@call
def snapshots_since(x):
    return len(model(x).snapshots.browse(datetime.datetime(2018, 3, 5)))


@call
def snapshots_between(x):
    first = datetime.datetime(2018, 3, 5, tzinfo=datetime.UTC)
    last = datetime.datetime(2018, 3, 6, 7, 8, 9, 500000)
    return len(model(x).snapshots.browse(first, last, 3))


@call
def snapshot_by_prefix(x):
    return model(x).snapshots["yu"].id


@call
def snapshot_delete(x):
    del model(x).snapshots["yu647abc"]


@call
def restore_state(x):
    return x.e.restore_state("blob")


# --- Engine


@call
def state(x):
    return x.e.state


@call
def active_model(x):
    return x.e.active_model.name


@call
def unload_model(x):
    return x.e.unload_model()


@call
def active_streams(x):
    return x.e.active_streams[1].name


@call
def detach_stream(x):
    return x.e.detach_stream(1)


def bare(mtype="python3", source=SOURCE):
    """A model with an empty collection of attachments, so that none is asked for."""
    return {"attachment_override_list": []}, LIBRARY.Model("m", mtype, source)


@call
def load_plain(x):
    options, m = bare()
    x.e.load_model(m, **options)


@call
def load_dry_run(x):
    options, m = bare()
    return x.e.load_model(m, dry_run=True, **options).snapshots


@call
def load_pfa(x):
    options, m = bare("pfa-json", PFA)
    x.e.load_model(m, **options)


@call
def load_with_schema(x):
    options, m = bare()
    x.e.load_model(m, embedded_schemas={"in1": '{"type": "int"}'}, **options)


@call
def load_saved_with_attachment(x):
    x.e.load_model(model(x))


@call
def load_odd_name(x):
    m = LIBRARY.Model("a b", "python3", SOURCE)
    x.e.load_model(m, attachment_override_list=[])


@call
def input_text(x):
    x.e.input('{"x": "é"}', 0)


@call
def input_bytes(x):
    x.e.input(b"\xff\x00\n", 2)


@call
def output(x):
    return bytes(x.e.output(1)).decode()


@call
def roundtrip(x):
    return bytes(x.e.roundtrip(b"2")).decode()


@call
def roundtrip_slots_and_timeout(x):
    return bytes(x.e.roundtrip("2", 2, 3, timeout=2000)).decode()


@call
def scale_up(x):
    x.e.scale(3)


@call
def scale_to_none(x):
    x.e.scale(0)


@call
def pause(x):
    x.e.pause()


@call
def unpause(x):
    x.e.unpause()


@call
def reset(x):
    x.e.reset()


@call
def policy_get(x):
    return x.e.policy.get("import", "python3")


@call
def policy_set(x):
    x.e.policy.set("import", "python3", "numpy: install\n")


@call
def policy_preinstall(x):
    x.e.policy.set("import", "R", "numpy: install\n", True)


@call
def verify_schema_object(x):
    return LIBRARY.Schema("s", {"type": "int"}).verify(x.e)


@call
def verify_schema_text(x):
    return LIBRARY.Schema("s", '{"type": "int"}').verify(x.e)


@call
def verify_schema_bare_name(x):
    return LIBRARY.Schema("s", "foobar").verify(x.e)


@call
def verify_data_zero(x):
    x.e.verify_data(3, 0)


@call
def verify_data_text(x):
    x.e.verify_data(3, "fastscore")


@call
def verify_data_object(x):
    x.e.verify_data(3, {"a": [1, None, "é"]})


@call
def unverify_schema(x):
    x.e.unverify_schema(3)


@call
def attach_stream(x):
    LIBRARY.Stream("s 1", REST).attach(x.e, 0)


@call
def attach_stream_dry_run(x):
    return LIBRARY.Stream("s", REST).attach(x.e, 1, dry_run=True)


@call
def attach_empty_descriptor(x):
    LIBRARY.Stream("s", {}).attach(x.e, 1)


@call
def sample_stream(x):
    return LIBRARY.Stream("s", REST).sample(x.e)


@call
def sample_stream_counted(x):
    return LIBRARY.Stream("s", REST).sample(x.e, 2)


# --- Who asks; the real SDK keeps what was set last for the whole process, so last


@call
def pneumo_socket(x):
    return received(x.c.pneumo.socket())


@call
def pneumo_socket_filtered(x):
    return received(x.c.pneumo.socket(src="engine-1", type="engine-state", timeout=60))


@call
def pneumo_socket_basic(x):
    x.c.set_basic_auth_secret("Basic cDpx")
    return received(x.c.pneumo.socket())


@call
def pneumo_socket_session(x):
    c = SUITE.Connect(URL)
    c.set_session_cookie("connect.sid=abc")
    return received(c.pneumo.socket())


@call
def health_with_session_cookie(x):
    x.c.set_session_cookie("connect.sid=s%3Aab.cd")
    return x.c.check_health().release


@call
def health_with_ldap_secret(x):
    x.c.set_ldap_secret("s:ab.cd/+")
    return x.c.check_health().release


@call
def health_with_basic_secret(x):
    x.c.set_basic_auth_secret("Basic cDpx")
    return x.c.check_health().release


@call
def health_with_oauth_secret(x):
    x.c.set_oauth_secret("token")
    return x.c.check_health().release


@call
def roundtrip_with_oauth_secret(x):
    x.c.set_oauth_secret("token")
    return bytes(x.c.get("engine-2").roundtrip(b"2")).decode()


@call
def login(x):
    x.c.ldap_login("a user", "p&ss wörd")


@call
def health_after_login(x):
    x.c.ldap_login("u", "p")
    return x.c.check_health().release


def received(socket):
    """The first message of a Pneumo socket, which is closed."""
    state = socket.recv().state
    socket.close()
    return state


def forget_secrets():
    """Undo what the real SDK holds on to: its one client for the whole process."""
    if LIBRARY.__name__ != "fastscore":
        return
    for version in ("v1", "v2"):
        package = importlib.import_module(f"fastscore.{version}")
        client = package.ConnectApi().api_client
        client.cookie = None
        client.default_headers.pop("Authorization", None)


def mark(name):
    with urllib.request.urlopen(f"{URL}/mark/{name}", context=TRUSTING):
        pass


def main():
    warnings.simplefilter("ignore")
    os.chdir(tempfile.mkdtemp())  # the real SDK downloads into the current folder
    wanted = sys.argv[3:] or list(CALLS)
    outcomes = {}
    SUITE.Connect(URL)  # the first one decides the address of the real SDK's client
    for name in wanted:
        mark("-")
        forget_secrets()
        x = fresh()
        mark(name)
        try:
            result = CALLS[name](x)
            outcomes[name] = {"result": repr(result)}
        except Exception as error:
            outcomes[name] = {"error": type(error).__name__, "text": str(error)}
    mark("-")
    sys.stdout.write(json.dumps(outcomes))


if __name__ == "__main__":
    main()
