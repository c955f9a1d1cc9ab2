"""What has come of one measurement until now: rows, or results. No I/O."""

from __future__ import annotations

import threading

from pilothouse.mplane import model

__all__ = ["Gathered"]


class Gathered:
    """Rows of a single measurement, results of a repeated one.

    Args:
        statement: The specification or its receipt.
        is_repeated: Whether there will be several results.
    """

    def __init__(self, statement: model.Statement, *, is_repeated: bool) -> None:
        self._statement = statement
        self._is_repeated = is_repeated
        self._lock = threading.Lock()
        self._rows: model.Result | None = None
        self._whole: model.Result | None = None
        self._turns: dict[str, model.Result | model.Exception] = {}
        self._ordered: list[model.Result | model.Exception] = []

    def __str__(self) -> str:
        noun = "result" if self._is_repeated else "row"
        return f"{self.count} {noun}{'' if self.count == 1 else 's'}"

    @property
    def count(self) -> int:
        """How many rows or results have come."""
        with self._lock:
            if self._is_repeated:
                return len(self._ordered)
            found = self._whole or self._rows
            return 0 if found is None else found.count_result_rows()

    def results(self) -> model.Result | list[model.Result] | None:
        """Return what there is: one result, or a list of them; None: nothing."""
        with self._lock:
            if self._is_repeated:
                found = [one for one in self._ordered if isinstance(one, model.Result)]
                return found or None
            if self._whole is not None or self._rows is None:
                return self._whole
            return _copy(self._rows, self._statement)

    def complete(self) -> list[model.Result]:
        """Return the results, whether there is one or several."""
        found = self.results()
        if isinstance(found, model.Result):
            return [found]
        return found or []

    def since(self, first: int) -> list[model.Result | model.Exception]:
        """Return the results and failures from one on."""
        with self._lock:
            return self._ordered[first:]

    def failures(self) -> list[str]:
        """Return why turns have no result."""
        with self._lock:
            return [o.errmsg() for o in self._ordered if isinstance(o, model.Exception)]

    def finish(self, result: model.Result) -> None:
        """Take the whole result."""
        if self._is_repeated:
            self._add(result)
        else:
            with self._lock:
                self._whole = result

    def extend(self, part: model.Result, first: int) -> None:
        """Take rows of a result, the first of them being that of this number."""
        with self._lock:
            if self._rows is None:
                if first == 0:
                    self._rows = part
                return
            if first > self._rows.count_result_rows():
                return  # rows in between are missing; they will be asked for again
            for name in part.result_column_names():
                column = self._rows.result_column(name)
                for index, value in enumerate(part.result_column(name), first):
                    column[index] = value
            scope = part.when()
            if scope is not None:
                self._rows.set_when(scope, force=True)

    def add(self, envelope: model.Envelope) -> None:
        """Take results; those that are known already are not taken twice."""
        for message in envelope.messages():
            if isinstance(message, model.Envelope):
                self.add(message)
            elif isinstance(message, model.Result | model.Exception):
                self._add(message)

    def _add(self, message: model.Result | model.Exception) -> None:
        token = message.get_token() or ""
        with self._lock:
            if token not in self._turns:
                self._turns[token] = message
                self._ordered.append(message)


def _copy(rows: model.Result, statement: model.Statement) -> model.Result:
    """Return rows that nobody will add to."""
    copy = rows.copy()
    if copy.get_label() is None and statement.get_label() is not None:
        copy.set_label(statement.get_label())
    return copy
