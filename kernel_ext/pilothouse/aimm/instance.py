"""A model instance that lives on a server, as something to call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .state import ActionEntry, ModelEntry

if TYPE_CHECKING:
    from .action import Action
    from .client import Client

__all__ = ["ModelInstance"]


class ModelInstance:
    """A model instance on a server.

    Attributes:
        id: Its number there.
        model_type: Its type, as the server's plugin is registered.
    """

    def __init__(self, client: Client, entry: ModelEntry) -> None:
        self._client = client
        self._entry = entry
        self.id = entry.id
        self.model_type = entry.model_type

    def __repr__(self) -> str:
        size = "" if self.size is None else f", {self.size:,} bytes"
        return f"<ModelInstance {self.id}: {self.model_type}{size}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ModelInstance):
            return NotImplemented
        return self._client is other._client and self.id == other.id

    def __hash__(self) -> int:
        return hash((id(self._client), self.id))

    @property
    def client(self) -> Client:
        """The client that it is reached by."""
        return self._client

    @property
    def size(self) -> int | None:
        """Length of its bytes as the server said last, or None."""
        known = self._client.state.models.get(self.id)
        return self._entry.size if known is None else known.size

    @property
    def last_action(self) -> ActionEntry | None:
        """The newest action on it that the server tells of, or None."""
        return self._client.state.last_action(self.id)

    def fit(self, *args: object, **kwargs: object) -> ModelInstance:
        """Fit it; return it.

        Raises:
            ActionError: If the fit failed; the instance is as before.
            CannotTravelError: If an argument has no form on the wire.
            StillRunningError: If the connection broke and nothing tells the end.
        """
        return self._client.fit(self.id, *args, **kwargs)

    def predict(self, *args: object, **kwargs: object) -> Any:  # noqa: ANN401
        """Return a prediction.

        Raises:
            ActionError: If the prediction failed.
            CannotTravelError: If an argument has no form on the wire.
            StillRunningError: If the connection broke and nothing tells the end.
        """
        return self._client.predict(self.id, *args, **kwargs)

    def submit_fit(self, *args: object, **kwargs: object) -> Action:
        """Begin to fit it; return a handle of that."""
        return self._client.submit_fit(self.id, *args, **kwargs)

    def submit_predict(self, *args: object, **kwargs: object) -> Action:
        """Begin a prediction; return a handle of that."""
        return self._client.submit_predict(self.id, *args, **kwargs)

    def update(self, instance: object) -> ModelInstance:
        """Put another instance of its type in its place; return it."""
        return self._client.update_instance(self.model_type, self.id, instance)

    def to_bytes(self) -> bytes:
        """Return its bytes, fetched from the server if need be.

        Raises:
            NotFoundError: If the server has it no more, or gives no bytes.
        """
        return self._client.instance_bytes(self.id)

    def delete(self) -> None:
        """Remove it from the server.

        Raises:
            RemoteError: If the server cannot; real ones never do.
        """
        self._client.delete_instance(self.id)
