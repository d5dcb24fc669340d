"""The base of all configuration models: strict, frozen, and aware of `${…}` in plain texts.

Every field typed as a plain `str` may hold references, which are resolved while the file is read.
Texts with a pattern or a fixed set of values, and keys, take none. Lists may be read into tuples, and
a number such as `4.0` into an `int`, because JSON Schema sees them so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from tailrace.errors import SecretError
from tailrace.project.reading import Reading, parse_field, place_of, problem
from tailrace.project.references import resolve, template_pattern


def field_keys(model: type[BaseModel]) -> set[str]:
    """The keys a model reads from a file: its fields' names, or their aliases."""
    return {info.alias or name for name, info in model.model_fields.items()}


def whole(value: object) -> object:
    """Turn a float without a fraction into an int, as JSON Schema sees it; anything else stays."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


@dataclass(frozen=True)
class _KeyNote:
    """Has each mapping tell the `Reading` which keys its model knows."""

    model: type[BaseModel]

    def __call__(self, value: object, info: core_schema.ValidationInfo) -> object:
        if isinstance(info.context, Reading) and isinstance(value, dict):
            info.context.known.setdefault(id(value), set()).update(field_keys(self.model))
        return value


def _prepare(model: type[BaseModel], schema: Any) -> None:
    """Adapt a model's own schema in place, once: pydantic hands out the same one wherever the model is used."""
    inner = schema["schema"]
    if isinstance(inner.get("function", {}).get("function"), _KeyNote):
        return
    _adapt(inner)
    schema["schema"] = core_schema.with_info_before_validator_function(_KeyNote(model), inner)


def _innermost_model(schema: Any) -> Any:
    while schema["type"] != "model":
        schema = schema["schema"]
    return schema


def _adapt(schema: Any) -> None:
    """Rewrite the schema's nodes in place where files are read more leniently, or more strictly, than code."""
    for holder, name in _slots(schema):
        node = holder[name]
        change = _CHANGES.get(node["type"])
        if change:
            holder[name] = change(node)


def _slots(schema: Any) -> Iterator[tuple[Any, Any]]:
    """Places that hold a node below this one, innermost first.

    Nested models adapt themselves, and a union tells whole numbers from others by itself.
    """
    for holder, name in _children(schema):
        node = holder[name]
        if node["type"] == "model" and issubclass(node["cls"], Model):
            continue
        yield from _slots(node)
        if not (schema["type"] == "union" and node["type"] == "int"):
            yield holder, name


_INNER = ("schema", "values_schema", "items_schema", "choices", "steps", "fields", "definitions")


def _children(schema: Any) -> Iterator[tuple[Any, Any]]:
    for name in _INNER:
        inner = schema.get(name)
        if isinstance(inner, dict) and isinstance(inner.get("type"), str):
            yield schema, name
        elif isinstance(inner, dict):
            yield from ((inner, key) for key, node in inner.items() if isinstance(node, dict))
        elif isinstance(inner, list):
            yield from ((inner, index) for index, node in enumerate(inner) if isinstance(node, dict))


def _text(node: Any) -> CoreSchema:
    limits = set(node) - {"type", "strict", "metadata", "ref", "serialization", "min_length"}
    reader, extra = (_refuse_references, _without_references) if limits else (_substitute, _with_references)
    return core_schema.with_info_before_validator_function(
        reader, node, metadata={"pydantic_js_functions": [_json_schema(extra)]}
    )


def _json_schema(extra: Callable[[], dict[str, Any]]) -> Callable[[Any, Any], dict[str, Any]]:
    """Hook that adds to a node's JSON Schema when one is made, for the providers are known only then."""

    def build(schema: Any, handler: Any) -> dict[str, Any]:
        return {**handler(schema), **extra()}

    return build


def _with_references() -> dict[str, Any]:
    return {"pattern": template_pattern()}


def _without_references() -> dict[str, Any]:
    return {"not": {"pattern": r"\$\{"}}


def _substitute(value: object, info: core_schema.ValidationInfo) -> object:
    if not isinstance(value, str) or "${" not in value:
        return value
    parts = parse_field(value)
    try:
        return resolve(parts, place_of(value, info.context))
    except SecretError as fault:
        reason = fault.message.removeprefix(f"{place_of(value, info.context)}: ")
        raise problem(f"cannot be read: {reason}", "reference") from None


def _refuse_references(value: object, _info: core_schema.ValidationInfo) -> object:
    if isinstance(value, str) and "${" in value:
        raise problem("cannot hold a ${…} reference: it must be written out", "reference")
    return value


def _lenient(node: Any) -> CoreSchema:
    lenient: CoreSchema = {**node, "strict": False}
    return lenient


def _number(node: Any) -> CoreSchema:
    return core_schema.no_info_before_validator_function(whole, node)


_CHANGES: dict[str, Callable[[Any], CoreSchema]] = {
    "str": _text,
    "int": _number,
    "tuple": _lenient,
    "list": _lenient,
    "set": _lenient,
    "frozenset": _lenient,
}


class Model(BaseModel):
    """Base of all configuration: frozen, no unknown keys, no silent conversions."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        _prepare(cls, _innermost_model(handler.resolve_ref_schema(schema)))
        return schema
