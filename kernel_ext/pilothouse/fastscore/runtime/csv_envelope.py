"""Rows of csv: a separator between quotes does not end one.

Where the envelope says that input begins with a header, output does too: the same
descriptor reads what it has written.
"""

from __future__ import annotations

from pilothouse.fastscore.wire.streams import DelimitedCsv

from .envelopes import MAX_RECORD_BYTES, EnvelopeError


class CsvSplitter:
    r"""Cuts where a separator stands outside of quotes.

    A row that repeats the header is dropped: several writers one after the other, each
    with a header, make one stream.

    With the separator ``\r\n``, a bare ``\n`` ends a row too: most files have that.

    Args:
        envelope: Its options.
        quote: The quote character.
        max_record_bytes: Longest row that is waited for.

    Attributes:
        header: The first row, where the envelope says that it is a header; ``None``
            until it has come.
    """

    def __init__(
        self,
        envelope: DelimitedCsv,
        quote: bytes = b'"',
        *,
        max_record_bytes: int = MAX_RECORD_BYTES,
    ) -> None:
        self.header: bytes | None = None
        self._separator = envelope.separator
        self._is_lines = envelope.separator == b"\r\n"
        self._skips_header = envelope.skip_header
        self._skips_blank = envelope.skip_blank_lines
        self._quote = quote
        self._limit = max_record_bytes
        self._pending = bytearray()
        self._scanned = 0
        self._is_quoted = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the rows that are complete, without separators."""
        self._pending += chunk
        ends = self._row_ends()
        rows, start = [], 0
        for end, width in ends:
            rows.append(bytes(self._pending[start:end]))
            start = end + width
        if start:
            del self._pending[:start]
            self._scanned -= start
        if len(self._pending) > self._limit:
            raise EnvelopeError(f"a row is longer than {self._limit} bytes")
        return self._kept(rows)

    def finish(self) -> list[bytes]:
        """Return the last row, if it has no separator."""
        row = bytes(self._pending)
        self._pending, self._scanned, self._is_quoted = bytearray(), 0, False
        if self._is_lines:
            row = row.removesuffix(b"\r")
        return self._kept([row]) if row else []

    def _row_ends(self) -> list[tuple[int, int]]:
        """Return where rows end, and how wide the separator is there."""
        ends: list[tuple[int, int]] = []
        mark = b"\n" if self._is_lines else self._separator
        # A separator that is only half there is looked at again with the next chunk.
        stop = len(self._pending) - (len(mark) - 1)
        at = self._scanned
        while at < stop:
            quote = self._pending.find(self._quote, at)
            edge = len(self._pending) if quote < 0 else quote
            if not self._is_quoted:
                self._note_marks(ends, mark, at, edge)
            if quote < 0:
                at = max(stop, at)
                break
            self._is_quoted = not self._is_quoted
            at = quote + len(self._quote)
        self._scanned = at
        return ends

    def _note_marks(
        self, ends: list[tuple[int, int]], mark: bytes, start: int, edge: int
    ) -> None:
        found = self._pending.find(mark, start, edge)
        while found >= 0:
            width = len(mark)
            end = found
            if self._is_lines and found and self._pending[found - 1] == 13:
                end, width = found - 1, 2
            ends.append((end, width))
            found = self._pending.find(mark, found + len(mark), edge)

    def _kept(self, rows: list[bytes]) -> list[bytes]:
        if self._skips_blank:
            rows = [row for row in rows if row.strip()]
        if not self._skips_header or not rows:
            return rows
        if self.header is None:
            self.header = rows.pop(0)
        return [row for row in rows if row != self.header]


class CsvJoiner:
    """Writes a header, where the envelope has one and the schema says it, and rows.

    Args:
        envelope: Its options.
        header: The header row; empty for none.
    """

    def __init__(self, envelope: DelimitedCsv, header: bytes = b"") -> None:
        self.separator = envelope.separator
        self._header = header if envelope.skip_header else b""

    def start(self) -> bytes:
        """Return the header row, with its separator."""
        return self._header + self.separator if self._header else b""

    def join(self, records: list[bytes]) -> bytes:
        """Return rows, each followed by the separator."""
        return self.separator.join(records) + self.separator if records else b""
