"""A long session with secrets in every place, and all that it leaves behind.

The secrets are made when the session begins; those of the local services are read from
the one file that holds them. What the session left is gathered by place: the notebook
with the state of its widgets, every message of the kernel, the history database, the
logs of both ends, the state folder.
"""

from __future__ import annotations

import base64
import json
import sqlite3
import stat
import urllib.parse
from contextlib import contextmanager
from pathlib import Path

import nbformat

from audit.made_up import HEX, Maker

KEYRING = '''
import json, keyring.backend
from pathlib import Path

class Backend(keyring.backend.KeyringBackend):
    """A real backend that keeps its entries in one file of mode 0600."""

    priority = 1
    name = "file"

    def get_password(self, service, username):
        return json.loads(Path({path!r}).read_text()).get(service + "/" + username)

    def set_password(self, service, username, password):
        entries = json.loads(Path({path!r}).read_text())
        entries[service + "/" + username] = password
        Path({path!r}).write_text(json.dumps(entries))
'''

PROFILES = """
[profiles.far.fastscore]
url = "https://suite.invalid:8000"
username = "ann"
[profiles.far.aimm]
url = "wss://models.invalid:9999"
username = "ann"
[profiles.gone.fastmap]
url = "http://127.0.0.1:9"
[profiles.gone.fastscore]
url = "http://127.0.0.1:9"
username = "ann"
[profiles.gone.aimm]
url = "ws://127.0.0.1:9"
username = "ann"
"""

BEGIN = """
import json, logging, os, warnings
logging.basicConfig(level=logging.DEBUG, filename="client.log", force=True)
for each in ("urllib3", "websocket", "aiohttp", "asyncio", "requests", "pilothouse"):
    logging.getLogger(each).setLevel(logging.DEBUG)
%load_ext pilothouse
""".strip()

ROOMS = [
    "local = %pilot up\nlocal",
    "suite = %fastscore connect local\nsuite",
    "%fastscore fleet",
    "%fastscore health",
    "%%model whoami --deploy engine-1\nimport os\ndef action(x):\n"
    "    yield {k: v for k, v in os.environ.items() if 'PILOTHOUSE' in k}",
    "%engine attach rest-chunked: 0\n%engine attach rest-chunked: 1",
    "%engine score [1]",
    "%engine watch",
    "%fastscore pneumo",
    "%fastscore pneumo --history",
    "%engine reset",
    "%%model broken --deploy engine-1\ndef action(x):\n    yield 1 / 0",
    "%engine attach rest-chunked: 0\n%engine attach rest-chunked: 1",
    "models = %aimm connect local\nmodels",
    "m = %aimm create plugins.NearestMean\nm",
    "%aimm fit m @iris_inputs @iris_outputs",
    "%aimm predict m [[1, 2, 3, 4]]",
    "%aimm watch",
    "maps = %fastmap connect local --policy CLOUD\nmaps",
    "%fastmap {lambda n: n * n} {range(5)}",
    "def variables(n):\n    import os\n"
    "    return {k: v for k, v in os.environ.items() if 'PILOTHOUSE' in k}",
    "%fastmap variables {range(2)} --policy LOCAL",
    "%fastmap variables {range(2)}",
    "run = %fastmap {lambda n: n} {range(3)} --detach\nrun",
    "%fastmap runs",
    "%mplane getcap",
    "%mplane browse",
    "%mplane runcap tcp-4 --set destination.ip4=127.0.0.1 destination.port=9 "
    "--when 'now + 1s / 1s'",
    "%mplane watch",
    "%pilot",
    "%pilot status",
    "%pilot profiles",
    "%pilot jobs",
    "%pilot doctor",
    "%pilot logs 200",
    "%pilot dashboard",
    "%fastscore",
    "%aimm",
    "%fastmap",
    "%mplane",
]

LOOKS = [
    "%who",
    "%whos",
    "objects = [local, *local.services.values(), suite, suite.gateway, "
    "suite.gateway.peer, suite.pneumo, models, maps, run, m]",
    "print([repr(each) for each in objects])",
    "print([str(each) for each in objects])",
    "print([format(each) for each in objects])",
    "print([getattr(each, '__dict__', None) for each in objects])",
    "import copy, dataclasses, pickle\n"
    "def tried(do, each):\n"
    "    try:\n        return do(each)\n"
    "    except Exception as exc:\n        return repr(exc)\n"
    "print([tried(do, each) for each in objects for do in "
    "(pickle.dumps, copy.copy, dataclasses.asdict, json.dumps)])",
    "print([getattr(tried(copy.copy, each), '__dict__', None) for each in objects])",
    "import gc, pilothouse\n"
    "seen = [o for o in gc.get_objects()"
    " if str(type(o).__module__).startswith('pilothouse')]\n"
    "len(seen)",
    "for each in {tried(repr, o): None for o in seen}: print(each)",
    "def held(each):\n"
    "    for name, value in dict(getattr(each, '__dict__', {})).items():\n"
    "        parts = dict(value) if type(value) is dict else {'': value}\n"
    "        for key, part in parts.items():\n"
    "            yield f'{name} {key!r} {tried(repr, part)}'.replace(r'\\x00', '')\n"
    "for each in {told: None for o in seen for told in held(o)}: print(each)",
    "del seen, each",
]
"""They print: what a cell returns is in ``Out``, and so in each longer traceback.

Each text once, and no zero bytes of buffers: all that is printed is searched.
"""

SEED = 8128
WIDGETS = "application/vnd.jupyter.widget-state+json"
SHOWN = ("execute_result", "display_data", "stream", "error")
MODES = ["Plain", "Context", "Minimal", "Verbose"]

FAULTS = [
    "%engine score [1]",
    "%fastmap {lambda n: 1 / n} {range(3)}",
    "%fastscore connect far",
    "%fastscore connect gone",
    "%aimm connect far",
    "%aimm connect gone",
    "%fastmap connect gone\n%fastmap {lambda n: n} {range(3)}",
    "%fastscore models nosuch",
    "%engine nosuch state",
    "%aimm predict 999 [[1]]",
    "%mplane getcap http://127.0.0.1:9/",
    "suite.engine('nosuch')",
    "%fastscore connect",
]


class Session:
    """One kernel and a notebook, and what they leave.

    Args:
        home: A folder of its own.
    """

    def __init__(self, home):
        self.home = Path(home)
        maker = Maker(SEED)
        self.secrets = {
            "password in the environment": maker.word(18),
            "token in the environment": maker.word(43),
            "secret in the environment": maker.word(64, HEX),
            "password of a proxy": maker.word(17),
            "password in the keyring": maker.word(19),
            "token in the keyring": maker.word(21),
            "password asked for": maker.word(16),
            "token asked for": maker.word(22),
            "password after an option": maker.word(15),
            "token after an option": maker.word(23),
            "password in an address on a line": maker.word(14),
            "one word too many": maker.word(24),
            "token as a word": maker.scrambled(43),
            "password in a profile": maker.word(20),
        }
        self.messages = []
        self.typed = []
        self.faults = set()
        self.notebook = nbformat.v4.new_notebook()
        self._prepare()

    def _prepare(self):
        entries = self.home / "keyring.json"
        entries.write_text(
            json.dumps(
                {
                    "pilothouse https://suite.invalid:8000/ann": self.secrets[
                        "password in the keyring"
                    ],
                    "pilothouse http://127.0.0.1:9/token": self.secrets[
                        "token in the keyring"
                    ],
                }
            )
        )
        entries.chmod(0o600)
        (self.home / "file_keyring.py").write_text(KEYRING.format(path=str(entries)))
        (self.home / "pilothouse.toml").write_text(PROFILES)
        proxy = f"http://ann:{self.secrets['password of a proxy']}@127.0.0.1:9"
        self.variables = {
            "PYTHONPATH": str(self.home),
            "PYTHON_KEYRING_BACKEND": "file_keyring.Backend",
            "HTTP_PROXY": proxy,
            "HTTPS_PROXY": proxy,
            "NO_PROXY": "127.0.0.1,localhost",
            "PILOTHOUSE_FASTSCORE_PASSWORD": self.secrets[
                "password in the environment"
            ],
            "PILOTHOUSE_FASTSCORE_URL": "http://127.0.0.1:9",
            "PILOTHOUSE_AIMM_URL": "ws://127.0.0.1:9",
            "PILOTHOUSE_AIMM_PASSWORD": self.secrets["password in the environment"],
            "PILOTHOUSE_FASTMAP_SECRET": self.secrets["secret in the environment"],
            "PILOTHOUSE_FASTMAP_URL": "http://127.0.0.1:9",
        }

    def run(self, kernel, source, answer=None):
        """Run a cell, keep it in the notebook, and return its outputs."""
        request = kernel.send(source, allow_stdin=answer is not None)
        told = kernel.messages(request, answer=answer)
        outputs = [
            nbformat.v4.output_from_msg(message)
            for message in told
            if message["msg_type"] in SHOWN
        ]
        cell = nbformat.v4.new_code_cell(source, outputs=outputs)
        self.notebook.cells.append(cell)
        return outputs

    def worked(self, kernel):
        """Do all that can be done in four rooms; return the session."""
        for source in (BEGIN, *ROOMS, *LOOKS):
            self.run(kernel, source)
        self.secrets |= self.of_the_services()
        self._ask(kernel)
        self._type(kernel)
        for mode in MODES:
            self.run(kernel, f"%xmode {mode}\n%config Pilothouse.brief_errors = False")
            for source in FAULTS:
                self.run(kernel, source)
                self.faults.add(source)
        self.run(kernel, "%config Pilothouse.brief_errors = True")
        self._forbid(kernel)
        for source in LOOKS:
            self.run(kernel, source)
        self.save()
        return self

    def _ask(self, kernel):
        printed = self.run(kernel, "print(local.fastscore.url, local.aimm.url)")
        suite, models = "".join(one["text"] for one in printed).split()
        for source, name in (
            (f"%fastscore connect {suite} --user ann", "password asked for"),
            ("%fastscore login ann", "password asked for"),
            ("%fastscore login --token", "token asked for"),
            (f"%aimm connect {models} --user ann", "password asked for"),
        ):
            self.run(kernel, source, answer=self.secrets[name])
            self.faults.add(source)
        self.run(kernel, "suite = %fastscore connect local")

    def _type(self, kernel):
        secrets = self.secrets
        address = secrets["password in an address on a line"]
        self.typed = [
            f"%fastscore connect --password {secrets['password after an option']}",
            f"%aimm connect --password={secrets['password after an option']}",
            f"%fastscore login --token {secrets['token after an option']}",
            f"%fastmap connect --secret {secrets['secret in the environment']}",
            f"%fastscore connect https://ann:{address}@suite.invalid",
            f"%aimm connect ws://ann:{address}@models.invalid",
            f"%fastmap connect https://ann:{address}@maps.invalid",
            f"%mplane getcap https://ann:{address}@probe.invalid",
            f"%mplane seturl https://ann:{address}@probe.invalid",
            f"%fastscore login ann {secrets['one word too many']}",
            f"%fastscore connect {secrets['token as a word']}",
            f"%fastscore login {secrets['token as a word']}",
        ]
        for source in self.typed:
            outputs = self.run(kernel, source)
            (output,) = [o for o in outputs if o["output_type"] == "error"]
            assert output["ename"] == "LineError", source.partition(" ")[0]
            assert "Delete this line" in output["evalue"], output["evalue"]

    def _forbid(self, kernel):
        """Let a profile hold a password, and a variable of the environment be wrong."""
        with (self.home / "pilothouse.toml").open("a") as file:
            password = self.secrets["password in a profile"]
            file.write(f'[profiles.bad.fastscore]\npassword = "{password}"\n')
        for source in ("%pilot profiles", "%fastscore connect bad", "%pilot doctor"):
            self.run(kernel, source)
        self.faults |= {"%pilot profiles", "%fastscore connect bad"}
        (self.home / "pilothouse.toml").write_text(PROFILES)

    def record(self, kernel):
        """Keep every message that a kernel sends from now on."""
        for name in ("get_iopub_msg", "get_stdin_msg"):
            setattr(kernel.client, name, self._recorded(getattr(kernel.client, name)))

    def _recorded(self, get):
        def recorded(*args, **kwargs):
            message = get(*args, **kwargs)
            self.messages.append(message)
            return message

        return recorded

    @contextmanager
    def apart(self):
        """Keep what is done meanwhile by itself, and forget it at the end."""
        cells, messages = self.notebook.cells, self.messages
        self.notebook.cells, self.messages = [], []
        try:
            yield
        finally:
            self.notebook.cells, self.messages = cells, messages
            self.save()

    def save(self):
        """Save the notebook with the state of its widgets, as a front end does."""
        states = {}
        for message in self.messages:
            content = message["content"]
            if message["msg_type"] not in ("comm_open", "comm_msg"):
                continue
            data = content["data"]
            state = states.setdefault(content["comm_id"], {"state": {}, "buffers": []})
            state["state"] |= data.get("state", {})
            for path, raw in zip(
                data.get("buffer_paths", []), message["buffers"], strict=False
            ):
                encoded = base64.b64encode(bytes(raw)).decode()
                state["buffers"].append(
                    {"path": path, "encoding": "base64", "data": encoded}
                )
        content = {"version_major": 2, "version_minor": 0, "state": states}
        self.notebook.metadata["widgets"] = {WIDGETS: content}
        path = self.home / "session.ipynb"
        path.write_text(json.dumps(self.notebook, default=str), encoding="utf-8")
        return path

    def of_the_services(self):
        """Return what the running services want to see, from their file."""
        (path,) = (self.home / "runtime").glob("pilothouse-*.json")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        services = json.loads(path.read_text())["services"]
        return {
            f"{kind} of the local {name}": fields[kind]
            for name, fields in services.items()
            for kind in ("token", "password", "secret")
            if kind in fields
        }

    def left(self, typed):
        """Return what is left, by place.

        Args:
            typed: Sources that hold a secret because somebody typed it there.
        """
        notebook = json.loads((self.home / "session.ipynb").read_text())
        for cell in notebook["cells"]:
            if cell["source"] in typed:
                cell["source"] = ""
        told = [m for m in self.messages if m["msg_type"] != "execute_input"]
        files = {
            str(path.relative_to(self.home)): path.read_bytes()
            for path in sorted(self.home.rglob("*"))
            if path.is_file() and self._is_looked_at(path)
        }
        return {
            "notebook": json.dumps(notebook).encode(),
            "comm messages": _raw([m for m in told if "comm" in m["msg_type"]]),
            "messages": _raw([m for m in told if "comm" not in m["msg_type"]]),
            "history": self._history(),
            **files,
        }

    def _is_looked_at(self, path):
        """Whether nothing secret may stand in a file."""
        name = path.relative_to(self.home).as_posix()
        is_kept = name.startswith("runtime/pilothouse-") or name == "keyring.json"
        if is_kept:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, name
        return not is_kept and name != "session.ipynb"

    def _history(self):
        (path,) = (self.home / "ipython").rglob("history.sqlite")
        with sqlite3.connect(path) as database:
            rows = [
                row
                for table in ("history", "output_history")
                for row in database.execute(f"select * from {table}")
            ]
        assert rows
        return repr(rows).encode()


def forms(secret):
    """Return how a secret may be written."""
    raw = secret.encode()
    found = {raw, urllib.parse.quote(secret, safe="").encode(), raw.hex().encode()}
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw).rstrip(b"=")
        found.add(encoded[-(-shift * 8 // 6) : -1])
    return found


def leaks(left, secrets):
    """Return which secret stands where, with what is around it."""
    return [
        f"{name} in {place}: ...{_around(raw, form)}..."
        for place, raw in left.items()
        for name, secret in secrets.items()
        for form in forms(secret)
        if form in raw
    ]


def _around(raw, form):
    at = raw.find(form)
    return raw[max(0, at - 160) : at].decode("utf-8", "replace")


def _raw(messages):
    text = json.dumps(messages, default=str).encode()
    buffers = [bytes(raw) for m in messages for raw in m.get("buffers") or ()]
    return b"\n".join([text, *buffers])
