"""Reading the files under `syncs/`, each judged on its own so that one broken file hides no other's faults."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from tailrace.destination import Capabilities, Plugin
from tailrace.errors import Problem
from tailrace.project.adapters import option_keys
from tailrace.project.config import SyncConfig, SyncOptions
from tailrace.project.cursor import PLACE
from tailrace.project.dbt import Reference, Relation
from tailrace.project.draft import Draft, read_mapping, validate
from tailrace.project.faults import Section, explain, listed, unknown
from tailrace.project.files import read_text
from tailrace.project.model import field_keys
from tailrace.project.reading import Reading
from tailrace.project.sources import table_query
from tailrace.project.sync import Sync
from tailrace.project.types import NAME_PATTERN, ModelName
from tailrace.project.yaml import Fault, Node

_MODEL_NAME: TypeAdapter[str] = TypeAdapter(ModelName)

SUFFIXES = (".yml", ".yaml")


@dataclass(frozen=True, slots=True)
class SyncFile:
    """A sync's file as far as it could be read; `sync` is None when something is wrong with it."""

    section: Section
    sync: Sync | None = None
    after: tuple[str, ...] = ()


def read_syncs(draft: Draft) -> dict[str, SyncFile]:
    """All sync files by name, those with faults too; the faults go to the draft's problems."""
    files: dict[str, SyncFile] = {}
    taken: dict[str, Path] = {}
    for path in _paths(draft):
        shown, folded = draft.shown / path, path.stem.casefold()
        if not re.match(NAME_PATTERN, path.stem):
            words = "a sync's name, which is its file's, is made of letters, digits, _ and -, at most 100"
            draft.problems.append(Problem(shown, 0, 0, words))
        elif folded in taken:
            draft.problems.append(Problem(shown, 0, 0, f"the sync has this name already: {taken[folded]}"))
        else:
            taken[folded] = shown
            files[path.stem] = _read(draft, path)
    return files


def _paths(draft: Draft) -> list[Path]:
    """Sync files, relative to the root."""
    folder = draft.root / "syncs"
    if not folder.is_dir():
        return []
    for nested in sorted(path for suffix in SUFFIXES for path in folder.glob(f"*/*{suffix}")):
        shown = draft.shown / nested.relative_to(draft.root)
        draft.problems.append(Problem(shown, 0, 0, "sync files stand in syncs/ itself, not in a folder below it"))
    found = (path for path in folder.iterdir() if path.suffix in SUFFIXES and not path.name.startswith("."))
    return sorted(path.relative_to(draft.root) for path in found)


def _read(draft: Draft, path: Path) -> SyncFile:
    file = draft.shown / path
    root = read_mapping(draft, str(path), "a sync, such as `model:`, `destination:` and `fields:`")
    if root is None:
        return SyncFile(Section(file, Node({}, 0, 0), Reading(draft.root, file)))
    section = Section(file, root, Reading(draft.root, file))
    return _Judge(draft, section, path.stem).judge()


class _Judge:
    """Puts one sync together, noting whatever is wrong on the way."""

    def __init__(self, draft: Draft, section: Section, name: str) -> None:
        self.draft = draft
        self.section = section
        self.name = name
        self.before = len(draft.problems)
        root: Any = section.node.value
        self.values: dict[str, Any] = root

    def judge(self) -> SyncFile:
        plugin = self.plugin()
        options = self.options(plugin)
        config = self.config(plugin)
        warehouse = self.warehouse()
        sql = self.sql(config) if config else None
        if config is None:
            self.look_for_model()
        else:
            config = self.keyed(config)
        if config:
            self.fit(config, plugin)
        after = (config.schedule.after or ()) if config and config.schedule else ()
        end = self.draft.valid.get(config.destination) if config else None
        if config is None or end is None or sql is None or warehouse is None or len(self.draft.problems) > self.before:
            return SyncFile(self.section, None, after)
        sync = Sync(self.name, config, options, sql, self.section.file, warehouse, end, self.places())
        return SyncFile(self.section, sync, after)

    def places(self) -> dict[str, tuple[int, int]]:
        """Line and column of each mapped and each match field, and of the cursor."""
        parts = self.section.node.children
        found = {name: place for key in ("match", "fields") if key in parts for name, place in parts[key].keys.items()}
        return {**found, PLACE: self.section.at_key("cursor")} if "cursor" in parts else found

    def problem(self, place: tuple[int, int], words: str) -> None:
        self.draft.problems.append(self.section.problem(place, words))

    def plugin(self) -> Plugin | None:
        """The destination's adapter; None when it is not known."""
        name, known = self.values.get("destination"), self.draft.destinations
        if known is None or not isinstance(name, str):
            return None
        if name not in known:
            self.problem(self.section.at("destination"), unknown("destination", name, known))
            return None
        adapter = known[name]
        return self.draft.adapters.get(adapter) if adapter else None

    def options(self, plugin: Plugin | None) -> SyncOptions | None:
        """The adapter's own keys, read with its own model."""
        if plugin is None or plugin.options is None:
            return None
        values = {key: value for key, value in self.values.items() if key in self.own_keys(plugin)}
        options = validate(self.draft, plugin.options, self.section, plugin.name, values)
        return options if isinstance(options, SyncOptions) else None

    def own_keys(self, plugin: Plugin | None) -> set[str]:
        return option_keys(plugin) - field_keys(SyncConfig)

    def config(self, plugin: Plugin | None) -> SyncConfig | None:
        """The common keys. Keys that are other adapters' are told apart from those that are nobody's."""
        foreign = self.foreign_keys(plugin)
        skipped = self.own_keys(plugin) | foreign
        values = {key: value for key, value in self.values.items() if key not in skipped}
        self.section.reading.known[id(self.values)] = field_keys(SyncConfig) | self.own_keys(plugin)
        try:
            return SyncConfig.model_validate(values, context=self.section.reading)
        except ValidationError as error:
            self.draft.problems.extend(explain(error, self.section))
            return None

    def foreign_keys(self, plugin: Plugin | None) -> set[str]:
        foreign = set()
        for key in self.values.keys() - field_keys(SyncConfig) - self.own_keys(plugin):
            owners = self.draft.adapters.owners(key)
            if owners:
                foreign.add(key)
            if owners and plugin:
                destination = self.values["destination"]
                words = f"`{key}` is a key of {' and '.join(owners)} syncs; {destination} is {plugin.name}"
                self.problem(self.section.at_key(key), words)
        return foreign

    def warehouse(self) -> str | None:
        """The warehouse's name, also when there is one only and the file leaves it out."""
        known, name = self.draft.warehouses, self.values.get("warehouse")
        if known is None:
            return None
        if isinstance(name, str):
            if name in known:
                return name
            self.problem(self.section.at("warehouse"), unknown("warehouse", name, known))
        elif name is None and len(known) == 1:
            return next(iter(known))
        elif name is None:
            words = f"name one of {listed(known)}" if known else "tailrace.yml has none"
            self.problem(self.section.at(), f"`warehouse` is missing; {words}")
        return None

    def look_for_model(self) -> None:
        """Tell of a missing model, although other keys of the file are wrong too."""
        with suppress(ValidationError):
            model = _MODEL_NAME.validate_python(self.values.get("model"), context=self.section.reading)
            self.relation(model) or self.file(model)

    def sql(self, config: SyncConfig) -> str | None:
        """The query whose rows are read; None, with a problem, when there is none."""
        if config.table is not None:
            return table_query(config.table)
        assert config.model is not None  # noqa: S101 - there is one or the other
        if config.reference is None:
            return self.file(config.model)
        relation = self.relation(config.model)
        return table_query(relation.name) if relation else None

    def relation(self, model: str) -> Relation | None:
        """What dbt built under the model's name; None, with a problem, when that is not known."""
        reference = Reference.read(model)
        if reference is None or self.draft.config is None:
            return None
        try:
            return self.draft.sources.relation(reference)
        except Fault as fault:
            self.problem(self.section.at("model"), fault.message)
            return None

    def keyed(self, config: SyncConfig) -> SyncConfig:
        """With the key that dbt knows, where the file has none; a problem when nobody knows one."""
        if config.key:
            return config
        reference = config.reference
        if reference is None:
            self.problem(self.section.at(), "`key` is missing")
            return config
        with suppress(Fault):
            key = self.draft.sources.relation(reference).key
            if key:
                return config.model_copy(update={"key": key})
            words = "dbt has no primary key for it, nor one column that is tested as unique and not_null"
            self.problem(self.section.at(), f"`key` is missing, and {words}")
        return config

    def file(self, model: str) -> str | None:
        """A model's text; None, with a problem, when it is missing, empty, broken, or not in the project."""
        path = Path("models") / f"{model}.sql"
        shown = self.draft.shown / path
        if not (self.draft.root / path).exists() and not (self.draft.root / path).is_symlink():
            self.problem(self.section.at("model"), f"{self.no_model(model)} (there is no {shown})")
            return None
        try:
            text = read_text(self.draft.root / path, self.draft.root)
            text = self.draft.sources.rendered(text, self.name)
        except Fault as fault:
            self.draft.problems.append(Problem(shown, fault.line, fault.column, fault.message))
            return None
        if is_blank(text):
            self.draft.problems.append(Problem(shown, 0, 0, "the model is empty; it should hold one SELECT"))
            return None
        return text

    def no_model(self, model: str) -> str:
        folder = self.draft.root / "models"
        models = (path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.sql"))
        return unknown("model", model, models)

    def fit(self, config: SyncConfig, plugin: Plugin | None) -> None:
        """What the keys mean together."""
        end = self.draft.valid.get(config.destination)
        able = self.able(config, plugin, end)
        for path, words in config.misfits(fields=able.fields if able else None):
            self.problem(self.section.at_key(*path), f"{self.section.name(path)} {words}")
        if able and not config.match and config.mode != "append" and able.match == "required":
            words = f"`match` is missing: mode {config.mode} needs the field that identifies a record in "
            self.problem(self.section.at(), f"{words}{config.destination}")

    def able(self, config: SyncConfig, plugin: Plugin | None, end: Any) -> Capabilities | None:
        """What the destination can do with the object; None when that is not known."""
        if plugin is None or not end:
            return None
        try:
            return plugin.able(end, config.object)
        except Exception:  # noqa: BLE001  planning asks again, and reports what is wrong
            return None


# Possessive throughout: each character is looked at once, whatever the text.
_BLANK = re.compile(r"(?:\s|;|--[^\n]*+|/\*(?:[^*]|\*(?!/))*+\*/)*+")


def is_blank(sql: str) -> bool:
    """Whether a model holds nothing but blanks, comments and semicolons."""
    return _BLANK.fullmatch(sql) is not None
