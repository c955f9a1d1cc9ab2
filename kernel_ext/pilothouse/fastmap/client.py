"""The four endpoints of a Fastmap service, and the two of the feature "resume".

A method signs, sends, checks and reads; it neither waits nor tries again, which is the
lanes' business. What the service answers to a batch is one of the values below. Results
are unpickled here and nowhere else, and only in this order (contract §5.2): code 200,
exact content type, status word, signature, bound signature, bounded gunzip, pickle.
Who holds the token is trusted with this process.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pilothouse import errors
from pilothouse.transport.answer import HttpAnswer, retry_after
from pilothouse.transport.http import HttpPeer
from pilothouse.transport.retries import NO_RETRIES

from .errors import (
    CreditsError,
    FastmapException,
    FastmapNotAuthorizedError,
    FastmapProtocolError,
    FastmapRefusedError,
    FastmapTransportError,
    IntegrityError,
    RunNotFoundError,
    of_branch,
)
from .options import Options
from .packing.packer import Packed
from .wire import headers as names
from .wire.answers import (
    Credits,
    Features,
    InitError,
    InitStep,
    ProcessError,
    Reason,
    RunInfo,
    Runs,
)
from .wire.bodies import (
    EMPTY,
    DoneRequest,
    InitRequest,
    ResultsRequest,
    RunsRequest,
)
from .wire.gz import bounded_gunzip
from .wire.headers import Spent
from .wire.limits import BODY_BYTES, RESULT_BYTES
from .wire.token import bound_signature, same, sign, split, verify
from .wire.words import Status, read_status

__all__ = [
    "CLIENT_VERSION",
    "Cloud",
    "Reply",
    "Results",
    "TooLarge",
    "Unknown",
    "Wait",
    "unpickle",
]

CLIENT_VERSION: Final = "1.0"
"""Ours; no release, so that servers speak the words of the document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """A batch is done.

    Attributes:
        values: One for each item, in order.
        spent: What it took.
        size: Bytes of their pickle.
        logs: What the function has printed, where the service tells.
    """

    values: list[Any] = field(repr=False)
    spent: Spent
    size: int = 0
    logs: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Not yet: the same bytes are to be sent again.

    Attributes:
        step: What the worker does now.
        seconds: When; None: as the document says.
    """

    step: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """The service does not know the function, or the batch any more."""


@dataclass(frozen=True, slots=True)
class TooLarge:
    """The batch is too large for this service."""


Reply = Results | Wait | Unknown | TooLarge | InitError | ProcessError


class Cloud:
    """One Fastmap service.

    Args:
        options: Tell the address, the token, timeouts.

    Attributes:
        features: What it can do beyond the document, once `auth` has asked.
        warnings: What it warned of, each once.

    Raises:
        ValueError: If the address is none.
    """

    def __init__(self, options: Options) -> None:
        assert options.secret is not None
        assert options.cloud_url is not None
        token = split(options.secret.reveal())
        self._key = token.key
        self.features = Features()
        self.warnings: list[str] = []
        self._control = HttpPeer(
            options.cloud_url,
            timeout=options.timeout,
            verify=options.verify,
            retries=NO_RETRIES,
            protocol="Fastmap",
            max_answer_bytes=RESULT_BYTES + BODY_BYTES,
        )
        self._control.set_header(names.AUTHORIZATION, f"Bearer {token.bearer}")
        banner = sys.version.replace("\n", "")
        self._control.set_header(names.PYTHON_VERSION, banner)
        self._control.set_header(names.CLIENT_VERSION, CLIENT_VERSION)
        self._control.set_header(names.BIND, "1")
        self._data = self._control.clone()

    def __repr__(self) -> str:
        return f"<Cloud {self.url}>"

    @property
    def url(self) -> str:
        """Its address."""
        return self._control.endpoint.url

    @property
    def can_resume(self) -> bool:
        """Whether it keeps results of runs."""
        return "resume" in self.features.features

    def auth(self) -> Features:
        """Check the token, and learn what the service can do.

        Raises:
            FastmapException: If it does not answer, or does not know the token.
        """
        answer = self._call(self._control, "auth", EMPTY)
        self._need(answer, "auth", Status.OK)
        if names.CONTENT_SIGNATURE in answer.headers:  # else anybody may have said it
            self.features = _read(Features, answer)
        return self.features

    def is_stored(self, packed: Packed) -> bool:
        """Tell whether the service has a function already.

        Raises:
            FastmapException: If it did not answer, or refused.
        """
        body = InitRequest(func_hash=packed.func_hash).to_bytes()
        answer = self._call(self._control, "init", body)
        status = self._need(
            answer, "init", Status.EXISTS, Status.DOES_NOT_EXIST, Status.NOT_FOUND
        )
        return status is Status.EXISTS

    def init(self, packed: Packed) -> bool:
        """Have the service store a function.

        Returns:
            Whether it had to be uploaded.

        Raises:
            FastmapException: If it did not answer, or refused.
        """
        if self.is_stored(packed):
            return False
        parts = packed.parts()
        for number, part in enumerate(parts):
            body = InitRequest(
                func_hash=packed.func_hash,
                func=part,
                payload_part=number,
                payload_len=len(parts),
            ).to_bytes()
            answer = self._call(self._control, "init", body)
            self._need(answer, "init", Status.UPLOADED)
        return True

    def map(
        self, body: bytes | Sequence[bytes], count: int, *, defer: bool = False
    ) -> Reply:
        """Send one batch.

        Args:
            body: A map request, whole or in pieces.
            count: Items in it.
            defer: Whether it asks to be answered at once; such ones go out also after
                `cut`.

        Raises:
            FastmapException: If no usable answer came, or the service refused.
        """
        peer = self._control if defer else self._data
        return self._reply(self._call(peer, "map", body), count)

    def results(self, run_id: str, index: int, count: int) -> Reply:
        """Fetch the kept answer to a batch.

        Args:
            run_id: Its run.
            index: Number of its first item; or, if it failed, of another one.
            count: Items in it; 0: any number.

        Raises:
            FastmapException: As `map`.
        """
        body = ResultsRequest(run_id=run_id, index=index).to_bytes()
        return self._reply(self._call(self._data, "results", body), count)

    def done(
        self,
        func_hash: str,
        run_id: str,
        *,
        keep: bool = False,
        timeout: float | None = None,
    ) -> bool:
        """End a run.

        Args:
            func_hash: Its function.
            run_id: Its id.
            keep: Whether accepted batches are finished and kept.
            timeout: Longest wait, in seconds.

        Returns:
            Whether the service knew it.

        Raises:
            FastmapException: If it did not answer, or refused.
        """
        body = DoneRequest(func_hash=func_hash, run_id=run_id, keep=keep).to_bytes()
        answer = self._call(self._control, "done", body, timeout=timeout)
        status = self._need(answer, "done", Status.DONE, Status.NOT_FOUND)
        return status is Status.DONE

    def runs(self, run_id: str | None = None) -> tuple[RunInfo, ...]:
        """Return the runs of this token that the service knows.

        Args:
            run_id: Only the run of that id, with its batches.

        Raises:
            FastmapException: If it did not answer, or refused.
        """
        try:
            body = RunsRequest(run_id=run_id).to_bytes()
        except errors.ProtocolError:  # no run has such an id
            return ()
        answer = self._call(self._control, "runs", body)
        if answer.status == 404:
            raise FastmapRefusedError(
                f"{self.url} keeps no runs", hint="only pilothouse's own service does"
            )
        self._need(answer, "runs", Status.OK)
        found: Runs = _read(Runs, answer)
        return found.runs

    def cut(self) -> None:
        """Cut the connections of batches under way, for good."""
        self._data.abort()

    def close(self) -> None:
        """Close all connections; may be called twice."""
        self._data.close()
        self._control.close()

    # -- what all share

    def _call(
        self,
        peer: HttpPeer,
        endpoint: str,
        body: bytes | Sequence[bytes],
        timeout: float | None = None,
    ) -> HttpAnswer:
        pieces = (body,) if isinstance(body, bytes) else body
        signature = sign(self._key, *pieces)
        length = sum(len(piece) for piece in pieces)
        try:
            answer = peer.call(
                "POST",
                f"/api/v1/{endpoint}",
                headers={
                    names.CONTENT_SIGNATURE: signature,
                    "Content-Length": str(length),
                },
                body=body,
                timeout=timeout,
                repeat=False,
            )
        except errors.PilothouseError as exc:
            failure = of_branch(f"{endpoint} failed", exc)
            if isinstance(exc, errors.ConnectError) and not failure.hint:
                failure.hint = (
                    f"is there a service at {self.url}? pilothouse up starts one here"
                )
            raise failure from exc
        warning = answer.headers.get(names.SERVER_WARNING)
        if warning and warning not in self.warnings:
            self.warnings.append(warning)
        self._check(answer, signature)
        return answer

    def _check(self, answer: HttpAnswer, request_signature: str) -> None:
        given = answer.headers.get(names.CONTENT_SIGNATURE)
        is_binary = answer.headers.get("Content-Type") == names.OCTET_STREAM
        if given is None and is_binary:
            raise IntegrityError("the results are not signed; they were not opened")
        if given is not None and not verify(self._key, answer.body, given):
            raise IntegrityError("the signature of the answer does not hold")
        bound = answer.headers.get(names.BOUND_SIGNATURE)
        is_refused = answer.status in (401, 403) or answer.status >= 500
        if bound is None and (is_refused or "bind" not in self.features.features):
            return  # who does not know the token, or fails, cannot sign
        expected = bound_signature(
            self._key,
            request_signature,
            answer.headers.get(names.STATUS, ""),
            answer.headers.get(names.CREDITS, ""),
            answer.body,
        )
        if not same(expected, bound):
            raise IntegrityError("the answer does not belong to this request")

    def _reply(self, answer: HttpAnswer, count: int) -> Reply:
        if answer.status == 413:
            return TooLarge()
        status = self._status(answer)
        if status is Status.BATCH_PROCESSED and answer.status == 200:
            packed = [answer.body]  # let go of by who opens it: it may be large
            answer = replace(answer, body=b"")
            return self._results(answer, packed, count)
        if status is Status.INITIALIZING and answer.status == 200:
            step = _read(InitStep, answer).init_step
            return Wait(step=step, seconds=retry_after(answer.headers))
        if status is Status.NOT_FOUND:
            return Unknown()
        if status is Status.INITIALIZATION_ERROR:
            init_error: InitError = _read(InitError, answer)
            return init_error
        if status is Status.PROCESS_ERROR:
            process_error: ProcessError = _read(ProcessError, answer)
            is_signed = names.CONTENT_SIGNATURE in answer.headers
            if answer.status != 200 or not is_signed:  # nothing of it is unpickled
                return replace(process_error, error=None)
            return process_error
        raise self._refusal(answer, "map")

    def _results(self, answer: HttpAnswer, packed: list[bytes], count: int) -> Results:
        kind = answer.headers.get("Content-Type")
        if kind != names.OCTET_STREAM:
            raise FastmapProtocolError(f"results of content type {kind!r}")
        try:
            raw = bounded_gunzip(packed.pop(), RESULT_BYTES + BODY_BYTES)
            spent = Spent.from_headers(answer.headers)
        except errors.ProtocolError as exc:
            raise FastmapProtocolError(
                f"results cannot be read: {exc.message}"
            ) from exc
        values, logs = unpickle(raw, count)
        return Results(values=values, spent=spent, size=len(raw), logs=logs)

    def _status(self, answer: HttpAnswer) -> Status:
        word = answer.headers.get(names.STATUS)
        try:
            return read_status(word or "")
        except errors.ProtocolError as exc:
            if answer.status >= 400:
                raise self._refusal(answer, "map") from None
            raise FastmapProtocolError(
                f"an answer without status word: {exc.message}",
                hint="is there a Fastmap service at this address?",
            ) from exc

    def _need(self, answer: HttpAnswer, endpoint: str, *wanted: Status) -> Status:
        if answer.status >= 400:
            word = answer.headers.get(names.STATUS)
            if word != Status.NOT_FOUND or Status.NOT_FOUND not in wanted:
                raise self._refusal(answer, endpoint)
        status = self._status(answer)
        if status not in wanted:
            raise FastmapProtocolError(
                f"{endpoint} was answered {status}", hint="see the service's log"
            )
        return status

    def _refusal(self, answer: HttpAnswer, endpoint: str) -> FastmapException:
        code = answer.status
        word = answer.headers.get(names.STATUS) or ""
        text = f"{endpoint} was refused: {code} {_reason(answer) or word}".rstrip()
        if code == 401:
            return FastmapNotAuthorizedError(
                text, status=word, hint="the service does not know this token"
            )
        if code == 403:
            return FastmapNotAuthorizedError(
                text, status=word, hint="the second half of the token is wrong"
            )
        if code == 402:
            try:
                spent = Credits.from_bytes(answer.body).credits_used
            except errors.ProtocolError:
                spent = 0.0
            return CreditsError(
                f"the credits do not suffice; {spent:g} used so far", status=word
            )
        if code == 404:
            return RunNotFoundError(text, status=word)
        if code >= 500:
            return FastmapTransportError(text, status=word)
        return FastmapRefusedError(text, status=word)


def unpickle(raw: bytes, count: int) -> tuple[list[Any], str]:
    """Return the results in the pickle of ``{"results": [...]}``, and what was printed.

    Args:
        raw: From a worker that is trusted.
        count: How many there have to be; 0: any number.

    Raises:
        FastmapProtocolError: If it is anything else.
    """
    import dill

    try:
        found = dill.loads(raw)
    except Exception as exc:
        raise FastmapProtocolError(
            f"results cannot be unpickled: {type(exc).__name__}: {exc}",
            hint="are the modules and versions here the same as at the service?",
        ) from exc
    values = found.get("results") if isinstance(found, dict) else None
    if not isinstance(values, list):
        raise FastmapProtocolError("the service's results are no list")
    if count and len(values) != count:
        raise FastmapProtocolError(f"{len(values)} results for {count} items")
    printed = found.get("stdout")
    return values, printed if isinstance(printed, str) else ""


def _reason(answer: HttpAnswer) -> str:
    try:
        return Reason.from_bytes(answer.body).reason
    except errors.ProtocolError:
        return answer.headers.get(names.REASON) or ""


def _read(kind: Any, answer: HttpAnswer) -> Any:  # noqa: ANN401
    try:
        return kind.from_bytes(answer.body)
    except errors.ProtocolError as exc:
        raise FastmapProtocolError(exc.message) from exc
