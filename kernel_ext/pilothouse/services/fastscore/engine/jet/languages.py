"""The languages of foreign models: their files, their checks, their commands."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from pilothouse.errors import ProtocolError

__all__ = [
    "FIFOS",
    "ForeignError",
    "built",
    "check_command",
    "java_class",
    "mentions",
    "write_source",
]

HARNESS = Path(__file__).with_name("harness")
_SOURCES = {"c": "model.c", "R": "model.R", "octave": "model.m"}
_JAVAC = (
    "javac",
    "-J-XX:TieredStopAtLevel=1",  # a short run: compile fast, not well
    "-J-XX:+UseSerialGC",
    "-encoding",
    "UTF-8",
)
_OCTAVE = ("octave-cli", "-q", "--no-init-file", "--no-history")
FIFOS = ("requests.fifo", "replies.fifo")


class ForeignError(Exception):
    """What a model in another language says about its failure."""


def check_command(mtype: str, source: str, folder: Path) -> list[str]:
    """Write a source into an empty folder and return what checks it.

    Args:
        mtype: ``"c"``, ``"java"``, ``"R"`` or ``"octave"``.
        source: The model.
        folder: The working folder of the command.
    """
    written = write_source(mtype, source, folder)
    name = written.name
    if mtype == "c":
        header = str(HARNESS / "fastscore.h")
        return ["gcc", "-fsyntax-only", "-x", "c", "-include", header, name]
    if mtype == "java":
        harness = str(HARNESS / "FastScore.java")
        return [*_JAVAC, "-d", "classes", name, harness]
    if mtype == "R":
        return ["Rscript", "--vanilla", "-e", f"invisible(parse({name!r}))"]
    needs = "if (! exist('jsondecode')) error('Octave 7 is needed'); end;"
    return [*_OCTAVE, "--eval", f"{needs} __parse_file__('{written}');"]


def write_source(mtype: str, source: str, folder: Path) -> Path:
    """Write a source under the name that its language wants.

    Raises:
        ProtocolError: If a Java source has no class.
    """
    name = _SOURCES.get(mtype) or f"{java_class(source).rpartition('.')[2]}.java"
    path = folder / name
    text = f"1;{source}" if mtype == "octave" else source
    path.write_text(text, encoding="utf-8")
    return path


def java_class(source: str) -> str:
    """Return the full name of the class of a Java model: the public one, or the first.

    Raises:
        ProtocolError: If there is none.
    """
    found = re.search(r"\bpublic\s+(?:\w+\s+)*class\s+(\w+)", source) or re.search(
        r"\bclass\s+(\w+)", source
    )
    if found is None:
        raise ProtocolError("a Java model is a class with a static method action")
    package = re.search(r"^\s*package\s+([\w.]+)\s*;", source, re.MULTILINE)
    return f"{package[1]}.{found[1]}" if package else found[1]


def mentions(source: str, name: str) -> bool:
    """Tell whether a source has a name anywhere but in comment lines."""
    code = [
        line
        for line in source.splitlines()
        if not line.lstrip().startswith(("#", "//", "*", "/*", "%"))
    ]
    return (
        re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.])", "\n".join(code)) is not None
    )


def built(
    mtype: str, source: str, actions: Mapping[int, str], memory: int
) -> list[str]:
    """Build the model in the working folder and return what runs it.

    Args:
        mtype: Its type.
        source: The model, as `write_source` has written it.
        actions: Input slot -> function.
        memory: Bytes that it may use; 0 for any.

    Raises:
        ForeignError: If it cannot be compiled or linked.
    """
    if mtype == "c":
        _compile_c(actions)
        return ["./model", "IN", "OUT"]
    pairs = [f"{slot}={name}" for slot, name in actions.items()]
    if mtype == "java":
        return [*_compile_java(source, memory), *pairs]
    if mtype == "R":
        harness = str(HARNESS / "harness.R")
        return ["Rscript", "--vanilla", harness, *FIFOS, "model.R", *pairs]
    harness = str(HARNESS / "harness.m")
    return [*_OCTAVE, harness, *FIFOS, "model.m", *pairs]


def _compile_c(actions: Mapping[int, str]) -> None:
    names = sorted(set(actions.values()))
    declared = " ".join(
        f"extern void {name}(const char *, int, long);" for name in names
    )
    cases = " ".join(
        f"case {slot}: {name}(json, slot, seqno); break;"
        for slot, name in actions.items()
    )
    harness = (HARNESS / "main.c").read_text(encoding="utf-8")
    made = harness.replace("\nACTIONS\n", f"\n{declared}\n")
    made = made.replace("DISPATCH\n", f"{cases}\n")
    Path("main.c").write_text(made, encoding="utf-8")
    include = ["-I", str(HARNESS), "-include", str(HARNESS / "fastscore.h")]
    _build(["gcc", "-O2", "-g", *include, "-o", "model", "main.c", "model.c", "-lm"])


def _compile_java(source: str, memory: int) -> list[str]:
    name = java_class(source)
    file = f"{name.rpartition('.')[2]}.java"
    _build([*_JAVAC, "-d", "classes", file, str(HARNESS / "FastScore.java")])
    heap = [f"-Xmx{max(64, memory // 2 // 1024**2)}m"] if memory else []
    java = ["java", *heap, "-XX:+UseSerialGC", "-cp", f"classes{os.pathsep}."]
    return [*java, "FastScore", "IN", "OUT", name]


def _build(command: list[str]) -> None:
    """Run a compiler.

    Raises:
        ForeignError: With its messages, if it refuses.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ForeignError((done.stderr or done.stdout).strip())
