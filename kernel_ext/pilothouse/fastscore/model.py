"""Models: a source with a name and a type, its attachments and snapshots.

Source: developer interface, "Models"; FastScore Deploy 1.10.4 for ``options``,
``schemas`` and local scoring.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .attachment import Attachment, Attachments
from .errors import FastScoreProtocolError, FastScoreUsageError
from .packing import Packable, pack, pack_name
from .schema import Schema
from .snapshot import Snapshot, Snapshots
from .wire import mime

if TYPE_CHECKING:
    from .engine import Engine
    from .model_manage import ModelManage
    from .stream import Stream
    from .wire.annotations import ModelOptions

__all__ = ["Attachment", "Model", "Snapshot"]


class Model:
    """An analytic model.

    Args:
        name: For instance ``"model-1"``.
        mtype: One of `Model.TYPES`; ``"r"`` is taken as ``"R"``.
        source: Its source; for PFA a dict does too.
        model_manage: Where it is saved.
        schemas: Schemas that its annotations name, by name: for local scoring, and to
            be saved and deployed with it.

    Raises:
        FastScoreUsageError: If the type is unknown.
    """

    TYPES = tuple(mime.MODEL_TYPES)

    def __init__(
        self,
        name: str,
        mtype: str = "python",
        source: Any = None,  # noqa: ANN401 - text, or JSON for PFA
        model_manage: ModelManage | None = None,
        *,
        schemas: Mapping[str, Any] | Iterable[Schema] = (),
    ) -> None:
        self.name = name
        self.mtype = mtype
        self.model_manage = model_manage
        self.schemas = _by_name(schemas)
        self._source = source
        self._is_remote = False
        self._pending: dict[str, Attachment] = {}

    @classmethod
    def stored(cls, name: str, mtype: str, model_manage: ModelManage) -> Model:
        """Return a model that Model Manage holds; its source is fetched when asked."""
        model = cls(name, mtype, None, model_manage)
        model._is_remote = True
        return model

    def __repr__(self) -> str:
        return f"<Model {self.name}, {self.mtype}>"

    def _repr_html_(self) -> str:
        from .tables import Code, facts, json_code

        names = ", ".join(self.schemas)
        source = self.source
        code = Code(source) if isinstance(source, str) else json_code(source)
        pairs = [("type", self.mtype), ("schemas", names), ("source", code)]
        return facts(f"Model {self.name}", pairs)

    @property
    def mtype(self) -> str:
        """Its type, one of `Model.TYPES`."""
        return self._mtype

    @mtype.setter
    def mtype(self, mtype: str) -> None:
        try:
            self._mtype = mime.model_type(mtype)
        except ValueError as exc:
            raise FastScoreUsageError(str(exc)) from None

    @property
    def source(self) -> Any:  # noqa: ANN401 - text, or JSON for PFA
        """Its source."""
        if self._is_remote and self._source is None and self.model_manage is not None:
            self._source = self.model_manage.models[self.name].source
        return self._source

    @source.setter
    def source(self, source: Any) -> None:  # noqa: ANN401 - as above
        self._source = source
        self._is_remote = False

    def source_bytes(self) -> bytes:
        """Return its source as it is sent.

        Raises:
            FastScoreUsageError: If it has none.
        """
        source = self.source
        if source is None:
            raise FastScoreUsageError(f"model {self.name!r} has no source")
        if isinstance(source, bytes):
            return source
        return (source if isinstance(source, str) else json.dumps(source)).encode()

    @property
    def options(self) -> ModelOptions:
        """What its annotations say: slots, schemas, actions, record sets.

        Raises:
            FastScoreProtocolError: If an annotation cannot be understood.
        """
        from pilothouse.errors import ProtocolError

        from .wire.annotations import parse_options

        try:
            return parse_options(self.source_bytes().decode(), self.mtype)
        except ProtocolError as exc:
            raise FastScoreProtocolError(f"Model {self.name!r}: {exc}", exc) from exc

    # -- Model Manage -----------------------------------------------------------------

    def saved_in(self) -> ModelManage:
        """Return the Model Manage that holds it.

        Raises:
            FastScoreUsageError: If it was never saved.
        """
        if self.model_manage is None:
            raise FastScoreUsageError(
                f"model {self.name!r} is not saved (use its update() method)"
            )
        return self.model_manage

    def update(self, model_manage: ModelManage | None = None) -> bool:
        """Save it, with the schemas and attachments that it was given.

        Returns:
            True if one of that name was replaced, False if it is new.

        Raises:
            FastScoreError: If there is nowhere to save it, it has no source, or it is
                refused.
        """
        mm = model_manage or self.model_manage
        if mm is None:
            raise FastScoreUsageError(f"no Model Manage given to save {self.name!r} in")
        replaced = mm.save_model(self)
        self.model_manage = mm
        for schema in self.schemas.values():
            mm.save_schema(schema)
        for name in list(self._pending):
            self._pending.pop(name).upload(self)
        return replaced

    @property
    def attachments(self) -> Attachments:
        """Its attachments by name; the model has to be saved.

        Raises:
            FastScoreUsageError: If it is not.
        """
        return Attachments(self)

    @property
    def snapshots(self) -> Snapshots:
        """Its snapshots; the model has to be saved.

        Raises:
            FastScoreUsageError: If it is not.
        """
        return Snapshots(self)

    def attach(self, things: Packable, name: str | None = None) -> Attachment:
        """Make an attachment of what lies at hand, and add it.

        A saved model gets it at once; another one keeps it, sends it along when it is
        deployed, and adds it when it is saved. The model finds the members in its
        working directory.

        Args:
            things: A file, a folder, an archive (.zip, .tgz, .tar.gz: as it is), or a
                mapping of member names to bytes, Paths or objects; a member's suffix
                says how an object is written (``{"clf.joblib": clf}``).
            name: Of the attachment; made from the things when omitted.

        Raises:
            FastScoreError: If something is missing, cannot be written or is refused.
        """
        name = pack_name(things) if name is None else name
        folder = Path(tempfile.mkdtemp(prefix="pilothouse-"))
        try:
            path = pack(things, folder / "attachment.zip")
            atype = "zip" if path.parent == folder else None
            attachment = Attachment(name, atype, datafile=path, model=self)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        weakref.finalize(attachment, shutil.rmtree, folder, ignore_errors=True)
        if self.model_manage is not None:
            attachment.upload(self)
        else:
            self._pending[name] = attachment
        return attachment

    def all_attachments(self) -> list[Attachment]:
        """Return the attachments of a saved model, and those that wait to be saved."""
        saved = {} if self.model_manage is None else dict(self.attachments.items())
        return list((saved | self._pending).values())

    # -- running ----------------------------------------------------------------------

    def deploy(
        self,
        engine: Engine,
        *,
        streams: Mapping[int, Stream | str] | None = None,
        reset: bool = False,
        wait: float | None = None,
    ) -> None:
        """Load it into an engine, with the schemas and attachments that it was given.

        Args:
            engine: The engine.
            streams: Slot -> stream, or a literal such as ``"rest-chunked:"``; attached
                after the model is loaded.
            reset: Reset the engine first; it is never reset unasked.
            wait: Wait so long for it to run, in seconds; None: do not wait.

        Raises:
            FastScoreError: If the engine refuses; ``caused_by.body`` says why.
            FastScoreTimeoutError: If it does not run in time.
        """
        from .stream import Stream

        if reset:
            engine.reset()
        engine.load_model(
            self, embedded_schemas={k: s.json() for k, s in self.schemas.items()}
        )
        for slot, given in (streams or {}).items():
            stream = given if isinstance(given, Stream) else Stream.expand(given)
            engine.attach_stream(stream, slot)
        if wait is not None:
            engine.wait_for("RUNNING", "PAUSED", "FINISHED", timeout=wait)

    def score(self, inputs: Any, **options: Any) -> Any:  # noqa: ANN401 - as local.score
        """Run it here, without any engine; see `pilothouse.fastscore.local.score`.

        Args:
            inputs: The records.
            options: As `pilothouse.fastscore.local.score` takes them.

        Returns:
            What it gave out, typed by its output schema.
        """
        from .local import score

        return score(self, inputs, **options)


def _by_name(schemas: Mapping[str, Any] | Iterable[Schema]) -> dict[str, Schema]:
    if isinstance(schemas, Mapping):
        return {
            name: one if isinstance(one, Schema) else Schema(name, one)
            for name, one in schemas.items()
        }
    return {schema.name: schema for schema in schemas}
