"""What dbt knows of its models and sources: their relations, and their keys, out of `manifest.json`.

Layout: https://schemas.getdbt.com/dbt/manifest/v12.json. Older ones have the same names for what is read here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Self

from tailrace.project.references import END
from tailrace.project.yaml import Fault

_BUILT: Final = frozenset({"model", "seed", "snapshot"})
_COMBINATION: Final = "unique_combination_of_columns"
_TEXT: Final = r"""\s*(?:'[^'"]+'|"[^'"]+")\s*"""
REFERENCE_PATTERN: Final = rf"^(?:ref\({_TEXT}(?:,{_TEXT})?\)|source\({_TEXT},{_TEXT}\)){END}"


@dataclass(frozen=True, slots=True)
class Reference:
    """`ref('model')`, `ref('package', 'model')` or `source('source', 'table')`."""

    kind: str
    name: str
    within: str | None = None
    """The package of a model, or the source of a table."""

    @classmethod
    def read(cls, text: str) -> Self | None:
        """What a text refers to; None when it is no reference."""
        if re.match(REFERENCE_PATTERN, text) is None:
            return None
        *within, name = (found[1] for found in re.finditer(r"""['"]([^'"]+)['"]""", text))
        return cls(text[: text.index("(")], name, within[0] if within else None)

    def __str__(self) -> str:
        inner = f"'{self.name}'" if self.within is None else f"'{self.within}', '{self.name}'"
        return f"{self.kind}({inner})"


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or view that dbt built, as SQL names it; `key` is empty where dbt knows none."""

    name: str
    key: tuple[str, ...] = ()


class Manifest:
    """A project of dbt, as it was last parsed."""

    def __init__(self, path: Path, content: Mapping[str, Any]) -> None:
        self._path = path
        nodes: Iterable[Mapping[str, Any]] = content["nodes"].values()
        self._nodes = [node for node in nodes if node.get("resource_type") in _BUILT]
        self._tests = [node for node in content["nodes"].values() if node.get("resource_type") == "test"]
        self._sources: list[Mapping[str, Any]] = list(content.get("sources", {}).values())

    @classmethod
    def read(cls, path: Path) -> Self:
        """The manifest in a file; Fault when there is none that can be read."""
        try:
            content = json.loads(path.read_bytes())
            return cls(path, content)
        except FileNotFoundError:
            raise Fault(f"there is no {path}; `dbt parse` and `dbt build` write it") from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
            raise Fault(f"{path} cannot be read as dbt's manifest: {fault!r}") from None

    def relation(self, reference: Reference) -> Relation:
        """What a reference stands for; Fault when that is nothing, several things, or nothing that was built."""
        node = self._source(reference) if reference.kind == "source" else self._node(reference)
        name = node.get("relation_name")
        if not name:
            how = (node.get("config") or {}).get("materialized")
            raise Fault(f"{reference} is {how or 'nothing'} in dbt, which leaves no table or view to read")
        return Relation(str(name), self._key(node))

    def _node(self, reference: Reference) -> Mapping[str, Any]:
        named = [node for node in self._nodes if node["name"] == reference.name]
        if reference.within is not None:
            named = [node for node in named if node.get("package_name") == reference.within]
        latest = [node for node in named if node.get("version") == node.get("latest_version")]
        if not latest:
            raise Fault(f"{self._path} has no {reference}{_near(reference.name, (n['name'] for n in self._nodes))}")
        if len(latest) > 1:
            packages = ", ".join(sorted(str(node.get("package_name")) for node in latest))
            raise Fault(f"{reference} is in several packages, {packages}; write ref('PACKAGE', '{reference.name}')")
        return latest[0]

    def _source(self, reference: Reference) -> Mapping[str, Any]:
        for source in self._sources:
            if (source.get("source_name"), source.get("name")) == (reference.within, reference.name):
                return source
        raise Fault(f"{self._path} has no {reference}{_near(reference.name, (s['name'] for s in self._sources))}")

    def _key(self, node: Mapping[str, Any]) -> tuple[str, ...]:
        """By declared primary key, else by the tests that dbt runs."""
        for columns in (*_declared(node), *self._tested(node)):
            if columns:
                return tuple(columns)
        return ()

    def _tested(self, node: Mapping[str, Any]) -> Iterator[list[str]]:
        columns: dict[str, set[str]] = {}
        combinations = []
        for test in self._tests:
            if test.get("attached_node") != node.get("unique_id"):
                continue
            told = test.get("test_metadata") or {}
            values = told.get("kwargs") or {}
            if told.get("name") == _COMBINATION:
                combinations.append([str(name) for name in values.get("combination_of_columns") or ()])
            elif values.get("column_name"):
                columns.setdefault(str(values["column_name"]), set()).add(str(told.get("name")))
        single = [name for name, tests in columns.items() if {"unique", "not_null"} <= tests]
        if len(single) == 1:  # of several, nobody knows which one is meant
            yield single
        if len(combinations) == 1:
            yield combinations[0]


def _declared(node: Mapping[str, Any]) -> Iterator[list[str]]:
    for constraint in node.get("constraints") or ():
        if constraint.get("type") == "primary_key":
            yield list(constraint.get("columns") or ())
    columns = (node.get("columns") or {}).values()
    yield [c["name"] for c in columns if any(k.get("type") == "primary_key" for k in c.get("constraints") or ())]
    yield list(node.get("primary_key") or ())


def _near(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, sorted(set(known)), n=1)
    return f"; did you mean {close[0]}?" if close else ""
