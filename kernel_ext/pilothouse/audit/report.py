"""What an audit found: a table in a notebook, text elsewhere, JSON for programs."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .looking import Finding, Looked

__all__ = ["Audit"]


class Audit:
    """The results for all files of one audit.

    Args:
        looked: One for each file.
    """

    def __init__(self, looked: Iterable[Looked]) -> None:
        self.files = tuple(looked)

    @property
    def findings(self) -> tuple[tuple[Path, Finding], ...]:
        """Every finding with its file."""
        return tuple((each.file, f) for each in self.files for f in each.findings)

    @property
    def errors(self) -> tuple[Looked, ...]:
        """The files that could not be read to their end."""
        return tuple(each for each in self.files if each.error)

    @property
    def exit_code(self) -> int:
        """0 when nothing was found, 1 when something was, 2 when a file is unread."""
        return 1 if self.findings else 2 if self.errors else 0

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; it holds no secret either."""
        return {
            "files": [
                {
                    "file": str(each.file),
                    "error": str(each.error) if each.error else None,
                    "more": each.more,
                    "findings": [asdict(found) for found in each.findings],
                }
                for each in self.files
            ],
            "findings": sum(len(e.findings) + e.more for e in self.files),
        }

    def __repr__(self) -> str:
        lines: list[str] = []
        for each in self.files:
            if not (each.findings or each.error):
                continue
            lines.append(str(each.file))
            for found in each.findings:
                lines += [
                    f"  {_where(found)}: {found.kind}: {found.shown}",
                    f"      at  {found.path}",
                    f"      fix {found.remedy}",
                ]
            if each.more:
                lines.append(f"  and {each.more} more")
            if each.error:
                text = "\n  ".join(str(each.error).splitlines())
                lines.append(f"  {text}")
        return "\n".join([*lines, self._summary()])

    def _repr_html_(self) -> str:
        rows = "".join(
            "<tr>"
            + "".join(
                f"<td>{html.escape(text)}</td>"
                for text in (
                    file.name,
                    _where(found),
                    found.kind,
                    found.shown,
                    found.remedy,
                )
            )
            + "</tr>"
            for file, found in self.findings
        )
        rows += "".join(
            f"<tr><td>{html.escape(each.file.name)}</td>"
            f"<td colspan=4>{html.escape(str(each.error))}</td></tr>"
            for each in self.errors
        )
        names = ("notebook", "where", "what", "begins with", "fix")
        head = "".join(f"<th scope='col'>{name}</th>" for name in names)
        caption = html.escape(self._summary())
        if not rows:
            return f"<p>{caption}</p>"
        return (
            f"<table><caption>{caption}</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )

    def _summary(self) -> str:
        count = sum(len(each.findings) + each.more for each in self.files)
        files = _number(len(self.files), "notebook")
        text = f"{_number(count, 'secret')} in {files}"
        if not count:
            text = f"no secret found in {files}"
        if self.errors:
            text += f"; {len(self.errors)} could not be read"
        return text


def _where(found: Finding) -> str:
    """Return the place of a finding in words."""
    parts = [f"cell {found.cell}"] if found.cell else [found.path.partition(".")[0]]
    if found.output:
        parts.append(f"output {found.output}")
    if "widgets" in found.path:
        parts = ["state of widgets"]
    if ".attachments" in found.path:
        parts.append("attachment")
    elif ".metadata" in found.path:
        parts.append("metadata")
    if found.cell:
        parts.append(f"line {found.line}")
    return ", ".join(parts)


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
