"""JSON Schemas of `tailrace.yml` and of sync files, for editors, made of the models that judge the files.

They accept what the loader accepts of one file taken alone. What a schema cannot say stays with the
loader: whether other files, environment variables and names exist, cron ranges that run backwards, a
field mapped twice, numbers beyond 64 bits, and control characters in texts.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from tailrace.project.adapters import Adapters, option_keys
from tailrace.project.config import ProjectConfig, SyncConfig
from tailrace.project.model import Model, field_keys
from tailrace.project.types import NAME_PATTERN

if TYPE_CHECKING:
    from tailrace.destination import Plugin

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_Schema = dict[str, Any]


def schemas(plugins: Mapping[str, Plugin] | None = None) -> dict[str, _Schema]:
    """JSON Schemas (2020-12) of both files, under `project` and `sync`; `plugins` stands in for the installed ones."""
    adapters = Adapters(plugins).usable()
    return {"project": _project(adapters), "sync": _sync(adapters)}


def _project(adapters: Mapping[str, Plugin]) -> _Schema:
    models = {name: plugin.config for name, plugin in adapters.items()}
    root, names, definitions = _generate(ProjectConfig, models)
    for name, definition in names.items():
        _fix_type(definitions[definition], name)
    root["properties"]["destinations"] = {
        **root["properties"]["destinations"],
        "patternProperties": {NAME_PATTERN: {"anyOf": [_reference(each) for each in names.values()]}},
    }
    return _finish("Tailrace project", root, definitions)


def _fix_type(definition: _Schema, name: str) -> None:
    """An entry's `type` is the adapter's name, whatever the adapter's own model says."""
    definition["properties"]["type"] = {"const": name}
    definition["required"] = sorted({*definition.get("required", ()), "type"})


def _sync(adapters: Mapping[str, Plugin]) -> _Schema:
    models = {name: plugin.options for name, plugin in adapters.items() if plugin.options is not None}
    root, names, definitions = _generate(SyncConfig, models)
    own = field_keys(SyncConfig)
    for key in sorted({key for plugin in adapters.values() for key in option_keys(plugin)} - own):
        kinds = [definitions[each]["properties"].get(key) for each in names.values()]
        root["properties"][key] = {"anyOf": [kind for kind in kinds if kind is not None]}
    return _finish("Tailrace sync", root, definitions)


def _generate(
    root: type[BaseModel], models: Mapping[str, type[BaseModel]]
) -> tuple[_Schema, dict[str, str], dict[str, _Schema]]:
    """The root's schema, the definition that each model has, and all definitions."""
    wanted = list(dict.fromkeys([root, *models.values()]))
    found, document = models_json_schema([(model, "validation") for model in wanted])
    names = {model: ref["$ref"].rpartition("/")[2] for (model, _), ref in found.items()}
    definitions: dict[str, _Schema] = document["$defs"]
    for name, text in _docstrings(definitions):
        definitions[name[0]]["properties"][name[1]].setdefault("description", text)
    return definitions.pop(names[root]), {name: names[model] for name, model in models.items()}, definitions


def _reference(definition: str) -> _Schema:
    return {"$ref": f"#/$defs/{definition}"}


def _finish(title: str, root: _Schema, definitions: Mapping[str, _Schema]) -> _Schema:
    for node in _nodes([root, definitions]):
        _tidy(node)
    schema = {"$schema": DIALECT, **root, "title": title}
    used = _used(root, definitions)
    return {**schema, "$defs": {name: definitions[name] for name in sorted(used)}} if used else schema


def _nodes(value: Any) -> Iterator[_Schema]:
    """Every mapping inside, outermost first."""
    if isinstance(value, Mapping):
        if isinstance(value, dict):
            yield value
        for inner in list(value.values()):
            yield from _nodes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _nodes(inner)


def _tidy(node: _Schema) -> None:
    """Close mappings whose keys have a pattern; drop what only repeats the key, or shows a value as Python has it."""
    if isinstance(node.get("patternProperties"), dict):
        node.setdefault("additionalProperties", False)
    if isinstance(node.get("discriminator"), dict) and "oneOf" in node:
        del node["discriminator"]
    if isinstance(node.get("title"), str):
        del node["title"]
    if "default" in node and (node["default"] is None or isinstance(node["default"], float)):
        del node["default"]


def _used(root: _Schema, definitions: Mapping[str, _Schema]) -> set[str]:
    """Names of the definitions that the root refers to, directly or not."""
    used: set[str] = set()
    waiting = [root]
    while waiting:
        for node in _nodes(waiting.pop()):
            name = str(node.get("$ref", "")).rpartition("/")[2]
            if name in definitions and name not in used:
                used.add(name)
                waiting.append(definitions[name])
    return used


def _docstrings(definitions: Mapping[str, _Schema]) -> Iterator[tuple[tuple[str, str], str]]:
    """Texts under the fields of our models, as ((definition, key), text)."""
    models = {model.__name__: model for model in _models(Model)}
    for name, schema in definitions.items():
        model = models.get(name)
        for each in reversed(model.__mro__) if model else ():
            if issubclass(each, Model):
                yield from (((name, key), text) for key, text in _field_texts(each) if key in schema["properties"])


def _models(base: type[Model]) -> Iterator[type[Model]]:
    for model in base.__subclasses__():
        yield model
        yield from _models(model)


def _field_texts(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    try:
        source = inspect.getsource(model)
    except (OSError, TypeError):  # a model made at run time
        return
    tree = ast.parse(textwrap.dedent(source)).body[0]
    body = tree.body if isinstance(tree, ast.ClassDef) else []
    for field, text in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
            info = model.model_fields.get(field.target.id)
            if info and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str):
                yield info.alias or field.target.id, inspect.cleandoc(text.value.value)
