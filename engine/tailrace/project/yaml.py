"""A strict YAML reader: plain data, with the place of every key and value.

It takes the YAML that configuration needs and refuses the rest, so that no text means something its
author did not mean: YAML 1.2 core scalars (`no` and `on` are texts, `010` is refused), texts as keys,
no duplicate keys, no tags, no directives, no merge keys, one document. It works on the parser's events
and never recurses; size, depth, number of nodes and what aliases expand to are bounded.
"""

from __future__ import annotations

import math
import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from tailrace.errors import Problem
from tailrace.project.reading import Text

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_NODES = 20_000
"""Most values in one file, what aliases repeat included; keeps the worst file well under a second."""
MAX_PROBLEMS = 100

Plain: TypeAlias = bool | int | float | str | list[Any] | dict[str, Any] | None
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(slots=True)
class Node:
    """A value and its place; line and column count from 1."""

    value: Plain
    line: int
    column: int
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Of a mapping: the place of each key."""
    children: dict[str | int, Node] = field(default_factory=dict)
    """Of a mapping or a list: the nodes inside."""
    size: int = 1
    """Values in it, itself included, aliases expanded."""


@dataclass(frozen=True, slots=True)
class Document:
    """What was read; `root` is None when the file could not be read at all."""

    root: Node | None
    problems: tuple[Problem, ...]


class Fault(Exception):
    """Ends the reading of one file."""

    def __init__(self, message: str, line: int = 0, column: int = 0) -> None:
        super().__init__(message)
        self.message, self.line, self.column = message, line, column


def read_yaml(data: bytes, file: Path) -> Document:
    """Read a file's bytes; faults become problems, never exceptions."""
    builder = _Builder(file)
    try:
        root = builder.build(_events(decode(data)))
    except Fault as fault:
        return Document(None, (*builder.problems, Problem(file, fault.line, fault.column, fault.message)))
    return Document(root, tuple(builder.problems))


# What YAML calls printable, and no more: no NUL, no control characters, no byte order mark within.
_FORBIDDEN = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


def decode(data: bytes) -> str:
    """Bytes of a project file as text; Fault when over 1 MiB, not UTF-8, or holding control characters."""
    if len(data) > MAX_BYTES:
        raise Fault("the file is over 1 MiB")
    data = data.removeprefix(BOM_UTF8)
    try:
        text = data.decode()
    except UnicodeDecodeError as fault:
        raise Fault("the file is not UTF-8 text", *_place(data[: fault.start].decode())) from None
    bad = _FORBIDDEN.search(text)
    if bad:
        raise Fault(f"the control character U+{ord(bad.group()):04X} is not allowed", *_place(text[: bad.start()]))
    return text


def _place(before: str) -> tuple[int, int]:
    """Line and column, from 1, of what follows this text."""
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


_DIRECTIVE = re.compile(r"^%", re.MULTILINE)


def _events(text: str) -> Iterator[Any]:
    directive = _DIRECTIVE.search(text)
    if directive:
        raise Fault("directives (lines that start with %) are not supported", *_place(text[: directive.start()]))
    try:
        yield from yaml.parse(text, Loader=_Loader)
    except yaml.MarkedYAMLError as fault:
        raise Fault(f"this is not valid YAML: {_words(fault)}", *_fault_place(fault, text)) from None
    except yaml.YAMLError as fault:
        raise Fault(f"this is not valid YAML: {type(fault).__name__}") from None


def _fault_place(fault: yaml.MarkedYAMLError, text: str) -> tuple[int, int]:
    """Where it went wrong; libyaml puts an early end of the file one line too far."""
    mark = fault.problem_mark or fault.context_mark
    if mark is None:
        return 0, 0
    return (mark.line + 1, mark.column + 1) if mark.index < len(text) else _place(text)


def _words(fault: yaml.MarkedYAMLError) -> str:
    return ", ".join(part for part in (fault.context, fault.problem) if part)


@dataclass(slots=True)
class _Open:
    """A mapping or list whose end has not come yet."""

    node: Node
    anchor: str | None
    mapping: bool
    key: str | None = None
    """Of a mapping: the key that waits for its value."""
    refused: bool = False
    """The waiting key is a duplicate: its value is read, and dropped."""


class _Builder:
    """Makes nodes of events, with a stack of what is open."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.open: list[_Open] = []
        self.anchors: dict[str, Node] = {}
        self.root: Node | None = None
        self.nodes = 0

    def build(self, events: Iterable[Any]) -> Node | None:
        for event in events:
            match event:
                case yaml.ScalarEvent():
                    self.scalar(event)
                case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                    self.start(event)
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    self.end()
                case yaml.AliasEvent():
                    self.alias(event)
                case yaml.DocumentStartEvent() if self.root is not None:
                    raise Fault("the file holds a second document; keep one", *_mark(event))
                case _:
                    pass
        return self.root

    def problem(self, event: Any, message: str) -> None:
        self.problems.append(Problem(self.file, *_mark(event), message))
        if len(self.problems) >= MAX_PROBLEMS:
            raise Fault(f"{MAX_PROBLEMS} problems so far; the rest of the file was not read", *_mark(event))

    def scalar(self, event: Any) -> None:
        self.no_tag(event)
        if self.expects_key():
            self.key(event)
            return
        node = Node(self.value(event), *_mark(event))
        self.remember(event.anchor, node)
        self.add(node, event)

    def value(self, event: Any) -> Plain:
        if _FORBIDDEN.search(event.value):
            self.problem(event, "control characters are not allowed, not even escaped")
            return ""
        if not event.style:
            try:
                value = core_value(event.value)
            except ValueError as fault:
                self.problem(event, str(fault))
                return ""
            if not isinstance(value, str):
                return value
        return Text.at(event.value, *_mark(event)) if "${" in event.value else str(event.value)

    def key(self, event: Any) -> None:
        top = self.open[-1]
        value = self.value(event)
        if event.anchor:
            self.problem(event, "a key cannot have an anchor")
        if not isinstance(value, str):
            self.problem(event, f'a key must be a text; put it in quotes: "{event.value}"')
        elif value == "<<" and not event.style:
            self.problem(event, "merge keys (<<) are not supported; write the keys out")
        top.key = str(event.value)
        first = top.node.keys.get(top.key)
        top.refused = first is not None
        if first:
            self.problem(event, f"duplicate key `{shorten(top.key)}`; it is already in line {first[0]}")
        else:
            top.node.keys[top.key] = _mark(event)

    def start(self, event: Any) -> None:
        self.no_tag(event)
        if self.expects_key():
            raise Fault("a key must be a text, not a list or a mapping", *_mark(event))
        if len(self.open) >= MAX_DEPTH:
            raise Fault(f"nested more than {MAX_DEPTH} levels deep", *_mark(event))
        mapping = isinstance(event, yaml.MappingStartEvent)
        self.open.append(_Open(Node({} if mapping else [], *_mark(event)), event.anchor, mapping))
        self.count(1, event)

    def end(self) -> None:
        closed = self.open.pop()
        self.remember(closed.anchor, closed.node)
        self.attach(closed.node)

    def alias(self, event: Any) -> None:
        if self.expects_key():
            raise Fault("a key cannot be an alias", *_mark(event))
        known = self.anchors.get(event.anchor)
        if known is None:
            inside = any(frame.anchor == event.anchor for frame in self.open)
            why = "refers to what it stands in" if inside else "has no anchor before it"
            raise Fault(f"the alias *{shorten(event.anchor)} {why}", *_mark(event))
        line, column = _mark(event)
        self.count(known.size, event)
        self.attach(Node(known.value, line, column, known.keys, known.children, known.size))

    def add(self, node: Node, event: Any) -> None:
        self.count(1, event)
        self.attach(node)

    def attach(self, node: Node) -> None:
        if not self.open:
            self.root = node
            return
        top = self.open[-1]
        top.node.size += node.size
        if isinstance(top.node.value, list):
            top.node.children[len(top.node.value)] = node
            top.node.value.append(node.value)
        elif isinstance(top.node.value, dict) and top.key is not None:
            if not top.refused:
                top.node.children[top.key] = node
                top.node.value[top.key] = node.value
            top.key = None

    def count(self, nodes: int, event: Any) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            raise Fault(f"more than {MAX_NODES:,} values, aliases expanded", *_mark(event))

    def remember(self, anchor: str | None, node: Node) -> None:
        if anchor:
            self.anchors[anchor] = node

    def expects_key(self) -> bool:
        return bool(self.open) and self.open[-1].mapping and self.open[-1].key is None

    def no_tag(self, event: Any) -> None:
        if event.tag is not None:
            self.problem(event, "tags (such as !!str) are not supported; put texts in quotes instead")


def _mark(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def shorten(text: str, most: int = 60) -> str:
    """The text fit for a message: on one line, and not long."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"


_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]")
_INT64 = 1 << 63


def core_value(text: str) -> bool | int | float | str | None:
    """What a plain scalar means in YAML 1.2's core schema; ValueError where readers would be surprised."""
    if text in _NULLS:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    if not text[0].isdigit() and text[0] not in "+-.":
        return text
    if _INT.fullmatch(text) or _BASED.fullmatch(text):
        return _integer(text)
    if _FLOAT.fullmatch(text):
        return _float(text)
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"{text} is no number that can be used here; put it in quotes if it is a text")
    return text


def _integer(text: str) -> int:
    _no_leading_zero(text)
    base = 0 if text[:2] in {"0o", "0x"} else 10
    if len(text) > 30 or not -_INT64 <= (number := int(text, base)) < _INT64:  # noqa: PLR2004  longer is too large
        raise ValueError("the number is too large; put it in quotes if it is a text")
    return number


def _float(text: str) -> float:
    _no_leading_zero(text)
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("the number is too large; put it in quotes if it is a text")
    return number


def _no_leading_zero(text: str) -> None:
    if _LEADING_ZERO.match(text):
        raise ValueError("a number with leading zeros is ambiguous; put it in quotes if it is a text")
