"""Notebooks with a text at one place, and nothing else that could be found."""

import base64

WIDGETS = "application/vnd.jupyter.widget-state+json"


def notebook(*cells, metadata=None):
    kernel = {"kernelspec": {"name": "python3", "display_name": "P"}}
    return {
        "cells": list(cells),
        "metadata": {**kernel, **(metadata or {})},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def cell(kind, source, **more):
    return {"cell_type": kind, "id": "a1", "metadata": {}, **more, "source": source}


def code(source="1 + 1", *outputs, **more):
    return cell("code", source, execution_count=1, outputs=list(outputs), **more)


def output(kind, **more):
    return {"output_type": kind, "metadata": {}, **more}


def widgets(state, buffers=()):
    one = {"model_module": "m", "model_module_version": "1", "model_name": "M"}
    model = {**one, "state": state}
    if buffers:
        model["buffers"] = list(buffers)
    content = {"version_major": 2, "version_minor": 0, "state": {"a" * 32: model}}
    return notebook(code(), metadata={"widgets": {WIDGETS: content}})


def _encoded(text):
    return base64.b64encode(text.encode()).decode()


def _buffer(text):
    padded = _encoded("\0\1\2" * 200 + text + "\xff" * 90)
    return {"path": ["window"], "encoding": "base64", "data": padded}


PLACES = {
    "source": lambda t: notebook(code("import os\n" + t)),
    "markdown": lambda t: notebook(cell("markdown", "# A title\n\n" + t)),
    "raw": lambda t: notebook(cell("raw", t)),
    "stream": lambda t: notebook(code("x", output("stream", text=f"a\n{t}\nb\n"))),
    "result": lambda t: notebook(
        code("x", output("execute_result", data={"text/plain": f"<x> {t}"}))
    ),
    "html": lambda t: notebook(
        code("x", output("display_data", data={"text/html": f"<pre>{t}</pre>"}))
    ),
    "json": lambda t: notebook(
        code("x", output("display_data", data={"application/json": {"a": [{"b": t}]}}))
    ),
    "traceback": lambda t: notebook(
        code(
            "x",
            output(
                "error",
                ename="E",
                evalue="1",
                traceback=["\x1b[31m---\x1b[39m", f"  \x1b[32m{t}\x1b[39m", "E: 1"],
            ),
        )
    ),
    "error": lambda t: notebook(
        code("x", output("error", ename="E", evalue=t, traceback=[]))
    ),
    "metadata": lambda t: notebook(code(), metadata={"note": {"of": [t]}}),
    "key": lambda t: notebook(code(), metadata={t: 1}),
    "cell metadata": lambda t: notebook(code(metadata={"note": [t]})),
    "attachment": lambda t: notebook(
        cell(
            "markdown",
            "![a](attachment:a.txt)",
            attachments={"a.txt": {"text/plain": _encoded("some words\n" * 60 + t)}},
        )
    ),
    "widget": lambda t: widgets({"_model_name": "HTMLModel", "value": t}),
    "widget buffer": lambda t: widgets({"_model_name": "M"}, [_buffer(t)]),
    "after a picture": lambda t: notebook(
        code(
            "x",
            output("display_data", data={"image/png": "iVBORw0K" + "aB3/" * 90_000}),
        ),
        code("# " + t),
    ),
}
"""Ways to put a text into a notebook."""
