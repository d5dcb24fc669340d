"""The OpenAPI document, made of the operations and their models."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from tailrace.web import models
from tailrace.web.operations import Operation

_REF = "#/components/schemas/{model}"
_REFUSALS = {
    400: "What was sent does not fit",
    401: "Who asks is not known",
    403: "The role is not enough",
    404: "There is nothing of that name",
    409: "The state of things forbids it",
    413: "The body is too large",
    502: "A warehouse or destination failed",
    503: "The state database or the project cannot be read",
}


def document(operations: Iterable[Operation], version: str) -> dict[str, Any]:
    """The document as data."""
    wanted = list(operations)
    paths: dict[str, dict[str, Any]] = {}
    for operation in wanted:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tailrace",
            "version": version,
            "description": "The objects are those that the command line prints with `--json`.",
        },
        "paths": paths,
        "components": {
            "schemas": _schemas(wanted),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _schemas(operations: list[Operation]) -> dict[str, Any]:
    taken: list[tuple[type[BaseModel], Any]] = [(models.ErrorAnswer, "serialization")]
    for operation in operations:
        taken.append((operation.answer, "serialization"))
        taken += [(operation.body, "validation")] if operation.body else []
    unique = list(dict.fromkeys(taken))
    _, whole = models_json_schema(unique, ref_template=_REF)
    return dict(whole["$defs"])


def _operation(operation: Operation) -> dict[str, Any]:
    words = re.sub(r"[{}]", "", operation.path).strip("/").replace("/", "_")
    form: dict[str, Any] = {
        "operationId": f"{operation.method.lower()}_{words}",
        "summary": operation.summary,
        "description": f"{operation.do.__doc__} Takes the role {operation.role}.",
        "parameters": [*_path_parameters(operation.path), *_query_parameters(operation.query)],
        "responses": {
            str(operation.status): _answer("What was asked for", operation.answer),
            **{str(status): _answer(_REFUSALS[status], models.ErrorAnswer) for status in sorted(operation.refusals())},
        },
    }
    if operation.body is not None:
        schema = {"$ref": _REF.format(model=operation.body.__name__)}
        form["requestBody"] = {"required": bool(operation.body.model_json_schema().get("required"))}
        form["requestBody"]["content"] = {"application/json": {"schema": schema}}
    return form


def _answer(words: str, model: type[BaseModel]) -> dict[str, Any]:
    schema = {"$ref": _REF.format(model=model.__name__)}
    return {"description": words, "content": {"application/json": {"schema": schema}}}


def _path_parameters(path: str) -> Iterator[dict[str, Any]]:
    for name in re.findall(r"{(\w+)}", path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _query_parameters(model: type[BaseModel] | None) -> Iterator[dict[str, Any]]:
    if model is None:
        return
    schema = model.model_json_schema()
    for name, kind in schema["properties"].items():
        shown = _without_null(kind)
        yield {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": shown}


def _without_null(kind: dict[str, Any]) -> dict[str, Any]:
    """An absent parameter is left out; there is no way to write null."""
    some = [each for each in kind.get("anyOf", ()) if each.get("type") != "null"]
    plain = {name: value for name, value in kind.items() if name not in {"title", "anyOf"}}
    if plain.get("default", 0) is None:
        del plain["default"]
    return {**plain, **some[0]} if some else plain
