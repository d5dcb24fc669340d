"""Turns pydantic's errors into problems with a place in the file and words for people."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tailrace.errors import Problem
from tailrace.project.reading import Reading
from tailrace.project.yaml import Node, shorten

MAX_PROBLEMS = 100
"""Most problems told of one file; a file with more is told so."""

_KINDS = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "dict_type": "a mapping (key: value)",
    "model_type": "a mapping (key: value)",
    "model_attributes_type": "a mapping (key: value)",
    "dataclass_type": "a mapping (key: value)",
    "list_type": "a list",
    "tuple_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "none_required": "empty",
}
_WORDS = {
    "greater_than_equal": "should be {ge} or more",
    "greater_than": "should be above {gt}",
    "less_than_equal": "should be {le} or less",
    "less_than": "should be below {lt}",
    "too_short": "should not be empty",
    "too_long": "should have at most {max_length} entries",
    "string_too_short": "should not be empty",
    "string_too_long": "should have at most {max_length} characters",
    "string_pattern_mismatch": "should match the pattern {pattern}",
}
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'")


def near(name: str, known: Iterable[str]) -> str:
    """Say `; did you mean …?`, or nothing when no name is near."""
    folded = {other.casefold(): other for other in known}
    close = get_close_matches(name.casefold(), folded, n=1, cutoff=0.6) if len(name) <= 100 else []  # noqa: PLR2004
    return f"; did you mean `{folded[close[0]]}`?" if close else ""


def listed(names: Iterable[str], most: int = 20) -> str:
    """The names in order, cut short when there are many."""
    ordered = sorted(names)
    return ", ".join(ordered[:most]) + (f" and {len(ordered) - most} more" if len(ordered) > most else "")


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """Say that there is no such thing, with the nearest name, else with all of them."""
    names = sorted(known)
    hint = near(name, names) or (f"; there is {listed(names)}" if names else f"; the project has no {what}")
    return f"there is no {what} `{shorten(name)}`{hint}"


@dataclass(frozen=True)
class Section:
    """A part of a file under judgement: where it is, and how it is called."""

    file: Path
    node: Node
    reading: Reading
    path: tuple[str, ...] = ()
    """The keys that lead to it from the file's top."""

    def at(self, *path: str | int) -> tuple[int, int]:
        """Line and column of what stands at that path, or of the nearest thing around it."""
        node = self.node
        for step in path:
            if step not in node.children:
                break
            node = node.children[step]
        return node.line, node.column

    def at_key(self, *path: str | int) -> tuple[int, int]:
        """Line and column of the key at the end of that path."""
        *before, key = path
        node = self.node
        for step in before:
            node = node.children.get(step, node)
        return node.keys.get(str(key), (node.line, node.column))

    def problem(self, place: tuple[int, int], message: str) -> Problem:
        """A problem of this file."""
        return Problem(self.file, *place, message)

    def name(self, path: Iterable[str | int]) -> str:
        """The dotted name of what stands at that path below the section, quoted."""
        steps = [*self.path, *(f"{step + 1}." if isinstance(step, int) else step for step in path)]
        return f"`{shorten('.'.join(step.rstrip('.') for step in steps))}`"


def explain(error: ValidationError, section: Section) -> list[Problem]:
    """All that pydantic found wrong in a section."""
    found = error.errors(include_url=False, include_input=False)
    problems: dict[Problem, None] = {}
    for problem in _problems(found, section):
        problems[problem] = None
        if len(problems) >= MAX_PROBLEMS:
            problems[section.problem((0, 0), f"only the first {MAX_PROBLEMS} problems are told")] = None
            break
    return list(problems)


def _problems(found: Iterable[Any], section: Section) -> Iterator[Problem]:
    kinds: dict[tuple[str | int, ...], list[str]] = {}
    for fault in found:
        path, rest = _follow(section.node, fault["loc"])
        if fault["type"] in _KINDS:
            kinds.setdefault(path, []).append(_KINDS[fault["type"]])
        else:
            yield _problem(fault, path, rest, section)
    for path, expected in kinds.items():
        yield section.problem(section.at(*path), _wrong_kind(section, path, expected))


def _follow(node: Node, loc: tuple[str | int, ...]) -> tuple[tuple[str | int, ...], tuple[str | int, ...]]:
    """Split a location into the path that exists in the file, and the steps that are not of the file.

    Such steps are the labels of a union's members, or at the end a key that is missing.
    """
    path: list[str | int] = []
    rest: list[str | int] = []
    for step in loc:
        if step in node.children:
            node = node.children[step]
            path.append(step)
        else:
            rest.append(step)
    return tuple(path), tuple(rest)


def _problem(fault: Any, path: tuple[str | int, ...], rest: tuple[str | int, ...], section: Section) -> Problem:
    kind, context = fault["type"], fault.get("ctx", {})
    match kind:
        case "extra_forbidden":
            return section.problem(section.at_key(*path), _unknown_key(section, path))
        case "missing":
            return section.problem(section.at(*path), f"{section.name((*path, *rest[-1:]))} is missing")
        case "union_tag_not_found":
            missing = (*path, _discriminator(context))
            return section.problem(section.at(*path), f"{section.name(missing)} is missing")
        case "union_tag_invalid":
            path = (*path, _discriminator(context))
            return section.problem(section.at(*path), _choice(section, path, context["expected_tags"]))
        case "literal_error" | "enum":
            return section.problem(section.at(*path), _choice(section, path, context["expected"]))
    on_key = rest[-1:] == ("[key]",)
    place = section.at_key(*path) if on_key else section.at(*path)
    return section.problem(place, _sentence(section, path, _say(fault, context), on_key=on_key))


def _discriminator(context: dict[str, Any]) -> str:
    return str(context["discriminator"]).strip("'")


def _say(fault: Any, context: dict[str, Any]) -> str:
    words = _WORDS.get(fault["type"])
    if words:
        return words.format(**context)
    message = str(fault["msg"])
    return message.removeprefix("Value error, ").removeprefix("Assertion failed, ").removeprefix("Input ")


_CONTINUES = re.compile(r"(?:should|must|can|cannot|holds|is|are|needs?|has|goes|means?)\b")


def _sentence(section: Section, path: tuple[str | int, ...], words: str, *, on_key: bool = False) -> str:
    if not (path or section.path):
        return words
    subject = f"the name {section.name(path)}" if on_key else section.name(path)
    return f"{subject} {words}" if _CONTINUES.match(words) else f"{subject}: {words}"


def _wrong_kind(section: Section, path: tuple[str | int, ...], expected: list[str]) -> str:
    value = _value(section.node, path)
    kinds = list(dict.fromkeys(expected))
    hint = ""
    if "a text" in kinds and isinstance(value, bool | int | float):
        hint = "; put it in quotes"
    elif value is None:
        hint = ", and it is empty"
    elif kinds == ["a list"] and isinstance(value, dict) and value:
        hint = f": [{{{shorten(', '.join(f'{key}: {held}' for key, held in value.items()))}}}]"
    return _sentence(section, path, f"should be {_one_of(kinds)}{hint}") if path else f"should be {_one_of(kinds)}"


def _one_of(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def _value(node: Node, path: tuple[str | int, ...]) -> object:
    for step in path:
        node = node.children[step]
    return node.value


def _choice(section: Section, path: tuple[str | int, ...], expected: str) -> str:
    options = [option.replace("\\'", "'") for option in _QUOTED.findall(expected)] or [expected]
    place, _ = _follow(section.node, path)
    value = _value(section.node, place) if place == path else None
    hint = near(value, options) if isinstance(value, str) else ""
    return f"{section.name(path)} should be {_one_of(options)}{hint}"


def _unknown_key(section: Section, path: tuple[str | int, ...]) -> str:
    *before, key = path
    around = _value(section.node, tuple(before))
    known = section.reading.known.get(id(around), set())
    where = f" in {section.name(before)}" if before or section.path else ""
    hint = near(str(key), known) or (f"; known are {', '.join(sorted(known))}" if known else "")
    return f"unknown key `{shorten(str(key))}`{where}{hint}"
