"""A project while it is being read: what is known so far, and what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tailrace.errors import Problem
from tailrace.project.adapters import Adapters
from tailrace.project.config import DestinationConfig, ProjectConfig
from tailrace.project.faults import Section, explain
from tailrace.project.files import read_bytes
from tailrace.project.sources import Sources
from tailrace.project.yaml import Fault, Node, read_yaml


@dataclass
class Draft:
    """A project being read: what is known of it so far, and what is wrong with it."""

    root: Path
    """Absolute, links resolved."""
    shown: Path
    """The folder as the user named it: how problems name files."""
    adapters: Adapters
    problems: list[Problem] = field(default_factory=list)
    section: Section | None = None
    """Of `tailrace.yml`, once it is read."""
    config: ProjectConfig | None = None
    warehouses: frozenset[str] | None = None
    """Names in `tailrace.yml`, those of invalid entries too; None when the file could not be read."""
    destinations: Mapping[str, str | None] | None = None
    """Name and adapter of each destination, likewise; the adapter is None when it is not known."""
    valid: dict[str, DestinationConfig] = field(default_factory=dict)

    @cached_property
    def sources(self) -> Sources:
        """What models may refer to; asked for when `tailrace.yml` has been read."""
        config = self.config or ProjectConfig()
        return Sources(self.root, config.vars, config.dbt.manifest if config.dbt else None)


def read_mapping(draft: Draft, path: str, holds: str) -> Node | None:
    """The mapping in a YAML file of the project, `path` below its root; None, with problems, when there is none."""
    file = draft.shown / path
    try:
        document = read_yaml(read_bytes(draft.root / path, draft.root), file)
    except Fault as fault:
        draft.problems.append(Problem(file, fault.line, fault.column, fault.message))
        return None
    draft.problems.extend(document.problems)
    if document.root is not None and isinstance(document.root.value, dict):
        return document.root
    if not document.problems:
        place = (document.root.line, document.root.column) if document.root else (0, 0)
        what = "should hold a mapping (key: value)" if document.root else "the file is empty; it should hold"
        text = f"{what}: {holds}" if document.root else f"{what} {holds}"
        draft.problems.append(Problem(file, *place, text))
    return None


def validate(draft: Draft, model: Any, part: Section, adapter: str, value: object = None) -> Any:
    """An instance of an adapter's model; None, with problems, when the entry does not fit it."""
    try:
        return model.model_validate(part.node.value if value is None else value, context=part.reading)
    except ValidationError as error:
        draft.problems.extend(explain(error, part))
    except Exception as fault:  # noqa: BLE001  a third party's validator may raise anything
        words = f"the adapter {adapter} failed to judge this entry: {type(fault).__name__}"
        draft.problems.append(part.problem(part.at(), words))
    return None
