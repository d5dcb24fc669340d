"""Loading a project: all its files at once, and all that is wrong with them at once. No connection is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from tailrace.errors import Problem, ProjectError
from tailrace.project.adapters import AdapterFault, Adapters
from tailrace.project.config import DestinationConfig, ProjectConfig
from tailrace.project.draft import Draft, read_mapping, validate
from tailrace.project.faults import Section, explain, near, unknown
from tailrace.project.parents import judge_parents
from tailrace.project.reading import Reading
from tailrace.project.sync import Sync
from tailrace.project.syncs import SyncFile, read_syncs
from tailrace.project.yaml import Node

if TYPE_CHECKING:
    from tailrace.destination import Plugin

PROJECT_FILE = "tailrace.yml"


@dataclass(frozen=True, slots=True)
class LoadedProject:
    """A valid project. `root` is absolute."""

    root: Path
    config: ProjectConfig
    """`destinations` holds instances of the adapters' own models."""
    syncs: Mapping[str, Sync]
    """By name, in alphabetical order."""


def load_project(directory: str | Path = ".", *, plugins: Mapping[str, Plugin] | None = None) -> LoadedProject:
    """Read and judge a project; ProjectError carries every problem of all its files.

    `plugins` stands in for the installed adapters.
    """
    shown = Path(directory)
    draft = Draft(shown.resolve(), shown, Adapters(plugins))
    _find(draft)
    _read_project_file(draft)
    files = read_syncs(draft)
    judge_parents(files, draft.problems)
    _judge_triggers(draft, files)
    if draft.problems or draft.config is None:
        raise ProjectError(draft.problems)
    config = draft.config.model_copy(update={"destinations": dict(draft.valid)})
    return LoadedProject(draft.root, config, _syncs(files))


def _judge_triggers(draft: Draft, files: Mapping[str, SyncFile]) -> None:
    """Add a problem for each sync that a trigger asks for and that does not exist."""
    if draft.config is None or draft.section is None:
        return
    for name, trigger in draft.config.triggers.items():
        for index, sync in enumerate(trigger.syncs):
            if sync not in files:
                place = draft.section.at("triggers", name, "syncs", index)
                draft.problems.append(draft.section.problem(place, unknown("sync", sync, files)))


def _syncs(files: Mapping[str, SyncFile]) -> dict[str, Sync]:
    return {name: file.sync for name, file in sorted(files.items()) if file.sync is not None}


def _find(draft: Draft) -> None:
    file = draft.shown / PROJECT_FILE
    if (draft.root / PROJECT_FILE).is_file():
        return
    if (draft.root / "tailrace.yaml").is_file():
        hint = "rename tailrace.yaml to tailrace.yml"
    else:
        hint = "run `tailrace init` to make a project, or name a project's folder with --project"
    raise ProjectError([Problem(file, 0, 0, f"there is no such file; {hint}")])


def _read_project_file(draft: Draft) -> None:
    file = draft.shown / PROJECT_FILE
    root = read_mapping(draft, PROJECT_FILE, "a project's settings, such as `destinations:`")
    if root is None:
        return
    section = draft.section = Section(file, root, Reading(draft.root, file))
    draft.warehouses = frozenset(_names(root, "warehouses"))
    try:
        draft.config = ProjectConfig.model_validate(root.value, context=section.reading)
    except ValidationError as error:
        draft.problems.extend(explain(error, section))
    _read_destinations(draft, section)


def _names(root: Node, key: str) -> dict[str, Node]:
    node = root.children.get(key)
    return {str(name): child for name, child in node.children.items()} if node and node.keys else {}


def _read_destinations(draft: Draft, section: Section) -> None:
    types: dict[str, str | None] = {}
    for name, node in _names(section.node, "destinations").items():
        part = Section(section.file, node, section.reading, ("destinations", name))
        plugin = _plugin(draft, part)
        types[name] = plugin.name if plugin else None
        config = validate(draft, plugin.config, part, plugin.name) if plugin else None
        if isinstance(config, DestinationConfig):
            draft.valid[name] = config
    draft.destinations = types


def _plugin(draft: Draft, part: Section) -> Plugin | None:
    """The adapter that an entry asks for; None, with a problem, when there is none."""
    value = part.node.value
    if not isinstance(value, dict):
        draft.problems.append(part.problem(part.at(), f"{part.name(())} should be a mapping (key: value)"))
        return None
    if "type" not in value:
        draft.problems.append(part.problem(part.at(), f"{part.name(('type',))} is missing; {_installed(draft)}"))
        return None
    kind = value["type"]
    if not isinstance(kind, str) or kind not in draft.adapters.names:
        hint = near(kind, draft.adapters.names) if isinstance(kind, str) else ""
        words = f"{part.name(('type',))} should name an adapter; {_installed(draft)}{hint}"
        draft.problems.append(part.problem(part.at("type"), words))
        return None
    try:
        return draft.adapters.get(kind)
    except AdapterFault as fault:
        draft.problems.append(part.problem(part.at("type"), str(fault)))
        return None


def _installed(draft: Draft) -> str:
    names = sorted(draft.adapters.names)
    return f"installed are {', '.join(names)}" if names else "none is installed"
