"""An OpenAPI 2.0 document of what is served, made from the routes themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from .web import Route

__all__ = ["openapi_document"]

_PARAMETER = re.compile(r"\{(\w+)\}")


def openapi_document(
    title: str, version: str, routes: Iterable[Route]
) -> dict[str, Any]:
    """Return the OpenAPI 2.0 description of some routes."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "swagger": "2.0",
        "info": {"title": title, "version": version},
        "securityDefinitions": {
            "token": {"type": "apiKey", "name": "Authorization", "in": "header"},
            "basic": {"type": "basic"},
        },
        "security": [{"token": []}, {"basic": []}],
        "paths": paths,
    }


def _operation(route: Route) -> dict[str, Any]:
    answers = dict(route.answers) or {200: "Done"}
    operation: dict[str, Any] = {
        "operationId": _operation_id(route),
        "summary": route.summary,
        "parameters": _parameters(route),
        "responses": {
            str(status): {"description": text}
            for status, text in {**answers, 401: "No or wrong credentials"}.items()
        },
    }
    if route.consumes:
        operation["consumes"] = [route.consumes]
    if route.produces:
        operation["produces"] = [route.produces]
    return operation


def _parameters(route: Route) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "type": "string"}
        for name in _PARAMETER.findall(route.path)
    ]
    found += [
        {
            "name": param.name,
            "in": "query",
            "required": False,
            "type": param.type,
            **({"description": param.summary} if param.summary else {}),
        }
        for param in route.query
    ]
    if route.consumes:
        found.append({"name": "body", "in": "body", "required": False, "schema": {}})
    return found


def _operation_id(route: Route) -> str:
    words = re.findall(r"\w+", route.path)
    return "_".join([route.method.lower(), *words])
