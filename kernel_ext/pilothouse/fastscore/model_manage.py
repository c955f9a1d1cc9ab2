"""The Model Manage instance: models, schemata, streams and sensors by name.

Source: developer interface, "Service instances"; contract of the real SDK 1.10.3.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .collections import RemoteMapping
from .errors import FastScoreProtocolError, FastScoreUsageError
from .gateway import gateway_of, json_of, quoted
from .instance import Instance
from .model import Model
from .schema import Schema
from .sensor import Sensor
from .stream import Stream
from .wire import mime
from .wire.messages import ModelInfo
from .wire.values import unquoted

if TYPE_CHECKING:
    from .connect import Connect

__all__ = ["ModelManage", "Models", "Schemata", "Sensors", "Streams"]

Asset = TypeVar("Asset", Model, Schema, Stream, Sensor)


class ModelManage(Instance):
    """A Model Manage instance; ``connect.lookup("model-manage")`` gives one.

    Args:
        name: For instance ``"model-manage-1"``.
        connect: The Connect of its suite; None: the one made last.
    """

    api = "model-manage"

    def __init__(self, name: str, connect: Connect | None = None) -> None:
        super().__init__(name, gateway_of(connect))
        self._schemata = Schemata(self)

    @property
    def models(self) -> Models:
        """The models by name."""
        return Models(self)

    @property
    def schemata(self) -> Schemata:
        """The schemata by name."""
        return self._schemata

    @property
    def schemas(self) -> Schemata:
        """The schemata by name; the same object as `schemata`."""
        return self._schemata

    @property
    def streams(self) -> Streams:
        """The stream descriptors by name."""
        return Streams(self)

    @property
    def sensors(self) -> Sensors:
        """The sensor descriptors by name."""
        return Sensors(self)

    def save_model(self, model: Model) -> bool:
        """Save a model; True if one of that name was replaced.

        Raises:
            FastScoreError: If it has no source, or is refused.
        """
        if model.source is None:
            raise FastScoreUsageError(f"model {model.name!r} has no source")
        body = model.source_bytes()
        answer = self.gateway.call(
            f"Unable to save model {model.name!r}",
            "PUT",
            self.route(f"1/model/{quoted(model.name)}"),
            headers={"Content-Type": mime.model_mime(model.mtype)},
            body=body,
        )
        return answer.status == 204

    def save_schema(self, schema: Schema) -> bool:
        """Save a schema; True if one of that name was replaced.

        Raises:
            FastScoreError: If it has no source, or is refused.
        """
        return self._save("schema", schema.name, schema.source, schema.json())

    def save_stream(self, stream: Stream) -> bool:
        """Save a stream descriptor; True if one of that name was replaced.

        Raises:
            FastScoreError: If it has no descriptor, or is refused.
        """
        return self._save("stream", stream.name, stream.desc, stream.desc)

    def save_sensor(self, sensor: Sensor) -> bool:
        """Save a sensor descriptor; True if one of that name was replaced.

        Raises:
            FastScoreError: If it has no descriptor, or is refused.
        """
        return self._save("sensor", sensor.name, sensor.desc, sensor.desc)

    def _save(self, kind: str, name: str, given: object, value: object) -> bool:
        if given is None:
            lack = "source" if kind == "schema" else "descriptor"
            raise FastScoreUsageError(f"{kind} {name!r} has no {lack}")
        answer = self.gateway.send_json(
            f"Unable to save {kind} {name!r}",
            "PUT",
            self.route(f"1/{kind}/{quoted(name)}"),
            value,
        )
        return answer.status == 204


class _Assets(RemoteMapping[str, Asset], Generic[Asset]):
    """One kind of thing that Model Manage holds."""

    word = ""

    def __init__(self, mm: ModelManage) -> None:
        self._mm = mm

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other._mm is self._mm

    def __hash__(self) -> int:
        return hash((type(self), id(self._mm)))

    def keys(self) -> list[str]:
        found: list[str] = self._mm.gateway.get_json(
            f"Unable to list {self.kind}", self._mm.route(f"1/{self.word}")
        )
        return found

    def __getitem__(self, key: str) -> Asset:
        what = f"Unable to load {self.word} {key!r}"
        answer = self._mm.gateway.call(
            what,
            "GET",
            self._path(key),
            headers={"Accept": "application/json"},
            not_found=self._missing(key),
        )
        return self._made(key, json_of(what, answer))

    def __delitem__(self, key: str) -> None:
        self._mm.gateway.call(
            f"Unable to remove {self.word} {key!r}",
            "DELETE",
            self._path(key),
            not_found=self._missing(key),
        )

    @abstractmethod
    def _made(self, key: str, value: Any) -> Asset:  # noqa: ANN401 - a JSON value
        """Return the thing of a name and a JSON value."""

    def _path(self, key: str) -> str:
        return self._mm.route(f"1/{self.word}/{quoted(key)}")

    def _missing(self, key: str) -> str:
        return f"{self.word.capitalize()} {key!r} not found"


class Models(_Assets[Model]):
    """The models of a Model Manage by name."""

    kind = "models"
    word = "model"

    def __getitem__(self, key: str) -> Model:
        return self._made(key, None)

    def _made(self, key: str, value: Any) -> Model:  # noqa: ANN401 - not JSON here
        what = f"Unable to load model {key!r}"
        answer = self._mm.gateway.call(
            what, "GET", self._path(key), not_found=self._missing(key)
        )
        content_type = answer.headers.get("Content-Type", "")
        try:
            mtype = mime.model_type_of(content_type)
            source = answer.body.decode()
        except ValueError as exc:
            raise FastScoreProtocolError(
                f"Model {key!r} has an unexpected MIME type {content_type!r}", exc
            ) from exc
        return Model(key, mtype, source, self._mm)

    def values(self) -> Iterator[Model]:
        """Yield the models with name and type; each fetches its source when asked."""
        what = "Unable to list models"
        gateway = self._mm.gateway
        found = gateway.get_json(what, self._mm.route("1/model?return=type"))
        with gateway.reading(what):
            infos = [ModelInfo.from_wire(item) for item in found]
        for info in infos:
            yield Model.stored(info.name, info.mtype, self._mm)

    def items(self) -> Iterator[tuple[str, Model]]:
        """Yield names and models; each model fetches its source when asked."""
        return ((model.name, model) for model in self.values())

    def _table(self) -> tuple[list[str], list[list[object]]]:
        return ["name", "type"], [[model.name, model.mtype] for model in self.values()]


class Schemata(_Assets[Schema]):
    """The schemata of a Model Manage by name."""

    kind = "schemata"
    word = "schema"

    def _made(self, key: str, value: Any) -> Schema:  # noqa: ANN401 - a JSON value
        return Schema(key, unquoted(value), self._mm)

    def _table(self) -> tuple[list[str], list[list[object]]]:
        rows = [[s.name, json.dumps(s.source)] for s in self.values()]
        return ["name", "schema"], [list(row) for row in rows]


class Streams(_Assets[Stream]):
    """The stream descriptors of a Model Manage by name."""

    kind = "streams"
    word = "stream"

    def _made(self, key: str, value: Any) -> Stream:  # noqa: ANN401 - a JSON value
        return Stream(key, value, self._mm)

    def _table(self) -> tuple[list[str], list[list[object]]]:
        return ["name", "stream"], [[s.name, s.summary()] for s in self.values()]


class Sensors(_Assets[Sensor]):
    """The sensor descriptors of a Model Manage by name."""

    kind = "sensors"
    word = "sensor"

    def _made(self, key: str, value: Any) -> Sensor:  # noqa: ANN401 - a JSON value
        return Sensor(key, value, self._mm)

    def _table(self) -> tuple[list[str], list[list[object]]]:
        return ["name", "tap"], [[s.name, s.tap] for s in self.values()]
