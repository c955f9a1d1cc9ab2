"""The Engine instance: loads a model, attaches streams, runs.

Source: developer interface, "Service instances"; contract of the real SDK 1.10.3.
Nothing about the engine is cached: every property asks it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from .active import ActiveModelInfo, verify_info
from .collections import InfoDict
from .engine_control import EngineControl
from .engine_records import BYTES, EngineRecords
from .engine_streams import EngineStreams
from .gateway import gateway_of, json_of
from .loading import load_body
from .policy import Policy
from .wire.messages import ActiveModel, VerifyInfo

if TYPE_CHECKING:
    from pathlib import Path

    from .attachment import Attachment
    from .connect import Connect
    from .model import Model
    from .score import Scorable
    from .score_job import ScoreJob

__all__ = ["Engine"]


class Engine(EngineControl, EngineStreams, EngineRecords):
    """An engine; ``connect.lookup("engine")`` gives one.

    Args:
        name: For instance ``"engine-1"``.
        connect: The Connect of its suite; None: the one made last.

    Attributes:
        policy: Its import policies.
        last_job: The job that `score` or `submit` began last.
    """

    api = "engine"

    def __init__(self, name: str, connect: Connect | None = None) -> None:
        super().__init__(name, gateway_of(connect))
        self.policy = Policy(self)
        self.last_job: ScoreJob | None = None

    @property
    def active_model(self) -> ActiveModelInfo | None:
        """The model that is loaded, or None.

        Raises:
            FastScoreError: If that cannot be had.
        """
        what = "Unable to retrieve the active model"
        answer = self.gateway.call(
            what,
            "GET",
            self.route("2/active/model"),
            headers={"Accept": "application/json"},
            accept=frozenset({404}),
        )
        if answer.status == 404:
            return None
        with self.gateway.reading(what):
            return ActiveModelInfo(ActiveModel.from_wire(json_of(what, answer)), self)

    def load_model(
        self,
        model: Model,
        force_inline: bool = False,
        embedded_schemas: Mapping[str, Any] | None = None,
        dry_run: bool = False,
        *,
        attachment_override_list: Sequence[Attachment] | None = None,
    ) -> InfoDict | None:
        """Load a model, with its attachments.

        Args:
            model: The model.
            force_inline: Send all attachments along; otherwise large ones that Model
                Manage holds go by reference.
            embedded_schemas: Name -> Avro schema (JSON value or JSON text), sent along
                so that the engine need not ask Model Manage.
            dry_run: Only check, and return what was found out: ``slots``,
                ``install_libs``, ``warn_libs``, ``attach_libs``, ``snapshots``.
            attachment_override_list: Attachments to send instead of the model's own.

        Raises:
            FastScoreError: If the engine refuses; ``caused_by.body`` says why.
        """
        headers, body = load_body(
            self,
            model,
            force_inline=force_inline,
            schemas=embedded_schemas or {},
            attachments=attachment_override_list,
        )
        what = f"Unable to load model {model.name!r}"
        answer = self.gateway.call(
            what,
            "PUT",
            self.route(f"1/job/model?dry-run={bool(dry_run)}"),
            headers=headers,
            body=body,
            repeat=dry_run,
        )
        if not dry_run:
            return None
        with self.gateway.reading(what):
            return verify_info(VerifyInfo.from_wire(json_of(what, answer)))

    def unload_model(self) -> None:
        """Unload the model.

        Raises:
            FastScoreNotFoundError: If none is loaded.
            FastScoreError: If that is not allowed now.
        """
        self.gateway.call(
            "Unable to unload the model",
            "DELETE",
            self.route("2/active/model"),
            not_found="Model not loaded",
        )

    def scale(self, factor: int) -> None:
        """Change how many instances of the model (jets) run; 0 stops all.

        Raises:
            FastScoreError: If that is refused.
        """
        self.gateway.send_json(
            f"Unable to scale {self.name} to {factor!r}",
            "POST",
            self.route("2/active/model/scale"),
            factor,
        )

    def restore_state(self, blob: bytes | str | BinaryIO, *, size: int = 0) -> None:
        """Give the model a saved state; only in INIT, before or after load.

        Args:
            blob: Contents of a snapshot.
            size: Bytes of a blob that is an open file.

        Raises:
            FastScoreError: If that is refused.
        """
        body = blob.encode() if isinstance(blob, str) else blob
        headers = BYTES
        if not isinstance(body, bytes):
            headers = {**BYTES, "Content-Length": str(size)}
        self.gateway.call(
            "Unable to restore the model's state",
            "PUT",
            self.route("1/job/state"),
            headers=headers,
            body=body,
        )

    # -- data sets --------------------------------------------------------------------

    def score(self, data: Scorable, **options: Any) -> Any:  # noqa: ANN401 - as score
        """Score a whole DataFrame, list or iterator; see `pilothouse.fastscore.score`.

        Args:
            data: The records.
            options: As `pilothouse.fastscore.score.score` takes them.

        Returns:
            The outputs in order; with ``detach=True`` a `ScoreJob` at once.
        """
        from .score import score

        return score(self, data, **options)

    def resume(self, journal: Path, **options: Any) -> ScoreJob:  # noqa: ANN401
        """Go on with a job of a process that ended; see `pilothouse.fastscore.score`.

        Args:
            journal: What that job was told to write.
            options: As `pilothouse.fastscore.score.resume` takes them.
        """
        from .score import resume

        self.last_job = resume(self, journal, **options)
        return self.last_job

    def submit(self, data: Scorable, **options: Any) -> ScoreJob:  # noqa: ANN401
        """Begin to score, and return the job at once; options as `score`."""
        from .score import submit

        return submit(self, data, **options)
